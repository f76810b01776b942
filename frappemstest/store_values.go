package frappemstest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/frappems/frappems/store"
)

var valueCases = []storeCase{
	{"TextForms", "A value comes back byte for byte as it was written, in its column's text form.", (*storeTest).testTextForms},
	{"Canonical", "A number that is written in another form comes back in its column's text form.", (*storeTest).testCanonical},
	{"Null", "NULL comes back as NULL, and an empty text as an empty text.", (*storeTest).testNull},
	{"Texts", "Texts of any characters and of any length that the column has room for come back byte for byte.", (*storeTest).testTexts},
	{"Refused", "A value that is not one of its column's is refused with ErrValueOutOfRange.", (*storeTest).testRefused},
	{"Missing", "A column that an insert does not name gets its default, or NULL; without either the row is refused.", (*storeTest).testMissing},
	{"Order", "Each type sorts as its values do; NULL is lowest.", (*storeTest).testOrder},
	{"Collation", "Case, accents, trailing blanks and the like do not count in texts, in names neither.", (*storeTest).testCollation},
	{"CollationOrder", "Texts sort by the collation, not by bytes.", (*storeTest).testCollationOrder},
}

func (t *storeTest) testTextForms() {
	t.migrate()
	for _, c := range typed {
		for i, v := range c.values {
			name := fmt.Sprintf("%s-%02d", c.name, i)
			t.insert(t.values, "name "+c.name, row{name, v})
			q := list(t.values, c.name)
			q.Where = equals(of(t.values, "name"), name)
			t.want(q, v)
			q.Columns = []store.Expr{call(store.FuncMin, of(t.values, c.name)), call(store.FuncMax, of(t.values, c.name))}
			t.want(q, v+" "+v)
		}
	}
}

func (t *storeTest) testCanonical() {
	t.migrate()
	t.insert(t.values, "name int bigint decimal rating", row{"a", "007", "+5", "12.3", "1"}, row{"b", "-0", "-0", "-0.0000000001", "0.125"})
	t.want(list(t.values, "int bigint decimal rating"), "7 5 12.300000000 1.00", "0 0 0.000000000 0.13")
}

func (t *storeTest) testNull() {
	t.migrate()
	columns, nulls := "name", row{"null"}
	for _, c := range typed {
		columns += " " + c.name
		nulls = append(nulls, nil)
	}
	t.insert(t.values, columns, nulls)
	q := list(t.values, columns)
	t.want(q, "null"+strings.Repeat(" ∅", len(typed)))
	t.insert(t.values, "name varchar ascii", row{"", "", ""})
	q = list(t.values, "varchar name ascii varchar")
	q.Where = equals(of(t.values, "name"), "")
	t.want(q, "   ")
}

func (t *storeTest) testTexts() {
	t.migrate()
	texts := []string{`' OR 1=1 --`, `"`, "`", `\`, `\'`, `\\`, "%_", "?", ":a @b $c", "\x00", "a\x00b", "\n\r\t\x1a", "äöü€😀", "\ufeff", "\u2028", "ſ",
		strings.Repeat("é", 140), strings.Repeat("x", 65535)}
	for i, text := range texts {
		name := fmt.Sprintf("%02d", i)
		t.insert(t.values, "name longtext", row{name, text})
		q := list(t.values, "longtext")
		q.Where = and(equals(of(t.values, "name"), name), equals(of(t.values, "longtext"), text))
		t.want(q, text)
	}
	t.insert(t.values, "name varchar text", row{"full", strings.Repeat("日", 140), strings.Repeat("x", 65535)})
	long := strings.Repeat("0123456789", 1<<18)
	t.insert(t.values, "name longtext", row{"long", long})
	q := list(t.values, "longtext")
	q.Where = equals(of(t.values, "name"), "long")
	if got := t.rows(q); len(got) != 1 || got[0] != long {
		t.problem("a text of %d bytes came back as another", len(long))
	}
	for i, text := range []string{`it's`, `back\slash`, "quo\"te", "nu\x00l", "per%cent"} {
		t.insert(t.orders, "name", row{text})
		t.want(listWhere(t.orders, equals(of(t.orders, "name"), text)), text)
		if n := t.write(update("acme", t.orders, "customer", row{fmt.Sprint(i)}, equals(of(t.orders, "name"), text))); n != 1 {
			t.problem("an update by the name %q found %d rows", text, n)
		}
	}
}

