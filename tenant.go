package frappems

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/frappems/frappems/internal/plain"

	"github.com/frappems/frappems/store"
)

// ErrTxOpen is what a [DB] answers while a transaction that was begun on it is open: work with the transaction's own.
var ErrTxOpen = errors.New("frappems: a transaction of this DB is open, use the one that it was given")

// errOneWriter is in place of a wait that would not end.
var errOneWriter = errors.New("frappems: the request has a transaction open, and its store has one writer: begin no other in it (see Safe)")

// Store keeps the tables of a service. What one has to do is written at [store.Store]; [NewMemoryStore] is one, and the
// adapters have others.
type Store = store.Store

// NewMemoryStore makes a store that lives as long as the process.
func NewMemoryStore() Store { return store.NewMemory() }

// RemoteLinks says what becomes of a link to a DocType that this service does not have.
type RemoteLinks int

// AcceptRemoteLinks takes the client's word for it; RefuseRemoteLinks answers with LinkValidationError. CheckRemoteLinks asks the
// Central Site with the service's credential, for all links of a document in one call for each DocType, writes its spelling of the
// names into them and fetches what is fetched through them (fetch_from). What it says holds for a minute, or for five seconds where there
// is no such document. A Central that cannot be asked is an UnavailableError; nothing is let in.
const (
	AcceptRemoteLinks RemoteLinks = iota
	RefuseRemoteLinks
	CheckRemoteLinks
)

// DB is the documents of one tenant as one user may see and change them. It is bound to both when it is made, and there
// is no call on it that reaches another tenant. It may be used concurrently, but for the one that a transaction is given.
type DB struct {
	app    *App
	user   *User
	tenant string
	tx     *transaction // nil outside a transaction
	inTx   *atomic.Bool // a transaction of it is open
	taken  *takenNumbers
}

func newDB(a *App, user *User, tenant string) *DB {
	return &DB{app: a, user: user, tenant: tenant, inTx: new(atomic.Bool)}
}

// Tenant is the tenant whose documents these are.
func (db *DB) Tenant() string { return db.tenant }

// transaction is one try of [DB.Tx], with what is to happen when it is over.
type transaction struct {
	store.Tx
	writes int                         // statements that changed something
	depth  int                         // of hooks that are running inside each other
	undo   []func()                    // what puts documents in memory back
	after  []func(ctx context.Context) // of AfterCommit
	broken error                       // why it cannot be committed any more
	over   atomic.Bool
}

// Write counts.
func (t *transaction) Write(ctx context.Context, m ...store.Mutation) (int64, error) {
	rows, err := t.Tx.Write(ctx, m...)
	if rows > 0 {
		t.writes++
	}
	return rows, err
}

// part runs f as a part of the transaction. Where it fails, documents in memory are put back, and what it wanted to have done
// after the commit is forgotten. Where it had written something, a hook that passes over its error cannot have half of a change
// committed.
func (t *transaction) part(f func() error) error {
	writes, undo, after := t.writes, len(t.undo), len(t.after)
	err := f()
	if err == nil {
		return nil
	}
	for _, restore := range slices.Backward(t.undo[undo:]) {
		restore()
	}
	t.undo, t.after = t.undo[:undo], t.after[:after]
	if t.writes > writes {
		t.broken = err
	}
	return err
}

// maxTries is how often a transaction is begun that the store breaks a deadlock with.
const maxTries = 8

