package frappems_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// parcelTypes are DocTypes for controllers of all kinds.
const parcelTypes = `[
	{"doctype": "DocType", "name": "Parcel", "is_submittable": 1, "autoname": "PARCEL-.###", "fields": [
		{"fieldname": "sender", "fieldtype": "Data", "label": "Sender"}, {"fieldname": "status", "fieldtype": "Select", "options": "\nOpen\nSent"},
		{"fieldname": "weight", "fieldtype": "Float"}, {"fieldname": "stops", "fieldtype": "Int", "default": "3"},
		{"fieldname": "fragile", "fieldtype": "Check"}, {"fieldname": "seconds", "fieldtype": "Duration"},
		{"fieldname": "sent_on", "fieldtype": "Date"}, {"fieldname": "note", "fieldtype": "Small Text", "allow_on_submit": 1},
		{"fieldname": "payload", "fieldtype": "JSON"}, {"fieldname": "validate", "fieldtype": "Data"},
		{"fieldname": "head", "fieldtype": "Section Break"}, {"fieldname": "contents", "fieldtype": "Table", "options": "Parcel Item"}],
	 "permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1, "submit": 1, "cancel": 1}]},
	{"doctype": "DocType", "name": "Parcel Item", "istable": 1, "fields": [
		{"fieldname": "item", "fieldtype": "Data"}, {"fieldname": "qty", "fieldtype": "Int"}, {"fieldname": "remark", "fieldtype": "Data"}]}]`

type parcelStatus string

// parcel has most fields of a Parcel, and keeps a log of what it was asked to do.
type parcel struct {
	frappems.Document `doctype:"Parcel"`

	Sender    string            `json:"sender"`
	Status    parcelStatus      `json:"status"`
	Weight    float64           `json:"weight"`
	Stops     int               `json:"stops"`
	Fragile   bool              `json:"fragile"`
	Seconds   *float64          `json:"seconds"`
	SentOn    sql.Null[string]  `json:"sent_on"`
	Payload   json.RawMessage   `json:"payload"`
	Validate_ string            `json:"validate"`
	Contents  []*parcelItem     `json:"contents"`
	Cache     map[string]string `json:"-"`

	log []string
}

type parcelItem struct {
	frappems.Document `doctype:"Parcel Item"`

	Item string `json:"item"`
	Qty  int64  `json:"qty"`
}

func (p *parcel) Validate(ctx context.Context, db *frappems.DB) error {
	p.log = append(p.log, fmt.Sprintf("validate %s new=%t weight=%g", p.Name, p.IsNew(), p.Weight))
	if p.Sender == "nobody" {
		return frappems.Invalid("A parcel needs a sender")
	}
	p.Weight = 0
	for _, item := range p.Contents {
		p.Weight += float64(item.Qty)
	}
	return nil
}

func (p *parcel) OnUpdate(ctx context.Context, db *frappems.DB) error {
	was := "nothing"
	if before := frappems.Before(p); before != nil {
		was = fmt.Sprintf("%s and %d rows", before.Sender, len(before.Contents))
	}
	p.log = append(p.log, fmt.Sprintf("on_update from %s, changed: sender=%t stops=%t contents=%t", was, p.HasValueChanged("sender"),
		p.HasValueChanged("stops"), p.HasValueChanged("contents")))
	return nil
}

// newParcels is a service of parcels, with what register registers.
func newParcels(t *testing.T, register func(app *frappems.App)) (*frappems.App, *frappems.DB) {
	t.Helper()
	app := parcelApp(t)
	register(app)
	app.Resource("Parcel")
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := app.AsTenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return app, db
}

