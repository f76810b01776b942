package frappems

import (
	"context"
	"strings"

	"github.com/frappems/frappems/internal/naming"
	"github.com/frappems/frappems/internal/plain"

	"github.com/frappems/frappems/store"
)

// timestampLayout is how moments stand in documents and columns.
const timestampLayout = "2006-01-02 15:04:05.000000"

// insert makes a document, in Frappe's order, inside a transaction.
func (db *DB) insert(ctx context.Context, d *Doc) error {
	a := db.accessTo(d.meta)
	if d.meta.IsTable {
		return Errorf(PermissionError, "Rows of %s are made with the document that they are part of", bold(d.meta.Name))
	}
	if !a.ever(mayCreate) {
		return a.denied(mayCreate, "")
	}
	n := db.newNames(ctx)
	d.fillEmpty(db.defaults(d.meta))
	if err := n.takeRows(d); err != nil {
		return err
	}
	n.stamp(d)
	if err := checkTransition(a, d, 0); err != nil {
		return err
	}
	d.setRows()
	if err := db.checkLinks(ctx, d); err != nil {
		return err
	}
	if err := a.checkDoc(mayCreate, d); err != nil && a.restrictedBesidesName(d) {
		return err
	}
	if err := n.nameNew(d); err != nil {
		return err
	}
	if err := a.checkDoc(mayCreate, d); err != nil {
		return err
	}
	db.resetLevels(a, d)
	doing := &saving
	if toInt(d.values[slotDocstatus]) == 1 {
		doing = &submitting
	}
	if err := n.runBefore(d, doing.before); err != nil {
		return err
	}
	if err := db.validate(d); err != nil {
		return err
	}
	d.syncName()
	if err := db.writeNew(ctx, d); err != nil {
		return err
	}
	d.wrote()
	if err := db.fire(ctx, AfterInsert, d); err != nil {
		return err
	}
	return db.fireAll(ctx, d, doing.after)
}

// nameNew names a new document and its rows.
func (n *names) nameNew(d *Doc) error {
	if err := n.db.fire(n.ctx, BeforeInsert, d); err != nil {
		return err
	}
	if err := n.setName(d); err != nil {
		return err
	}
	if err := n.takeRows(d); err != nil {
		return err
	}
	return n.nameRows(d)
}

// nameRows names rows that have no name yet, when their document has one.
func (n *names) nameRows(d *Doc) error {
	err := d.children(func(row *Doc) error {
		if row.Name() != "" {
			return nil
		}
		return n.setName(row)
	})
	d.setRows()
	return err
}

// runBefore runs the events before a document is written. What it is called and its docstatus, which have been checked, are
// not for hooks to change; rows that they add are taken in like those of a client.
func (n *names) runBefore(d *Doc, events []Event) error {
	name, docstatus := d.values[slotName], d.values[slotDocstatus]
	if err := n.db.fireAll(n.ctx, d, events); err != nil {
		return err
	}
	d.values[slotName], d.values[slotDocstatus] = name, docstatus
	if err := n.takeRows(d); err != nil {
		return err
	}
	if err := n.nameRows(d); err != nil {
		return err
	}
	d.setTitle()
	return nil
}

// wrote notes that the store has a new document.
func (d *Doc) wrote() {
	d.written, d.before = true, nil
	d.children(func(row *Doc) error {
		row.written = true
		return nil
	})
}

// restrictedBesidesName says whether a document without a name yet breaks a User Permission by one of its links.
func (a *access) restrictedBesidesName(d *Doc) bool {
	msg := a.restricted(d)
	return msg != "" && !strings.HasPrefix(msg, "Not allowed for")
}

// stamp says who writes a document or row and when. Owner and creation are never the client's to set.
func (n *names) stamp(d *Doc) {
	d.values[slotModified], d.values[slotModifiedBy] = n.moment, n.user
	if d.before != nil {
		d.values[slotOwner], d.values[slotCreation] = d.before.values[slotOwner], d.before.values[slotCreation]
	} else {
		d.values[slotOwner], d.values[slotCreation] = n.user, n.moment
	}
	d.values[slotDocstatus] = toInt(d.values[slotDocstatus])
	d.values[slotIdx] = toInt(d.values[slotIdx])
	if at, has := d.meta.slotOf["tenant_id"]; has {
		d.values[at] = n.db.tenant
	}
}

// checkTransition says whether a document may go from one docstatus to its new one: draft, submitted, cancelled.
func checkTransition(a *access, d *Doc, from int64) error {
	to := toInt(d.values[slotDocstatus])
	var need right
	switch {
	case to < 0 || to > 2:
		return Errorf(ValidationError, "Invalid docstatus %d", to)
	case from == 2:
		return Errorf(ValidationError, "Cannot edit cancelled document")
	case from == 0 && to == 2:
		return Errorf(DocstatusTransitionError, "Cannot change docstatus from 0 (Draft) to 2 (Cancelled)")
	case from == 1 && to == 0:
		return Errorf(DocstatusTransitionError, "Cannot change docstatus from 1 (Submitted) to 0 (Draft)")
	case to == 1:
		need = maySubmit
	case to == 2:
		need = mayCancel
	}
	if need != 0 && !a.all && (!bool(d.meta.IsSubmittable) || !a.allows(need, toText(d.values[slotOwner]))) {
		return a.denied(need, d.Name())
	}
	return nil
}

