package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DDL is how a schema changes in a database whose statements for that commit by themselves, while others use it.
type DDL struct {
	// Session is run first, on a connection that is closed afterwards.
	Session string
	// Lock is a query that answers 1 once its connection alone may migrate, or another number when it has waited in vain. The
	// end of the connection ends it.
	Lock string
	// Attempts is how often Lock is asked, and how often a statement is tried that waits in vain for others to leave the table.
	Attempts int
	// Pause is how long others have the table between two attempts.
	Pause time.Duration
	// Online ends an ALTER TABLE that readers and writers do not notice, Copying one that keeps writers waiting.
	Online, Copying string
	// WidensOnline says whether a column can become another online.
	WidensOnline func(from, to *Column) bool
	// Foreign is Kind for types that frappems does not make, but whose values it can keep in one that it does.
	Foreign func(name string) (t ColumnType, length int, ok bool)
	// Marks is a query for the tables with a tenant's column and for its comment.
	Marks string
}

// Migrate runs the statements one after the other, in one transaction where the database knows such. Each is found missing
// again by the next Migrate if it did not run.
func (s *sqlStore) Migrate(ctx context.Context, want *Schema, apply bool) (Plan, error) {
	db := s.db
	if apply {
		db = s.writer
	}
	if s.dialect.Migrations != nil {
		db = s.dialect.Migrations
	}
	if s.dialect.DDL != nil {
		return s.migrateOnline(ctx, db, want, apply)
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

// migrateOnline plans without the lock first, so that a service which finds nothing to do waits for nobody. What it finds
// while another migrates may be half a change: with the lock it looks again.
func (s *sqlStore) migrateOnline(ctx context.Context, db *sql.DB, want *Schema, apply bool) (Plan, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, s.dialect.fail(ctx, err)
	}
	defer conn.Close()
	defer conn.Raw(func(any) error { return driver.ErrBadConn }) // ends the connection, and with it lock and settings
	if _, err := conn.ExecContext(ctx, s.dialect.DDL.Session); err != nil {
		return nil, s.dialect.fail(ctx, err)
	}
	plan, err := s.plan(ctx, conn, want)
	if !apply || err == nil && len(plan) == 0 {
		return plan, err
	}
	if err := s.lock(ctx, conn); err != nil {
		return nil, err
	}
	if plan, err = s.plan(ctx, conn, want); err != nil {
		return nil, err
	}
	for _, statement := range plan {
		if err := s.change(ctx, conn, statement); err != nil {
			return nil, fmt.Errorf("frappems: %s: %w", statement, err)
		}
	}
	return plan, nil
}

// sqlReader is a *sql.Conn or a *sql.Tx.
type sqlReader interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// lock waits until no other process migrates the database.
func (s *sqlStore) lock(ctx context.Context, conn *sql.Conn) error {
	for range s.dialect.DDL.Attempts {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, s.dialect.DDL.Lock).Scan(&got); err != nil {
			return fmt.Errorf("frappems: waiting until no other process migrates this database: %w", s.dialect.fail(ctx, err))
		}
		if got.Int64 == 1 {
			return nil
		}
	}
	return errors.New("frappems: another process migrates this database, and has not ended in the time that this one waits: " +
		"try again, or see what keeps it")
}

