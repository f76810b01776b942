package frappems

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/frappems/frappems/internal/input"
)

// Document is what a Go struct embeds to hold the documents of a DocType, which the tag names:
//
//	type SalesOrder struct {
//		frappems.Document `doctype:"Sales Order"`
//
//		Customer string            `json:"customer"`
//		Items    []*SalesOrderItem `json:"items"`
//	}
//
// Each exported field has the name of a field of the DocType in its json tag, or json:"-". Other fields of the struct are
// its own: what one method leaves in an unexported one is there for the next, as long as the document is worked on. A field
// of the DocType that the struct does not have is kept as it is.
//
// Text, names, dates and times are held by string, or a named type of that kind, in Frappe's form (2026-03-15 10:20:30); Check by
// bool or int, Int and Long Int by int or int64, numbers with a fraction by float64, JSON by json.RawMessage or string. Each of
// them may stand behind a pointer or in a [database/sql.Null], where nil is null. Without one null reads as zero, and a zero
// that was null stays null until the field is changed. Rows are []*Row or []Row of a struct that embeds Document too; with
// []*Row a loop changes the rows themselves. A row that a method appends, moves, changes or drops is one in the document;
// each row stays the row that it was, wherever it is moved, and its copy becomes a new one.
//
// Go has no field and method of one name. A DocType's field that is called like a method of [Controller], or like
// something of Document, gets a name with an underscore in Go, and keeps its own in the tag:
//
//	validate, on_submit …    Validate_ bool `json:"validate"`
//	is_new, doc, document    IsNew_ bool `json:"is_new"`
//	name, owner, docstatus … are those of Document, which no struct has again
//	close, with a method     the method gets another Go name: DocMethod(app, "close", NeedWrite, (*Order).CloseIt)
//
// The zero value is of a new document. It is for one goroutine, as [Doc] is.
type Document struct {
	Name       string `json:"name,omitempty"`
	Owner      string `json:"owner,omitempty"`
	Creation   string `json:"creation,omitempty"`
	Modified   string `json:"modified,omitempty"`
	ModifiedBy string `json:"modified_by,omitempty"`
	Docstatus  int    `json:"docstatus,omitempty"` // 0 draft, 1 submitted, 2 cancelled
	Idx        int    `json:"idx,omitempty"`       // of a row: its place, from 1

	doc  *Doc
	seen []any       // the values of doc as the struct got them: it has changed where it holds others
	plan *structPlan // of the struct
	in   *typedDoc   // the struct, or the one that it is a row of
}

func (o *Document) document() *Document { return o }

// Doc is the document in its untyped form, with what the struct has changed. What is set there arrives in the struct before
// its next method. It is nil for a struct that has been neither read nor inserted, and for a new row until the method ends.
func (o *Document) Doc() *Doc {
	if o.in != nil {
		_ = o.in.flush() // a row that is nil is told when the method ends
	}
	return o.doc
}

// IsNew says whether the document, or the row, is not stored yet.
func (o *Document) IsNew() bool { return o.doc == nil || o.doc.IsNew() }

// HasValueChanged says whether the save that is going on changes a field; see [Doc.HasValueChanged]. In a new row all have.
func (o *Document) HasValueChanged(field string) bool {
	d := o.Doc()
	return d == nil || d.HasValueChanged(field)
}

// Before is the document, or the row, as it is stored while a save is going on: nil where it is new. Changes of it go
// nowhere.
func Before[T any](o *T) *T {
	known, ok := any(o).(interface{ document() *Document })
	if !ok || known.document().doc == nil || known.document().doc.before == nil {
		return nil
	}
	document := known.document()
	before, _ := document.plan.typed(document.doc.before).struc.(*T)
	return before
}

