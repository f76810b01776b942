package frappems_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// manyWriters is a memory store that core takes for one whose transactions write at a time: what belongs to series is kept in
// another one.
type manyWriters struct {
	frappems.Store
	series   frappems.Store
	reserved atomic.Int64                    // how many transactions were begun aside
	wait     func(ctx context.Context) error // before each of them
	commit   func(tx store.Tx) error         // instead of Commit
}

func newManyWriters() *manyWriters {
	return &manyWriters{Store: frappems.NewMemoryStore(), series: frappems.NewMemoryStore(),
		wait: func(context.Context) error { return nil }, commit: store.Tx.Commit}
}

func (m *manyWriters) BeginAside(ctx context.Context) (store.Tx, error) {
	m.reserved.Add(1)
	if err := m.wait(ctx); err != nil {
		return nil, err
	}
	return m.series.Begin(ctx)
}

func (m *manyWriters) Begin(ctx context.Context) (store.Tx, error) {
	tx, err := m.Store.Begin(ctx)
	return &endedTx{tx, m}, err
}

type endedTx struct {
	store.Tx
	many *manyWriters
}

func (t *endedTx) Commit() error { return t.many.commit(t.Tx) }

func (m *manyWriters) Query(ctx context.Context, q *store.Query) (store.Rows, error) {
	if q.From != nil && slices.Contains([]string{"__counters", "__numbers"}, q.From.Name) {
		return m.series.Query(ctx, q)
	}
	return m.Store.Query(ctx, q)
}

func (m *manyWriters) Migrate(ctx context.Context, want *store.Schema, apply bool) (store.Plan, error) {
	if _, err := m.series.Migrate(ctx, want, apply); err != nil {
		return nil, err
	}
	return m.Store.Migrate(ctx, want, apply)
}

// left is what the store knows of a series: the last number that was reserved, and those that came back.
func (m *manyWriters) left(t *testing.T, series string) string {
	t.Helper()
	read := func(table, key, column string) []string {
		name, value := &store.Column{Name: key, Type: store.TypeVarchar}, &store.Column{Name: column, Type: store.TypeBigInt}
		rows, err := m.series.Query(t.Context(), &store.Query{Tenant: "acme", From: &store.Table{Name: table, Columns: []*store.Column{name, value}, Key: []*store.Column{name}},
			Columns: []store.Expr{{Column: value}}, Where: store.Cond{Op: store.OpEqual, Expr: store.Expr{Column: name}, Values: []string{series}}})
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var all []string
		for cell := make([][]byte, 1); rows.Next(); {
			if err := rows.Scan(cell); err != nil {
				t.Fatal(err)
			}
			all = append(all, string(cell[0]))
		}
		return all
	}
	return fmt.Sprint(read("__counters", "name", "current"), read("__numbers", "series", "number"))
}

// papers is a service of Papers on a store with many writers.
func papers(t *testing.T, autoname string, m *manyWriters, change ...func(*frappems.Config)) *shop {
	t.Helper()
	return named(t, autoname, append(change, func(c *frappems.Config) { c.Store = m })...)
}

// seldom makes the time between two requests so long that a service expects no more of them: it reserves one number at a time.
func seldom(c *frappems.Config) {
	now := c.Now
	hours := new(atomic.Int64)
	c.Now = func() time.Time { return now().Add(time.Duration(hours.Add(1)) * time.Hour) }
}

func (s *shop) paper(t *testing.T, body, want string) {
	t.Helper()
	if got := s.create("manager@acme", "Paper", body); got != want {
		t.Errorf("%s: %s, want %s", body, got, want)
	}
}

const badPaper = `{"day": "nonsense"}`

// TestSeriesBlocks: a burst reserves blocks; what is left of them goes back at the end.
func TestSeriesBlocks(t *testing.T) {
	m := newManyWriters()
	s := papers(t, "P-.####", m)
	s.paper(t, `{}`, "P-0001")
	if got := m.left(t, "P-"); got != "[1] []" {
		t.Errorf("a single document reserved %s", got)
	}
	names := make([]string, 16)
	var group sync.WaitGroup
	for i := range names {
		group.Go(func() {
			for range 40 {
				names[i] += s.create("manager@acme", "Paper", `{}`) + " "
			}
		})
	}
	group.Wait()
	all := strings.Fields(strings.Join(names, ""))
	slices.Sort(all)
	for i, name := range all {
		if want := fmt.Sprintf("P-%04d", i+2); name != want {
			t.Fatalf("name %d is %s, want %s", i, name, want)
		}
	}
	if got := m.reserved.Load(); got > 640/4 {
		t.Errorf("641 documents needed %d reservations", got)
	}
	if err := s.app.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := m.left(t, "P-"); got != "[641] []" {
		t.Errorf("after the stop the series is at %s", got)
	}
}