// pause lets others go first, before the next try: for a time that is a matter of chance, and longer with each try. It is false
// where ctx has ended.
func pause(ctx context.Context, try int) bool {
	return sleep(ctx, rand.N(time.Millisecond<<try))
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// InTx says whether a transaction is open: of this DB, or begun on it.
func (db *DB) InTx() bool { return db.tx != nil || db.inTx.Load() }

// Tx runs f in a transaction, which is committed when f returns nil and rolled back otherwise. f works with the DB that it
// is given; one that is in a transaction already joins it. A part that joined and failed after it had written something takes
// the whole with it, even if its error is passed over. When the store breaks a deadlock, and when the Central Site has to be asked
// for links, f is run again, so it leaves no trace outside its DB; documents that it saved are as they were before.
func (db *DB) Tx(ctx context.Context, f func(db *DB) error) error {
	if db.tx != nil {
		taken, writes := *db.taken, db.tx.writes
		err := db.tx.part(func() error { return f(db) })
		if err != nil && db.tx.writes == writes && db.tx.broken == nil {
			db.tx.broken = db.untake(ctx, taken)
		}
		return err
	}
	if !db.inTx.CompareAndSwap(false, true) {
		return ErrTxOpen
	}
	after, err := db.tries(ctx, f)
	for _, f := range after {
		db.runAfterCommit(ctx, f)
	}
	return err
}

func (db *DB) tries(ctx context.Context, f func(db *DB) error) (after []func(ctx context.Context), err error) {
	defer db.inTx.Store(false)
	if x := exchangeFrom(ctx); x != nil {
		x.open.Add(1)
		defer x.open.Add(-1)
	}
	taken := &takenNumbers{}
	for n := 0; n < maxTries; n++ {
		after, err = db.try(ctx, taken, f)
		if err != nil && taken.unknown != nil {
			if err = db.askCentral(ctx, taken); err == nil {
				n--
				continue
			}
		}
		if !errors.Is(err, store.ErrDeadlock) && !taken.again(err) || !pause(ctx, n) {
			break
		}
	}
	return after, err
}

func (db *DB) try(ctx context.Context, taken *takenNumbers, f func(db *DB) error) (after []func(ctx context.Context), err error) {
	if x := exchangeFrom(ctx); x != nil && db.app.writers == nil && x.writesBeside(db) {
		return nil, errOneWriter
	}
	tx, err := db.app.store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	*taken = takenNumbers{careful: taken.careful, remote: taken.remote, asked: taken.asked}
	rolledBack := true
	t := &transaction{Tx: tx}
	defer func() {
		t.over.Store(true)
		tx.Rollback()
		db.app.series.Settle(&taken.Taken, rolledBack)
	}()
	inside := *db
	inside.tx, inside.inTx, inside.taken = t, new(atomic.Bool), taken
	err = t.part(func() error {
		if err := f(&inside); err != nil {
			return err
		}
		if t.broken != nil {
			return t.broken
		}
		err := t.Commit()
		rolledBack = errors.Is(err, store.ErrDeadlock) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		return err
	})
	if err == nil {
		db.forgetNumbers(ctx, taken.deleted)
	}
	return t.after, err
}

// AfterCommit has f run when the transaction of this DB has been committed, in the order of the calls, and before the client is
// answered: what leaves a trace outside the store, such as an e-mail, belongs there. After a rollback it does not run, and once
// only where the transaction had to be repeated. Its ctx has the values of the one given here, does not end when the client
// hangs up, and ends after Config.RequestTimeout. The transaction's DB cannot be used there, [App.DB] can. What it panics with
// is logged. Outside a transaction it runs at once.
func (db *DB) AfterCommit(ctx context.Context, f func(ctx context.Context)) {
	if db.tx == nil {
		db.runAfterCommit(ctx, f)
		return
	}
	db.tx.after = append(db.tx.after, func(context.Context) { db.runAfterCommit(ctx, f) })
}

func (db *DB) runAfterCommit(ctx context.Context, f func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), db.app.config.RequestTimeout)
	defer cancel()
	defer func() {
		if problem := recover(); problem != nil {
			args := []any{"panic", fmt.Sprint(problem), "stack", string(debug.Stack())}
			if x := exchangeFrom(ctx); x != nil {
				args = append(args, "request_id", x.id)
			}
			db.app.log.ErrorContext(ctx, "after commit", args...)
		}
	}()
	f(ctx)
}

func (db *DB) accessTo(m *meta) *access { return accessTo(db.user, m) }

// query runs a query of the DB's tenant, in its transaction where it has one.
func (db *DB) query(ctx context.Context, q *store.Query) (store.Rows, error) {
	if db.tx != nil {
		return db.tx.Query(ctx, q)
	}
	if db.inTx.Load() {
		return nil, ErrTxOpen
	}
	return db.app.store.Query(ctx, q)
}

