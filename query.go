package frappems

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/frappems/frappems/internal/filters"
	"github.com/frappems/frappems/internal/value"

	"github.com/frappems/frappems/store"
)

// queryBuilder makes a [Query] of what a client asks for. Every name that the client writes is looked up in the DocTypes,
// and what stands in the query is the column found there; nothing else of the request but values reaches a store.
type queryBuilder struct {
	ctx     context.Context
	db      *DB
	meta    *meta
	access  *access
	now     time.Time
	query   store.Query
	sources []source // of the joins
	output  []column
	dropped bool         // a field was asked for that the user may not read
	parent  []store.Cond // of a list of rows: that they are those of documents that the user may read

	conditions, values int
}

// source is a table of the query beside the first.
type source struct {
	meta   *meta
	access *access
	link   int // the slot of the link that it is the target of; -1 for a child table
}

// ref is a column that a client named.
type ref struct {
	expr   store.Expr
	column *store.Column
	meta   *meta
	at     int // slot
	reads  bool
}

func (r *ref) name() string  { return r.column.Name }
func (r *ref) field() *Field { return r.meta.slots[r.at].field }

// column is one value of an answer's rows.
type column struct {
	name string
	key  []byte
	typ  store.ColumnType
}

func (db *DB) newQuery(ctx context.Context, m *meta) *queryBuilder {
	return &queryBuilder{ctx: ctx, db: db, meta: m, access: db.accessTo(m), now: db.app.now(),
		query: store.Query{Tenant: db.tenant, From: m.table}}
}

// confineRows confines a list of rows to those of documents that the user may read, in tables that the user may read, and
// gives the rows the rights of their documents. Of several DocTypes, which only Administrator may ask for, it is every row.
func (b *queryBuilder) confineRows(parents []*meta) {
	types := store.Cond{Op: store.OpIn, Expr: b.meta.expr("parenttype")}
	for _, p := range parents {
		types.Values = append(types.Values, p.Name)
	}
	if b.parent = []store.Cond{types}; len(parents) > 1 {
		return
	}
	parent := parents[0]
	documents := b.db.accessTo(parent)
	rows := *documents
	rows.meta = b.meta
	rows.always |= rows.own & mayRead // whose documents they are is a condition of the join
	b.access = &rows
	name := parent.slots[slotName]
	b.query.Joins = append(b.query.Joins, store.Join{Table: parent.table, Column: name.column, Outer: b.meta.expr("parent"),
		Where: simplified(store.Cond{Op: store.OpAnd, Conds: documents.conditions(0)})})
	b.sources = append(b.sources, source{meta: parent, access: documents, link: len(b.meta.slots)}) // a slot that no link has
	fields := store.Cond{Op: store.OpIn, Expr: b.meta.expr("parentfield")}
	for _, t := range parent.tables {
		if t.child == b.meta && documents.readsLevel(int(t.field.Permlevel)) {
			fields.Values = append(fields.Values, t.field.Fieldname)
		}
	}
	b.parent = append(b.parent, store.Cond{Op: store.OpIsNotNull, Expr: store.Expr{Source: 1, Column: name.column}}, fields)
}

func notPermitted(field string) error {
	return Errorf(DataError, "Field not permitted in query: %s", escapeHTML(field))
}

// resolve looks a name up: field, `tabDocType`.`field`, child_table.field or link.field.
func (b *queryBuilder) resolve(name string) (*ref, error) {
	prefix, field, dotted := strings.Cut(strings.TrimSpace(name), ".")
	prefix, field = unquoted(prefix), unquoted(field)
	if !dotted {
		return b.refTo(0, prefix, name)
	}
	if doctype, isTable := strings.CutPrefix(prefix, "tab"); isTable {
		if doctype == b.meta.Name {
			return b.refTo(0, field, name)
		}
		if m := b.db.app.registry.byName[doctype]; m != nil {
			at, err := b.joinChild(m)
			if err != nil {
				return nil, err
			}
			return b.refTo(at, field, name)
		}
	}
	if at := b.meta.tableOf(prefix); at >= 0 {
		source, err := b.joinChild(b.meta.tables[at].child)
		if err != nil {
			return nil, err
		}
		return b.refTo(source, field, name)
	}
	for _, l := range b.meta.links {
		if b.meta.slots[l.slot].name == prefix && l.typeSlot < 0 {
			source, err := b.joinLink(&l)
			if err != nil {
				return nil, err
			}
			return b.refTo(source, field, name)
		}
	}
	return nil, notPermitted(name)
}

