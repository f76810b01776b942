package frappems

import (
	"context"
	"errors"

	"github.com/frappems/frappems/internal/sealed"

	"github.com/frappems/frappems/store"
)

// Renaming is what hooks of before_rename and after_rename can know: see [Doc.Renaming].
type Renaming struct {
	Old   string
	New   string // before_rename may change it
	Merge bool   // into a document that is there
}

// Renaming is what a document is renamed from and to, in hooks of before_rename (of the old document) and after_rename (of the
// new one). Elsewhere it is nil.
func (d *Doc) Renaming() *Renaming { return d.renaming }

// Rename gives a document another name and changes all links of the tenant to it, or with merge makes them links to a document
// that has the new name and deletes the old one. It returns the new name, without blanks around it. The DocType has to allow it,
// and the user has to be allowed to write (and, to merge, to delete). Links change without their documents' hooks and without
// their modified, as in Frappe. Errors: DoesNotExistError, PermissionError, NameError, and ValidationError.
func (db *DB) Rename(ctx context.Context, doctype, old, new string, merge bool) (name string, err error) {
	m, err := db.meta(doctype)
	if err != nil {
		return "", err
	}
	err = db.Tx(ctx, func(db *DB) error {
		r := &Renaming{Old: old, New: new, Merge: merge}
		err := db.rename(ctx, m, r)
		name = r.New
		return err
	})
	return name, err
}

func (db *DB) rename(ctx context.Context, m *meta, r *Renaming) error {
	a := db.accessTo(m)
	if !a.ever(mayWrite) {
		return a.denied(mayWrite, "")
	}
	if !bool(m.AllowRename) || bool(m.IsSingle) || bool(m.IsTable) || m.slots[slotName].column.Type == store.TypeBigInt {
		return Errorf(ValidationError, "%s not allowed to be renamed", escapeHTML(m.Name))
	}
	if err := db.shutGate(ctx, m); err != nil {
		return err
	}
	d, err := db.load(ctx, m, r.Old, store.UpdateLock)
	if err != nil {
		return err
	}
	if err := a.checkDoc(mayWrite, d); err != nil {
		return err
	}
	r.Old, d.renaming = d.Name(), r
	if err := db.fire(ctx, BeforeRename, d); err != nil {
		return err
	}
	if r.New, err = checkDocumentName(m, r.New); err != nil {
		return err
	}
	if err := db.checkNewName(ctx, a, d, r); err != nil {
		return err
	}
	writes, err := db.moveLinks(ctx, m, r)
	if err == nil && !r.Merge {
		writes, err = db.moveDocument(ctx, d, r.New, writes)
	}
	if err != nil {
		return err
	}
	if _, err := db.tx.Write(ctx, writes...); errors.Is(err, store.ErrDuplicateKey) {
		return &Error{Code: DuplicateEntryError, Message: escapeHTML(m.Name) + " " + bold(r.New) + " already exists", Cause: err}
	} else if err != nil {
		return err
	}
	return db.renamed(ctx, m, r)
}

// checkNewName says whether a document may have its new name: nobody else has it, or somebody whom it is to be merged into.
// Names are one where they compare as equal, so a document can get another spelling of its own.
func (db *DB) checkNewName(ctx context.Context, a *access, d *Doc, r *Renaming) error {
	target, err := db.load(ctx, d.meta, r.New, store.UpdateLock)
	if err != nil && !errors.Is(err, DoesNotExistError) {
		return err
	}
	another := err == nil && target.Name() != r.Old
	doctype := escapeHTML(d.meta.Name)
	switch {
	case r.Old == r.New:
		return Errorf(ValidationError, "No changes made because old and new name are the same.")
	case r.Merge && !another:
		return Errorf(ValidationError, "%s %s does not exist, select a new target to merge", doctype, bold(r.New))
	case r.Merge:
		r.New = target.Name()
		return a.checkDoc(mayWrite, target)
	case another:
		return Errorf(ValidationError, "Another %s with name %s exists, select another name", doctype, bold(r.New))
	}
	renamed := d.clone()
	renamed.values[slotName] = r.New
	renamed.syncName()
	if err := renamed.checkLengths(); err != nil {
		return err
	}
	return a.checkDoc(mayWrite, renamed)
}

