package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/internal/chaostest"
	"github.com/frappems/frappems/store"
)

// The variables of the environment that make the test binary the writer which TestCrash kills, and the service which
// TestCrashService does.
const (
	crashFile = "FRAPPEMS_SQLITE_CRASH_FILE"
	serveFile = "FRAPPEMS_SQLITE_SERVE_FILE"
)

func TestMain(m *testing.M) {
	for variable, run := range map[string]func(path string) error{crashFile: writeForever, serveFile: serveForever} {
		if path := os.Getenv(variable); path != "" {
			fmt.Fprintln(os.Stderr, run(path))
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// crashTables are those of the documents that are written.
var crashTables = func() (t struct{ parents, children, counters *store.Table }) {
	text := func(name string) *store.Column {
		return &store.Column{Name: name, Type: store.TypeVarchar, Length: 140}
	}
	keyed := func(name string, columns ...*store.Column) *store.Table {
		return &store.Table{Name: name, Columns: columns, Key: columns[:1]}
	}
	t.parents = keyed("tabParent", text("name"), text("code"))
	t.parents.Indexes = []store.Index{{Name: "code", Columns: t.parents.Columns[1:], Unique: true}}
	t.children = keyed("tabChild", text("name"), text("parent"))
	t.children.Indexes = []store.Index{{Name: "parent", Columns: t.children.Columns[1:]}}
	t.counters = keyed("tabSeries", text("name"), &store.Column{Name: "current", Type: store.TypeBigInt})
	return t
}()

// openCrash opens the file with its tables.
func openCrash(ctx context.Context, path string) (frappems.Store, error) {
	kept, err := Open(path)
	if err != nil {
		return nil, err
	}
	schema := &store.Schema{Tables: []*store.Table{crashTables.parents, crashTables.children, crashTables.counters}}
	_, err = kept.Migrate(ctx, schema, true)
	return kept, err
}

// writeForever inserts documents with 16 goroutines and prints the number of each once it is committed.
func writeForever(path string) error {
	kept, err := openCrash(context.Background(), path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for {
				n, err := writeDocument(ctx, kept)
				if err != nil {
					cancel(err)
					return
				}
				fmt.Println(n) // one write, so that lines do not mix
			}
		})
	}
	writers.Wait()
	return context.Cause(ctx)
}

func serveForever(path string) error {
	kept, err := Open(path)
	if err != nil {
		return err
	}
	return chaostest.Serve(kept)
}

// TestCrashService kills the process of a service under its clients, again and again.
func TestCrashService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crash.db")
	chaostest.KillService(t, serveFile+"="+path, path)
	db := ours().pool(path)
	defer db.Close()
	var answer string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&answer); err != nil || answer != "ok" {
		t.Errorf("integrity_check: %s, %v", answer, err)
	}
}

// writeDocument inserts a parent with three children, and with a number for its name.
func writeDocument(ctx context.Context, kept frappems.Store) (int64, error) {
	tx, err := kept.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	n, err := tx.Next(ctx, store.Counter{Tenant: "acme", Table: crashTables.counters, Name: "DOC-"}, 1)
	if err != nil {
		return 0, err
	}
	name := strconv.FormatInt(n, 10)
	parent := store.Mutation{Tenant: "acme", Table: crashTables.parents, Columns: crashTables.parents.Columns, Rows: [][]any{{name, "code " + name}}}
	children := store.Mutation{Tenant: "acme", Table: crashTables.children, Columns: crashTables.children.Columns}
	for i := range 3 {
		children.Rows = append(children.Rows, []any{fmt.Sprint(name, "/", i), name})
	}
	if _, err := tx.Write(ctx, parent, children); err != nil {
		return 0, err
	}
	return n, tx.Commit()
}

