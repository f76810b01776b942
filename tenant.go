package frappems

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/frappems/frappems/store"
)

// ErrTxOpen is what a [DB] answers while a transaction that was begun on it is open: work with the transaction's own.
var ErrTxOpen = errors.New("frappems: a transaction of this DB is open, use the one that it was given")

// Store keeps the tables of a service. What one has to do is written at [store.Store]; [NewMemoryStore] is one, and the
// adapters have others.
type Store = store.Store

// NewMemoryStore makes a store that lives as long as the process.
func NewMemoryStore() Store { return store.NewMemory() }

// RemoteLinks says what becomes of a link to a DocType that this service does not have.
type RemoteLinks int

// AcceptRemoteLinks takes the client's word for it; RefuseRemoteLinks answers with LinkValidationError.
const (
	AcceptRemoteLinks RemoteLinks = iota
	RefuseRemoteLinks
)

// DB is the documents of one tenant as one user may see and change them. It is bound to both when it is made, and there
// is no call on it that reaches another tenant. It may be used concurrently, but for the one that a transaction is given.
type DB struct {
	app    *App
	user   *User
	tenant string
	tx     store.Tx     // nil outside a transaction
	inTx   *atomic.Bool // a transaction of it is open
	taken  *takenNumbers
}

func newDB(a *App, user *User, tenant string) *DB {
	return &DB{app: a, user: user, tenant: tenant, inTx: new(atomic.Bool)}
}

// Tenant is the tenant whose documents these are.
func (db *DB) Tenant() string { return db.tenant }

// Tx runs f in a transaction, which is committed when f returns nil and rolled back otherwise. f works with the DB that it
// is given; one that is in a transaction already joins it. When the store breaks a deadlock, f is run again, so it leaves
// no trace outside its DB.
func (db *DB) Tx(ctx context.Context, f func(db *DB) error) error {
	if db.tx != nil {
		return f(db)
	}
	if !db.inTx.CompareAndSwap(false, true) {
		return ErrTxOpen
	}
	defer db.inTx.Store(false)
	taken := &takenNumbers{}
	var err error
	for n := range maxTries {
		err = db.try(ctx, taken, f)
		if !errors.Is(err, store.ErrDeadlock) && !taken.again(err) || !pause(ctx, n) {
			return err
		}
	}
	return err
}

// maxTries is how often a transaction is begun that the store breaks a deadlock with.
const maxTries = 8

// pause lets others go first, before the next try: for a time that is a matter of chance, and longer with each try. It is false
// where ctx has ended.
func pause(ctx context.Context, try int) bool {
	timer := time.NewTimer(rand.N(time.Millisecond << try))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (db *DB) try(ctx context.Context, taken *takenNumbers, f func(db *DB) error) error {
	tx, err := db.app.store.Begin(ctx)
	if err != nil {
		return err
	}
	*taken = takenNumbers{careful: taken.careful}
	rolledBack := true
	defer func() {
		tx.Rollback()
		db.app.series.Settle(&taken.Taken, rolledBack)
	}()
	inside := *db
	inside.tx, inside.inTx, inside.taken = tx, new(atomic.Bool), taken
	if err := f(&inside); err != nil {
		return err
	}
	err = tx.Commit()
	rolledBack = errors.Is(err, store.ErrDeadlock) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if err == nil {
		db.forgetNumbers(ctx, taken.deleted)
	}
	return err
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
		if n, ok := digits(name, 18); !ok || toText(int64(n)) != name {
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
	values := make(map[string]json.RawMessage, len(fields))
	for name, v := range fields {
		if values[name], err = json.Marshal(v); err != nil {
			return nil, Errorf(ValidationError, "The value for %s cannot be kept: %v", bold(name), err)
		}
	}
	return db.create(ctx, m, values)
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
// saved it meanwhile, and what is wrong with its values.
func (db *DB) Save(ctx context.Context, d *Doc) error {
	return db.Tx(ctx, func(db *DB) error {
		if err := db.loadBefore(ctx, d); err != nil {
			return err
		}
		return db.save(ctx, d)
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
	if err != nil || b == nil {
		return nil, err
	}
	var all []map[string]any
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
