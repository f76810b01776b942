package frappemstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// lifecycleTypes are documents of all kinds that a hook can see.
const lifecycleTypes = `[
{"name": "Party", "autoname": "field:title", "allow_rename": 1, "fields": [
	{"fieldname": "title", "fieldtype": "Data"}, {"fieldname": "pin", "fieldtype": "Password"}, {"fieldname": "lines", "fieldtype": "Table", "options": "Line"}]},
{"name": "Line", "istable": 1, "fields": [{"fieldname": "party", "fieldtype": "Link", "options": "Party"}, {"fieldname": "qty", "fieldtype": "Int"}]},
{"name": "Deal", "autoname": "D-.####", "is_submittable": 1, "fields": [
	{"fieldname": "party", "fieldtype": "Link", "options": "Party"}, {"fieldname": "amended_from", "fieldtype": "Link", "options": "Deal"},
	{"fieldname": "saves", "fieldtype": "Int", "allow_on_submit": 1}, {"fieldname": "clicks", "fieldtype": "Int", "allow_on_submit": 1},
	{"fieldname": "lines", "fieldtype": "Table", "options": "Line"}]},
{"name": "Ledger", "autoname": "prompt", "fields": [{"fieldname": "entries", "fieldtype": "Int"}]},
{"name": "Options", "issingle": 1, "fields": [{"fieldname": "best", "fieldtype": "Link", "options": "Party"}]}]`

var allEvents = []frappems.Event{frappems.BeforeInsert, frappems.BeforeNaming, frappems.Autoname, frappems.BeforeValidate,
	frappems.Validate, frappems.BeforeSave, frappems.BeforeUpdate, frappems.AfterInsert, frappems.AfterUpdate, frappems.OnUpdate,
	frappems.BeforeSubmit, frappems.OnSubmit, frappems.BeforeCancel, frappems.OnCancel, frappems.BeforeUpdateAfterSubmit,
	frappems.OnUpdateAfterSubmit, frappems.BeforeDelete, frappems.OnTrash, frappems.AfterDelete, frappems.OnChange,
	frappems.BeforeRename, frappems.AfterRename}

// schemaStore keeps the schema that the service wants, to look into its tables.
type schemaStore struct {
	frappems.Store
	schema *store.Schema
}

// Migrate keeps the schema.
func (s *schemaStore) Migrate(ctx context.Context, want *store.Schema, apply bool) (store.Plan, error) {
	s.schema = want
	return s.Store.Migrate(ctx, want, apply)
}

// lifecycleTest is a service whose hooks write to a ledger, and fail when they are told to.
type lifecycleTest struct {
	*testing.T
	store *schemaStore
	app   *frappems.App
	db    *frappems.DB

	watching bool // hooks note events
	events   []string
	failAt   int // the event that fails; -1 is none
	panics   bool
}

var errHook = errors.New("the hook fails")

// TestLifecycle leads documents through their life on a store. A hook that fails at each event in turn, by an error or by a
// panic, leaves the store as it was before: every row of every table but the counters, from which numbers may be reserved.
// And 200 clients that change, submit and cancel one document at the same time lose no change and see no half of one.
func TestLifecycle(t *testing.T, open func(t *testing.T) frappems.Store) {
	t.Helper()
	t.Run("failing hooks", func(t *testing.T) {
		l := newLifecycleTest(t, open(t))
		for _, e := range allEvents {
			l.app.On("*", e, l.hook(e))
		}
		l.start()
		for _, op := range operations {
			t.Run(op.name, func(t *testing.T) { l.testFailures(t, op) })
		}
	})
	t.Run("concurrent", func(t *testing.T) {
		l := newLifecycleTest(t, open(t))
		l.testConcurrent()
	})
}

