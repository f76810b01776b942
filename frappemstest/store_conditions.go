package frappemstest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/frappems/frappems/store"
)

var conditionCases = []storeCase{
	{"Comparisons", "Each comparison of each type follows the order of its values, and is not true of NULL.", (*storeTest).testComparisons},
	{"In", "In and NotIn compare with any number of values; without values In is false and NotIn true, even of NULL.", (*storeTest).testIn},
	{"Between", "Between includes both ends, and is false where they are the wrong way round.", (*storeTest).testBetween},
	{"IsNull", "IsNull and IsNotNull tell NULL from everything else, an empty text too.", (*storeTest).testIsNull},
	{"AndOr", "And without conditions is true, Or is false; they nest.", (*storeTest).testAndOr},
	{"Many", "More than a thousand conditions and ten thousand values are one statement.", (*storeTest).testMany},
	{"Like", "Like knows % and _, has no escape character, and counts emoji, ß and trailing blanks as they are.", (*storeTest).testLike},
	{"LikeOthers", "Like of what is no text goes by its text form.", (*storeTest).testLikeOthers},
	{"Numbers", "Numbers compare as numbers, rounded to 9 places, in whatever form they are given.", (*storeTest).testNumbers},
	{"NotExists", "NotExists is true of rows to which no row of the other table belongs.", (*storeTest).testNotExists},
	{"NotExistsNested", "NotExists can stand within And, Or and another NotExists.", (*storeTest).testNotExistsNested},
	{"Invalid", "A condition without a column, with too few values or with a word for a number is an error.", (*storeTest).testInvalid},
}

// fillTyped gives each type a row for each of its values, named like int-02, and one with NULL.
func fillTyped(t *storeTest) {
	t.migrate()
	for _, c := range typed {
		rows := []row{{c.name + "-null", nil}}
		for i, v := range c.values {
			rows = append(rows, row{fmt.Sprintf("%s-%02d", c.name, i), v})
		}
		t.insert(t.values, "name "+c.name, rows...)
	}
}

// wantTyped checks which of a type's values satisfy a condition.
func wantTyped(t *storeTest, name string, where store.Cond, want func(i int) bool) {
	t.Helper()
	names := []string{}
	for _, c := range typed {
		for i := range c.values {
			if c.name == name && want(i) {
				names = append(names, fmt.Sprintf("%s-%02d", name, i))
			}
		}
	}
	q := listWhere(t.values, and(is(of(t.values, "name"), store.OpLike, name+"-%"), where))
	if got := t.rows(q); !slices.Equal(got, names) {
		t.problem("%s, operator %d, values %.200q: got %v, want %v", name, where.Op, where.Values, got, names)
	}
}

func (t *storeTest) testComparisons() {
	fillTyped(t)
	for _, c := range typed {
		e := of(t.values, c.name)
		for j, v := range c.values {
			wantTyped(t, c.name, is(e, store.OpEqual, v), func(i int) bool { return i == j })
			wantTyped(t, c.name, is(e, store.OpNotEqual, v), func(i int) bool { return i != j })
			wantTyped(t, c.name, is(e, store.OpLess, v), func(i int) bool { return i < j })
			wantTyped(t, c.name, is(e, store.OpLessEqual, v), func(i int) bool { return i <= j })
			wantTyped(t, c.name, is(e, store.OpGreater, v), func(i int) bool { return i > j })
			wantTyped(t, c.name, is(e, store.OpGreaterEqual, v), func(i int) bool { return i >= j })
		}
	}
}

func (t *storeTest) testIn() {
	fillTyped(t)
	for _, c := range typed {
		e, last := of(t.values, c.name), len(c.values)-1
		wantTyped(t, c.name, is(e, store.OpIn), func(i int) bool { return false })
		wantTyped(t, c.name, is(e, store.OpIn, c.values[0]), func(i int) bool { return i == 0 })
		wantTyped(t, c.name, is(e, store.OpIn, c.values[last], c.values[0], c.values[0]), func(i int) bool { return i == 0 || i == last })
		wantTyped(t, c.name, is(e, store.OpNotIn, c.values[last], c.values[0]), func(i int) bool { return i != 0 && i != last })
		wantTyped(t, c.name, is(e, store.OpNotIn, c.values...), func(i int) bool { return false })
		q := listWhere(t.values, and(equals(of(t.values, "name"), c.name+"-null"), is(e, store.OpNotIn)))
		t.want(q, c.name+"-null")
	}
	names := of(t.values, "name")
	t.want(listWhere(t.values, is(names, store.OpIn, "int-01", "INT-01", "int-00 ", "nobody")), "int-00", "int-01")
}

