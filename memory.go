package frappems

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// NewMemoryStore returns a store that keeps everything in memory, until Close or the end of the program. It has one
// writer: Begin waits until the transaction before has ended. Readers wait for nobody and see what was committed when
// their query began.
func NewMemoryStore() Store {
	s := &memoryStore{turn: make(chan struct{}, 1), done: make(chan struct{}), seed: maphash.MakeSeed()}
	s.committed.Store(&memoryData{})
	return s
}

var (
	errClosed = fmt.Errorf("frappems: the store is closed: %w", ErrUnavailable)
	errTxDone = errors.New("frappems: the transaction has ended already")
)

type memoryStore struct {
	turn      chan struct{} // full while there is a writer
	seed      maphash.Seed
	committed atomic.Pointer[memoryData]
	closing   sync.Once
	done      chan struct{} // closed by Close
}

// memoryData is all tables by name. Once others can see it, neither it nor what it leads to is changed.
type memoryData map[string]*memoryTable

// memoryTable is a table with its rows in the order of the primary key.
type memoryTable struct {
	name    string
	columns []*Column // in the order of a row's cells; the first is tenantColumn
	key     []int     // places of the primary key after the tenant
	rows    *memoryNode
	indexes []memoryIndex
}

// memoryIndex leads from the values of its columns, followed by a row's key, to the row.
type memoryIndex struct {
	name    string
	columns []int
	unique  bool
	rows    *memoryNode
}

type memoryRow struct {
	key   string
	cells []cell
}

func (s *memoryStore) closed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Query runs a statement on what is committed.
func (s *memoryStore) Query(ctx context.Context, q *Query) (Rows, error) {
	if s.closed() {
		return nil, errClosed
	}
	return s.committed.Load().query(ctx, q)
}

// lock takes the writer's turn, or gives up when ctx ends.
func (s *memoryStore) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return errClosed
	}
	if s.closed() {
		<-s.turn
		return errClosed
	}
	return nil
}

func (s *memoryStore) Begin(ctx context.Context) (Tx, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	return &memoryTx{ctx: ctx, store: s, data: maps.Clone(*s.committed.Load())}, nil
}

func (s *memoryStore) Ping(ctx context.Context) error {
	if s.closed() {
		return errClosed
	}
	return ctx.Err()
}

func (s *memoryStore) Close() error {
	s.closing.Do(func() {
		close(s.done)
		s.committed.Store(&memoryData{})
	})
	return nil
}

// memoryTx is the one transaction that may write.
type memoryTx struct {
	ctx   context.Context // of Begin
	store *memoryStore    // nil once the transaction has ended
	data  memoryData      // its own; the tables are shared until they are written
}

// usable returns why the transaction cannot go on, or nil.
func (tx *memoryTx) usable(ctx context.Context) error {
	switch {
	case tx.store == nil:
		return errTxDone
	case tx.store.closed():
		return errClosed
	case tx.ctx.Err() != nil:
		return tx.ctx.Err()
	}
	return ctx.Err()
}

func (tx *memoryTx) Query(ctx context.Context, q *Query) (Rows, error) {
	if err := tx.usable(ctx); err != nil {
		return nil, err
	}
	return tx.data.query(ctx, q)
}

func (tx *memoryTx) Commit() error {
	err := tx.usable(context.Background())
	if err == nil {
		tx.store.committed.Store(&tx.data)
	}
	if end := tx.Rollback(); err == nil {
		err = end
	}
	return err
}

func (tx *memoryTx) Rollback() error {
	if tx.store != nil {
		<-tx.store.turn
		tx.store = nil
	}
	return nil
}

func (tx *memoryTx) Write(ctx context.Context, mutations ...Mutation) (rows int64, err error) {
	if err := tx.usable(ctx); err != nil {
		return 0, err
	}
	for i := range mutations {
		n, err := tx.write(ctx, &mutations[i])
		if err != nil {
			return rows, err
		}
		rows += n
	}
	return rows, nil
}

// write runs one mutation on a copy of its table, which takes the table's place only if all went well.
func (tx *memoryTx) write(ctx context.Context, m *Mutation) (int64, error) {
	if err := m.check(); err != nil {
		return 0, err
	}
	table, err := tx.data.table(m.Table)
	if err != nil {
		return 0, err
	}
	work := table.clone()
	work.seed = tx.store.seed
	var n int64
	switch m.Kind {
	case InsertRows:
		n, err = work.insertAll(m)
	default:
		n, err = work.change(ctx, tx.data, m)
	}
	if err == nil {
		tx.data[m.Table.Name] = work.memoryTable
	}
	return n, err
}

func (tx *memoryTx) Next(ctx context.Context, c Counter, n int) (int64, error) {
	if err := tx.usable(ctx); err != nil {
		return 0, err
	}
	name, current, err := c.columns(n)
	if err != nil {
		return 0, err
	}
	where := Cond{Op: OpEqual, Expr: Expr{Column: name}, Values: []string{c.Name}}
	rows, err := tx.data.query(ctx, &Query{Tenant: c.Tenant, From: c.Table, Columns: []Expr{{Column: current}}, Where: where})
	if err != nil {
		return 0, err
	}
	m := Mutation{Kind: InsertRows, Tenant: c.Tenant, Table: c.Table, Columns: []*Column{name, current}}
	last, value := int64(0), [1][]byte{}
	if rows.Next() {
		if err := rows.Scan(value[:]); err != nil {
			return 0, err
		}
		if _, err := fmt.Sscan(string(value[0]), &last); err != nil {
			return 0, fmt.Errorf("frappems: counter %s of table %s: %w", c.Name, c.Table.Name, err)
		}
		m.Kind, m.Columns, m.Where = UpdateRows, m.Columns[1:], where
	}
	values := []any{c.Name, fmt.Sprint(last + int64(n))}
	m.Rows = [][]any{values[2-len(m.Columns):]}
	_, err = tx.write(ctx, &m)
	return last + 1, err
}

