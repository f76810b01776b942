package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
	"github.com/go-sql-driver/mysql"
)

// connect opens the database of a URL as the adapter does, for statements of a test's own.
func connect(t testing.TB, url string) *sql.DB {
	t.Helper()
	p, err := parse(url)
	if err != nil {
		t.Fatal(err)
	}
	config := p.config(0)
	config.MultiStatements = true
	inner, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(&connector{p, inner})
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%.200s: %v", statement, err)
		}
	}
}

// texts returns the rows of a query, their values joined by blanks.
func texts(t testing.TB, db *sql.DB, query string) (list []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	values := make([]sql.NullString, len(columns))
	targets := make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		line := make([]string, len(values))
		for i, v := range values {
			if line[i] = v.String; !v.Valid {
				line[i] = "NULL"
			}
		}
		list = append(list, strings.Join(line, " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func open(t testing.TB, url string) frappems.Store {
	t.Helper()
	kept, err := Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	return kept
}

// openWith opens a database with other settings for migrations.
func openWith(t *testing.T, url string, change func(*store.DDL)) frappems.Store {
	t.Helper()
	changed, how := dialect, ddl
	change(&how)
	changed.DDL = &how
	kept := store.NewSQL(connect(t, url), changed)
	t.Cleanup(func() { kept.Close() })
	return kept
}

// frappesDocTypes are n of the DocTypes of Frappe itself, with those of their tables; 0 is all.
func frappesDocTypes(t testing.TB, n int) (types []*frappems.DocType) {
	t.Helper()
	all, err := frappems.LoadDocTypes(os.DirFS("../../testdata/frappe-doctypes"))
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		return all
	}
	byName, taken := map[string]*frappems.DocType{}, map[string]bool{}
	for _, m := range all {
		byName[m.Name] = m
	}
	var take func(m *frappems.DocType)
	take = func(m *frappems.DocType) {
		if m != nil && !taken[m.Name] {
			taken[m.Name] = true
			types = append(types, m)
			for _, f := range m.Fields {
				if strings.HasPrefix(f.Fieldtype, "Table") {
					take(byName[f.Options])
				}
			}
		}
	}
	for i := 0; len(types) < n; i++ {
		take(all[i])
	}
	return types
}

func newApp(t testing.TB, kept frappems.Store, types []*frappems.DocType) *frappems.App {
	t.Helper()
	app, err := frappems.New(frappems.Config{Types: types, Store: kept, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func column(name string, kind store.ColumnType, length int) *store.Column {
	return &store.Column{Name: name, Type: kind, Length: length}
}

func number(name string, kind store.ColumnType) *store.Column {
	return &store.Column{Name: name, Type: kind, NotNull: true, Default: "0"}
}

// table returns a table whose key is its first column.
func table(name string, columns ...*store.Column) *store.Table {
	return &store.Table{Name: name, Columns: columns, Key: columns[:1]}
}

func migrate(t testing.TB, kept frappems.Store, apply bool, tables ...*store.Table) store.Plan {
	t.Helper()
	plan, err := kept.Migrate(t.Context(), &store.Schema{Tables: tables}, apply)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestMigrateFrappesDocTypes wants of every table engine, row format, character sets, collations and key as they have to be, and
// nothing to do for a second Migrate.
func TestMigrateFrappesDocTypes(t *testing.T) {
	url := newDatabase(t)
	app := newApp(t, open(t, url), frappesDocTypes(t, 0))
	plan, err := app.Migrate(t.Context(), true)
	if err != nil || len(plan) < 200 {
		t.Fatalf("got %d statements and %v", len(plan), err)
	}
	if again, err := app.Migrate(t.Context(), false); err != nil || len(again) > 0 {
		t.Errorf("the second plan is %q, %v", again, err)
	}
	db := connect(t, url)
	here := " FROM information_schema.%s WHERE table_schema = DATABASE() "
	for _, c := range []struct{ query, want string }{
		{"SELECT DISTINCT engine, row_format, table_collation" + fmt.Sprintf(here, "tables"), "InnoDB Dynamic utf8mb4_unicode_ci"},
		{"SELECT DISTINCT column_type, character_set_name, collation_name, is_nullable, column_default" + fmt.Sprintf(here, "columns") +
			"AND column_name = 'tenant_id'", "varchar(64) ascii ascii_bin NO NULL"},
		{"SELECT DISTINCT character_set_name, collation_name" + fmt.Sprintf(here, "columns") +
			"AND collation_name IS NOT NULL AND column_name <> 'tenant_id'", "utf8mb4 utf8mb4_unicode_ci"},
		{"SELECT DISTINCT column_name" + fmt.Sprintf(here, "statistics") + "AND seq_in_index = 1", "tenant_id"},
		{"SELECT COUNT(*)" + fmt.Sprintf(here, "columns") + "AND column_name = 'tenant_id'",
			texts(t, db, "SELECT COUNT(*)"+fmt.Sprintf(here, "tables"))[0]},
	} {
		if got := texts(t, db, c.query); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: got %q, want %q", c.query, got, c.want)
		}
	}
}

// TestMigrateReplicas starts ten services at once on an empty database: one makes the tables.
func TestMigrateReplicas(t *testing.T) {
	url := newDatabase(t)
	types := frappesDocTypes(t, 40)
	want, err := newApp(t, open(t, url), types).Migrate(t.Context(), false)
	if err != nil || len(want) == 0 {
		t.Fatal(want, err)
	}
	var replicas sync.WaitGroup
	plans := make(chan store.Plan, 10)
	for range cap(plans) {
		app := newApp(t, open(t, url), types)
		replicas.Go(func() {
			plan, err := app.Migrate(t.Context(), true)
			if err != nil {
				t.Error(err)
			}
			plans <- plan
		})
	}
	replicas.Wait()
	close(plans)
	migrated := 0
	for plan := range plans {
		if len(plan) > 0 {
			migrated++
			if !slices.Equal(plan, want) {
				t.Errorf("got %d statements, want the %d that were planned", len(plan), len(want))
			}
		}
	}
	if migrated != 1 {
		t.Errorf("%d replicas migrated, want one", migrated)
	}
}

// TestMigrateWaits: who cannot get the lock says so and changes nothing; the end of the connection that holds it frees it.
func TestMigrateWaits(t *testing.T) {
	url := newDatabase(t)
	holder, err := connect(t, url).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got int
	if err := holder.QueryRowContext(t.Context(), ddl.Lock).Scan(&got); err != nil || got != 1 {
		t.Fatal(got, err)
	}
	waiter := openWith(t, url, func(d *store.DDL) {
		d.Attempts, d.Lock = 2, strings.Replace(d.Lock, ", 5)", ", 0)", 1)
	})
	schema := &store.Schema{Tables: []*store.Table{table("tabA", column("name", store.TypeVarchar, 140))}}
	if plan, err := waiter.Migrate(t.Context(), schema, true); err == nil || !strings.Contains(err.Error(), "another process migrates this database") {
		t.Errorf("got the plan %q and %v", plan, err)
	}
	if plan := migrate(t, waiter, false, schema.Tables...); len(plan) != 1 {
		t.Errorf("the plan is %q, want that nothing was done", plan)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, url).Migrate(ctx, schema, true); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
	other := openWith(t, newDatabase(t), func(d *store.DDL) { d.Attempts = 1 })
	if plan := migrate(t, other, true, schema.Tables...); len(plan) != 1 {
		t.Errorf("another database is locked too: %q", plan)
	}
	if _, err := connect(t, url).ExecContext(t.Context(), "KILL "+texts(t, connect(t, url), "SELECT IS_USED_LOCK(CONCAT('frappems.migrate.', MD5(DATABASE())))")[0]); err != nil {
		t.Fatal(err)
	}
	if plan := migrate(t, open(t, url), true, schema.Tables...); len(plan) != 1 {
		t.Errorf("the plan is %q", plan)
	}
}

// TestMigrateAlgorithms wants that a widened column is said to keep writers waiting exactly where the server cannot do without.
func TestMigrateAlgorithms(t *testing.T) {
	varchar := func(length int) store.Column { return store.Column{Type: store.TypeVarchar, Length: length} }
	of := func(kind store.ColumnType) store.Column { return store.Column{Type: kind} }
	needed := func(c store.Column) store.Column {
		c.NotNull, c.Default = true, "1"
		return c
	}
	for _, c := range []struct {
		name     string
		from, to store.Column
		online   bool
	}{
		{"short varchar", varchar(40), varchar(63), true}, {"varchar of 31", varchar(31), varchar(140), true},
		{"varchar of 32", varchar(32), varchar(140), false}, {"varchar of 63", varchar(63), varchar(64), false}, {"long varchar", varchar(64), varchar(1000), true}, {"varchar to text", varchar(140), of(store.TypeText), false},
		{"text", of(store.TypeText), of(store.TypeLongText), false}, {"int", of(store.TypeInt), of(store.TypeBigInt), false},
		{"check", of(store.TypeCheck), of(store.TypeInt), false}, {"NULL", needed(of(store.TypeInt)), of(store.TypeInt), true},
		{"NULL of a varchar", needed(varchar(140)), varchar(140), true}, {"NULL and longer", needed(varchar(140)), varchar(200), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := newDatabase(t)
			kept, from, to := open(t, url), c.from, c.to
			from.Name, to.Name = "c", "c"
			name := column("name", store.TypeVarchar, 140)
			was, is := table("tabA", name, &from), table("tabA", name, &to)
			if to.Type == store.TypeVarchar && to.Length < 700 {
				was.Indexes = []store.Index{{Name: "c", Columns: was.Columns[1:]}}
				is.Indexes = []store.Index{{Name: "c", Columns: is.Columns[1:]}}
			}
			migrate(t, kept, true, was)
			execute(t, connect(t, url), "INSERT INTO tabA (tenant_id, name, c) VALUES ('acme', 'a', 1)")
			plan := migrate(t, kept, false, is)
			if len(plan) != 1 || strings.HasSuffix(plan[0], ddl.Online) != c.online || strings.HasSuffix(plan[0], ddl.Copying) == c.online {
				t.Fatalf("the plan is %q, want online = %t", plan, c.online)
			}
			if !c.online {
				_, err := connect(t, url).ExecContext(t.Context(), strings.Replace(plan[0], ddl.Copying, ddl.Online, 1))
				var refused *mysql.MySQLError
				if !errors.As(err, &refused) || refused.Number != 1845 && refused.Number != 1846 {
					t.Errorf("the server can do it online: %v", err)
				}
			}
			migrate(t, kept, true, is)
			if got := texts(t, connect(t, url), "SELECT c FROM tabA"); !slices.Equal(got, []string{"1"}) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestMigrateBesideWriters migrates a table under writers and behind a long transaction: none of them fails, and those
// who come after the waiting statement go on before it.
func TestMigrateBesideWriters(t *testing.T) {
	url := newDatabase(t)
	kept, db := open(t, url), connect(t, url)
	before := table("tabBusy", column("name", store.TypeVarchar, 140), column("code", store.TypeVarchar, 100), number("total", store.TypeInt))
	migrate(t, kept, true, before)
	long, err := kept.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer long.Rollback()
	if _, err := long.Write(t.Context(), store.Mutation{Tenant: "acme", Table: before, Columns: before.Columns[:1], Rows: [][]any{{"long"}}}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	written := make([]int, 4)
	for w := range written {
		writers.Go(func() {
			for ctx.Err() == nil {
				if err := write(kept, before, fmt.Sprint(w, "-", written[w])); err != nil {
					t.Error(err)
					return
				}
				written[w]++
			}
		})
	}
	after := table("tabBusy", column("name", store.TypeVarchar, 140), column("code", store.TypeVarchar, 200), number("total", store.TypeBigInt),
		column("late", store.TypeVarchar, 140), number("count", store.TypeInt))
	after.Indexes = []store.Index{{Name: "late", Columns: after.Columns[3:4], Unique: true}, {Name: "code", Columns: after.Columns[1:2]}}
	done := make(chan error, 1)
	begun := altered(t, db)
	go func() {
		_, err := kept.Migrate(t.Context(), &store.Schema{Tables: []*store.Table{after}}, true)
		done <- err
	}()
	for altered(t, db) < begun+3 { // the first statement is at its third attempt, and so has given way twice
		select {
		case err := <-done:
			t.Fatalf("Migrate did not wait for the transaction: %v", err)
		default:
		}
	}
	if err := long.Commit(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	stop()
	writers.Wait()
	total := 1
	for _, n := range written {
		total += n
	}
	if got := texts(t, db, "SELECT COUNT(*), SUM(total), SUM(count) FROM tabBusy"); !slices.Equal(got, []string{fmt.Sprint(total, total-1, 0)}) {
		t.Errorf("got %q, want %d rows", got, total)
	}
	if plan := migrate(t, kept, false, after); len(plan) > 0 || slices.Min(written) == 0 {
		t.Errorf("the plan is %q, rows by writer %v", plan, written)
	}
}

// write inserts a row and updates it, in one transaction.
func write(kept frappems.Store, to *store.Table, name string) error {
	ctx := context.Background()
	tx, err := kept.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	where := store.Cond{Op: store.OpEqual, Expr: store.Expr{Column: to.Columns[0]}, Values: []string{name}}
	if _, err := tx.Write(ctx, store.Mutation{Tenant: "acme", Table: to, Columns: to.Columns[:2], Rows: [][]any{{name, name}}},
		store.Mutation{Kind: store.UpdateRows, Tenant: "acme", Table: to, Columns: to.Columns[2:], Rows: [][]any{{"1"}}, Where: where}); err != nil {
		return err
	}
	return tx.Commit()
}

// altered is how many statements have begun on the server that make or change a table.
func altered(t testing.TB, db *sql.DB) (n int) {
	t.Helper()
	err := db.QueryRowContext(t.Context(), "SELECT SUM(variable_value) FROM information_schema.global_status WHERE variable_name IN ('COM_ALTER_TABLE', 'COM_CREATE_TABLE')").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMigrateInUse: a table that is never free is an error that says so, and nothing hangs.
func TestMigrateInUse(t *testing.T) {
	url := newDatabase(t)
	kept := openWith(t, url, func(d *store.DDL) { d.Attempts, d.Pause = 2, 0 })
	name := column("name", store.TypeVarchar, 140)
	migrate(t, kept, true, table("tabA", name))
	tx, err := kept.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Write(t.Context(), store.Mutation{Tenant: "acme", Table: table("tabA", name), Columns: []*store.Column{name}, Rows: [][]any{{"a"}}}); err != nil {
		t.Fatal(err)
	}
	wider := &store.Schema{Tables: []*store.Table{table("tabA", name, column("b", store.TypeText, 0))}}
	if _, err := kept.Migrate(t.Context(), wider, true); !errors.Is(err, store.ErrDeadlock) || !strings.Contains(err.Error(), "tabA") {
		t.Errorf("got %v", err)
	}
}

// BenchmarkMigrateNothing is what a start pays for looking at tables that are as they should be.
func BenchmarkMigrateNothing(b *testing.B) {
	for _, n := range []int{20, 262} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			app := newApp(b, open(b, newDatabase(b)), frappesDocTypes(b, n))
			if _, err := app.Migrate(b.Context(), true); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if plan, err := app.Migrate(b.Context(), true); err != nil || len(plan) > 0 {
					b.Fatal(plan, err)
				}
			}
		})
	}
}