// unquoted drops the backticks around a name; one alone stays, and makes it a name that nothing has.
func unquoted(name string) string {
	if n := len(name); n > 1 && name[0] == '`' && name[n-1] == '`' {
		return name[1 : n-1]
	}
	return name
}

func (b *queryBuilder) refTo(at int, field, asked string) (*ref, error) {
	m, a := b.meta, b.access
	if at > 0 {
		m, a = b.sources[at-1].meta, b.sources[at-1].access
	}
	slot, there := m.slotOf[field]
	if !there {
		return nil, notPermitted(asked)
	}
	c := m.slots[slot].column
	reads := a.readsLevel(m.slots[slot].level())
	if a.meta == m {
		reads = a.reads(slot)
	}
	return &ref{expr: store.Expr{Source: at, Column: c}, column: c, meta: m, at: slot, reads: reads}, nil
}

// readable is resolve for what is not shown but used: a field that the user may not read is no field. Passwords are
// never compared.
func (b *queryBuilder) readable(name string) (*ref, error) {
	r, err := b.resolve(name)
	if err != nil {
		return nil, err
	}
	if f := r.field(); !r.reads || f != nil && f.Fieldtype == "Password" {
		return nil, notPermitted(name)
	}
	return r, nil
}

// resolveFilter finds the column of a filter. Fields of a child table are named with their DocType, or as child_table.field:
// Frappe's list API knows them by nothing else.
func (b *queryBuilder) resolveFilter(f filters.Filter) (*ref, error) {
	m := b.meta
	if f.DocType != "" {
		m = b.db.app.registry.lookup(f.DocType)
	}
	switch m {
	case nil:
		if b.db.app.config.Fallback != nil { // it may well be there, on the other side
			return nil, Errorf(DataError, "%s is not kept by this service, so its fields cannot be filtered here", bold(f.DocType))
		}
		return nil, Errorf(DoesNotExistError, "DocType %s not found", escapeHTML(f.DocType))
	case b.meta:
		return b.readable(f.Field)
	}
	return b.readable("`tab" + m.Name + "`.`" + strings.ReplaceAll(f.Field, ".", "") + "`")
}

// joinChild adds the rows of a child table of the DocType.
func (b *queryBuilder) joinChild(m *meta) (int, error) {
	for i, s := range b.sources {
		if s.meta == m && s.link < 0 {
			return i + 1, nil
		}
	}
	var known, readable []string
	for _, t := range b.meta.tables {
		if t.child == m {
			known = append(known, t.field.Fieldname)
			if b.access.readsLevel(int(t.field.Permlevel)) && !b.access.onlySelects() {
				readable = append(readable, t.field.Fieldname)
			}
		}
	}
	switch {
	case known == nil:
		return 0, Errorf(DataError, "%s is not a child table of %s", bold(m.Name), bold(b.meta.Name))
	case readable == nil:
		return 0, notPermitted(known[0])
	}
	b.query.Joins = append(b.query.Joins, store.Join{
		Table: m.table, Column: m.expr("parent").Column, Outer: b.meta.expr("name"),
		Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{compare(store.OpEqual, m.expr("parenttype"), b.meta.Name),
			compare(store.OpIn, m.expr("parentfield"), readable...)}},
	})
	b.sources = append(b.sources, source{meta: m, access: b.access, link: -1})
	return len(b.sources), nil
}

