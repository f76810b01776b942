package frappems

import (
	"context"
	"encoding/json"
)

// Event is a moment in the life of a document, by Frappe's name or by one of the short ones.
type Event string

// The events.
const (
	Autoname                Event = "autoname"
	BeforeInsert            Event = "before_insert"
	BeforeValidate          Event = "before_validate"
	Validate                Event = "validate"
	BeforeSave              Event = "before_save"
	AfterInsert             Event = "after_insert"
	OnUpdate                Event = "on_update"
	BeforeSubmit            Event = "before_submit"
	OnSubmit                Event = "on_submit"
	BeforeCancel            Event = "before_cancel"
	OnCancel                Event = "on_cancel"
	BeforeUpdateAfterSubmit Event = "before_update_after_submit"
	OnUpdateAfterSubmit     Event = "on_update_after_submit"
	OnTrash                 Event = "on_trash"
	AfterDelete             Event = "after_delete"
	OnChange                Event = "on_change"
	BeforeRename            Event = "before_rename"
	AfterRename             Event = "after_rename"
	BeforeUpdate            Event = "before_update"
	AfterUpdate             Event = "after_update"
	BeforeDelete            Event = "before_delete"
)

// hookFunc is what runs at an event, inside the transaction that writes the document.
type hookFunc = func(ctx context.Context, db *DB, d *Doc) error

// docMethod is a method of documents that clients can call.
type docMethod struct {
	need right // what its caller must be allowed to do with the document
	// safe says that it changes nothing, so that it may be called by GET.
	safe bool
	call func(ctx context.Context, db *DB, d *Doc, args map[string]json.RawMessage) (any, error)
}

// lifecycle is what was registered to run with documents.
type lifecycle struct {
	controllers map[*meta]map[Event]hookFunc
	methods     map[*meta]map[string]docMethod
	hooks       map[*meta]map[Event][]hookFunc // under nil those of all DocTypes
}

// fire runs what was registered for an event: the controller's method, the DocType's hooks, then those of all DocTypes.
func (db *DB) fire(ctx context.Context, e Event, d *Doc) error {
	l := &db.app.lifecycle
	if f := l.controllers[d.meta][e]; f != nil {
		if err := f(ctx, db, d); err != nil {
			return err
		}
	}
	for _, m := range []*meta{d.meta, nil} {
		for _, f := range l.hooks[m][e] {
			if err := f(ctx, db, d); err != nil {
				return err
			}
		}
	}
	return nil
}
