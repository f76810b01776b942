// Package frappemstest holds the contracts of the framework's interfaces as tests. Whoever implements one runs its suite.
package frappemstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// TestStore runs the contract of [frappems.Store] against a store. Each case opens an empty one with open, which ends the
// test if it cannot, and closes it. A store that is written to by others in the meantime fails.
func TestStore(t *testing.T, open func(*testing.T) frappems.Store) {
	for _, group := range []struct {
		name  string
		cases []storeCase
	}{
		{"Values", valueCases}, {"Conditions", conditionCases}, {"Queries", queryCases}, {"Groups", groupCases}, {"Writes", writeCases},
		{"Transactions", txCases}, {"Tenants", tenantCases}, {"Migrate", migrateCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					s := &storeTest{T: t, why: c.why, store: open(t), tables: newTables()}
					defer func() {
						if err := s.store.Close(); err != nil {
							t.Errorf("Close: %v", err)
						}
					}()
					c.run(s)
				})
			}
		})
	}
}

// storeCase is one case of the suite. The sentence why says what the store promises.
type storeCase struct {
	name, why string
	run       func(*storeTest)
}

// storeTest is a case while it runs.
type storeTest struct {
	*testing.T
	why   string
	store frappems.Store
	tables
}

// problem reports that the promise was not kept.
func (t *storeTest) problem(format string, args ...any) {
	t.Helper()
	t.Fatalf("%s\n%s", t.why, fmt.Sprintf(format, args...))
}

// tables are those that the cases use.
type tables struct {
	values   *store.Table // a column of each type
	orders   *store.Table
	items    *store.Table // rows of orders, found by parent
	numbered *store.Table // with numbers for names
	counters *store.Table
}

// typed is the columns of tables.values by type, each with values in ascending order.
var typed = []struct {
	name   string
	column store.ColumnType
	values []string
}{
	{"varchar", store.TypeVarchar, []string{"", "`x", "-1", "!", "#", "10", "9", "a", "B", "crème", "ÿ", "zz", "日本"}},
	{"ascii", store.TypeASCII, []string{"", "A", "Ab", "B", "a", "b"}},
	{"text", store.TypeText, []string{"", "it's", `quo"te`, "z"}},
	{"longtext", store.TypeLongText, []string{"", `back\slash`, "Écru", "f\x00og", "z"}},
	{"json", store.TypeJSON, []string{`[1, 2]`, `{"a": 1}`, `{"b": null}`}},
	{"int", store.TypeInt, []string{"-2147483648", "-5", "0", "7", "10", "2147483647"}},
	{"bigint", store.TypeBigInt, []string{"-9223372036854775808", "-1", "0", "9007199254740992", "9007199254740993", "9223372036854775807"}},
	{"check", store.TypeCheck, []string{"0", "1"}},
	{"decimal", store.TypeDecimal, []string{"-999999999999.500000000", "-12.500000000", "-0.000000001", "0.000000000", "0.100000000",
		"0.300000000", "2.000000000", "10.000000000", "123456.123456789", "999999999999.000000000"}},
	{"rating", store.TypeRating, []string{"0.00", "0.20", "0.60", "1.00"}},
	{"date", store.TypeDate, []string{"1900-01-01", "2026-11-22", "2026-11-23"}},
	{"datetime", store.TypeDatetime, []string{"1900-01-01 00:00:00.000000", "2026-11-23 18:19:16.499950", "2026-11-23 18:19:16.499951"}},
	{"time", store.TypeTime, []string{"00:00:00.000000", "09:05:00.000000", "23:59:59.999999"}},
}

func varchar(name string) *store.Column {
	return &store.Column{Name: name, Type: store.TypeVarchar, Length: 140}
}

func keyed(name string, columns ...*store.Column) *store.Table {
	return &store.Table{Name: name, Columns: columns, Key: columns[:1]}
}

func newTables() tables {
	t := tables{values: keyed("tabValues", varchar("name"))}
	for _, c := range typed {
		t.values.Columns = append(t.values.Columns, &store.Column{Name: c.name, Type: c.column, Length: 140})
	}
	total := &store.Column{Name: "total", Type: store.TypeDecimal, NotNull: true, Default: "0.000000000"}
	count := &store.Column{Name: "count", Type: store.TypeInt}
	t.orders = keyed("tabSales Order", varchar("name"), varchar("customer"), varchar("status"), total, count, varchar("code"),
		&store.Column{Name: "modified", Type: store.TypeDatetime})
	t.orders.Indexes = []store.Index{{Name: "modified", Columns: []*store.Column{column(t.orders, "modified")}},
		{Name: "code", Columns: []*store.Column{column(t.orders, "code")}, Unique: true}}
	t.items = keyed("tabSales Order Item", varchar("name"), varchar("parent"), varchar("item"), &store.Column{Name: "idx", Type: store.TypeInt},
		&store.Column{Name: "qty", Type: store.TypeDecimal})
	t.items.Indexes = []store.Index{{Name: "parent", Columns: []*store.Column{column(t.items, "parent")}}}
	t.numbered = keyed("tabNumbered", &store.Column{Name: "name", Type: store.TypeBigInt}, varchar("title"))
	t.counters = keyed("__counter", varchar("name"), &store.Column{Name: "current", Type: store.TypeBigInt, NotNull: true})
	return t
}

// column returns a column of a table.
func column(t *store.Table, name string) *store.Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	panic("frappemstest: table " + t.Name + " has no column " + name)
}

