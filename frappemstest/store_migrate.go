package frappemstest

import (
	"slices"
	"strings"

	"github.com/frappems/frappems/store"
)

var migrateCases = []storeCase{
	{"Plan", "Without apply nothing is changed; the plan is the same as what apply then runs; after that it is empty.", (*storeTest).testPlan},
	{"Add", "New columns and indexes come to tables that have rows, with their defaults.", (*storeTest).testAdd},
	{"Widen", "A column that becomes longer or wider has room for its new values, and those that it has stay.", (*storeTest).testWiden},
	{"Narrow", "What is narrower, or not wanted any more, stays as it is: nothing is dropped.", (*storeTest).testNarrow},
	{"Refuse", "What would lose data or cannot work is an error that names table and column, before anything is changed.", (*storeTest).testRefuse},
	{"Lift", "A column that may become NULL can then be NULL, or Migrate says that it cannot.", (*storeTest).testLift},
	{"UniqueOverDuplicates", "A unique index over rows that contradict it is refused; over NULLs and other tenants' rows it is not.", (*storeTest).testUniqueOver},
	{"Ambiguous", "Tables or columns that differ in case only, and a default that is none of the column's values, are refused.", (*storeTest).testAmbiguous},
	{"Resume", "A Migrate of which only a part came about goes on with the rest.", (*storeTest).testResume},
}

// plan returns what Migrate would do.
func (t *storeTest) plan(tables ...*store.Table) store.Plan {
	t.Helper()
	plan, err := t.store.Migrate(t.Context(), &store.Schema{Tables: tables}, false)
	if err != nil {
		t.problem("Migrate: %v", err)
	}
	return plan
}

func (t *storeTest) testPlan() {
	plan := t.plan(t.orders, t.items)
	if len(plan) == 0 {
		t.problem("the plan is empty")
	}
	if _, err := read(t.Context(), t.store, list(t.orders, "name")); err == nil {
		t.problem("the table is there")
	}
	if done := t.apply(t.orders, t.items); !slices.Equal(done, plan) {
		t.problem("the plan was %q, done was %q", plan, done)
	}
	if again := append(t.plan(t.orders, t.items), t.apply(t.orders, t.items)...); len(again) > 0 {
		t.problem("the second plan is %q", again)
	}
	t.migrate()
	if again := t.apply(newTables().orders, newTables().values); len(again) > 0 {
		t.problem("the plan for the same tables, made anew, is %q", again)
	}
}

func (t *storeTest) testAdd() {
	t.apply(keyed("tabGrows", varchar("name")))
	small := keyed("tabGrows", varchar("name"))
	t.insert(small, "name", row{"a"}, row{"b"})
	big := keyed("tabGrows", varchar("name"))
	defaults, want := "name", []string{"a", "b"}
	for _, c := range typed {
		value := c.values[1]
		if strings.ContainsRune(value, 0) {
			continue
		}
		for _, notNull := range []bool{false, true} {
			name := c.name + map[bool]string{true: "_needed", false: "_default"}[notNull]
			big.Columns = append(big.Columns, &store.Column{Name: name, Type: c.column, Length: 140, NotNull: notNull, Default: value})
			defaults += " " + name
			for i := range want {
				want[i] += " " + value
			}
		}
	}
	big.Columns = append(big.Columns, varchar("null"), varchar("late"))
	big.Indexes = []store.Index{{Name: "late", Columns: []*store.Column{column(big, "late")}, Unique: true},
		{Name: "int", Columns: []*store.Column{column(big, "int_needed")}}, {Name: "mixed", Columns: []*store.Column{column(big, "name"), column(big, "null")}, Unique: true}}
	t.apply(big)
	t.want(list(big, defaults), want...)
	t.want(list(big, "null late"), "∅ ∅", "∅ ∅")
	t.want(list(small, "name"), "a", "b")
	t.insert(big, "name", row{"c"})
	t.insert(big, "name late int_needed", row{"d", "x", "3"})
	t.want(listWhere(big, equals(of(big, "int_needed"), "-5")), "a", "b", "c")
	if _, err := t.try(insertion("acme", big, "name late", row{"e", "X"})); err == nil {
		t.problem("the new unique index accepts a second value")
	}
	if plan := t.plan(big); len(plan) > 0 {
		t.problem("the second plan is %q", plan)
	}
}