// joinLink adds the target of a link: only where the user may read it, so that neither its values nor an order by them
// tell anything about documents that the user cannot open.
func (b *queryBuilder) joinLink(l *linkField) (int, error) {
	for i, s := range b.sources {
		if s.link == l.slot {
			return i + 1, nil
		}
	}
	m := b.db.app.registry.byName[l.doctype]
	if m == nil || m.table == nil {
		return 0, Errorf(DataError, "%s is not kept by this service, so its fields cannot be listed here", bold(l.doctype))
	}
	own := &b.meta.slots[l.slot]
	if !b.access.reads(l.slot) {
		return 0, notPermitted(own.name)
	}
	a := b.db.accessTo(m)
	if err := a.checkList(); err != nil {
		return 0, err
	}
	b.query.Joins = append(b.query.Joins, store.Join{
		Table: m.table, Column: m.slots[slotName].column, Outer: store.Expr{Column: own.column},
		Where: simplified(store.Cond{Op: store.OpAnd, Conds: a.conditions(0)}),
	})
	b.sources = append(b.sources, source{meta: m, access: a, link: l.slot})
	return len(b.sources), nil
}

// aggregates are the functions that fields and order_by may have, with the form of their results.
var aggregates = map[string]store.Func{"count": store.FuncCount, "sum": store.FuncSum, "avg": store.FuncAvg, "min": store.FuncMin, "max": store.FuncMax}

// expression reads a field or an aggregate of one. ok is false for a field that the user may not read.
func (b *queryBuilder) expression(text string) (e store.Expr, c column, ok bool, err error) {
	name, argument, isCall := strings.Cut(text, "(")
	if !isCall {
		r, err := b.resolve(text)
		if err != nil {
			return e, c, false, err
		}
		return r.expr, column{name: r.name(), typ: r.column.Type}, r.reads, nil
	}
	fn, known := aggregates[strings.ToLower(strings.TrimSpace(name))]
	argument, closed := strings.CutSuffix(strings.TrimSpace(argument), ")")
	if !known || !closed {
		return e, c, false, Errorf(DataError, "Use of sub-query or function is restricted: %s", quoteShort(text))
	}
	c = column{name: text, typ: store.TypeBigInt}
	if strings.TrimSpace(argument) == "*" && fn == store.FuncCount {
		return store.Expr{Func: store.FuncCountRows}, c, true, nil
	}
	if words := strings.Fields(argument); fn == store.FuncCount && len(words) == 2 && strings.EqualFold(words[0], "distinct") {
		fn, argument = store.FuncCountDistinct, words[1]
	}
	r, err := b.resolve(argument)
	if err != nil {
		return e, c, false, err
	}
	switch fn {
	case store.FuncSum, store.FuncAvg:
		if !isNumeric(r.column.Type) {
			return e, c, false, Errorf(DataError, "%s needs a number, %s is none", bold(name), bold(r.name()))
		}
		c.typ = store.TypeDecimal
	case store.FuncMin, store.FuncMax:
		c.typ = r.column.Type
	}
	r.expr.Func = fn
	return r.expr, c, r.reads, nil
}

// addField adds one field of the client's list to the answer: a field, an aggregate, a * or one with an alias.
func (b *queryBuilder) addField(text string) error {
	text = strings.TrimSpace(text)
	alias := ""
	if words := strings.Fields(text); len(words) > 2 && strings.EqualFold(words[len(words)-2], "as") {
		alias = strings.Trim(words[len(words)-1], "`'\"")
		text = strings.Join(words[:len(words)-2], " ")
	}
	if text == "*" || text == "`tab"+b.meta.Name+"`.*" {
		return b.addAllFields()
	}
	if slices.Contains([]string{"_user_tags", "_comments", "_assign", "_liked_by", "_seen"}, text) {
		b.addOutput(store.Expr{Func: store.FuncLiteral}, column{name: text})
		return nil
	}
	e, c, ok, err := b.expression(text)
	if err != nil {
		if b.hasNoColumn(text) {
			b.dropped = true
			return nil
		}
		return err
	}
	if !ok {
		b.dropped = true
		return nil
	}
	if alias != "" {
		if !isWord(alias) {
			return Errorf(DataError, "%s is not a name", quoteShort(alias))
		}
		c.name = alias
	}
	b.addOutput(e, c)
	return nil
}