func parcelApp(t *testing.T) *frappems.App {
	t.Helper()
	tokens, err := frappems.NewTokens(strings.NewReader(shopTokens()))
	if err != nil {
		t.Fatal(err)
	}
	app, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), Auth: tokens, Logger: (&logged{}).logger(),
		DocTypes: fstest.MapFS{"types.json": {Data: []byte(parcelTypes)}}})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func TestControllerMethods(t *testing.T) {
	var hooked []string
	_, db := newParcels(t, func(app *frappems.App) {
		frappems.Controller[parcel](app)
		app.On("Parcel", frappems.BeforeValidate, func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error {
			return d.Set("weight", 500) // arrives in the struct
		})
		app.On("Parcel", frappems.Validate, func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error {
			hooked = append(hooked, fmt.Sprint(d.Get("weight"))) // what the controller made of it
			return d.Set("stops", 4)
		})
	})
	p := &parcel{Sender: "Ada", Contents: []*parcelItem{{Item: "book", Qty: 2}, {Item: "pen", Qty: 3}}}
	if err := frappems.Insert(t.Context(), db, p); err != nil {
		t.Fatal(err)
	}
	p.Sender, p.Contents = "Bob", p.Contents[1:]
	if err := frappems.Save(t.Context(), db, p); err != nil {
		t.Fatal(err)
	}
	p.Sender = "nobody"
	if err := frappems.Save(t.Context(), db, p); !errors.Is(err, frappems.ValidationError) || p.Sender != "nobody" {
		t.Errorf("got %v and the sender %s, want a ValidationError and the sender as it was given", err, p.Sender)
	}
	want := []string{
		"validate PARCEL-001 new=true weight=500",
		"on_update from nothing, changed: sender=true stops=true contents=true",
		"validate PARCEL-001 new=false weight=500",
		"on_update from Ada and 2 rows, changed: sender=true stops=false contents=true",
		"validate PARCEL-001 new=false weight=500",
	}
	if !slices.Equal(p.log, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(p.log, "\n"), strings.Join(want, "\n"))
	}
	if !slices.Equal(hooked, []string{"5", "3"}) {
		t.Errorf("a hook after the controller saw %q, want 5 and 3", hooked)
	}
	read, err := frappems.Get[parcel](t.Context(), db, p.Name)
	if err != nil || read.Sender != "Bob" || read.Weight != 3 || read.Stops != 4 || len(read.Contents) != 1 || read.Contents[0].Name != p.Contents[0].Name {
		t.Errorf("got %v and %+v, want what was saved", err, read)
	}
}

