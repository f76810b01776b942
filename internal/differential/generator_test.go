package differential

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/frappems/frappems/store"
)

// generator makes random schemas, rows and queries.
type generator struct {
	*rand.Rand
	tables []*store.Table // documents, rows of them, and documents with numbers for names
}

func newGenerator(seed uint64) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7))}
	for i, name := range []string{"tabDoc", "tab Row", "tabNumbered"} {
		key := &store.Column{Name: "name", Type: store.TypeVarchar, Length: 140}
		if i == 2 {
			key.Type = store.TypeBigInt
		}
		table := &store.Table{Name: name, Columns: []*store.Column{key, {Name: "parent", Type: store.TypeVarchar, Length: 140}}}
		table.Key = table.Columns[:1]
		for c := range 3 + g.IntN(6) {
			column := &store.Column{Name: fmt.Sprint("c", c), Type: store.ColumnType(g.IntN(int(store.TypeTime) + 1)), Length: 40}
			if g.IntN(4) == 0 {
				column.NotNull, column.Default = true, strings.ReplaceAll(g.value(column), "\x00", "")
			}
			table.Columns = append(table.Columns, column)
		}
		for n := range g.IntN(4) {
			columns := []*store.Column{g.column(table)}
			if other := g.column(table); other != columns[0] {
				columns = append(columns, other)
			}
			index := store.Index{Name: fmt.Sprint("i", n), Columns: columns, Unique: g.IntN(5) == 0}
			if index.Check() == nil {
				table.Indexes = append(table.Indexes, index)
			}
		}
		g.tables = append(g.tables, table)
	}
	return g
}

func (g *generator) column(t *store.Table) *store.Column {
	return t.Columns[g.IntN(len(t.Columns))]
}