// widths are columns as they are and as they become.
func widths(later bool) *store.Table {
	w := keyed("tabWide", varchar("name"))
	for name, c := range map[string][2]store.Column{
		"longer": {{Type: store.TypeVarchar, Length: 10}, {Type: store.TypeVarchar, Length: 200}},
		"text":   {{Type: store.TypeVarchar, Length: 10}, {Type: store.TypeText}},
		"long":   {{Type: store.TypeText}, {Type: store.TypeLongText}},
		"big":    {{Type: store.TypeInt}, {Type: store.TypeBigInt}},
		"int":    {{Type: store.TypeCheck, NotNull: true, Default: "0"}, {Type: store.TypeInt, NotNull: true, Default: "0"}},
	} {
		is := c[0]
		if later {
			is = c[1]
		}
		is.Name = name
		w.Columns = append(w.Columns, &is)
	}
	slices.SortFunc(w.Columns[1:], func(a, b *store.Column) int { return strings.Compare(a.Name, b.Name) })
	w.Indexes = []store.Index{{Name: "big", Columns: []*store.Column{column(w, "big")}}, {Name: "longer", Columns: []*store.Column{column(w, "longer")}}}
	return w
}

func (t *storeTest) testWiden() {
	small, wide := widths(false), widths(true)
	t.apply(small)
	t.insert(small, "name longer text long big int", row{"a", "ten chars!", "t", "l", "2147483647", "1"})
	if _, err := t.try(insertion("acme", small, "name longer", row{"b", "eleven chars"})); err == nil {
		t.problem("the column has room already")
	}
	t.apply(wide)
	if plan := t.plan(wide); len(plan) > 0 {
		t.problem("the second plan is %q", plan)
	}
	long, text := strings.Repeat("x", 70000), strings.Repeat("y", 30000)
	t.insert(wide, "name longer text long big int", row{"b", strings.Repeat("z", 200), text, long, "9223372036854775807", "-7"})
	t.want(list(wide, "name longer text long big int"), "a ten chars! t l 2147483647 1",
		"b "+strings.Repeat("z", 200)+" "+text+" "+long+" 9223372036854775807 -7")
	t.want(listWhere(wide, equals(of(wide, "big"), "2147483647")), "a")
	t.want(listWhere(wide, equals(of(wide, "longer"), "TEN chars!")), "a")
}

func (t *storeTest) testNarrow() {
	wide, small := widths(true), widths(false)
	wide.Columns = append(wide.Columns, varchar("extra"))
	wide.Indexes = append(wide.Indexes, store.Index{Name: "extra", Columns: []*store.Column{column(wide, "extra")}, Unique: true})
	t.apply(wide, t.orders)
	t.insert(wide, "name longer big extra", row{"a", strings.Repeat("z", 200), "9223372036854775807", "e"})
	if plan := t.apply(small); len(plan) > 0 {
		t.problem("the plan is %q", plan)
	}
	t.insert(small, "name longer", row{"b", "x"})
	t.want(list(small, "name longer big"), "a "+strings.Repeat("z", 200)+" 9223372036854775807", "b x ∅")
	t.want(list(wide, "name extra"), "a e", "b ∅")
	t.want(list(t.orders, "name"))
}

func (t *storeTest) testRefuse() {
	t.apply(widths(true))
	t.insert(widths(true), "name longer big", row{"a", "text", "5"})
	changed := func(change func(*store.Table)) *store.Table {
		w := widths(true)
		change(w)
		return w
	}
	becomes := func(name string, c store.Column) *store.Table {
		c.Name = name
		return changed(func(w *store.Table) { *column(w, name) = c })
	}
	for word, table := range map[string]*store.Table{
		"longer":  becomes("longer", store.Column{Type: store.TypeInt}),
		"long":    becomes("long", store.Column{Type: store.TypeDate}),
		"big":     becomes("big", store.Column{Type: store.TypeVarchar, Length: 140}),
		"Decimal": becomes("int", store.Column{Type: store.TypeDecimal}),
		"needed": changed(func(w *store.Table) {
			w.Columns = append(w.Columns, &store.Column{Name: "needed", NotNull: true, Length: 9})
		}),
		"(longer)": changed(func(w *store.Table) {
			w.Indexes[0].Columns = []*store.Column{column(w, "longer")}
			w.Indexes[0].Unique = true
		}),
		"primary":   changed(func(w *store.Table) { w.Key = []*store.Column{column(w, "longer")} }),
		"left_over": keyed("tabLeft", varchar("name")),
	} {
		if word == "left_over" {
			t.apply(keyed("tabLeft", varchar("name"), &store.Column{Name: "left_over", Type: store.TypeInt, NotNull: true}))
		}
		for _, apply := range []bool{false, true} {
			plan, err := t.store.Migrate(t.Context(), &store.Schema{Tables: []*store.Table{t.orders, table}}, apply)
			if err == nil || !strings.Contains(err.Error(), word) && word != "(longer)" || !strings.Contains(err.Error(), table.Name) {
				t.problem("%s: the plan is %q, the error %v", word, plan, err)
			}
		}
	}
	if _, err := read(t.Context(), t.store, list(t.orders, "name")); err == nil {
		t.problem("a refused Migrate has made a table")
	}
	t.want(list(widths(true), "name longer big"), "a text 5")
}

