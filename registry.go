package frappems

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/frappems/frappems/internal/fieldtype"
	"github.com/frappems/frappems/internal/indexing"

	"github.com/frappems/frappems/store"
)

// registry is the DocTypes of a service, checked and made ready: what a request looks up instead of working it out.
type registry struct {
	byName map[string]*meta
	bySlug map[string]*meta
	names  []string // sorted
}

// meta is a [DocType] made ready.
type meta struct {
	*DocType
	slug     string
	key      []byte       // of its documents in JSON: `"doctype":"Sales Order"`
	table    *store.Table // nil for Single and virtual DocTypes
	slots    []slot       // what a document has a value for, in the order of its JSON
	slotOf   map[string]int
	tables   []tableField
	layout   *layout // nil for Single DocTypes and others without a table
	links    []linkField
	sort     []sortTerm
	levels   bool // some field has a permlevel above 0
	password []int
	// What clients listed lately.
	listFields kept[listKey, listFields]
	statements kept[listKey, store.Statement]
}

// slot is the place of one value in a document: a standard column or a field with one.
type slot struct {
	name   string
	key    []byte // of the value in JSON: `"name":`
	column *store.Column
	field  *Field // nil for most standard columns
	zero   []byte // the text form of what a document shows for NULL; nil is nothing
}

func (s *slot) level() int {
	if s.field == nil {
		return 0
	}
	return int(s.field.Permlevel)
}

func (s *slot) label() string { return s.field.label() }

// expr is the slot's column in a query that begins with its table.
func (s *slot) expr() store.Expr { return store.Expr{Column: s.column} }

// expr is the column of a field, which is known to be there, in a query that begins with the DocType's table.
func (m *meta) expr(field string) store.Expr { return m.slots[m.slotOf[field]].expr() }

// compare is a condition on one column.
func compare(op store.Op, e store.Expr, values ...string) store.Cond {
	return store.Cond{Op: op, Expr: e, Values: values}
}

// label is what users call the field.
func (f *Field) label() string {
	if f.Label != "" {
		return f.Label
	}
	return f.Fieldname
}

type tableField struct {
	field *Field
	key   []byte
	child *meta
}

// linkField is a Link (to doctype) or a Dynamic Link (to the DocType that the slot named by typeSlot holds).
type linkField struct {
	slot     int
	doctype  string
	typeSlot int // -1 for a Link
	fetches  []fetch
}

// fetch copies a field of a link's target.
type fetch struct {
	to   int // slot
	from string
}

type sortTerm struct {
	slot int
	desc bool
}

// The slots of the standard columns, which every document begins with.
const (
	slotName = iota
	slotOwner
	slotCreation
	slotModified
	slotModifiedBy
	slotDocstatus
	slotIdx
	standardSlots
)

// standardColumns makes the columns that every table has; child tables have three more at their end.
func standardColumns(d *DocType) []*store.Column {
	name := &store.Column{Name: "name", Type: store.TypeVarchar, Length: 140, NotNull: true}
	if d.Autoname == "autoincrement" {
		name.Type, name.Length = store.TypeBigInt, 0
	}
	return []*store.Column{
		name,
		{Name: "owner", Type: store.TypeVarchar, Length: 140},
		{Name: "creation", Type: store.TypeDatetime},
		{Name: "modified", Type: store.TypeDatetime},
		{Name: "modified_by", Type: store.TypeVarchar, Length: 140},
		{Name: "docstatus", Type: store.TypeInt, NotNull: true, Default: "0"},
		{Name: "idx", Type: store.TypeInt, NotNull: true, Default: "0"},
	}
}

func parentColumns() []*store.Column {
	return []*store.Column{
		{Name: "parent", Type: store.TypeVarchar, Length: 140},
		{Name: "parentfield", Type: store.TypeVarchar, Length: 140},
		{Name: "parenttype", Type: store.TypeVarchar, Length: 140},
	}
}

// newRegistry checks DocTypes and makes them ready. The error names file, field and reason.
func newRegistry(doctypes []*DocType) (*registry, error) {
	r := &registry{byName: map[string]*meta{}, bySlug: map[string]*meta{}}
	for _, d := range doctypes {
		m, err := newMeta(d)
		if err != nil {
			return nil, d.problem(err)
		}
		if other := r.byName[d.Name]; other != nil {
			return nil, d.problem(fmt.Errorf("the DocType is there twice, also in %s", other.source()))
		}
		if other := r.bySlug[m.slug]; other != nil {
			return nil, d.problem(fmt.Errorf("%s and %s have the same URL, /%s", d.Name, other.Name, m.slug))
		}
		r.byName[d.Name], r.bySlug[m.slug] = m, m
		r.names = append(r.names, d.Name)
	}
	slices.Sort(r.names)
	for _, name := range r.names {
		m := r.byName[name]
		if err := m.connect(r); err != nil {
			return nil, m.problem(err)
		}
		m.layout = newLayout(m)
	}
	return r, nil
}

