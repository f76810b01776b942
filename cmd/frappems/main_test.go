package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	goodUsers   = `[{"user": "ada@example.com", "api_key": "a", "api_secret": "s", "roles": ["System Manager"]}]`
	goodDocType = `{"doctype": "DocType", "name": "Thing", "autoname": "field:title",
		"fields": [{"fieldname": "title", "fieldtype": "Data"}],
		"permissions": [{"role": "System Manager", "read": 1, "create": 1}, {"role": "Guest", "read": 1}]}`
)

// inDir makes a directory with files and makes it the current one.
func inDir(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func noEnv(string) string { return "" }

func TestMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	served := "serve --doctypes good --users users.json --store memory: --addr 127.0.0.1:0"
	for _, test := range []struct {
		args string
		code int
		want []string // of what is printed to stderr
	}{
		{"", 2, []string{"frappems serve"}},
		{"server", 2, []string{`no command "server"`}},
		{"serve --bogus", 2, []string{"-bogus"}},
		{"serve now", 2, []string{`"now"`}},
		{"serve --doctypes good --users users.json", 2, []string{"--store is required"}},
		{"serve --doctypes good --store memory:", 2, []string{"--users is required", "api_secret"}},
		{"serve --doctypes good --users missing.json --store memory:", 1, []string{"missing.json does not exist"}},
		{"serve --doctypes good --users broken.json --store memory:", 1, []string{"--users broken.json: after 13 bytes"}},
		{"serve --doctypes missing --users users.json --store memory: --addr 127.0.0.1:0", 1, []string{"missing does not exist"}},
		{"serve --doctypes users.json --users users.json --store memory: --addr 127.0.0.1:0", 1, []string{"not a directory"}},
		{"serve --doctypes empty --users users.json --store memory: --addr 127.0.0.1:0", 1, []string{"no DocType JSON in empty"}},
		{"serve --doctypes bad --users users.json --store memory: --addr 127.0.0.1:0", 1, []string{"broken.json"}},
		{served + " --store mysql://u:p@h/", 2, []string{"--store", "names no database"}},
		{served + " --store mariadb://u:p@h/db?multiStatements=true", 2, []string{"--store", "multiStatements"}},
		{served + " --store mysql:db", 2, []string{"mysql://user:password@host:3306/database"}},
		{served + " --store mysql://u:p@127.0.0.1:1/db", 1, []string{"connecting to 127.0.0.1:1"}},
		{served + " --store postgres://u:hunter2@h/db", 2, []string{"sqlite:PATH", "mysql://", "memory:"}},
		{served + " --store sqlite:", 2, []string{"path of a file"}},
		{served + " --store sqlite::memory:", 2, []string{"path of a file"}},
		{served + " --store memory:x", 2, []string{"nothing after"}},
		{served + " --store sqlite:missing/new.db", 1, []string{"missing does not exist"}},
		{served + " --store sqlite:users.json", 1, []string{"users.json"}},
		{served + " --remote-links perhaps", 2, []string{"--remote-links perhaps"}},
		{served + " --remote-links check", 2, []string{"CENTRAL_SITE_URL"}},
		{served + " --log loud", 2, []string{"--log loud"}},
		{"serve --doctypes good --users users.json --store memory: --addr " + taken.Addr().String(), 1, []string{"in use", "--addr"}},
		{"serve --doctypes good --users users.json --store memory: --addr 8000", 2, []string{"--addr 8000: want host:port"}},
		{"serve --doctypes good --store memory: --central http://central.test", 2, []string{"--central", "CENTRAL_TENANT_FIELD"}},
		{"migrate --doctypes good", 2, []string{"--store is required"}},
		{"migrate --users x", 2, []string{"-users"}},
		{"migrate --doctypes good --store memory: --adopt acme", 1, []string{"none to adopt"}},
		{"migrate --doctypes good --store sqlite:new.db --adopt acme --plan", 1, []string{"none to adopt"}},
		{"migrate --doctypes good --store memory: --adopt SYSTEM", 1, []string{"adopt", "SYSTEM"}},
	} {
		t.Run(test.args, func(t *testing.T) {
			inDir(t, map[string]string{"good/thing.json": goodDocType, "empty/readme.txt": "", "bad/broken.json": `{"doctype": "DocType", "name": `,
				"users.json": goodUsers, "broken.json": `[{"user": 1}]`})
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), &env{stdout: &stdout, stderr: &stderr, getenv: noEnv}, strings.Fields(test.args))
			if code != test.code {
				t.Errorf("got exit status %d, want %d; stderr: %s", code, test.code, &stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("stderr has no %q: %s", want, &stderr)
				}
			}
			if strings.Contains(stderr.String(), "hunter2") {
				t.Errorf("stderr has a password in it: %s", &stderr)
			}
			if stdout.Len() > 0 {
				t.Errorf("got on stdout: %s", &stdout)
			}
			if text, _ := os.ReadFile("users.json"); string(text) != goodUsers {
				t.Error("users.json was changed")
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for args, want := range map[string]string{"help": "frappems migrate", "--help": "frappems migrate", "version": "frappems "} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), &env{&stdout, &stderr, noEnv}, []string{args}); code != 0 || !strings.Contains(stdout.String(), want) {
			t.Errorf("%s: got %d %s %s", args, code, &stdout, &stderr)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), &env{&stdout, &stderr, noEnv}, []string{"serve", "-h"}); code != 0 || !strings.Contains(stderr.String(), "-doctypes") {
		t.Errorf("got %d %s", code, &stderr)
	}
}

