package store

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// sqlBuilder writes a statement. Identifiers are those of tables, columns and indexes that core made, quoted; every value is
// bound. The predicate on the tenant is written with each table.
type sqlBuilder struct {
	d      *Dialect
	tenant any
	text   []byte
	args   []any
	names  int  // how many aliases there are
	silent bool // only the values are wanted
	writes bool // a text that is no number is an error in a statement that writes
	err    error
}

func newSQLBuilder(d *Dialect, tenant string, values int) *sqlBuilder {
	return &sqlBuilder{d: d, tenant: tenant, args: make([]any, 0, values)}
}

func (b *sqlBuilder) add(parts ...string) {
	if b.silent {
		return
	}
	for _, part := range parts {
		b.text = append(b.text, part...)
	}
}

// bind writes a placeholder.
func (b *sqlBuilder) bind(v any) {
	b.add("?")
	b.args = append(b.args, v)
}

// value binds a column's value, given in its text form.
func (b *sqlBuilder) value(c *Column, text string) {
	if v := b.converted(c, text); v != nil {
		b.bind(v)
		return
	}
	b.bind(text)
}

// converted returns what the dialect binds in place of a value's text form, or nil.
func (b *sqlBuilder) converted(c *Column, text string) any {
	if b.d.Bind == nil {
		return nil
	}
	v, err := b.d.Bind(c, text)
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("frappems: column %s: %w", c.Name, err)
	}
	return v
}

// operand binds a value that is compared with a column.
func (b *sqlBuilder) operand(c *Column, text string) {
	before, after, cast := strings.Cut(b.d.Operands[c.Type], "?")
	if !cast {
		b.value(c, text)
		return
	}
	b.add(before)
	b.value(c, text)
	b.add(after)
}

// quoted returns an identifier as SQL.
func (d *Dialect) quoted(name string) string {
	return string(d.appendQuoted(make([]byte, 0, len(name)+2), name))
}

func (d *Dialect) appendQuoted(text []byte, name string) []byte {
	text = append(text, d.Quote)
	for {
		at := strings.IndexByte(name, d.Quote)
		if at < 0 {
			return append(append(text, name...), d.Quote)
		}
		text = append(append(text, name[:at+1]...), d.Quote)
		name = name[at+1:]
	}
}

// columnOf writes a column of a source.
func (b *sqlBuilder) columnOf(alias string, c *Column) {
	if b.silent {
		return
	}
	name := c.Name
	if c.isTenant() {
		name = tenantName
	}
	b.text = b.d.appendQuoted(append(append(b.text, alias...), '.'), name)
}

func (d *Dialect) column(c *Column) string {
	if c.isTenant() {
		return d.quoted(tenantName)
	}
	return d.quoted(c.Name)
}

// sqlScope is the sources that expressions can name, by their aliases.
type sqlScope struct {
	aliases []string
	keys    []sqlKey // the columns of their primary keys
	grouped bool     // columns are those of a group
	by      []Expr   // and are the same in all of its rows if they are one of these
}

// alias names one more source.
func (b *sqlBuilder) alias() string {
	b.names++
	if b.names <= 10 {
		return "t0t1t2t3t4t5t6t7t8t9"[2*b.names-2 : 2*b.names]
	}
	return "t" + strconv.Itoa(b.names-1)
}

func (b *sqlBuilder) scope(t *Table) *sqlScope {
	s := &sqlScope{}
	b.source(s, t, b.alias())
	return s
}

// source adds a table to a scope.
func (b *sqlBuilder) source(s *sqlScope, t *Table, alias string) {
	s.aliases = append(s.aliases, alias)
	for _, c := range t.Key {
		s.keys = append(s.keys, sqlKey{alias, c})
	}
}

// sqlKey is a column of the primary key of a source.
type sqlKey struct {
	alias  string
	column *Column
}