// resetLevels puts back what the user may not write: values of a permlevel that no role of his reaches.
func (db *DB) resetLevels(a *access, d *Doc) {
	if a.all {
		return
	}
	reset := func(row *Doc) error {
		if !row.meta.levels {
			return nil
		}
		var defaults []any
		for i := range row.meta.slots {
			s := &row.meta.slots[i]
			if a.writesLevel(s.level()) {
				continue
			}
			if row.before != nil {
				row.values[i] = row.before.values[i]
				continue
			}
			if defaults == nil {
				defaults = db.defaults(row.meta)
			}
			row.values[i] = defaults[i]
		}
		return nil
	}
	reset(d)
	d.children(reset)
	for i, t := range d.meta.tables {
		if a.writesLevel(int(t.field.Permlevel)) {
			continue
		}
		d.rows[i] = nil
		if d.before != nil {
			d.rows[i] = d.before.clone().rows[i]
			for n, row := range d.rows[i] {
				row.before = d.before.rows[i][n]
			}
		}
	}
}

// setTitle fills a title field named title from its options, or for new documents its default, where these name fields in
// braces.
func (d *Doc) setTitle() {
	at, has := d.meta.slotOf["title"]
	if d.meta.TitleField != "title" || !has || d.meta.slots[at].field == nil {
		return
	}
	f := d.meta.slots[at].field
	template := f.Options
	if template == "" && d.isNew && isEmpty(d.values[at]) {
		template = f.Default
	}
	if template == "" {
		return
	}
	d.values[at] = naming.Fill(template, func(field string) string { return toText(d.Get(field)) })
}

// syncName keeps the field that a document is named by equal to its name.
func (d *Doc) syncName() {
	if at, ok := d.meta.namingField(); ok {
		d.values[at] = d.values[slotName]
	}
}

// namingField is the slot of the field that documents are named by, if there is one.
func (m *meta) namingField() (slot int, ok bool) {
	field, ok := strings.CutPrefix(m.Autoname, "field:")
	if ok {
		slot, ok = m.slotOf[strings.TrimSpace(field)]
	}
	return slot, ok
}

// save writes a document over d.before, in Frappe's order, inside a transaction.
func (db *DB) save(ctx context.Context, d *Doc) error {
	a := db.accessTo(d.meta)
	for _, state := range []*Doc{d.before, d} {
		if err := a.checkDoc(mayWrite, state); err != nil {
			return err
		}
	}
	if err := d.checkLatest(d.before); err != nil {
		return err
	}
	doing, err := transition(a, d)
	if err != nil {
		return err
	}
	n := db.newNames(ctx)
	d.children(func(row *Doc) error {
		row.taken = false
		return nil
	})
	if err := n.takeRows(d); err != nil {
		return err
	}
	n.stamp(d)
	if err := n.nameRows(d); err != nil {
		return err
	}
	db.resetLevels(a, d)
	if doing == &cancelling {
		err = d.checkAfterSubmit() // what before_cancel changes is not checked, as in Frappe
	} else {
		err = db.checkRights(ctx, a, d)
	}
	if err != nil {
		return err
	}
	if err := n.runBefore(d, doing.before); err != nil {
		return err
	}
	if err := db.validateSaved(d, doing); err != nil {
		return err
	}
	if err := db.writeChanges(ctx, d); err != nil {
		return err
	}
	return db.fireAll(ctx, d, doing.after)
}

// checkLatest refuses a document that was changed after it was read: modified is not that of the stored one.
func (d *Doc) checkLatest(stored *Doc) error {
	was, said := toText(stored.values[slotModified]), toText(d.values[slotModified])
	if sent, ok := plain.Datetime(said); was == "" || ok && shownText(store.TypeDatetime, sent) == was {
		return nil
	}
	return &Error{Code: TimestampMismatchError, Message: "Error: Document has been modified after you have opened it (" +
		escapeHTML(d.meta.Name+" "+d.Name()+": "+was+", "+said) + "). Please refresh to get the latest document."}
}

// checkRights checks the links of a document that is saved, and then whether the user may have them there.
func (db *DB) checkRights(ctx context.Context, a *access, d *Doc) error {
	if err := db.checkLinks(ctx, d); err != nil {
		return err
	}
	return a.checkDoc(mayWrite, d)
}

func (db *DB) validateSaved(d *Doc, doing *action) error {
	if doing == &cancelling {
		return nil
	}
	if err := db.validate(d); err != nil {
		return err
	}
	d.syncName()
	if err := d.checkConstants(); err != nil {
		return err
	}
	if doing == &updatingSubmitted {
		return d.checkAfterSubmit()
	}
	return nil
}

