package frappemstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/frappems/frappems/store"
)

var writeCases = []storeCase{
	{"Insert", "An insert writes all of its rows and says how many.", (*storeTest).testInsert},
	{"ManyRows", "One insert can have more rows than a statement can bind values.", (*storeTest).testManyRows},
	{"Update", "An update sets its values in all matching rows, and counts also those that had them already.", (*storeTest).testUpdate},
	{"UpdateKey", "An update can change a key, and what finds the row by it.", (*storeTest).testUpdateKey},
	{"Delete", "A delete removes the matching rows and says how many.", (*storeTest).testDelete},
	{"DuplicateKey", "A second row with a primary key is ErrDuplicateKey, and the transaction goes on without the failed mutation.", (*storeTest).testDuplicateKey},
	{"Unique", "A second row with the values of a unique index is ErrDuplicateKey; NULLs do not collide.", (*storeTest).testUnique},
	{"NoTrace", "An insert that fails at its last row has inserted none, however many there are.", (*storeTest).testNoTrace},
	{"Invalid", "A mutation that could empty a table, has rows of the wrong width or writes the tenant is an error.", (*storeTest).testInvalidMutations},
}

func (t *storeTest) testInsert() {
	t.migrate()
	m := insertion("acme", t.orders, "name customer", row{"a", "x"}, row{"b", "y"})
	if n := t.write(m, insertion("acme", t.items, "name parent", row{"i", "a"})); n != 3 {
		t.problem("3 rows were counted as %d", n)
	}
	t.want(list(t.orders, "name customer"), "a x", "b y")
	if n := t.write(insertion("acme", t.orders, "name")); n != 0 {
		t.problem("no row was counted as %d", n)
	}
	if n := t.write(); n != 0 {
		t.problem("no mutation was counted as %d", n)
	}
	t.want(list(t.items, "name parent idx"), "i a ∅")
}

func (t *storeTest) testManyRows() {
	t.migrate()
	m := insertion("acme", t.items, "name parent item idx qty")
	for i := range 20000 {
		m.Rows = append(m.Rows, row{fmt.Sprintf("i%05d", i), fmt.Sprintf("p%d", i%100), "x", fmt.Sprint(i), "0.5"})
	}
	if n := t.write(m); n != 20000 {
		t.problem("20,000 rows were counted as %d", n)
	}
	q := list(t.items, "")
	q.Columns = []store.Expr{countRows, call(store.FuncSum, of(t.items, "qty")), call(store.FuncMax, of(t.items, "idx"))}
	t.want(q, "20000 10000.000000000 19999")
	q.Where = equals(of(t.items, "parent"), "P7")
	t.want(q, "200 100.000000000 19907")
	t.want(listWhere(t.items, equals(of(t.items, "name"), "I12345")), "i12345")
}

func (t *storeTest) testUpdate() {
	fillOrders(t)
	if n := t.write(update("acme", t.orders, "status count", row{"Closed", nil}, is(of(t.orders, "customer"), store.OpIn, "ann", "nobody"))); n != 2 {
		t.problem("2 rows were counted as %d", n)
	}
	t.want(list(t.orders, "name status count"), "SO-1 Closed ∅", "SO-2 open ∅", "SO-3 Closed ∅", "SO-4 ∅ 2")
	if n := t.write(update("acme", t.orders, "status", row{"Closed"}, equals(of(t.orders, "status"), "closed"))); n != 2 {
		t.problem("2 rows that had the value already were counted as %d", n)
	}
	if n := t.write(update("acme", t.orders, "status", row{"x"}, equals(of(t.orders, "name"), "nobody"))); n != 0 {
		t.problem("no row was counted as %d", n)
	}
	t.write(update("acme", t.orders, "modified", row{"2027-01-01 00:00:00.000000"}, equals(of(t.orders, "name"), "SO-2")))
	t.want(listWhere(t.orders, equals(of(t.orders, "modified"), "2027-01-01 00:00:00.000000")), "SO-2")
	t.want(listWhere(t.orders, equals(of(t.orders, "modified"), "2026-01-01 00:00:00.000000")))
}

