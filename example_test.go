package frappems_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing/fstest"

	"github.com/frappems/frappems"
)

// customers is a DocType as Frappe exports it; a service has a directory of such files, by go:embed or os.DirFS.
var customers = fstest.MapFS{"customer.json": {Data: []byte(`{
	"doctype": "DocType", "name": "Customer", "autoname": "field:customer_name",
	"fields": [
		{"fieldname": "customer_name", "fieldtype": "Data", "label": "Customer Name", "reqd": 1},
		{"fieldname": "kind", "fieldtype": "Select", "label": "Kind", "options": "Company\nIndividual"},
		{"fieldname": "credit_limit", "fieldtype": "Currency", "label": "Credit Limit"}
	],
	"permissions": [{"role": "Sales User", "read": 1, "write": 1, "create": 1, "delete": 1}]
}`)}}

const users = `[{"user": "ada@example.com", "api_key": "ada", "api_secret": "adasecret", "roles": ["Sales User"], "tenant": "acme"}]`

// newApp makes the service that most examples below are about.
func newApp(config frappems.Config) *frappems.App {
	tokens, err := frappems.NewTokens(strings.NewReader(users))
	if err != nil {
		log.Fatal(err)
	}
	if config.Auth == nil {
		config.Auth = tokens
	}
	config.Store = frappems.NewMemoryStore()
	config.Logger = slog.New(slog.DiscardHandler)
	app, err := frappems.New(config)
	if err != nil {
		log.Fatal(err)
	}
	return app
}

// call sends a request as Ada and prints the answer.
func call(handler http.Handler, method, path, body string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "token ada:adasecret")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	answer, _ := io.ReadAll(w.Body)
	fmt.Println(w.Code, string(answer))
}

// A whole service: a directory of DocTypes goes in, Frappe's REST API comes out. In a program of its own its last line
// is log.Fatal(app.Run(ctx)).
func Example() {
	app := newApp(frappems.Config{DocTypes: customers})
	app.Resource("Customer")
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	db, err := app.AsTenant(context.Background(), "acme")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.Insert(context.Background(), "Customer", map[string]any{"customer_name": "Fritz Laden", "credit_limit": 500}); err != nil {
		log.Fatal(err)
	}
	call(app, "GET", `/api/resource/customer?fields=["name","credit_limit"]&filters=[["credit_limit",">",100]]`, "")
	call(app, "GET", "/api/resource/Customer/Nobody", "")
	// Output:
	// 200 {"data":[{"name":"Fritz Laden","credit_limit":500.0}]}
	// 404 {"exc_type":"DoesNotExistError","_server_messages":"[\"{\\\"message\\\":\\\"Customer Nobody not found\\\",\\\"title\\\":\\\"Message\\\",\\\"indicator\\\":\\\"red\\\",\\\"raise_exception\\\":1}\"]"}
}

// A typed handler takes its input from body, query and path, and works on the documents of the caller's tenant.
func ExampleApp_Handle() {
	app := newApp(frappems.Config{DocTypes: customers})
	type in struct {
		Above float64 `json:"above"`
	}
	type out struct {
		Customers int `json:"customers"`
	}
	app.Handle("GET /customers/count", frappems.JSON(func(ctx context.Context, in in) (out, error) {
		db, err := app.DB(ctx)
		if err != nil {
			return out{}, err
		}
		n, err := db.Count(ctx, "Customer", [][]any{{"credit_limit", ">", in.Above}})
		return out{n}, err
	}))
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	db, err := app.AsTenant(context.Background(), "acme")
	if err != nil {
		log.Fatal(err)
	}
	for i, name := range []string{"Fritz Laden", "Ada Stores", "Carla"} {
		if _, err := db.Insert(context.Background(), "Customer", map[string]any{"customer_name": name, "credit_limit": i * 100}); err != nil {
			log.Fatal(err)
		}
	}
	call(app, "GET", "/customers/count?above=50", "")
	call(app, "GET", "/customers/count?above=much", "")
	// Output:
	// 200 {"customers":2}
	// 417 {"exception":"frappe.exceptions.ValidationError: Field \u003cstrong\u003eabove\u003c/strong\u003e is string, want a number","exc_type":"ValidationError","exc":"[\"frappe.exceptions.ValidationError: Field \\u003cstrong\\u003eabove\\u003c/strong\\u003e is string, want a number\"]","_server_messages":"[\"{\\\"message\\\":\\\"Field \\\\u003cstrong\\\\u003eabove\\\\u003c/strong\\\\u003e is string, want a number\\\",\\\"title\\\":\\\"Message\\\",\\\"indicator\\\":\\\"red\\\",\\\"raise_exception\\\":1}\"]"}
}