// transition says what a save does: by the docstatus before it and the one that was asked for.
func transition(a *access, d *Doc) (*action, error) {
	if d.meta.IsSingle {
		return &saving, nil
	}
	from := toInt(d.before.values[slotDocstatus])
	if err := checkTransition(a, d, from); err != nil {
		return nil, err
	}
	switch to := toInt(d.values[slotDocstatus]); {
	case to == 2:
		return &cancelling, nil
	case from == 1:
		return &updatingSubmitted, nil
	case to == 1:
		return &submitting, nil
	}
	return &saving, nil
}

// takeRows takes rows that have come since the last time into the document: it tells those that the store has from new ones,
// which get their defaults. A row that names another document's is refused: it would be taken away from it.
func (n *names) takeRows(d *Doc) error {
	for i, t := range d.meta.tables {
		var stored map[string]*Doc
		var defaults []any
		for at, row := range d.rows[i] {
			if row.taken {
				continue
			}
			if stored == nil {
				stored = d.storedRows(i)
			}
			name := row.Name()
			row.before = stored[name]
			delete(stored, name)
			if row.before == nil {
				if name != "" && d.before != nil {
					return Errorf(ValidationError, "Row #%d of %s: there is no row %s in this document", at+1, bold(t.field.label()), bold(name))
				}
				if defaults == nil {
					defaults = n.db.defaults(t.child)
				}
				row.values[slotName] = nil
				row.fillEmpty(defaults)
			}
			row.isNew, row.taken = row.before == nil, true
			n.stamp(row)
		}
	}
	return nil
}

// storedRows are the rows of a table before the save, by name, without those that the document has taken.
func (d *Doc) storedRows(table int) map[string]*Doc {
	stored := map[string]*Doc{}
	if d.before != nil {
		for _, row := range d.before.rows[table] {
			stored[row.Name()] = row
		}
	}
	for _, row := range d.rows[table] {
		if row.taken && row.before != nil {
			delete(stored, row.before.Name())
		}
	}
	return stored
}

// delete removes a document with its rows, inside a transaction.
func (db *DB) delete(ctx context.Context, m *meta, name string) error {
	a := db.accessTo(m)
	if a.ever(mayDelete) { // others are not to keep anybody waiting
		if err := db.shutGate(ctx, m); err != nil {
			return err
		}
	}
	d, err := db.load(ctx, m, name, store.UpdateLock)
	if err != nil {
		return err
	}
	if err := a.checkDoc(mayDelete, d); err != nil {
		return err
	}
	if bool(m.IsSubmittable) && toInt(d.values[slotDocstatus]) == 1 {
		return Errorf(ValidationError, "%s %s: Submitted Record cannot be deleted. You must cancel it first.", escapeHTML(m.Name), escapeHTML(name))
	}
	if err := db.fireAll(ctx, d, deleting.before); err != nil {
		return err
	}
	if err := db.checkNotLinked(ctx, d, false); err != nil {
		return err
	}
	n := db.newNames(ctx)
	if err := n.giveBack(d); err != nil {
		return err
	}
	if err := db.writeDeleted(ctx, d); err != nil {
		return err
	}
	return db.fireAll(ctx, d, deleting.after)
}

// fillEmpty fills what the client left empty.
func (d *Doc) fillEmpty(defaults []any) {
	for i, v := range d.values {
		if v == nil {
			d.values[i] = defaults[i]
		}
	}
}

// defaults are the values of a new document: those of the DocType, and of a link the only document that User Permissions
// leave to the user.
func (db *DB) defaults(m *meta) []any {
	values := make([]any, len(m.slots))
	for i := range m.slots {
		if f := m.slots[i].field; f != nil {
			values[i] = db.defaultOf(m, f)
		}
	}
	return values
}

func (db *DB) defaultOf(m *meta, f *Field) any {
	if f.Fieldtype == "Time" {
		return db.app.now().Format(timestampLayout)[11:]
	}
	if f.Fieldtype == "Link" && f.Options != "User" && !bool(f.IgnoreUserPermissions) {
		if allowed := db.user.Restrictions[f.Options]; len(allowed) == 1 {
			return allowed[0]
		} else if len(allowed) > 1 && f.Default != "" {
			if r := (restriction{slot: -1, allowed: allowed}); !r.permits(f.Default) {
				return nil
			}
		}
	}
	switch {
	case f.Default == "" && f.Fieldtype == "Select" && f.Options != "[Select]" && f.Options != "Loading...":
		first, _, _ := strings.Cut(f.Options, "\n")
		return first
	case f.Default == "" || strings.HasPrefix(f.Default, ":") || m.TitleField == "title" && f.Fieldname == "title":
		return nil
	case f.Default == "__user":
		return db.user.Name
	case f.Default == "Today":
		return db.app.now().Format("2006-01-02")
	case f.Fieldtype == "Datetime" && strings.EqualFold(f.Default, "now"):
		return db.app.now().Format(timestampLayout)
	}
	return f.castNumber(f.Default)
}