// serving is a command that serves.
type serving struct {
	t      *testing.T
	base   string
	out    string
	stop   context.CancelFunc
	status chan int
	stderr *bytes.Buffer
}

// startServing runs "serve" with a free port until the test or stopServing ends it.
func startServing(t *testing.T, args ...string) *serving {
	t.Helper()
	return startServingWith(t, noEnv, args...)
}

// startServingWith is startServing in an environment.
func startServingWith(t *testing.T, getenv func(string) string, args ...string) *serving {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	s := &serving{t: t, stop: stop, status: make(chan int, 1), stderr: &bytes.Buffer{}}
	go func() {
		s.status <- run(ctx, &env{writer, s.stderr, getenv}, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...))
		writer.Close()
	}()
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		s.out += lines.Text() + "\n"
		if _, base, ok := strings.Cut(lines.Text(), "listening on "); ok {
			s.base = base
		}
		if strings.Contains(lines.Text(), "curl") {
			break
		}
	}
	if s.base == "" {
		t.Fatalf("it did not start: status %d, %s", <-s.status, s.stderr)
	}
	return s
}

// end stops the command, which has to end well.
func (s *serving) end() {
	s.t.Helper()
	s.stop()
	if code := <-s.status; code != 0 {
		s.t.Errorf("exit status %d: %s", code, s.stderr)
	}
}

