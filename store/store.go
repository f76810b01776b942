// Package store keeps the rows of a frappems service: it knows tables, columns and tenants, and nothing of DocTypes, users or
// permissions, so that what isolates tenants can be read by itself. [Store] is the seam; [NewMemory] is one in memory, and
// [NewSQL] one on database/sql for an adapter that brings driver and [Dialect].
package store

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
)

// Store keeps rows. Every implementation gives the same bytes for the same statements; frappemstest.TestStore is the contract as a test.
//
// Rules for implementers:
//   - All methods may be called concurrently.
//   - A statement without a tenant is an error, and no statement ever touches a row of another tenant.
//   - Text columns compare, sort and match as MariaDB's utf8mb4_unicode_ci does ([CompareText], [MatchText]).
//   - What is wrong with the data or the server is told by a [StoreError], found by errors.Is; anything else is a fault.
type Store interface {
	Reader
	// Begin starts a transaction (READ COMMITTED; a store with one writer waits for its turn, or until ctx ends).
	Begin(ctx context.Context) (Tx, error)
	// Migrate compares the database with want and returns the statements that are missing. With apply it also runs
	// them; it never drops anything, is safe to repeat after a crash, and returns an error instead of losing data.
	Migrate(ctx context.Context, want *Schema, apply bool) (Plan, error)
	// Ping says whether the database answers.
	Ping(ctx context.Context) error
	// Close releases what the store holds. Transactions that are still open fail.
	Close() error
}

// ConcurrentWriters is what a [Store] is as well whose transactions write at a time and keep each other waiting by rows only.
type ConcurrentWriters interface {
	// BeginAside starts a short transaction for somebody who may hold another one meanwhile: it waits for no connection that
	// a transaction of Begin has.
	BeginAside(ctx context.Context) (Tx, error)
}

// Reader runs one statement. Outside a transaction it sees what is committed.
type Reader interface {
	Query(ctx context.Context, q *Query) (Rows, error)
}

// Tx is a transaction. It is for one goroutine; its rows are closed before its next call. After Commit or Rollback
// every method but Rollback, which then does nothing, returns an error.
type Tx interface {
	Reader
	// Write runs the mutations in order and returns how many rows they inserted, matched or deleted in all. After a
	// [ErrDuplicateKey] the failed mutation has left no trace and the transaction can go on.
	Write(ctx context.Context, m ...Mutation) (rows int64, err error)
	// Next adds n to a counter and returns the first of the n new numbers; a counter that is not there yet starts at 1.
	Next(ctx context.Context, c Counter, n int) (first int64, err error)
	// Commit makes the transaction's writes last. After an error none of them does if it is [ErrDeadlock] or that of a
	// context; after any other nobody knows.
	Commit() error
	Rollback() error
}

// Rows are the answer to a [Query], as those of database/sql are used: Next, Scan, and at the end Err and Close.
type Rows interface {
	Next() bool
	// Scan points each element of dst, one for each of Query.Columns, to the column's text form as MariaDB prints it
	// (see [Column]); nil is NULL. The bytes are valid until the next call of Next or Close and are not to be changed.
	Scan(dst [][]byte) error
	Err() error
	Close() error
}

// StoreError is what a [Store] says of a statement that failed for a reason that its caller can act on.
type StoreError string

// ErrDuplicateKey: a row with this primary or unique key exists in the tenant.
// ErrDeadlock: the transaction was chosen as a victim or waited too long; it is rolled back and may be tried again.
// ErrUnavailable: the database cannot be reached or does not answer; nothing is known to have been written.
// ErrValueOutOfRange: the database refused a value that does not fit its column.
const (
	ErrDuplicateKey    StoreError = "duplicate key"
	ErrDeadlock        StoreError = "deadlock or lock timeout"
	ErrUnavailable     StoreError = "the database is not available"
	ErrValueOutOfRange StoreError = "a value does not fit its column"
)

func (e StoreError) Error() string { return string(e) }

// ColumnType says how a column's values are kept, compared and printed.
type ColumnType uint8

// The types of columns, with the text form of their values. Only Varchar, Text, LongText and JSON
// are text: they compare by [CompareText]. ASCII compares byte by byte, the numeric types by value, the rest by their text form.
const (
	TypeVarchar  ColumnType = iota // text of up to Column.Length characters
	TypeASCII                      // up to Column.Length bytes of ASCII
	TypeText                       // text of up to 65,535 bytes
	TypeLongText                   // text
	TypeJSON                       // text that is JSON
	TypeInt                        // 32 bits: "-12"
	TypeBigInt                     // 64 bits
	TypeCheck                      // "0" or "1"
	TypeDecimal                    // 21 digits, 9 of them after the point: "12.300000000"
	TypeRating                     // 3 digits, 2 of them after the point: "0.60"
	TypeDate                       // "2026-11-23"
	TypeDatetime                   // "2026-11-23 18:19:16.499951"
	TypeTime                       // "09:05:00.000000"
)

