package mariadb

import (
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
	"github.com/frappems/frappems/store"
	"github.com/go-sql-driver/mysql"
)

func TestRaces(t *testing.T) {
	frappemstest.TestRaces(t, func(t *testing.T) frappems.Store {
		kept, err := Open(newDatabase(t) + "?connections=32") // whatever the machine has
		if err != nil {
			t.Fatal(err)
		}
		if _, many := kept.(store.ConcurrentWriters); !many {
			t.Fatal("core does not know that the store has many writers")
		}
		return kept
	})
}

// linkedApp is a service with a Customer and Orders that link to Customers.
func linkedApp(t *testing.T) *frappems.App {
	t.Helper()
	kept := openTemp(t)
	t.Cleanup(func() { kept.Close() })
	app, err := frappems.New(frappems.Config{Store: kept, Logger: slog.New(slog.DiscardHandler), Types: []*frappems.DocType{
		{Name: "Customer", Autoname: "prompt", AllowRename: true},
		{Name: "Order", Autoname: "O-.#####", Fields: []frappems.Field{{Fieldname: "customer", Fieldtype: "Link", Options: "Customer"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := tenantDB(t, app).Insert(t.Context(), "Customer", map[string]any{"name": "Ada"}); err != nil {
		t.Fatal(err)
	}
	return app
}

func tenantDB(t *testing.T, app *frappems.App) *frappems.DB {
	t.Helper()
	db, err := app.AsTenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestGate holds one of two transactions, of which one deletes a document and the other links to it, until the other waits for
// it. Then the other has to see what the first has done.
func TestGate(t *testing.T) {
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = "root", "tcp", server.Addr()
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	watcher := sql.OpenDB(connector)
	defer watcher.Close()
	remove := func(db *frappems.DB) error { return db.Delete(t.Context(), "Customer", "Ada") }
	rename := func(db *frappems.DB) error {
		_, err := db.Rename(t.Context(), "Customer", "Ada", "Bea", false)
		return err
	}
	link := func(db *frappems.DB) error {
		_, err := db.Insert(t.Context(), "Order", map[string]any{"customer": "Ada"})
		return err
	}
	for _, test := range []struct {
		name          string
		first, second func(db *frappems.DB) error
		want          error
		customer      string // of all orders in the end
	}{{"delete then link", remove, link, frappems.LinkValidationError, ""}, {"link then delete", link, remove, frappems.LinkExistsError, "Ada"},
		{"rename then link", rename, link, frappems.LinkValidationError, ""}, {"link then rename", link, rename, nil, "Bea"}} {
		t.Run(test.name, func(t *testing.T) {
			app := linkedApp(t)
			ended := make(chan error, 1)
			err := tenantDB(t, app).Tx(t.Context(), func(db *frappems.DB) error {
				if err := test.first(db); err != nil {
					return err
				}
				other := tenantDB(t, app)
				go func() { ended <- test.second(other) }()
				for waiting := 0; waiting == 0; { // innodb_trx is made anew when nobody has looked for a tenth of a second
					if err := watcher.QueryRow("SELECT COUNT(*) + SLEEP(0.2) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'").Scan(&waiting); err != nil {
						return err
					}
					if len(ended) > 0 {
						return errors.New("the second did not wait for the first")
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if err := <-ended; !errors.Is(err, test.want) {
				t.Errorf("the second: %v, want %v", err, test.want)
			}
			orders, err := tenantDB(t, app).List(t.Context(), "Order", frappems.ListOptions{Fields: []string{"customer"}})
			if err != nil || len(orders) > 1 || (len(orders) == 1) != (test.customer != "") || len(orders) == 1 && orders[0]["customer"] != test.customer {
				t.Errorf("orders: %v, %v; want one of %q", orders, err, test.customer)
			}
		})
	}
}

// TestGateIsMadeOnce: the row of a gate is made when it is needed, by transactions that do not wait for those who need it.
func TestGateIsMadeOnce(t *testing.T) {
	app := linkedApp(t)
	var ended []chan error
	for range 24 {
		end := make(chan error, 1)
		ended = append(ended, end)
		db := tenantDB(t, app)
		go func() {
			_, err := db.Insert(t.Context(), "Order", map[string]any{"customer": "Ada"})
			end <- err
		}()
	}
	for _, end := range ended {
		if err := <-end; err != nil {
			t.Error(err)
		}
	}
	if err := tenantDB(t, app).Delete(t.Context(), "Customer", "Ada"); !errors.Is(err, frappems.LinkExistsError) || !strings.Contains(err.Error(), "O-0") {
		t.Errorf("the deletion of what is linked to: %v", err)
	}
}