// change runs a statement that has to have a table for itself for a moment. Whoever comes after it waits until then, so it
// does not wait for long, but lets them pass and tries again.
func (s *sqlStore) change(ctx context.Context, conn *sql.Conn, statement string) (err error) {
	for range s.dialect.DDL.Attempts {
		_, err = conn.ExecContext(ctx, statement)
		if err = s.dialect.fail(ctx, err); !errors.Is(err, ErrDeadlock) {
			return err
		}
		select {
		case <-time.After(s.dialect.DDL.Pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("the table is never free of transactions: end those that take long: %w", err)
}

// plan returns the statements that are missing.
func (s *sqlStore) plan(ctx context.Context, tx sqlReader, want *Schema) (Plan, error) {
	have, err := s.tables(ctx, tx)
	if err != nil {
		return nil, err
	}
	adopt, err := s.adopt(ctx, tx, want, have)
	if err != nil {
		return nil, err
	}
	changes, err := want.changes(have)
	if err != nil {
		return nil, err
	}
	var plan Plan
	for _, c := range changes {
		old := have[strings.ToLower(c.table.Name)]
		if c.index != nil && old == nil && s.dialect.DDL != nil {
			continue // CREATE TABLE has it
		}
		if c.index != nil && c.index.Unique && old != nil {
			if err := s.checkUnique(ctx, tx, c, old); err != nil {
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
	return append(plan, adopt...), nil
}

// statement returns the SQL of a change; "" if there is nothing to do.
func (d *Dialect) statement(c schemaChange) (string, error) {
	if c.widen != nil && d.Widen == "" {
		if c.lifts() {
			return "", fmt.Errorf("frappems: table %s, column %s: it cannot be NULL in the database, and this database cannot change that: "+
				"keep it mandatory, or rebuild the table by hand", c.table.Name, c.widen.Name)
		}
		return "", nil
	}
	table := d.quoted(c.table.Name)
	clause, err := d.clause(c)
	switch {
	case clause == "":
		return d.create(c.table)
	case d.DDL == nil && c.index != nil:
		return "CREATE " + d.index(c.table, c.index, " ON "+table), nil
	case d.DDL == nil:
		return "ALTER TABLE " + table + " " + clause, err
	case c.widen != nil && !d.DDL.WidensOnline(&c.from.Column, c.widen):
		return "ALTER TABLE " + table + " " + clause + d.DDL.Copying, err
	}
	return "ALTER TABLE " + table + " " + clause + d.DDL.Online, err
}

// clause returns what ALTER TABLE is told to make a change; "" for a new table.
func (d *Dialect) clause(c schemaChange) (clause string, err error) {
	switch {
	case c.add != nil:
		clause, err = d.definition(c.add, c.add.NotNull)
		return "ADD COLUMN " + clause, err
	case c.widen != nil:
		clause, err = d.definition(c.widen, c.widen.NotNull)
		return d.Widen + " " + clause, err
	case c.index != nil:
		return "ADD " + d.index(c.table, c.index, ""), nil
	}
	return "", nil
}

// index returns an index's definition; on is what stands before its columns.
func (d *Dialect) index(t *Table, i *Index, on string) string {
	kind, name := "INDEX ", i.Name
	if i.Unique {
		kind = "UNIQUE INDEX "
	}
	if d.GlobalIndexes {
		name = t.Name + "." + name
	}
	return kind + d.quoted(name) + on + " (" + d.columns(i.Columns) + ")"
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
	text += ", PRIMARY KEY (" + d.columns(t.Key) + ")"
	for i := range t.Indexes {
		if d.DDL != nil {
			text += ", " + d.index(t, &t.Indexes[i], "")
		}
	}
	return "CREATE TABLE " + d.quoted(t.Name) + " (" + text + ")" + d.TableOptions, err
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
	value, err := d.value(c, c.Default)
	return text + " DEFAULT " + value, err
}

// value returns one of a column's values as it stands in a statement that can bind nothing.
func (d *Dialect) value(c *Column, text string) (string, error) {
	value, err := c.normal(text)
	if err == nil && !c.Type.isNumber() {
		value = d.literal(value)
	}
	return value, err
}

// literal returns a text as it stands in a statement that can bind nothing.
func (d *Dialect) literal(text string) string {
	text = strings.ReplaceAll(text, "'", "''")
	if d.Escapes {
		text = strings.ReplaceAll(text, `\`, `\\`)
	}
	return "'" + text + "'"
}

// tables reads what the database has, keyed by the tables' names in lower case.
func (s *sqlStore) tables(ctx context.Context, tx sqlReader) (map[string]*databaseTable, error) {
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
		t := tables[strings.ToLower(name)]
		if t == nil {
			return // it has come since its columns were read
		}
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
func (s *sqlStore) each(ctx context.Context, tx sqlReader, query string, targets []any, f func()) error {
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
func (s *sqlStore) checkUnique(ctx context.Context, tx sqlReader, c schemaChange, have *databaseTable) error {
	d := s.dialect
	by, where := "NULL", "" // of one that is adopted all rows are one tenant's
	if have.column(tenantName) != nil {
		by = d.quoted(tenantName)
	}
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