// Column of a [Table]. It is made once and then never changed, so that its address is its identity.
type Column struct {
	Name    string
	Type    ColumnType
	Length  int    // of a TypeVarchar or TypeASCII
	NotNull bool   // then Default is what existing rows get
	Default string // text form; "" is no default
}

// Table is one table. Each has, beside Columns, a column tenant_id (TypeASCII, 64), which no statement names: it is the
// first part of every key, and the store fills and compares it by the tenant of the statement. Where Columns has one of
// that name all the same, because a DocType shows its documents' tenant, it is that column: it can be read and compared,
// and is not written by mutations.
type Table struct {
	Name    string
	Columns []*Column
	Key     []*Column // the primary key after tenant_id
	Indexes []Index
}

// Index of a [Table] on tenant_id and then Columns.
type Index struct {
	Name    string
	Columns []*Column
	Unique  bool // NULLs do not collide
}

// Schema is all tables of a service.
type Schema struct {
	Tables []*Table
	Adopt  *Adoption // nil: a table that Frappe made is refused
}

// Adoption is how Migrate makes tables that Frappe made, with the primary key name and without a tenant, into those of a schema:
// all their rows become the tenant's. Tables that have a tenant stay as they are. A store whose tables Frappe cannot have made
// refuses it.
type Adoption struct {
	Tenant string
	// Counters continue the naming series of Frappe's tabSeries, by the same names.
	Counters *Table
	// Numbered are counters, by their names, that continue after the highest name of a table which is adopted.
	Numbered map[string]*Table
	// Singles, with the columns doctype, field and value, gets the values of Frappe's tabSingles for SingleNames. What is there stays.
	Singles     *Table
	SingleNames []string
}

// Plan is the statements by which Migrate brings a database to a [Schema], in order. An empty plan means: nothing to do.
type Plan []string

// Func is what an [Expr] does with its column.
type Func uint8

// The functions of expressions. Sum and Avg are of numbers: Sum has as many places as its column, Avg four more, rounded half
// away from zero. CountDistinct and Count leave out NULLs; CountRows has no column. Over no rows the counts are 0, the others
// NULL. Of texts that compare as equal, Min and Max give that of the row with the lowest primary key. Literal gives
// Expr.Text, or NULL where that is nil.
const (
	FuncValue Func = iota
	FuncCountRows
	FuncCount
	FuncCountDistinct
	FuncSum
	FuncAvg
	FuncMin
	FuncMax
	FuncLiteral
)

// Expr is one value of a row: a column, an aggregate or a constant.
type Expr struct {
	Func   Func
	Source int     // whose column: 0 is Query.From, i is Query.Joins[i-1]
	Column *Column // of that table
	Text   *string // of a Literal
}

// Op is the operator of a [Cond].
type Op uint8

// The operators. Comparisons with NULL are not true, as in SQL. True is the zero Cond. Like and NotLike know % and _
// and have no escape character. In without values is false, NotIn without values is true. NotExists is of a [Sub].
const (
	OpTrue Op = iota
	OpAnd
	OpOr
	OpEqual
	OpNotEqual
	OpLess
	OpLessEqual
	OpGreater
	OpGreaterEqual
	OpLike
	OpNotLike
	OpIn
	OpNotIn
	OpBetween
	OpIsNull
	OpIsNotNull
	OpNotExists
)

// Cond is a condition on rows: a comparison of Expr, whose Func is Value, with Values, or Conds joined by And or Or.
type Cond struct {
	Op     Op
	Expr   Expr
	Values []string // text forms for the column's type; one, except for In and NotIn (any number) and Between (two)
	Conds  []Cond   // of And (none: true) and Or (none: false)
	Sub    *Sub     // of NotExists
}

// Sub is the rows of a table that belong to a row of the query: those of the tenant whose Column equals Outer.
type Sub struct {
	Table  *Table
	Column *Column // of Table
	Outer  Expr    // of the query around it
	Where  Cond    // on Table: its expressions have Source 0
}