func newLifecycleTest(t *testing.T, s frappems.Store) *lifecycleTest {
	t.Helper()
	t.Cleanup(func() { s.Close() })
	l := &lifecycleTest{T: t, store: &schemaStore{Store: s}, failAt: -1}
	tokens, err := frappems.NewTokens(strings.NewReader(`[{"user": "Administrator", "api_key": "a", "api_secret": "s", "tenant": "acme"}]`))
	if err != nil {
		t.Fatal(err)
	}
	l.app, err = frappems.New(frappems.Config{Store: l.store, Auth: tokens, Logger: slog.New(slog.DiscardHandler),
		EncryptionKey: []byte(strings.Repeat("k", 32)), DocTypes: fstest.MapFS{"types.json": {Data: []byte(lifecycleTypes)}}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lifecycleTest) start() {
	l.Helper()
	l.must(l.app.Start(l.Context()))
	var err error
	l.db, err = l.app.AsTenant(l.Context(), "acme")
	l.must(err)
	l.insert("Ledger", map[string]any{"name": "L"})
}

func (l *lifecycleTest) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// hook writes to the ledger at an event, and fails when its turn has come.
func (l *lifecycleTest) hook(e frappems.Event) func(ctx context.Context, db *frappems.DB, d *frappems.Doc) error {
	return func(ctx context.Context, db *frappems.DB, d *frappems.Doc) error {
		if !l.watching || d.DocType() == "Ledger" {
			return nil
		}
		l.events = append(l.events, string(e)+" of "+d.DocType())
		if err := enter(ctx, db, 1); err != nil {
			return err
		}
		if len(l.events)-1 != l.failAt {
			return nil
		}
		if l.panics {
			panic(errHook)
		}
		return errHook
	}
}

// enter adds to the ledger.
func enter(ctx context.Context, db *frappems.DB, n int64) error {
	d, err := db.Get(ctx, "Ledger", "L")
	if err != nil {
		return err
	}
	entries, _ := d.Get("entries").(int64)
	_, err = db.SetValue(ctx, "Ledger", "L", map[string]any{"entries": entries + n})
	return err
}

func (l *lifecycleTest) insert(doctype string, fields map[string]any) string {
	l.Helper()
	d, err := l.db.Insert(l.Context(), doctype, fields)
	l.must(err)
	return d.Name()
}

// operation is something that is done to a document, which prepare makes.
type operation struct {
	name    string
	prepare func(l *lifecycleTest, n int) (name string)
	do      func(ctx context.Context, db *frappems.DB, name string) error
	events  int // at least so many
}

var operations = []operation{
	{"insert", prepareParty, func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.Insert(ctx, "Deal", dealOf(name))
		return err
	}, 13},
	{"insert submitted", prepareParty, func(ctx context.Context, db *frappems.DB, name string) error {
		fields := dealOf(name)
		fields["docstatus"] = 1
		_, err := db.Insert(ctx, "Deal", fields)
		return err
	}, 14},
	{"save", prepareDeal(0), saveDeal, 8},
	{"submit", prepareDeal(0), func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.Submit(ctx, "Deal", name)
		return err
	}, 7},
	{"save after submit", prepareDeal(1), func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.SetValue(ctx, "Deal", name, map[string]any{"clicks": 7})
		return err
	}, 3},
	{"cancel", prepareDeal(1), func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.Cancel(ctx, "Deal", name)
		return err
	}, 3},
	{"amend", prepareDeal(2), func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.Insert(ctx, "Deal", map[string]any{"amended_from": name})
		return err
	}, 8},
	{"rename", prepareLinked, func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.Rename(ctx, "Party", name, "Renamed "+name, false)
		return err
	}, 2},
	{"merge", prepareLinked, func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.Rename(ctx, "Party", name, "Target", true)
		return err
	}, 6},
	{"delete", prepareDeal(2), func(ctx context.Context, db *frappems.DB, name string) error {
		return db.Delete(ctx, "Deal", name)
	}, 4},
	{"save a Single", prepareParty, func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.SetValue(ctx, "Options", "Options", map[string]any{"best": name})
		return err
	}, 7},
}

func dealOf(party string) map[string]any {
	return map[string]any{"party": party, "lines": []any{map[string]any{"party": party, "qty": 1}, map[string]any{"qty": 2}}}
}

