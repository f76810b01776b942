package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// Migrate runs the statements one after the other, in one transaction where the database knows such. Each is found missing
// again by the next Migrate if it did not run.
func (s *sqlStore) Migrate(ctx context.Context, want *Schema, apply bool) (Plan, error) {
	db := s.db
	if apply {
		db = s.writer
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, s.dialect.fail(ctx, err)
	}
	defer tx.Rollback()
	plan, err := s.plan(ctx, tx, want)
	if err != nil || !apply || len(plan) == 0 {
		return plan, err
	}
	for _, statement := range slices.Concat(plan, s.dialect.Migrated) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("frappems: %s: %w", statement, s.dialect.fail(ctx, err))
		}
	}
	return plan, s.dialect.fail(ctx, tx.Commit())
}

// plan returns the statements that are missing.
func (s *sqlStore) plan(ctx context.Context, tx *sql.Tx, want *Schema) (Plan, error) {
	have, err := s.tables(ctx, tx)
	if err != nil {
		return nil, err
	}
	changes, err := want.changes(have)
	if err != nil {
		return nil, err
	}
	var plan Plan
	for _, c := range changes {
		if c.index != nil && c.index.Unique && have[strings.ToLower(c.table.Name)] != nil {
			if err := s.checkUnique(ctx, tx, c, have[strings.ToLower(c.table.Name)]); err != nil {
				return nil, err
			}
		}
		statement, err := s.dialect.statement(c)
		if err != nil {
			return nil, err
		}
		if statement != "" {
			plan = append(plan, statement)
		}
	}
	return plan, nil
}

// statement returns the SQL of a change; "" if there is nothing to do.
func (d *Dialect) statement(c schemaChange) (string, error) {
	switch {
	case c.add != nil:
		definition, err := d.definition(c.add, c.add.NotNull)
		return "ALTER TABLE " + d.quoted(c.table.Name) + " ADD COLUMN " + definition, err
	case c.widen != nil && d.Widen == "" && c.lifts:
		return "", fmt.Errorf("frappems: table %s, column %s: it cannot be NULL in the database, and this database cannot change that: "+
			"keep it mandatory, or rebuild the table by hand", c.table.Name, c.widen.Name)
	case c.widen != nil && d.Widen == "":
		return "", nil
	case c.widen != nil:
		definition, err := d.definition(c.widen, c.widen.NotNull)
		return "ALTER TABLE " + d.quoted(c.table.Name) + " " + d.Widen + " " + definition, err
	case c.index != nil:
		kind, name := "INDEX ", c.index.Name
		if c.index.Unique {
			kind = "UNIQUE INDEX "
		}
		if d.GlobalIndexes {
			name = c.table.Name + "." + name
		}
		return "CREATE " + kind + d.quoted(name) + " ON " + d.quoted(c.table.Name) + " (" + d.columns(c.index.Columns) + ")", nil
	}
	return d.create(c.table)
}

// columns lists the tenant's column and then others.
func (d *Dialect) columns(columns []*Column) string {
	text := d.quoted(tenantName)
	for _, c := range columns {
		text += ", " + d.column(c)
	}
	return text
}

func (d *Dialect) create(t *Table) (string, error) {
	text, err := d.definition(tenantColumn, true)
	for _, c := range t.Columns {
		if c.isTenant() {
			continue
		}
		definition, bad := d.definition(c, c.NotNull || slices.Contains(t.Key, c))
		if bad != nil {
			err = bad
		}
		text += ", " + definition
	}
	return "CREATE TABLE " + d.quoted(t.Name) + " (" + text + ", PRIMARY KEY (" + d.columns(t.Key) + "))" + d.TableOptions, err
}

// definition returns how CREATE TABLE describes a column.
func (d *Dialect) definition(c *Column, notNull bool) (string, error) {
	text := d.column(c) + " " + d.Type(c)
	if notNull {
		text += " NOT NULL"
	}
	if c.Default == "" {
		return text, nil
	}
	value, err := c.normal(c.Default)
	if err != nil {
		return "", err
	}
	if !c.Type.isNumber() {
		value = strings.ReplaceAll(value, "'", "''")
		if d.Escapes {
			value = strings.ReplaceAll(value, `\`, `\\`)
		}
		value = "'" + value + "'"
	}
	return text + " DEFAULT " + value, nil
}

// tables reads what the database has, keyed by the tables' names in lower case.
func (s *sqlStore) tables(ctx context.Context, tx *sql.Tx) (map[string]*databaseTable, error) {
	tables := map[string]*databaseTable{}
	table := func(name string) *databaseTable {
		key := strings.ToLower(name)
		if tables[key] == nil {
			tables[key] = &databaseTable{name: name}
		}
		return tables[key]
	}
	var name, column, kind string
	var notNull, hasDefault int
	err := s.each(ctx, tx, s.dialect.Columns, []any{&name, &column, &kind, &notNull, &hasDefault}, func() {
		c := databaseColumn{Column: Column{Name: column, NotNull: notNull != 0}, text: kind}
		c.Type, c.Length, c.known = s.dialect.Kind(kind)
		if hasDefault != 0 {
			c.Default = "there is one"
		}
		table(name).columns = append(table(name).columns, c)
	})
	if err != nil {
		return nil, err
	}
	var index string
	var unique int
	err = s.each(ctx, tx, s.dialect.Indexes, []any{&name, &index, &unique, &column}, func() {
		t := table(name)
		index = strings.TrimPrefix(index, map[bool]string{true: name + "."}[s.dialect.GlobalIndexes])
		if last := len(t.indexes) - 1; last < 0 || t.indexes[last].name != index {
			t.indexes = append(t.indexes, databaseIndex{name: index, unique: unique != 0})
		}
		last := &t.indexes[len(t.indexes)-1]
		last.columns = append(last.columns, column)
	})
	return tables, err
}

// each runs a query of the dialect and calls f for each row.
func (s *sqlStore) each(ctx context.Context, tx *sql.Tx, query string, targets []any, f func()) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return s.dialect.fail(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		f()
	}
	return s.dialect.fail(ctx, rows.Err())
}

// checkUnique refuses a unique index that rows contradict. A column that is new, too, has its default in all of them.
func (s *sqlStore) checkUnique(ctx context.Context, tx *sql.Tx, c schemaChange, have *databaseTable) error {
	d := s.dialect
	by, where := d.quoted(tenantName), ""
	for _, column := range c.index.Columns {
		switch {
		case have.column(column.Name) != nil:
			by += ", " + d.column(column)
			where += " AND " + d.column(column) + " IS NOT NULL"
		case column.Default == "":
			return nil // all rows are NULL there
		}
	}
	found := false
	query := "SELECT 1 FROM " + d.quoted(c.table.Name) + " WHERE 1 = 1" + where + " GROUP BY " + by + " HAVING COUNT(*) > 1 LIMIT 1"
	var one int
	err := s.each(ctx, tx, query, []any{&one}, func() { found = true })
	if err == nil && found {
		err = fmt.Errorf("frappems: table %s: rows have the same values in (%s), which unique index %s forbids: correct them first: %w",
			c.table.Name, strings.Join(c.index.names(), ", "), c.index.Name, ErrDuplicateKey)
	}
	return err
}
