package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/frappems/frappems/internal/plain"
)

// Dialect is how a database's SQL and driver differ from others. The functions may be called concurrently. An adapter
// fills it in and calls [NewSQL].
type Dialect struct {
	// Writer is where transactions and migrations run; nil means the store's own pool. The pool of a database with one
	// writer has one connection, so that those who wait for it queue here and give up when their context ends.
	Writer *sql.DB
	// Connections is how many statements and transactions run at once; more wait for their turn, or until their context
	// ends. Those that run are not interrupted by their context, which costs as much as a small query: driver and server
	// have to limit them. 0 leaves both to database/sql.
	Connections int
	// ConcurrentWriters says that transactions write at a time, so that the store is a [ConcurrentWriters]. Then the pool has
	// a few connections more than Connections, which is not 0, for the transactions of that.
	ConcurrentWriters bool
	// Prepared is how many statements each connection keeps prepared, of those that come again and again. 0: none, also where
	// there is a Writer.
	Prepared int
	// Unprepared reports of an error that the statement did not run because it could not be prepared: it runs again, as text.
	// Required where Prepared is not 0.
	Unprepared func(err error) bool
	// Migrations is where Migrate runs, whose statements may take long; nil means Writer.
	Migrations *sql.DB
	// Quote surrounds identifiers, and is doubled within them; 0 is '"'.
	Quote byte
	// MaxValues is how many values one statement can bind; inserts of more rows are split. 0 is 32,766.
	MaxValues int
	// Escapes says that a backslash within a literal or a LIKE pattern stands for something else and is doubled.
	Escapes bool
	// TextForms says that the driver gives every value in the text form of its column, see [ColumnType].
	TextForms bool
	// Exact is appended to a comparison of texts that is to be byte by byte.
	Exact string
	// Locks is appended to a query, by its Lock. "" locks nothing.
	Locks [4]string
	// Type returns the type of a column in CREATE TABLE, with its collation.
	Type func(c *Column) string
	// Kind is the opposite of Type: what a type is that the database names; false if it is none of ours.
	Kind func(name string) (t ColumnType, length int, ok bool)
	// TableOptions is appended to CREATE TABLE.
	TableOptions string
	// GlobalIndexes says that names of indexes are unique in the database, not in the table: they begin with the table's.
	GlobalIndexes bool
	// Widen, such as "MODIFY COLUMN", is how ALTER TABLE is told a column's new type. "" means that types are names only
	// and stay; a column that is NOT NULL then stays so, too.
	Widen string
	// Migrated is statements that run after those of a plan.
	Migrated []string
	// DDL is how a schema changes where statements for that commit by themselves. nil: a plan runs in one transaction.
	DDL *DDL
	// Columns is a query for all columns of all tables: table, column, type, 1 if NOT NULL or else 0, 1 if there is a
	// default or else 0; in their order.
	Columns string
	// Indexes is a query for the columns of all indexes: table, index ("" for the primary key), 1 if unique or else 0,
	// column; in the order of the index's columns.
	Indexes string

	// Bind returns what a value is bound as; nil, of function or value, binds its text form.
	Bind func(c *Column, text string) (any, error)
	// Operands is the SQL, with one ?, of a value that is compared with a column, by the column's type. "" is ?.
	Operands [TypeTime + 1]string
	// Like returns a condition with one placeholder for the pattern, in which nothing escapes % and _. The first argument
	// is the column's SQL. nil is: column LIKE ?.
	Like func(column string, c *Column) string
	// Aggregate returns the SQL of Sum or Avg. nil is: SUM(column), AVG(column).
	Aggregate func(f Func, column string, c *Column) string
	// Pick returns the SQL of a column's value in a query that groups: for FuncValue that of the row with the lowest keys,
	// for FuncMin and FuncMax the lowest and highest text, and of equal ones that of the row with the lowest keys. keys is
	// the SQL of the keys and of their columns. nil is what the database does by itself.
	Pick func(f Func, column string, c *Column, keys []string, of []*Column) string
	// Upsert is what follows INSERT … VALUES to add the new value to the current one, if there is a row. Its argument is
	// the column's SQL.
	Upsert func(column string) string
	// Error says what a driver's error is, or "".
	Error func(err error) StoreError
}

