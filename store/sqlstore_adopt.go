package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// This file makes tables that Frappe made into those of a schema. Each becomes one by one statement, so that it is either
// Frappe's still or ours already; the mark on its tenant's column says for whom it was adopted.

const adoptionMark = "adopted by frappems for "

// adopt returns the statements of an adoption, and changes have to what the database has after them.
func (s *sqlStore) adopt(ctx context.Context, on sqlReader, want *Schema, have map[string]*databaseTable) (plan Plan, err error) {
	a, d := want.Adopt, s.dialect
	switch {
	case a == nil:
		return nil, nil
	case d.DDL == nil:
		return nil, errNoAdoption
	case !ValidTenant(a.Tenant):
		return nil, errNoTenant
	}
	if plan, err = s.unfinished(ctx, on, a, have); err != nil {
		return nil, err
	}
	tookOver := false
	for _, t := range want.Tables {
		old := have[strings.ToLower(t.Name)]
		if old == nil || old.name != t.Name || !t.isFrappes(old) {
			continue
		}
		if !tookOver {
			plan, tookOver = append(plan, d.takeOver(a, have)...), true
		}
		for name, numbered := range a.Numbered {
			if numbered == t {
				plan = append(plan, d.continueAfter(a, name, t))
			}
		}
		statements, err := s.adoptTable(ctx, on, t, a.Tenant, old)
		if err != nil {
			return nil, err
		}
		plan = append(plan, statements...)
	}
	return plan, nil
}

var errNoAdoption = errors.New("frappems: this store cannot have tables that Frappe made, so there are none to adopt")

// isFrappes reports whether a table has the key that Frappe gives it.
func (t *Table) isFrappes(old *databaseTable) bool {
	names := (&Index{Columns: t.Key}).names()
	return old.column(tenantName) == nil && slices.ContainsFunc(old.indexes, func(index databaseIndex) bool {
		return index.name == "" && slices.EqualFunc(index.columns, names, strings.EqualFold)
	})
}

// unfinished refuses a second tenant, and returns what is missing of adoptions that were broken off.
func (s *sqlStore) unfinished(ctx context.Context, on sqlReader, a *Adoption, have map[string]*databaseTable) (plan Plan, err error) {
	var table, comment string
	bad := s.each(ctx, on, s.dialect.DDL.Marks, []any{&table, &comment}, func() {
		tenant, marked := strings.CutPrefix(comment, adoptionMark)
		switch old := have[strings.ToLower(table)]; {
		case !marked || old == nil:
		case tenant != a.Tenant:
			err = fmt.Errorf("frappems: table %s: it was adopted for the tenant %s, and its rows cannot become those of %s, too", table, tenant, a.Tenant)
		case old.column(tenantName) != nil && old.column(tenantName).Default != "":
			plan = append(plan, s.dialect.settle(table))
		}
	})
	return plan, errors.Join(bad, err)
}

// settle takes the default from the tenant's column, which the rows that were there have got their tenant by.
func (d *Dialect) settle(table string) string {
	return "ALTER TABLE " + d.quoted(table) + " ALTER COLUMN " + d.quoted(tenantName) + " DROP DEFAULT" + d.DDL.Online
}

// takeOver returns the statements that copy Frappe's naming series and Singles.
func (d *Dialect) takeOver(a *Adoption, have map[string]*databaseTable) (plan Plan) {
	if have["tabseries"] != nil && a.Counters != nil {
		plan = append(plan, d.copied(a, a.Counters, "name", "current")+d.quoted("name")+", "+d.quoted("current")+" FROM "+
			d.quoted("tabSeries")+d.highest(a.Counters))
	}
	if have["tabsingles"] != nil && a.Singles != nil && len(a.SingleNames) > 0 {
		var names []string
		for _, name := range a.SingleNames {
			names = append(names, d.literal(name))
		}
		value := d.quoted(a.Singles.Name) + "." + d.quoted("value")
		plan = append(plan, d.copied(a, a.Singles, "doctype", "field", "value")+d.quoted("doctype")+", "+d.quoted("field")+", "+d.quoted("value")+" FROM "+
			d.quoted("tabSingles")+" WHERE "+d.quoted("doctype")+" IN ("+strings.Join(names, ", ")+") AND "+d.quoted("value")+" <> ''"+
			" ON DUPLICATE KEY UPDATE "+d.quoted("value")+" = "+value)
	}
	return plan
}

// continueAfter returns the statement by which a counter goes on behind the highest name of a table.
func (d *Dialect) continueAfter(a *Adoption, counter string, t *Table) string {
	highest := "MAX(" + d.column(t.Key[0]) + ")"
	return d.copied(a, a.Counters, "name", "current") + d.literal(counter) + ", " + highest + " FROM " + d.quoted(t.Name) +
		" HAVING " + highest + " IS NOT NULL" + d.highest(a.Counters)
}

// copied begins a statement that copies rows for the tenant.
func (d *Dialect) copied(a *Adoption, into *Table, columns ...string) string {
	text := "INSERT INTO " + d.quoted(into.Name) + " (" + d.quoted(tenantName)
	for _, c := range columns {
		text += ", " + d.quoted(c)
	}
	return text + ") SELECT " + d.literal(a.Tenant) + ", "
}

// highest ends one after which a counter that is there has the higher of two numbers.
func (d *Dialect) highest(counters *Table) string {
	current := d.quoted("current")
	return " ON DUPLICATE KEY UPDATE " + current + " = GREATEST(" + d.quoted(counters.Name) + "." + current + ", VALUES(" + current + "))"
}

