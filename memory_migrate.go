package frappems

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Migrate's plan is in words: there are no statements.
func (s *memoryStore) Migrate(ctx context.Context, want *Schema, apply bool) (Plan, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer func() { <-s.turn }()
	data := maps.Clone(*s.committed.Load())
	have := map[string]*databaseTable{}
	for name, table := range data {
		have[strings.ToLower(name)] = table.describe()
	}
	changes, err := want.changes(have)
	if err != nil {
		return nil, err
	}
	var plan Plan
	for _, change := range changes {
		if err := s.apply(data, change); err != nil {
			return nil, err
		}
		plan = append(plan, change.String())
	}
	if apply {
		s.committed.Store(&data)
	}
	return plan, nil
}

// describe returns the table as a database would.
func (t *memoryTable) describe() *databaseTable {
	d := &databaseTable{name: t.name}
	names := func(places []int) []string {
		list := []string{tenantName}
		for _, place := range places {
			list = append(list, t.columns[place].Name)
		}
		return list
	}
	for _, c := range t.columns {
		d.columns = append(d.columns, databaseColumn{Column: *c, text: c.kind(), known: true})
	}
	d.indexes = append(d.indexes, databaseIndex{columns: names(t.key), unique: true})
	for _, index := range t.indexes {
		d.indexes = append(d.indexes, databaseIndex{name: index.name, columns: names(index.columns), unique: index.unique})
	}
	return d
}

// apply makes one change to a copy of its table.
func (s *memoryStore) apply(data memoryData, change schemaChange) error {
	t := change.table
	work := &memoryWork{memoryTable: &memoryTable{name: t.Name, columns: []*Column{tenantColumn}}, seed: s.seed}
	old := data[t.Name]
	if old != nil {
		work = old.clone()
		work.seed = s.seed
		work.columns = slices.Clone(old.columns)
	}
	data[t.Name] = work.memoryTable
	switch {
	case change.add != nil:
		work.addColumn(change.add)
	case change.widen != nil:
		place, err := work.place(change.widen)
		if err != nil {
			return err
		}
		work.columns[place] = change.widen
	case change.index != nil:
		return work.addIndex(change.index)
	default:
		for _, c := range t.Columns {
			if !c.isTenant() {
				work.columns = append(work.columns, c)
			}
		}
		key, err := work.places(t.Key)
		work.key = key
		return err
	}
	return nil
}

// addColumn gives every row the new column's default.
func (t *memoryWork) addColumn(c *Column) {
	value, err := c.inserted()
	if err != nil {
		return // columnChanges has refused it
	}
	t.columns = append(t.columns, c)
	rows := slices.Collect(t.rows.within(""))
	t.rows = nil
	for i := range t.indexes {
		t.indexes[i].rows = nil
	}
	for _, row := range rows {
		row = &memoryRow{key: row.key, cells: append(slices.Clip(row.cells), value)}
		t.rows = t.rows.put(t.seed, row.key, row)
		for i := range t.indexes {
			index := &t.indexes[i]
			index.rows = index.rows.put(t.seed, string(t.prefix(row.cells, index.columns))+row.key, row)
		}
	}
}

// addIndex builds an index over the rows.
func (t *memoryWork) addIndex(index *Index) error {
	columns, err := t.places(index.Columns)
	if err != nil {
		return err
	}
	t.indexes = append(t.indexes, memoryIndex{name: index.Name, columns: columns, unique: index.Unique})
	for row := range t.rows.within("") {
		if err := t.index(&t.indexes[len(t.indexes)-1], row); err != nil {
			return fmt.Errorf("frappems: table %s: rows have the same values in (%s), which unique index %s forbids: correct them first: %w",
				t.name, strings.Join(index.names(), ", "), index.Name, err)
		}
	}
	return nil
}
