package frappems

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/frappems/frappems/internal/naming"
	"github.com/frappems/frappems/internal/sealed"

	"github.com/frappems/frappems/store"
)

// How documents get into tables and out of them. What is checked before is not known here.

func notFound(m *meta, name string) error {
	return Errorf(DoesNotExistError, "%s %s not found", escapeHTML(m.Name), escapeHTML(name))
}

// doc makes a document of the text forms of its columns, which are in a row at the places given by slot.
func (m *meta) doc(row [][]byte, at []int) *Doc {
	d := newDoc(m)
	d.isNew = false
	for i := range m.slots {
		d.values[i] = loadValue(m.slots[i].column.Type, row[at[i]])
	}
	return d
}

// load reads a document with its rows. With a lock others cannot change it until the transaction ends.
func (db *DB) load(ctx context.Context, m *meta, name string, lock store.Lock) (*Doc, error) {
	if m.IsSingle {
		if name != "" && name != m.Name {
			return nil, notFound(m, name)
		}
		return db.loadSingle(ctx, m)
	}
	var d *Doc
	rows := make([][]*Doc, len(m.tables))
	each := func(part int, row [][]byte, at []int) error {
		if part == 0 {
			d = m.doc(row, at)
		} else {
			rows[part-1] = append(rows[part-1], m.tables[part-1].child.doc(row, at))
		}
		return nil
	}
	var err error
	if lock == store.NoLock {
		err = db.readDocument(ctx, m, name, each)
	} else if d, err = db.lockDocument(ctx, m, name, lock); err == nil {
		// What is locked is as it is now, and what is not as it was when the statement began: these are two statements.
		if parts := m.rowParts(d.Name()); len(parts) > 0 {
			parts[0].Statement = db.app.statement("rows", m.Name)
			err = db.readParts(ctx, m, parts, each)
		}
	}
	if err != nil {
		return nil, err
	}
	for i := range rows {
		sortRows(rows[i])
		d.rows[i] = append([]*Doc{}, rows[i]...)
	}
	return d, nil
}