// lookup finds a DocType by its name or its slug, as URLs have it; nil is unknown.
func (r *registry) lookup(segment string) *meta {
	if m := r.byName[segment]; m != nil {
		return m
	}
	return r.bySlug[segment]
}

// schema is the tables of all DocTypes and of core's own bookkeeping.
func (r *registry) schema() *store.Schema {
	s := &store.Schema{Tables: []*store.Table{counterTable, numberTable, gateTable, singleTable, passwordTable, deletedTable, idempotencyTable}}
	for _, name := range r.names {
		if t := r.byName[name].table; t != nil {
			s.Tables = append(s.Tables, t)
		}
	}
	return s
}

// adoption is what of Frappe's own bookkeeping goes on in core's when its tables become a tenant's.
func (r *registry) adoption(tenant string) *store.Adoption {
	a := &store.Adoption{Tenant: tenant, Counters: counterTable, Numbered: map[string]*store.Table{}, Singles: singleTable}
	for _, name := range r.names {
		switch m := r.byName[name]; {
		case bool(m.IsSingle):
			a.SingleNames = append(a.SingleNames, name)
		case m.table != nil && m.Autoname == "autoincrement":
			a.Numbered[autoincrementCounter(m)] = m.table
		}
	}
	return a
}

// autoincrementCounter names the counter of a DocType whose names are numbers.
func autoincrementCounter(m *meta) string { return "autoincrement:" + m.Name }

// checkGapless refuses what [Config.Gapless] cannot mean.
func (r *registry) checkGapless(names []string) error {
	for _, name := range names {
		known := r.byName[name] != nil
		for _, m := range r.byName {
			known = known || slices.Contains(m.series(), name)
		}
		if name == "" || !known {
			return fmt.Errorf("frappems: Config.Gapless: %q is neither a DocType of this service nor a naming series of one", name)
		}
	}
	return nil
}

// series are the options of the field naming_series.
func (m *meta) series() []string {
	at, has := m.slotOf["naming_series"]
	if !has || m.slots[at].field == nil {
		return nil
	}
	return strings.FieldsFunc(m.slots[at].field.Options, func(r rune) bool { return r == '\n' })
}

func (d *DocType) source() string {
	if d.file == "" {
		return fmt.Sprintf("DocType %q", d.Name)
	}
	return d.file
}

func (d *DocType) problem(err error) error {
	return fmt.Errorf("frappems: %s: %w", d.source(), err)
}

// newMeta makes what needs no other DocType.
func newMeta(d *DocType) (*meta, error) {
	if err := checkName(d.Name, 61); err != nil {
		return nil, fmt.Errorf("name: %w", err)
	}
	m := &meta{DocType: d, slug: slug(d.Name), key: append(jsonKey("doctype"), jsonText(d.Name)...), slotOf: map[string]int{}}
	for _, c := range standardColumns(d) {
		m.addSlot(c, nil)
	}
	if err := m.addFields(); err != nil {
		return nil, err
	}
	if prefix := "field:"; strings.HasPrefix(strings.ToLower(d.Autoname), prefix) {
		field := strings.TrimSpace(d.Autoname[len(prefix):])
		if _, there := m.slotOf[field]; !there {
			return nil, fmt.Errorf("autoname: there is no field %q", field)
		}
	}
	if d.IsTable {
		for _, c := range parentColumns() {
			if i, there := m.slotOf[c.Name]; there {
				m.slots[i].column = c
			} else {
				m.addSlot(c, nil)
			}
		}
	}
	if !d.IsSingle && !d.IsVirtual {
		m.makeTable()
	}
	return m, nil
}

func (m *meta) addSlot(c *store.Column, f *Field) {
	m.slotOf[c.Name] = len(m.slots)
	m.slots = append(m.slots, slot{name: c.Name, key: jsonKey(c.Name), column: c, field: f})
}

func jsonKey(name string) []byte {
	key, _ := json.Marshal(name) // of a string it does not fail
	return append(key, ':')
}

