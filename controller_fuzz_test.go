package frappems

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/frappems/frappems/store"
)

// FuzzStructs makes a struct for a DocType of Frappe, with some of its fields in one of the Go types that can hold them, and
// leads a document with any values through it. What the struct does not change stays byte for byte, in fields that it has
// and in those that it does not; what it changes arrives, rows with the identity that they had.
func FuzzStructs(f *testing.F) {
	types, err := LoadDocTypes(os.DirFS("testdata/frappe-doctypes"))
	if err != nil {
		f.Fatal(err)
	}
	r, err := newRegistry(types)
	if err != nil {
		f.Fatal(err)
	}
	for i := range len(r.names) {
		f.Add(uint64(i))
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m := r.byName[r.names[seed%uint64(len(r.names))]]
		s := &structTest{t, rand.New(rand.NewPCG(seed, 1))}
		p, err := r.planOf(s.structOf(m, true))
		if err != nil {
			t.Fatal(err)
		}
		d := s.document(m)
		before := exactly(d)
		typed := p.typed(d)
		if err := typed.flush(); err != nil || exactly(d) != before {
			t.Fatalf("%s: error %v, an unchanged document became\n%s, want\n%s", m.Name, err, exactly(d), before)
		}
		s.changed(p, typed)
	})
}

type structTest struct {
	*testing.T
	random *rand.Rand
}

// oneOf chooses.
func oneOf[T any](s *structTest, list ...T) T { return list[s.random.IntN(len(list))] }

// structOf makes a struct type with most fields of a DocType.
func (s *structTest) structOf(m *meta, rows bool) reflect.Type {
	fields := []reflect.StructField{{Name: "Document", Anonymous: true, Type: reflect.TypeFor[Document](),
		Tag: reflect.StructTag(fmt.Sprintf("doctype:%q", m.Name))}}
	add := func(name string, t reflect.Type) {
		fields = append(fields, reflect.StructField{Name: fmt.Sprint("F", len(fields)), Type: t,
			Tag: reflect.StructTag(fmt.Sprintf("json:%q", name))})
	}
	for i := standardSlots; i < len(m.slots); i++ {
		if s.random.IntN(4) > 0 {
			add(m.slots[i].name, s.goType(m.slots[i].column.Type))
		}
	}
	for i := range m.tables {
		if rows && s.random.IntN(4) > 0 {
			row := s.structOf(m.tables[i].child, false)
			add(m.tables[i].field.Fieldname, reflect.SliceOf(oneOf(s, row, reflect.PointerTo(row))))
		}
	}
	return reflect.StructOf(fields)
}

func (s *structTest) goType(typ store.ColumnType) reflect.Type {
	switch typ {
	case store.TypeCheck:
		return oneOf(s, reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[*bool](), reflect.TypeFor[sql.NullBool]())
	case store.TypeInt, store.TypeBigInt:
		return oneOf(s, reflect.TypeFor[int](), reflect.TypeFor[int64](), reflect.TypeFor[*int](), reflect.TypeFor[sql.NullInt64]())
	case store.TypeDecimal, store.TypeRating:
		return oneOf(s, reflect.TypeFor[float64](), reflect.TypeFor[*float64](), reflect.TypeFor[sql.Null[float64]]())
	case store.TypeJSON:
		return oneOf(s, reflect.TypeFor[json.RawMessage](), reflect.TypeFor[string]())
	}
	return oneOf(s, reflect.TypeFor[string](), reflect.TypeFor[Code](), reflect.TypeFor[*string](), reflect.TypeFor[sql.NullString]())
}

// document makes a document with any values: what clients send is not what columns hold until it is saved.
func (s *structTest) document(m *meta) *Doc {
	d := newDoc(m)
	for i := range d.values {
		d.values[i] = oneOf[any](s, nil, nil, "", "text", " 12 ", "1,000.5", "2026-03-15", true, false, int64(0), int64(1), int64(-7),
			0.0, 2.5, 1e300, json.RawMessage(`{"a":[1,2]}`), json.RawMessage(`[]`))
		if m.slots[i].column.Type == store.TypeJSON {
			d.values[i] = oneOf[any](s, nil, "", `{"a": 1}`, json.RawMessage(`{"a":[1,2]}`))
		}
	}
	for i, t := range m.tables {
		d.rows[i] = make([]*Doc, s.random.IntN(4))
		for n := range d.rows[i] {
			d.rows[i][n] = s.document(t.child)
			d.rows[i][n].rows = nil
		}
	}
	return d
}

