package frappemstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/frappems/frappems/store"
)

var queryCases = []storeCase{
	{"Joins", "A join adds the rows that belong to a row, or NULLs where there is none.", (*storeTest).testJoins},
	{"JoinWhere", "What a join's condition leaves out is as if it were not there; Where sees the joined columns.", (*storeTest).testJoinWhere},
	{"JoinNumbers", "A text belongs to the number that it writes, and the other way round.", (*storeTest).testJoinNumbers},
	{"Order", "Several terms of an order apply one after the other.", (*storeTest).testOrders},
	{"DefaultOrder", "Without an order rows come by primary key: From's, then those of Joins.", (*storeTest).testDefaultOrder},
	{"Limit", "Limit and Offset cut the ordered rows; a Limit of 0 is none.", (*storeTest).testLimit},
	{"Literals", "Constants are columns, with and without a table.", (*storeTest).testLiterals},
	{"Union", "The rows of a union's parts follow one another, each by its primary key and with its own columns' text forms.", (*storeTest).testUnion},
	{"Identifiers", "Names of tables, columns and indexes can have quotes, backticks, blanks, dots and semicolons.", (*storeTest).testIdentifiers},
	{"Shared", "One Query can be run by many at a time, and again.", (*storeTest).testShared},
	{"Rows", "Scan wants as many values as columns, and Close can come early and twice.", (*storeTest).testRows},
	{"Cancelled", "A context that has ended is an error of every call, and the error says so.", (*storeTest).testCancelled},
	{"Closed", "After Close nothing works any more.", (*storeTest).testClosed},
	{"Unknown", "A table that Migrate has not made is an error.", (*storeTest).testUnknown},
}

// itemsOf returns a query of orders with their items.
func itemsOf(t *storeTest, where store.Cond) *store.Query {
	q := list(t.orders, "name")
	q.Columns = append(q.Columns, from(1, t.items, "item"), from(1, t.items, "qty"))
	q.Joins = []store.Join{{Table: t.items, Column: column(t.items, "parent"), Outer: of(t.orders, "name"), Where: where}}
	q.OrderBy = []store.Order{ascending(of(t.orders, "name")), ascending(from(1, t.items, "idx"))}
	return q
}

func (t *storeTest) testJoins() {
	fillOrders(t)
	q := itemsOf(t, store.Cond{})
	t.want(q, "SO-1 Bolt 1.500000000", "SO-1 Nut 3.000000000", "SO-2 nut 7.000000000", "SO-3 ∅ ∅", "SO-4 ∅ ∅")
	back := list(t.items, "name")
	back.Columns = append(back.Columns, from(1, t.orders, "customer"), from(2, t.orders, "name"))
	back.Joins = []store.Join{{Table: t.orders, Column: column(t.orders, "name"), Outer: of(t.items, "parent")},
		{Table: t.orders, Column: column(t.orders, "customer"), Outer: from(1, t.orders, "customer")}}
	back.OrderBy = []store.Order{ascending(of(t.items, "name")), ascending(from(2, t.orders, "name"))}
	t.want(back, "i1 ∅ ∅", "i2 ∅ ∅", "i3 Bob SO-2", "i4 Ann SO-1", "i4 Ann SO-3", "i5 Ann SO-1", "i5 Ann SO-3")
}

func (t *storeTest) testJoinWhere() {
	fillOrders(t)
	q := itemsOf(t, equals(of(t.items, "item"), "NUT"))
	t.want(q, "SO-1 Nut 3.000000000", "SO-2 nut 7.000000000", "SO-3 ∅ ∅", "SO-4 ∅ ∅")
	q.Where = is(from(1, t.items, "name"), store.OpIsNull)
	t.want(q, "SO-3 ∅ ∅", "SO-4 ∅ ∅")
	q.Where = or(is(from(1, t.items, "qty"), store.OpGreater, "5"), equals(of(t.orders, "name"), "so-4"))
	t.want(q, "SO-2 nut 7.000000000", "SO-4 ∅ ∅")
	q.Where = and(equals(from(1, t.items, "item"), "nut"), equals(of(t.orders, "name"), "so-1"))
	t.want(q, "SO-1 Nut 3.000000000")
	q.Joins[0].Where = is(of(t.items, "item"), store.OpIn)
	t.want(q)
}

