package frappems

import (
	"context"
	"slices"
	"strconv"

	"github.com/frappems/frappems/store"
)

// layout is how a document is read with its rows in one statement, so that all of it is of one moment: a union of its own
// row and those of its tables. Slots of the same type share a column. One with a single table is joined with it instead, which
// costs MariaDB half as much.
type layout struct {
	columns [][]store.Expr // by part: the document, then each table; the first column is the part's number
	at      [][]int        // by part and slot: which column

	joined   []store.Expr // the document's columns, then the table's
	joinedAt [][]int

	statement store.Statement
}

func newLayout(m *meta) *layout {
	parts := []*meta{m}
	for _, t := range m.tables {
		parts = append(parts, t.child)
	}
	l := &layout{at: make([][]int, len(parts))}
	types := []store.ColumnType{store.TypeASCII}
	for p, part := range parts {
		taken := make([]bool, len(types), len(types)+len(part.slots))
		taken[0] = true
		for i := range part.slots {
			typ := part.slots[i].column.Type
			at := slices.IndexFunc(types, func(t store.ColumnType) bool { return t == typ })
			for at >= 0 && at < len(types) && (taken[at] || types[at] != typ) {
				at++
			}
			if at < 0 || at == len(types) {
				at, types, taken = len(types), append(types, typ), append(taken, false)
			}
			taken[at] = true
			l.at[p] = append(l.at[p], at)
		}
	}
	for p, part := range parts {
		number := strconv.Itoa(p)
		columns := make([]store.Expr, len(types))
		for i := range columns {
			columns[i].Func = store.FuncLiteral
		}
		columns[0].Text = &number
		for i, at := range l.at[p] {
			columns[at] = part.slots[i].expr()
		}
		l.columns = append(l.columns, columns)
	}
	for p, part := range parts {
		var at []int
		for i := range part.slots {
			at = append(at, len(l.joined))
			l.joined = append(l.joined, store.Expr{Source: p, Column: part.slots[i].column})
		}
		l.joinedAt = append(l.joinedAt, at)
	}
	return l
}

// eachPart is called with every row of a document, in any order: part is 0 for its own and then counts the tables. The values are
// at the places given by slot.
type eachPart = func(part int, row [][]byte, at []int) error

// readDocument reads a document with its rows as they were at one moment.
func (db *DB) readDocument(ctx context.Context, m *meta, name string, each eachPart) error {
	where, ok := m.named(name)
	if !ok {
		return notFound(m, name)
	}
	if len(m.tables) == 1 {
		return db.readJoined(ctx, m, name, where, each)
	}
	own := &store.Query{From: m.table, Columns: m.layout.columns[0], Where: where, Statement: &m.layout.statement}
	found := false
	err := db.readParts(ctx, m, append([]*store.Query{own}, m.rowParts(name)...), func(part int, row [][]byte, at []int) error {
		found = found || part == 0
		return each(part, row, at)
	})
	if err == nil && !found {
		err = notFound(m, name)
	}
	return err
}

// readJoined is readDocument for a DocType with one table.
func (db *DB) readJoined(ctx context.Context, m *meta, name string, where store.Cond, each eachPart) error {
	t, at := &m.tables[0], m.layout.joinedAt
	q := &store.Query{Tenant: db.tenant, From: m.table, Columns: m.layout.joined, Where: where, Statement: &m.layout.statement, AnyOrder: true,
		Joins: []store.Join{{Table: t.child.table, Column: t.child.expr("parent").Column, Outer: m.slots[slotName].expr(), Where: t.ofField(m)}}}
	found := false
	err := db.each(ctx, q, func(row [][]byte) error {
		if !found {
			found = true
			if err := each(0, row, at[0]); err != nil {
				return err
			}
		}
		if row[at[1][slotName]] == nil { // there are no rows
			return nil
		}
		return each(1, row, at[1])
	})
	if err == nil && !found {
		err = notFound(m, name)
	}
	return err
}

// rowParts are the parts of a document's layout that read its rows.
func (m *meta) rowParts(name string) []*store.Query {
	parts := make([]*store.Query, len(m.tables))
	for i := range m.tables {
		parts[i] = &store.Query{From: m.tables[i].child.table, Columns: m.layout.columns[i+1], Where: m.tables[i].rowsOf(m, name)}
	}
	return parts
}

// readParts runs parts of a layout as one statement.
func (db *DB) readParts(ctx context.Context, m *meta, parts []*store.Query, each eachPart) error {
	for _, part := range parts {
		part.Tenant = db.tenant
	}
	parts[0].Union, parts[0].AnyOrder = parts[1:], true
	return db.each(ctx, parts[0], func(row [][]byte) error {
		part, _ := strconv.Atoi(string(row[0]))
		return each(part, row, m.layout.at[part])
	})
}