func (t *storeTest) testUpdateKey() {
	fillOrders(t)
	t.write(update("acme", t.orders, "name code", row{"New", "c9"}, equals(of(t.orders, "name"), "SO-1")),
		update("acme", t.items, "parent", row{"New"}, equals(of(t.items, "parent"), "SO-1")))
	t.want(list(t.orders, "name code"), "New c9", "SO-2 ∅", "SO-3 ∅", "SO-4 c4")
	t.want(listWhere(t.orders, equals(of(t.orders, "name"), "SO-1")))
	t.want(listWhere(t.orders, equals(of(t.orders, "name"), "NEW")), "New")
	t.want(listWhere(t.items, equals(of(t.items, "parent"), "new")), "i4", "i5")
	t.want(listWhere(t.items, equals(of(t.items, "parent"), "SO-1")))
	t.insert(t.orders, "name code", row{"SO-1", "c1"})
	t.write(update("acme", t.orders, "name", row{"NEW"}, equals(of(t.orders, "name"), "New")))
	t.want(listWhere(t.orders, equals(of(t.orders, "name"), "new")), "NEW")
	for _, m := range []store.Mutation{update("acme", t.orders, "name", row{"so-2"}, equals(of(t.orders, "name"), "NEW")),
		update("acme", t.orders, "name", row{"x"}, is(of(t.orders, "name"), store.OpLike, "SO-%"))} {
		if _, err := t.try(m); !errors.Is(err, store.ErrDuplicateKey) {
			t.problem("two rows with one name: %v", err)
		}
	}
	t.want(list(t.orders, "name"), "NEW", "SO-1", "SO-2", "SO-3", "SO-4")
}

func (t *storeTest) testDelete() {
	fillOrders(t)
	if n := t.write(deletion("acme", t.items, equals(of(t.items, "parent"), "SO-1")), deletion("acme", t.orders, equals(of(t.orders, "name"), "SO-1"))); n != 3 {
		t.problem("3 rows were counted as %d", n)
	}
	t.want(list(t.items, "name"), "i1", "i2", "i3")
	t.want(list(t.orders, "name"), "SO-2", "SO-3", "SO-4")
	t.insert(t.orders, "name code", row{"SO-1", "c1"})
	if n := t.write(deletion("acme", t.orders, and())); n != 4 {
		t.problem("4 rows were counted as %d", n)
	}
	t.want(list(t.orders, "name"))
}