func (t *storeTest) testRefused() {
	t.migrate()
	for _, c := range []struct{ column, value string }{
		{"varchar", strings.Repeat("é", 141)}, {"varchar", "\xff"}, {"text", strings.Repeat("x", 65536)}, {"longtext", "a\xc3"}, {"ascii", "é"},
		{"ascii", strings.Repeat("x", 141)}, {"int", ""}, {"int", "x"}, {"int", "2147483648"}, {"int", "1e3"}, {"bigint", "9223372036854775808"},
		{"check", "2"}, {"check", "-1"}, {"decimal", "1000000000000"}, {"decimal", "NaN"}, {"decimal", "Inf"}, {"decimal", "1,5"}, {"rating", "10"},
		{"date", ""}, {"date", "2026-13-01"}, {"date", "2026-04-31"}, {"date", "2026-1-1"}, {"date", "2026-11-23 00:00:00"}, {"datetime", "2026-11-23"},
		{"datetime", "2026-11-23 18:19:16"}, {"datetime", "2026-11-23T18:19:16.499951"}, {"datetime", "2026-11-23 24:00:00.000000"}, {"time", "9:05"},
		{"time", "09:60:00.000000"},
	} {
		if _, err := t.try(insertion("acme", t.values, "name "+c.column, row{"x", c.value})); !errors.Is(err, store.ErrValueOutOfRange) {
			t.problem("%.40q as %s: %v", c.value, c.column, err)
		}
	}
	if _, err := t.try(insertion("acme", t.orders, "name total", row{"x", nil})); !errors.Is(err, store.ErrValueOutOfRange) {
		t.problem("NULL where it cannot be: %v", err)
	}
	if _, err := t.try(insertion("acme", t.orders, "name total", row{nil, "1"})); !errors.Is(err, store.ErrValueOutOfRange) {
		t.problem("NULL in the key: %v", err)
	}
	t.want(list(t.values, "name"))
	t.want(list(t.orders, "name"))
}

func (t *storeTest) testMissing() {
	t.migrate()
	t.insert(t.orders, "name", row{"a"})
	t.want(list(t.orders, "customer total count"), "∅ 0.000000000 ∅")
	for _, m := range []store.Mutation{insertion("acme", t.counters, "name", row{"x"}), insertion("acme", t.orders, "customer", row{"x"})} {
		if _, err := t.try(m); !errors.Is(err, store.ErrValueOutOfRange) {
			t.problem("a row of %s without a value that it needs: %v", m.Table.Name, err)
		}
	}
}

func (t *storeTest) testOrder() {
	t.migrate()
	for _, c := range typed {
		t.insert(t.values, "name "+c.name, row{c.name + "-null", nil})
		for i := range c.values { // not in their order
			i = (i*7 + 3) % len(c.values)
			if len(c.values)%7 == 0 {
				t.Fatal("frappemstest: choose another number of values")
			}
			t.insert(t.values, "name "+c.name, row{fmt.Sprintf("%s-%02d", c.name, i), c.values[i]})
		}
		q := list(t.values, c.name)
		q.Where = is(of(t.values, "name"), store.OpLike, c.name+"-%")
		q.OrderBy = []store.Order{ascending(of(t.values, c.name))}
		want := append([]string{"∅"}, c.values...)
		t.want(q, want...)
		q.OrderBy[0].Desc = true
		slices.Reverse(want)
		t.want(q, want...)
	}
}

func (t *storeTest) testCollation() {
	t.migrate()
	for i, c := range []struct {
		a, b  string
		equal bool
	}{
		{"abc", "ABC", true}, {"e", "É", true}, {"a", "a  ", true}, {"ß", "ss", true}, {"Œ", "oe", true}, {"😀", "🚀", true}, {"a\x00b", "ab", true},
		{"", "  ", true}, {"æ", "ae", false}, {"ø", "o", false}, {"ł", "l", false}, {"a b", "ab", false}, {" a", "a", false}, {"a", "b", false},
	} {
		a, b := fmt.Sprint(i, " ", c.a), fmt.Sprint(i, " ", c.b)
		t.insert(t.values, "name varchar", row{a, c.a})
		want := []string{}
		if c.equal {
			want = []string{a}
		}
		t.want(listWhere(t.values, equals(of(t.values, "name"), b)), want...)
		t.want(listWhere(t.values, and(equals(of(t.values, "name"), a), equals(of(t.values, "varchar"), c.b))), want...)
		t.want(listWhere(t.values, and(is(of(t.values, "name"), store.OpLike, fmt.Sprint(i, " %")), is(of(t.values, "varchar"), store.OpIn, "?", c.b))), want...)
		if _, err := t.try(insertion("acme", t.values, "name", row{b})); errors.Is(err, store.ErrDuplicateKey) != c.equal {
			t.problem("%q beside the key %q: %v", b, a, err)
		}
		t.write(deletion("acme", t.values, equals(of(t.values, "name"), b)))
	}
}

func (t *storeTest) testCollationOrder() {
	t.migrate()
	sorted := []string{"a", "a b"}
	for _, c := range "`^_-,;:!?.'\"()[]{}@*/\\&#%+<=>|~$09" {
		sorted = append(sorted, "a"+string(c))
	}
	sorted = append(sorted, "aa", "aB", "ac")
	for i := range sorted {
		t.insert(t.orders, "name customer", row{sorted[(i*17)%len(sorted)], "x"})
	}
	t.want(list(t.orders, "name"), sorted...)
	q := list(t.orders, "name")
	q.OrderBy = []store.Order{descending(of(t.orders, "name"))}
	slices.Reverse(sorted)
	t.want(q, sorted...)
}