// lockDocument reads a document without its rows.
func (db *DB) lockDocument(ctx context.Context, m *meta, name string, lock store.Lock) (*Doc, error) {
	where, ok := m.named(name)
	if !ok {
		return nil, notFound(m, name)
	}
	found, err := db.loadRows(ctx, m, where, lock, db.app.statement("lock", strconv.Itoa(int(lock))+m.Name))
	if err == nil && len(found) == 0 {
		err = notFound(m, name)
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// loadRows reads rows of one table as documents without rows of their own.
func (db *DB) loadRows(ctx context.Context, m *meta, where store.Cond, lock store.Lock, s *store.Statement) ([]*Doc, error) {
	q := &store.Query{Tenant: db.tenant, From: m.table, Columns: m.allColumns(), Where: where, Lock: lock, Statement: s}
	var found []*Doc
	err := db.each(ctx, q, func(row [][]byte) error {
		found = append(found, m.read(row))
		return nil
	})
	return found, err
}

func (m *meta) allColumns() []store.Expr {
	all := make([]store.Expr, len(m.slots))
	for i := range m.slots {
		all[i].Column = m.slots[i].column
	}
	return all
}

// read makes a document of the text forms of all its columns.
func (m *meta) read(row [][]byte) *Doc {
	d := newDoc(m)
	d.isNew = false
	for i := range m.slots {
		d.values[i] = loadValue(m.slots[i].column.Type, row[i])
	}
	return d
}

// rowsOf is the condition that a row is of this table field of one of these documents.
func (t *tableField) rowsOf(m *meta, names ...string) store.Cond {
	parent := compare(store.OpIn, t.child.expr("parent"), names...)
	if len(names) == 1 {
		parent.Op = store.OpEqual
	}
	return store.Cond{Op: store.OpAnd, Conds: append([]store.Cond{parent}, t.ofField(m).Conds...)}
}

// ofField is the condition that a row is of this table field, of whichever document.
func (t *tableField) ofField(m *meta) store.Cond {
	return store.Cond{Op: store.OpAnd, Conds: []store.Cond{compare(store.OpEqual, t.child.expr("parenttype"), m.Name),
		compare(store.OpEqual, t.child.expr("parentfield"), t.field.Fieldname)}}
}

func sortRows(rows []*Doc) {
	slices.SortStableFunc(rows, func(a, b *Doc) int {
		return cmp.Or(cmp.Compare(toInt(a.values[slotIdx]), toInt(b.values[slotIdx])), cmp.Compare(a.Name(), b.Name()))
	})
}

// loadSingle reads the document of a Single DocType: its values are rows of a table of names and texts. One that was
// never saved has its defaults.
func (db *DB) loadSingle(ctx context.Context, m *meta) (*Doc, error) {
	d := newDoc(m)
	d.isNew = false
	rows, err := db.texts(ctx, &store.Query{Tenant: db.tenant, From: singleTable,
		Columns: []store.Expr{{Column: singleTable.Column("field")}, {Column: singleTable.Column("value")}},
		Where:   compare(store.OpEqual, store.Expr{Column: singleTable.Column("doctype")}, m.Name)})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		copy(d.values, db.defaults(m))
		d.values[slotOwner], d.values[slotDocstatus], d.values[slotIdx] = db.user.Name, int64(0), int64(0)
	}
	for _, row := range rows {
		if at, has := m.slotOf[row[0]]; has {
			d.values[at] = loadValue(m.slots[at].column.Type, []byte(row[1]))
		}
	}
	if len(rows) > 0 {
		d.values[slotIdx] = toText(d.values[slotIdx]) // as recorded: a saved Single's idx is a text
	}
	d.values[slotName] = m.Name
	for i, t := range m.tables {
		if d.rows[i], err = db.loadRows(ctx, t.child, t.rowsOf(m, m.Name), store.NoLock, nil); err != nil {
			return nil, err
		}
		sortRows(d.rows[i])
	}
	return d, nil
}

// columns are those that a document is written to, by slot; tenant_id is the store's.
func (m *meta) columns() (slots []int, columns []*store.Column) {
	slots, columns = make([]int, 0, len(m.slots)), make([]*store.Column, 0, len(m.slots))
	for i := range m.slots {
		if c := m.slots[i].column; c.Name != "tenant_id" {
			slots, columns = append(slots, i), append(columns, c)
		}
	}
	return slots, columns
}

// cells are values of a document in the text form of their columns.
func (d *Doc) cells(slots []int) ([]any, error) {
	cells := make([]any, len(slots))
	for i, at := range slots {
		text, null, err := d.text(at)
		if err != nil {
			return nil, err
		}
		if given, ok := d.values[at].(string); ok && !null && given == text {
			cells[i] = d.values[at]
		} else if !null {
			cells[i] = text
		}
	}
	return cells, nil
}

// insertion is one statement for any number of documents of a DocType.
func (db *DB) insertion(docs []*Doc) (store.Mutation, error) {
	m := docs[0].meta
	slots, columns := m.columns()
	write := store.Mutation{Kind: store.InsertRows, Tenant: db.tenant, Table: m.table, Columns: columns}
	for _, d := range docs {
		cells, err := d.cells(slots)
		if err != nil {
			return write, err
		}
		write.Rows = append(write.Rows, cells)
	}
	return write, nil
}

// writeNew writes a new document: a statement for it and one for each of its tables.
func (db *DB) writeNew(ctx context.Context, d *Doc) error {
	writes, err := db.secrets(d)
	if err != nil {
		return err
	}
	if d.meta.IsSingle {
		d.before, err = db.loadSingle(ctx, d.meta)
		if err != nil {
			return err
		}
		d.before.rows = make([][]*Doc, len(d.rows))
		return db.writeChanges(ctx, d)
	}
	write, err := db.insertion([]*Doc{d})
	writes = append(writes, write)
	for _, rows := range d.rows {
		if err == nil && len(rows) > 0 {
			write, err = db.insertion(rows)
			writes = append(writes, write)
		}
	}
	if err != nil {
		return err
	}
	return db.write(ctx, d, writes)
}

// write runs the statements of a save, and says which key was there already.
func (db *DB) write(ctx context.Context, d *Doc, writes []store.Mutation) error {
	_, err := db.tx.Write(ctx, writes...)
	if !errors.Is(err, store.ErrDuplicateKey) {
		return err
	}
	explain := func(row *Doc) error { return db.duplicate(ctx, row, err) }
	if problem := explain(d); problem != nil {
		return problem
	}
	if problem := d.children(explain); problem != nil {
		return problem
	}
	return &Error{Code: DuplicateEntryError, Message: escapeHTML(d.meta.Name) + " " + bold(d.Name()) + " already exists", Cause: err}
}

// duplicate finds the key of a document that another one has.
func (db *DB) duplicate(ctx context.Context, d *Doc, cause error) error {
	if d.isNew {
		found, err := db.values(ctx, d.meta, d.Name(), "name")
		if err != nil {
			return err
		}
		if found != nil {
			return &Error{Code: DuplicateEntryError, Cause: cause,
				Message: escapeHTML(d.meta.Name) + " " + bold(d.Name()) + " already exists", Title: "Duplicate Name"}
		}
	}
	name := store.Expr{Column: d.meta.slots[slotName].column}
	for i := range d.meta.slots {
		s := &d.meta.slots[i]
		text, null, err := d.text(i)
		if s.field == nil || !bool(s.field.Unique) || null || err != nil {
			continue
		}
		rows, err := db.texts(ctx, &store.Query{Tenant: db.tenant, From: d.meta.table, Columns: []store.Expr{name}, Limit: 1,
			Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{compare(store.OpEqual, s.expr(), text),
				compare(store.OpNotEqual, name, d.Name())}}})
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			return &Error{Code: UniqueValidationError, Message: escapeHTML(s.label()) + " must be unique", Cause: cause}
		}
	}
	return nil
}