// addFields makes slots of the fields that have a column. One that is named like a standard column is that column.
func (m *meta) addFields() error {
	seen := map[string]bool{}
	for i := range m.Fields {
		f := &m.Fields[i]
		if !fieldtype.Known(f.Fieldtype) {
			return fmt.Errorf("field %q: unknown field type %q", f.Fieldname, f.Fieldtype)
		}
		if f.Fieldname == "" && !fieldtype.HasColumn(f.Fieldtype) && !f.isTable() {
			continue // breaks need no name
		}
		if err := checkName(f.Fieldname, 64); err != nil {
			return fmt.Errorf("field %d (label %q): %w", i+1, f.Label, err)
		}
		if f.Fieldname == "doctype" {
			return fmt.Errorf("field %q: the name is taken by the document's DocType", f.Fieldname)
		}
		if seen[f.Fieldname] {
			return fmt.Errorf("field %q: there are two fields of this name", f.Fieldname)
		}
		seen[f.Fieldname] = true
		m.levels = m.levels || f.Permlevel > 0
		if at, standard := m.slotOf[f.Fieldname]; standard && fieldtype.HasColumn(f.Fieldtype) {
			m.slots[at].field = f
		} else if f.hasColumn() {
			m.addSlot(fieldtype.Column(f.Fieldname, f.Fieldtype, int(f.Length), f.Default), f)
		}
		if f.Fieldtype == "Password" && !bool(f.IsVirtual) {
			m.password = append(m.password, m.slotOf[f.Fieldname])
		}
	}
	return nil
}

// checkName refuses names that no column or table can have, or that hide in a log.
func checkName(name string, most int) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is missing")
	case utf8.RuneCountInString(name) > most:
		return fmt.Errorf("the name %q is longer than %d characters", name, most)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("the name %q begins or ends with a blank", name)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("the name %q is not printable", name)
	}
	return nil
}

// makeTable makes the DocType's table, named as Frappe names it.
func (m *meta) makeTable() {
	t := &store.Table{Name: "tab" + m.Name, Key: []*store.Column{m.slots[slotName].column}}
	for _, s := range m.slots {
		t.Columns = append(t.Columns, s.column)
	}
	m.table = t
}

// addIndexes adds what keeps values unique, what lists in their usual order need, and filters by links that users are offered
// for it, in the same order. The name, which breaks ties, is part of every index.
func (m *meta) addIndexes() {
	usual := []*store.Column{m.slots[slotModified].column}
	if m.sort[0].slot != slotModified && !slices.ContainsFunc(m.sort, func(s sortTerm) bool { return s.desc != m.sort[0].desc }) {
		usual = nil
		for _, s := range m.sort {
			usual = append(usual, m.slots[s.slot].column)
		}
	}
	for i := range m.slots {
		if f := m.slots[i].field; f != nil && bool(f.Unique) {
			indexing.Add(m.table, true, m.slots[i].column)
		}
	}
	if m.IsTable {
		indexing.Add(m.table, false, m.expr("parent").Column, m.slots[slotIdx].column)
		usual = nil
	} else {
		indexing.Add(m.table, false, usual...)
		indexing.Add(m.table, false, m.slots[slotModified].column)
	}
	for i := range m.slots {
		f := m.slots[i].field
		if f != nil && (bool(f.SearchIndex) || f.Fieldtype == "Link" && (bool(f.InListView) || bool(f.InStandardFilter))) {
			indexing.Add(m.table, false, append([]*store.Column{m.slots[i].column}, usual...)...)
		}
	}
}

// connect makes what needs the other DocTypes: child tables, links, what is fetched through them, and the order of lists.
func (m *meta) connect(r *registry) error {
	for i := range m.Fields {
		f := &m.Fields[i]
		if f.isTable() && !bool(f.IsVirtual) {
			child := r.byName[f.Options]
			if child == nil || !bool(child.IsTable) {
				return fmt.Errorf("field %q: %s needs a child DocType in options, %q is none of this service", f.Fieldname, f.Fieldtype, f.Options)
			}
			if !child.IsVirtual {
				m.tables = append(m.tables, tableField{field: f, key: jsonKey(f.Fieldname), child: child})
			}
		}
	}
	for i := range m.slots {
		if err := m.connectLink(i); err != nil {
			return err
		}
		if f := m.slots[i].field; f != nil && f.castNumber(nil) != nil {
			m.slots[i].zero = appendValue(nil, f.castNumber(nil))
		}
	}
	m.connectFetches()
	m.connectSort()
	if m.table == nil {
		return nil
	}
	m.addIndexes()
	return m.table.Check()
}