// adoptTable returns the statements that make a table of Frappe's into one of a tenant, and changes old accordingly.
func (s *sqlStore) adoptTable(ctx context.Context, on sqlReader, t *Table, tenant string, old *databaseTable) (plan Plan, err error) {
	d := s.dialect
	drops, indexes, err := t.adoptedIndexes(old)
	if err != nil {
		return nil, err
	}
	for i := range indexes {
		if indexes[i].Unique {
			if err := s.checkUnique(ctx, on, schemaChange{table: t, index: &indexes[i]}, old); err != nil {
				return nil, err
			}
		}
	}
	fill, err := d.fill(t, old)
	if err != nil {
		return nil, err
	}
	key := databaseIndex{columns: append([]string{tenantName}, (&Index{Columns: t.Key}).names()...), unique: true}
	changes, err := t.columnChanges(d.rebuilt(t, old, key))
	if err != nil {
		return nil, err
	}
	for i := range indexes {
		changes = append(changes, schemaChange{table: t, index: &indexes[i]})
	}
	clauses := []string{"ADD COLUMN " + d.quoted(tenantName) + " " + d.Type(tenantColumn) + " NOT NULL DEFAULT " + d.literal(tenant) +
		" COMMENT " + d.literal(adoptionMark+tenant) + " FIRST", "DROP PRIMARY KEY", "ADD PRIMARY KEY (" + d.columns(t.Key) + ")"}
	for _, name := range drops {
		clauses = append(clauses, "DROP INDEX "+d.quoted(name))
	}
	for _, c := range changes {
		clause, err := d.clause(c)
		if err != nil {
			return nil, err
		}
		clauses = append(clauses, clause)
	}
	*old = t.described(key)
	alter := "ALTER TABLE " + d.quoted(t.Name) + " " + strings.Join(clauses, ", ") + "," + d.TableOptions + d.DDL.Copying
	return append(fill, alter, d.settle(t.Name)), nil
}

// adoptedIndexes returns the indexes that have to go, since a unique one without the tenant would let tenants collide and another
// has its name or serves instead of it, and those that come: all that are wanted, and the unique ones with the tenant.
func (t *Table) adoptedIndexes(old *databaseTable) (drops []string, adds []Index, err error) {
	adds = slices.Clone(t.Indexes)
	for _, have := range old.indexes {
		replaced := slices.ContainsFunc(t.Indexes, func(i Index) bool {
			begins := len(have.columns) <= len(i.Columns) && slices.EqualFunc(have.columns, i.names()[:len(have.columns)], strings.EqualFold)
			return strings.EqualFold(i.Name, have.name) || begins && (!have.unique || i.Unique && len(i.Columns) == len(have.columns))
		})
		if have.name == "" || !replaced && !have.unique {
			continue
		}
		drops = append(drops, have.name)
		if replaced {
			continue
		}
		index := Index{Name: have.name, Unique: true}
		for _, name := range have.columns {
			c := old.column(name)
			if c == nil {
				return nil, nil, fmt.Errorf("frappems: table %s: unique index %s is on a part of a column, %s: drop it by hand", t.Name, have.name, name)
			}
			index.Columns = append(index.Columns, &c.Column)
		}
		adds = append(adds, index)
	}
	return drops, adds, nil
}

// fill returns the statement that gives the default to rows which are NULL in a column that will not be.
func (d *Dialect) fill(t *Table, old *databaseTable) (Plan, error) {
	var sets, nulls []string
	for _, c := range t.Columns {
		if have := old.column(c.Name); have != nil && !have.NotNull && c.NotNull && c.Default != "" {
			value, err := d.value(c, c.Default)
			if err != nil {
				return nil, err
			}
			sets = append(sets, d.column(c)+" = COALESCE("+d.column(c)+", "+value+")")
			nulls = append(nulls, d.column(c)+" IS NULL")
		}
	}
	if len(sets) == 0 {
		return nil, nil
	}
	return Plan{"UPDATE " + d.quoted(t.Name) + " SET " + strings.Join(sets, ", ") + " WHERE " + strings.Join(nulls, " OR ")}, nil
}

// rebuilt returns a table of Frappe's as it is with tenant and key, for a comparison that may make its columns anew.
func (d *Dialect) rebuilt(t *Table, old *databaseTable, key databaseIndex) *databaseTable {
	work := &databaseTable{name: old.name, columns: slices.Clone(old.columns), indexes: []databaseIndex{key}}
	for i := range work.columns {
		c := &work.columns[i]
		if !c.known {
			c.Type, c.Length, c.known = d.DDL.Foreign(c.text)
			c.rebuilt = c.known
		}
		if want := t.columnFold(c.Name); want != nil && want.NotNull && want.Default != "" && !c.NotNull {
			c.rebuilt = true
		}
	}
	for _, index := range old.indexes {
		if index.name != "" {
			work.indexes = append(work.indexes, index)
		}
	}
	work.columns = append(work.columns, databaseColumn{Column: *tenantColumn, known: true})
	return work
}

// described returns the table as a database has it.
func (t *Table) described(key databaseIndex) databaseTable {
	table := databaseTable{name: t.Name, columns: []databaseColumn{{Column: *tenantColumn, known: true}}, indexes: []databaseIndex{key}}
	for _, c := range t.Columns {
		table.columns = append(table.columns, databaseColumn{Column: *c, known: true})
	}
	for _, i := range t.Indexes {
		table.indexes = append(table.indexes, databaseIndex{name: i.Name, columns: append([]string{tenantName}, i.names()...), unique: i.Unique})
	}
	return table
}