// moveDocument adds what gives a document its new name: in its own row with the field that it is named by, in its rows, and in
// its passwords.
func (db *DB) moveDocument(ctx context.Context, d *Doc, name string, writes []store.Mutation) ([]store.Mutation, error) {
	where, _ := d.meta.named(d.Name())
	own := store.Mutation{Kind: store.UpdateRows, Tenant: db.tenant, Table: d.meta.table, Where: where,
		Columns: []*store.Column{d.meta.slots[slotName].column}, Rows: [][]any{{name}}}
	if at, is := d.meta.namingField(); is {
		own.Columns, own.Rows[0] = append(own.Columns, d.meta.slots[at].column), append(own.Rows[0], name)
	}
	writes = append(writes, own)
	for _, t := range d.meta.tables {
		writes = append(writes, store.Mutation{Kind: store.UpdateRows, Tenant: db.tenant, Table: t.child.table, Where: t.rowsOf(d.meta, d.Name()),
			Columns: []*store.Column{t.child.slots[t.child.slotOf["parent"]].column}, Rows: [][]any{{name}}})
	}
	for _, at := range d.meta.password {
		field := d.meta.slots[at].name
		forget := db.forgetPassword(d, field)
		sealed, err := db.texts(ctx, &store.Query{Tenant: db.tenant, From: passwordTable, Where: forget.Where,
			Columns: []store.Expr{{Column: passwordTable.Column("password")}}})
		if err != nil {
			return nil, err
		}
		for _, row := range sealed {
			again, err := db.reseal(row[0], d, name, field)
			if err != nil {
				return nil, err
			}
			writes = append(writes, forget, store.Mutation{Kind: store.InsertRows, Tenant: db.tenant, Table: passwordTable,
				Columns: passwordTable.Columns, Rows: [][]any{{d.meta.Name, name, field, again}}})
		}
	}
	return writes, nil
}

// reseal encrypts a password anew for a document's new name, since it is bound to the place that it belongs to.
func (db *DB) reseal(text string, d *Doc, name, field string) (string, error) {
	key, place := db.app.config.EncryptionKey, db.tenant+"/"+d.meta.Name+"/"
	text, err := sealed.Open(key, text, place+d.Name()+"/"+field)
	if err != nil {
		return "", &Error{Code: ValidationError, Cause: err, Message: "The password in the field " + bold(field) + " of " +
			escapeHTML(d.meta.Name) + " " + bold(d.Name()) + " cannot be read any more. Set it again, and then rename."}
	}
	return sealed.Seal(key, text, place+name+"/"+field)
}

// moveLinks makes links to the old name links to the new one, in all tables of the tenant: one statement for each link field.
func (db *DB) moveLinks(ctx context.Context, m *meta, r *Renaming) ([]store.Mutation, error) {
	var writes []store.Mutation
	for _, name := range db.app.registry.names {
		by := db.app.registry.byName[name]
		if by.IsVirtual {
			continue
		}
		for _, l := range by.links {
			if l.typeSlot < 0 && l.doctype != m.Name {
				continue
			}
			if by.IsSingle {
				write, err := db.moveSingleLink(ctx, by, l, m, r)
				if err != nil {
					return nil, err
				}
				writes = append(writes, write...)
				continue
			}
			where := compare(store.OpEqual, by.slots[l.slot].expr(), r.Old)
			if l.typeSlot >= 0 {
				where = store.Cond{Op: store.OpAnd, Conds: []store.Cond{where, compare(store.OpEqual, by.slots[l.typeSlot].expr(), m.Name)}}
			}
			writes = append(writes, store.Mutation{Kind: store.UpdateRows, Tenant: db.tenant, Table: by.table, Where: where,
				Columns: []*store.Column{by.slots[l.slot].column}, Rows: [][]any{{r.New}}})
		}
	}
	return writes, nil
}

func (db *DB) moveSingleLink(ctx context.Context, single *meta, l linkField, m *meta, r *Renaming) ([]store.Mutation, error) {
	d, err := db.loadSingle(ctx, single)
	if err != nil || store.CompareText(toText(d.values[l.slot]), r.Old) != 0 || l.typeSlot >= 0 && toText(d.values[l.typeSlot]) != m.Name {
		return nil, err
	}
	where := store.Cond{Op: store.OpAnd, Conds: []store.Cond{
		compare(store.OpEqual, store.Expr{Column: singleTable.Column("doctype")}, single.Name),
		compare(store.OpEqual, store.Expr{Column: singleTable.Column("field")}, single.slots[l.slot].name)}}
	return []store.Mutation{{Kind: store.UpdateRows, Tenant: db.tenant, Table: singleTable, Where: where,
		Columns: []*store.Column{singleTable.Column("value")}, Rows: [][]any{{r.New}}}}, nil
}

// renamed tells hooks, and deletes a document that was merged into another.
func (db *DB) renamed(ctx context.Context, m *meta, r *Renaming) error {
	d, err := db.load(ctx, m, r.New, store.NoLock)
	if err != nil {
		return err
	}
	d.renaming = r
	if err := db.fire(ctx, AfterRename, d); err != nil || !r.Merge {
		return err
	}
	return db.delete(ctx, m, r.Old)
}
