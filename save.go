package frappems

import (
	"context"
	"strings"

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
	now := db.app.now()
	if err := db.setDefaults(ctx, d); err != nil {
		return err
	}
	db.stamp(d, now.Format(timestampLayout))
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
	n := &names{ctx: ctx, db: db, now: now}
	if err := n.setName(d); err != nil {
		return err
	}
	if err := d.children(n.setName); err != nil {
		return err
	}
	d.setRows()
	if err := a.checkDoc(mayCreate, d); err != nil {
		return err
	}
	db.resetLevels(a, d)
	d.setTitle()
	if err := db.validate(d); err != nil {
		return err
	}
	d.syncName()
	return db.writeNew(ctx, d)
}

// restrictedBesidesName says whether a document without a name yet breaks a User Permission by one of its links.
func (a *access) restrictedBesidesName(d *Doc) bool {
	msg := a.restricted(d)
	return msg != "" && !strings.HasPrefix(msg, "Not allowed for")
}

// stamp says who writes and when. Owner and creation are never the client's to set.
func (db *DB) stamp(d *Doc, now string) {
	visit := func(row *Doc) error {
		row.values[slotModified], row.values[slotModifiedBy] = now, db.user.Name
		if row.before != nil {
			row.values[slotOwner], row.values[slotCreation] = row.before.values[slotOwner], row.before.values[slotCreation]
		} else {
			row.values[slotOwner], row.values[slotCreation] = db.user.Name, now
		}
		row.values[slotDocstatus] = d.values[slotDocstatus]
		if at, has := row.meta.slotOf["tenant_id"]; has {
			row.values[at] = db.tenant
		}
		return nil
	}
	d.values[slotDocstatus] = toInt(d.values[slotDocstatus])
	d.values[slotIdx] = toInt(d.values[slotIdx])
	visit(d)
	d.children(visit)
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
	d.values[at] = bracedWord.ReplaceAllStringFunc(template, func(braced string) string {
		return toText(d.Get(braced[1 : len(braced)-1]))
	})
}

// syncName keeps the field that a document is named by equal to its name.
func (d *Doc) syncName() {
	if field, ok := strings.CutPrefix(d.meta.Autoname, "field:"); ok {
		if at, has := d.meta.slotOf[strings.TrimSpace(field)]; has {
			d.values[at] = d.values[slotName]
		}
	}
}

// save writes a document over d.before, in Frappe's order, inside a transaction.
func (db *DB) save(ctx context.Context, d *Doc) error {
	a := db.accessTo(d.meta)
	for _, state := range []*Doc{d.before, d} {
		if err := a.checkDoc(mayWrite, state); err != nil {
			return err
		}
	}
	was := toText(d.before.values[slotModified])
	if sent, ok := datetimeText(toText(d.values[slotModified])); was != "" && (!ok || shownText(store.TypeDatetime, sent) != was) {
		return &Error{Code: TimestampMismatchError, Message: "Error: Document has been modified after you have opened it (" +
			escapeHTML(d.meta.Name+" "+d.Name()+": "+was+", "+toText(d.values[slotModified])) + "). Please refresh to get the latest document."}
	}
	from, to := toInt(d.before.values[slotDocstatus]), toInt(d.values[slotDocstatus])
	if err := checkTransition(a, d, from); err != nil && !bool(d.meta.IsSingle) {
		return err
	}
	if err := db.adoptRows(ctx, d); err != nil {
		return err
	}
	db.stamp(d, db.app.now().Format(timestampLayout))
	d.setRows()
	db.resetLevels(a, d)
	if to != 2 {
		if err := db.checkLinks(ctx, d); err != nil {
			return err
		}
		if err := a.checkDoc(mayWrite, d); err != nil {
			return err
		}
		d.setTitle()
		if err := db.validate(d); err != nil {
			return err
		}
		d.syncName()
		if err := d.checkConstants(); err != nil {
			return err
		}
	} else if err := db.checkNotLinked(ctx, d, true); err != nil {
		return err
	}
	if from == 1 {
		if err := d.checkAfterSubmit(); err != nil {
			return err
		}
	}
	return db.writeChanges(ctx, d)
}

// adoptRows tells rows that were there from new ones. A row that names another document's is refused: it would be taken
// away from it.
func (db *DB) adoptRows(ctx context.Context, d *Doc) error {
	n := &names{ctx: ctx, db: db, now: db.app.now()}
	for i, t := range d.meta.tables {
		stored := map[string]*Doc{}
		for _, row := range d.before.rows[i] {
			stored[row.Name()] = row
		}
		for at, row := range d.rows[i] {
			name := row.Name()
			row.before, row.isNew = stored[name], name == ""
			delete(stored, name)
			switch {
			case row.before != nil:
			case name != "":
				return Errorf(ValidationError, "Row #%d of %s: there is no row %s in this document", at+1, bold(t.field.label()), bold(name))
			default:
				defaults := db.defaults(row.meta)
				for s, v := range row.values {
					if v == nil {
						row.values[s] = defaults[s]
					}
				}
				if err := n.setName(row); err != nil {
					return err
				}
			}
		}
	}
	return nil
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
	if err := db.checkNotLinked(ctx, d, false); err != nil {
		return err
	}
	n := &names{ctx: ctx, db: db, now: db.app.now()}
	if err := n.giveBack(d); err != nil {
		return err
	}
	return db.writeDeleted(ctx, d)
}

// setDefaults fills what the client left empty in a new document and its rows.
func (db *DB) setDefaults(ctx context.Context, d *Doc) error {
	fill := func(row *Doc) error {
		defaults := db.defaults(row.meta)
		for i, v := range row.values {
			if v == nil {
				row.values[i] = defaults[i]
			}
		}
		return nil
	}
	fill(d)
	return d.children(fill)
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
	now := db.app.now()
	if f.Fieldtype == "Time" {
		return now.Format(timestampLayout)[11:]
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
		return now.Format("2006-01-02")
	case f.Fieldtype == "Datetime" && strings.EqualFold(f.Default, "now"):
		return now.Format(timestampLayout)
	}
	return f.castNumber(f.Default)
}