func (t *storeTest) testDuplicateKey() {
	fillOrders(t)
	tx := t.begin()
	defer tx.Rollback()
	ctx := t.Context()
	if _, err := tx.Write(ctx, insertion("acme", t.orders, "name", row{"before"})); err != nil {
		t.problem("%v", err)
	}
	n, err := tx.Write(ctx, insertion("acme", t.orders, "name", row{"first"}, row{"second"}), insertion("acme", t.orders, "name", row{"new"}, row{"so-1"}))
	if !errors.Is(err, store.ErrDuplicateKey) || n != 2 {
		t.problem("a name that is taken: %d rows, %v", n, err)
	}
	if _, err := tx.Write(ctx, insertion("acme", t.orders, "name", row{"twin"}, row{"TWIN"})); !errors.Is(err, store.ErrDuplicateKey) {
		t.problem("twins in one insert: %v", err)
	}
	if _, err := tx.Write(ctx, insertion("acme", t.orders, "name", row{"after"})); err != nil {
		t.problem("after the error: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.problem("Commit: %v", err)
	}
	t.want(list(t.orders, "name"), "after", "before", "first", "second", "SO-1", "SO-2", "SO-3", "SO-4")
}

func (t *storeTest) testUnique() {
	fillOrders(t)
	for _, m := range []store.Mutation{insertion("acme", t.orders, "name code", row{"x", "C1"}),
		update("acme", t.orders, "code", row{"c1"}, equals(of(t.orders, "name"), "SO-2")),
		update("acme", t.orders, "code", row{"same"}, is(of(t.orders, "name"), store.OpIn, "SO-2", "SO-3"))} {
		if _, err := t.try(m); !errors.Is(err, store.ErrDuplicateKey) {
			t.problem("a code that is taken: %v", err)
		}
	}
	t.want(list(t.orders, "name code"), "SO-1 c1", "SO-2 ∅", "SO-3 ∅", "SO-4 c4")
	t.write(update("acme", t.orders, "code", row{"C1"}, equals(of(t.orders, "name"), "SO-1")), update("acme", t.orders, "code", row{nil}, equals(of(t.orders, "name"), "SO-4")))
	t.insert(t.orders, "name code", row{"x", nil}, row{"y", "c4"}, row{"z", ""})
	t.want(list(t.orders, "name code"), "SO-1 C1", "SO-2 ∅", "SO-3 ∅", "SO-4 ∅", "x ∅", "y c4", "z ")
}

func (t *storeTest) testNoTrace() {
	fillOrders(t)
	m := insertion("acme", t.orders, "name code customer status count")
	for i := range 12000 {
		m.Rows = append(m.Rows, row{fmt.Sprintf("n%05d", i), nil, "x", "y", "1"})
	}
	m.Rows = append(m.Rows, row{"last", "C4", nil, nil, nil})
	tx := t.begin()
	defer tx.Rollback()
	if _, err := tx.Write(t.Context(), m); !errors.Is(err, store.ErrDuplicateKey) {
		t.problem("a code that is taken: %v", err)
	}
	t.wantIn(tx, list(t.orders, "name"), "SO-1", "SO-2", "SO-3", "SO-4")
	if _, err := tx.Write(t.Context(), insertion("acme", t.orders, "name", row{"n00000"})); err != nil {
		t.problem("after the error: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.problem("Commit: %v", err)
	}
	t.want(list(t.orders, "name"), "n00000", "SO-1", "SO-2", "SO-3", "SO-4")
}

func (t *storeTest) testInvalidMutations() {
	fillOrders(t)
	wide := insertion("acme", t.orders, "name", row{"x", "y"})
	tenant := insertion("acme", t.orders, "name", row{"x"})
	tenant.Columns = []*store.Column{{Name: "Tenant_ID", Type: store.TypeASCII, Length: 64}}
	two := update("acme", t.orders, "status", row{"x"}, equals(of(t.orders, "name"), "SO-1"))
	two.Rows = append(two.Rows, row{"y"})
	nothing := update("acme", t.orders, "", row{}, equals(of(t.orders, "name"), "SO-1"))
	for i, m := range []store.Mutation{wide, tenant, two, nothing, update("acme", t.orders, "status", row{"x"}, store.Cond{}),
		deletion("acme", t.orders, store.Cond{}), {Kind: 77, Tenant: "acme", Table: t.orders, Where: and(), Columns: t.orders.Key, Rows: [][]any{{"x"}}}} {
		if _, err := t.try(m); err == nil {
			t.problem("mutation %d was accepted", i)
		}
	}
	t.want(list(t.orders, "name status"), "SO-1 Open", "SO-2 open", "SO-3 Closed", "SO-4 ∅")
}

var txCases = []storeCase{
	{"Rollback", "Rollback undoes everything, and does nothing after the end.", (*storeTest).testRollback},
	{"ReadYourWrites", "A transaction sees its own writes; others see them all at once when it has committed.", (*storeTest).testReadYourWrites},
	{"Ended", "After Commit or Rollback every method but Rollback is an error.", (*storeTest).testEnded},
	{"Waiting", "Begin gives up when its context ends.", (*storeTest).testWaiting},
	{"ContextEnds", "A transaction whose context ends cannot commit.", (*storeTest).testContextEnds},
	{"Counters", "A counter starts at 1, goes on from its last number, and counts for each name alone.", (*storeTest).testCounters},
	{"CountersTogether", "Transactions that count at a time never get the same number, and those that roll back leave no gap.", (*storeTest).testCountersTogether},
	{"Together", "Readers among many writers never see a half transaction.", (*storeTest).testTogether},
}

func (t *storeTest) testRollback() {
	fillOrders(t)
	tx := t.begin()
	ctx := t.Context()
	if _, err := tx.Write(ctx, insertion("acme", t.orders, "name", row{"x"}), update("acme", t.orders, "status", row{"y"}, and()),
		deletion("acme", t.items, and())); err != nil {
		t.problem("%v", err)
	}
	if _, err := tx.Next(ctx, store.Counter{Tenant: "acme", Table: t.counters, Name: "n"}, 5); err != nil {
		t.problem("%v", err)
	}
	for range 2 {
		if err := tx.Rollback(); err != nil {
			t.problem("Rollback: %v", err)
		}
	}
	t.want(list(t.orders, "name status"), "SO-1 Open", "SO-2 open", "SO-3 Closed", "SO-4 ∅")
	t.want(list(t.items, "name"), "i1", "i2", "i3", "i4", "i5")
	t.want(list(t.counters, "name"))
}

func (t *storeTest) testReadYourWrites() {
	fillOrders(t)
	tx := t.begin()
	defer tx.Rollback()
	if _, err := tx.Write(t.Context(), insertion("acme", t.orders, "name code", row{"new", "n"}), deletion("acme", t.orders, equals(of(t.orders, "name"), "SO-1")),
		update("acme", t.orders, "customer", row{"Cid"}, equals(of(t.orders, "name"), "SO-2"))); err != nil {
		t.problem("%v", err)
	}
	q := list(t.orders, "name customer")
	old, now := []string{"SO-1 Ann", "SO-2 Bob", "SO-3 ann", "SO-4 ∅"}, []string{"new ∅", "SO-2 Cid", "SO-3 ann", "SO-4 ∅"}
	for _, lock := range []store.Lock{store.NoLock, store.ShareLock, store.UpdateLock, store.UpdateSkipLocked} {
		locked := *q
		locked.Lock = lock
		t.wantIn(tx, &locked, now...)
	}
	t.want(q, old...)
	t.want(listWhere(t.orders, equals(of(t.orders, "code"), "n")))
	t.wantIn(tx, listWhere(t.orders, equals(of(t.orders, "code"), "n")), "new")
	if err := tx.Commit(); err != nil {
		t.problem("Commit: %v", err)
	}
	t.want(q, now...)
}

func (t *storeTest) testEnded() {
	fillOrders(t)
	ctx := t.Context()
	for _, end := range []func(store.Tx) error{store.Tx.Commit, store.Tx.Rollback} {
		tx := t.begin()
		if err := end(tx); err != nil {
			t.problem("%v", err)
		}
		_, writeErr := tx.Write(ctx, insertion("acme", t.orders, "name", row{"x"}))
		_, nextErr := tx.Next(ctx, store.Counter{Tenant: "acme", Table: t.counters, Name: "x"}, 1)
		_, queryErr := read(ctx, tx, list(t.orders, "name"))
		if writeErr == nil || nextErr == nil || queryErr == nil || tx.Commit() == nil {
			t.problem("it works: %v, %v, %v", writeErr, nextErr, queryErr)
		}
		if err := tx.Rollback(); err != nil {
			t.problem("Rollback: %v", err)
		}
	}
	t.want(list(t.orders, "name"), "SO-1", "SO-2", "SO-3", "SO-4")
}

func (t *storeTest) testWaiting() {
	t.migrate()
	tx := t.begin()
	defer tx.Rollback()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for range 4 {
		go func() {
			other, err := t.store.Begin(ctx)
			if err == nil { // a store with more than one writer
				err = context.Canceled
				other.Rollback()
			}
			ended <- err
		}()
	}
	cancel()
	for range 4 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.problem("Begin: %v", err)
		}
	}
	if _, err := tx.Write(t.Context(), insertion("acme", t.orders, "name", row{"x"})); err != nil {
		t.problem("%v", err)
	}
	if err := tx.Commit(); err != nil {
		t.problem("Commit: %v", err)
	}
	t.insert(t.orders, "name", row{"y"})
	t.want(list(t.orders, "name"), "x", "y")
}

