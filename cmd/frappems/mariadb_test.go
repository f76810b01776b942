package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frappems/frappems/internal/mariadbtest"
)

// startMariaDB starts a server with a database, and returns its URL, in which there is the password hunter2.
func startMariaDB(t *testing.T) (url string) {
	t.Helper()
	init := filepath.Join(t.TempDir(), "init.sql")
	if err := os.WriteFile(init, []byte("CREATE DATABASE things;\nCREATE USER things@'%' IDENTIFIED BY 'hunter2';\nGRANT ALL ON things.* TO things@'%';\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := mariadbtest.Start("--init-file=" + init)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return strings.Replace(server.URL("things"), "root@", "things:hunter2@", 1)
}

// TestMariaDB migrates and serves a database whose URL stands in a flag or in the environment, and wants its password nowhere.
func TestMariaDB(t *testing.T) {
	url := startMariaDB(t)
	inDir(t, map[string]string{"good/thing.json": goodDocType, "users.json": goodUsers, "secret/secret.json": `{"doctype": "DocType", "name": "Secret", "fields": [{"fieldname": "p", "fieldtype": "Password"}]}`})
	environment := func(name string) string { return map[string]string{storeVariable: url}[name] }
	for _, c := range []struct {
		args   string
		getenv func(string) string
		code   int
		stdout string
		stderr string
	}{
		{"migrate --doctypes good --plan", environment, 0, "CREATE TABLE `tabThing`", "statements are missing"},
		{"migrate --doctypes good --store " + url, noEnv, 0, "CREATE TABLE `tabThing`", "statements done"},
		{"migrate --doctypes good --store " + strings.Replace(url, "mysql", "mariadb", 1), noEnv, 0, "", "nothing to do"},
		{"migrate --doctypes good", environment, 0, "", "nothing to do"},
		{"migrate --doctypes good --store memory:", environment, 0, "new table", "done"},
		{"migrate --doctypes good --store " + strings.Replace(url, "things:", "things:not-", 1), noEnv, 1, "", "Access denied for user 'things'"},
		{"migrate --doctypes good --store " + url + "-none", noEnv, 1, "", "denied"},
		{"migrate --doctypes good --store " + url + "?collation=gbk_chinese_ci", noEnv, 2, "", `"collation"`},
		{"serve --doctypes secret --users users.json --addr 127.0.0.1:0 --store " + url, noEnv, 1, "", keyVariable},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), &env{stdout: &stdout, stderr: &stderr, getenv: c.getenv}, strings.Fields(c.args))
		if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("%s: got %d\n%s%s", c.args, code, &stdout, &stderr)
		}
		if c.stdout == "" && stdout.Len() > 0 {
			t.Errorf("%s: printed %s", c.args, &stdout)
		}
		if strings.Contains(stdout.String()+stderr.String(), "hunter2") {
			t.Errorf("%s: the password is in %s%s", c.args, &stdout, &stderr)
		}
	}
	for _, want := range []int{200, 409} { // the second time it is there
		s := startServing(t, "--doctypes", "good", "--users", "users.json", "--store", url, "--log", "debug")
		request, err := http.NewRequest("POST", s.base+"/api/resource/Thing", strings.NewReader(`{"title": "kept"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "token a:s")
		if response, err := http.DefaultClient.Do(request); err != nil || response.StatusCode != want {
			t.Errorf("got %v, %v, want %d", response, err, want)
		}
		if status, answer := s.get("/api/resource/Thing", "token a:s"); status != 200 || answer != `{"data":[{"name":"kept"}]}` {
			t.Errorf("got %d %s", status, answer)
		}
		s.end()
		if text := s.out + s.stderr.String(); strings.Contains(text, "hunter2") {
			t.Errorf("the password is in %s", text)
		}
	}
}
