package store

import (
	"fmt"
	"slices"
	"strings"
)

// This file compares the schema that is wanted with what a database has, in the same way for every store.

// databaseTable is a table as a database has it.
type databaseTable struct {
	name    string
	columns []databaseColumn // the tenant's too
	indexes []databaseIndex  // the primary key is the one named ""
}

// databaseColumn is a column as a database has it.
type databaseColumn struct {
	Column         // Default is not "" where there is one
	text    string // how the database calls the type
	known   bool   // Type and Length say what it is
	rebuilt bool   // its table is adopted: it is made anew, and NOT NULL where that is wanted
}

// databaseIndex is an index as a database has it; the tenant's column is one of columns.
type databaseIndex struct {
	name    string
	columns []string
	unique  bool
}

func (t *databaseTable) column(name string) *databaseColumn {
	for i := range t.columns {
		if strings.EqualFold(t.columns[i].Name, name) {
			return &t.columns[i]
		}
	}
	return nil
}

// schemaChange is one step on the way to a schema: the table is created, unless one of the others is set.
type schemaChange struct {
	table *Table
	add   *Column
	widen *Column // as it will be
	from  *databaseColumn
	index *Index
}

// lifts reports whether a column that could not be NULL now can.
func (c *schemaChange) lifts() bool { return c.from.NotNull && !c.widen.NotNull }

// String says what is done, without SQL.
func (c schemaChange) String() string {
	switch {
	case c.add != nil:
		return fmt.Sprintf("table %s: new column %s %s", c.table.Name, c.add.Name, c.add.kind())
	case c.widen != nil:
		return fmt.Sprintf("table %s: column %s becomes %s", c.table.Name, c.widen.Name, c.widen.kind())
	case c.index != nil:
		return fmt.Sprintf("table %s: new index %s", c.table.Name, c.index.Name)
	}
	return "new table " + c.table.Name
}

// changes returns the steps that lead from what a database has to the schema, or says why there is no way without loss. The
// tables that the database has are keyed by their names in lower case.
func (s *Schema) changes(have map[string]*databaseTable) ([]schemaChange, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	var changes []schemaChange
	for _, t := range s.Tables {
		old := have[strings.ToLower(t.Name)]
		if old == nil {
			changes = append(changes, schemaChange{table: t})
			old = &databaseTable{}
		} else if old.name != t.Name {
			return nil, fmt.Errorf("frappems: table %s: the database has %s, and not every database tells them apart", t.Name, old.name)
		} else {
			columns, err := t.columnChanges(old)
			if err != nil {
				return nil, err
			}
			changes = append(changes, columns...)
		}
		indexes, err := t.indexChanges(old)
		if err != nil {
			return nil, err
		}
		changes = append(changes, indexes...)
	}
	return changes, nil
}

// columnChanges compares the columns of a table that exists.
func (t *Table) columnChanges(old *databaseTable) (changes []schemaChange, err error) {
	if err := t.checkPrimary(old); err != nil {
		return nil, err
	}
	for _, c := range t.Columns {
		have := old.column(c.Name)
		switch {
		case c.isTenant():
		case have == nil && (c.NotNull || slices.Contains(t.Key, c)) && c.Default == "":
			return nil, fmt.Errorf("frappems: table %s, column %s: it is new and cannot be NULL, but has no default for the rows that exist: "+
				"give it a default, or add the column by hand", t.Name, c.Name)
		case have == nil:
			changes = append(changes, schemaChange{table: t, add: c})
		default:
			wider, err := t.widened(have, c)
			if err != nil {
				return nil, err
			}
			if wider != nil {
				changes = append(changes, schemaChange{table: t, widen: wider, from: have})
			}
		}
	}
	for i := range old.columns {
		c := &old.columns[i]
		if c.NotNull && c.Default == "" && !c.isTenant() && t.columnFold(c.Name) == nil {
			return nil, fmt.Errorf("frappems: table %s, column %s: it is in the database only, cannot be NULL and has no default, so that no "+
				"row can be inserted: give it a default or drop it by hand", t.Name, c.Name)
		}
	}
	return changes, t.checkMerged(old, changes)
}