// each calls f for every row of a query, whose bytes are valid until f returns.
func (db *DB) each(ctx context.Context, q *store.Query, f func(row [][]byte) error) error {
	rows, err := db.query(ctx, q)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := make([][]byte, len(q.Columns))
	for rows.Next() {
		if err := rows.Scan(row); err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// texts gives all rows of a small query; NULL is "".
func (db *DB) texts(ctx context.Context, q *store.Query) ([][]string, error) {
	var all [][]string
	err := db.each(ctx, q, func(row [][]byte) error {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = string(v)
		}
		all = append(all, texts)
		return nil
	})
	return all, err
}

// values gives fields of one document, or nil where there is no such document.
func (db *DB) values(ctx context.Context, m *meta, name string, fields ...string) ([]string, error) {
	where, ok := m.named(name)
	if !ok {
		return nil, nil
	}
	q := &store.Query{Tenant: db.tenant, From: m.table, Where: where, Limit: 1}
	for _, f := range fields {
		q.Columns = append(q.Columns, m.expr(f))
	}
	rows, err := db.texts(ctx, q)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// named is the condition that a row is the document of this name; ok is false for one that no document can have.
func (m *meta) named(name string) (store.Cond, bool) {
	c := m.slots[slotName].column
	if c.Type == store.TypeBigInt {
		if n, ok := plain.Digits(name, 18); !ok || toText(int64(n)) != name {
			return store.Cond{}, false
		}
	}
	return compare(store.OpEqual, store.Expr{Column: c}, name), true
}

func (db *DB) meta(doctype string) (*meta, error) {
	m := db.app.registry.byName[doctype]
	if m == nil || bool(m.IsVirtual) {
		return nil, Errorf(DoesNotExistError, "DocType %s not found", escapeHTML(doctype))
	}
	return m, nil
}

// Get reads a document with its rows. Errors: DoesNotExistError, PermissionError.
func (db *DB) Get(ctx context.Context, doctype, name string) (*Doc, error) {
	m, err := db.meta(doctype)
	if err != nil {
		return nil, err
	}
	d, err := db.load(ctx, m, name, store.NoLock)
	if err != nil {
		return nil, err
	}
	return d, db.accessTo(m).checkDoc(mayRead, d)
}

// Insert makes a document of a map of its fields: values as of [Doc.Set]. The error says what is wrong with them.
func (db *DB) Insert(ctx context.Context, doctype string, fields map[string]any) (*Doc, error) {
	m, err := db.meta(doctype)
	if err != nil {
		return nil, err
	}
	values, err := encodeFields(fields)
	if err != nil {
		return nil, err
	}
	return db.create(ctx, m, values)
}

func encodeFields(fields map[string]any) (values map[string]json.RawMessage, err error) {
	values = make(map[string]json.RawMessage, len(fields))
	for name, v := range fields {
		if values[name], err = json.Marshal(v); err != nil {
			return nil, Errorf(ValidationError, "The value for %s cannot be kept: %v", bold(name), err)
		}
	}
	return values, nil
}

// create makes a document of the values that a client or a program sent.
func (db *DB) create(ctx context.Context, m *meta, values map[string]json.RawMessage) (d *Doc, err error) {
	err = db.Tx(ctx, func(db *DB) error {
		d = newDoc(m)
		if err := d.assignAll(values); err != nil {
			return err
		}
		return db.insert(ctx, d)
	})
	return d, err
}

// Save writes a document that [DB.Get] gave and that was changed. Errors: TimestampMismatchError where somebody else
// saved it meanwhile, and what is wrong with its values. After an error the document is as it was given.
func (db *DB) Save(ctx context.Context, d *Doc) error {
	return db.Tx(ctx, func(db *DB) (err error) {
		db.tx.undo = append(db.tx.undo, d.snapshot())
		d.isNew = false
		if d.before, err = db.load(ctx, d.meta, d.Name(), store.UpdateLock); err != nil {
			return err
		}
		return db.save(ctx, d)
	})
}

// change reads a document to change it, changes it and saves it, and nobody else does meanwhile.
func (db *DB) change(ctx context.Context, m *meta, name string, edit func(db *DB, d *Doc) error) (d *Doc, err error) {
	err = db.Tx(ctx, func(db *DB) error {
		before, err := db.load(ctx, m, name, store.UpdateLock)
		if err != nil {
			return err
		}
		d = before.clone()
		d.before = before
		if err := edit(db, d); err != nil {
			return err
		}
		return db.save(ctx, d)
	})
	return d, err
}

// Submit makes a draft a submitted document, and returns it. Of one that is submitted already it is a save, as in Frappe.
// Errors: as of [DB.Save], and PermissionError.
func (db *DB) Submit(ctx context.Context, doctype, name string) (*Doc, error) {
	return db.setDocstatus(ctx, doctype, name, 1)
}

// Cancel makes a submitted document a cancelled one, and returns it. Errors: DocstatusTransitionError, PermissionError, and
// LinkExistsError where submitted documents link to it.
func (db *DB) Cancel(ctx context.Context, doctype, name string) (*Doc, error) {
	return db.setDocstatus(ctx, doctype, name, 2)
}

func (db *DB) setDocstatus(ctx context.Context, doctype, name string, docstatus int64) (*Doc, error) {
	m, err := db.meta(doctype)
	if err != nil {
		return nil, err
	}
	return db.change(ctx, m, name, func(_ *DB, d *Doc) error {
		d.values[slotDocstatus] = docstatus
		return nil
	})
}

// SetValue changes fields of a document, or of a row of a child table, and saves the document, which it returns. Values are as
// of [Doc.Set]. What all documents have, such as name and docstatus, cannot be set. Errors: as of [DB.Save].
func (db *DB) SetValue(ctx context.Context, doctype, name string, fields map[string]any) (*Doc, error) {
	m, err := db.meta(doctype)
	if err != nil {
		return nil, err
	}
	values, err := encodeFields(fields)
	if err != nil {
		return nil, err
	}
	for field := range values {
		if at, has := m.slotOf[field]; has && m.slots[at].field == nil || field == "doctype" {
			return nil, Errorf(ValidationError, "Cannot edit standard fields")
		}
	}
	parent, parentName := m, name
	if m.IsTable {
		row, err := db.values(ctx, m, name, "parenttype", "parent")
		if err != nil {
			return nil, err
		}
		if row == nil || db.app.registry.byName[row[0]] == nil {
			return nil, notFound(m, name)
		}
		parent, parentName = db.app.registry.byName[row[0]], row[1]
	}
	return db.change(ctx, parent, parentName, func(_ *DB, d *Doc) error {
		if parent == m {
			return d.assignAll(values)
		}
		found := false
		err := d.children(func(row *Doc) error {
			if row.meta != m || row.Name() != name {
				return nil
			}
			found = true
			return row.assignAll(values)
		})
		if err == nil && !found {
			err = notFound(m, name)
		}
		return err
	})
}

// Delete removes a document and its rows. Errors: DoesNotExistError, PermissionError, LinkExistsError.
func (db *DB) Delete(ctx context.Context, doctype, name string) error {
	m, err := db.meta(doctype)
	if err != nil {
		return err
	}
	return db.Tx(ctx, func(db *DB) error { return db.delete(ctx, m, name) })
}

// Exists says whether the tenant has a document of this name; it does not ask for permissions.
func (db *DB) Exists(ctx context.Context, doctype, name string) (bool, error) {
	m, err := db.meta(doctype)
	if err != nil || bool(m.IsSingle) {
		return err == nil, err
	}
	found, err := db.values(ctx, m, name, "name")
	return found != nil, err
}

// Count counts the documents that the user may see. Filters are JSON or a value that becomes it, in Frappe's shapes; nil
// is all.
func (db *DB) Count(ctx context.Context, doctype string, filters any) (int, error) {
	rows, err := db.List(ctx, doctype, ListOptions{Fields: []string{"count(name) as n"}, Filters: filters})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return int(toInt(rows[0]["n"])), nil
}

// ListOptions say which documents [DB.List] gives, as the parameters of Frappe's get_list do.
type ListOptions struct {
	Fields  []string // empty: name
	Filters any      // in Frappe's shapes: {"status": "Open"}, [["qty", ">", 5]] …; nil: all
	OrderBy string   // empty: the DocType's own order
	Start   int
	Limit   int // zero: all, up to Config.MaxRows; more is an error
}

// List gives documents that the user may see.
func (db *DB) List(ctx context.Context, doctype string, o ListOptions) ([]map[string]any, error) {
	m, err := db.meta(doctype)
	if err != nil {
		return nil, err
	}
	args := listArgs{orderBy: o.OrderBy, start: o.Start, limit: o.Limit, asDict: true}
	if len(o.Fields) > 0 {
		args.fields, _ = json.Marshal(o.Fields) // of strings it does not fail
	}
	if o.Filters != nil {
		if args.filters, err = json.Marshal(o.Filters); err != nil {
			return nil, Errorf(ValidationError, "The filters cannot be read: %v", err)
		}
	}
	b, err := db.list(ctx, m, args)
	all := []map[string]any{} // in JSON a list without rows is [], as in Frappe
	if err != nil || b == nil {
		return all, err
	}
	err = db.each(ctx, &b.query, func(row [][]byte) error {
		if len(all) >= db.app.config.MaxRows {
			return tooManyRows(db.app.config.MaxRows)
		}
		item := make(map[string]any, len(row))
		for i, c := range b.output {
			item[c.name] = loadValue(c.typ, row[i])
		}
		all = append(all, item)
		return nil
	})
	return all, err
}