func TestControllerKeepsWhatItDoesNotHave(t *testing.T) {
	app, db := newParcels(t, func(app *frappems.App) { frappems.Controller[parcel](app) })
	sent := `{"sender": "Ada", "note": "by bicycle", "seconds": 0, "payload": {"a": [1]}, "validate": "yes",
		"contents": [{"item": "book", "qty": 2, "remark": "heavy"}]}`
	w := (&shop{t: t, app: app}).send("manager@acme", "POST", "/api/resource/Parcel", sent)
	if w.status != 200 {
		t.Fatal(w.body)
	}
	p, err := frappems.Get[parcel](t.Context(), db, "PARCEL-001")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s %q %g %d %t %g %v %s %s %s", p.Sender, p.Status, p.Weight, p.Stops, p.Fragile, *p.Seconds, p.SentOn, p.Payload, p.Validate_, p.Owner)
	if want := `Ada "" 2 3 false 0 { false} {"a":[1]} yes manager@acme`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p.Contents = append(p.Contents, &parcelItem{Item: "pen"})
	p.Seconds, p.SentOn, p.Status = nil, sql.Null[string]{V: "2026-03-15", Valid: true}, "Sent"
	if err := frappems.Save(t.Context(), db, p); err != nil {
		t.Fatal(err)
	}
	d, err := db.Get(t.Context(), "Parcel", p.Name)
	if err != nil {
		t.Fatal(err)
	}
	got = fmt.Sprint(d.Get("note"), d.Get("seconds"), d.Get("sent_on"), d.Get("status"))
	for _, row := range d.Get("contents").([]*frappems.Doc) {
		got += fmt.Sprint(" ", row.Get("item"), row.Get("qty"), row.Get("remark"))
	}
	if want := "by bicycle<nil>2026-03-15Sent book2heavy pen0 <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Rows of another document are copied: they stay that one's.
func TestRowsOfAnotherDocument(t *testing.T) {
	_, db := newParcels(t, func(app *frappems.App) { frappems.Controller[parcel](app) })
	from := &parcel{Sender: "Ada", Contents: []*parcelItem{{Item: "book", Qty: 2}}}
	to := &parcel{Sender: "Bob"}
	for _, p := range []*parcel{from, to} {
		if err := frappems.Insert(t.Context(), db, p); err != nil {
			t.Fatal(err)
		}
	}
	name := from.Contents[0].Name
	to.Contents = from.Contents
	for _, p := range []*parcel{to, from} {
		if err := frappems.Save(t.Context(), db, p); err != nil {
			t.Fatal(err)
		}
	}
	if to.Contents[0] == from.Contents[0] || from.Contents[0].Name != name || to.Contents[0].Name == name || to.Contents[0].Item != "book" {
		t.Errorf("got the rows %+v and %+v, want the first as it was and a copy of it", from.Contents[0], to.Contents[0])
	}
}

// telling changes its document in both forms in one method.
type telling struct {
	frappems.Document `doctype:"Parcel"`
	Sender            string `json:"sender"`
}

func (p *telling) BeforeValidate(context.Context, *frappems.DB) error {
	p.Sender = "Bob"
	d := p.Doc()
	if d.Get("sender") != "Bob" {
		return fmt.Errorf("the untyped form has the sender %v", d.Get("sender"))
	}
	return errors.Join(d.Set("sender", "Carla"), d.Set("note", "told"))
}

func TestBothFormsInOneMethod(t *testing.T) {
	_, db := newParcels(t, func(app *frappems.App) { frappems.Controller[telling](app) })
	p := &telling{Sender: "Ada"}
	for range 2 {
		save := frappems.Save[telling]
		if p.IsNew() {
			save = frappems.Insert[telling]
		}
		if err := save(t.Context(), db, p); err != nil {
			t.Fatal(err)
		}
		stored, err := db.Get(t.Context(), "Parcel", p.Name)
		if err != nil {
			t.Fatal(err)
		}
		got, want := fmt.Sprint(p.Sender, p.Modified), fmt.Sprint(stored.Get("sender"), stored.Get("modified"))
		if got != want || stored.Get("sender") != "Carla" || stored.Get("note") != "told" {
			t.Errorf("got %s in the struct, %s and %v in the store, want Carla in both", got, want, stored.Get("note"))
		}
	}
}

// After a deadlock the struct is again what was given: its methods run on that.
func TestInsertAfterDeadlock(t *testing.T) {
	tries := 0
	_, db := newParcels(t, func(app *frappems.App) {
		frappems.Controller[parcel](app)
		app.On("Parcel", frappems.AfterInsert, func(context.Context, *frappems.DB, *frappems.Doc) error {
			if tries++; tries < 3 {
				return store.ErrDeadlock
			}
			return nil
		})
	})
	p := &parcel{Sender: "Ada", Contents: []*parcelItem{{Item: "book", Qty: 2}}}
	if err := frappems.Insert(t.Context(), db, p); err != nil {
		t.Fatal(err)
	}
	if log := []string{"validate PARCEL-001 new=true weight=0", "on_update from nothing, changed: sender=true stops=true contents=true"}; !slices.Equal(p.log, log) || tries != 3 {
		t.Errorf("got %q after %d tries, want %q after 3", p.log, tries, log)
	}
}

func TestDocumentInJSON(t *testing.T) {
	_, db := newParcels(t, func(app *frappems.App) { frappems.Controller[parcel](app) })
	var p parcel
	sent := `{"sender": "Ada", "contents": [{"item": "book", "qty": 2}]}`
	if err := json.Unmarshal([]byte(sent), &p); err != nil {
		t.Fatal(err)
	}
	if err := frappems.Insert(t.Context(), db, &p); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(&p)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	row := got["contents"].([]any)[0].(map[string]any)
	if got["name"] != "PARCEL-001" || got["sender"] != "Ada" || got["weight"] != 2.0 || row["item"] != "book" || row["idx"] != 1.0 || row["name"] == "" {
		t.Errorf("got %s, want the fields of the document and of its struct", text)
	}
}

func TestStructsOutsideOfDocuments(t *testing.T) {
	_, db := newParcels(t, func(app *frappems.App) { frappems.Controller[parcel](app) })
	p := &parcel{}
	if frappems.Before(p) != nil || p.Doc() != nil || !p.IsNew() || !p.HasValueChanged("sender") {
		t.Errorf("a struct of no document has something of one")
	}
	if err := frappems.Save(t.Context(), db, p); err == nil {
		t.Error("Save of a struct of no document: got no error")
	}
	type other struct {
		frappems.Document `doctype:"Parcel"`
	}
	_, err := frappems.Get[other](t.Context(), db, "x")
	for _, err := range []error{err, frappems.Insert(t.Context(), db, &other{}), frappems.Save(t.Context(), db, &other{})} {
		if err == nil || !strings.Contains(err.Error(), "frappems_test.other is not the controller of a DocType") {
			t.Errorf("got %v, want that other was not registered", err)
		}
	}
	if frappems.Before(new(int)) != nil {
		t.Error("an int was something before")
	}
	p.Contents = []*parcelItem{nil}
	if err := frappems.Insert(t.Context(), db, p); err == nil || !strings.Contains(err.Error(), "row 1 in contents of Parcel is nil") {
		t.Errorf("got %v, want that a row is nil", err)
	}
}

// Structs that do not fit.
type (
	noDocument struct{}
	noTag      struct{ frappems.Document }
	unknown    struct {
		frappems.Document `doctype:"Letter"`
	}
	noSuchField struct {
		frappems.Document `doctype:"Parcel"`
		Colour            string `json:"colour"`
	}
	noFieldTag struct {
		frappems.Document `doctype:"Parcel"`
		Sender            string
	}
	layoutField struct {
		frappems.Document `doctype:"Parcel"`
		Head              string `json:"head"`
	}
	wrongType struct {
		frappems.Document `doctype:"Parcel"`
		Weight            float32 `json:"weight"`
	}
	wrongPointer struct {
		frappems.Document `doctype:"Parcel"`
		Sender            *int `json:"sender"`
	}
	wrongRows struct {
		frappems.Document `doctype:"Parcel"`
		Contents          []string `json:"contents"`
	}
	otherRows struct {
		frappems.Document `doctype:"Parcel"`
		Contents          []parcel `json:"contents"`
	}
	wrongInRows struct {
		frappems.Document `doctype:"Parcel"`
		Contents          []wrongRow `json:"contents"`
	}
	wrongRow struct {
		frappems.Document
		Qty string `json:"qty"`
	}
	nameTwice struct {
		frappems.Document `doctype:"Parcel"`
		OtherName         string `json:"name"`
	}
	noContext   struct{ plainParcel }
	noError     struct{ plainParcel }
	copied      struct{ plainParcel }
	misspelt    struct{ plainParcel }
	plainParcel struct {
		frappems.Document `doctype:"Parcel"`
	}
)

func (*noContext) Validate(*frappems.DB) error             { return nil }
func (*noError) OnSubmit(context.Context, *frappems.DB)    {}
func (copied) OnTrash(context.Context, *frappems.DB) error { return nil }

func (*misspelt) OnSumbit(context.Context, *frappems.DB) error { return nil }

type noArgs struct{}

func (p *plainParcel) Open(context.Context, *frappems.DB, noArgs) (int, error) { return 1, nil }

func TestRegistrationOfControllers(t *testing.T) {
	for name, test := range map[string]struct {
		register func(*frappems.App)
		want     []string
	}{
		"no Document":  {frappems.Controller[noDocument], []string{"Controller[frappems_test.noDocument]", "no struct that embeds frappems.Document"}},
		"no struct":    {frappems.Controller[int], []string{"int is no struct"}},
		"no tag":       {frappems.Controller[noTag], []string{`no tag such as`, `doctype:"Sales Order"`}},
		"unknown":      {frappems.Controller[unknown], []string{`no DocType "Letter"`}},
		"no field":     {frappems.Controller[noSuchField], []string{`field Colour: Parcel has no field "colour"`}},
		"no field tag": {frappems.Controller[noFieldTag], []string{"field Sender", `json:"customer"`, `json:"-"`}},
		"layout":       {frappems.Controller[layoutField], []string{`field Head: Parcel has no field "head" with a value`}},
		"wrong type":   {frappems.Controller[wrongType], []string{"field Weight: float32 cannot hold Float, want float64"}},
		"pointer":      {frappems.Controller[wrongPointer], []string{"field Sender: *int cannot hold Data, want string"}},
		"no rows":      {frappems.Controller[wrongRows], []string{"field Contents: []string cannot hold rows of Parcel Item", `doctype:"Parcel Item"`}},
		"other rows":   {frappems.Controller[otherRows], []string{"field Contents: []frappems_test.parcel cannot hold rows of Parcel Item"}},
		"in rows":      {frappems.Controller[wrongInRows], []string{"field Contents: frappems_test.wrongRow: field Qty: string cannot hold Int, want int or int64"}},
		"name":         {frappems.Controller[nameTwice], []string{"field OtherName: name is there already"}},
		"no context":   {frappems.Controller[noContext], []string{"Validate is a func(*frappems.DB) error, want func(context.Context, *frappems.DB) error"}},
		"no error":     {frappems.Controller[noError], []string{"OnSubmit is a func(context.Context, *frappems.DB), want func(context.Context, *frappems.DB) error"}},
		"a copy":       {frappems.Controller[copied], []string{"OnTrash would change a copy", "want func (*copied) OnTrash"}},
		"misspelt":     {frappems.Controller[misspelt], []string{"no event for the method OnSumbit, did you mean OnSubmit?"}},
		"twice": {func(app *frappems.App) {
			frappems.Controller[parcel](app)
			frappems.Controller[plainParcel](app)
		}, []string{"Controller[frappems_test.plainParcel]: Parcel has the controller frappems_test.parcel already, registered at ", "controller_test.go:"}},
		"after Start": {func(app *frappems.App) {
			if err := app.Start(context.Background()); err != nil {
				panic(err)
			}
			frappems.Controller[parcel](app)
		}, []string{"registration after Start", "controller_test.go:"}},
		"method first": {func(app *frappems.App) { frappems.DocMethod(app, "open", frappems.NeedRead, (*plainParcel).Open) },
			[]string{`DocMethod "open": Controller[frappems_test.plainParcel] is to be called first`}},
		"method without right": {func(app *frappems.App) {
			frappems.Controller[plainParcel](app)
			frappems.DocMethod(app, "open", 0, (*plainParcel).Open)
		}, []string{`DocMethod "open": it needs a right`}},
		"method of a text": {func(app *frappems.App) {
			frappems.Controller[plainParcel](app)
			frappems.DocMethod(app, "open", frappems.NeedRead, func(*plainParcel, context.Context, *frappems.DB, string) (any, error) { return nil, nil })
		}, []string{`DocMethod "open": its last argument is a string, want a struct`}},
		"method without name": {func(app *frappems.App) {
			frappems.Controller[plainParcel](app)
			frappems.DocMethod(app, "", frappems.NeedRead, (*plainParcel).Open)
		}, []string{"needs a name"}},
		"method twice": {func(app *frappems.App) {
			frappems.Controller[plainParcel](app)
			frappems.DocMethod(app, "open", frappems.NeedRead, (*plainParcel).Open)
			frappems.SafeDocMethod(app, "open", frappems.NeedRead, (*plainParcel).Open)
		}, []string{`DocMethod "open": Parcel has it already, registered at `, "controller_test.go:"}},
	} {
		t.Run(name, func(t *testing.T) {
			app := parcelApp(t)
			defer func() {
				text := fmt.Sprint(recover())
				for _, want := range append(test.want, "frappems: ", "controller_test.go:") {
					if !strings.Contains(text, want) && !(want == "controller_test.go:" && !strings.Contains(name, "twice")) {
						t.Errorf("got the panic %q, want one with %q", text, want)
					}
				}
			}()
			test.register(app)
		})
	}
}

// ticket is a DocType that is made of its struct.
type ticket struct {
	frappems.Document `doctype:"Ticket" frappe:"autoname='format:T-{##}',is_submittable,search_fields='subject,opened_on'"`

	Subject  string          `json:"subject" frappe:"Data,reqd,unique,in_list_view"`
	Kind     string          `json:"kind" frappe:"Select:'Bug\nWish, of sorts',default=Bug"`
	Answer   string          `json:"answer" frappe:"Small Text,permlevel=1,read_only,label='It''s this, or that',description=x=y"`
	Customer *string         `json:"customer" frappe:"Link:Customer"`
	Urgent   bool            `json:"is_urgent"`
	Hours    sql.NullFloat64 `json:"hours" frappe:",non_negative"`
	Count    int             `json:"count"`
	Extra    json.RawMessage `json:"extra"`
	Steps    []ticketStep    `json:"steps"`
	Cache    string          `json:"-"`
}

type ticketStep struct {
	frappems.Document `doctype:"Ticket Step" frappe:"istable"`
	Text              string `json:"text" frappe:"Select:'a, b\nc'"`
}

func TestDocTypeOf(t *testing.T) {
	d := frappems.DocTypeOf[ticket](frappems.DocPerm{Role: "Clerk", Read: true})
	got := fmt.Sprintf("%s %s submittable=%t table=%t %s %s", d.Name, d.Autoname, bool(d.IsSubmittable), bool(d.IsTable), d.SearchFields, d.Permissions[0].Role)
	if want := "Ticket format:T-{##} submittable=true table=false subject,opened_on Clerk"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want := []string{
		`subject|Data||Subject|true|true||0|false|`,
		`kind|Select|Bug` + "\n" + `Wish, of sorts|Kind|false|false|Bug|0|false|`,
		`answer|Small Text||It's this, or that|false|false||1|true|x=y`,
		`customer|Link|Customer|Customer|false|false||0|false|`,
		`is_urgent|Check||Is Urgent|false|false||0|false|`,
		`hours|Float||Hours|false|false||0|false|`,
		`count|Int||Count|false|false||0|false|`,
		`extra|JSON||Extra|false|false||0|false|`,
		`steps|Table|Ticket Step|Steps|false|false||0|false|`,
	}
	for i, f := range d.Fields {
		got := fmt.Sprintf("%s|%s|%s|%s|%t|%t|%s|%d|%t|%s", f.Fieldname, f.Fieldtype, f.Options, f.Label, f.Required, f.Unique, f.Default,
			f.Permlevel, f.ReadOnly, f.Description)
		if i >= len(want) || got != want[i] {
			t.Errorf("field %d: got %s, want another", i, got)
		}
	}
	step := frappems.DocTypeOf[ticketStep]()
	if !bool(step.IsTable) || step.Fields[0].Options != "a, b\nc" {
		t.Errorf("got %+v, want a child table with options", step)
	}
	if _, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), Types: []*frappems.DocType{d, step}}); err != nil {
		t.Error(err)
	}
}