// writeChanges writes what differs from d.before.
func (db *DB) writeChanges(ctx context.Context, d *Doc) error {
	writes, err := db.secrets(d)
	if err != nil {
		return err
	}
	own := db.changes
	if d.meta.IsSingle {
		own = db.singleChanges
	}
	more, err := own(d)
	writes = append(writes, more...)
	for i := range d.meta.tables {
		if err == nil {
			more, err = db.rowChanges(d, i)
			writes = append(writes, more...)
		}
	}
	if err != nil {
		return err
	}
	return db.write(ctx, d, writes)
}

// changes is the update of one document or row, or nothing.
func (db *DB) changes(d *Doc) ([]store.Mutation, error) {
	var slots []int
	write := store.Mutation{Kind: store.UpdateRows, Tenant: db.tenant, Table: d.meta.table}
	for i := range d.meta.slots {
		if i != slotName && d.meta.slots[i].name != "tenant_id" && !d.same(i) {
			slots, write.Columns = append(slots, i), append(write.Columns, d.meta.slots[i].column)
		}
	}
	cells, err := d.cells(slots)
	if err != nil || len(cells) == 0 {
		return nil, err
	}
	where, _ := d.meta.named(d.before.Name())
	write.Where, write.Rows = where, [][]any{cells}
	return []store.Mutation{write}, nil
}

// rowChanges deletes, updates and inserts rows of one table.
func (db *DB) rowChanges(d *Doc, at int) ([]store.Mutation, error) {
	var writes []store.Mutation
	var fresh []*Doc
	gone := map[string]bool{}
	for _, row := range d.before.rows[at] {
		gone[row.Name()] = true
	}
	for _, row := range d.rows[at] {
		if row.before == nil {
			fresh = append(fresh, row)
			continue
		}
		delete(gone, row.before.Name())
		update, err := db.changes(row)
		if err != nil {
			return nil, err
		}
		writes = alike(writes, update)
	}
	if len(gone) > 0 {
		names := make([]string, 0, len(gone))
		for name := range gone {
			names = append(names, name)
		}
		slices.Sort(names)
		child := d.meta.tables[at].child
		remove := store.Mutation{Kind: store.DeleteRows, Tenant: db.tenant, Table: child.table,
			Where: store.Cond{Op: store.OpIn, Expr: store.Expr{Column: child.slots[slotName].column}, Values: names}}
		writes = append([]store.Mutation{remove}, writes...)
	}
	if len(fresh) > 0 {
		insert, err := db.insertion(fresh)
		if err != nil {
			return nil, err
		}
		writes = append(writes, insert)
	}
	return writes, nil
}