// Join adds the rows of a table that belong to a row of the query (left join: NULLs where there is none).
type Join struct {
	Table  *Table
	Column *Column // of Table; equal to
	Outer  Expr    // of a source before it
	Where  Cond    // part of the join's condition, on Table: its expressions have Source 0
}

// Order is one term of an order. NULL is lower than everything: first, or last where Desc is true.
type Order struct {
	Expr Expr
	Desc bool
}

// Lock is what a query in a transaction does with the rows that it reads. Stores with one writer ignore it.
type Lock uint8

// The locks of rows.
const (
	NoLock Lock = iota
	ShareLock
	UpdateLock
	UpdateSkipLocked
)

// Query is one statement that reads. It holds pointers to columns that core made, so that no input can become part
// of a statement but as a bound value. It is not changed by the store and may be run again.
//
// With an aggregate or GroupBy, a column that is neither aggregated nor grouped has the value of the group's row with the
// lowest primary key, and so has a grouped or Distinct text, where several spellings are equal; where the [Dialect] has no Pick,
// as MariaDB's, the database chooses. Without OrderBy rows come in the order of the primary key of From and then of Joins,
// groups in that of GroupBy, and Distinct ones in that of Columns.
type Query struct {
	Tenant   string // required
	From     *Table // nil: one row of literals
	Joins    []Join
	Columns  []Expr
	Where    Cond
	GroupBy  []Expr
	OrderBy  []Order
	Distinct bool
	Limit    int // 0: all rows
	Offset   int
	Lock     Lock
	AnyOrder bool // rows come in any order, those of a union's parts too; OrderBy is empty
	// Statement, if not nil, keeps what the store made of the query for the next one of the same shape.
	Statement *Statement
	Union     []*Query // their rows follow; of the same tenant, with as many columns; neither q nor they order, limit, group or dedupe
}

// Statement is the text that a [NewSQL] store made of a [Query]. The zero value is one that is not made yet. Queries that share
// a Statement, which they do with one store only, differ in nothing but their tenant, values, limit and offset, and in the
// number of none of them. It may be used concurrently.
type Statement struct{ compiled atomic.Pointer[compiled] }

// compiled is a statement's text and how many values it binds.
type compiled struct {
	text   string
	values int
	extra  int
}

// AppendShape appends what tells conditions from each other whose statements differ; ok is false for one with a [Sub].
func (c *Cond) AppendShape(shape []byte) (_ []byte, ok bool) {
	shape = append(shape, byte('a'+c.Op))
	if c.Op == OpNotExists {
		return shape, false
	}
	if c.Expr.Column != nil {
		shape = append(append(strconv.AppendInt(shape, int64(c.Expr.Source), 10), c.Expr.Column.Name...), 0)
	}
	shape = strconv.AppendInt(append(shape, '('), int64(len(c.Values)), 10)
	for i := range c.Conds {
		if shape, ok = c.Conds[i].AppendShape(shape); !ok {
			return shape, false
		}
	}
	return append(shape, ')'), true
}

// MutationKind says what a [Mutation] does.
type MutationKind uint8

// The kinds of mutations.
const (
	InsertRows MutationKind = iota
	UpdateRows
	DeleteRows
)

// Mutation is one statement that writes rows of one tenant.
type Mutation struct {
	Kind    MutationKind
	Tenant  string // required
	Table   *Table
	Columns []*Column // of Insert and Update
	Rows    [][]any   // for each row a string (text form) or nil (NULL) for each column; Update has one
	Where   Cond      // of Update and Delete; its expressions have Source 0; True is an error: nothing empties a table
}

// Counter names a number that only grows: a naming series or the autoincrement of a DocType. Its row is in Table, which
// has the key column "name" and the TypeBigInt column "current".
type Counter struct {
	Tenant string
	Table  *Table
	Name   string
}

var errNoTenant = errors.New("frappems: a statement without a tenant")