func (t *storeTest) testJoinNumbers() {
	t.migrate()
	t.insert(t.numbered, "name title", row{"5", "five"}, row{"12", "twelve"}, row{"-3", "minus three"})
	t.insert(t.values, "name varchar bigint", row{"a", "5", "12"}, row{"b", "x", nil}, row{"c", "-3", "-3"}, row{"d", "", "0"})
	for column, want := range map[string][]string{"varchar": {"a five", "b ∅", "c minus three", "d ∅"}, "bigint": {"a twelve", "b ∅", "c minus three", "d ∅"}} {
		q := list(t.values, "name")
		q.Columns = append(q.Columns, from(1, t.numbered, "title"))
		q.Joins = []store.Join{{Table: t.numbered, Column: t.numbered.Key[0], Outer: of(t.values, column)}}
		t.want(q, want...)
	}
	q := list(t.numbered, "title")
	q.Columns = append(q.Columns, from(1, t.values, "name"))
	q.Joins = []store.Join{{Table: t.values, Column: column(t.values, "varchar"), Outer: of(t.numbered, "name")}}
	t.want(q, "minus three c", "five a", "twelve ∅")
}

func (t *storeTest) testOrders() {
	fillOrders(t)
	q := list(t.orders, "name")
	q.OrderBy = []store.Order{ascending(of(t.orders, "customer")), descending(of(t.orders, "name"))}
	t.want(q, "SO-4", "SO-3", "SO-1", "SO-2")
	q.OrderBy = []store.Order{descending(of(t.orders, "customer")), ascending(of(t.orders, "total"))}
	t.want(q, "SO-2", "SO-3", "SO-1", "SO-4")
	q.OrderBy = []store.Order{descending(of(t.orders, "modified")), ascending(of(t.orders, "name"))}
	t.want(q, "SO-1", "SO-3", "SO-4", "SO-2")
	q.OrderBy = []store.Order{ascending(literal("x")), descending(of(t.orders, "name"))}
	t.want(q, "SO-4", "SO-3", "SO-2", "SO-1")
}

func (t *storeTest) testDefaultOrder() {
	fillOrders(t)
	t.want(list(t.items, "name"), "i1", "i2", "i3", "i4", "i5")
	t.want(listWhere(t.items, is(of(t.items, "parent"), store.OpIn, "SO-2", "SO-1")), "i3", "i4", "i5")
	t.want(listWhere(t.orders, is(of(t.orders, "modified"), store.OpGreater, "2026-01-01 12:00:00.000000")), "SO-1", "SO-3", "SO-4")
	q := list(t.orders, "customer")
	q.Columns = append(q.Columns, from(1, t.items, "name"))
	q.Joins = []store.Join{{Table: t.items, Column: column(t.items, "parent"), Outer: of(t.orders, "name")}}
	t.want(q, "Ann i4", "Ann i5", "Bob i3", "ann ∅", "∅ ∅")
	q.Limit, q.Offset = 2, 1
	t.want(q, "Ann i5", "Bob i3")
	t.insert(t.numbered, "name", row{"10"}, row{"9"}, row{"-1"}, row{"-20"})
	t.want(list(t.numbered, "name"), "-20", "-1", "9", "10")
}

func (t *storeTest) testLimit() {
	fillOrders(t)
	for _, c := range []struct {
		limit, offset int
		want          []string
	}{
		{0, 0, []string{"SO-4", "SO-3", "SO-2", "SO-1"}}, {2, 0, []string{"SO-4", "SO-3"}}, {2, 1, []string{"SO-3", "SO-2"}}, {2, 3, []string{"SO-1"}},
		{0, 3, []string{"SO-1"}}, {0, 4, nil}, {1, 100, nil}, {100, 0, []string{"SO-4", "SO-3", "SO-2", "SO-1"}}, {1 << 40, 3, []string{"SO-1"}},
	} {
		q := list(t.orders, "name")
		q.OrderBy = []store.Order{descending(of(t.orders, "name"))}
		q.Limit, q.Offset = c.limit, c.offset
		t.want(q, c.want...)
	}
	for _, q := range []*store.Query{{Limit: -1}, {Offset: -1}} {
		q.Tenant, q.From, q.Columns = "acme", t.orders, []store.Expr{countRows}
		if _, err := read(t.Context(), t.store, q); err == nil {
			t.problem("a limit of %d and an offset of %d were accepted", q.Limit, q.Offset)
		}
	}
}