func (t *storeTest) testContextEnds() {
	t.migrate()
	ctx, cancel := context.WithCancel(t.Context())
	tx, err := t.store.Begin(ctx)
	if err != nil {
		t.problem("Begin: %v", err)
	}
	if _, err := tx.Write(ctx, insertion("acme", t.orders, "name", row{"x"})); err != nil {
		t.problem("%v", err)
	}
	cancel()
	if err := tx.Commit(); err == nil {
		t.problem("Commit works")
	}
	if err := tx.Rollback(); err != nil {
		t.problem("Rollback: %v", err)
	}
	t.insert(t.orders, "name", row{"y"})
	t.want(list(t.orders, "name"), "y")
}

func (t *storeTest) testCounters() {
	t.migrate()
	tx := t.begin()
	defer tx.Rollback()
	for _, c := range []struct {
		name  string
		n     int
		first int64
	}{{"a", 1, 1}, {"a", 1, 2}, {"b", 10, 1}, {"A", 3, 3}, {"b", 1, 11}, {"a", 1, 6}} {
		if first, err := tx.Next(t.Context(), store.Counter{Tenant: "acme", Table: t.counters, Name: c.name}, c.n); err != nil || first != c.first {
			t.problem("Next(%s, %d) = %d, %v; want %d", c.name, c.n, first, err, c.first)
		}
	}
	for _, n := range []int{0, -1} {
		if _, err := tx.Next(t.Context(), store.Counter{Tenant: "acme", Table: t.counters, Name: "a"}, n); err == nil {
			t.problem("a step of %d was accepted", n)
		}
	}
	if _, err := tx.Next(t.Context(), store.Counter{Tenant: "acme", Table: t.orders, Name: "a"}, 1); err == nil {
		t.problem("a table without the column current was accepted")
	}
	if err := tx.Commit(); err != nil {
		t.problem("Commit: %v", err)
	}
	t.want(list(t.counters, "name current"), "a 6", "b 11")
}