// exactly prints everything that a document holds, with the types of its values.
func exactly(d *Doc) string {
	text := fmt.Sprintf("%p %#v", d, d.values)
	for _, rows := range d.rows {
		text += "\n["
		for _, row := range rows {
			text += "\n\t" + exactly(row)
		}
		text += "]"
	}
	return text
}

// changed changes fields and rows of a struct, and looks for what it did in the document.
func (s *structTest) changed(p *structPlan, typed *typedDoc) {
	s.Helper()
	d, was := typed.doc, typed.doc.clone()
	if was.typed != nil {
		s.Errorf("a copy of a document of %s has its struct", p.meta.Name)
	}
	declared := s.changeFields(p, typed.value)
	for i := range p.tables {
		s.changeRows(&p.tables[i], typed.value.FieldByIndex(p.tables[i].index))
	}
	want := s.json(typed.struc)
	if err := typed.flush(); err != nil {
		s.Fatal(err)
	}
	for i := range d.values {
		if !declared[i] && !reflect.DeepEqual(d.values[i], was.values[i]) {
			s.Errorf("%s %s: got %#v, want %#v as before", p.meta.Name, p.meta.slots[i].name, d.values[i], was.values[i])
		}
	}
	typed.load()
	if got := s.json(typed.struc); got != want {
		s.Errorf("%s after load: got\n%s, want\n%s", p.meta.Name, got, want)
	}
	fresh := p.bind(d, reflect.New(p.typ).Interface())
	fresh.load()
	if got := s.json(fresh.struc); got != want {
		s.Errorf("%s in a new struct: got\n%s, want\n%s", p.meta.Name, got, want)
	}
}

// json prints a struct, without what a row that is a copy has of its own.
func (s *structTest) json(struc any) string {
	s.Helper()
	text, err := json.Marshal(struc)
	var object map[string]any
	if err != nil {
		s.Fatal(err)
	}
	if err := json.Unmarshal(text, &object); err != nil {
		s.Fatal(err)
	}
	for _, v := range object {
		rows, _ := v.([]any)
		for _, row := range rows {
			if row, isRow := row.(map[string]any); isRow {
				maps.DeleteFunc(row, func(key string, _ any) bool { return slices.Contains(ownOfRow, key) })
			}
		}
	}
	if text, err = json.Marshal(object); err != nil {
		s.Fatal(err)
	}
	return string(text)
}

var ownOfRow = []string{"name", "owner", "creation", "modified", "modified_by", "docstatus", "idx"}

// changeFields changes a third of the fields to values that can be told from those before, and says which.
func (s *structTest) changeFields(p *structPlan, struc reflect.Value) map[int]bool {
	changed := map[int]bool{}
	for i := range p.fields {
		f := &p.fields[i]
		if s.random.IntN(3) > 0 {
			continue
		}
		changed[f.slot] = true
		field := struc.FieldByIndex(f.index)
		v := oneOf[any](s, nil, int64(1), int64(0), 77.0)
		if f.slot == slotName || p.meta.slots[f.slot].column.Type == store.TypeJSON {
			v = "88"
		}
		f.Load(field, v)
	}
	return changed
}

// changeRows drops, copies, adds and shuffles rows, and looks for each where it was put.
func (s *structTest) changeRows(t *structTable, list reflect.Value) {
	s.Helper()
	rows := reflect.MakeSlice(list.Type(), 0, 4)
	for n := range list.Len() {
		for range s.random.IntN(3) {
			rows = reflect.Append(rows, list.Index(n))
		}
	}
	if s.random.IntN(2) > 0 {
		added := reflect.New(t.rows.typ)
		s.changeFields(t.rows, added.Elem())
		if list.Type().Elem().Kind() != reflect.Pointer {
			added = added.Elem()
		}
		rows = reflect.Append(rows, added)
	}
	s.random.Shuffle(rows.Len(), reflect.Swapper(rows.Interface()))
	if list.SetZero(); rows.Len() > 0 { // an empty list prints as null, wherever it comes from
		list.Set(rows)
	}
}