// NewSQL returns a store in a database. The store owns db and closes it, and those of d too. How many connections it
// may use and keep is up to the caller.
func NewSQL(db *sql.DB, d Dialect) Store {
	if d.Quote == 0 {
		d.Quote = '"'
	}
	if d.MaxValues == 0 {
		d.MaxValues = 32766
	}
	if d.Writer != nil {
		d.Prepared = 0
	}
	s := &sqlStore{db: db, writer: db, dialect: &d, prepared: prepared{db: db, dialect: &d}}
	if d.Connections > 0 {
		s.turns = make(chan struct{}, d.Connections)
	}
	s.open, s.close = context.WithCancel(context.Background())
	if d.Writer != nil {
		s.writer = d.Writer
	}
	if d.ConcurrentWriters {
		return &asideStore{s}
	}
	return s
}

// asideStore is an sqlStore with many writers.
type asideStore struct{ *sqlStore }

func (s *asideStore) BeginAside(ctx context.Context) (Tx, error) {
	if s.open.Err() != nil {
		return nil, errClosed
	}
	return s.begin(ctx, nil, nil)
}

type sqlStore struct {
	db, writer *sql.DB
	dialect    *Dialect
	prepared   prepared
	turns      chan struct{}   // holds one for each connection in use; nil if database/sql counts them
	open       context.Context // ends with close
	close      context.CancelFunc
}