// get sends a GET with a key, or as nobody.
func (s *serving) get(path, key string) (int, string) {
	s.t.Helper()
	request, err := http.NewRequest("GET", s.base+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "token "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	inDir(t, map[string]string{"dt/thing.json": goodDocType, "users.json": goodUsers,
		"tenants.json": `[{"user": "ada@example.com", "api_key": "a", "api_secret": "s", "roles": ["System Manager"], "tenant": "acme"}]`})
	s := startServing(t, "--doctypes", "dt", "--users", "users.json", "--store", "memory:")
	if !strings.Contains(s.out, "DocTypes: Thing\n") || !strings.Contains(s.out, "token KEY:SECRET") {
		t.Errorf("got %s", s.out)
	}
	// Without tenants in the users file there is one, and it is Guest's too.
	for _, key := range []string{"a:s", ""} {
		if code, body := s.get("/api/resource/Thing", key); code != 200 || body != `{"data":[]}` {
			t.Errorf("key %q: got %d %s", key, code, body)
		}
	}
	s.end()
	s = startServing(t, "--doctypes", "dt", "--users", "tenants.json", "--store", "memory:")
	if code, body := s.get("/api/resource/Thing", "a:s"); code != 200 {
		t.Errorf("got %d %s", code, body)
	}
	if code, body := s.get("/api/resource/Thing", ""); code != 403 {
		t.Errorf("Guest has no tenant here, and got %d %s", code, body)
	}
	s.end()
}

func TestServeExample(t *testing.T) {
	inDir(t, nil)
	const path = "/api/resource/Sales%20Order?limit=0"
	var first string
	for range 2 { // the second time the documents are there
		s := startServing(t)
		if !strings.Contains(s.out, exampleCredentials) {
			t.Errorf("got %s", s.out)
		}
		code, body := s.get(path, exampleCredentials)
		if code != 200 || !strings.Contains(body, "SO-") || first != "" && body != first {
			t.Errorf("got %d %s, before %s", code, body, first)
		}
		first = body
		s.end()
	}
	info, err := os.Stat("orders.db.key")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got key file %v, %v", info, err)
	}
}

// TestServeExampleToOthers serves the example's DocTypes, without its documents, to other users.
func TestServeExampleToOthers(t *testing.T) {
	inDir(t, map[string]string{"users.json": goodUsers})
	s := startServing(t, "--users", "users.json", "--store", "memory:")
	if code, body := s.get("/api/resource/Sales%20Order", "a:s"); code != 200 || body != `{"data":[]}` {
		t.Errorf("got %d %s", code, body)
	}
	if code, _ := s.get("/api/resource/Sales%20Order", exampleCredentials); code != 401 {
		t.Errorf("the example's keys work: %d", code)
	}
	s.end()
}

func TestMigrate(t *testing.T) {
	inDir(t, map[string]string{"dt/thing.json": goodDocType})
	for _, test := range []struct{ args, stdout, stderr string }{
		{"--plan", "tabThing", "are missing"},
		{"--plan", "tabThing", "are missing"}, // a plan changes nothing
		{"", "tabThing", "done"},
		{"", "", "nothing to do"},
		{"--plan", "", "nothing to do"},
	} {
		var stdout, stderr bytes.Buffer
		args := append([]string{"migrate", "--doctypes", "dt", "--store", "sqlite:things.db"}, strings.Fields(test.args)...)
		code := run(t.Context(), &env{&stdout, &stderr, noEnv}, args)
		if code != 0 || !strings.Contains(stderr.String(), test.stderr) || (test.stdout == "") != (stdout.Len() == 0) || !strings.Contains(stdout.String(), test.stdout) {
			t.Errorf("migrate %s: got %d, stdout %q, stderr %q", test.args, code, &stdout, &stderr)
		}
	}
}

func TestKeys(t *testing.T) {
	inDir(t, map[string]string{"empty.key": "", "short.key": "c2hvcnQ="})
	first, err := keyFile("new.key")
	if err != nil || len(first) != 32 {
		t.Fatalf("got %d bytes, %v", len(first), err)
	}
	if again, err := keyFile("new.key"); err != nil || !bytes.Equal(again, first) {
		t.Errorf("the second time: %v", err)
	}
	for _, name := range []string{"empty.key", "short.key", "no/such/dir.key"} {
		if key, err := keyFile(name); err == nil || key != nil {
			t.Errorf("%s: no error", name)
		}
	}
	text, _ := os.ReadFile("new.key")
	if key, err := keyFrom(string(text)); err != nil || !bytes.Equal(key, first) {
		t.Errorf("from the environment: %v", err)
	}
	getenv := func(string) string { return "too short" }
	if _, _, err := openStore("memory:", getenv); err == nil || !strings.Contains(err.Error(), keyVariable) {
		t.Errorf("got %v", err)
	}
}