// The moments in the life of a document that a struct can have a method for. What it returns as an error stops and rolls
// back the whole operation, and is told to the client. The [Event] of the same name says when each comes.
type (
	// BeforeNamer is called before a new document, or a new row, is named.
	BeforeNamer interface {
		BeforeNaming(ctx context.Context, db *DB) error
	}
	// Autonamer gives a new document its Name; where it leaves none, the DocType's autoname does.
	Autonamer interface {
		Autoname(ctx context.Context, db *DB) error
	}
	// BeforeInserter is called before a new document has a name.
	BeforeInserter interface {
		BeforeInsert(ctx context.Context, db *DB) error
	}
	// BeforeValidator is called before Validate.
	BeforeValidator interface {
		BeforeValidate(ctx context.Context, db *DB) error
	}
	// Validator checks and completes a document before it is saved or submitted.
	Validator interface {
		Validate(ctx context.Context, db *DB) error
	}
	// BeforeSaver is called after Validate, before a draft is written.
	BeforeSaver interface {
		BeforeSave(ctx context.Context, db *DB) error
	}
	// AfterInserter is called when a new document has been written.
	AfterInserter interface {
		AfterInsert(ctx context.Context, db *DB) error
	}
	// OnUpdater is called when a draft, or a document that is being submitted, has been written.
	OnUpdater interface {
		OnUpdate(ctx context.Context, db *DB) error
	}
	// BeforeSubmitter is called after Validate, before a document is written as submitted.
	BeforeSubmitter interface {
		BeforeSubmit(ctx context.Context, db *DB) error
	}
	// OnSubmitter is called when a document has been submitted: the place to change others.
	OnSubmitter interface {
		OnSubmit(ctx context.Context, db *DB) error
	}
	// BeforeCanceller is called before a document is written as cancelled.
	BeforeCanceller interface {
		BeforeCancel(ctx context.Context, db *DB) error
	}
	// OnCanceller is called when a document has been cancelled: the place to undo what OnSubmit did.
	OnCanceller interface {
		OnCancel(ctx context.Context, db *DB) error
	}
	// BeforeUpdaterAfterSubmit is called before a submitted document is written again.
	BeforeUpdaterAfterSubmit interface {
		BeforeUpdateAfterSubmit(ctx context.Context, db *DB) error
	}
	// OnUpdaterAfterSubmit is called when a submitted document has been written again.
	OnUpdaterAfterSubmit interface {
		OnUpdateAfterSubmit(ctx context.Context, db *DB) error
	}
	// OnTrasher is called before a document is deleted.
	OnTrasher interface {
		OnTrash(ctx context.Context, db *DB) error
	}
	// AfterDeleter is called when a document has been deleted.
	AfterDeleter interface {
		AfterDelete(ctx context.Context, db *DB) error
	}
	// OnChanger is called at the end of every operation that changed the document.
	OnChanger interface {
		OnChange(ctx context.Context, db *DB) error
	}
	// BeforeRenamer is called before a document gets another name.
	BeforeRenamer interface {
		BeforeRename(ctx context.Context, db *DB) error
	}
	// AfterRenamer is called when a document has got another name.
	AfterRenamer interface {
		AfterRename(ctx context.Context, db *DB) error
	}
	// BeforeUpdater is called where a stored document is saved, before it is written.
	BeforeUpdater interface {
		BeforeUpdate(ctx context.Context, db *DB) error
	}
	// AfterUpdater is called where a stored document was saved, before OnUpdate.
	AfterUpdater interface {
		AfterUpdate(ctx context.Context, db *DB) error
	}
	// BeforeDeleter is called before OnTrash.
	BeforeDeleter interface {
		BeforeDelete(ctx context.Context, db *DB) error
	}
)

// lifecycleMethod is an event with the interface of its method.
type lifecycleMethod struct {
	event Event
	iface reflect.Type
	call  func(struc any, ctx context.Context, db *DB) error
}

func methodOf[I any](event Event, call func(I, context.Context, *DB) error) lifecycleMethod {
	return lifecycleMethod{event, reflect.TypeFor[I](), func(struc any, ctx context.Context, db *DB) error {
		return call(struc.(I), ctx, db)
	}}
}

var lifecycleMethods = []lifecycleMethod{
	methodOf(BeforeNaming, BeforeNamer.BeforeNaming),
	methodOf(Autoname, Autonamer.Autoname),
	methodOf(BeforeInsert, BeforeInserter.BeforeInsert),
	methodOf(BeforeValidate, BeforeValidator.BeforeValidate),
	methodOf(Validate, Validator.Validate),
	methodOf(BeforeSave, BeforeSaver.BeforeSave),
	methodOf(AfterInsert, AfterInserter.AfterInsert),
	methodOf(OnUpdate, OnUpdater.OnUpdate),
	methodOf(BeforeSubmit, BeforeSubmitter.BeforeSubmit),
	methodOf(OnSubmit, OnSubmitter.OnSubmit),
	methodOf(BeforeCancel, BeforeCanceller.BeforeCancel),
	methodOf(OnCancel, OnCanceller.OnCancel),
	methodOf(BeforeUpdateAfterSubmit, BeforeUpdaterAfterSubmit.BeforeUpdateAfterSubmit),
	methodOf(OnUpdateAfterSubmit, OnUpdaterAfterSubmit.OnUpdateAfterSubmit),
	methodOf(OnTrash, OnTrasher.OnTrash),
	methodOf(AfterDelete, AfterDeleter.AfterDelete),
	methodOf(OnChange, OnChanger.OnChange),
	methodOf(BeforeRename, BeforeRenamer.BeforeRename),
	methodOf(AfterRename, AfterRenamer.AfterRename),
	methodOf(BeforeUpdate, BeforeUpdater.BeforeUpdate),
	methodOf(AfterUpdate, AfterUpdater.AfterUpdate),
	methodOf(BeforeDelete, BeforeDeleter.BeforeDelete),
}