// enter waits for a connection to be free. What it returns is the context of what then runs, and leave gives the
// connection back, once.
func (s *sqlStore) enter(ctx context.Context) (running context.Context, leave func(), err error) {
	switch {
	case s.open.Err() != nil:
		return nil, nil, errClosed
	case s.turns == nil:
		return ctx, func() {}, nil
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	}
	select {
	case s.turns <- struct{}{}:
		return context.WithoutCancel(ctx), s.leave, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func (s *sqlStore) leave() { <-s.turns }

func (s *sqlStore) Query(ctx context.Context, q *Query) (Rows, error) {
	text, args, extra, err := s.statement(q)
	if err != nil {
		return nil, err
	}
	running, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.prepared.query(running, nil, text, args)
	if err != nil {
		leave()
		return nil, s.dialect.fail(ctx, err)
	}
	r := newSQLRows(ctx, s.dialect, rows, q, extra)
	r.leave = leave
	return r, nil
}

func (s *sqlStore) Begin(ctx context.Context) (Tx, error) {
	running, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	if s.turns == nil {
		running = nil
	}
	return s.begin(ctx, running, leave)
}

// begin starts a transaction whose statements run in a context, or each in its own where that is nil.
func (s *sqlStore) begin(ctx, running context.Context, leave func()) (_ Tx, err error) {
	t := &sqlTx{store: s, ctx: ctx, running: running, release: leave}
	if running == nil {
		life, end := context.WithCancel(ctx)
		stop := context.AfterFunc(s.open, end)
		running, t.release = life, func() { stop(); end() }
	}
	if t.tx, err = s.writer.BeginTx(running, nil); err != nil {
		t.release()
		return nil, s.dialect.fail(ctx, err)
	}
	return t, nil
}

func (s *sqlStore) Ping(ctx context.Context) error {
	if s.open.Err() != nil {
		return errClosed
	}
	err := s.dialect.fail(ctx, s.db.PingContext(ctx))
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func (s *sqlStore) Close() error {
	s.close()
	err := s.db.Close()
	for _, other := range []*sql.DB{s.dialect.Writer, s.dialect.Migrations} {
		if other != nil {
			err = errors.Join(err, other.Close())
		}
	}
	return err
}

// fail makes a driver's error one of the store's. The driver's own stays within reach of errors.As.
func (d *Dialect) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if end := ctx.Err(); end != nil {
		if errors.Is(err, end) {
			return err
		}
		return fmt.Errorf("%w: %w", end, err)
	}
	if kind := d.Error(err); kind != "" {
		return fmt.Errorf("%w: %w", kind, err)
	}
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// sqlTx is a transaction.
type sqlTx struct {
	store   *sqlStore
	tx      *sql.Tx
	ctx     context.Context // of Begin
	running context.Context // of the statements; nil where each has its own
	release func()          // gives the connection back; nil at the end
}

// context returns the context that a statement runs in.
func (t *sqlTx) context(ctx context.Context) (context.Context, error) {
	switch {
	case t.store.open.Err() != nil:
		return nil, errClosed
	case t.running == nil:
		return ctx, nil
	}
	return t.running, ctx.Err()
}

func (t *sqlTx) Query(ctx context.Context, q *Query) (Rows, error) {
	text, args, extra, err := t.store.statement(q)
	if err != nil {
		return nil, err
	}
	running, err := t.context(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := t.store.prepared.query(running, t.tx, text, args)
	if err != nil {
		return nil, t.store.dialect.fail(ctx, err)
	}
	return newSQLRows(ctx, t.store.dialect, rows, q, extra), nil
}

// end gives the connection back.
func (t *sqlTx) end() {
	if t.release != nil {
		t.release()
		t.release = nil
	}
}

func (t *sqlTx) Commit() error {
	defer t.end()
	if err := cmp.Or(t.store.open.Err(), t.ctx.Err()); err != nil {
		t.tx.Rollback()
		if t.ctx.Err() == nil {
			err = errClosed
		}
		return err
	}
	err := t.tx.Commit()
	if end := t.ctx.Err(); end != nil && errors.Is(err, sql.ErrTxDone) {
		return end // which has rolled the transaction back
	}
	return t.store.dialect.fail(context.Background(), err)
}

func (t *sqlTx) Rollback() error {
	defer t.end()
	if err := t.tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return t.store.dialect.fail(context.Background(), err)
	}
	return nil
}

func (t *sqlTx) Write(ctx context.Context, mutations ...Mutation) (rows int64, err error) {
	for i := range mutations {
		n, err := t.write(ctx, &mutations[i])
		if err != nil {
			return rows, err
		}
		rows += n
	}
	return rows, nil
}

func (t *sqlTx) write(ctx context.Context, m *Mutation) (int64, error) {
	if err := m.check(); err != nil {
		return 0, err
	}
	d := t.store.dialect
	size := (d.MaxValues) / (len(m.Columns) + 1)
	if m.Kind != InsertRows || len(m.Rows) <= size {
		return t.run(ctx, m)
	}
	if size == 0 {
		return 0, fmt.Errorf("frappems: table %s: a row of %d values is more than one statement can bind", m.Table.Name, len(m.Columns))
	}
	if err := t.exec(ctx, "SAVEPOINT frappems_rows"); err != nil {
		return 0, err
	}
	for rows := range slices.Chunk(m.Rows, size) {
		part := *m
		part.Rows = rows
		if _, err := t.run(ctx, &part); err != nil {
			if undo := t.exec(ctx, "ROLLBACK TO SAVEPOINT frappems_rows"); undo != nil && ctx.Err() == nil {
				return 0, errors.Join(err, undo)
			}
			return 0, err
		}
	}
	return int64(len(m.Rows)), t.exec(ctx, "RELEASE SAVEPOINT frappems_rows")
}

func (t *sqlTx) exec(ctx context.Context, text string) error {
	running, err := t.context(ctx)
	if err == nil {
		_, err = t.tx.ExecContext(running, text)
	}
	return t.store.dialect.fail(ctx, err)
}

// run runs a mutation as one statement.
func (t *sqlTx) run(ctx context.Context, m *Mutation) (int64, error) {
	if m.Kind == InsertRows && len(m.Rows) == 0 {
		return 0, ctx.Err()
	}
	b := newSQLBuilder(t.store.dialect, m.Tenant, len(m.Rows)*(len(m.Columns)+1)+8)
	b.mutation(m)
	if b.err != nil {
		return 0, b.err
	}
	running, err := t.context(ctx)
	if err != nil {
		return 0, err
	}
	result, err := t.store.prepared.exec(running, t.tx, string(b.text), b.args)
	if err != nil {
		return 0, b.d.fail(ctx, err)
	}
	return result.RowsAffected()
}

func (t *sqlTx) Next(ctx context.Context, c Counter, n int) (int64, error) {
	name, current, err := c.columns(n)
	if err != nil {
		return 0, err
	}
	b := newSQLBuilder(t.store.dialect, c.Tenant, 4)
	b.counter(c, name, current, n)
	if b.err != nil {
		return 0, b.err
	}
	running, err := t.context(ctx)
	if err != nil {
		return 0, err
	}
	var last int64
	err = t.tx.QueryRowContext(running, string(b.text), b.args...).Scan(&last)
	return last - int64(n) + 1, b.d.fail(ctx, err)
}

// statement returns the SQL of a query with its values, and how many columns it has before the query's.
func (s *sqlStore) statement(q *Query) (text string, args []any, extra int, err error) {
	if err := q.check(); err != nil {
		return "", nil, 0, err
	}
	b := newSQLBuilder(s.dialect, q.Tenant, 16)
	var known *compiled
	if q.Statement != nil {
		known = q.Statement.compiled.Load()
	}
	if b.silent = known != nil; !b.silent {
		b.text = make([]byte, 0, 2048)
	}
	extra = b.query(q)
	if b.err == nil && len(b.args) > s.dialect.MaxValues {
		b.err = fmt.Errorf("frappems: a query with %d values, of which this database takes %d", len(b.args), s.dialect.MaxValues)
	}
	switch {
	case b.err != nil:
		return "", nil, 0, b.err
	case known == nil:
		known = &compiled{string(b.text), len(b.args), extra}
		if q.Statement != nil {
			q.Statement.compiled.Store(known)
		}
	case known.values != len(b.args) || known.extra != extra:
		return "", nil, 0, errors.New("frappems: a query of another shape than the one that its Statement was made of")
	}
	return known.text, b.args, extra, nil
}

// sqlRows turns what a driver gives into text forms.
type sqlRows struct {
	ctx     context.Context
	dialect *Dialect
	rows    *sql.Rows
	query   *Query
	fields  []sqlField
	targets []any
	buffer  []byte // the text forms of the row
	leave   func() // gives the connection back; nil in a transaction, and at the end
}

// sqlField is where a value of the current row lies in the buffer. It is a sql.Scanner.
type sqlField struct {
	rows     *sqlRows
	index    int // in Query.Columns; negative for those before them, of which the first is the number of the union's part
	from, to int
	null     bool
}

func newSQLRows(ctx context.Context, d *Dialect, rows *sql.Rows, q *Query, extra int) *sqlRows {
	r := &sqlRows{ctx: ctx, dialect: d, rows: rows, query: q, targets: make([]any, extra+len(q.Columns))}
	if d.TextForms {
		for i := range extra {
			r.targets[i] = new(sql.RawBytes)
		}
		return r
	}
	r.buffer, r.fields = make([]byte, 0, 256), make([]sqlField, len(r.targets))
	for i := range r.fields {
		r.fields[i].rows, r.fields[i].index = r, i-extra
		r.targets[i] = &r.fields[i]
	}
	return r
}

func (r *sqlRows) Next() bool { return r.ctx.Err() == nil && r.rows.Next() }

func (r *sqlRows) Err() error { return r.dialect.fail(r.ctx, cmp.Or(r.rows.Err(), r.ctx.Err())) }

func (r *sqlRows) Close() error {
	err := r.rows.Close()
	if r.leave != nil {
		r.leave()
		r.leave = nil
	}
	return r.dialect.fail(r.ctx, err)
}

func (r *sqlRows) Scan(dst [][]byte) error {
	if len(dst) != len(r.query.Columns) {
		return fmt.Errorf("frappems: Scan into %d values of %d", len(dst), len(r.query.Columns))
	}
	if r.dialect.TextForms {
		return r.scanTexts(dst)
	}
	r.buffer = r.buffer[:0]
	if err := r.rows.Scan(r.targets...); err != nil {
		return r.dialect.fail(r.ctx, err)
	}
	extra := len(r.fields) - len(dst)
	for i := range dst {
		f := &r.fields[extra+i]
		dst[i] = r.buffer[f.from:f.to:f.to]
		if f.null {
			dst[i] = nil
		}
	}
	return nil
}

// scanTexts points dst to the driver's own bytes.
func (r *sqlRows) scanTexts(dst [][]byte) error {
	if extra := len(r.targets) - len(dst); r.targets[extra] != any((*sql.RawBytes)(&dst[0])) {
		for i := range dst {
			r.targets[extra+i] = (*sql.RawBytes)(&dst[i])
		}
	}
	return r.dialect.fail(r.ctx, r.rows.Scan(r.targets...))
}

// Scan keeps the text form of a driver's value. Floats are decimals: their shortest text, rounded to the column's places.
func (f *sqlField) Scan(value any) error {
	b := f.rows.buffer
	f.from, f.null = len(b), value == nil
	switch v := value.(type) {
	case nil:
	case []byte:
		b = append(b, v...)
	case string:
		b = append(b, v...)
	case int64:
		b = strconv.AppendInt(b, v, 10)
		if places := f.places(); places > 0 {
			text, _ := plain.Number(string(b[f.from:]), places)
			b = append(b[:f.from], text...)
		}
	case float64:
		text, ok := plain.Number(strconv.FormatFloat(v, 'f', -1, 64), f.places())
		if !ok {
			return fmt.Errorf("frappems: %v is not a number that a column can have", v)
		}
		b = append(b, text...)
	default:
		return fmt.Errorf("frappems: the driver gave a %T, which has no text form", value)
	}
	f.rows.buffer, f.to = b, len(b)
	return nil
}

// places returns how many places a number in this field is printed with.
func (f *sqlField) places() int {
	q := f.rows.query
	if f.index < 0 {
		return 0
	}
	if extra := len(f.rows.fields) - len(q.Columns); extra > 0 {
		first := &f.rows.fields[0]
		if part, _ := strconv.Atoi(string(f.rows.buffer[first.from:first.to])); part > 0 && part <= len(q.Union) {
			q = q.Union[part-1]
		}
	}
	return q.Columns[f.index].printed().Type.places()
}
