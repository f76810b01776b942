// Package indexing adds indexes to tables, as far as databases can have them.
package indexing

import (
	"slices"
	"strings"

	"github.com/frappems/frappems/store"
)

// Add adds an index unless there is one that begins with the same column, as the primary key does, or with the tenant, as all do. Of
// columns that are too many for one, those at the end are left out; one that would only make lists faster and cannot be is left out
// itself.
func Add(t *store.Table, unique bool, columns ...*store.Column) {
	first := columns[0]
	index := store.Index{Unique: unique}
	for _, c := range columns {
		if c.Type == store.TypeText || c.Type == store.TypeLongText || c.Type == store.TypeJSON {
			return
		}
		longer := store.Index{Name: strings.TrimPrefix(index.Name+"_"+c.Name, "_"), Columns: append(slices.Clip(index.Columns), c), Unique: unique}
		if len(index.Columns) == 0 || longer.Check() == nil {
			index = longer
		}
	}
	begins := func(other store.Index) bool { return other.Columns[0] == first }
	if first == t.Key[0] || first.Name == "tenant_id" || slices.ContainsFunc(t.Indexes, begins) {
		return
	}
	taken := func(other store.Index) bool { return strings.EqualFold(other.Name, index.Name) }
	for slices.ContainsFunc(t.Indexes, taken) || strings.EqualFold(index.Name, "primary") {
		index.Name += "_"
	}
	without := t.Indexes
	t.Indexes = append(without, index)
	if !unique && t.Check() != nil {
		t.Indexes = without
	}
}