// TestSeriesFailures: the number of a document that was not made is the next one given, in this process and in the next.
func TestSeriesFailures(t *testing.T) {
	m := newManyWriters()
	s := papers(t, "P-.###", m, seldom)
	bad := func() { s.send("manager@acme", "POST", docPath("Paper"), badPaper).want(t, 417, "DataError") }
	s.paper(t, `{}`, "P-001")
	bad()
	s.paper(t, `{}`, "P-002")
	db, err := s.app.AsTenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	insert := func(db *frappems.DB, want ...string) error {
		for _, want := range want {
			if d, err := db.Insert(t.Context(), "Paper", nil); err != nil || d.Name() != want {
				t.Errorf("%v, %v; want %s", d, err, want)
			}
		}
		return nil
	}
	err = db.Tx(t.Context(), func(db *frappems.DB) error { return errors.Join(insert(db, "P-003", "P-004", "P-005"), failed) })
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	if err := db.Tx(t.Context(), func(db *frappems.DB) error { return insert(db, "P-003", "P-004") }); err != nil {
		t.Error(err)
	}
	bad()
	other := papers(t, "P-.###", m, seldom)
	other.paper(t, `{}`, "P-006")
	if err := s.app.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := m.left(t, "P-"); got != "[6] [5]" {
		t.Errorf("after the stop of one of two the series is at %s", got)
	}
	other.paper(t, `{}`, "P-005")
	other.paper(t, `{}`, "P-007")
}

// TestSeriesDeleted: as TestNamingGivesBack, also where the document was made by another process.
func TestSeriesDeleted(t *testing.T) {
	m := newManyWriters()
	s := papers(t, "P-.###", m, seldom)
	remove := func(s *shop, name string) {
		t.Helper()
		s.send("manager@acme", "DELETE", docPath("Paper", name), "").want(t, 202, `{"data":"ok"}`)
	}
	for _, want := range []string{"P-001", "P-002", "P-003"} {
		s.paper(t, `{}`, want)
	}
	remove(s, "P-002") // not the last one
	s.paper(t, `{}`, "P-004")
	remove(s, "P-004")
	s.paper(t, `{}`, "P-004")
	other := papers(t, "P-.###", m, seldom)
	remove(other, "P-003")
	remove(other, "P-004")
	other.paper(t, `{}`, "P-004")
	other.paper(t, `{}`, "P-005")
	remove(s, "P-004") // what others have made since is not known here
	s.paper(t, `{}`, "P-006")
	if err := errors.Join(s.app.Shutdown(t.Context()), other.app.Shutdown(t.Context())); err != nil {
		t.Fatal(err)
	}
	remove(papers(t, "P-.###", m, seldom), "P-006")
	papers(t, "P-.###", m, seldom).paper(t, `{}`, "P-007") // the one who deleted it has not given it back yet
	if got := m.left(t, "P-"); got != "[7] []" {
		t.Errorf("in the end the series is at %s", got)
	}
}