func (t *storeTest) testCountersTogether() {
	t.migrate()
	var all sync.WaitGroup
	var mu sync.Mutex
	numbers := []int64{}
	for writer := range 8 {
		all.Go(func() {
			for i := range 20 {
				tx, err := t.store.Begin(t.Context())
				if err != nil {
					t.Errorf("Begin: %v", err)
					return
				}
				first, err := tx.Next(t.Context(), store.Counter{Tenant: "acme", Table: t.counters, Name: "n"}, 2)
				if errors.Is(err, store.ErrDeadlock) || err == nil && (writer+i)%4 == 0 {
					err = tx.Rollback()
				} else if err == nil {
					err = tx.Commit()
					mu.Lock()
					numbers = append(numbers, first, first+1)
					mu.Unlock()
				}
				if err != nil {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	all.Wait()
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i+1) {
			t.problem("the numbers are %v", numbers)
		}
	}
}

// insertOrder inserts an order with three items in one transaction.
func insertOrder(t *storeTest, name string) error {
	tx, err := t.store.Begin(t.Context())
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Write(t.Context(), insertion("acme", t.orders, "name", row{name})); err != nil {
		return err
	}
	for i := range 3 {
		if _, err := tx.Write(t.Context(), insertion("acme", t.items, "name parent", row{fmt.Sprint(name, "-", i), name})); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (t *storeTest) testTogether() {
	t.migrate()
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for w := range 8 {
		writers.Go(func() {
			for i := range 15 {
				if err := insertOrder(t, fmt.Sprintf("SO-%d-%d", w, i)); err != nil {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	q := list(t.orders, "name")
	q.Columns = append(q.Columns, call(store.FuncCount, from(1, t.items, "name")))
	q.Joins = []store.Join{{Table: t.items, Column: column(t.items, "parent"), Outer: of(t.orders, "name")}}
	q.GroupBy = []store.Expr{of(t.orders, "name")}
	for range 4 {
		readers.Go(func() {
			for running := true; running; {
				select {
				case <-done:
					running = false
				default:
				}
				rows, err := read(t.Context(), t.store, q)
				half := slices.ContainsFunc(rows, func(row string) bool { return !strings.HasSuffix(row, " 3") })
				if err != nil || half || !running && len(rows) != 8*15 {
					t.Errorf("%s\ngot %q, %v", t.why, rows, err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}
