package frappems

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/frappems/frappems/internal/sealed"

	"github.com/frappems/frappems/store"
)

// Recording is a memory store that gives every statement also to an SQL store, on a driver that keeps text and arguments
// and does nothing else. So a test sees at the same time what a client is answered and what a database would have run.
type Recording struct {
	store.Store
	sql   store.Store
	words map[string]bool

	mu         sync.Mutex
	statements []Statement
	problems   []string
}

// Statement is what a database would have run.
type Statement struct {
	Text string
	Args []any
}

// NewRecording makes a store that knows no tables yet: those that it is asked to migrate become its vocabulary.
func NewRecording() *Recording {
	r := &Recording{Store: store.NewMemory(), words: map[string]bool{"`tenant_id`": true}}
	r.sql = store.NewSQL(sql.OpenDB(recordingDriver{r}), store.Dialect{
		Quote:  '`',
		Upsert: func(column string) string { return "ON DUPLICATE KEY UPDATE " + column + " = " + column },
		Error:  func(error) store.StoreError { return "" },
	})
	return r
}

func (r *Recording) Migrate(ctx context.Context, want *store.Schema, apply bool) (store.Plan, error) {
	for _, t := range want.Tables {
		r.words[quotedName(t.Name)] = true
		for _, c := range t.Columns {
			r.words[quotedName(c.Name)] = true
		}
	}
	return r.Store.Migrate(ctx, want, apply)
}

func (r *Recording) Query(ctx context.Context, q *store.Query) (store.Rows, error) {
	rows, err := r.Store.Query(ctx, q)
	r.alike(r.discard(r.sql.Query(ctx, q)), err)
	return rows, err
}

func (r *Recording) discard(rows store.Rows, err error) error {
	if err != nil {
		return err
	}
	return rows.Close()
}

// alike notes a statement that one store takes and the other refuses.
func (r *Recording) alike(inSQL, inMemory error) {
	if (inSQL == nil) != (inMemory == nil) && !errors.Is(inMemory, store.ErrDuplicateKey) && !errors.Is(inMemory, context.Canceled) {
		r.problem("the SQL store says %v, the memory store %v", inSQL, inMemory)
	}
}

func (r *Recording) problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *Recording) Begin(ctx context.Context) (store.Tx, error) {
	tx, err := r.Store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	other, err := r.sql.Begin(context.WithoutCancel(ctx))
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return &recordingTx{Tx: tx, sql: other, r: r}, nil
}

type recordingTx struct {
	store.Tx
	sql store.Tx
	r   *Recording
}

func (t *recordingTx) Query(ctx context.Context, q *store.Query) (store.Rows, error) {
	rows, err := t.Tx.Query(ctx, q)
	t.r.alike(t.r.discard(t.sql.Query(ctx, q)), err)
	return rows, err
}

func (t *recordingTx) Write(ctx context.Context, m ...store.Mutation) (int64, error) {
	n, err := t.Tx.Write(ctx, m...)
	_, inSQL := t.sql.Write(ctx, m...)
	t.r.alike(inSQL, err)
	return n, err
}

func (t *recordingTx) Next(ctx context.Context, c store.Counter, n int) (int64, error) {
	t.sql.Next(ctx, c, n) // the driver has no row to give
	return t.Tx.Next(ctx, c, n)
}

func (t *recordingTx) Commit() error {
	t.sql.Commit()
	return t.Tx.Commit()
}

func (t *recordingTx) Rollback() error {
	t.sql.Rollback()
	return t.Tx.Rollback()
}

// Take returns the statements since the last call.
func (r *Recording) Take() []Statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.statements
	r.statements = nil
	return taken
}

var (
	sqlToken = regexp.MustCompile("^(?:`(?:[^`]|``)*`|[A-Za-z_][A-Za-z0-9_]*|[0-9]+|<>|<=|>=|''|[?(),.*=<>]| +)")
	sqlAlias = regexp.MustCompile(`^t[0-9]+$`)
	// sqlWords is every word that a statement may have beside the names of tables, columns and aliases.
	sqlWords = strings.Fields(`SELECT DISTINCT FROM AS LEFT JOIN ON WHERE AND OR NOT EXISTS IN IS NULL LIKE BETWEEN GROUP
		ORDER BY DESC LIMIT OFFSET UNION ALL COUNT SUM AVG MIN MAX INSERT INTO VALUES UPDATE SET DELETE DUPLICATE KEY RETURNING
		SAVEPOINT ROLLBACK TO RELEASE frappems_rows CAST CHAR`)
)