// ValidTenant says whether id can be a tenant: 1 to 64 bytes of [A-Za-z0-9._-], and not SYSTEM, which the
// predecessor's data uses for rows that belong to nobody.
func ValidTenant(id string) bool {
	if id == "" || len(id) > 64 || id == "SYSTEM" {
		return false
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// check refuses a query that a store must not run. Every store calls it first.
func (q *Query) check() error {
	if !ValidTenant(q.Tenant) {
		return errNoTenant
	}
	if q.Limit < 0 || q.Offset < 0 || len(q.Columns) == 0 {
		return errors.New("frappems: a query without columns, or with a negative limit or offset")
	}
	if q.From == nil && (q.Where.Op != OpTrue || len(q.Joins)+len(q.GroupBy)+len(q.OrderBy) > 0) {
		return errors.New("frappems: a query without a table has literals only")
	}
	for i, u := range q.Union {
		if u.Tenant != q.Tenant || len(u.Columns) != len(q.Columns) || len(u.Union) > 0 {
			return errors.New("frappems: the parts of a union differ in tenant or columns")
		}
		if i == 0 && !q.plain() || !u.plain() {
			return errors.New("frappems: a part of a union orders, limits, groups or dedupes")
		}
		if err := u.check(); err != nil {
			return err
		}
	}
	return nil
}

// plain reports whether a query can be part of a union.
func (q *Query) plain() bool {
	return len(q.OrderBy)+len(q.GroupBy)+q.Limit+q.Offset == 0 && !q.Distinct && !q.aggregates()
}

// aggregates reports whether a query makes one row of many.
func (q *Query) aggregates() bool {
	for _, e := range q.Columns {
		if e.aggregates() {
			return true
		}
	}
	for _, o := range q.OrderBy {
		if o.Expr.aggregates() {
			return true
		}
	}
	return false
}

// dedupes reports whether Distinct means to group by Columns.
func (q *Query) dedupes() bool { return q.Distinct && len(q.GroupBy) == 0 && !q.aggregates() }

// groups returns the expressions that are equal in all rows of a group.
func (q *Query) groups() []Expr {
	if q.dedupes() {
		return q.Columns
	}
	return q.GroupBy
}

// order returns OrderBy, or the order that groups have without it.
func (q *Query) order() []Order {
	if len(q.OrderBy) > 0 {
		return q.OrderBy
	}
	var order []Order
	for _, e := range q.groups() {
		order = append(order, Order{Expr: e})
	}
	return order
}

// aggregates reports whether the expression is made of the rows of a group.
func (e Expr) aggregates() bool { return e.Func != FuncValue && e.Func != FuncLiteral }

var countColumn, literalColumn = &Column{Type: TypeBigInt}, &Column{Type: TypeText}

// printed returns a column whose type is that of the expression's values.
func (e Expr) printed() *Column {
	switch e.Func {
	case FuncCountRows, FuncCount, FuncCountDistinct:
		return countColumn
	case FuncLiteral:
		return literalColumn
	}
	return e.Column
}

// operands returns the values that a comparison compares with, as the column's comparison wants them.
func (c *Cond) operands() ([]string, error) {
	want := 1
	switch c.Op {
	case OpIn, OpNotIn:
		want = len(c.Values)
	case OpBetween:
		want = 2
	case OpIsNull, OpIsNotNull:
		want = 0
	}
	switch {
	case c.Expr.Func != FuncValue || c.Expr.Column == nil:
		return nil, errors.New("frappems: a condition on something else than a column")
	case len(c.Values) != want:
		return nil, errors.New("frappems: a condition with too many or too few values")
	case c.Op == OpLike || c.Op == OpNotLike:
		return c.Values, nil
	}
	return c.Expr.Column.wantedAll(c.Values)
}

// check refuses a mutation that a store must not run.
func (m *Mutation) check() error {
	if !ValidTenant(m.Tenant) {
		return errNoTenant
	}
	if m.Kind > DeleteRows || m.Kind != InsertRows && m.Where.Op == OpTrue {
		return errors.New("frappems: an update or delete without a condition, or a mutation of no kind")
	}
	if m.Kind == UpdateRows && len(m.Rows) != 1 {
		return errors.New("frappems: an update has one row of values")
	}
	for _, row := range m.Rows {
		if len(row) != len(m.Columns) {
			return errors.New("frappems: a row has not as many values as columns")
		}
	}
	for _, c := range m.Columns {
		if c.isTenant() {
			return errors.New("frappems: a statement that writes the tenant")
		}
	}
	if len(m.Columns) == 0 && m.Kind != DeleteRows {
		return errors.New("frappems: an insert or update without columns")
	}
	return nil
}

// columns returns the two columns of a counter, or an error for a counter that a store must not touch.
func (c Counter) columns(n int) (name, current *Column, err error) {
	if !ValidTenant(c.Tenant) {
		return nil, nil, errNoTenant
	}
	if name, current = c.Table.Column("name"), c.Table.Column("current"); name == nil || current == nil || n < 1 {
		return nil, nil, errors.New("frappems: a counter's table needs the columns name and current, and a step of at least 1")
	}
	return name, current, nil
}

// Column returns the table's column of this name, or nil.
func (t *Table) Column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}