func (t *storeTest) testBetween() {
	fillTyped(t)
	for _, c := range typed {
		e, last := of(t.values, c.name), len(c.values)-1
		wantTyped(t, c.name, is(e, store.OpBetween, c.values[0], c.values[last]), func(i int) bool { return true })
		wantTyped(t, c.name, is(e, store.OpBetween, c.values[1], c.values[last]), func(i int) bool { return i > 0 })
		wantTyped(t, c.name, is(e, store.OpBetween, c.values[1], c.values[1]), func(i int) bool { return i == 1 })
		wantTyped(t, c.name, is(e, store.OpBetween, c.values[last], c.values[0]), func(i int) bool { return false })
	}
}

func (t *storeTest) testIsNull() {
	fillTyped(t)
	for _, c := range typed {
		e := of(t.values, c.name)
		wantTyped(t, c.name, is(e, store.OpIsNotNull), func(i int) bool { return true })
		t.want(listWhere(t.values, and(is(of(t.values, "name"), store.OpLike, c.name+"-%"), is(e, store.OpIsNull))), c.name+"-null")
	}
}

func (t *storeTest) testAndOr() {
	fillTyped(t)
	e, none := of(t.values, "int"), store.Cond{}
	below, above := is(e, store.OpLess, "0"), is(e, store.OpGreater, "0")
	wantTyped(t, "int", and(is(e, store.OpIsNotNull), and()), func(i int) bool { return true })
	wantTyped(t, "int", or(), func(i int) bool { return false })
	wantTyped(t, "int", or(below, above), func(i int) bool { return i != 2 })
	wantTyped(t, "int", and(below, above), func(i int) bool { return false })
	wantTyped(t, "int", or(and(below, is(e, store.OpNotEqual, "-5")), and(above, is(e, store.OpNotEqual, "7"))), func(i int) bool { return i == 0 || i > 3 })
	wantTyped(t, "int", and(above, or(equals(e, "10"), below), none), func(i int) bool { return i == 4 })
	wantTyped(t, "int", and(is(e, store.OpIsNotNull), or(below, none)), func(i int) bool { return true })
	t.want(listWhere(t.values, or(equals(of(t.values, "name"), "int-00"), equals(of(t.values, "int"), "-5"))), "int-00", "int-01")
}

func (t *storeTest) testMany() {
	fillTyped(t)
	e := of(t.values, "int")
	var conds []store.Cond
	var values []string
	for i := range 10000 {
		if values = append(values, fmt.Sprint(i+5)); i < 1500 {
			conds = append(conds, is(e, store.OpNotEqual, fmt.Sprint(i+5)))
		}
	}
	wantTyped(t, "int", and(conds...), func(i int) bool { return i < 3 || i == 5 })
	wantTyped(t, "int", is(e, store.OpNotIn, values...), func(i int) bool { return i < 3 || i == 5 })
	wantTyped(t, "int", is(e, store.OpIn, values...), func(i int) bool { return i == 3 || i == 4 })
	for i := range conds {
		conds[i].Op = store.OpEqual
	}
	wantTyped(t, "int", or(conds...), func(i int) bool { return i == 3 || i == 4 })
	deep := is(e, store.OpLess, "0")
	for range 50 {
		deep = or(and(deep))
	}
	wantTyped(t, "int", deep, func(i int) bool { return i < 2 })
}