// Check says what is wrong with a statement: a token that is none of ours, or not one argument for each placeholder.
func (r *Recording) Check(s Statement) error {
	binds := 0
	for rest := s.Text; rest != ""; {
		token := sqlToken.FindString(rest)
		switch {
		case token == "":
			return fmt.Errorf("a token that is none of ours at %.40q in %q", rest, s.Text)
		case token[0] == '`' && !r.words[token]:
			return fmt.Errorf("the identifier %s is not in the schema: %q", token, s.Text)
		case token[0] >= 'A' && token[0] <= 'z' && token[0] != '`' && !slices.Contains(sqlWords, token) && !sqlAlias.MatchString(token):
			return fmt.Errorf("the word %s is none of ours: %q", token, s.Text)
		case token == "?":
			binds++
		}
		rest = rest[len(token):]
	}
	if binds != len(s.Args) {
		return fmt.Errorf("%d placeholders and %d values: %q", binds, len(s.Args), s.Text)
	}
	return nil
}

// CheckAll checks what was recorded since the last time, and that each statement is of one of the tenants alone. It
// returns the statements.
func (r *Recording) CheckAll(t testing.TB, tenants ...string) []Statement {
	t.Helper()
	statements := r.Take()
	for _, s := range statements {
		if err := r.Check(s); err != nil {
			t.Error(err)
		}
		if problem := r.checkTenant(s, tenants); problem != "" {
			t.Errorf("%s: %q %q", problem, s.Text, s.Args)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, problem := range r.problems {
		t.Error(problem)
	}
	r.problems = nil
	return statements
}

var (
	sqlTable  = regexp.MustCompile("(?:FROM|JOIN|^UPDATE) `")
	sqlTenant = regexp.MustCompile("`tenant_id` = \\?")
)

// checkTenant wants the tenant's predicate with every table that a statement reads or changes.
func (r *Recording) checkTenant(s Statement, tenants []string) string {
	switch {
	case strings.HasPrefix(s.Text, "SAVEPOINT"), strings.HasPrefix(s.Text, "R"):
		return ""
	case strings.HasPrefix(s.Text, "INSERT") && !strings.Contains(s.Text, "` (`tenant_id`, "):
		return "an insert without the tenant"
	}
	if tables, predicates := len(sqlTable.FindAllString(s.Text, -1)), len(sqlTenant.FindAllString(s.Text, -1)); tables > predicates {
		return fmt.Sprintf("%d tables and %d predicates on the tenant", tables, predicates)
	}
	if len(tenants) > 0 && !slices.ContainsFunc(s.Args, func(v any) bool { return slices.Contains(tenants, fmt.Sprint(v)) }) {
		return "no value is the tenant"
	}
	return ""
}

// recordingDriver is a database/sql driver without a database.
type recordingDriver struct{ r *Recording }

func (d recordingDriver) Connect(context.Context) (driver.Conn, error) { return recordingConn(d), nil }
func (d recordingDriver) Driver() driver.Driver                        { return nil }

type recordingConn struct{ r *Recording }

func (c recordingConn) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (c recordingConn) Begin() (driver.Tx, error)           { return c, nil }
func (c recordingConn) Close() error                        { return nil }
func (c recordingConn) Commit() error                       { return nil }
func (c recordingConn) Rollback() error                     { return nil }

func (c recordingConn) keep(text string, args []driver.NamedValue) {
	s := Statement{Text: text}
	for _, a := range args {
		s.Args = append(s.Args, a.Value)
	}
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.statements = append(c.r.statements, s)
}

func (c recordingConn) QueryContext(_ context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.keep(text, args)
	return noRows{}, nil
}

func (c recordingConn) ExecContext(_ context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.keep(text, args)
	return driver.RowsAffected(0), nil
}

type noRows struct{}

func (noRows) Columns() []string         { return nil }
func (noRows) Close() error              { return nil }
func (noRows) Next([]driver.Value) error { return io.EOF }

// OwnMethods are the names of the methods that frappems serves itself.
func OwnMethods() []string { return slices.Sorted(maps.Keys(ownMethods())) }

// ShopDocTypes is what most tests at the HTTP seam serve: something of everything that permissions, links and naming know.
const ShopDocTypes = `[
{"doctype": "DocType", "name": "Region", "autoname": "field:title", "fields": [
	{"fieldname": "title", "fieldtype": "Data", "reqd": 1}, {"fieldname": "lft", "fieldtype": "Int"}, {"fieldname": "rgt", "fieldtype": "Int"},
	{"fieldname": "lead", "fieldtype": "Data"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Clerk", "read": 1}]},
{"doctype": "DocType", "name": "Customer", "autoname": "field:customer_name", "title_field": "customer_name", "search_fields": "kind,region", "fields": [
	{"fieldname": "customer_name", "fieldtype": "Data", "label": "Customer Name", "reqd": 1},
	{"fieldname": "kind", "fieldtype": "Select", "options": "Company\nIndividual"},
	{"fieldname": "region", "fieldtype": "Link", "options": "Region"},
	{"fieldname": "credit", "fieldtype": "Currency"}, {"fieldname": "visits", "fieldtype": "Int"}, {"fieldname": "hits", "fieldtype": "Long Int"},
	{"fieldname": "weight", "fieldtype": "Float"}, {"fieldname": "stars", "fieldtype": "Rating"}, {"fieldname": "active", "fieldtype": "Check"},
	{"fieldname": "joined", "fieldtype": "Date"}, {"fieldname": "seen", "fieldtype": "Datetime"}, {"fieldname": "opens", "fieldtype": "Time"},
	{"fieldname": "notes", "fieldtype": "Small Text"}, {"fieldname": "extra", "fieldtype": "JSON"}, {"fieldname": "pin", "fieldtype": "Password"},
	{"fieldname": "tax_id", "fieldtype": "Data", "label": "Tax ID", "unique": 1}, {"fieldname": "info", "fieldtype": "HTML"},
	{"fieldname": "grade", "fieldtype": "Int", "permlevel": 1}, {"fieldname": "secret", "fieldtype": "Data", "permlevel": 1}],
	"permissions": [
	{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Manager", "permlevel": 1, "read": 1, "write": 1},
	{"role": "Clerk", "read": 1, "write": 1, "create": 1}, {"role": "Viewer", "select": 1}, {"role": "Writer", "write": 1, "create": 1},
	{"role": "Maker", "if_owner": 1, "read": 1, "write": 1, "create": 1, "delete": 1}]},
{"doctype": "DocType", "name": "Vault", "autoname": "prompt", "fields": [{"fieldname": "code", "fieldtype": "Data"}, {"fieldname": "size", "fieldtype": "Int"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}]},
{"doctype": "DocType", "name": "Item", "autoname": "prompt", "fields": [{"fieldname": "label", "fieldtype": "Data"}, {"fieldname": "price", "fieldtype": "Currency"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Clerk", "read": 1, "write": 1, "create": 1, "delete": 1}]},
{"doctype": "DocType", "name": "Order Line", "istable": 1, "fields": [
	{"fieldname": "item", "fieldtype": "Link", "options": "Item", "reqd": 1}, {"fieldname": "qty", "fieldtype": "Float", "default": "1"},
	{"fieldname": "note", "fieldtype": "Data"}, {"fieldname": "cost", "fieldtype": "Currency", "permlevel": 1}]},
{"doctype": "DocType", "name": "Order", "autoname": "naming_series:", "fields": [
	{"fieldname": "naming_series", "fieldtype": "Select", "options": "SO-.YYYY.-.####\nWEB-.###"},
	{"fieldname": "customer", "fieldtype": "Link", "options": "Customer"}, {"fieldname": "vault", "fieldtype": "Link", "options": "Vault"},
	{"fieldname": "status", "fieldtype": "Select", "options": "Draft\nOpen\nDone"}, {"fieldname": "total", "fieldtype": "Currency"},
	{"fieldname": "placed", "fieldtype": "Date", "default": "Today"}, {"fieldname": "ref", "fieldtype": "Data", "set_only_once": 1},
	{"fieldname": "ticket", "fieldtype": "Link", "options": "Ticket"}, {"fieldname": "referrer", "fieldtype": "Link", "options": "Customer", "ignore_user_permissions": 1},
	{"fieldname": "party_type", "fieldtype": "Link", "options": "DocType"}, {"fieldname": "party", "fieldtype": "Dynamic Link", "options": "party_type"},
	{"fieldname": "items", "fieldtype": "Table", "options": "Order Line"}, {"fieldname": "hidden", "fieldtype": "Table", "options": "Order Line", "permlevel": 1}],
	"permissions": [
	{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Manager", "permlevel": 1, "read": 1, "write": 1},
	{"role": "Clerk", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Viewer", "select": 1}]},
{"doctype": "DocType", "name": "Ticket", "autoname": "autoincrement", "sort_field": "subject", "sort_order": "ASC", "fields": [
	{"fieldname": "subject", "fieldtype": "Data", "reqd": 1}, {"fieldname": "customer", "fieldtype": "Link", "options": "Customer"},
	{"fieldname": "asked_by", "fieldtype": "Link", "options": "User", "default": "__user"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1},
	{"role": "Clerk", "if_owner": 1, "read": 1, "write": 1, "create": 1, "delete": 1}]},
{"doctype": "DocType", "name": "Settings", "issingle": 1, "fields": [
	{"fieldname": "shop", "fieldtype": "Data", "default": "My Shop"}, {"fieldname": "best", "fieldtype": "Link", "options": "Customer"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1}]},
{"doctype": "DocType", "name": "Tenanted", "autoname": "prompt", "fields": [
	{"fieldname": "tenant_id", "fieldtype": "Data"}, {"fieldname": "code", "fieldtype": "Data", "unique": 1}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}]}]`

// ShopResources are those of ShopDocTypes that are served.
var ShopResources = []string{"Region", "Customer", "Vault", "Item", "Order", "Ticket", "Settings", "Tenanted"}

// quotedName is an identifier as a statement has it.
func quotedName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// OpenSeries is how many series the App has numbers of.
func (a *App) OpenSeries() int { return a.series.Len() }

// StoredPassword reads the value of a Password field.
func StoredPassword(ctx context.Context, db *DB, doctype, name, field string) (string, error) {
	rows, err := db.texts(ctx, &store.Query{Tenant: db.tenant, From: passwordTable, Columns: []store.Expr{{Column: passwordTable.Column("password")}},
		Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{
			compare(store.OpEqual, store.Expr{Column: passwordTable.Columns[0]}, doctype),
			compare(store.OpEqual, store.Expr{Column: passwordTable.Columns[1]}, name),
			compare(store.OpEqual, store.Expr{Column: passwordTable.Columns[2]}, field)}}})
	if err != nil || len(rows) != 1 {
		return "", fmt.Errorf("%d passwords are stored (%v)", len(rows), err)
	}
	return sealed.Open(db.app.config.EncryptionKey, rows[0][0], db.tenant+"/"+doctype+"/"+name+"/"+field)
}

// ForgetKey gives a service another EncryptionKey, as if it had been started anew without one.
func ForgetKey(db *DB) { db.app.config.EncryptionKey = []byte(strings.Repeat("?", 32)) }

// ErrDeadlockForTests is what a store gives that broke a deadlock.
const ErrDeadlockForTests = store.ErrDeadlock

// AddDocMethod registers a method of documents, as controllers do.
func AddDocMethod(a *App, doctype, name string, safe bool, call func(ctx context.Context, db *DB, d *Doc, args map[string]json.RawMessage) (any, error)) {
	l := &a.lifecycle
	if l.methods == nil {
		l.methods = map[*meta]map[string]docMethod{}
	}
	m := a.registry.byName[doctype]
	if l.methods[m] == nil {
		l.methods[m] = map[string]docMethod{}
	}
	l.methods[m][name] = docMethod{safe: safe, call: call}
}
