package mariadb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/frappems/frappems/store"
)

// TestLint: what Check lets through at the edge of a bound the server takes, and one more is refused before anything is made, by
// the name of what is too big.
func TestLint(t *testing.T) {
	key := func() *store.Column { return column("name", store.TypeVarchar, 140) }
	columns := func(n int, c func(i int) *store.Column) *store.Table {
		made := table("tabA", key())
		for i := range n {
			made.Columns = append(made.Columns, c(i))
		}
		return made
	}
	text := func(i int) *store.Column { return column(fmt.Sprint("c", i), store.TypeText, 0) }
	indexed := func(made *store.Table, each bool) *store.Table {
		if !each {
			made.Indexes = []store.Index{{Name: "long_index", Columns: made.Columns[1:]}}
			return made
		}
		for i, c := range made.Columns[1:] {
			made.Indexes = append(made.Indexes, store.Index{Name: c.Name, Columns: made.Columns[i+1 : i+2]})
		}
		return made
	}
	for _, c := range []struct {
		name, want string
		make       func(n int) *store.Table
	}{
		{"page", "8126", func(n int) *store.Table { return columns(n, text) }},
		{"row", "65535", func(n int) *store.Table {
			return columns(1, func(int) *store.Column { return column("long", store.TypeVarchar, n) })
		}},
		{"row of some", "65535", func(n int) *store.Table {
			return columns(n, func(i int) *store.Column { return column(fmt.Sprint("c", i), store.TypeVarchar, 400) })
		}},
		{"numbers", "8126", func(n int) *store.Table {
			return columns(n, func(i int) *store.Column { return number(fmt.Sprint("c", i), store.TypeDecimal) })
		}},
		{"key", "long_index", func(n int) *store.Table {
			return indexed(columns(1, func(int) *store.Column { return column("long", store.TypeVarchar, n) }), false)
		}},
		{"composite key", "long_index", func(n int) *store.Table {
			return indexed(columns(n, func(i int) *store.Column { return column(fmt.Sprint("c", i), store.TypeVarchar, 140) }), false)
		}},
		{"primary key", "primary key", func(n int) *store.Table { return table("tabA", column("name", store.TypeVarchar, n)) }},
		{"indexes", "indexes", func(n int) *store.Table {
			return indexed(columns(n, func(i int) *store.Column { return column(fmt.Sprint("c", i), store.TypeInt, 0) }), true)
		}},
		{"table's name", "64 are allowed", func(n int) *store.Table { return table("tab"+strings.Repeat("x", n), key()) }},
		{"file's name", "file", func(n int) *store.Table { return table("tab"+strings.Repeat("漢", n), key()) }},
		{"column's name", "64 are allowed", func(n int) *store.Table {
			return columns(1, func(int) *store.Column { return column(strings.Repeat("ü", n), store.TypeInt, 0) })
		}},
		{"index's name", "64 are allowed", func(n int) *store.Table {
			made := columns(1, func(int) *store.Column { return column("c", store.TypeInt, 0) })
			made.Indexes = []store.Index{{Name: strings.Repeat("x", n), Columns: made.Columns[1:]}}
			return made
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 1
			for c.make(n+1).Check() == nil {
				n++
			}
			kept := open(t, newDatabase(t))
			schema := &store.Schema{Tables: []*store.Table{table("tabFirst", key()), c.make(n + 1)}}
			if plan, err := kept.Migrate(t.Context(), schema, true); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), schema.Tables[1].Name) {
				t.Errorf("%d: got %q, %v", n+1, plan, err)
			}
			if plan := migrate(t, kept, true, table("tabFirst", key()), c.make(n)); len(plan) != 2 {
				t.Errorf("%d: the plan is %q", n, plan)
			}
			if plan := migrate(t, kept, true, table("tabFirst", key()), c.make(n)); len(plan) != 0 {
				t.Errorf("%d: the second plan is %q", n, plan)
			}
		})
	}
}

// TestLintMerged: the columns and indexes that only the database has count, too.
func TestLintMerged(t *testing.T) {
	url := newDatabase(t)
	kept, key := open(t, url), column("name", store.TypeVarchar, 140)
	big, long := column("big", store.TypeVarchar, 15000), column("long", store.TypeVarchar, 140)
	before := table("tabA", key, big, long)
	before.Indexes = []store.Index{{Name: "long_index", Columns: before.Columns[2:]}}
	migrate(t, kept, true, before)
	for want, after := range map[string]*store.Table{
		"65535":      table("tabA", key, column("more", store.TypeVarchar, 1500)),
		"long_index": table("tabA", key, column("long", store.TypeText, 0)),
	} {
		schema := &store.Schema{Tables: []*store.Table{table("tabB", key), after}}
		if plan, err := kept.Migrate(t.Context(), schema, true); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "tabA") {
			t.Errorf("%s: got %q, %v", want, plan, err)
		}
	}
	if plan := migrate(t, kept, false, before); len(plan) > 0 {
		t.Errorf("the plan is %q", plan)
	}
	if plan := migrate(t, kept, false, table("tabB", key)); len(plan) != 1 {
		t.Error("a refused Migrate has made a table")
	}
	if got := texts(t, connect(t, url), "SHOW TABLES"); len(got) != 1 {
		t.Errorf("got the tables %q", got)
	}
}
