package frappemstest

import (
	"fmt"

	"github.com/frappems/frappems/store"
)

var groupCases = []storeCase{
	{"Aggregates", "Aggregates without GroupBy are one row: exact, and without NULLs.", (*storeTest).testAggregates},
	{"NoRows", "Over no rows counts are 0 and the others NULL; grouped, there is no row.", (*storeTest).testNoRows},
	{"Exact", "Sums and averages are exact decimals, an average with four places more than its column, rounded half away from zero.", (*storeTest).testExact},
	{"GroupBy", "Rows are grouped by the collation; groups come by their values where there is no order.", (*storeTest).testGroupBy},
	{"FirstRow", "What is neither grouped nor aggregated, and the spelling of what is, is that of the row with the lowest primary key.", (*storeTest).testFirstRow},
	{"OrderedGroups", "Groups can be ordered by aggregates, as numbers, and limited.", (*storeTest).testOrderedGroups},
	{"MinMaxTexts", "Of equal texts Min and Max give that of the row with the lowest primary key.", (*storeTest).testMinMaxTexts},
	{"Joined", "Groups and aggregates can be over joined rows.", (*storeTest).testGroupJoined},
	{"Distinct", "Distinct rows are compared by the collation and have the spelling of the row with the lowest primary key.", (*storeTest).testDistinct},
	{"NotSummable", "A sum or average of what is not a number is an error.", (*storeTest).testNotSummable},
}

func (t *storeTest) testAggregates() {
	fillOrders(t)
	q := list(t.orders, "")
	for _, name := range []string{"total", "count"} {
		for _, f := range []store.Func{store.FuncSum, store.FuncAvg, store.FuncMin, store.FuncMax, store.FuncCount} {
			q.Columns = append(q.Columns, call(f, of(t.orders, name)))
		}
	}
	t.want(q, "30.750000000 7.6875000000000 0.000000000 20.000000000 4 6 2.0000 1 3 3")
	q.Columns = []store.Expr{countRows, call(store.FuncCountDistinct, of(t.orders, "customer")), call(store.FuncCount, of(t.orders, "customer")),
		call(store.FuncMin, of(t.orders, "modified")), call(store.FuncMax, of(t.orders, "modified"))}
	t.want(q, "4 2 3 2026-01-01 00:00:00.000000 2026-01-03 00:00:00.000000")
	q.Where = equals(of(t.orders, "status"), "OPEN")
	q.Columns = append(q.Columns[:3], of(t.orders, "name"), literal("x"))
	t.want(q, "2 2 2 SO-1 x")
	q.Limit = 20
	t.want(q, "2 2 2 SO-1 x")
}

func (t *storeTest) testNoRows() {
	t.migrate()
	q := list(t.orders, "")
	for _, f := range []store.Func{store.FuncSum, store.FuncAvg, store.FuncMin, store.FuncMax, store.FuncCount, store.FuncCountDistinct} {
		q.Columns = append(q.Columns, call(f, of(t.orders, "total")))
	}
	q.Columns = append(q.Columns, countRows, of(t.orders, "name"), call(store.FuncMin, of(t.orders, "name")))
	t.want(q, "∅ ∅ ∅ ∅ 0 0 0 ∅ ∅")
	q.GroupBy = []store.Expr{of(t.orders, "status")}
	t.want(q)
	t.insert(t.orders, "name", row{"x"})
	q.Columns = []store.Expr{call(store.FuncSum, of(t.orders, "count")), call(store.FuncAvg, of(t.orders, "count")), call(store.FuncCount, of(t.orders, "count"))}
	t.want(q, "∅ ∅ 0")
}