func prepareParty(l *lifecycleTest, n int) string {
	return l.insert("Party", map[string]any{"title": fmt.Sprint("Party ", n), "pin": "1234", "lines": []any{map[string]any{"qty": 1}}})
}

// prepareDeal makes a document of this docstatus.
func prepareDeal(docstatus int) func(l *lifecycleTest, n int) string {
	return func(l *lifecycleTest, n int) string {
		name := l.insert("Deal", dealOf(prepareParty(l, n)))
		for step := 1; step <= docstatus; step++ {
			_, err := []func(context.Context, string, string) (*frappems.Doc, error){l.db.Submit, l.db.Cancel}[step-1](l.Context(), "Deal", name)
			l.must(err)
		}
		return name
	}
}

// prepareLinked makes a document that others link to: from fields, rows, and a Single.
func prepareLinked(l *lifecycleTest, n int) string {
	if there, err := l.db.Exists(l.Context(), "Party", "Target"); err != nil || !there {
		l.must(err)
		l.insert("Party", map[string]any{"title": "Target"})
	}
	name := prepareParty(l, n)
	l.insert("Deal", dealOf(name))
	_, err := l.db.SetValue(l.Context(), "Options", "Options", map[string]any{"best": name})
	l.must(err)
	return name
}

// saveDeal changes a row, drops one and adds one.
func saveDeal(ctx context.Context, db *frappems.DB, name string) error {
	d, err := db.Get(ctx, "Deal", name)
	if err != nil {
		return err
	}
	first := d.Get("lines").([]*frappems.Doc)[0]
	if err := d.Set("lines", []any{map[string]any{"name": first.Name(), "qty": 5}, map[string]any{"qty": 6}}); err != nil {
		return err
	}
	return db.Save(ctx, d)
}

// testFailures does an operation with a failure at each of its events, and then without one.
func (l *lifecycleTest) testFailures(t *testing.T, op operation) {
	l.T = t
	serial := 0
	run := func(failAt int, panics bool) (before, after string, err error) {
		serial++
		name := op.prepare(l, serial*100+slices.IndexFunc(operations, func(o operation) bool { return o.name == op.name }))
		before = l.dump()
		l.events, l.failAt, l.panics, l.watching = nil, failAt, panics, true
		defer func() { l.watching = false }()
		err = recovered(func() error { return op.do(t.Context(), l.db, name) })
		return before, l.dump(), err
	}
	before, after, err := run(-1, false)
	if err != nil || before == after || len(l.events) < op.events {
		t.Fatalf("without a failure: got %v with the events %q; the store has changed: %t", err, l.events, before != after)
	}
	for at, event := range slices.Clone(l.events) {
		for _, panics := range []bool{false, true} {
			before, after, err := run(at, panics)
			if !errors.Is(err, errHook) {
				t.Errorf("%s (panics: %t): got %v", event, panics, err)
			}
			if len(l.events) != at+1 {
				t.Errorf("%s (panics: %t): more events after the failure: %q", event, panics, l.events[at+1:])
			}
			if before != after {
				t.Errorf("%s (panics: %t): the store was\n%s\nand is\n%s", event, panics, before, after)
			}
		}
	}
	if _, _, err := run(-1, false); err != nil {
		t.Errorf("after the failures: got %v", err)
	}
}

// recovered gives what f panics with as an error.
func recovered(f func() error) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = problem.(error)
		}
	}()
	return f()
}

// dump is every row of the tenant, but for numbers of series that are reserved and the rows that links wait for.
func (l *lifecycleTest) dump() string {
	l.Helper()
	var out strings.Builder
	for _, table := range l.store.schema.Tables {
		if slices.Contains([]string{"__counters", "__numbers", "__gates"}, table.Name) {
			continue
		}
		q := &store.Query{Tenant: "acme", From: table}
		for _, c := range table.Columns {
			q.Columns = append(q.Columns, store.Expr{Column: c})
		}
		rows, err := l.store.Query(l.Context(), q)
		l.must(err)
		row := make([][]byte, len(q.Columns))
		for rows.Next() {
			l.must(rows.Scan(row))
			fmt.Fprintf(&out, "%s %q\n", table.Name, row)
		}
		l.must(errors.Join(rows.Err(), rows.Close()))
	}
	return out.String()
}