// hasNoColumn says whether the name is a field without a value of its own, such as a table: Frappe leaves it out.
func (b *queryBuilder) hasNoColumn(name string) bool {
	return slices.ContainsFunc(b.meta.Fields, func(f Field) bool {
		return f.Fieldname == name && !f.hasColumn()
	})
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func (b *queryBuilder) addAllFields() error {
	for i := range b.meta.slots {
		if b.access.reads(i) {
			c := b.meta.slots[i].column
			b.addOutput(store.Expr{Column: c}, column{name: c.Name, typ: c.Type})
		}
	}
	return nil
}

// addOutput adds a value to the rows; of two with one name the last one stands, as in Python's dict.
func (b *queryBuilder) addOutput(e store.Expr, c column) {
	c.key = jsonKey(c.name)
	if at := slices.IndexFunc(b.output, func(o column) bool { return o.name == c.name }); at >= 0 {
		b.output[at], b.query.Columns[at] = c, e
		return
	}
	b.output, b.query.Columns = append(b.output, c), append(b.query.Columns, e)
}

// addFields reads the parameter fields: JSON, a list of fields or one text with commas.
func (b *queryBuilder) addFields(raw json.RawMessage) error {
	var list []any
	var one string
	if err := json.Unmarshal(raw, &list); err != nil {
		if json.Unmarshal(raw, &one) != nil {
			return Errorf(ValidationError, "fields must be a JSON list of field names, such as [\"name\"], or \"*\": %v", value.Locate(raw, err))
		}
		for part := range strings.SplitSeq(one, ",") {
			list = append(list, part)
		}
	}
	if len(list) > maxFields {
		return Errorf(ValidationError, "There are more than %d fields", maxFields)
	}
	for _, item := range list {
		field, isText := item.(string)
		if item == nil || isText && strings.TrimSpace(field) == "" {
			continue
		}
		if !isText {
			return Errorf(DataError, "A field must be a text such as \"name\"")
		}
		if err := b.addField(field); err != nil {
			return err
		}
	}
	return nil
}

// orderBy reads the parameter order_by, or takes the DocType's own order where it is empty. So that pages do not
// overlap, what is equal is ordered by name.
func (b *queryBuilder) orderBy(text string) error {
	if strings.TrimSpace(text) == "" {
		if !b.isAggregate() {
			for _, s := range b.meta.sort {
				b.query.OrderBy = append(b.query.OrderBy, store.Order{Expr: store.Expr{Column: b.meta.slots[s.slot].column}, Desc: s.desc})
			}
		}
		b.breakTies()
		return nil
	}
	for term := range strings.SplitSeq(text, ",") {
		words := strings.Fields(term)
		desc := false
		if n := len(words); n > 1 {
			direction := strings.ToLower(words[n-1])
			if desc = direction == "desc"; desc || direction == "asc" {
				words = words[:n-1]
			}
		}
		if len(words) == 0 {
			return Errorf(DataError, "order_by has an empty part: %s", quoteShort(text))
		}
		e, err := b.sortExpression(strings.Join(words, " "))
		if err != nil {
			return err
		}
		b.query.OrderBy = append(b.query.OrderBy, store.Order{Expr: e, Desc: desc})
	}
	b.breakTies()
	return nil
}

// sortExpression is a column or aggregate to sort or group by, or the alias of one that is in the answer.
func (b *queryBuilder) sortExpression(text string) (store.Expr, error) {
	for i, c := range b.output {
		if c.name == unquoted(text) && b.query.Columns[i].Func != store.FuncLiteral {
			return b.query.Columns[i], nil
		}
	}
	e, _, ok, err := b.expression(text)
	if err == nil && !ok {
		err = notPermitted(text)
	}
	return e, err
}

func (b *queryBuilder) isAggregate() bool {
	return len(b.query.GroupBy) > 0 || slices.ContainsFunc(b.query.Columns, func(e store.Expr) bool {
		return e.Func != store.FuncValue && e.Func != store.FuncLiteral
	})
}

// breakTies makes the order total where rows are documents, and child rows beside their parents come by their place. Names go
// in the direction of the last term, so that an index can be read in one.
func (b *queryBuilder) breakTies() {
	if b.isAggregate() {
		for _, e := range b.query.GroupBy {
			b.query.OrderBy = append(b.query.OrderBy, store.Order{Expr: e})
		}
		return
	}
	last := len(b.query.OrderBy) - 1
	b.query.OrderBy = append(b.query.OrderBy, store.Order{Expr: b.meta.slots[slotName].expr(), Desc: last >= 0 && b.query.OrderBy[last].Desc})
	for i, s := range b.sources {
		if s.link < 0 {
			for _, name := range []string{"parentfield", "idx"} {
				c := s.meta.slots[s.meta.slotOf[name]].column
				b.query.OrderBy = append(b.query.OrderBy, store.Order{Expr: store.Expr{Source: i + 1, Column: c}})
			}
		}
	}
}

// groupBy reads the parameter group_by: fields by commas.
func (b *queryBuilder) groupBy(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	for term := range strings.SplitSeq(text, ",") {
		e, err := b.sortExpression(strings.TrimSpace(term))
		if err != nil {
			return err
		}
		if e.Func != store.FuncValue {
			return Errorf(DataError, "group_by takes fields, %s is none", quoteShort(term))
		}
		b.query.GroupBy = append(b.query.GroupBy, e)
	}
	return nil
}

// treeCondition is a filter along a tree whose documents have lft and rgt: it finds the names first, then uses them.
func (b *queryBuilder) treeCondition(r *ref, f filters.Filter, operator string) (store.Cond, error) {
	tree := r.meta
	if own := r.field(); own != nil && own.Fieldtype == "Link" {
		tree = b.db.app.registry.byName[own.Options]
	}
	if tree == nil || tree.table == nil || tree.table.Column("lft") == nil || tree.table.Column("rgt") == nil {
		return store.Cond{}, Errorf(ValidationError, "%s is not a tree of this service", bold(f.Field))
	}
	a := b.db.accessTo(tree)
	if err := a.checkList(); err != nil {
		return store.Cond{}, err
	}
	names, err := b.treeNames(tree, a, toText(f.Value), strings.Contains(operator, "descendants"))
	if err != nil {
		return store.Cond{}, err
	}
	if strings.HasSuffix(operator, "(inclusive)") {
		names = append(names, toText(f.Value))
	}
	if strings.HasPrefix(operator, "not ") {
		return orNull(store.Cond{Op: store.OpNotIn, Expr: r.expr, Values: names}), nil
	}
	return store.Cond{Op: store.OpIn, Expr: r.expr, Values: names}, nil
}

func (b *queryBuilder) treeNames(tree *meta, a *access, node string, below bool) ([]string, error) {
	lft, rgt := store.Expr{Column: tree.table.Column("lft")}, store.Expr{Column: tree.table.Column("rgt")}
	name := store.Expr{Column: tree.slots[slotName].column}
	bounds, err := b.db.texts(b.ctx, &store.Query{Tenant: b.db.tenant, From: tree.table, Columns: []store.Expr{lft, rgt},
		Where: store.Cond{Op: store.OpAnd, Conds: append(a.conditions(0), compare(store.OpEqual, name, node))}})
	if err != nil || len(bounds) == 0 {
		return nil, err
	}
	left, right := store.OpLess, store.OpGreater
	if below {
		left, right = store.OpGreater, store.OpLess
	}
	rows, err := b.db.texts(b.ctx, &store.Query{Tenant: b.db.tenant, From: tree.table, Columns: []store.Expr{name}, Limit: maxValues,
		Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{{Op: left, Expr: lft, Values: bounds[0][:1]}, {Op: right, Expr: rgt, Values: bounds[0][1:]}}}})
	names := make([]string, 0, len(rows))
	for _, row := range rows {
		names = append(names, row[0])
	}
	return names, err
}