func TestDocTypeOfMistakes(t *testing.T) {
	for want, make := range map[string]func(){
		"no struct that embeds": func() { frappems.DocTypeOf[noDocument]() },
		`field A: there is no property "required", there are fieldname, `: func() {
			frappems.DocTypeOf[struct {
				frappems.Document `doctype:"X"`
				A                 string `json:"a" frappe:"Data,required"`
			}]()
		},
		`frappems.Document: there is no property "submittable"`: func() {
			frappems.DocTypeOf[struct {
				frappems.Document `doctype:"X" frappe:"submittable"`
			}]()
		},
		"ends within the quotes of Select:a": func() {
			frappems.DocTypeOf[struct {
				frappems.Document `doctype:"X"`
				A                 string `json:"a" frappe:"Select:'a"`
			}]()
		},
		"after the quotes of Select:a a comma is missing": func() {
			frappems.DocTypeOf[struct {
				frappems.Document `doctype:"X"`
				A                 string `json:"a" frappe:"Select:'a'b"`
			}]()
		},
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, want) || !strings.Contains(text, "controller_test.go:") {
					t.Errorf("got the panic %q, want one that names the line and %q", text, want)
				}
			}()
			make()
		})
	}
}

type loadArgs struct {
	Item  string `json:"item"`
	Qty   int64  `json:"qty"`
	Twice bool   `json:"twice"`
}

