package frappems

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/frappems/frappems/internal/value"

	"github.com/frappems/frappems/store"
)

// Doc is one document with its rows, as generic code handles it: a value for each field of its DocType. It is bound to no
// user and is for one goroutine.
type Doc struct {
	meta   *meta
	values []any    // by slot; see value.go for what a value can be
	rows   [][]*Doc // by table field
	isNew  bool
	sent   map[string]any // of a new document: __newname
	before *Doc           // what the store had before the save that is going on
	// written says of a new document that the store has it by now, taken of a row that it belongs to its document.
	written, taken bool
	renaming       *Renaming
	typed          *typedDoc // the struct of its controller
}

func newDoc(m *meta) *Doc {
	return &Doc{meta: m, values: make([]any, len(m.slots)), rows: make([][]*Doc, len(m.tables)), isNew: true}
}

// DocType is the name of the document's DocType.
func (d *Doc) DocType() string { return d.meta.Name }

// Name is the document's name; "" before it has one.
func (d *Doc) Name() string { return toText(d.values[slotName]) }

// Get gives a field's value: nil, string, bool, int64, float64, json.RawMessage (an object or list that a client sent),
// or, for a table, its rows as []*Doc. A field that the DocType does not have is nil.
func (d *Doc) Get(field string) any {
	if at, ok := d.meta.slotOf[field]; ok {
		return d.values[at]
	}
	if at := d.meta.tableOf(field); at >= 0 {
		return d.rows[at]
	}
	return nil
}

// Set changes a field of the document in memory: to a string, a bool, any integer or float, nil, or for a table a list of
// maps. It is checked when the document is saved. A field that the DocType does not have is an error, as is a value of
// another type.
func (d *Doc) Set(field string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return Errorf(ValidationError, "The value for %s cannot be kept: %v", bold(field), err)
	}
	_, isSlot := d.meta.slotOf[field]
	if !isSlot && d.meta.tableOf(field) < 0 {
		return Errorf(ValidationError, "%s has no field %s", bold(d.meta.Name), bold(field))
	}
	return d.assign(field, raw)
}

// tableOf gives the place of a table field, or -1.
func (m *meta) tableOf(field string) int {
	return slices.IndexFunc(m.tables, func(t tableField) bool { return t.field.Fieldname == field })
}

// tableWith gives the place of the first table field with rows of a child DocType, or -1.
func (m *meta) tableWith(child *meta) int {
	return slices.IndexFunc(m.tables, func(t tableField) bool { return t.child == child })
}

// assign sets a field from JSON; what the DocType does not have is passed over, as Frappe does.
func (d *Doc) assign(field string, raw json.RawMessage) error {
	if at, ok := d.meta.slotOf[field]; ok {
		v, err := value.Decode(raw)
		if err != nil {
			return Errorf(DataError, "The value for %s is not valid: %v", bold(field), err)
		}
		if odd, ok := v.(json.RawMessage); ok && d.meta.slots[at].column.Type != store.TypeJSON {
			return Errorf(ValidationError, "Value for %s cannot be %s", bold(field), value.Kind(odd))
		}
		d.values[at] = v
		return nil
	}
	at := d.meta.tableOf(field)
	switch {
	case field == "__newname":
		v, err := value.Decode(raw)
		d.sent = map[string]any{field: v}
		return err
	case at < 0:
		return nil
	}
	rows, err := decodeRows(&d.meta.tables[at], raw)
	if err == nil {
		d.rows[at] = rows
	}
	return err
}

// assignAll sets the fields that a client sent.
func (d *Doc) assignAll(values map[string]json.RawMessage) error {
	for field, raw := range values {
		if err := d.assign(field, raw); err != nil {
			return err
		}
	}
	return nil
}

func decodeRows(t *tableField, raw json.RawMessage) ([]*Doc, error) {
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, Errorf(ValidationError, "%s must be a list of rows, each an object", bold(t.field.label()))
	}
	rows := make([]*Doc, 0, len(items))
	for _, item := range items {
		row := newDoc(t.child)
		if err := row.assignAll(item); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

var errNotUTF8 = Errorf(ValidationError, "The body is not text in UTF-8")

// parseObject reads the JSON object that a body holds; an empty body is an empty object.
func parseObject(data []byte) (map[string]json.RawMessage, error) {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return map[string]json.RawMessage{}, nil
	case !utf8.Valid(data):
		return nil, errNotUTF8
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil || object == nil {
		if kind := bytes.TrimSpace(data)[0]; json.Valid(data) {
			return nil, Errorf(ValidationError, "The body must be a JSON object, this one begins with %q", kind)
		}
		return nil, Errorf(ValidationError, "The body is not valid JSON: %v", value.Locate(data, err))
	}
	return object, nil
}

// clone copies a document deeply enough that changes of the copy do not show in the original.
func (d *Doc) clone() *Doc {
	c := *d
	c.typed = nil
	c.values = slices.Clone(d.values)
	c.rows = make([][]*Doc, len(d.rows))
	for i, rows := range d.rows {
		c.rows[i] = make([]*Doc, len(rows))
		for j, row := range rows {
			c.rows[i][j] = row.clone()
		}
	}
	return &c
}

// snapshot notes what the document holds, and returns what puts it back.
func (d *Doc) snapshot() (restore func()) {
	was := *d
	values, rows, restores := slices.Clone(d.values), make([][]*Doc, len(d.rows)), []func(){}
	for i := range d.rows {
		rows[i] = slices.Clone(d.rows[i])
	}
	d.children(func(row *Doc) error {
		restores = append(restores, row.snapshot())
		return nil
	})
	return func() {
		*d = was
		copy(d.values, values)
		copy(d.rows, rows)
		for _, restore := range restores {
			restore()
		}
	}
}

// children calls f for every row of every table.
func (d *Doc) children(f func(row *Doc) error) error {
	for _, rows := range d.rows {
		for _, row := range rows {
			if err := f(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// setRows takes rows into a table field of the document: their place, their parent, the kind of the parent, its docstatus.
func (d *Doc) setRows() {
	var parent, doctype any = d.Name(), d.meta.Name
	for i, t := range d.meta.tables {
		var field any = t.field.Fieldname
		of := t.child.slotOf
		at, fieldAt, typeAt := of["parent"], of["parentfield"], of["parenttype"]
		for n, row := range d.rows[i] {
			row.values[slotIdx], row.values[slotDocstatus] = int64(n+1), d.values[slotDocstatus]
			row.values[at], row.values[fieldAt], row.values[typeAt] = parent, field, doctype
		}
	}
}

// set changes a value of a field that is known to be there.
func (d *Doc) set(field string, v any) { d.values[d.meta.slotOf[field]] = v }