// TestSeriesUnclear: a number is not given again where nobody knows whether its document was made.
func TestSeriesUnclear(t *testing.T) {
	m := newManyWriters()
	s := papers(t, "P-.###", m, seldom)
	s.paper(t, `{}`, "P-001")
	for _, test := range []struct {
		err  error
		next string
	}{{store.ErrUnavailable, "P-003"}, {context.Canceled, "P-004"}, {errors.New("lost"), "P-006"}} {
		m.commit = func(tx store.Tx) error { return errors.Join(tx.Rollback(), test.err) }
		db, err := s.app.AsTenant(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Insert(t.Context(), "Paper", nil); !errors.Is(err, test.err) {
			t.Errorf("got %v, want %v", err, test.err)
		}
		m.commit = store.Tx.Commit
		s.paper(t, `{}`, test.next)
	}
}

// TestSeriesTaken: a number that makes a name which is there already is skipped, on a store with one writer too.
func TestSeriesTaken(t *testing.T) {
	for kind, s := range map[string]*shop{"one writer": named(t, "P.title.#"), "many writers": papers(t, "P.title.#", newManyWriters())} {
		for _, want := range []string{"P11", "P12", "P13"} {
			s.paper(t, `{"title": "1"}`, want)
		}
		for i := range 10 {
			s.paper(t, `{}`, fmt.Sprintf("P%d", i+1))
		}
		s.paper(t, `{}`, "P14")
		s.paper(t, `{"title": "1"}`, "P15")
		s.paper(t, `{}`, "P16")
		if t.Failed() {
			t.Fatal("on a store with", kind)
		}
	}
	// Without a number there is nothing to skip.
	s := papers(t, "field:title", newManyWriters())
	s.paper(t, `{"title": "x"}`, "x")
	s.send("manager@acme", "POST", docPath("Paper"), `{"title": "x"}`).want(t, 409, "DuplicateEntryError")
}

// TestSeriesParts: a part of a transaction that fails before it has written anything leaves no gap, where its error is passed over.
func TestSeriesParts(t *testing.T) {
	for kind, s := range map[string]*shop{"one writer": named(t, "P-.###"), "many writers": papers(t, "P-.###", newManyWriters()),
		"gapless": papers(t, "P-.###", newManyWriters(), func(c *frappems.Config) { c.Gapless = []string{"Paper"} })} {
		db, err := s.app.AsTenant(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		err = db.Tx(t.Context(), func(db *frappems.DB) error {
			for i, want := range []string{"P-001", "", "", "P-002", "", "P-003"} {
				fields := map[string]any{}
				if want == "" {
					fields["day"] = "nonsense"
				}
				d, err := db.Insert(t.Context(), "Paper", fields)
				if (err == nil) != (want != "") || err == nil && d.Name() != want {
					t.Errorf("%s, document %d: %v, %v; want %q", kind, i, d, err, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		s.paper(t, `{}`, "P-004")
	}
}

// TestSeriesWaiting: who waits for a number gives up with its context, and others get theirs when it comes.
func TestSeriesWaiting(t *testing.T) {
	m := newManyWriters()
	s := papers(t, "P-.###", m, seldom)
	db, err := s.app.AsTenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	arrived, goOn := make(chan struct{}), make(chan struct{})
	m.wait = func(context.Context) error {
		close(arrived)
		<-goOn
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := db.Insert(ctx, "Paper", nil)
		gaveUp <- err
	}()
	<-arrived
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	m.wait = func(context.Context) error { return nil }
	close(goOn)
	s.paper(t, `{}`, "P-001")
	m.wait = func(context.Context) error { return store.ErrUnavailable }
	for range 2 {
		if _, err := db.Insert(t.Context(), "Paper", nil); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("without a number: %v", err)
		}
	}
	tries := 0
	m.wait = func(context.Context) error {
		if tries++; tries < 3 {
			return store.ErrDeadlock
		}
		return nil
	}
	s.paper(t, `{}`, "P-002")
}

// TestSeriesEvicted: of very many series some are given back before the end, and go on where they were.
func TestSeriesEvicted(t *testing.T) {
	m := newManyWriters()
	s := papers(t, "P-.title.-.##", m)
	const many = 1200
	for i := range many {
		s.send("manager@acme", "POST", docPath("Paper"), fmt.Sprintf(`{"title": "t%d", "day": "nonsense"}`, i)).want(t, 417, "DataError")
	}
	if open := s.app.OpenSeries(); open >= many {
		t.Errorf("%d series are open", open)
	}
	for i := range many {
		s.paper(t, fmt.Sprintf(`{"title": "t%d"}`, i), fmt.Sprintf("P-t%d-01", i))
	}
}

// TestGapless: the field of the Config names DocTypes and series, nothing else.
func TestGapless(t *testing.T) {
	gapless := func(names ...string) func(*frappems.Config) {
		return func(c *frappems.Config) { c.Gapless = names }
	}
	for _, test := range []struct {
		gapless  string
		body     string
		reserved bool
	}{{"Paper", `{}`, false}, {"A-.###", `{}`, false}, {"A-.###", `{"naming_series": "B-.YY.-"}`, true}, {"B-.YY.-", `{}`, true}} {
		m := newManyWriters()
		s := papers(t, "naming_series:", m, gapless(test.gapless))
		s.create("manager@acme", "Paper", test.body)
		if got := m.reserved.Load() > 0; got != test.reserved {
			t.Errorf("with %s gapless %s is reserved aside: %v", test.gapless, test.body, got)
		}
	}
	for _, name := range []string{"", "Nope", "A-", "naming_series:"} {
		_, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), Gapless: []string{name},
			Types: []*frappems.DocType{{Name: "Paper", Autoname: "naming_series:", Fields: []frappems.Field{{Fieldname: "naming_series", Fieldtype: "Select", Options: "A-.###"}}}}})
		if err == nil || !strings.Contains(err.Error(), "Config.Gapless") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
