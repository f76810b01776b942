package frappems

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/frappems/frappems/internal/codec"
)

// structPlan says how a Go struct holds the documents of a DocType. It is made when the struct is registered, so that
// moving values needs no look at names.
type structPlan struct {
	meta     *meta
	typ      reflect.Type
	document []int // where the Document is embedded
	fields   []structField
	tables   []structTable
	site     string // where the struct was registered
}

type structField struct {
	index []int
	slot  int
	codec.Codec
}

type structTable struct {
	index []int
	at    int // in the tables of the DocType
	rows  *structPlan
	field *Field
}

// typedDoc is a document with the struct that holds it.
type typedDoc struct {
	plan  *structPlan
	doc   *Doc
	value reflect.Value
	struc any // a pointer to the struct
}

// typed gives a document's struct, and makes it for a document that has none yet.
func (p *structPlan) typed(d *Doc) *typedDoc {
	if d.typed == nil || d.typed.plan != p {
		p.bind(d, reflect.New(p.typ).Interface())
		d.typed.load()
	}
	return d.typed
}

// bind makes struc, a pointer, the struct of a document that has nothing of it yet.
func (p *structPlan) bind(d *Doc, struc any) *typedDoc {
	d.typed = &typedDoc{plan: p, doc: d, value: reflect.ValueOf(struc).Elem(), struc: struc}
	document := p.documentOf(d.typed.value)
	document.doc, document.seen, document.plan, document.in = d, make([]any, len(d.values)), p, d.typed
	return d.typed
}

func (p *structPlan) documentOf(struc reflect.Value) *Document {
	return struc.FieldByIndex(p.document).Addr().Interface().(*Document)
}

// load brings the struct to what its document holds.
func (t *typedDoc) load() { t.plan.load(t.value, t.doc, t) }

// flush brings the document to what its struct holds, where the struct has changed.
func (t *typedDoc) flush() error { return t.plan.flush(t.value, t.doc) }

func (p *structPlan) load(struc reflect.Value, d *Doc, in *typedDoc) {
	document := p.documentOf(struc)
	if document.seen == nil {
		document.seen = make([]any, len(d.values))
	}
	document.doc, document.plan, document.in = d, p, in
	copy(document.seen, d.values)
	for i := range p.fields {
		f := &p.fields[i]
		if field := struc.FieldByIndex(f.index); !f.Same(field, d.values[f.slot]) {
			f.Load(field, d.values[f.slot])
		}
	}
	for i := range p.tables {
		t := &p.tables[i]
		t.load(struc.FieldByIndex(t.index), d.rows[t.at], in)
	}
}

func (p *structPlan) flush(struc reflect.Value, d *Doc) error {
	seen := p.documentOf(struc).seen
	for i := range p.fields {
		f := &p.fields[i]
		if field := struc.FieldByIndex(f.index); !f.Same(field, seen[f.slot]) {
			d.values[f.slot] = f.Value(field)
			seen[f.slot] = d.values[f.slot]
		}
	}
	for i := range p.tables {
		t := &p.tables[i]
		if err := t.flush(struc.FieldByIndex(t.index), d); err != nil {
			return err
		}
	}
	return nil
}

// row gives the struct at a place of a list of rows; it is invalid for a nil pointer.
func (t *structTable) row(list reflect.Value, n int) reflect.Value {
	return reflect.Indirect(list.Index(n))
}

// load brings a list of rows to those of the document. The struct of a row goes where the row is.
func (t *structTable) load(list reflect.Value, docs []*Doc, in *typedDoc) {
	old := make(map[*Doc]reflect.Value, list.Len())
	moved := list.Len() != len(docs)
	for n := range list.Len() {
		if row := t.row(list, n); row.IsValid() {
			d := t.rows.documentOf(row).doc
			old[d], moved = list.Index(n), moved || d != docs[n]
		} else {
			moved = true
		}
	}
	if moved {
		rows := reflect.MakeSlice(list.Type(), len(docs), len(docs))
		for n, d := range docs {
			if same, ok := old[d]; ok {
				rows.Index(n).Set(same)
			} else if list.Type().Elem().Kind() == reflect.Pointer {
				rows.Index(n).Set(reflect.New(t.rows.typ))
			}
		}
		list.Set(rows)
	}
	for n, d := range docs {
		t.rows.load(t.row(list, n), d, in)
	}
}

// flush brings the rows of a document to a list of them.
func (t *structTable) flush(list reflect.Value, d *Doc) error {
	left := make(map[*Doc]bool, len(d.rows[t.at]))
	for _, row := range d.rows[t.at] {
		left[row] = true
	}
	rows, copied := make([]*Doc, list.Len()), false
	for n := range rows {
		struc := t.row(list, n)
		if !struc.IsValid() {
			return fmt.Errorf("frappems: row %d in %s of %s is nil", n+1, t.field.Fieldname, d.meta.Name)
		}
		row := t.rows.documentOf(struc).doc
		if !left[row] {
			if row != nil && !copied { // the list may be another document's, too
				list.Set(reflect.AppendSlice(reflect.Zero(list.Type()), list))
				copied = true
			}
			struc = t.newRow(list.Index(n))
			row = t.rows.documentOf(struc).doc
		}
		delete(left, row)
		rows[n] = row
		if err := t.rows.flush(struc, row); err != nil {
			return err
		}
	}
	if len(rows) > 0 || len(left) > 0 {
		d.rows[t.at] = rows
	}
	return nil
}