// testConcurrent has 200 clients work on one document: first they change and submit it, then they change and cancel it.
func (l *lifecycleTest) testConcurrent() {
	count := func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error {
		saves, _ := d.Before().Get("saves").(int64)
		return d.Set("saves", saves+1)
	}
	for _, e := range []frappems.Event{frappems.BeforeUpdate, frappems.BeforeSubmit, frappems.BeforeUpdateAfterSubmit, frappems.BeforeCancel} {
		l.app.On("Deal", e, count)
	}
	for e, n := range map[frappems.Event]int64{frappems.OnSubmit: 1, frappems.OnCancel: -1} {
		l.app.On("Deal", e, func(ctx context.Context, db *frappems.DB, _ *frappems.Doc) error { return enter(ctx, db, n) })
	}
	l.app.Resource("Deal")
	l.start()
	server := httptest.NewServer(l.app)
	l.Cleanup(server.Close)
	c := &clients{t: l.T, url: server.URL + "/api/resource/Deal/" + l.insert("Deal", map[string]any{"lines": []any{map[string]any{"qty": 1}}})}
	for docstatus := int64(1); docstatus <= 2; docstatus++ {
		c.round(docstatus)
		d := c.document()
		if d.Docstatus != docstatus || len(d.Lines) != 1 || d.Lines[0].Docstatus != docstatus {
			l.Errorf("got docstatus %d and rows %v, want %d", d.Docstatus, d.Lines, docstatus)
		}
		if d.Saves != c.changed.Load() || d.Clicks != c.clicked.Load() {
			l.Errorf("%d saves and %d clicks are stored, %d and %d were answered with 200", d.Saves, d.Clicks, c.changed.Load(), c.clicked.Load())
		}
		ledger, err := l.db.Get(l.Context(), "Ledger", "L")
		l.must(err)
		if want := 2 - docstatus; ledger.Get("entries") != want {
			l.Errorf("the ledger has %v entries, want %d", ledger.Get("entries"), want)
		}
	}
}

// clients are those of one document.
type clients struct {
	t                *testing.T
	url              string
	changed, clicked atomic.Int64
}

// round sends 200 requests at the same time: some give the document a docstatus, some change it, and some count a click in what
// they have read, which is refused if it is not the latest.
func (c *clients) round(docstatus int64) {
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			switch i % 4 {
			case 0:
				c.put(fmt.Sprintf(`{"docstatus": %d}`, docstatus))
			case 1:
				c.put(`{}`)
			default:
				d := c.document()
				if c.put(fmt.Sprintf(`{"clicks": %d, "modified": %q}`, d.Clicks+1, d.Modified)) {
					c.clicked.Add(1)
				}
			}
		})
	}
	wait.Wait()
}

// put changes the document, or is told that it cannot be changed now.
func (c *clients) put(body string) bool {
	status, answer := c.send("PUT", body)
	switch {
	case status == http.StatusOK:
		c.changed.Add(1)
	case status != http.StatusExpectationFailed:
		c.t.Errorf("PUT %s: %d %s", body, status, answer)
	}
	return status == http.StatusOK
}

// dealt is a document as clients read it.
type dealt struct {
	Docstatus, Saves, Clicks int64
	Modified                 string
	Lines                    []struct{ Docstatus int64 }
}

func (c *clients) document() dealt {
	var answer struct{ Data dealt }
	status, body := c.send("GET", "")
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK {
		c.t.Errorf("GET: %d %s", status, body)
	}
	return answer.Data
}

func (c *clients) send(method, body string) (status int, answer []byte) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return 0, nil
	}
	r.Header.Set("Authorization", "token a:s")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Error(err)
		return 0, nil
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		c.t.Error(err)
	}
	return response.StatusCode, answer
}