func (t *storeTest) testLiterals() {
	fillOrders(t)
	texts := []store.Expr{literal("it's"), literal(""), {Func: store.FuncLiteral}, literal("7")}
	t.want(&store.Query{Tenant: "acme", Columns: texts}, "it's  ∅ 7")
	q := list(t.orders, "name")
	q.Columns = append(q.Columns, texts...)
	q.Where = equals(of(t.orders, "customer"), "bob")
	t.want(q, "SO-2 it's  ∅ 7")
	if _, err := read(t.Context(), t.store, &store.Query{Tenant: "acme"}); err == nil {
		t.problem("a query without columns was accepted")
	}
	if _, err := read(t.Context(), t.store, &store.Query{Tenant: "acme", Columns: []store.Expr{of(t.orders, "name")}}); err == nil {
		t.problem("a column without a table was accepted")
	}
}

func (t *storeTest) testUnion() {
	fillOrders(t)
	t.insert(t.numbered, "name title", row{"10", "ten"}, row{"9", "nine"})
	part := func(table *store.Table, number string, where store.Cond, columns ...store.Expr) *store.Query {
		q := &store.Query{Tenant: "acme", From: table, Columns: append([]store.Expr{literal(number)}, columns...), Where: where}
		return q
	}
	null := store.Expr{Func: store.FuncLiteral}
	q := part(t.items, "0", is(of(t.items, "name"), store.OpIn, "i5", "i3"), of(t.items, "name"), null, of(t.items, "idx"))
	q.Union = []*store.Query{
		part(t.orders, "1", is(of(t.orders, "name"), store.OpIn, "SO-3", "so-1", "nobody"), of(t.orders, "name"), of(t.orders, "total"), of(t.orders, "total")),
		part(t.numbered, "2", store.Cond{}, of(t.numbered, "name"), of(t.numbered, "title"), null),
		{Tenant: "acme", Columns: []store.Expr{literal("3"), literal("x"), null, null}},
	}
	t.want(q, "0 i3 ∅ 1", "0 i5 ∅ 2", "1 SO-1 10.500000000 10.500000000", "1 SO-3 0.250000000 0.250000000", "2 9 nine ∅", "2 10 ten ∅", "3 x ∅ ∅")
	for i, bad := range []func(*store.Query){
		func(q *store.Query) { q.Columns = q.Columns[1:] }, func(q *store.Query) { q.Limit = 1 },
		func(q *store.Query) { q.OrderBy = []store.Order{ascending(of(t.numbered, "name"))} }, func(q *store.Query) { q.Distinct = true },
		func(q *store.Query) { q.Union = []*store.Query{q} }, func(q *store.Query) { q.Tenant = "globex" },
		func(q *store.Query) { q.Columns[3] = countRows },
	} {
		broken := part(t.numbered, "2", store.Cond{}, of(t.numbered, "name"), of(t.numbered, "title"), null)
		bad(broken)
		q := *q
		q.Union = []*store.Query{broken}
		if _, err := read(t.Context(), t.store, &q); err == nil {
			t.problem("union %d was accepted", i)
		}
	}
}

func (t *storeTest) testIdentifiers() {
	var tables []*store.Table
	for i, odd := range []string{"select", "a b", "it's", `quo"te`, "back`tick", "a.b", "a;b--", "[a]", "a?b", "ä%s", "a,b", `back\slash`, "$1", ":x", "t0", "current"} {
		table := keyed(fmt.Sprintf("tab%d %s", i, odd), varchar("name"), varchar(odd), &store.Column{Name: odd + "#", Type: store.TypeDecimal})
		table.Indexes = []store.Index{{Name: odd, Columns: table.Columns[1:2], Unique: true}}
		tables = append(tables, table)
	}
	t.apply(tables...)
	if plan := t.apply(tables...); len(plan) > 0 {
		t.problem("a second Migrate has the plan %q", plan)
	}
	for _, table := range tables {
		odd := table.Columns[1]
		m := store.Mutation{Tenant: "acme", Table: table, Columns: table.Columns, Rows: [][]any{{"a", "x", "1"}, {"b", "y", "2"}}}
		t.write(m)
		q := &store.Query{Tenant: "acme", From: table, Columns: []store.Expr{{Column: odd}, {Func: store.FuncSum, Column: table.Columns[2]}},
			Where: equals(store.Expr{Column: odd}, "Y"), GroupBy: []store.Expr{{Column: odd}}, OrderBy: []store.Order{{Expr: store.Expr{Column: odd}}}}
		t.want(q, "y 2.000000000")
		m = store.Mutation{Kind: store.UpdateRows, Tenant: "acme", Table: table, Columns: table.Columns[1:2], Rows: [][]any{{"Z"}}, Where: q.Where}
		if n := t.write(m); n != 1 {
			t.problem("an update in %s found %d rows", table.Name, n)
		}
	}
}

