package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/frappems/frappems/internal/plain"
)

// memoryRun is one statement while it runs.
type memoryRun struct {
	ctx    context.Context
	data   memoryData
	tenant string
	steps  int
}

// tick returns an error now and then once ctx has ended.
func (r *memoryRun) tick() error {
	if r.steps++; r.steps%1024 == 0 {
		return r.ctx.Err()
	}
	return nil
}

// memoryTuple is one row of each source; nil is a row of NULLs.
type memoryTuple []*memoryRow

// A memoryTest reports whether a condition is true; a memoryValue is an expression's value for the tuples of a group, of
// which there is one where nothing is grouped.
type (
	memoryTest  func(memoryTuple) bool
	memoryValue func([]memoryTuple) cell
)

// query runs a statement.
func (d memoryData) query(ctx context.Context, q *Query) (Rows, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	run := &memoryRun{ctx: ctx, data: d, tenant: q.Tenant}
	rows := &memoryRows{}
	for _, part := range append([]*Query{q}, q.Union...) {
		cells, err := run.part(part)
		if err != nil {
			return nil, err
		}
		rows.cells = append(rows.cells, cells...)
	}
	return rows, nil
}

// part runs a query without its union.
func (r *memoryRun) part(q *Query) ([][]cell, error) {
	tuples, tables, err := r.tuples(q)
	order, by := q.order(), []Expr{}
	for _, o := range order {
		by = append(by, o.Expr)
	}
	var lists [3]memoryExprs
	for i, exprs := range [...][]Expr{q.Columns, q.groups(), by} {
		for _, e := range exprs {
			if err == nil {
				err = lists[i].add(e, tables)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	columns := &lists[0]
	groups := lists[1].group(q, tuples)
	if q.Distinct && !q.dedupes() {
		seen := map[string]bool{}
		groups = slices.DeleteFunc(groups, func(g []memoryTuple) bool {
			key := columns.key(g)
			known := seen[key]
			seen[key] = true
			return known
		})
	}
	lists[2].sort(groups, order)
	groups = groups[min(q.Offset, len(groups)):]
	if q.Limit > 0 {
		groups = groups[:min(q.Limit, len(groups))]
	}
	rows := make([][]cell, len(groups))
	for i, g := range groups {
		rows[i] = columns.cells(g)
	}
	return rows, r.ctx.Err()
}

// memoryExprs is expressions with how to get their values.
type memoryExprs struct {
	exprs  []Expr
	values []memoryValue
}

func (l *memoryExprs) add(e Expr, tables []*memoryTable) error {
	value, err := e.over(tables)
	l.exprs, l.values = append(l.exprs, e), append(l.values, value)
	return err
}

func (l *memoryExprs) cells(group []memoryTuple) []cell {
	cells := make([]cell, len(l.values))
	for i, value := range l.values {
		cells[i] = value(group)
	}
	return cells
}

// key returns equal texts for equal values.
func (l *memoryExprs) key(group []memoryTuple) string {
	var key []byte
	for i, value := range l.values {
		key = l.exprs[i].printed().appendKey(key, value(group))
	}
	return string(key)
}

// group gathers the tuples with equal values, in the order of their first ones. Where nothing is grouped, each is alone.
func (l *memoryExprs) group(q *Query, tuples []memoryTuple) (groups [][]memoryTuple) {
	if len(l.exprs) == 0 && q.aggregates() {
		return [][]memoryTuple{tuples}
	}
	places := map[string]int{}
	for i := range tuples {
		place := len(groups)
		if len(l.exprs) > 0 {
			key := l.key(tuples[i : i+1])
			if known, ok := places[key]; ok {
				groups[known] = append(groups[known], tuples[i])
				continue
			}
			places[key] = place
		}
		groups = append(groups, tuples[i:i+1:i+1])
	}
	return groups
}

// sort orders the groups; ties stay in the order of the primary keys.
func (l *memoryExprs) sort(groups [][]memoryTuple, order []Order) {
	if len(order) == 0 {
		return
	}
	type sortable struct {
		group []memoryTuple
		by    []cell
	}
	list := make([]sortable, len(groups))
	for i, g := range groups {
		list[i] = sortable{g, l.cells(g)}
	}
	slices.SortStableFunc(list, func(a, b sortable) int {
		for i, o := range order {
			c := o.Expr.printed().compareCells(a.by[i], b.by[i])
			if c != 0 && o.Desc {
				return -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	for i := range list {
		groups[i] = list[i].group
	}
}

// tuples returns the rows of a query's sources that satisfy its condition, in the order of their primary keys.
func (r *memoryRun) tuples(q *Query) ([]memoryTuple, []*memoryTable, error) {
	if q.From == nil {
		return []memoryTuple{nil}, nil, nil
	}
	from, err := r.data.table(q.From)
	if err != nil {
		return nil, nil, err
	}
	tables := []*memoryTable{from}
	joins := make([]memoryLookup, len(q.Joins))
	for i, j := range q.Joins {
		if joins[i], err = r.lookup(j.Table, j.Column, j.Outer, &j.Where, tables); err != nil {
			return nil, nil, err
		}
		tables = append(tables, joins[i].table)
	}
	where, err := r.condition(&q.Where, tables)
	if err != nil {
		return nil, nil, err
	}
	tuples, err := r.join(r.scan(from, from.bindings(&q.Where)), joins, where)
	return tuples, tables, err
}

// join extends each row by those of the joined tables and keeps the tuples for which where is true.
func (r *memoryRun) join(rows []*memoryRow, joins []memoryLookup, where memoryTest) ([]memoryTuple, error) {
	var tuples []memoryTuple
	width := len(joins) + 1
	var extend func(memoryTuple) error
	extend = func(t memoryTuple) error {
		if err := r.tick(); err != nil {
			return err
		}
		if len(t) == width {
			if where(t) {
				tuples = append(tuples, slices.Clone(t))
			}
			return nil
		}
		found, err := joins[len(t)-1].find(t)
		if len(found) == 0 {
			found = []*memoryRow{nil}
		}
		for _, row := range found {
			if err == nil {
				err = extend(append(t, row))
			}
		}
		return err
	}
	buffer := make(memoryTuple, 0, width)
	for _, row := range rows {
		if err := extend(append(buffer, row)); err != nil {
			return nil, err
		}
	}
	return tuples, nil
}

// memoryLookup finds the rows of a table that belong to a tuple: of a join or of NOT EXISTS.
type memoryLookup struct {
	run           *memoryRun
	table         *memoryTable
	place         int // of column
	column, other *Column
	outer         memoryValue // of other
	where         memoryTest
	fixed         map[int][]string // by where
}

// lookup prepares a memoryLookup from a tuple of tables.
func (r *memoryRun) lookup(t *Table, c *Column, outer Expr, where *Cond, tables []*memoryTable) (l memoryLookup, err error) {
	l.run = r
	if l.table, err = r.data.table(t); err != nil {
		return l, err
	}
	if l.place, err = l.table.place(c); err != nil {
		return l, err
	}
	if l.outer, err = outer.over(tables); err != nil {
		return l, err
	}
	l.column, l.other, l.fixed = l.table.columns[l.place], outer.printed(), l.table.bindings(where)
	l.where, err = r.condition(where, []*memoryTable{l.table})
	return l, err
}

// find returns the rows in the order of their primary keys.
func (l *memoryLookup) find(t memoryTuple) ([]*memoryRow, error) {
	value := l.outer([]memoryTuple{t})
	if value.null {
		return nil, nil
	}
	if l.column.Type.isNumber() && !l.other.Type.isNumber() && value.s != l.column.printed(value.s) {
		return nil, nil
	}
	fixed := maps.Clone(l.fixed)
	fixed[l.place] = []string{value.s}
	return l.run.filter(l.run.scan(l.table, fixed), func(t memoryTuple) bool {
		have := t[0].cells[l.place]
		return !have.null && l.equal(have.s, value.s) && l.where(t)
	})
}

// equal compares a value of the table with one of the outer expression. A text equals a number if it is the number's text.
func (l *memoryLookup) equal(have, outer string) bool {
	if !l.column.Type.isNumber() && l.other.Type.isNumber() {
		return have == outer
	}
	return l.column.compare(have, outer) == 0
}

// filter keeps the rows of one table for which test is true.
func (r *memoryRun) filter(rows []*memoryRow, test memoryTest) ([]*memoryRow, error) {
	kept := rows[:0]
	for i := range rows {
		if err := r.tick(); err != nil {
			return nil, err
		}
		if test(memoryTuple(rows[i : i+1 : i+1])) {
			kept = append(kept, rows[i])
		}
	}
	return kept, nil
}

// scan returns the tenant's rows in the order of their primary keys: all, or by the index that fixes most, those that can
// have the fixed values in the places that are its keys.
func (r *memoryRun) scan(t *memoryTable, fixed map[int][]string) []*memoryRow {
	tree, columns := t.rows, t.fixes(t.key, fixed)
	for _, index := range t.indexes {
		if by := t.fixes(index.columns, fixed); len(by) > len(columns) && len(columns) < len(t.key) {
			tree, columns = index.rows, by
		}
	}
	prefixes := []string{string(t.prefix([]cell{{s: r.tenant}}, nil))}
	for _, place := range columns {
		prefixes = t.extend(prefixes, t.columns[place], fixed[place])
	}
	var rows []*memoryRow
	for _, prefix := range prefixes {
		rows = slices.AppendSeq(rows, tree.within(prefix))
	}
	if tree != t.rows {
		slices.SortFunc(rows, func(a, b *memoryRow) int { return cmp.Compare(a.key, b.key) })
	}
	return rows
}

// fixes returns the first columns of a key that have fixed values.
func (t *memoryTable) fixes(key []int, fixed map[int][]string) []int {
	combinations := 1
	for i, place := range key {
		values, ok := fixed[place]
		if combinations *= len(values); !ok || i > 0 && combinations > 10000 {
			return key[:i]
		}
	}
	return key
}

// extend appends each value to each prefix. Equal prefixes are one, so that no row is found twice.
func (t *memoryTable) extend(prefixes []string, c *Column, values []string) []string {
	var longer []string
	for _, prefix := range prefixes {
		for _, v := range c.storable(values) {
			longer = append(longer, string(c.appendKey([]byte(prefix), v)))
		}
	}
	slices.Sort(longer)
	return slices.Compact(longer)
}

// storable returns those of the values to compare with that a row can have.
func (c *Column) storable(values []string) []cell {
	cells := make([]cell, 0, len(values))
	for _, v := range values {
		if c.Type.isNumber() {
			text, err := c.normal(v)
			if err != nil || plain.Compare(text, v) != 0 {
				continue
			}
			v = text
		}
		cells = append(cells, cell{s: v})
	}
	return cells
}

// bindings returns the places of columns that a condition on one table fixes to certain values.
func (t *memoryTable) bindings(where *Cond) map[int][]string {
	fixed := map[int][]string{}
	t.bind(where, fixed)
	return fixed
}

func (t *memoryTable) bind(where *Cond, fixed map[int][]string) {
	switch {
	case where.Op == OpAnd:
		for i := range where.Conds {
			t.bind(&where.Conds[i], fixed)
		}
	case (where.Op == OpEqual || where.Op == OpIn) && where.Expr.Source == 0:
		place, err := t.place(where.Expr.Column)
		if err != nil || fixed[place] != nil && len(fixed[place]) <= len(where.Values) {
			return
		}
		if values, err := t.columns[place].wantedAll(where.Values); err == nil {
			fixed[place] = values
		}
	}
}

// memoryRows are rows that have been found already.
type memoryRows struct {
	cells  [][]cell
	at     int
	buffer []byte
	closed bool
}

func (r *memoryRows) Next() bool {
	if r.closed || r.at >= len(r.cells) {
		return false
	}
	r.at++
	return true
}

func (r *memoryRows) Scan(dst [][]byte) error {
	if r.at == 0 || r.closed {
		return fmt.Errorf("frappems: Scan without Next")
	}
	row := r.cells[r.at-1]
	if len(dst) != len(row) {
		return fmt.Errorf("frappems: Scan into %d values of %d", len(dst), len(row))
	}
	size := 1
	for _, v := range row {
		size += len(v.s)
	}
	r.buffer = slices.Grow(r.buffer[:0], size)
	for i, v := range row {
		from := len(r.buffer)
		r.buffer = append(r.buffer, v.s...)
		dst[i] = r.buffer[from:len(r.buffer):len(r.buffer)]
		if v.null {
			dst[i] = nil
		}
	}
	return nil
}

func (r *memoryRows) Err() error { return nil }

func (r *memoryRows) Close() error {
	r.closed = true
	return nil
}
