package mariadb

import (
	"database/sql"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
	"github.com/frappems/frappems/internal/mariadbtest"
	"github.com/go-sql-driver/mysql"
)

// server is the MariaDB of this package's tests. Each test has a database of its own in it.
var server *mariadbtest.Server

func TestMain(m *testing.M) {
	for variable, run := range map[string]func(url string) error{migrateURL: migrateProcess, serveURL: serveProcess} {
		if url := os.Getenv(variable); url != "" {
			if err := run(url); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	var err error
	if server, err = mariadbtest.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var databases atomic.Int64

// newDatabase makes an empty database and returns its URL.
func newDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", databases.Add(1))
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = "root", "tcp", server.Addr()
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	return server.URL(name)
}

// openTemp opens a new database.
func openTemp(t *testing.T) frappems.Store {
	t.Helper()
	kept, err := Open(newDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func TestStore(t *testing.T) { frappemstest.TestStore(t, openTemp) }

func TestReplay(t *testing.T) {
	frappemstest.TestReplay(t, frappemstest.ServeStore(openTemp))
}