func pickOne[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

// letters collide, weigh nothing, sort oddly, or mean something to SQL.
var letters = []string{"a", "A", "á", "b", "B", "ß", "ss", "æ", "ae", "😀", "🚀", " ", " ", "\x00", "%", "_", "\\", "'", "\"", "1", "10", "9", "-", "日", "ﬁ", "Ⅷ", "\t", "ﷺ", "İ", "ı", "𝒳"}

func (g *generator) text() string {
	text := ""
	for range g.IntN(4) {
		text += pickOne(g, letters...)
	}
	return text
}

// value returns a value in a column's text form.
func (g *generator) value(c *store.Column) string {
	switch c.Type {
	case store.TypeASCII:
		return pickOne(g, "", "a", "A", "ab", "aB", "b", "-", "a_", "a%")
	case store.TypeInt:
		return strconv.Itoa(pickOne(g, g.IntN(10)-5, g.IntN(10)-5, g.IntN(100), -2147483648, 2147483647))
	case store.TypeBigInt:
		return strconv.FormatInt(pickOne(g, int64(g.IntN(10)-5), int64(g.IntN(100)), -1<<63, 1<<63-1, 1<<53, 1<<53+1), 10)
	case store.TypeCheck:
		return strconv.Itoa(g.IntN(2))
	case store.TypeDecimal:
		f := pickOne(g, float64(g.IntN(5)), float64(g.IntN(1000))/8, g.NormFloat64(), g.NormFloat64()*1e9, g.Float64()*1e-8, -0.5)
		text := strconv.FormatFloat(f, 'f', 9, 64)
		f, _ = strconv.ParseFloat(text, 64)
		return strconv.FormatFloat(f, 'f', -1, 64)
	case store.TypeRating:
		return fmt.Sprintf("%d.%02d", g.IntN(2), g.IntN(5)*20)
	case store.TypeDate:
		return fmt.Sprintf("20%02d-0%d-1%d", g.IntN(3)+25, g.IntN(3)+1, g.IntN(3))
	case store.TypeDatetime:
		return fmt.Sprintf("2026-11-2%d 0%d:00:00.00000%d", g.IntN(3), g.IntN(3), g.IntN(3))
	case store.TypeTime:
		return fmt.Sprintf("0%d:0%d:00.00000%d", g.IntN(3), g.IntN(3), g.IntN(3))
	}
	return g.text()
}

func (g *generator) tenant() string { return pickOne(g, "acme", "acme", "acme", "ACME") }

func (g *generator) mutation() store.Mutation {
	t := pickOne(g, g.tables...)
	m := store.Mutation{Kind: pickOne(g, store.InsertRows, store.InsertRows, store.InsertRows, store.UpdateRows, store.DeleteRows), Tenant: g.tenant(), Table: t}
	if m.Kind != store.DeleteRows {
		for _, c := range t.Columns {
			if m.Kind == store.InsertRows && c == t.Key[0] || g.IntN(3) > 0 && c != t.Key[0] || g.IntN(20) == 0 {
				m.Columns = append(m.Columns, c)
			}
		}
	}
	if len(m.Columns) == 0 {
		m.Kind = store.DeleteRows
	}
	m.Where = store.Cond{Op: store.OpAnd, Conds: []store.Cond{g.condition([]*store.Table{t}, 2), g.leaf([]*store.Table{t})}}
	rows := 1
	if m.Kind == store.InsertRows {
		rows = 1 + g.IntN(3)
	}
	for range rows {
		row := make([]any, len(m.Columns))
		for i, c := range m.Columns {
			if c == t.Key[0] || g.IntN(4) > 0 || c.NotNull && g.IntN(20) > 0 {
				row[i] = g.value(c)
			}
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

// expr returns a column of one of the tables.
func (g *generator) expr(tables []*store.Table) store.Expr {
	source := g.IntN(len(tables))
	return store.Expr{Source: source, Column: g.column(tables[source])}
}

func (g *generator) condition(tables []*store.Table, depth int) store.Cond {
	switch n := g.IntN(10); {
	case n == 0:
		return store.Cond{}
	case n <= 4 && depth > 0:
		c := store.Cond{Op: pickOne(g, store.OpAnd, store.OpOr)}
		for range g.IntN(4) {
			c.Conds = append(c.Conds, g.condition(tables, depth-1))
		}
		return c
	case n == 5 && depth > 0:
		t := pickOne(g, g.tables...)
		return store.Cond{Op: store.OpNotExists, Sub: &store.Sub{Table: t, Column: pickOne(g, t.Columns[:2]...),
			Outer: g.outer(tables), Where: g.condition([]*store.Table{t}, depth-1)}}
	}
	return g.leaf(tables)
}

// outer returns an expression that a table's name or parent can equal.
func (g *generator) outer(tables []*store.Table) store.Expr {
	source := g.IntN(len(tables))
	return store.Expr{Source: source, Column: pickOne(g, tables[source].Columns[:2]...)}
}

func (g *generator) leaf(tables []*store.Table) store.Cond {
	c := store.Cond{Op: store.OpEqual + store.Op(g.IntN(int(store.OpIsNotNull-store.OpEqual)+1)), Expr: g.expr(tables)}
	n := 1
	switch c.Op {
	case store.OpIn, store.OpNotIn:
		n = g.IntN(5)
	case store.OpBetween:
		n = 2
	case store.OpIsNull, store.OpIsNotNull:
		n = 0
	}
	for range n {
		c.Values = append(c.Values, g.value(c.Expr.Column))
	}
	if c.Op == store.OpLike || c.Op == store.OpNotLike {
		c.Values[0] = pickOne(g, "%", "", "_") + c.Values[0] + pickOne(g, "%", "", "_%")
	}
	return c
}

// query returns a random query and whether it says in which order the rows come.
func (g *generator) query() (q *store.Query, ordered bool) {
	q = &store.Query{Tenant: g.tenant(), From: pickOne(g, g.tables...)}
	tables := []*store.Table{q.From}
	for range pickOne(g, 0, 0, 1, 2) {
		t := pickOne(g, g.tables...)
		j := store.Join{Table: t, Column: pickOne(g, t.Columns[:2]...), Outer: g.outer(tables)}
		if g.IntN(2) == 0 {
			j.Where = g.condition([]*store.Table{t}, 2)
		}
		q.Joins = append(q.Joins, j)
		tables = append(tables, t)
	}
	if g.IntN(4) > 0 {
		q.Where = g.condition(tables, 3)
	}
	for range 1 + g.IntN(4) {
		q.Columns = append(q.Columns, g.expr(tables))
	}
	switch g.IntN(6) {
	case 0:
		return g.grouped(q, tables)
	case 1:
		q.Distinct = true
		q.OrderBy = g.order(q.Columns)
		return q, len(q.OrderBy) == 0
	case 2:
		for range g.IntN(3) {
			part, _ := g.plain()
			part.Tenant, part.Columns = q.Tenant, slices.Repeat(part.Columns, 4)[:len(q.Columns)]
			q.Union = append(q.Union, part)
		}
		return q, true
	}
	if g.IntN(3) > 0 {
		for range g.IntN(3) {
			q.OrderBy = append(q.OrderBy, store.Order{Expr: g.expr(tables), Desc: g.IntN(2) == 0})
		}
		for i, t := range tables {
			q.OrderBy = append(q.OrderBy, store.Order{Expr: store.Expr{Source: i, Column: t.Key[0]}, Desc: g.IntN(2) == 0})
		}
	}
	q.Limit, q.Offset = pickOne(g, 0, 0, 1, 5), pickOne(g, 0, 0, 2)
	return q, true
}

// plain returns a query that can be part of a union.
func (g *generator) plain() (*store.Query, bool) {
	t := pickOne(g, g.tables...)
	q := &store.Query{From: t, Where: g.condition([]*store.Table{t}, 2)}
	for range 1 + g.IntN(4) {
		text := g.text()
		q.Columns = append(q.Columns, pickOne(g, g.expr([]*store.Table{t}), store.Expr{Func: store.FuncLiteral, Text: &text}, store.Expr{Func: store.FuncLiteral}))
	}
	return q, true
}

// grouped adds aggregates to a query.
func (g *generator) grouped(q *store.Query, tables []*store.Table) (*store.Query, bool) {
	for range g.IntN(3) {
		q.GroupBy = append(q.GroupBy, g.expr(tables))
	}
	for range 1 + g.IntN(3) {
		e := g.expr(tables)
		number := e.Column.Type >= store.TypeInt && e.Column.Type <= store.TypeRating
		e.Func = pickOne(g, store.FuncCount, store.FuncCountDistinct, store.FuncMin, store.FuncMax)
		if number {
			e.Func = pickOne(g, e.Func, store.FuncSum, store.FuncAvg)
		}
		q.Columns = append(q.Columns, pickOne(g, e, e, store.Expr{Func: store.FuncCountRows}))
	}
	if g.IntN(2) == 0 {
		q.OrderBy = g.order(q.Columns)
		for _, e := range q.GroupBy {
			q.OrderBy = append(q.OrderBy, store.Order{Expr: e, Desc: g.IntN(2) == 0})
		}
		q.Limit = pickOne(g, 0, 2)
	}
	return q, true
}

// order returns some of the columns as an order.
func (g *generator) order(columns []store.Expr) (order []store.Order) {
	for range g.IntN(3) {
		order = append(order, store.Order{Expr: pickOne(g, columns...), Desc: g.IntN(2) == 0})
	}
	return order
}

func names(columns []*store.Column) string {
	text := ""
	for _, c := range columns {
		text += " " + c.Name + ":" + c.Type.String()
	}
	return text
}

// describe writes a query as one reads it in a failure.
func describe(q *store.Query) string {
	text := fmt.Sprintf("of %s: %s", q.Tenant, describeExprs(q.Columns))
	if q.Distinct {
		text = "distinct " + text
	}
	if q.From != nil {
		text += " from " + q.From.Name
	}
	for _, j := range q.Joins {
		text += fmt.Sprintf(" join %s on %s = %s and %s", j.Table.Name, j.Column.Name, describeExprs([]store.Expr{j.Outer}), describeCond(&j.Where))
	}
	text += fmt.Sprintf(" where %s group by %s order by", describeCond(&q.Where), describeExprs(q.GroupBy))
	for _, o := range q.OrderBy {
		text += fmt.Sprintf(" %s desc=%t", describeExprs([]store.Expr{o.Expr}), o.Desc)
	}
	text += fmt.Sprintf(" limit %d offset %d", q.Limit, q.Offset)
	for _, u := range q.Union {
		text += "\n\tunion " + describe(u)
	}
	return text
}

func describeExprs(exprs []store.Expr) string {
	text := ""
	for _, e := range exprs {
		switch {
		case e.Column != nil:
			text += fmt.Sprintf(" %d.%s:%s(%d)", e.Source, e.Column.Name, e.Column.Type, e.Func)
		case e.Text != nil:
			text += fmt.Sprintf(" %q", *e.Text)
		default:
			text += fmt.Sprintf(" (%d)", e.Func)
		}
	}
	return text
}

func describeCond(c *store.Cond) string {
	switch c.Op {
	case store.OpTrue:
		return "true"
	case store.OpAnd, store.OpOr:
		text := map[store.Op]string{store.OpAnd: "(and", store.OpOr: "(or"}[c.Op]
		for i := range c.Conds {
			text += " " + describeCond(&c.Conds[i])
		}
		return text + ")"
	case store.OpNotExists:
		return fmt.Sprintf("(not exists %s.%s = %s where %s)", c.Sub.Table.Name, c.Sub.Column.Name, describeExprs([]store.Expr{c.Sub.Outer}), describeCond(&c.Sub.Where))
	}
	return fmt.Sprintf("(%s op %d %q)", describeExprs([]store.Expr{c.Expr}), c.Op, c.Values)
}