func TestRowsKeepTheirIdentity(t *testing.T) {
	child := &DocType{Name: "Row", IsTable: true, Fields: []Field{{Fieldname: "qty", Fieldtype: "Int"}, {Fieldname: "note", Fieldtype: "Data"}}}
	parent := &DocType{Name: "Parent", Fields: []Field{{Fieldname: "rows", Fieldtype: "Table", Options: "Row"}}}
	r, err := newRegistry([]*DocType{child, parent})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Document `doctype:"Row"`
		Qty      int `json:"qty"`
	}
	type pointers struct {
		Document `doctype:"Parent"`
		Rows     []*row `json:"rows"`
	}
	type values struct {
		Document `doctype:"Parent"`
		Rows     []row `json:"rows"`
	}
	for _, test := range []struct {
		change string
		want   []string // name, qty and note of each row, and which it was
	}{
		{"nothing", []string{"a 1 x 0", "b 2 y 1", "c 3 z 2"}},
		{"drop", []string{"b 2 y 1", "c 3 z 2"}},
		{"all", nil},
		{"reverse", []string{"c 7 z 2", "b 2 y 1", "a 1 x 0"}},
		{"append", []string{"a 1 x 0", "b 2 y 1", "c 3 z 2", " 4  -1"}},
		{"replace", []string{" 4  -1"}},
		{"copy", []string{"a 1 x 0", "b 2 y 1", "c 3 z 2", " 1 x -1"}},
	} {
		t.Run(test.change, func(t *testing.T) {
			for _, struc := range []any{&pointers{}, &values{}} {
				p, err := r.planOf(reflect.TypeOf(struc).Elem())
				if err != nil {
					t.Fatal(err)
				}
				d := newDoc(r.byName["Parent"])
				for i, name := range []string{"a", "b", "c"} {
					row := newDoc(r.byName["Row"])
					row.values[slotName] = name
					row.set("qty", int64(i+1))
					row.set("note", string(rune('x'+i)))
					d.rows[0] = append(d.rows[0], row)
				}
				was := slices.Clone(d.rows[0])
				typed := p.bind(d, struc)
				err = typed.run(func(any) error {
					switch struc := struc.(type) {
					case *pointers:
						struc.Rows = changedRows(test.change, struc.Rows, &row{Qty: 4})
						if test.change == "reverse" {
							struc.Rows[0].Qty = 7
						}
					case *values:
						struc.Rows = changedRows(test.change, struc.Rows, row{Qty: 4})
						if test.change == "reverse" {
							struc.Rows[0].Qty = 7
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, row := range d.rows[0] {
					got = append(got, fmt.Sprintf("%s %s %s %d", row.Name(), toText(row.Get("qty")), toText(row.Get("note")), slices.Index(was, row)))
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("%T: got %q, want %q", struc, got, test.want)
				}
				typed.load() // and once more, now that rows have moved
				if err := typed.flush(); err != nil || len(d.rows[0]) != len(test.want) {
					t.Errorf("%T: error %v and %d rows when nothing changed", struc, err, len(d.rows[0]))
				}
			}
		})
	}
}

func changedRows[R any](change string, rows []R, added R) []R {
	switch change {
	case "drop":
		return slices.Delete(rows, 0, 1)
	case "all":
		return nil
	case "reverse":
		slices.Reverse(rows)
	case "append":
		return append(rows, added)
	case "replace":
		return []R{added}
	case "copy":
		return append(rows, rows[0])
	}
	return rows
}

// CallDocMethod calls a method of a stored document as a client does, without the checks before it, and says whether it may be
// called by GET and the right that it needs.
func CallDocMethod(t *testing.T, db *DB, doctype, name, method, args string) (out any, rules string, err error) {
	t.Helper()
	d, err := db.Get(t.Context(), doctype, name)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := parseObject([]byte(args))
	if err != nil {
		t.Fatal(err)
	}
	m := db.app.lifecycle.methods[d.meta][method]
	out, err = m.call(t.Context(), db, d, sent)
	return out, fmt.Sprintf("%s safe=%t", m.need, m.safe), err
}