// migrate creates all tables.
func (t *storeTest) migrate() {
	t.Helper()
	t.apply(t.values, t.orders, t.items, t.numbered, t.counters)
}

func (t *storeTest) apply(tables ...*store.Table) store.Plan {
	t.Helper()
	plan, err := t.store.Migrate(t.Context(), &store.Schema{Tables: tables}, true)
	if err != nil {
		t.problem("Migrate: %v", err)
	}
	return plan
}

type row []any

// insertion is a mutation; columns are names with blanks between them.
func insertion(tenant string, table *store.Table, columns string, rows ...row) store.Mutation {
	m := store.Mutation{Kind: store.InsertRows, Tenant: tenant, Table: table}
	for _, name := range strings.Fields(columns) {
		m.Columns = append(m.Columns, column(table, name))
	}
	for _, r := range rows {
		m.Rows = append(m.Rows, r)
	}
	return m
}

func update(tenant string, table *store.Table, columns string, values row, where store.Cond) store.Mutation {
	m := insertion(tenant, table, columns, values)
	m.Kind, m.Where = store.UpdateRows, where
	return m
}

func deletion(tenant string, table *store.Table, where store.Cond) store.Mutation {
	return store.Mutation{Kind: store.DeleteRows, Tenant: tenant, Table: table, Where: where}
}

// insert inserts rows of the tenant acme.
func (t *storeTest) insert(table *store.Table, columns string, rows ...row) {
	t.Helper()
	t.write(insertion("acme", table, columns, rows...))
}

// write runs mutations in a transaction of their own.
func (t *storeTest) write(mutations ...store.Mutation) int64 {
	t.Helper()
	n, err := t.try(mutations...)
	if err != nil {
		t.problem("Write: %v", err)
	}
	return n
}

// try is write for mutations that may fail.
func (t *storeTest) try(mutations ...store.Mutation) (int64, error) {
	t.Helper()
	tx := t.begin()
	defer tx.Rollback()
	n, err := tx.Write(t.Context(), mutations...)
	if err != nil {
		return n, err
	}
	return n, tx.Commit()
}

func (t *storeTest) begin() store.Tx {
	t.Helper()
	tx, err := t.store.Begin(t.Context())
	if err != nil {
		t.problem("Begin: %v", err)
	}
	return tx
}

// read runs a query and returns its rows, with blanks between the values; NULL is ∅.
func read(ctx context.Context, r store.Reader, q *store.Query) ([]string, error) {
	rows, err := r.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []string{}
	values := make([][]byte, len(q.Columns))
	for rows.Next() {
		if err := rows.Scan(values); err != nil {
			return nil, err
		}
		texts := make([]string, len(values))
		for i, v := range values {
			if texts[i] = string(v); v == nil {
				texts[i] = "∅"
			}
		}
		list = append(list, strings.Join(texts, " "))
	}
	return list, rows.Err()
}

// rows are those of a query outside a transaction.
func (t *storeTest) rows(q *store.Query) []string {
	t.Helper()
	return t.rowsIn(t.store, q)
}

func (t *storeTest) rowsIn(r store.Reader, q *store.Query) []string {
	t.Helper()
	rows, err := read(t.Context(), r, q)
	if err != nil {
		t.problem("Query: %v", err)
	}
	return rows
}

// want checks the rows of a query.
func (t *storeTest) want(q *store.Query, want ...string) {
	t.Helper()
	t.wantIn(t.store, q, want...)
}

func (t *storeTest) wantIn(r store.Reader, q *store.Query, want ...string) {
	t.Helper()
	if got := t.rowsIn(r, q); !slices.Equal(got, want) {
		t.problem("got  %q\nwant %q", got, want)
	}
}

// of returns an expression on a column of the query's table.
func of(t *store.Table, name string) store.Expr { return store.Expr{Column: column(t, name)} }

// from returns one on a joined table.
func from(source int, t *store.Table, name string) store.Expr {
	return store.Expr{Source: source, Column: column(t, name)}
}

func call(f store.Func, e store.Expr) store.Expr {
	e.Func = f
	return e
}

var countRows = store.Expr{Func: store.FuncCountRows}

func literal(text string) store.Expr {
	return store.Expr{Func: store.FuncLiteral, Text: &text}
}

// list returns a query of acme's rows for some columns.
func list(t *store.Table, columns string) *store.Query {
	q := &store.Query{Tenant: "acme", From: t}
	for _, name := range strings.Fields(columns) {
		q.Columns = append(q.Columns, of(t, name))
	}
	return q
}

// listWhere returns a query of acme's names.
func listWhere(t *store.Table, where store.Cond) *store.Query {
	q := list(t, "name")
	q.Where = where
	return q
}

func is(e store.Expr, op store.Op, values ...string) store.Cond {
	return store.Cond{Op: op, Expr: e, Values: values}
}

func equals(e store.Expr, value string) store.Cond { return is(e, store.OpEqual, value) }

func and(conds ...store.Cond) store.Cond {
	return store.Cond{Op: store.OpAnd, Conds: conds}
}

func or(conds ...store.Cond) store.Cond {
	return store.Cond{Op: store.OpOr, Conds: conds}
}

func ascending(e store.Expr) store.Order { return store.Order{Expr: e} }

func descending(e store.Expr) store.Order { return store.Order{Expr: e, Desc: true} }
