package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/internal/mariadbtest"
	"github.com/frappems/frappems/store"
)

// migrateURL is the variable of the environment that makes the test binary a process which migrates a database and ends.
const migrateURL = "FRAPPEMS_MARIADB_MIGRATE_URL"

// bigTables are the tables of a schema that takes many statements: as they were, and as they become.
func bigTables() (before, after *store.Schema) {
	before, after = &store.Schema{}, &store.Schema{}
	for i := range 12 {
		key := column("name", store.TypeVarchar, 140)
		was := table(fmt.Sprint("tabOld", i), key, column("short", store.TypeVarchar, 40), number("total", store.TypeInt))
		is := table(was.Name, key, column("short", store.TypeVarchar, 200), number("total", store.TypeBigInt), column("code", store.TypeVarchar, 140), number("count", store.TypeDecimal))
		is.Indexes = []store.Index{{Name: "code", Columns: is.Columns[3:4], Unique: true}, {Name: "total", Columns: is.Columns[2:3]}}
		fresh := table(fmt.Sprint("tabNew", i), key, column("code", store.TypeVarchar, 140))
		fresh.Indexes = []store.Index{{Name: "code", Columns: fresh.Columns[1:]}}
		before.Tables, after.Tables = append(before.Tables, was), append(after.Tables, is, fresh)
	}
	return before, after
}

// migrateProcess is what a child process does. It prints how many statements it has run.
func migrateProcess(url string) error {
	kept, err := Open(url)
	if err != nil {
		return err
	}
	_, after := bigTables()
	plan, err := kept.Migrate(context.Background(), after, true)
	fmt.Print(len(plan))
	return err
}

// prepareBig makes a database with the tables as they were, a row in each, and returns how many statements are missing.
func prepareBig(t *testing.T, kept frappems.Store) int {
	t.Helper()
	before, after := bigTables()
	if _, err := kept.Migrate(t.Context(), before, true); err != nil {
		t.Fatal(err)
	}
	tx, err := kept.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, to := range before.Tables {
		if _, err := tx.Write(t.Context(), store.Mutation{Tenant: "acme", Table: to, Columns: to.Columns, Rows: [][]any{{"a", "short", "7"}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return len(migrate(t, kept, false, after.Tables...))
}

// wantBig finishes the migration, and wants tables and rows as they have to be.
func wantBig(t *testing.T, kept frappems.Store, db *sql.DB) {
	t.Helper()
	before, after := bigTables()
	migrate(t, kept, true, after.Tables...)
	if plan := migrate(t, kept, false, after.Tables...); len(plan) > 0 {
		t.Errorf("the plan afterwards is %q", plan)
	}
	for _, to := range before.Tables {
		if got := texts(t, db, "SELECT * FROM "+to.Name); !slices.Equal(got, []string{"acme a short 7 NULL 0.000000000"}) {
			t.Errorf("%s has %q", to.Name, got)
		}
	}
	if left := texts(t, db, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT LIKE 'tabOld%' AND table_name NOT LIKE 'tabNew%'"); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// TestCrashMigrate kills processes that migrate, each after some more statements, and lets the last of them finish.
func TestCrashMigrate(t *testing.T) {
	url := newDatabase(t)
	kept, db := open(t, url), connect(t, url)
	missing := prepareBig(t, kept)
	random := rand.New(rand.NewPCG(3, 4))
	killed := 0
	for range 8 {
		begun := altered(t, db)
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), migrateURL+"="+url)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- child.Wait() }()
		for target := begun + 1 + random.IntN(missing/6); altered(t, db) < target && len(ended) == 0; {
		}
		child.Process.Kill() // an error means that it has ended
		if err := <-ended; err != nil {
			killed++
		}
	}
	_, after := bigTables()
	left := len(migrate(t, kept, false, after.Tables...))
	if killed < 3 || left == missing {
		t.Errorf("%d of 8 processes were killed, %d of %d statements are missing", killed, left, missing)
	}
	wantBig(t, kept, db)
}

// TestMigrateProcesses starts ten processes at once: one of them migrates.
func TestMigrateProcesses(t *testing.T) {
	url := newDatabase(t)
	kept := open(t, url)
	missing := prepareBig(t, kept)
	var children []*exec.Cmd
	var outputs [10]strings.Builder
	for i := range outputs {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), migrateURL+"="+url)
		child.Stdout, child.Stderr = &outputs[i], os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
	}
	var done []string
	for i, child := range children {
		if err := child.Wait(); err != nil {
			t.Error(err)
		}
		done = append(done, outputs[i].String())
	}
	slices.Sort(done)
	if want := append(slices.Repeat([]string{"0"}, 9), fmt.Sprint(missing)); !slices.Equal(done, want) {
		t.Errorf("the processes ran %q statements, want %q", done, want)
	}
	wantBig(t, kept, connect(t, url))
}

// TestCrashMigrateServer kills the server in the middle: Migrate says that it is gone, and finishes when it is back.
func TestCrashMigrateServer(t *testing.T) {
	own, err := mariadbtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	random := rand.New(rand.NewPCG(5, 6))
	for n := range 3 {
		name := fmt.Sprint("crash", n)
		execute(t, connect(t, own.URL("mysql")), "CREATE DATABASE "+name)
		kept, db := open(t, own.URL(name)), connect(t, own.URL(name))
		missing := prepareBig(t, kept)
		_, after := bigTables()
		ended, begun := make(chan error, 1), altered(t, db)
		go func() {
			_, err := kept.Migrate(t.Context(), after, true)
			ended <- err
		}()
		for target := begun + 1 + random.IntN(missing/2); altered(t, db) < target; {
		}
		if err := own.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v, want that the database is not available", err)
		}
		if err := own.Restart(); err != nil {
			t.Fatal(err)
		}
		wantBig(t, open(t, own.URL(name)), connect(t, own.URL(name)))
	}
}
