package indexing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems/store"
)

func TestAdd(t *testing.T) {
	column := func(name string, typ store.ColumnType) *store.Column {
		return &store.Column{Name: name, Type: typ, Length: 140, NotNull: true}
	}
	name, status, day := column("name", store.TypeVarchar), column("status", store.TypeVarchar), column("day", store.TypeDate)
	note, tenant, primary := column("note", store.TypeText), column("tenant_id", store.TypeASCII), column("PRIMARY", store.TypeInt)
	upper := column("STATUS_DAY", store.TypeInt)
	wide := column("wide", store.TypeVarchar)
	wide.Length = 700
	type list = []*store.Column
	for _, tt := range []struct {
		name   string
		unique bool
		add    []list
		want   string
	}{
		{"two columns", false, []list{{status, day}}, "status_day(status day)"},
		{"unique", true, []list{{status}}, "status(status) unique"},
		{"one that begins with the same", false, []list{{status}, {status, day}}, "status(status)"},
		{"the key and the tenant", false, []list{{name, day}, {tenant}}, ""},
		{"long text", false, []list{{note}, {status, note}}, ""},
		{"too wide", false, []list{{status, wide, day}}, "status_day(status day)"},
		{"names that are taken", false, []list{{status, day}, {upper}, {primary}}, "status_day(status day), STATUS_DAY_(STATUS_DAY), PRIMARY_(PRIMARY)"},
	} {
		table := &store.Table{Name: "tabX", Columns: list{name, status, day, note, primary, upper, wide}, Key: list{name}}
		for _, columns := range tt.add {
			Add(table, tt.unique, columns...)
		}
		var got []string
		for _, index := range table.Indexes {
			var names []string
			for _, c := range index.Columns {
				names = append(names, c.Name)
			}
			got = append(got, fmt.Sprintf("%s(%s)%s", index.Name, strings.Join(names, " "), map[bool]string{true: " unique"}[index.Unique]))
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, text, tt.want)
		}
	}
}

func TestAddTooMany(t *testing.T) {
	table := &store.Table{Name: "tabX"}
	for i := range 200 {
		table.Columns = append(table.Columns, &store.Column{Name: fmt.Sprint("c", i), Type: store.TypeInt})
	}
	table.Key = slices.Clone(table.Columns[:1])
	for _, c := range table.Columns {
		Add(table, false, c)
	}
	if err := table.Check(); err != nil || len(table.Indexes) == 0 || len(table.Indexes) > 100 {
		t.Errorf("got %d indexes and %v, want as many as a table can have", len(table.Indexes), err)
	}
}