// A method says who may call it. It runs in one transaction, so an error leaves nothing of what it has done.
func ExampleApp_Method() {
	app := newApp(frappems.Config{DocTypes: customers})
	app.Resource("Customer")
	type in struct {
		Names []string `json:"names"`
	}
	app.Method("shop.api.welcome", frappems.AllowRoles("Sales User"), frappems.JSON(func(ctx context.Context, in in) (int, error) {
		db, err := app.DB(ctx)
		if err != nil {
			return 0, err
		}
		for _, name := range in.Names {
			if _, err := db.Insert(ctx, "Customer", map[string]any{"customer_name": name, "kind": "Company"}); err != nil {
				return 0, err
			}
		}
		return len(in.Names), nil
	}))
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	call(app, "POST", "/api/method/shop.api.welcome", `{"names": ["Ada Stores", "Carla"]}`)
	call(app, "POST", "/api/method/shop.api.welcome", `{"names": ["Bob", "Carla"]}`)
	call(app, "GET", "/api/method/frappe.client.get_count?doctype=Customer", "")
	// Output:
	// 200 {"message":2}
	// 409 {"exception":"frappe.exceptions.DuplicateEntryError: Customer \u003cstrong\u003eCarla\u003c/strong\u003e already exists","exc_type":"DuplicateEntryError","exc":"[\"frappe.exceptions.DuplicateEntryError: Customer \\u003cstrong\\u003eCarla\\u003c/strong\\u003e already exists\"]","_server_messages":"[\"{\\\"message\\\":\\\"Customer \\\\u003cstrong\\\\u003eCarla\\\\u003c/strong\\\\u003e already exists\\\",\\\"title\\\":\\\"Duplicate Name\\\",\\\"indicator\\\":\\\"red\\\",\\\"raise_exception\\\":1}\"]"}
	// 200 {"message":2}
}

// accounts is where the sign-up below keeps which user belongs to which tenant. A real one asks a database.
type accounts struct {
	mu      sync.Mutex
	tenants map[string]string // by user
}

func (a *accounts) Authenticate(r *http.Request) (*frappems.User, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "token ")
	if !ok {
		return nil, nil
	}
	name, _, _ = strings.Cut(name, ":")
	a.mu.Lock()
	defer a.mu.Unlock()
	return &frappems.User{Name: name, Roles: []string{"All", "Guest", "Sales User"}, Tenant: a.tenants[name]}, nil
}

// A sign-up: somebody who is known but has no tenant yet makes one. The route says NoTenant, and the tenant's first
// document is written by AsTenant, whose id is one that the service made and not one that the client sent.
func ExampleNoTenant() {
	known := &accounts{tenants: map[string]string{}}
	app := newApp(frappems.Config{DocTypes: customers, Auth: known})
	app.Resource("Customer")
	type in struct {
		Company string `json:"company"`
	}
	app.Handle("POST /signup", frappems.JSON(func(ctx context.Context, in in) (map[string]string, error) {
		user := frappems.UserFrom(ctx)
		if user.Tenant != "" {
			return nil, frappems.Invalid("You have a company already")
		}
		known.mu.Lock()
		tenant := fmt.Sprintf("t%d", len(known.tenants)+1)
		known.tenants[user.Name] = tenant
		known.mu.Unlock()
		db, err := app.AsTenant(ctx, tenant)
		if err != nil {
			return nil, err
		}
		_, err = db.Insert(ctx, "Customer", map[string]any{"customer_name": in.Company, "kind": "Company"})
		return map[string]string{"tenant": tenant}, err
	}), frappems.NoTenant())
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	call(app, "POST", "/signup", `{"company": "Fritz Laden"}`)
	call(app, "GET", "/api/resource/Customer", "")
	// Output:
	// 200 {"tenant":"t1"}
	// 200 {"data":[{"name":"Fritz Laden"}]}
}

// Several writes are one transaction: either all of them are there afterwards, or none.
func ExampleDB_Tx() {
	app := newApp(frappems.Config{DocTypes: customers})
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	db, err := app.AsTenant(ctx, "acme")
	if err != nil {
		log.Fatal(err)
	}
	err = db.Tx(ctx, func(db *frappems.DB) error {
		if _, err := db.Insert(ctx, "Customer", map[string]any{"customer_name": "Ada Stores"}); err != nil {
			return err
		}
		_, err := db.Insert(ctx, "Customer", map[string]any{"customer_name": "Björk", "kind": "Alien"})
		return err
	})
	fmt.Println(err)
	n, err := db.Count(ctx, "Customer", nil)
	fmt.Println(n, err)
	// Output:
	// ValidationError:  Kind cannot be "Alien". It should be one of "Company", "Individual"
	// 0 <nil>
}

// An App is an http.Handler: it stands in a program's own mux, under a prefix if need be, between Start and Shutdown.
func ExampleApp_ServeHTTP() {
	app := newApp(frappems.Config{DocTypes: customers})
	app.Resource("Customer", frappems.ResourceOptions{Verbs: []string{"list", "get"}})
	app.Public("GET /hello", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s", frappems.UserFrom(r.Context()).Name)
	}))
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer app.Shutdown(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/erp/", http.StripPrefix("/erp", app))
	call(mux, "GET", "/erp/hello", "")
	call(mux, "GET", "/erp/api/resource/Customer", "")
	call(mux, "DELETE", "/erp/api/resource/Customer/Fritz", "")
	// Output:
	// 200 Hello ada@example.com
	// 200 {"data":[]}
	// 405 {"exc_type":"MethodNotAllowed"}
}
