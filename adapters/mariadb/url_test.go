package mariadb

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	normal := 8*runtime.NumCPU() + asideConnections
	for _, c := range []struct {
		url  string
		want parameters
	}{
		{"mysql://u:p@h/d", parameters{user: "u", password: "p", network: "tcp", address: "h:3306", database: "d"}},
		{"mariadb://u@h:3307/d", parameters{user: "u", network: "tcp", address: "h:3307", database: "d"}},
		{"mysql://us%40er:p%2Fa%3F%23%3A%25s@[::1]/d-1", parameters{user: "us@er", password: "p/a?#:%s", network: "tcp", address: "[::1]:3306", database: "d-1"}},
		{"mysql://u@/d?socket=/run/s.sock", parameters{user: "u", network: "unix", address: "/run/s.sock", database: "d"}},
		{"mysql://u@h/d?connections=12&connect-timeout=1s&statement-timeout=1m30s&charset=UTF8MB4&tls=false", parameters{user: "u", network: "tcp", address: "h:3306", database: "d",
			connections: 12, connectTimeout: time.Second, statementTimeout: 90 * time.Second}},
	} {
		if c.want.connections == 0 {
			c.want.connections, c.want.connectTimeout, c.want.statementTimeout = normal, 5*time.Second, 20*time.Second
		}
		if got, err := parse(c.url); err != nil || *got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.url, got, err, c.want)
		}
	}
	for mode, verify := range map[string]bool{"true": true, "skip-verify": false} {
		if got, err := parse("mysql://u@h/d?tls=" + mode); err != nil || got.tls.ServerName != "h" || got.tls.InsecureSkipVerify == verify {
			t.Errorf("tls=%s: got %+v, %v", mode, got, err)
		}
	}
}

// TestParseRefuses wants a reason, and the password in none.
func TestParseRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, want string }{
		{"", "mysql://user"},
		{"root:hunter2@tcp(h:3306)/d", "mysql://user"},
		{"postgres://u:hunter2@h/d", "mysql://user"},
		{"mysql:u:hunter2@h/d", "mysql://user"},
		{"mysql://u:hunter2#@h/d", "%23"},
		{"mysql://u:hunter2/x@h/d", "%2F"},
		{"mysql://u:hunter2%zz@h/d", "%25"},
		{"mysql://:hunter2@h/d", "no user"},
		{"mysql://h/d", "no user"},
		{"mysql://u:hunter2@/d", "no host"},
		{"mysql://u:hunter2@h", "no database"},
		{"mysql://u:hunter2@h/", "no database"},
		{"mysql://u:hunter2@h/d/e", "no database"},
		{"mysql://u:hunter2@h/d?charset=gbk", "always utf8mb4"},
		{"mysql://u:hunter2@h/d?charset=utf8", "always utf8mb4"},
		{"mysql://u:hunter2@h/d?collation=gbk_chinese_ci", `"collation"`},
		{"mysql://u:hunter2@h/d?multiStatements=true", `"multiStatements"`},
		{"mysql://u:hunter2@h/d?interpolateParams=false", `"interpolateParams"`},
		{"mysql://u:hunter2@h/d?allowAllFiles=true", `"allowAllFiles"`},
		{"mysql://u:hunter2@h/d?sql_mode=ANSI", `"sql_mode"`},
		{"mysql://u:hunter2@h/d?TLS=true", `"TLS"`},
		{"mysql://u:hunter2@h/d?password=hunter2", `"password"`},
		{"mysql://u:hunter2@h/d?tls=true&tls=false", "tls twice"},
		{"mysql://u:hunter2@h/d?tls=hunter2", "skip-verify or false"},
		{"mysql://u:hunter2@h/d?tls=preferred", "skip-verify or false"},
		{"mysql://u:hunter2@/d?socket=/s&tls=true", "a socket has none"},
		{"mysql://u:hunter2@h/d?socket=s", "absolute"},
		{"mysql://u:hunter2@h/d?tls-ca=x", "needs tls=true"},
		{"mysql://u:hunter2@h/d?tls=true&tls-ca=/missing.pem", "/missing.pem"},
		{"mysql://u:hunter2@h/d?tls=true&tls-ca=" + empty, "no certificates"},
		{"mysql://u:hunter2@h/d?connections=7", "from 8"},
		{"mysql://u:hunter2@h/d?connections=many", "from 8"},
		{"mysql://u:hunter2@h/d?statement-timeout=20", "such as 20s"},
		{"mysql://u:hunter2@h/d?statement-timeout=0s", "such as 20s"},
		{"mysql://u:hunter2@h/d?connect-timeout=-1s", "such as 20s"},
		{"mysql://u:hunter2@h/d?a=%zz", "cannot be read"},
	} {
		kept, err := Open(c.url)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "mariadb: ") {
			t.Errorf("%s: got %v, %v, want an error with %s", c.url, kept, err, c.want)
		}
		if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), `"password"`, ""), "hunter2") {
			t.Errorf("%s: the error has the password in it: %v", c.url, err)
		}
	}
}