// Load puts something into the parcel.
func (p *parcel) Load(ctx context.Context, db *frappems.DB, args loadArgs) (map[string]any, error) {
	if args.Twice {
		args.Qty *= 2
	}
	p.Contents = append(p.Contents, &parcelItem{Item: args.Item, Qty: args.Qty})
	if err := frappems.Save(ctx, db, p); err != nil {
		return nil, err
	}
	return map[string]any{"weight": p.Weight}, nil
}

// Items counts what is in the parcel.
func (p *parcel) Items(context.Context, *frappems.DB, struct{}) (int, error) {
	return len(p.Contents), nil
}

func TestDocMethod(t *testing.T) {
	_, db := newParcels(t, func(app *frappems.App) {
		frappems.Controller[parcel](app)
		frappems.DocMethod(app, "load", frappems.NeedWrite, (*parcel).Load)
		frappems.SafeDocMethod(app, "items", frappems.NeedRead, (*parcel).Items)
	})
	if err := frappems.Insert(t.Context(), db, &parcel{Sender: "Ada"}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ method, args, want string }{
		{"items", ``, "0 <nil> read safe=true"},
		{"load", `{"item": "book", "qty": 2}`, "map[weight:2] <nil> write safe=false"},
		{"load", `{"item": "7", "qty": "3", "twice": "1"}`, "map[weight:8] <nil> write safe=false"}, // of a form
		{"load", `{"item": "pen", "qty": "many"}`, "<nil> ValidationError: Field <strong>qty</strong> is string, want a whole number write safe=false"},
		{"load", `{"qty": 1, "colour": "red"}`, "<nil> ValidationError: There is no field <strong>colour</strong> write safe=false"},
		{"items", `{}`, "2 <nil> read safe=true"},
	} {
		out, rules, err := frappems.CallDocMethod(t, db, "Parcel", "PARCEL-001", test.method, test.args)
		if err != nil {
			out = nil
		}
		if got := fmt.Sprint(out, " ", err, " ", rules); got != test.want {
			t.Errorf("%s %s: got %s, want %s", test.method, test.args, got, test.want)
		}
	}
}