// query writes a query and returns how many columns it has before q's: those of a union's rows begin with the number of
// their part and with the keys of all parts, which say where they come. A part has NULLs in place of the others' keys, so
// that each key has one type and collation.
func (b *sqlBuilder) query(q *Query) (extra int) {
	if len(q.Union) == 0 {
		b.part(q, nil)
		return 0
	}
	parts := append([]*Query{q}, q.Union...)
	keys := 0
	for _, part := range parts {
		if !q.AnyOrder {
			keys += part.keys()
		}
	}
	place := &sqlPlace{behind: keys, mixed: b.mixed(parts)}
	for i, part := range parts {
		if i > 0 {
			b.add(" UNION ALL ")
		}
		place.part = i
		if place.keys = 0; !q.AnyOrder {
			place.keys = part.keys()
		}
		place.behind -= place.keys
		lock := b.d.Locks[part.Lock] != ""
		if lock {
			b.add("(")
		}
		b.part(part, place)
		if lock {
			b.add(")")
		}
		place.before += place.keys
	}
	if q.AnyOrder {
		return 1
	}
	b.add(" ORDER BY ")
	for i := range keys + 1 {
		b.comma(i)
		b.add(strconv.Itoa(i + 1))
	}
	return keys + 1
}

// sqlPlace is a part's place in a union, how many keys it shows and other parts before and behind it, and which columns the
// parts have of different types.
type sqlPlace struct {
	part, keys, before, behind int
	mixed                      []bool
}

// mixed says which columns of a union are to be made text, since the database would make their values one type.
func (b *sqlBuilder) mixed(parts []*Query) []bool {
	if !b.d.TextForms {
		return nil
	}
	mixed := make([]bool, len(parts[0].Columns))
	for i := range mixed {
		var first *Column
		for _, part := range parts {
			if c := part.Columns[i].printed(); c != nil && (c != literalColumn || part.Columns[i].Text != nil) {
				mixed[i] = mixed[i] || first != nil && c.Type != first.Type
				first = c
			}
		}
	}
	return mixed
}

// keys returns how many columns give a row its place.
func (q *Query) keys() int {
	n := 0
	if q.From != nil {
		n = len(q.From.Key)
	}
	for _, j := range q.Joins {
		n += len(j.Table.Key)
	}
	return n
}

func (b *sqlBuilder) comma(i int) {
	if i > 0 {
		b.add(", ")
	}
}

// part writes a query without its union; place is nil where it is no part of one.
func (b *sqlBuilder) part(q *Query, place *sqlPlace) {
	s := &sqlScope{grouped: len(q.GroupBy) > 0 || q.aggregates() || q.dedupes()}
	if q.From != nil {
		b.source(s, q.From, b.alias())
	}
	for _, j := range q.Joins {
		b.source(s, j.Table, b.alias())
	}
	s.by = q.groups()
	b.add("SELECT ")
	if q.Distinct && !(q.dedupes() && hasColumns(q.Columns)) {
		b.add("DISTINCT ")
	}
	if place != nil {
		b.add(strconv.Itoa(place.part), ", ", strings.Repeat("NULL, ", place.before))
		for _, key := range s.keys[:place.keys] {
			b.columnOf(key.alias, key.column)
			b.add(", ")
		}
		b.add(strings.Repeat("NULL, ", place.behind))
	}
	if place != nil && place.mixed != nil {
		b.listAsText(s, q.Columns, place.mixed)
	} else {
		b.list(s, q.Columns)
	}
	if q.From != nil {
		b.from(q, s)
		b.group(s)
		if place == nil && !q.AnyOrder {
			b.order(q, s)
		}
	}
	b.limit(q)
	b.add(b.d.Locks[q.Lock])
}

func hasColumns(exprs []Expr) bool {
	for _, e := range exprs {
		if e.Func == FuncValue {
			return true
		}
	}
	return false
}

// from writes the tables and the condition.
func (b *sqlBuilder) from(q *Query, s *sqlScope) {
	b.add(" FROM ", b.d.quoted(q.From.Name), " AS ", s.aliases[0])
	for i, j := range q.Joins {
		inner := &sqlScope{aliases: s.aliases[i+1 : i+2]}
		b.add(" LEFT JOIN ", b.d.quoted(j.Table.Name), " AS ", inner.aliases[0], " ON ")
		b.belonging(inner, j.Column, j.Outer, &sqlScope{aliases: s.aliases[:i+1]}, &j.Where)
	}
	b.add(" WHERE ")
	b.ofTenant(s.aliases[0])
	b.also(&q.Where, s)
}

