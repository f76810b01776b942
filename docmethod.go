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

// run calls a method of a document, which load gives: by GET one that is declared safe, for users who may read it. The document
// is sent along.
func (c *call) run(m *meta, name string, args map[string]json.RawMessage, load func() (*Doc, error)) (any, error) {
	found, err := c.app.docMethod(m, name)
	if err != nil {
		return nil, err
	}
	if c.reads && !found.safe {
		return nil, Errorf(PermissionError, "Not permitted")
	}
	need := found.need
	if need == 0 {
		need = mayWrite
		if found.safe {
			need = mayRead
		}
	}
	a := c.db.accessTo(m)
	if !a.ever(need) {
		return nil, a.denied(need, "")
	}
	d, err := load()
	if err != nil {
		return nil, err
	}
	if err := a.checkDoc(need, d); err != nil {
		return nil, err
	}
	c.docs = []*Doc{d}
	return found.call(c.ctx, c.db, d, args)
}

// serveDocMethod runs a method of a stored document: in API v1 the one that run_method names.
func (a *App) serveDocMethod(w http.ResponseWriter, r *http.Request, m *meta, name, docMethod string) error {
	x := exchangeFrom(r.Context())
	called := &method{route: route{pattern: x.route}, policy: AllowGuest(), verbs: safeVerbs, key: "data"}
	called.call = func(c *call) (any, error) {
		if !x.v2 {
			docMethod = c.text("run_method")
			delete(c.args, "run_method")
		}
		if docMethod == "" {
			return nil, Errorf(ValidationError, "POST on a document runs one of its methods, and run_method does not name any")
		}
		value, err := c.run(m, docMethod, c.args, func() (*Doc, error) { return c.held(m, name, nil) })
		if !x.v2 || r.Header.Get("Content-Type") == "" {
			c.docs = nil // v15 sends none, whose answers were recorded; frappe-ui, which wants it, always says a Content-Type
		}
		return value, err
	}
	return a.callMethod(w, r, called)
}

// verb is what a method does with a document, as far as ResourceOptions know it.
func (c *call) verb() string {
	if c.reads {
		return "get"
	}
	return "update"
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
	m, err := c.resource(doctype, c.verb())
	if err != nil {
		return nil, err
	}
	if name == "" && bool(m.IsSingle) {
		name = m.Name
	}
	return c.run(m, c.text("method"), args, func() (*Doc, error) { return c.held(m, name, sent) })
}

// held is the document that a method is called on, as a client holds it; sent nil is the stored one. In a transaction nobody
// else can change that meanwhile.
func (c *call) held(m *meta, name string, sent map[string]json.RawMessage) (*Doc, error) {
	lock := store.UpdateLock
	if c.reads {
		lock = store.NoLock
	}
	stored, err := c.db.load(c.ctx, m, name, lock)
	if err != nil || sent == nil {
		return stored, err
	}
	// Its rights are those of the stored one, and it has to be the latest.
	if err := c.db.accessTo(m).checkDoc(mayRead, stored); err != nil {
		return nil, err
	}
	values, err := c.db.settable(sent)
	if err != nil {
		return nil, err
	}
	d := stored.clone()
	if err := d.update(values); err != nil {
		return nil, err
	}
	return d, d.checkLatest(stored)
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