func (t *storeTest) testExact() {
	t.migrate()
	for i, c := range []struct {
		column string
		values []string
		want   string
	}{
		{"decimal", []string{"0.1", "0.2"}, "0.300000000 0.1500000000000"},
		{"decimal", []string{"0.000000001", "0.000000002", "0.000000002"}, "0.000000005 0.0000000016667"},
		{"decimal", []string{"-0.000000001", "-0.000000002", "-0.000000002"}, "-0.000000005 -0.0000000016667"},
		{"decimal", []string{"999999999999.5", "999999999999.5", "0.000000001"}, "1999999999999.000000001 666666666666.3333333336667"},
		{"decimal", []string{"5", "-5"}, "0.000000000 0.0000000000000"},
		{"int", []string{"2147483647", "2147483647", "2147483647"}, "6442450941 2147483647.0000"},
		{"int", []string{"2", "0", "0"}, "2 0.6667"},
		{"int", []string{"-1", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0",
			"0", "0", "0", "0"}, "-1 -0.0313"},
		{"bigint", []string{"9223372036854775807", "9223372036854775807"}, "18446744073709551614 9223372036854775807.0000"},
		{"check", []string{"1", "1", "0"}, "2 0.6667"},
		{"rating", []string{"0.25", "0.50", "0.50"}, "1.25 0.416667"},
	} {
		for n, v := range c.values {
			t.insert(t.values, "name varchar "+c.column, row{fmt.Sprint(i, ".", n), fmt.Sprint("group ", i), v})
		}
		q := list(t.values, "")
		q.Columns = []store.Expr{call(store.FuncSum, of(t.values, c.column)), call(store.FuncAvg, of(t.values, c.column))}
		q.Where = equals(of(t.values, "varchar"), fmt.Sprint("group ", i))
		t.want(q, c.want)
	}
}

// fillGroups makes rows whose varchar and int fall into groups.
func fillGroups(t *storeTest) {
	t.Helper()
	t.migrate()
	t.insert(t.values, "name varchar int decimal date", row{"f", "Red", "1", "1", nil}, row{"e", "red", "2", "20", "2026-01-01"}, row{"d", nil, "2", "3", nil},
		row{"c", "blue", nil, "4", "2026-01-01"}, row{"b", "RED ", "1", "5.5", "2026-01-02"}, row{"a", "Blue", nil, "6", nil}, row{"g", nil, "1", "100", nil})
}

func (t *storeTest) testGroupBy() {
	fillGroups(t)
	q := list(t.values, "")
	color, number := of(t.values, "varchar"), of(t.values, "int")
	q.Columns, q.GroupBy = []store.Expr{countRows, call(store.FuncSum, of(t.values, "decimal"))}, []store.Expr{color}
	t.want(q, "2 103.000000000", "2 10.000000000", "3 26.500000000")
	q.GroupBy = []store.Expr{number}
	t.want(q, "2 10.000000000", "3 106.500000000", "2 23.000000000")
	q.GroupBy, q.Columns = []store.Expr{color, number}, []store.Expr{number, countRows}
	t.want(q, "1 1", "2 1", "∅ 2", "1 2", "2 1")
	q.GroupBy = []store.Expr{of(t.values, "date")}
	q.Columns = []store.Expr{of(t.values, "date"), countRows}
	t.want(q, "∅ 4", "2026-01-01 2", "2026-01-02 1")
	q.GroupBy = []store.Expr{of(t.values, "decimal"), color}
	q.Columns = []store.Expr{of(t.values, "decimal")}
	t.want(q, "1.000000000", "3.000000000", "4.000000000", "5.500000000", "6.000000000", "20.000000000", "100.000000000")
}

func (t *storeTest) testFirstRow() {
	fillGroups(t)
	color := of(t.values, "varchar")
	q := list(t.values, "varchar name int decimal date")
	q.GroupBy = []store.Expr{color}
	t.want(q, "∅ d 2 3.000000000 ∅", "Blue a ∅ 6.000000000 ∅", "RED  b 1 5.500000000 2026-01-02")
	q.Columns = append(q.Columns[:2], call(store.FuncMax, of(t.values, "decimal")))
	t.want(q, "∅ d 100.000000000", "Blue a 6.000000000", "RED  b 20.000000000")
	q.OrderBy = []store.Order{descending(color)}
	t.want(q, "RED  b 20.000000000", "Blue a 6.000000000", "∅ d 100.000000000")
	q.OrderBy = []store.Order{descending(of(t.values, "name"))}
	t.want(q, "∅ d 100.000000000", "RED  b 20.000000000", "Blue a 6.000000000")
}

