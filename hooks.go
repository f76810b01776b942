package frappems

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Event is a moment in the life of a document, by Frappe's name or by one of the short ones. These are the events of each
// operation, in order, as they were recorded on a Frappe v15.44 site. All of them are inside the operation's transaction; what
// is left of WRITE sees the store as it was before, what is right of it sees the change.
//
//	insert       before_insert  before_naming autoname  (before_naming autoname) of each row
//	             before_validate validate before_save  WRITE  after_insert on_update on_change
//	  submitted  … before_validate validate before_submit  WRITE  after_insert on_update on_submit on_change
//	save         (before_naming autoname) of each new row
//	             before_validate validate before_save before_update  WRITE  after_update on_update on_change
//	submit       before_validate validate before_submit  WRITE  after_update on_update on_submit on_change
//	save after
//	submit       before_update_after_submit  WRITE  on_update_after_submit on_change
//	cancel       before_cancel  WRITE  on_cancel on_change
//	rename       before_rename  WRITE  after_rename
//	  merge      … after_rename, then the events of delete for the document that is gone
//	delete       before_delete on_trash on_change  WRITE  after_delete
//
// What the client sent is checked for permissions and links before the first of them, and for everything else (mandatory
// fields, formats, lengths, HTML) with what the hooks made of it just before WRITE; nothing but before_cancel's changes is
// passed over. After WRITE, changes of the document are not kept unless it is saved again.
//
// Some events are left out where there is nothing to do: autoname where the document is an amendment, has the name that its
// client was asked for (prompt), counts by autoincrement or is a Single; before_update and after_update of an insert.
// [DB.SetValue] is a save. Rows of child tables have no events but before_naming and autoname.
//
// At one event the controller's method runs first, then the hooks of the DocType, then those of "*", each in the order of
// their registration. An error stops all of it and rolls everything back; so does a panic. What has to happen outside the
// store, such as an e-mail, is for [DB.AfterCommit].
type Event string

// The events.
const (
	BeforeInsert            Event = "before_insert"
	BeforeNaming            Event = "before_naming"
	Autoname                Event = "autoname" // may set the field name
	BeforeValidate          Event = "before_validate"
	Validate                Event = "validate"
	BeforeSave              Event = "before_save"
	BeforeUpdate            Event = "before_update"
	AfterInsert             Event = "after_insert"
	AfterUpdate             Event = "after_update"
	OnUpdate                Event = "on_update"
	BeforeSubmit            Event = "before_submit"
	OnSubmit                Event = "on_submit"
	BeforeCancel            Event = "before_cancel"
	OnCancel                Event = "on_cancel"
	BeforeUpdateAfterSubmit Event = "before_update_after_submit"
	OnUpdateAfterSubmit     Event = "on_update_after_submit"
	BeforeDelete            Event = "before_delete"
	OnTrash                 Event = "on_trash"
	AfterDelete             Event = "after_delete"
	OnChange                Event = "on_change"
	BeforeRename            Event = "before_rename" // see [Doc.Renaming]
	AfterRename             Event = "after_rename"
)

// action is what is done with a document: its events before and after the store is written.
type action struct{ before, after []Event }

var (
	saving            = action{[]Event{BeforeValidate, Validate, BeforeSave, BeforeUpdate}, []Event{AfterUpdate, OnUpdate, OnChange}}
	submitting        = action{[]Event{BeforeValidate, Validate, BeforeSubmit}, []Event{AfterUpdate, OnUpdate, OnSubmit, OnChange}}
	updatingSubmitted = action{[]Event{BeforeUpdateAfterSubmit}, []Event{OnUpdateAfterSubmit, OnChange}}
	cancelling        = action{[]Event{BeforeCancel}, []Event{OnCancel, OnChange}}
	deleting          = action{[]Event{BeforeDelete, OnTrash, OnChange}, []Event{AfterDelete}}

	namingEvents = []Event{BeforeNaming, Autoname}
	otherEvents  = []Event{BeforeInsert, AfterInsert, BeforeRename, AfterRename}
	allEvents    = slices.Concat(saving.before, saving.after, submitting.before, submitting.after, updatingSubmitted.before,
		updatingSubmitted.after, cancelling.before, cancelling.after, deleting.before, deleting.after, namingEvents, otherEvents)
)

// hookFunc is what runs at an event, inside the transaction that writes the document.
type hookFunc = func(ctx context.Context, db *DB, d *Doc) error

// docMethod is a method of documents that clients can call.
type docMethod struct {
	need right // what its caller must be allowed to do with the document
	// safe says that it changes nothing, so that it may be called by GET.
	safe bool
	site string // where it was registered
	call func(ctx context.Context, db *DB, d *Doc, args map[string]json.RawMessage) (any, error)
}