func (t *storeTest) testLike() {
	t.migrate()
	for i, c := range []struct {
		text, pattern string
		want          bool
	}{
		{"", "", true}, {"", "%", true}, {"", "_", false}, {"abc", "abc", true}, {"abc", "ABC", true}, {"abc", "a%", true}, {"abc", "%c", true},
		{"abc", "%b%", true}, {"abc", "a_c", true}, {"abc", "a_", false}, {"abc", "b%", false}, {"crème", "creme", true}, {"crème", "cr_me", true},
		{"ß", "ss", false}, {"ß", "ß", true}, {"ß", "_", true}, {"😀", "🚀", false}, {"😀", "_", true}, {"a", "a ", false}, {"a ", "a", false}, {"a ", "a_", true},
		{`a\b`, `a\b`, true}, {`a\%`, `a\%`, true}, {`a%b`, `a\%b`, false}, {`a\xb`, `a\%b`, true}, {`a_b`, `a\_b`, false}, {"it's", "it's", true},
		{`\`, `\`, true}, {`a\`, `%\`, true}, {"日本語", "日_語", true}, {"ab", "%%%b", true}, {"aXbXc", "%X_", true}, {"aaa", "%a%a%a%a%", false}, {"x\ny", "x%y", true},
	} {
		name := fmt.Sprintf("%03d", i)
		t.insert(t.values, "name varchar", row{name, c.text})
		yes, no := []string{name}, []string{}
		if !c.want {
			yes, no = no, yes
		}
		row := equals(of(t.values, "name"), name)
		t.want(listWhere(t.values, and(row, is(of(t.values, "varchar"), store.OpLike, c.pattern))), yes...)
		t.want(listWhere(t.values, and(row, is(of(t.values, "varchar"), store.OpNotLike, c.pattern))), no...)
	}
	t.insert(t.values, "name", row{"null"})
	t.want(listWhere(t.values, and(equals(of(t.values, "name"), "null"), is(of(t.values, "varchar"), store.OpLike, "%"))))
	t.want(listWhere(t.values, and(equals(of(t.values, "name"), "null"), is(of(t.values, "varchar"), store.OpNotLike, "x"))))
}

func (t *storeTest) testLikeOthers() {
	fillTyped(t)
	for _, c := range typed {
		e := of(t.values, c.name)
		wantTyped(t, c.name, is(e, store.OpLike, "%"), func(i int) bool { return true })
		wantTyped(t, c.name, is(e, store.OpNotLike, "%"), func(i int) bool { return false })
	}
	for _, c := range []struct{ column, pattern, want string }{
		{"int", "10", "4"}, {"int", "-%", "0 1"}, {"decimal", "0.1%", "4"}, {"decimal", "0.1", ""}, {"decimal", "%.000000000", "3 6 7 9"},
		{"rating", "0.2_", "1"}, {"date", "2026-%", "1 2"}, {"datetime", "%.49995_", "1 2"}, {"time", "09:%", "1"}, {"check", "1", "1"}, {"ascii", "A%", "1 2"},
		{"bigint", "%3", "4"},
	} {
		wantTyped(t, c.column, is(of(t.values, c.column), store.OpLike, c.pattern), func(i int) bool {
			return slices.Contains(strings.Fields(c.want), fmt.Sprint(i))
		})
	}
}

func (t *storeTest) testNumbers() {
	fillTyped(t)
	for _, c := range []struct {
		column string
		op     store.Op
		value  string
		want   string
	}{
		{"decimal", store.OpEqual, "0.1", "4"}, {"decimal", store.OpEqual, "2", "6"}, {"decimal", store.OpEqual, "0.3000000004", "5"},
		{"decimal", store.OpEqual, "-0", "3"}, {"decimal", store.OpGreater, "9.9", "7 8 9"}, {"decimal", store.OpLess, "-1000000000000", ""},
		{"int", store.OpEqual, "7.0", "3"}, {"int", store.OpEqual, "7.5", ""}, {"int", store.OpGreater, "6.5", "3 4 5"}, {"int", store.OpIn, "7.000", "3"},
		{"int", store.OpLess, "99999999999999999999", "0 1 2 3 4 5"}, {"int", store.OpEqual, "007", "3"}, {"rating", store.OpEqual, "0.2", "1"},
		{"rating", store.OpLess, "0.205", "0 1"}, {"rating", store.OpIn, "0.6", "2"}, {"bigint", store.OpGreater, "9007199254740992.5", "4 5"},
		{"check", store.OpNotEqual, "2", "0 1"}, {"bigint", store.OpEqual, "9223372036854775808", ""},
	} {
		wantTyped(t, c.column, is(of(t.values, c.column), c.op, c.value), func(i int) bool {
			return slices.Contains(strings.Fields(c.want), fmt.Sprint(i))
		})
	}
}

// fillOrders makes four orders; those named SO-1 and SO-2 have items.
func fillOrders(t *storeTest) {
	t.Helper()
	t.migrate()
	t.insert(t.orders, "name customer status total count code modified",
		row{"SO-1", "Ann", "Open", "10.5", "3", "c1", "2026-01-03 00:00:00.000000"},
		row{"SO-2", "Bob", "open", "20", nil, nil, "2026-01-01 00:00:00.000000"},
		row{"SO-3", "ann", "Closed", "0.25", "1", nil, "2026-01-02 00:00:00.000000"},
		row{"SO-4", nil, nil, "0", "2", "c4", "2026-01-02 00:00:00.000000"})
	t.insert(t.items, "name parent item idx qty", row{"i5", "SO-1", "Nut", "2", "3"}, row{"i4", "so-1", "Bolt", "1", "1.5"}, row{"i3", "SO-2", "nut", "1", "7"},
		row{"i2", "SO-9", "Gear", "1", "1"}, row{"i1", nil, "Gear", nil, nil})
}

func (t *storeTest) testNotExists() {
	fillOrders(t)
	without := func(where store.Cond) store.Cond {
		return store.Cond{Op: store.OpNotExists, Sub: &store.Sub{Table: t.items, Column: column(t.items, "parent"), Outer: of(t.orders, "name"), Where: where}}
	}
	t.want(listWhere(t.orders, without(store.Cond{})), "SO-3", "SO-4")
	t.want(listWhere(t.orders, without(equals(of(t.items, "item"), "bolt"))), "SO-2", "SO-3", "SO-4")
	t.want(listWhere(t.orders, without(is(of(t.items, "item"), store.OpNotIn, "nut", "bolt"))), "SO-1", "SO-2", "SO-3", "SO-4")
	t.want(listWhere(t.orders, without(is(of(t.items, "qty"), store.OpGreater, "2"))), "SO-3", "SO-4")
	known := store.Cond{Op: store.OpNotExists, Sub: &store.Sub{Table: t.orders, Column: column(t.orders, "name"), Outer: of(t.items, "parent")}}
	t.want(listWhere(t.items, known), "i1", "i2")
	t.insert(t.numbered, "name title", row{"5", "five"}, row{"40", "forty"})
	t.insert(t.values, "name varchar bigint", row{"a", "5", "40"}, row{"b", "six", "6"}, row{"c", "40", "5"}, row{"d", nil, nil})
	for column, want := range map[string]string{"varchar": "b d", "bigint": "b d"} {
		unknown := store.Cond{Op: store.OpNotExists, Sub: &store.Sub{Table: t.numbered, Column: t.numbered.Key[0], Outer: of(t.values, column)}}
		t.want(listWhere(t.values, unknown), strings.Fields(want)...)
	}
}

func (t *storeTest) testNotExistsNested() {
	fillOrders(t)
	items := func(where store.Cond) store.Cond {
		return store.Cond{Op: store.OpNotExists, Sub: &store.Sub{Table: t.items, Column: column(t.items, "parent"), Outer: of(t.orders, "name"), Where: where}}
	}
	nut, bolt := items(equals(of(t.items, "item"), "nut")), items(equals(of(t.items, "item"), "bolt"))
	t.want(listWhere(t.orders, or(nut, bolt)), "SO-2", "SO-3", "SO-4")
	t.want(listWhere(t.orders, and(bolt, equals(of(t.orders, "customer"), "bob"))), "SO-2")
	// Orders all of whose items have an order of their own customer's name; the inner one's outer row is the item.
	orphan := store.Cond{Op: store.OpNotExists, Sub: &store.Sub{Table: t.orders, Column: column(t.orders, "name"), Outer: of(t.items, "item")}}
	t.want(listWhere(t.orders, items(orphan)), "SO-3", "SO-4")
	t.insert(t.orders, "name", row{"NUT"})
	t.want(listWhere(t.orders, items(orphan)), "NUT", "SO-2", "SO-3", "SO-4")
	n := t.write(deletion("acme", t.orders, items(store.Cond{})))
	if t.want(list(t.orders, "name"), "SO-1", "SO-2"); n != 3 {
		t.problem("a delete of 3 rows said %d", n)
	}
	if n := t.write(update("acme", t.orders, "status", row{"x"}, and(nut))); n != 0 {
		t.problem("an update of no row said %d", n)
	}
}

func (t *storeTest) testInvalid() {
	t.migrate()
	name := of(t.values, "name")
	for i, where := range []store.Cond{
		{Op: store.OpEqual, Values: []string{"x"}}, is(name, store.OpEqual), is(name, store.OpEqual, "a", "b"), is(name, store.OpBetween, "a"),
		is(name, store.OpIsNull, "a"), is(of(t.values, "int"), store.OpEqual, "seven"), is(of(t.values, "decimal"), store.OpIn, "1", ""),
		is(countRows, store.OpEqual, "1"), is(from(1, t.values, "name"), store.OpEqual, "x"), {Op: store.OpNotExists}, is(name, 200, "x"),
	} {
		if _, err := read(t.Context(), t.store, listWhere(t.values, where)); err == nil {
			t.problem("condition %d was accepted", i)
		}
		if _, err := t.try(deletion("acme", t.values, and(where))); err == nil {
			t.problem("condition %d was accepted in a delete", i)
		}
	}
}