// table finds a table of a statement.
func (d memoryData) table(t *Table) (*memoryTable, error) {
	if found := d[t.Name]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("frappems: there is no table %s; has Migrate run?", t.Name)
}

// place finds a column of a statement in the rows of the table.
func (t *memoryTable) place(c *Column) (int, error) {
	if c != nil {
		for i, have := range t.columns {
			if have == c || strings.EqualFold(have.Name, c.Name) {
				return i, nil
			}
		}
		return 0, fmt.Errorf("frappems: table %s has no column %s", t.name, c.Name)
	}
	return 0, fmt.Errorf("frappems: an expression on table %s without a column", t.name)
}

// memoryWork is a table while it is changed.
type memoryWork struct {
	*memoryTable
	seed maphash.Seed
}

func (t *memoryTable) clone() *memoryWork {
	c := *t
	c.indexes = slices.Clone(t.indexes)
	return &memoryWork{memoryTable: &c}
}

// places finds the columns of a mutation.
func (t *memoryTable) places(columns []*Column) ([]int, error) {
	places := make([]int, len(columns))
	for i, c := range columns {
		var err error
		if places[i], err = t.place(c); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// set puts the values of a mutation's row into cells.
func (t *memoryTable) set(cells []cell, places []int, values []any) error {
	for i, v := range values {
		c := t.columns[places[i]]
		text, ok := v.(string)
		if !ok {
			if c.NotNull || slices.Contains(t.key, places[i]) {
				return fmt.Errorf("frappems: table %s, column %s: %w: it cannot be NULL", t.name, c.Name, ErrValueOutOfRange)
			}
			cells[places[i]] = cell{null: true}
			continue
		}
		text, err := c.normal(text)
		if err != nil {
			return err
		}
		cells[places[i]] = cell{s: strings.Clone(text)}
	}
	return nil
}

func (t *memoryWork) insertAll(m *Mutation) (int64, error) {
	places, err := t.places(m.Columns)
	if err != nil {
		return 0, err
	}
	template := make([]cell, len(t.columns))
	template[0].s = m.Tenant
	for i, c := range t.columns {
		if i > 0 && !slices.Contains(places, i) {
			if template[i], err = c.inserted(); err != nil {
				return 0, err
			}
			if template[i].null && slices.Contains(t.key, i) {
				return 0, fmt.Errorf("frappems: table %s, column %s: %w: the key needs a value", t.name, c.Name, ErrValueOutOfRange)
			}
		}
	}
	for _, values := range m.Rows {
		row := &memoryRow{cells: slices.Clone(template)}
		if err := t.set(row.cells, places, values); err != nil {
			return 0, err
		}
		if err := t.add(row); err != nil {
			return 0, err
		}
	}
	return int64(len(m.Rows)), nil
}

// change runs an update or delete.
func (t *memoryWork) change(ctx context.Context, data memoryData, m *Mutation) (int64, error) {
	places, err := t.places(m.Columns)
	if err != nil {
		return 0, err
	}
	run := &memoryRun{ctx: ctx, data: data, tenant: m.Tenant}
	matches, err := run.condition(&m.Where, []*memoryTable{t.memoryTable})
	if err != nil {
		return 0, err
	}
	found, err := run.filter(run.scan(t.memoryTable, t.bindings(&m.Where)), matches)
	if err != nil {
		return 0, err
	}
	for _, row := range found {
		t.remove(row)
		if m.Kind == DeleteRows {
			continue
		}
		row = &memoryRow{cells: slices.Clone(row.cells)}
		if err := t.set(row.cells, places, m.Rows[0]); err != nil {
			return 0, err
		}
		if err := t.add(row); err != nil {
			return 0, err
		}
	}
	return int64(len(found)), nil
}

// add puts a row into the table, unless one with its key or its value in a unique index is there.
func (t *memoryWork) add(row *memoryRow) error {
	row.key = string(t.prefix(row.cells, t.key))
	if t.rows.get(row.key) != nil {
		return fmt.Errorf("frappems: table %s, primary key: %w", t.name, ErrDuplicateKey)
	}
	t.rows = t.rows.put(t.seed, row.key, row)
	for i := range t.indexes {
		if err := t.index(&t.indexes[i], row); err != nil {
			return err
		}
	}
	return nil
}

// index puts a row into an index.
func (t *memoryWork) index(index *memoryIndex, row *memoryRow) error {
	prefix := t.prefix(row.cells, index.columns)
	hasNull := slices.ContainsFunc(index.columns, func(i int) bool { return row.cells[i].null })
	if index.unique && !hasNull {
		for range index.rows.within(string(prefix)) {
			return fmt.Errorf("frappems: table %s, index %s: %w", t.name, index.name, ErrDuplicateKey)
		}
	}
	index.rows = index.rows.put(t.seed, string(prefix)+row.key, row)
	return nil
}

func (t *memoryWork) remove(row *memoryRow) {
	t.rows = t.rows.remove(row.key)
	for i := range t.indexes {
		index := &t.indexes[i]
		index.rows = index.rows.remove(string(t.prefix(row.cells, index.columns)) + row.key)
	}
}

// prefix returns how the keys of rows with these values begin.
func (t *memoryTable) prefix(cells []cell, places []int) []byte {
	key := t.columns[0].appendKey(make([]byte, 0, 64), cells[0])
	for _, i := range places {
		key = t.columns[i].appendKey(key, cells[i])
	}
	return key
}
