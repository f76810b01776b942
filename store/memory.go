package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// NewMemory returns a store that keeps everything in memory, until Close or the end of the program. It has one
// writer: Begin waits until the transaction before has ended. Readers wait for nobody and see what was committed when
// their query began.
func NewMemory() Store {
	s := &memoryStore{turn: make(chan struct{}, 1)}
	s.open, s.close = context.WithCancel(context.Background())
	s.committed.Store(&memoryData{})
	return s
}

var (
	errClosed = fmt.Errorf("frappems: the store is closed: %w", ErrUnavailable)
	errTxDone = errors.New("frappems: the transaction has ended already")
)

type memoryStore struct {
	turn      chan struct{} // full while there is a writer
	committed atomic.Pointer[memoryData]
	open      context.Context // ends with close
	close     context.CancelFunc
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

func (s *memoryStore) Query(ctx context.Context, q *Query) (Rows, error) {
	if s.open.Err() != nil {
		return nil, errClosed
	}
	return s.committed.Load().query(ctx, q)
}

// lock takes the writer's turn, or gives up when ctx ends.
func (s *memoryStore) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.open.Done():
		return errClosed
	}
	err := s.Ping(ctx) // for of several cases that are ready, select takes any
	if err != nil {
		<-s.turn
	}
	return err
}

func (s *memoryStore) Begin(ctx context.Context) (Tx, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	return &memoryTx{ctx: ctx, store: s, data: maps.Clone(*s.committed.Load())}, nil
}

func (s *memoryStore) Ping(ctx context.Context) error {
	if s.open.Err() != nil {
		return errClosed
	}
	return ctx.Err()
}

func (s *memoryStore) Close() error {
	s.close()
	s.committed.Store(&memoryData{})
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
	if tx.store == nil {
		return errTxDone
	}
	return cmp.Or(tx.store.Ping(tx.ctx), ctx.Err())
}

func (tx *memoryTx) Query(ctx context.Context, q *Query) (Rows, error) {
	if err := tx.usable(ctx); err != nil {
		return nil, err
	}
	return tx.data.query(ctx, q)
}

func (tx *memoryTx) Commit() error {
	err := tx.usable(tx.ctx)
	if err == nil {
		tx.store.committed.Store(&tx.data)
	}
	tx.Rollback()
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
	for i := range mutations {
		n, err := tx.write(ctx, &mutations[i])
		if err != nil {
			return rows, err
		}
		rows += n
	}
	return rows, tx.usable(ctx)
}

// write runs one mutation on a copy of its table, which takes the table's place only if all went well.
func (tx *memoryTx) write(ctx context.Context, m *Mutation) (n int64, err error) {
	if err := cmp.Or(tx.usable(ctx), m.check()); err != nil {
		return 0, err
	}
	table, err := tx.data.table(m.Table)
	if err != nil {
		return 0, err
	}
	work := *table
	work.indexes = slices.Clone(table.indexes)
	if m.Kind == InsertRows {
		n, err = work.insert(m)
	} else {
		n, err = work.change(&memoryRun{ctx: ctx, data: tx.data, tenant: m.Tenant}, m)
	}
	if err == nil {
		tx.data[m.Table.Name] = &work
	}
	return n, err
}

