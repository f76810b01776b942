package mariadb

import (
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// discarding is a ResponseWriter that keeps nothing but the status.
type discarding struct {
	header http.Header
	status int
}

func (w *discarding) Header() http.Header         { return w.header }
func (w *discarding) Write(p []byte) (int, error) { return len(p), nil }
func (w *discarding) WriteHeader(status int)      { w.status = status }

// TestAllocationsOfRows wants each further row of a list to get memory at most once more than a loop over sql.RawBytes does with
// the same statement, which is what database/sql and driver need themselves.
func TestAllocationsOfRows(t *testing.T) {
	database := newDatabase(t)
	kept, err := Open(database)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	auth, err := frappems.NewTokens(strings.NewReader(`[{"user": "ada@example.com", "api_key": "ada", "api_secret": "secret", "tenant": "acme", "roles": ["Clerk"]}]`))
	if err != nil {
		t.Fatal(err)
	}
	order := &frappems.DocType{Name: "Order", Fields: []frappems.Field{{Fieldname: "customer", Fieldtype: "Data"}, {Fieldname: "total", Fieldtype: "Currency"},
		{Fieldname: "day", Fieldtype: "Date"}, {Fieldname: "open", Fieldtype: "Check"}},
		Permissions: []frappems.DocPerm{{Role: "Clerk", Read: true}}}
	app, err := frappems.New(frappems.Config{Types: []*frappems.DocType{order}, Store: kept, Auth: auth, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	app.Resource("Order")
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	const few, many = 20, 420
	insertOrders(t, kept, many)
	allocs := func(limit int) float64 {
		r := httptest.NewRequest("GET", fmt.Sprintf(`/api/resource/Order?fields=["name","customer","total","day","open","modified"]&limit=%d`, limit), nil)
		r.Header.Set("Authorization", "token ada:secret")
		return testing.AllocsPerRun(20, func() {
			w := &discarding{header: http.Header{}}
			app.ServeHTTP(w, r)
			if w.status != http.StatusOK {
				t.Errorf("limit %d: got status %d, want 200", limit, w.status)
			}
		})
	}
	allocs(many) // so that buffers have grown
	got := (allocs(many) - allocs(few)) / (many - few)
	bare := (bareAllocs(t, database, many) - bareAllocs(t, database, few)) / (many - few)
	t.Logf("a further row gets memory %.2f times, in a bare loop %.2f times", got, bare)
	if bare < 1 || got > bare+1 {
		t.Errorf("a further row gets memory %.2f times, want at most once more than a bare loop, which does %.2f times", got, bare)
	}
}

func insertOrders(t *testing.T, kept store.Store, n int) {
	t.Helper()
	to := &store.Table{Name: "tabOrder"}
	for _, name := range []string{"name", "owner", "modified", "customer", "total", "day", "open"} {
		to.Columns = append(to.Columns, &store.Column{Name: name, Type: store.TypeText})
	}
	write := store.Mutation{Kind: store.InsertRows, Tenant: "acme", Table: to, Columns: to.Columns}
	for i := range n {
		at := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC).Format("2006-01-02 15:04:05.000000")
		write.Rows = append(write.Rows, []any{fmt.Sprint("ORD-", i), "ada@example.com", at, fmt.Sprint("Customer ", i), fmt.Sprint(i, ".5"), "2026-01-01", "1"})
	}
	tx, err := kept.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Write(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// bareAllocs is how often a loop without frappems gets memory for so many rows, with a statement that is prepared, as the
// store's is.
func bareAllocs(t *testing.T, database string, limit int) float64 {
	t.Helper()
	p, err := parse(database)
	if err != nil {
		t.Fatal(err)
	}
	connector, err := p.connector(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	stmt, err := db.Prepare("SELECT name, customer, total, day, open, modified FROM tabOrder WHERE tenant_id = ? ORDER BY modified DESC, name DESC LIMIT ?")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	return testing.AllocsPerRun(20, func() {
		rows, err := stmt.Query("acme", limit)
		if err != nil {
			t.Error(err)
			return
		}
		defer rows.Close()
		values, targets := make([]sql.RawBytes, 6), make([]any, 6)
		for i := range targets {
			targets[i] = &values[i]
		}
		n := 0
		for ; rows.Next(); n++ {
			if err := rows.Scan(targets...); err != nil {
				t.Error(err)
			}
		}
		if n != limit || rows.Err() != nil {
			t.Errorf("got %d rows and %v, want %d", n, rows.Err(), limit)
		}
	})
}
