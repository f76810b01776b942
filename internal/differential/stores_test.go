package differential

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/mariadb"
	"github.com/frappems/frappems/adapters/sqlite"
	"github.com/frappems/frappems/frappemstest"
	"github.com/frappems/frappems/internal/mariadbtest"
	"github.com/go-sql-driver/mysql"
)

var (
	server    *mariadbtest.Server
	databases atomic.Int64
)

func TestMain(m *testing.M) {
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

// openers open a new store of each kind.
var openers = []func(t *testing.T) frappems.Store{openMemory, openSQLite, openMariaDB}

// storeNames are those of openers.
var storeNames = []string{"memory", "SQLite", "MariaDB"}

func openMemory(*testing.T) frappems.Store { return frappems.NewMemoryStore() }

func openSQLite(t *testing.T) frappems.Store {
	t.Helper()
	kept, err := sqlite.Open(filepath.Join(t.TempDir(), "d.db"))
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func openMariaDB(t *testing.T) frappems.Store {
	t.Helper()
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = "root", "tcp", server.Addr()
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	admin := sql.OpenDB(connector)
	defer admin.Close()
	name := fmt.Sprint("d", databases.Add(1))
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	kept, err := mariadb.Open(server.URL(name))
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// TestFrappesDocTypes leads documents of all of Frappe's DocTypes, and of some more, through their lives.
func TestFrappesDocTypes(t *testing.T) {
	frappemstest.TestDocTypes(t, os.DirFS("../../testdata/frappe-doctypes"), openers...)
}