// belonging writes the condition on a table whose rows belong to a row of the scope outside. A text equals a number only if
// it is the number's text, not whatever a database takes for that number.
func (b *sqlBuilder) belonging(inner *sqlScope, c *Column, outer Expr, outside *sqlScope, where *Cond) {
	rows := &sqlScope{aliases: outside.aliases} // not their groups
	name, number := inner.aliases[0]+"."+b.d.column(c), c.Type.isNumber()
	b.ofTenant(inner.aliases[0])
	other := outer.printed()
	mixed := other != nil && other.Type.isNumber() != number
	side := func(left string, cast bool, after string) {
		b.add(" AND ", left, " = ")
		if cast {
			b.add("CAST(")
		}
		b.expr(rows, outer)
		if cast {
			b.add(" AS CHAR)")
		}
		b.add(after)
	}
	if !mixed || !number || !b.writes {
		side(name, mixed && !number, "")
	}
	switch {
	case mixed && number:
		side("CAST("+name+" AS CHAR)", false, b.d.Exact)
	case mixed:
		side(name, true, b.d.Exact)
	}
	b.also(where, inner)
}

func (b *sqlBuilder) ofTenant(alias string) {
	b.columnOf(alias, tenantColumn)
	b.add(" = ")
	b.bind(b.tenant)
}

// also writes a condition after another.
func (b *sqlBuilder) also(c *Cond, s *sqlScope) {
	if c.Op != OpTrue {
		b.add(" AND ")
		b.condition(c, s)
	}
}

func (b *sqlBuilder) group(s *sqlScope) {
	if !hasColumns(s.by) {
		return
	}
	n := 0
	b.add(" GROUP BY ")
	plain := &sqlScope{aliases: s.aliases}
	for _, e := range s.by {
		if e.Func == FuncValue {
			b.comma(n)
			b.expr(plain, e)
			n++
		}
	}
}

// order writes the query's order, or the one that rows have without it.
func (b *sqlBuilder) order(q *Query, s *sqlScope) {
	n := 0
	for _, o := range q.order() {
		if o.Expr.Func == FuncLiteral {
			continue
		}
		if n++; n == 1 {
			b.add(" ORDER BY ")
		} else {
			b.add(", ")
		}
		b.expr(s, o.Expr)
		if o.Desc {
			b.add(" DESC")
		}
	}
	if n == 0 && !s.grouped {
		b.add(" ORDER BY ")
		for i, key := range s.keys {
			b.comma(i)
			b.columnOf(key.alias, key.column)
		}
	}
}

func (b *sqlBuilder) limit(q *Query) {
	if q.Limit == 0 && q.Offset == 0 {
		return
	}
	limit := int64(q.Limit)
	if limit == 0 {
		limit = 1<<63 - 1
	}
	b.add(" LIMIT ")
	b.bind(limit)
	b.add(" OFFSET ")
	b.bind(int64(q.Offset))
}

func (b *sqlBuilder) list(s *sqlScope, exprs []Expr) {
	for i, e := range exprs {
		b.comma(i)
		b.expr(s, e)
	}
}

// listAsText is list, with some columns made text.
func (b *sqlBuilder) listAsText(s *sqlScope, exprs []Expr, asText []bool) {
	for i, e := range exprs {
		b.comma(i)
		if !asText[i] {
			b.expr(s, e)
			continue
		}
		b.add("CAST(")
		b.expr(s, e)
		b.add(" AS CHAR)")
	}
}

// named returns the SQL of an expression's column.
func (b *sqlBuilder) named(s *sqlScope, e Expr) string {
	if e.Column == nil || e.Source < 0 || e.Source >= len(s.aliases) {
		b.err = errors.New("frappems: an expression without a column, or on a table that the statement has not")
		return ""
	}
	return s.aliases[e.Source] + "." + b.d.column(e.Column)
}