// checkMerged refuses changes after which a table, with the columns and indexes that only the database has, would be too big.
func (t *Table) checkMerged(old *databaseTable, changes []schemaChange) error {
	merged := Table{}
	for i := range old.columns {
		if c := &old.columns[i]; c.known && !c.isTenant() {
			merged.Columns = append(merged.Columns, &c.Column)
		}
	}
	for _, change := range changes {
		if change.add != nil {
			merged.Columns = append(merged.Columns, change.add)
		} else {
			merged.Columns[slices.Index(merged.Columns, &change.from.Column)] = change.widen
		}
	}
	if err := checkRowSize(merged.Columns); err != nil && len(changes) > 0 {
		return fmt.Errorf("frappems: table %s, with the columns that only the database has: %w", t.Name, err)
	}
	for _, index := range old.indexes {
		var columns []*Column
		for _, name := range index.columns {
			if c := merged.columnFold(name); c != nil {
				columns = append(columns, c)
			}
		}
		if err := checkKey(columns); err != nil && len(changes) > 0 {
			return fmt.Errorf("frappems: table %s, index %s in the database: %w", t.Name, index.name, err)
		}
	}
	return nil
}

// columnFold is column without regard to case.
func (t *Table) columnFold(name string) *Column {
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// checkPrimary refuses a table whose primary key is another, such as one that Frappe made.
func (t *Table) checkPrimary(old *databaseTable) error {
	want := []string{tenantName}
	for _, c := range t.Key {
		want = append(want, c.Name)
	}
	var key []string
	for _, index := range old.indexes {
		if index.name == "" {
			key = index.columns
		}
	}
	tenant := old.column(tenantName)
	if !slices.EqualFunc(key, want, strings.EqualFold) || tenant == nil {
		return fmt.Errorf("frappems: table %s: its primary key in the database is (%s), but (%s) is needed: this is no table that frappems made; "+
			"adopt it where Frappe did (frappems migrate --adopt), rename it, or use another database",
			t.Name, strings.Join(key, ", "), strings.Join(want, ", "))
	}
	_, err := t.widened(tenant, tenantColumn)
	return err
}

// widened returns the column as it must become, or nil if the database's can stay.
func (t *Table) widened(have *databaseColumn, want *Column) (*Column, error) {
	if !have.known {
		return nil, fmt.Errorf("frappems: table %s, column %s: the database has the type %s, but %s is needed: rename or convert the column "+
			"by hand, or give the field another name", t.Name, want.Name, have.text, want.kind())
	}
	change, err := t.widens(&have.Column, want)
	if err != nil {
		return nil, err
	}
	becomes := *want
	if !change {
		becomes.Type, becomes.Length = have.Type, have.Length
	}
	change = change || have.rebuilt
	key := slices.ContainsFunc(t.Key, func(c *Column) bool { return c == want }) || want.isTenant()
	lifted := have.NotNull && !want.NotNull && !key
	if !change && !lifted {
		return nil, nil
	}
	becomes.NotNull = (have.NotNull || have.rebuilt) && want.NotNull || key
	return &becomes, nil
}

// indexChanges returns the indexes that the database has not. One of another name on the same columns will do.
func (t *Table) indexChanges(old *databaseTable) (changes []schemaChange, err error) {
	for i := range t.Indexes {
		index := &t.Indexes[i]
		columns := []string{tenantName}
		for _, c := range index.Columns {
			columns = append(columns, c.Name)
		}
		same := func(have databaseIndex) bool {
			return have.unique == index.Unique && slices.EqualFunc(have.columns, columns, strings.EqualFold)
		}
		if slices.ContainsFunc(old.indexes, same) {
			continue
		}
		for _, have := range old.indexes {
			if strings.EqualFold(have.name, index.Name) {
				return nil, fmt.Errorf("frappems: table %s: index %s is in the database already, but not as (%s) with unique = %t: drop or rename "+
					"it by hand", t.Name, index.Name, strings.Join(columns, ", "), index.Unique)
			}
		}
		changes = append(changes, schemaChange{table: t, index: index})
	}
	return changes, nil
}

// names returns the names of the index's columns.
func (i *Index) names() []string {
	names := make([]string, len(i.Columns))
	for n, c := range i.Columns {
		names[n] = c.Name
	}
	return names
}