// alike adds an update of a row, which may be none, to one that gives other rows the same values.
func alike(writes, update []store.Mutation) []store.Mutation {
	if len(update) == 1 {
		at := slices.IndexFunc(writes, func(w store.Mutation) bool {
			return slices.Equal(w.Columns, update[0].Columns) && slices.Equal(w.Rows[0], update[0].Rows[0])
		})
		if at >= 0 {
			where := &writes[at].Where
			where.Op, where.Values = store.OpIn, append(where.Values, update[0].Where.Values...)
			return writes
		}
	}
	return append(writes, update...)
}

// singleChanges writes all values of a Single DocType anew.
func (db *DB) singleChanges(d *Doc) ([]store.Mutation, error) {
	remove := store.Mutation{Kind: store.DeleteRows, Tenant: db.tenant, Table: singleTable,
		Where: compare(store.OpEqual, store.Expr{Column: singleTable.Column("doctype")}, d.meta.Name)}
	insert := store.Mutation{Kind: store.InsertRows, Tenant: db.tenant, Table: singleTable, Columns: singleTable.Columns}
	for i := range d.meta.slots {
		text, null, err := d.text(i)
		if err != nil {
			return nil, err
		}
		if !null {
			insert.Rows = append(insert.Rows, []any{d.meta.Name, d.meta.slots[i].name, text})
		}
	}
	return []store.Mutation{remove, insert}, nil
}

// writeDeleted removes a document, its rows and its passwords, and keeps a copy of it as Frappe does.
func (db *DB) writeDeleted(ctx context.Context, d *Doc) error {
	copied := string(d.appendDoc(nil, func(int) bool { return true }, false))
	deleted := db.app.now().Format(timestampLayout) + " " + naming.Random()
	writes := []store.Mutation{{Kind: store.InsertRows, Tenant: db.tenant, Table: deletedTable, Columns: deletedTable.Columns,
		Rows: [][]any{{d.meta.Name, d.Name(), deleted, copied}}}}
	if d.meta.IsSingle {
		remove, _ := db.singleChanges(d)
		writes = append(writes, remove[0])
	} else {
		where, _ := d.meta.named(d.Name())
		writes = append(writes, store.Mutation{Kind: store.DeleteRows, Tenant: db.tenant, Table: d.meta.table, Where: where})
	}
	for i, t := range d.meta.tables {
		if len(d.rows[i]) > 0 {
			writes = append(writes, store.Mutation{Kind: store.DeleteRows, Tenant: db.tenant, Table: t.child.table, Where: t.rowsOf(d.meta, d.Name())})
		}
	}
	forget := func(row *Doc) error {
		for _, at := range row.meta.password {
			writes = append(writes, db.forgetPassword(row, row.meta.slots[at].name))
		}
		return nil
	}
	forget(d)
	d.children(forget)
	_, err := db.tx.Write(ctx, writes...)
	return err
}

// secrets takes new passwords out of a document and its rows: in their place stars stay, as many as there were letters.
func (db *DB) secrets(d *Doc) ([]store.Mutation, error) {
	var writes []store.Mutation
	take := func(row *Doc) error {
		for _, at := range row.meta.password {
			text := toText(row.values[at])
			field := row.meta.slots[at].name
			if text != "" && strings.Trim(text, "*") == "" {
				continue // the stars that a client read
			}
			if row.before != nil {
				writes = append(writes, db.forgetPassword(row, field))
			}
			if text == "" {
				continue
			}
			secret, err := sealed.Seal(db.app.config.EncryptionKey, text, db.tenant+"/"+row.meta.Name+"/"+row.Name()+"/"+field)
			if err != nil {
				return err
			}
			writes = append(writes, store.Mutation{Kind: store.InsertRows, Tenant: db.tenant, Table: passwordTable, Columns: passwordTable.Columns,
				Rows: [][]any{{row.meta.Name, row.Name(), field, secret}}})
			row.values[at] = strings.Repeat("*", len([]rune(text)))
		}
		return nil
	}
	if err := take(d); err != nil {
		return nil, err
	}
	return writes, d.children(take)
}

func (db *DB) forgetPassword(d *Doc, field string) store.Mutation {
	where := store.Cond{Op: store.OpAnd}
	for i, value := range []string{d.meta.Name, d.Name(), field} {
		where.Conds = append(where.Conds, compare(store.OpEqual, store.Expr{Column: passwordTable.Columns[i]}, value))
	}
	return store.Mutation{Kind: store.DeleteRows, Tenant: db.tenant, Table: passwordTable, Where: where}
}