// newRow makes a row of an item of a list that is none of the document's yet. A copy of another row takes along what the
// struct does not have of it, but not its name.
func (t *structTable) newRow(item reflect.Value) reflect.Value {
	row := newDoc(t.rows.meta)
	struc := reflect.Indirect(item)
	from := t.rows.documentOf(struc).doc
	if from != nil && item.Kind() == reflect.Pointer { // the other list may hold the same struct
		item.Set(reflect.New(t.rows.typ))
		item.Elem().Set(struc)
		struc = item.Elem()
	}
	document := t.rows.documentOf(struc)
	if from != nil {
		*document = Document{}
		copy(row.values[standardSlots:], from.values[standardSlots:])
	}
	document.doc, document.plan, document.seen = row, t.rows, append([]any(nil), row.values...)
	return struc
}

// planOf makes the plan of a struct, or says what of it does not fit the DocType.
func (r *registry) planOf(t reflect.Type) (*structPlan, error) {
	doctype, _, err := documentTag(t)
	if err != nil {
		return nil, err
	}
	m := r.byName[doctype]
	switch {
	case doctype == "":
		return nil, fmt.Errorf("the embedded frappems.Document has no tag such as `doctype:\"Sales Order\"`")
	case m == nil:
		return nil, fmt.Errorf("there is no DocType %q", doctype)
	}
	return m.planOf(t)
}

func (m *meta) planOf(t reflect.Type) (*structPlan, error) {
	p, known := &structPlan{meta: m, typ: t}, map[string]bool{}
	for _, f := range structFields(t, nil, true) {
		switch name := jsonName(f); {
		case isDocument(f):
			p.document = f.Index
		case known[name]:
			return nil, fmt.Errorf("field %s: %s is there already, those of each document in its frappems.Document", f.Name, name)
		default:
			known[name] = true
			if err := p.addField(f, name); err != nil {
				return nil, fmt.Errorf("field %s: %w", f.Name, err)
			}
		}
	}
	return p, nil
}

func (p *structPlan) addField(f reflect.StructField, name string) error {
	if slot, ok := p.meta.slotOf[name]; ok {
		c, want := codec.Of(f.Type, p.meta.slots[slot].column)
		if want != "" {
			return fmt.Errorf("%s cannot hold %s, want %s", f.Type, p.meta.slots[slot].kind(), want)
		}
		p.fields = append(p.fields, structField{f.Index, slot, c})
		return nil
	}
	at := p.meta.tableOf(name)
	if at < 0 {
		if name == "" {
			return errors.New(`want the name of the DocType's field in a tag such as json:"customer"; json:"-" keeps one out of documents`)
		}
		return fmt.Errorf("%s has no field %q with a value", p.meta.Name, name)
	}
	table := &p.meta.tables[at]
	row := rowType(f.Type)
	doctype, _, err := documentTag(row)
	if f.Type.Kind() != reflect.Slice || err != nil || doctype != "" && doctype != table.child.Name || p.meta == table.child {
		return fmt.Errorf("%s cannot hold rows of %s, want a slice of a struct, or of pointers to one, that embeds "+
			"frappems.Document `doctype:%q`", f.Type, table.child.Name, table.child.Name)
	}
	rows, err := table.child.planOf(row)
	if err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	p.tables = append(p.tables, structTable{f.Index, at, rows, table.field})
	return nil
}

// rowType is the type of the structs in a slice of them, or of pointers to them; another type is itself.
func rowType(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice {
		if t = t.Elem(); t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
	}
	return t
}

// kind is the field type of a slot, in messages.
func (s *slot) kind() string {
	if s.field == nil {
		return s.name
	}
	return s.field.Fieldtype
}

// structFields are the fields of a struct that documents can have, and those of structs that it embeds. One that it embeds as a
// [Document] is among them; with standard its fields are, too. The Index of each is the one from where index is empty.
func structFields(t reflect.Type, index []int, standard bool) (fields []reflect.StructField) {
	for i := range t.NumField() {
		f := t.Field(i)
		f.Index = append(slices.Clip(index), i)
		embedded := f.Anonymous && f.Type.Kind() == reflect.Struct && jsonName(f) == ""
		if embedded && isDocument(f) || !embedded && f.IsExported() && jsonName(f) != "-" {
			fields = append(fields, f)
		}
		if embedded && (standard || !isDocument(f)) {
			fields = append(fields, structFields(f.Type, f.Index, standard)...)
		}
	}
	return fields
}

func isDocument(f reflect.StructField) bool { return f.Type == reflect.TypeFor[Document]() }

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// documentTag finds the Document that a struct embeds, and gives its tags: the DocType and the properties of it.
func documentTag(t reflect.Type) (doctype, properties string, err error) {
	if t.Kind() == reflect.Struct {
		for _, f := range structFields(t, nil, false) {
			if isDocument(f) {
				return f.Tag.Get("doctype"), f.Tag.Get("frappe"), nil
			}
		}
	}
	return "", "", fmt.Errorf("%s is no struct that embeds frappems.Document", t)
}