func (m *meta) connectLink(at int) error {
	f := m.slots[at].field
	if f == nil {
		return nil
	}
	switch f.Fieldtype {
	case "Link":
		if f.Options == "" {
			return fmt.Errorf("field %q: a Link needs a DocType in options", f.Fieldname)
		}
		if f.Options != "[Select]" { // what Frappe's form builder leaves for "not chosen yet"
			m.links = append(m.links, linkField{slot: at, doctype: f.Options, typeSlot: -1})
		}
	case "Dynamic Link":
		by, there := m.slotOf[f.Options]
		if !there {
			return fmt.Errorf("field %q: a Dynamic Link needs a field in options, %q is none of this DocType", f.Fieldname, f.Options)
		}
		m.links = append(m.links, linkField{slot: at, typeSlot: by})
	}
	return nil
}

// connectFetches notes for each link what is copied through it. A fetch_from that names no link field of the DocType is
// passed over, as Frappe does.
func (m *meta) connectFetches() {
	for to := range m.slots {
		f := m.slots[to].field
		if f == nil || f.FetchFrom == "" {
			continue
		}
		link, from, ok := strings.Cut(f.FetchFrom, ".")
		if !ok || from == "" || strings.Contains(from, ".") {
			continue
		}
		for i := range m.links {
			if m.slots[m.links[i].slot].name == link {
				m.links[i].fetches = append(m.links[i].fetches, fetch{to: to, from: from})
			}
		}
	}
}

// connectSort reads sort_field and sort_order: a field, or several with their directions, by commas.
func (m *meta) connectSort() {
	desc := !strings.EqualFold(m.SortOrder, "asc")
	for term := range strings.SplitSeq(m.SortField, ",") {
		words := strings.Fields(strings.ReplaceAll(term, "`", ""))
		if len(words) == 0 {
			continue
		}
		at, there := m.slotOf[words[0]]
		if !there {
			continue
		}
		d := desc
		if strings.Contains(m.SortField, ",") {
			d = len(words) > 1 && strings.EqualFold(words[1], "desc")
		}
		m.sort = append(m.sort, sortTerm{slot: at, desc: d})
	}
	if len(m.sort) == 0 {
		m.sort = []sortTerm{{slot: slotModified, desc: true}}
	}
}

// Core's own tables: naming series and autoincrement, numbers of them that came back, the gates of DocTypes (see DB.passGates), the
// values of Single DocTypes, passwords, what was deleted, and the answers to requests with an Idempotency-Key.
var (
	counterTable  = bookkeeping("__counters", &store.Column{Name: "current", Type: store.TypeBigInt, NotNull: true, Default: "0"}, "name")
	numberTable   = allKey(bookkeeping("__numbers", &store.Column{Name: "number", Type: store.TypeBigInt, NotNull: true}, "series"))
	gateTable     = allKey(bookkeeping("__gates", &store.Column{Name: "doctype", Type: store.TypeVarchar, Length: 140, NotNull: true}))
	singleTable   = bookkeeping("__singles", &store.Column{Name: "value", Type: store.TypeLongText}, "doctype", "field")
	passwordTable = bookkeeping("__passwords", &store.Column{Name: "password", Type: store.TypeLongText}, "doctype", "name", "fieldname")
	deletedTable  = bookkeeping("__deleted", &store.Column{Name: "document", Type: store.TypeLongText}, "doctype", "name", "deleted")

	idempotencyTable = withTime(bookkeeping("__idempotency", &store.Column{Name: "answer", Type: store.TypeLongText}, "request"))
)

// bookkeeping makes a table of one value under a key of names.
func bookkeeping(name string, value *store.Column, key ...string) *store.Table {
	t := &store.Table{Name: name}
	for _, k := range key {
		t.Columns = append(t.Columns, &store.Column{Name: k, Type: store.TypeVarchar, Length: 140, NotNull: true})
	}
	t.Key = t.Columns[:len(key):len(key)]
	t.Columns = append(t.Columns, value)
	return t
}

// withTime adds when each row was made, by which old ones are found.
func withTime(t *store.Table) *store.Table {
	created := &store.Column{Name: "created", Type: store.TypeDatetime}
	t.Columns = append(t.Columns, created)
	t.Indexes = []store.Index{{Name: "created", Columns: []*store.Column{created}}}
	return t
}

func allKey(t *store.Table) *store.Table {
	t.Key = t.Columns
	return t
}