// Controller makes T the controller of the DocType that its embedded [Document] names: a struct whose pointer methods are the
// moments in a document's life, as those of a controller class are in Frappe ([Validator], [OnSubmitter] and the others). One T
// is made for each document that is worked on, and lives as long as that; each method sees what those before it and the
// hooks have changed. A T without methods is of use to [Get], [Insert] and [Save].
//
// It panics, naming the line, where T does not fit the DocType, where a method that is named like one of the lifecycle takes
// or returns something else, where the DocType has a controller already, and after Start.
func Controller[T any](app *App) {
	site := caller(1)
	app.mustRegister(site, func() error { return app.addController(site, reflect.TypeFor[T]()) })
}

func (a *App) addController(site string, t reflect.Type) error {
	p, err := a.registry.planOf(t)
	if err != nil {
		return fmt.Errorf("frappems.Controller[%s]: %w", t, err)
	}
	for _, other := range a.lifecycle.structs {
		if other.meta == p.meta {
			return fmt.Errorf("frappems.Controller[%s]: %s has the controller %s already, registered at %s", t, p.meta.Name, other.typ, other.site)
		}
	}
	hooks := map[Event]hookFunc{}
	for _, m := range lifecycleMethods {
		implemented, err := m.implementedBy(t)
		if err != nil {
			return fmt.Errorf("frappems.Controller[%s]: %w", t, err)
		}
		if implemented {
			hooks[m.event] = p.hook(m.call)
		}
	}
	l := &a.lifecycle
	if l.structs == nil {
		l.structs = map[reflect.Type]*structPlan{}
	}
	if l.controllers == nil {
		l.controllers = map[*meta]map[Event]hookFunc{}
	}
	p.site = site
	l.structs[t], l.controllers[p.meta] = p, hooks
	return nil
}

// implementedBy says whether a struct has the method. One of its name with another signature is an error: it would never
// be called. So is one that changes a copy.
func (m *lifecycleMethod) implementedBy(t reflect.Type) (bool, error) {
	name, want := m.iface.Method(0).Name, m.iface.Method(0).Type
	found, has := reflect.PointerTo(t).MethodByName(name)
	if !has { // and nobody would notice that one which is misspelt is never called
		for i := range reflect.PointerTo(t).NumMethod() {
			other := reflect.PointerTo(t).Method(i).Name
			if distance(other, name) <= 2 && reflect.New(t).Method(i).Type() == want {
				return false, fmt.Errorf("there is no event for the method %s, did you mean %s?", other, name)
			}
		}
		return false, nil
	}
	if got := reflect.New(t).MethodByName(name).Type(); !found.Type.In(0).Implements(m.iface) {
		return false, fmt.Errorf("the method %s is a %s, want %s", name, got, want)
	}
	if t.Implements(m.iface) {
		return false, fmt.Errorf("the method %s would change a copy of the document, want func (*%s) %s", name, t.Name(), name)
	}
	return true, nil
}

// hook runs a method on the struct of a document.
func (p *structPlan) hook(call func(struc any, ctx context.Context, db *DB) error) hookFunc {
	return func(ctx context.Context, db *DB, d *Doc) error {
		return p.typed(d).run(func(struc any) error { return call(struc, ctx, db) })
	}
}

// run calls a method on the struct of a document, which sees what others changed, and puts into the document what it changed.
func (t *typedDoc) run(method func(struc any) error) error {
	t.load()
	if err := method(t.struc); err != nil {
		return err
	}
	return t.flush()
}

// Need is the right to a document that the caller of one of its methods must have.
type Need = right

// The rights to a document, by Frappe's names.
const (
	NeedRead   = mayRead
	NeedWrite  = mayWrite
	NeedDelete = mayDelete
	NeedSubmit = maySubmit
	NeedCancel = mayCancel
	NeedAmend  = mayAmend
	NeedReport = mayReport
)

// DocMethod lets clients call a method of T, whose [Controller] was registered before, by a name: with POST where they have
// the right to the document that it needs.
//
//	frappems.DocMethod(app, "close", frappems.NeedWrite, (*SalesOrder).Close)
//
// In is a struct of the arguments, named as in encoding/json: struct{} for none. A number or a bool may come as a string,
// as forms have it. What does not fit, or is not there, is a ValidationError. Out becomes JSON. The document is not saved
// unless the method does that, with [Save].
func DocMethod[T, In, Out any](app *App, name string, need Need, method func(o *T, ctx context.Context, db *DB, in In) (Out, error)) {
	site := caller(1)
	app.mustRegister(site, func() error { return addDocMethod(app, site, name, docMethod{need: need}, method) })
}