func (tx *memoryTx) Next(ctx context.Context, c Counter, n int) (int64, error) {
	name, current, err := c.columns(n)
	if err != nil {
		return 0, err
	}
	where := Cond{Op: OpEqual, Expr: Expr{Column: name}, Values: []string{c.Name}}
	rows, err := tx.Query(ctx, &Query{Tenant: c.Tenant, From: c.Table, Columns: []Expr{{Column: current}}, Where: where})
	if err != nil {
		return 0, err
	}
	if value := [1][]byte{}; rows.Next() && rows.Scan(value[:]) == nil {
		last, _ := strconv.ParseInt(string(value[0]), 10, 64)
		_, err = tx.Write(ctx, Mutation{Kind: UpdateRows, Tenant: c.Tenant, Table: c.Table, Columns: []*Column{current},
			Rows: [][]any{{strconv.FormatInt(last+int64(n), 10)}}, Where: where})
		return last + 1, err
	}
	_, err = tx.Write(ctx, Mutation{Kind: InsertRows, Tenant: c.Tenant, Table: c.Table, Columns: []*Column{name, current},
		Rows: [][]any{{c.Name, strconv.Itoa(n)}}})
	return 1, err
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

// fill puts the values of a mutation's row into cells.
func (t *memoryTable) fill(cells []cell, places []int, values []any) error {
	for i, v := range values {
		c := t.columns[places[i]]
		text, ok := v.(string)
		if !ok && c.NotNull {
			return fmt.Errorf("frappems: table %s, column %s: %w: it cannot be NULL", t.name, c.Name, ErrValueOutOfRange)
		}
		if !ok {
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

func (t *memoryTable) insert(m *Mutation) (int64, error) {
	places, err := t.places(m.Columns)
	if err != nil {
		return 0, err
	}
	template := make([]cell, len(t.columns))
	for i, c := range t.columns[1:] {
		if !slices.Contains(places, i+1) {
			if template[i+1], err = c.inserted(); err != nil {
				return 0, err
			}
		}
	}
	template[0].s = m.Tenant
	for _, values := range m.Rows {
		row := &memoryRow{cells: slices.Clone(template)}
		if err := t.fill(row.cells, places, values); err != nil {
			return 0, err
		}
		if err := t.add(row); err != nil {
			return 0, err
		}
	}
	return int64(len(m.Rows)), nil
}

// change runs an update or delete.
func (t *memoryTable) change(run *memoryRun, m *Mutation) (int64, error) {
	places, err := t.places(m.Columns)
	if err != nil {
		return 0, err
	}
	matches, err := run.condition(&m.Where, []*memoryTable{t})
	if err != nil {
		return 0, err
	}
	found, err := run.filter(run.scan(t, t.bindings(&m.Where)), matches)
	for i := 0; i < len(found) && err == nil; i++ {
		t.remove(found[i])
		if m.Kind == UpdateRows {
			row := &memoryRow{cells: slices.Clone(found[i].cells)}
			if err = t.fill(row.cells, places, m.Rows[0]); err == nil {
				err = t.add(row)
			}
		}
	}
	return int64(len(found)), err
}

// add puts a row into the table, unless one with its key or its value in a unique index is there.
func (t *memoryTable) add(row *memoryRow) error {
	row.key = string(t.prefix(row.cells, t.key))
	if t.rows.get(row.key) != nil {
		return fmt.Errorf("frappems: table %s, primary key: %w", t.name, ErrDuplicateKey)
	}
	t.rows = t.rows.put(row.key, row)
	for i := range t.indexes {
		index := &t.indexes[i]
		prefix := string(t.prefix(row.cells, index.columns))
		hasNull := slices.ContainsFunc(index.columns, func(i int) bool { return row.cells[i].null })
		if index.unique && !hasNull {
			for range index.rows.within(prefix) {
				return fmt.Errorf("frappems: table %s, index %s: %w", t.name, index.name, ErrDuplicateKey)
			}
		}
		index.rows = index.rows.put(prefix+row.key, row)
	}
	return nil
}

func (t *memoryTable) remove(row *memoryRow) {
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

// Migrate's plan is in words: there are no statements. A table that changes is made anew, with its rows.
func (s *memoryStore) Migrate(ctx context.Context, want *Schema, apply bool) (plan Plan, err error) {
	if want.Adopt != nil {
		return nil, errNoAdoption
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer func() { <-s.turn }()
	data, have := maps.Clone(*s.committed.Load()), map[string]*databaseTable{}
	for name, table := range data {
		have[strings.ToLower(name)] = table.describe()
	}
	changes, err := want.changes(have)
	if err != nil {
		return nil, err
	}
	for len(changes) > 0 {
		t, n := changes[0].table, 0
		for n < len(changes) && changes[n].table == t {
			plan = append(plan, changes[n].String())
			n++
		}
		if data[t.Name], err = data[t.Name].changed(changes[:n]); err != nil {
			return nil, fmt.Errorf("frappems: table %s: rows have the same values where a new unique index forbids it: correct them first: %w", t.Name, err)
		}
		changes = changes[n:]
	}
	if apply {
		s.committed.Store(&data)
	}
	return plan, nil
}

// describe returns the table as a database would.
func (t *memoryTable) describe() *databaseTable {
	d := &databaseTable{name: t.name}
	for _, c := range t.columns {
		d.columns = append(d.columns, databaseColumn{Column: *c, text: c.kind(), known: true})
	}
	for _, index := range append([]memoryIndex{{columns: t.key, unique: true}}, t.indexes...) {
		names := []string{tenantName}
		for _, place := range index.columns {
			names = append(names, t.columns[place].Name)
		}
		d.indexes = append(d.indexes, databaseIndex{name: index.name, columns: names, unique: index.unique})
	}
	return d
}

// changed returns a table that has been changed; of nil it is a new one.
func (t *memoryTable) changed(changes []schemaChange) (*memoryTable, error) {
	if t == nil {
		t = &memoryTable{name: changes[0].table.Name, columns: []*Column{tenantColumn}}
	}
	work := &memoryTable{name: t.name, columns: slices.Clone(t.columns), key: t.key}
	for _, index := range t.indexes {
		work.indexes = append(work.indexes, memoryIndex{name: index.name, columns: index.columns, unique: index.unique})
	}
	defaults, err := []cell{}, error(nil)
	for _, change := range changes {
		if err := work.apply(change); err != nil {
			return nil, err
		}
	}
	for _, c := range work.columns[len(t.columns):] {
		value, _ := c.inserted() // a table with rows gets no column that they have no value for
		defaults = append(defaults, value)
	}
	for row := range t.rows.within("") {
		if err == nil {
			err = work.add(&memoryRow{cells: append(slices.Clip(row.cells), defaults...)})
		}
	}
	return work, err
}

// apply makes one change to a table without rows.
func (t *memoryTable) apply(change schemaChange) (err error) {
	switch {
	case change.add != nil:
		t.columns = append(t.columns, change.add)
	case change.widen != nil:
		place, _ := t.place(change.widen)
		t.columns[place] = change.widen
	case change.index != nil:
		index := memoryIndex{name: change.index.Name, unique: change.index.Unique}
		index.columns, err = t.places(change.index.Columns)
		t.indexes = append(t.indexes, index)
	default:
		for _, c := range change.table.Columns {
			if slices.Contains(change.table.Key, c) {
				key := *c
				key.NotNull = true
				c = &key
			}
			if !c.isTenant() {
				t.columns = append(t.columns, c)
			}
		}
		t.key, err = t.places(change.table.Key)
	}
	return err
}