func (t *storeTest) testOrderedGroups() {
	fillGroups(t)
	q := list(t.values, "int")
	q.GroupBy = []store.Expr{of(t.values, "int")}
	q.Columns = append(q.Columns, call(store.FuncSum, of(t.values, "decimal")))
	for _, f := range []store.Func{store.FuncSum, store.FuncAvg, store.FuncMax} {
		q.OrderBy = []store.Order{descending(call(f, of(t.values, "decimal")))}
		t.want(q, "1 106.500000000", "2 23.000000000", "∅ 10.000000000")
	}
	q.OrderBy = []store.Order{ascending(countRows), descending(of(t.values, "int"))}
	t.want(q, "2 23.000000000", "∅ 10.000000000", "1 106.500000000")
	q.Limit, q.Offset = 1, 1
	t.want(q, "∅ 10.000000000")
	q.OrderBy, q.Limit, q.Offset = []store.Order{ascending(call(store.FuncMin, of(t.values, "varchar"))), ascending(of(t.values, "int"))}, 0, 0
	t.want(q, "∅ 10.000000000", "1 106.500000000", "2 23.000000000")
}

func (t *storeTest) testMinMaxTexts() {
	fillGroups(t)
	q := list(t.values, "")
	q.Columns = []store.Expr{call(store.FuncMin, of(t.values, "varchar")), call(store.FuncMax, of(t.values, "varchar")),
		call(store.FuncMin, of(t.values, "name")), call(store.FuncMax, of(t.values, "name"))}
	t.want(q, "Blue RED  a g")
	q.GroupBy = []store.Expr{of(t.values, "int")}
	t.want(q, "Blue Blue a c", "RED  RED  b g", "red red d e")
}

func (t *storeTest) testGroupJoined() {
	fillOrders(t)
	q := itemsOf(t, store.Cond{})
	q.OrderBy = nil
	q.Columns = []store.Expr{of(t.orders, "name"), call(store.FuncSum, from(1, t.items, "qty")), call(store.FuncCount, from(1, t.items, "name")), from(1, t.items, "item")}
	q.GroupBy = []store.Expr{of(t.orders, "name")}
	t.want(q, "SO-1 4.500000000 2 Bolt", "SO-2 7.000000000 1 nut", "SO-3 ∅ 0 ∅", "SO-4 ∅ 0 ∅")
	q.GroupBy = []store.Expr{from(1, t.items, "item")}
	q.Columns = []store.Expr{from(1, t.items, "item"), countRows, of(t.orders, "customer")}
	t.want(q, "∅ 2 ann", "Bolt 1 Ann", "Nut 2 Ann")
	q.GroupBy, q.Columns = nil, []store.Expr{countRows, call(store.FuncCountDistinct, of(t.orders, "name")), call(store.FuncSum, of(t.orders, "total"))}
	t.want(q, "5 4 41.250000000")
}

func (t *storeTest) testDistinct() {
	fillGroups(t)
	q := list(t.values, "varchar")
	q.Distinct = true
	t.want(q, "∅", "Blue", "RED ")
	q.OrderBy = []store.Order{descending(of(t.values, "varchar"))}
	t.want(q, "RED ", "Blue", "∅")
	q.Limit = 1
	t.want(q, "RED ")
	q = list(t.values, "varchar int")
	q.Distinct = true
	t.want(q, "∅ 1", "∅ 2", "Blue ∅", "RED  1", "red 2")
	q = list(t.values, "name")
	q.Distinct = true
	q.OrderBy = []store.Order{ascending(of(t.values, "decimal"))}
	t.want(q, "f", "d", "c", "b", "a", "e", "g")
	q = list(t.values, "")
	q.Columns, q.Distinct, q.GroupBy = []store.Expr{countRows}, true, []store.Expr{of(t.values, "name")}
	t.want(q, "1")
	q.Columns, q.GroupBy = []store.Expr{literal("x")}, nil
	t.want(q, "x")
}

func (t *storeTest) testNotSummable() {
	t.migrate()
	for _, c := range typed {
		for _, f := range []store.Func{store.FuncSum, store.FuncAvg} {
			q := list(t.values, "")
			q.Columns = []store.Expr{call(f, of(t.values, c.name))}
			_, err := read(t.Context(), t.store, q)
			if number := c.column >= store.TypeInt && c.column <= store.TypeRating; number != (err == nil) {
				t.problem("of %s: %v", c.name, err)
			}
		}
	}
}