// lifecycle is what was registered to run with documents.
type lifecycle struct {
	structs     map[reflect.Type]*structPlan // those of Controller
	controllers map[*meta]map[Event]hookFunc
	methods     map[*meta]map[string]docMethod
	hooks       map[*meta]map[Event][]hookFunc // under nil those of all DocTypes
}

// On has a function run at an event of every document of a DocType, or of all for "*" (see [Event] for the order). It works
// with the DB that it is given, which is the user's and in the transaction, and may change the document; where the store breaks
// a deadlock it runs again, so it leaves no trace outside of the two. The client is shown the message of an [*Error] that it
// returns, such as one of [Invalid]; any other error is a 500.
func (a *App) On(doctype string, event Event, hook func(ctx context.Context, db *DB, d *Doc) error) {
	a.mustRegister(caller(1), func() error {
		m := a.registry.lookup(doctype)
		switch {
		case hook == nil:
			return fmt.Errorf("On %s of %s: the hook is nil", event, doctype)
		case m == nil && doctype != "*":
			return fmt.Errorf("On %s: there is no DocType %q", event, doctype)
		case !slices.Contains(allEvents, event):
			return fmt.Errorf("On: there is no event %q", event)
		case m != nil && bool(m.IsTable) && !slices.Contains(namingEvents, event):
			return fmt.Errorf("On %s: %s is a child table, whose rows have before_naming and autoname only", event, m.Name)
		}
		l := &a.lifecycle
		if l.hooks == nil {
			l.hooks = map[*meta]map[Event][]hookFunc{}
		}
		if l.hooks[m] == nil {
			l.hooks[m] = map[Event][]hookFunc{}
		}
		l.hooks[m][event] = append(l.hooks[m][event], hook)
		return nil
	})
}

// fire runs what was registered for an event: the controller's method, the DocType's hooks, then those of all DocTypes.
func (db *DB) fire(ctx context.Context, e Event, d *Doc) error {
	l := &db.app.lifecycle
	if f := l.controllers[d.meta][e]; f != nil {
		if err := db.call(ctx, f, d); err != nil {
			return err
		}
	}
	for _, m := range []*meta{d.meta, nil} {
		for _, f := range l.hooks[m][e] {
			if err := db.call(ctx, f, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxHookDepth is how many hooks may be running inside each other. Two that save each other's documents without end would
// otherwise end the process, since Go cannot recover from a stack that is full.
const maxHookDepth = 50

var errHookDepth = errors.New("frappems: hooks that change documents, whose hooks change documents, go too deep")

func (db *DB) call(ctx context.Context, f hookFunc, d *Doc) error {
	if db.tx.depth >= maxHookDepth {
		return errHookDepth
	}
	db.tx.depth++
	defer func() { db.tx.depth-- }()
	if exchangeFrom(ctx) == nil {
		ctx = context.WithValue(ctx, txKey{}, db.tx)
	}
	return f(ctx, db, d)
}

// txKey is where the context of a hook has the transaction, outside of requests.
type txKey struct{}

// inTransaction says whether a transaction is open that was begun with ctx, or whose hook has it.
func inTransaction(ctx context.Context) bool {
	if x := exchangeFrom(ctx); x != nil {
		return x.open.Load() > 0
	}
	t, _ := ctx.Value(txKey{}).(*transaction)
	return t != nil && !t.over.Load()
}

// fireAll runs events of a document one after the other. Frappe looks for links to a document that is cancelled only after
// on_cancel, which may have removed them.
func (db *DB) fireAll(ctx context.Context, d *Doc, events []Event) error {
	for _, e := range events {
		if d.isNew && (e == BeforeUpdate || e == AfterUpdate) {
			continue
		}
		if err := db.fire(ctx, e, d); err != nil {
			return err
		}
		if e == OnCancel {
			if err := db.checkNotLinked(ctx, d, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// Before is the document as the store had it before it was saved: what hooks compare with. It is nil in an insert, and of a
// document that is not being saved. It must not be changed.
func (d *Doc) Before() *Doc { return d.before }

// IsNew says whether the store does not have the document yet: it holds up to after_insert.
func (d *Doc) IsNew() bool { return d.isNew && !d.written }

// HasValueChanged says whether the save that is going on gives a field another value, or a table other rows. In an insert
// every field has changed.
func (d *Doc) HasValueChanged(field string) bool {
	if d.before == nil {
		return true
	}
	if at, ok := d.meta.slotOf[field]; ok {
		return !d.same(at)
	}
	at := d.meta.tableOf(field)
	return at >= 0 && !sameRows(d.rows[at], d.before.rows[at])
}