// TestCrash kills the writing process at random moments and wants every document that it had reported, and no half one.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crash.db")
	random := rand.New(rand.NewPCG(1, 2))
	acknowledged := map[int64]bool{}
	for range 20 {
		for _, n := range runAndKill(t, path, random.IntN(60)) {
			if acknowledged[n] {
				t.Fatalf("the number %d was given twice", n)
			}
			acknowledged[n] = true
		}
		checkDocuments(t, path, acknowledged)
	}
}

// runAndKill starts the writer, kills it after so many lines, and returns all numbers that it printed.
func runAndKill(t *testing.T, path string, lines int) (numbers []int64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashFile+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(out)
	for killed := false; ; {
		if len(numbers) >= lines && !killed {
			killed = true
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := reader.ReadString('\n')
		if err == io.EOF {
			break // what follows the last line's end was not acknowledged
		}
		n, bad := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil || bad != nil {
			t.Fatalf("the writer printed %q, %v", line, err)
		}
		numbers = append(numbers, n)
	}
	if err := child.Wait(); err == nil || len(numbers) < lines {
		t.Fatalf("the writer ended by itself after %d lines: %v", len(numbers), err)
	}
	return numbers
}

// checkDocuments opens the file and checks all that is in it.
func checkDocuments(t *testing.T, path string, acknowledged map[int64]bool) {
	t.Helper()
	kept, err := openCrash(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	parents, children := crashTables.parents.Columns, crashTables.children.Columns
	documents := map[string]int{}
	for _, row := range readAll(t, kept, &store.Query{Tenant: "acme", From: crashTables.parents, Columns: []store.Expr{{Column: parents[0]}, {Column: parents[1]}}}) {
		if documents[row[0]] = 0; row[1] != "code "+row[0] {
			t.Fatalf("document %s has the code %s", row[0], row[1])
		}
	}
	for _, row := range readAll(t, kept, &store.Query{Tenant: "acme", From: crashTables.children, Columns: []store.Expr{{Column: children[1]}}}) {
		if _, there := documents[row[0]]; !there {
			t.Fatalf("a row of %s is there without the document", row[0])
		}
		documents[row[0]]++
	}
	last := int64(0)
	for name, rows := range documents {
		n, _ := strconv.ParseInt(name, 10, 64)
		if last = max(last, n); rows != 3 {
			t.Fatalf("document %s has %d rows", name, rows)
		}
	}
	for n := range acknowledged {
		if _, there := documents[strconv.FormatInt(n, 10)]; !there {
			t.Fatalf("document %d was acknowledged and is lost", n)
		}
	}
	checkFile(t, kept, path, last)
}

// checkFile checks the counter, the unique keys, and the file itself.
func checkFile(t *testing.T, kept frappems.Store, path string, last int64) {
	t.Helper()
	counters := crashTables.counters.Columns
	for _, row := range readAll(t, kept, &store.Query{Tenant: "acme", From: crashTables.counters, Columns: []store.Expr{{Column: counters[1]}}}) {
		if n, _ := strconv.ParseInt(row[0], 10, 64); n < last {
			t.Fatalf("the counter is at %d, and document %d is there", n, last)
		}
	}
	duplicates := &store.Query{Tenant: "acme", From: crashTables.parents, GroupBy: []store.Expr{{Column: crashTables.parents.Columns[1]}},
		Columns: []store.Expr{{Func: store.FuncCountRows}}}
	for _, row := range readAll(t, kept, duplicates) {
		if row[0] != "1" {
			t.Fatalf("a code is there %s times", row[0])
		}
	}
	db := ours().pool(path)
	defer db.Close()
	var answer string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&answer); err != nil || answer != "ok" {
		t.Fatalf("integrity_check: %s, %v", answer, err)
	}
}

// readAll returns all rows of a query.
func readAll(t *testing.T, kept store.Reader, q *store.Query) (list [][]string) {
	t.Helper()
	rows, err := kept.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	values := make([][]byte, len(q.Columns))
	for rows.Next() {
		if err := rows.Scan(values); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = string(v)
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