// expr writes an expression.
func (b *sqlBuilder) expr(s *sqlScope, e Expr) {
	switch e.Func {
	case FuncLiteral:
		if e.Text == nil {
			b.add("NULL")
		} else {
			b.bind(*e.Text)
		}
		return
	case FuncCountRows:
		b.add("COUNT(*)")
		return
	}
	picks := b.d.Pick != nil && e.Column != nil && s.picks(e)
	if e.Func == FuncValue && !picks && e.Column != nil && e.Source >= 0 && e.Source < len(s.aliases) {
		b.columnOf(s.aliases[e.Source], e.Column)
		return
	}
	name := b.named(s, e)
	if b.err != nil {
		return
	}
	if picks {
		keys, of := make([]string, len(s.keys)), make([]*Column, len(s.keys))
		for i, key := range s.keys {
			keys[i], of[i] = key.alias+"."+b.d.column(key.column), key.column
		}
		b.add(b.d.Pick(e.Func, name, e.Column, keys, of))
		return
	}
	switch e.Func {
	case FuncCount:
		b.add("COUNT(", name, ")")
	case FuncCountDistinct:
		b.add("COUNT(DISTINCT ", name, ")")
	case FuncMin:
		b.add("MIN(", name, ")")
	case FuncMax:
		b.add("MAX(", name, ")")
	case FuncSum, FuncAvg:
		b.sum(e, name)
	default:
		b.err = fmt.Errorf("frappems: an expression with the unknown function %d", e.Func)
	}
}

// picks reports whether the rows of a group have several values for the expression, of which one must be chosen.
func (s *sqlScope) picks(e Expr) bool {
	text := e.Column.Type.isText()
	switch e.Func {
	case FuncMin, FuncMax:
		return text
	case FuncValue:
		return s.grouped && (text || !slices.Contains(s.by, e))
	}
	return false
}

func (b *sqlBuilder) sum(e Expr, name string) {
	switch {
	case !e.summable():
		b.err = errNotSummable
	case b.d.Aggregate != nil:
		b.add(b.d.Aggregate(e.Func, name, e.Column))
	case e.Func == FuncSum:
		b.add("SUM(", name, ")")
	default:
		b.add("AVG(", name, ")")
	}
}

// mutation writes a statement that changes rows.
func (b *sqlBuilder) mutation(m *Mutation) {
	table := b.d.quoted(m.Table.Name)
	b.writes = true
	s := &sqlScope{aliases: []string{table}}
	switch m.Kind {
	case InsertRows:
		b.insert(m.Table, m.Columns)
		for i, row := range m.Rows {
			b.comma(i)
			b.add("(")
			b.bind(b.tenant)
			for n, v := range row {
				b.add(", ")
				b.written(m.Columns[n], v)
			}
			b.add(")")
		}
		return
	case UpdateRows:
		b.add("UPDATE ", table, " SET ")
		for n, v := range m.Rows[0] {
			b.comma(n)
			b.add(b.d.column(m.Columns[n]), " = ")
			b.written(m.Columns[n], v)
		}
	case DeleteRows:
		b.add("DELETE FROM ", table)
	default:
		b.err = fmt.Errorf("frappems: a mutation of the unknown kind %d", m.Kind)
	}
	b.add(" WHERE ")
	b.ofTenant(table)
	b.also(&m.Where, s)
}

func (b *sqlBuilder) insert(t *Table, columns []*Column) {
	b.add("INSERT INTO ")
	b.text = b.d.appendQuoted(b.text, t.Name)
	b.add(" (")
	b.text = b.d.appendQuoted(b.text, tenantName)
	for _, c := range columns {
		b.add(", ")
		b.text = b.d.appendQuoted(b.text, c.Name) // the tenant's is not among them
	}
	b.add(") VALUES ")
}

// written binds a value that a row gets.
func (b *sqlBuilder) written(c *Column, v any) {
	given, ok := v.(string)
	if !ok {
		b.bind(nil)
		return
	}
	text, err := c.normal(given)
	if err != nil && b.err == nil {
		b.err = err
	}
	switch converted := b.converted(c, text); {
	case converted != nil:
		b.bind(converted)
	case text == given:
		b.bind(v)
	default:
		b.bind(text)
	}
}

// counter writes the statement of Tx.Next, which returns the counter's new value.
func (b *sqlBuilder) counter(c Counter, name, current *Column, n int) {
	b.insert(c.Table, []*Column{name, current})
	b.add("(")
	b.bind(b.tenant)
	b.add(", ")
	b.written(name, c.Name)
	b.add(", ")
	b.bind(int64(n))
	column := b.d.column(current)
	b.add(") ", b.d.Upsert(column), " RETURNING ", column)
}