// SafeDocMethod is [DocMethod] for a method that changes nothing: clients may call it with GET too.
func SafeDocMethod[T, In, Out any](app *App, name string, need Need, method func(o *T, ctx context.Context, db *DB, in In) (Out, error)) {
	site := caller(1)
	app.mustRegister(site, func() error { return addDocMethod(app, site, name, docMethod{need: need, safe: true}, method) })
}

func addDocMethod[T, In, Out any](app *App, site, name string, m docMethod, method func(*T, context.Context, *DB, In) (Out, error)) error {
	t, l := reflect.TypeFor[T](), &app.lifecycle
	p := l.structs[t]
	switch {
	case p == nil:
		return fmt.Errorf("DocMethod %q: Controller[%s] is to be called first", name, t)
	case name == "" || method == nil:
		return fmt.Errorf("DocMethod %q: it needs a name and a method", name)
	case m.need.String() == "":
		return fmt.Errorf("DocMethod %q: it needs a right, such as NeedWrite", name)
	case errors.As(json.Unmarshal([]byte("{}"), new(In)), new(*json.UnmarshalTypeError)):
		return fmt.Errorf("DocMethod %q: its last argument is a %s, want a struct of what clients send", name, reflect.TypeFor[In]())
	case l.methods[p.meta][name].call != nil:
		return fmt.Errorf("DocMethod %q: %s has it already, registered at %s", name, p.meta.Name, l.methods[p.meta][name].site)
	}
	m.site = site
	m.call = func(ctx context.Context, db *DB, d *Doc, args map[string]json.RawMessage) (out any, err error) {
		var in In
		if err := input.DecodeArguments(args, &in); err != nil {
			return nil, worded(err)
		}
		err = p.typed(d).run(func(struc any) error {
			out, err = method(struc.(*T), ctx, db, in)
			return err
		})
		return out, err
	}
	if l.methods == nil {
		l.methods = map[*meta]map[string]docMethod{}
	}
	if l.methods[p.meta] == nil {
		l.methods[p.meta] = map[string]docMethod{}
	}
	l.methods[p.meta][name] = m
	return nil
}

// planOf gives the plan of a struct that has been registered.
func planOf[T any](db *DB) (*structPlan, error) {
	if p := db.app.lifecycle.structs[reflect.TypeFor[T]()]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("frappems: %s is not the controller of a DocType, see Controller", reflect.TypeFor[T]())
}

// Get reads a document into the struct of its [Controller], as [DB.Get] does.
func Get[T any](ctx context.Context, db *DB, name string) (*T, error) {
	p, err := planOf[T](db)
	if err != nil {
		return nil, err
	}
	d, err := db.Get(ctx, p.meta.Name, name)
	if err != nil {
		return nil, err
	}
	return p.typed(d).struc.(*T), nil
}

// Insert makes a document of a struct of its [Controller], as [DB.Insert] does; a zero is left to the field's default, for
// which a field behind a pointer has nil. The methods run on o, which then holds the document as it is stored; after an
// error it is as it was, but for its rows.
func Insert[T any](ctx context.Context, db *DB, o *T) error {
	p, err := planOf[T](db)
	if err != nil {
		return err
	}
	given := *o
	err = db.Tx(ctx, func(db *DB) error {
		*o = given // a deadlock may have left something else
		t := p.bind(newDoc(p.meta), o)
		if err := t.flush(); err != nil {
			return err
		}
		if err := db.insert(ctx, t.doc); err != nil {
			return err
		}
		t.load()
		return nil
	})
	if err != nil {
		*o = given
	}
	return err
}

// Save writes the document that [Get] read, or [Insert] made, with the changes of its struct, as [DB.Save] does. The methods
// run on o, which then holds the document as it is stored; after an error it is as it was.
func Save[T any](ctx context.Context, db *DB, o *T) error {
	p, err := planOf[T](db)
	if err != nil {
		return err
	}
	document := p.documentOf(reflect.ValueOf(o).Elem())
	if document.doc == nil {
		return errors.New("frappems: Save of a " + p.meta.Name + " that was neither read nor inserted")
	}
	t := &typedDoc{plan: p, doc: document.doc, value: reflect.ValueOf(o).Elem(), struc: o}
	document.in, t.doc.typed = t, t
	if err := t.flush(); err != nil {
		return err
	}
	err = db.Save(ctx, t.doc)
	t.load()
	return err
}
