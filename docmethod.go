package frappems

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/frappems/frappems/store"
)

// Methods of documents, which clients call by API v1's run_method, API v2's paths and run_doc_method.

// docMethod finds a document's method that clients can call.
func (a *App) docMethod(m *meta, name string) (docMethod, error) {
	if found, ok := a.lifecycle.methods[m][name]; ok {
		return found, nil
	}
	if own, ok := ownDocMethods[name]; ok {
		return own, nil
	}
	return docMethod{}, Errorf(PermissionError, "Not permitted") // the same for what there is and what there is not
}

// run calls a method of a document, which load gives: by GET one that is declared safe, for users who may read it.
func (c *call) run(m *meta, name string, args map[string]json.RawMessage, load func() (*Doc, error)) (any, *Doc, error) {
	found, err := c.app.docMethod(m, name)
	if err != nil {
		return nil, nil, err
	}
	if c.reads && !found.safe {
		return nil, nil, Errorf(PermissionError, "Not permitted")
	}
	d, err := load()
	if err != nil {
		return nil, nil, err
	}
	need := found.need
	if need == 0 {
		need = mayWrite
		if found.safe {
			need = mayRead
		}
	}
	if err := c.db.accessTo(m).checkDoc(need, d); err != nil {
		return nil, nil, err
	}
	value, err := found.call(c.ctx, c.db, d, args)
	return value, d, err
}

// serveRunMethod runs a method of a document as API v1 does: /api/resource/{doctype}/{name}?run_method=….
func (a *App) serveRunMethod(w http.ResponseWriter, r *http.Request, db *DB, m *meta, name string) error {
	args, err := readArguments(r)
	if err != nil {
		return err
	}
	method := argumentText(args["run_method"])
	delete(args, "run_method")
	if method == "" {
		return Errorf(ValidationError, "POST on a document runs one of its methods, and run_method does not name any")
	}
	return a.serveDocMethod(w, r, m, name, method, args, false)
}

// serveDocMethod runs a method of a stored document; withDoc sends the document along, as API v2 does.
func (a *App) serveDocMethod(w http.ResponseWriter, r *http.Request, m *meta, name, method string, args map[string]json.RawMessage, withDoc bool) error {
	x := exchangeFrom(r.Context())
	serve := func(w http.ResponseWriter) error {
		db, err := a.DB(r.Context())
		if err != nil {
			return err
		}
		c := &call{ctx: r.Context(), app: a, user: x.user, db: db, args: args, reads: reads(r)}
		value, d, err := c.run(m, method, args, func() (*Doc, error) { return db.loadForCall(r.Context(), m, name) })
		if err != nil {
			return err
		}
		if withDoc {
			c.docs = []*Doc{d}
		}
		return c.send(w, http.StatusOK, "data", value)
	}
	if reads(r) {
		return serve(w)
	}
	return a.atomically(w, r, serve)
}

// runDocMethod runs a method of a stored document (dt, dn), or of one as the client holds it (docs, in API v2 document).
func (c *call) runDocMethod() (any, error) {
	args, _ := c.object("args", "arg", "kwargs")
	doctype, name := c.text("dt"), c.text("dn")
	var sent map[string]json.RawMessage
	if doctype == "" {
		var err error
		if sent, err = c.object("docs", "document"); err != nil {
			return nil, err
		}
		doctype, name = argumentText(sent["doctype"]), argumentText(sent["name"])
	}
	verb := "update"
	if c.reads {
		verb = "get"
	}
	m, err := c.resource(doctype, verb)
	if err != nil {
		return nil, err
	}
	if name == "" && bool(m.IsSingle) {
		name = m.Name
	}
	value, d, err := c.run(m, c.text("method"), args, func() (*Doc, error) { return c.held(m, name, sent) })
	if err == nil {
		c.docs = []*Doc{d}
	}
	return value, err
}

// held is a document as a client holds it, changed or new; sent nil is the stored one.
func (c *call) held(m *meta, name string, sent map[string]json.RawMessage) (*Doc, error) {
	if sent == nil {
		return c.db.loadForCall(c.ctx, m, name)
	}
	values, err := c.db.settable(sent)
	if err != nil {
		return nil, err
	}
	if name == "" || argumentText(sent["__islocal"]) == "1" {
		d := newDoc(m)
		d.values[slotOwner] = c.user.Name
		return d, d.assignAll(values)
	}
	stored, err := c.db.loadForCall(c.ctx, m, name)
	if err != nil {
		return nil, err
	}
	// Its rights are those of the stored one, and it has to be the latest.
	if err := c.db.accessTo(m).checkDoc(mayRead, stored); err != nil {
		return nil, err
	}
	d := stored.clone()
	if err := d.assignAll(values); err != nil {
		return nil, err
	}
	d.values[slotName] = stored.values[slotName]
	sentAt, _ := datetimeText(toText(d.values[slotModified]))
	if shownText(store.TypeDatetime, sentAt) != toText(stored.values[slotModified]) {
		return nil, Errorf(TimestampMismatchError, "Error: Document has been modified after you have opened it. Please refresh to get the latest document.")
	}
	return d, nil
}

// ownDocMethods are those that every document has in Frappe.
var ownDocMethods = map[string]docMethod{
	"submit": {need: maySubmit, call: func(ctx context.Context, db *DB, d *Doc, _ map[string]json.RawMessage) (any, error) {
		d.values[slotDocstatus] = int64(1)
		return d, db.Save(ctx, d)
	}},
	"cancel": {need: mayCancel, call: func(ctx context.Context, db *DB, d *Doc, _ map[string]json.RawMessage) (any, error) {
		d.values[slotDocstatus] = int64(2)
		return d, db.Save(ctx, d)
	}},
	"rename": {need: mayWrite, call: func(ctx context.Context, db *DB, d *Doc, args map[string]json.RawMessage) (any, error) {
		merge := slices.Contains([]string{"1", "true"}, argumentText(args["merge"]))
		return db.Rename(ctx, d.meta.Name, d.Name(), argumentText(args["name"]), merge)
	}},
}

// loadForCall reads the document that a method is called on; in a transaction nobody else can change it meanwhile.
func (db *DB) loadForCall(ctx context.Context, m *meta, name string) (*Doc, error) {
	return db.load(ctx, m, name, store.UpdateLock)
}