func (t *storeTest) testLift() {
	needed := keyed("tabLift", varchar("name"), &store.Column{Name: "n", Type: store.TypeInt, NotNull: true, Default: "1"})
	lifted := keyed("tabLift", varchar("name"), &store.Column{Name: "n", Type: store.TypeInt})
	t.apply(needed)
	if _, err := t.store.Migrate(t.Context(), &store.Schema{Tables: []*store.Table{lifted}}, true); err != nil {
		if !strings.Contains(err.Error(), "tabLift") || !strings.Contains(err.Error(), "NULL") {
			t.problem("%v", err)
		}
		return
	}
	t.insert(lifted, "name n", row{"a", nil})
	t.want(list(lifted, "name n"), "a ∅")
	if plan := t.apply(needed); len(plan) > 0 {
		t.problem("the plan that would forbid NULLs is %q", plan)
	}
}

func (t *storeTest) testUniqueOver() {
	plain := keyed("tabOnce", varchar("name"), varchar("code"))
	unique := keyed("tabOnce", varchar("name"), varchar("code"))
	unique.Indexes = []store.Index{{Name: "code", Columns: unique.Columns[1:], Unique: true}}
	t.apply(plain)
	t.insert(plain, "name code", row{"a", "x"}, row{"b", nil}, row{"c", nil}, row{"d", "X "})
	t.write(insertion("globex", plain, "name code", row{"a", "x"}))
	for _, apply := range []bool{false, true} {
		_, err := t.store.Migrate(t.Context(), &store.Schema{Tables: []*store.Table{t.orders, unique}}, apply)
		if err == nil || !strings.Contains(err.Error(), "tabOnce") || !strings.Contains(err.Error(), "code") {
			t.problem("%v", err)
		}
	}
	if _, err := read(t.Context(), t.store, list(t.orders, "name")); err == nil {
		t.problem("a refused Migrate has made a table")
	}
	t.write(deletion("acme", plain, equals(of(plain, "name"), "d")))
	if plan := t.apply(unique); len(plan) != 1 {
		t.problem("the plan is %q", plan)
	}
	if _, err := t.try(insertion("acme", unique, "name code", row{"e", "X"})); err == nil {
		t.problem("the index accepts a second value")
	}
}

func (t *storeTest) testAmbiguous() {
	bad := varchar("n")
	bad.Type, bad.Default = store.TypeInt, "x"
	for i, tables := range [][]*store.Table{
		{keyed("tabA", varchar("name")), keyed("taba", varchar("name"))}, {keyed("tabA", varchar("name"), varchar("b"), varchar("B"))},
		{{Name: "tabA", Columns: []*store.Column{varchar("name")}}}, {keyed("", varchar("name"))}, {keyed("tabA", varchar(""))}, {keyed("tabA", varchar("name"), bad)},
	} {
		if _, err := t.store.Migrate(t.Context(), &store.Schema{Tables: tables}, false); err == nil {
			t.problem("schema %d was accepted", i)
		}
	}
}

func (t *storeTest) testResume() {
	half := *t.orders
	half.Columns, half.Indexes = half.Columns[:3], nil
	t.apply(&half)
	t.insert(&half, "name", row{"a"})
	half = *t.orders
	half.Indexes = half.Indexes[:1]
	if plan := t.apply(&half, t.items); len(plan) == 0 {
		t.problem("there is nothing to do")
	}
	if plan := t.apply(t.orders, t.items); len(plan) != 1 {
		t.problem("the plan for the last index is %q", plan)
	}
	t.want(list(t.orders, "name total code"), "a 0.000000000 ∅")
}