func (t *storeTest) testShared() {
	fillOrders(t)
	q := itemsOf(t, store.Cond{})
	want := t.rows(q)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if got, err := read(t.Context(), t.store, q); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s\ngot %q, %v", t.why, got, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func (t *storeTest) testRows() {
	fillOrders(t)
	rows, err := t.store.Query(t.Context(), list(t.orders, "name total"))
	if err != nil {
		t.problem("%v", err)
	}
	if !rows.Next() {
		t.problem("no row: %v", rows.Err())
	}
	if rows.Scan(make([][]byte, 1)) == nil || rows.Scan(make([][]byte, 3)) == nil {
		t.problem("a Scan into too few or too many values was accepted")
	}
	for range 2 {
		if err := rows.Close(); err != nil {
			t.problem("Close: %v", err)
		}
	}
	if rows.Next() {
		t.problem("there is a row after Close")
	}
	if err := rows.Err(); err != nil {
		t.problem("Err after Close: %v", err)
	}
}

func (t *storeTest) testCancelled() {
	fillOrders(t)
	ctx, cancel := context.WithCancel(t.Context())
	tx := t.begin()
	defer tx.Rollback()
	cancel()
	q := list(t.orders, "name")
	_, storeErr := read(ctx, t.store, q)
	_, txErr := read(ctx, tx, q)
	_, beginErr := t.store.Begin(ctx)
	_, writeErr := tx.Write(ctx, insertion("acme", t.orders, "name", row{"x"}))
	_, nextErr := tx.Next(ctx, store.Counter{Tenant: "acme", Table: t.counters, Name: "x"}, 1)
	_, migrateErr := t.store.Migrate(ctx, &store.Schema{Tables: []*store.Table{t.orders}}, true)
	for name, err := range map[string]error{"Store.Query": storeErr, "Tx.Query": txErr, "Begin": beginErr, "Write": writeErr, "Next": nextErr,
		"Migrate": migrateErr, "Ping": t.store.Ping(ctx)} {
		if !errors.Is(err, context.Canceled) {
			t.problem("%s: %v", name, err)
		}
	}
	if err := tx.Rollback(); err != nil {
		t.problem("Rollback: %v", err)
	}
	t.want(q, "SO-1", "SO-2", "SO-3", "SO-4")
	if err := t.store.Ping(t.Context()); err != nil {
		t.problem("Ping: %v", err)
	}
}

func (t *storeTest) testClosed() {
	fillOrders(t)
	tx := t.begin()
	if err := t.store.Close(); err != nil {
		t.problem("Close: %v", err)
	}
	_, queryErr := read(t.Context(), t.store, list(t.orders, "name"))
	_, beginErr := t.store.Begin(t.Context())
	_, migrateErr := t.store.Migrate(t.Context(), &store.Schema{}, true)
	for name, err := range map[string]error{"Query": queryErr, "Begin": beginErr, "Migrate": migrateErr, "Ping": t.store.Ping(t.Context()), "Commit": tx.Commit()} {
		if err == nil {
			t.problem("%s works", name)
		}
	}
	tx.Rollback()
}

func (t *storeTest) testUnknown() {
	if _, err := read(t.Context(), t.store, list(t.orders, "name")); err == nil {
		t.problem("a query was accepted")
	}
	if _, err := t.try(insertion("acme", t.orders, "name", row{"x"})); err == nil {
		t.problem("an insert was accepted")
	}
}
