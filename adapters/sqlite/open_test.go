package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// foreign returns a database that is not ours.
func foreign(t *testing.T, statements ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign.db")
	db := ours().pool(path)
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	return contents(t, path)
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOpenRefusesForeignFiles(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"text":    {[]byte("Dear diary,\n" + strings.Repeat("today nothing happened.\n", 500)), "not a SQLite database"},
		"short":   {[]byte("x"), "not a SQLite database"},
		"sqlite":  {foreign(t, "CREATE TABLE a (b)"), "another program (application_id 0, 1 tables)"},
		"marked":  {foreign(t, "PRAGMA application_id = 7", "PRAGMA user_version = 1"), "another program (application_id 7, 0 tables)"},
		"wal":     {foreign(t, "CREATE TABLE a (b)", "PRAGMA journal_mode = WAL"), "another program"},
		"newer":   {foreign(t, "PRAGMA application_id = 1718775155", "PRAGMA user_version = 99"), "newer version"},
		"corrupt": {append([]byte("SQLite format 3\x00"), bytes.Repeat([]byte{0xAB}, 5000)...), ""},
	} {
		path := filepath.Join(t.TempDir(), name+".db")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := Open(path)
		if err == nil {
			kept.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(contents(t, path), c.data) {
			t.Errorf("%s: the file was changed", name)
		}
		if files, _ := filepath.Glob(path + "*"); len(files) != 1 && name != "newer" {
			t.Errorf("%s: there are files beside it now: %v", name, files)
		}
	}
}

func TestOpenPaths(t *testing.T) {
	for _, path := range []string{"", ":memory:", t.TempDir(), filepath.Join(t.TempDir(), "missing", "x.db")} {
		if kept, err := Open(path); err == nil {
			kept.Close()
			t.Errorf("Open(%q) works", path)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		kept, err := Open(empty)
		if err != nil {
			t.Fatal(err)
		}
		if err := kept.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// pragma returns what a connection says of a setting.
func pragma(t *testing.T, db *sql.DB, name string) (value string) {
	t.Helper()
	if err := db.QueryRow("PRAGMA " + name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestDurability(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	kept, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	writer, readers := ours().writer(path), ours().readers(path)
	defer writer.Close()
	defer readers.Close()
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": busyTimeout, "user_version": "1"} {
		if got := pragma(t, writer, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if _, err := readers.Exec("CREATE TABLE x (y)"); storeError(err) != store.ErrUnavailable {
		t.Errorf("a reader writes: %v", err)
	}
}

// TestIndexes checks that SQLite finds rows by the index that fits, also in tables that have just been made.
func TestIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	kept, err := openCrash(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	db := ours().pool(path)
	defer db.Close()
	for condition, want := range map[string]string{
		`parent = 'x' ORDER BY name`:                        "USING INDEX tabChild.parent (tenant_id=? AND parent=?)",
		`parent IN ('x', 'y') ORDER BY name LIMIT 20`:       "USING INDEX tabChild.parent (tenant_id=? AND parent=?)",
		`name = 'x' ORDER BY parent`:                        "USING INDEX sqlite_autoindex_tabChild_1 (tenant_id=? AND name=?)",
		`name IN ('x', 'y') ORDER BY parent, name LIMIT 20`: "USING INDEX sqlite_autoindex_tabChild_1 (tenant_id=? AND name=?)",
		`1 ORDER BY parent DESC LIMIT 20`:                   "USING INDEX tabChild.parent (tenant_id=?)",
	} {
		var id, parent, unused int
		var plan string
		if err := db.QueryRow("EXPLAIN QUERY PLAN SELECT * FROM tabChild WHERE tenant_id = 'acme' AND "+condition).Scan(&id, &parent, &unused, &plan); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(plan, want) {
			t.Errorf("%s: %s, want %s", condition, plan, want)
		}
	}
}

// TestOlderCollation opens a file whose indexes were sorted by another order.
func TestOlderCollation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	backwards := newCollated(1, func(a, b string) int { return strings.Compare(b, a) })
	newer := newCollated(2, store.CompareText)
	for i, d := range []*collated{backwards, newer, newer} {
		kept, err := open(path, d)
		if err != nil {
			t.Fatal(err)
		}
		schema := &store.Schema{Tables: []*store.Table{crashTables.parents}}
		if plan, err := kept.Migrate(t.Context(), schema, true); err != nil || i > 0 && len(plan) > 0 {
			t.Fatalf("Migrate: %v, %v", plan, err)
		}
		names := []string{"delta", "Alpha", "écho", "BRAVO", "charlie"}
		for _, name := range names {
			if i == 0 {
				insert(t, kept, name)
			}
			q := &store.Query{Tenant: "acme", From: crashTables.parents, Columns: []store.Expr{{Column: crashTables.parents.Columns[0]}},
				Where: store.Cond{Op: store.OpEqual, Expr: store.Expr{Column: crashTables.parents.Columns[1]}, Values: []string{name}}}
			if got := readAll(t, kept, q); len(got) != 1 || got[0][0] != name {
				t.Errorf("with driver %d, %s is found as %v", i, name, got)
			}
		}
		db := d.pool(path)
		if answer := pragma(t, db, "integrity_check"); answer != "ok" {
			t.Errorf("with driver %d, integrity_check: %s", i, answer)
		}
		for _, c := range []interface{ Close() error }{db, kept} {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if kept, err := open(path, backwards); err == nil || !strings.Contains(err.Error(), "newer") {
		kept.Close()
		t.Errorf("an older program opens the file: %v", err)
	}
}

func insert(t *testing.T, kept frappems.Store, name string) {
	t.Helper()
	tx, err := kept.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Write(t.Context(), store.Mutation{Tenant: "acme", Table: crashTables.parents, Columns: crashTables.parents.Columns, Rows: [][]any{{name, name}}}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestTwoStores writes to one file through two stores at a time, as two processes would.
func TestTwoStores(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	var writers sync.WaitGroup
	for range 2 {
		kept, err := openCrash(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		for range 4 {
			writers.Go(func() {
				for range 10 {
					if _, err := writeDocument(t.Context(), kept); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	writers.Wait()
	all := map[int64]bool{}
	for n := range int64(80) {
		all[n+1] = true
	}
	checkDocuments(t, path, all)
}

// TestErrors checks that the driver's own error stays within reach.
func TestErrors(t *testing.T) {
	kept := openTemp(t)
	defer kept.Close()
	if _, err := kept.Migrate(t.Context(), &store.Schema{Tables: []*store.Table{crashTables.parents}}, true); err != nil {
		t.Fatal(err)
	}
	insert(t, kept, "a")
	for columns, code := range map[string]int{"A b": sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, "b A": sqlite3.SQLITE_CONSTRAINT_UNIQUE} {
		tx, err := kept.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		name, unique, _ := strings.Cut(columns, " ")
		m := store.Mutation{Tenant: "acme", Table: crashTables.parents, Columns: crashTables.parents.Columns, Rows: [][]any{{name, unique}}}
		_, err = tx.Write(t.Context(), m)
		var problem *sqlite.Error
		if !errors.Is(err, store.ErrDuplicateKey) || !errors.As(err, &problem) || problem.Code() != code {
			t.Errorf("%s: %v", columns, err)
		}
		tx.Rollback()
	}
	if storeError(errors.New("x")) != "" || storeError(nil) != "" {
		t.Error("an error that is not SQLite's has been translated")
	}
}
