package frappems_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// echo is a handler for a verb that answers what it was called for.
func echo(verb string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %q", verb, r.PathValue("doctype"), r.PathValue("name"))
	})
}

// echoes serves every verb by echo.
func echoes() map[string]http.Handler {
	handlers := map[string]http.Handler{}
	for _, verb := range []string{"list", "get", "create", "update", "delete"} {
		handlers[verb] = echo(verb)
	}
	return handlers
}

func TestResourcePaths(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Resource("Sales Order", frappems.ResourceOptions{Handlers: echoes(), BasePath: "/shop/orders"})
	app.Resource("Settings", frappems.ResourceOptions{Handlers: echoes()})
	app.Resource("Customer", frappems.ResourceOptions{Handlers: map[string]http.Handler{"get": echo("get")}, Verbs: []string{"list", "get"}, BasePath: "/shop"})
	app.Handle("GET /shop/orders/overdue", echo("overdue"))
	start(t, app)
	for _, test := range []struct {
		method, path string
		status       int
		want         string // of the body
	}{
		{"GET", "/api/resource/Sales%20Order", 200, `list Sales Order ""`},
		{"GET", "/api/resource/Sales%20Order/", 200, `list Sales Order ""`},
		{"GET", "/api/resource/Sales%20Order//", 200, `list Sales Order ""`},
		{"GET", "/api/resource/sales-order", 200, `list Sales Order ""`},
		{"GET", "/api/v1/resource/Sales%20Order/SO-1", 200, `get Sales Order "SO-1"`},
		{"HEAD", "/api/resource/Sales%20Order/SO-1", 200, `get Sales Order "SO-1"`},
		{"GET", "/api/resource/Sales%20Order/SO-1/", 200, `get Sales Order "SO-1"`},
		{"GET", "/api/resource/Sales%20Order/SO-1%2F", 200, `get Sales Order "SO-1/"`},
		{"GET", "/api/resource/Sales%20Order/SO%2F1", 200, `get Sales Order "SO/1"`},
		{"GET", "/api/resource/Sales%20Order/SO/1", 200, `get Sales Order "SO/1"`},
		{"GET", "/api/resource/Sales%20Order/SO//1", 200, `get Sales Order "SO//1"`},
		{"GET", "/api/resource/Sales%20Order//1", 200, `get Sales Order "/1"`},
		{"GET", "/api/resource/Sales%20Order/../x", 200, `get Sales Order "../x"`},
		{"GET", "/api/resource/Sales%20Order/a/./b", 200, `get Sales Order "a/./b"`},
		{"GET", "/api/resource/Sales%20Order/100%25", 200, `get Sales Order "100%"`},
		{"GET", "/api/resource/Sales%20Order/100%2525", 200, `get Sales Order "100%25"`},
		{"GET", "/api/resource/Sales%20Order/a+b", 200, `get Sales Order "a+b"`},
		{"GET", "/api/resource/Sales%20Order/a%3Fb%23c", 200, `get Sales Order "a?b#c"`},
		{"GET", "/api/resource/Sales%20Order/%E0%B6%9C", 200, `get Sales Order "ග"`},
		{"GET", "/api/resource/Sales%20Order/%F0%9F%98%80", 200, `get Sales Order "😀"`},
		{"GET", "/api/resource/Sales%20Order/a%00b", 404, `DoesNotExistError`},
		{"GET", "/api/resource/Sales%20Order/%FF", 404, `DoesNotExistError`},
		{"GET", "/api/resource/Sales%20Order/" + strings.Repeat("x", 561), 404, `DoesNotExistError`},
		{"POST", "/api/resource/Sales%20Order", 200, `create Sales Order ""`},
		{"POST", "/api/resource/Sales%20Order/SO-1", 200, `update Sales Order "SO-1"`},
		{"PUT", "/api/resource/Sales%20Order/SO-1", 200, `update Sales Order "SO-1"`},
		{"DELETE", "/api/resource/Sales%20Order/SO-1", 200, `delete Sales Order "SO-1"`},
		{"PUT", "/api/resource/Sales%20Order", 405, `{"exc_type":"MethodNotAllowed"}`},
		{"DELETE", "/api/resource/Sales%20Order/", 405, `MethodNotAllowed`},
		{"PATCH", "/api/resource/Sales%20Order/SO-1", 404, `{"exc_type":"DoesNotExistError"}`},
		{"PATCH", "/api/resource/Sales%20Order", 405, `MethodNotAllowed`},
		{"BREW", "/api/resource/Sales%20Order/SO-1", 405, `MethodNotAllowed`},

		{"GET", "/api/resource/Settings", 200, `get Settings ""`},
		{"GET", "/api/resource/Settings/", 200, `get Settings ""`},
		{"GET", "/api/resource/Settings/Settings", 200, `get Settings "Settings"`},
		{"PUT", "/api/resource/Settings", 405, `MethodNotAllowed`},

		{"GET", "/api/resource/Customer/C-1", 200, `get Customer "C-1"`},
		{"POST", "/api/resource/Customer", 405, `MethodNotAllowed`},
		{"POST", "/api/resource/Customer/C-1", 405, `MethodNotAllowed`},
		{"DELETE", "/api/resource/Customer/C-1", 405, `MethodNotAllowed`},

		{"GET", "/shop/orders", 200, `list Sales Order ""`},
		{"GET", "/shop/orders/", 200, `list Sales Order ""`},
		{"GET", "/shop/orders/a%2Fb//c", 200, `get Sales Order "a/b//c"`},
		{"GET", "/shop/orders/overdue", 200, `overdue`},
		{"GET", "/shop/ordersx", 200, `get Customer "ordersx"`},
		{"GET", "/shopx", 404, `DoesNotExistError`},

		{"GET", "/api/resource", 404, `{"exc_type":"DoesNotExistError"}`},
		{"GET", "/api/resource/", 404, `{"exc_type":"DoesNotExistError"}`},
		{"GET", "/api/resource//Customer", 404, `DoesNotExistError`},
		{"GET", "/api//resource/Customer", 404, `DoesNotExistError`},
		{"GET", "/api/resource/../../etc/passwd", 404, `DoesNotExistError`},
		{"GET", "/api/resource/%2E%2E/x", 404, `DoesNotExistError`},
		{"GET", "/api/resource/Sales%2520Order", 404, `DoesNotExistError`},
		{"GET", "/api/resource/sales%20order", 404, `DoesNotExistError`},
		{"GET", "/api/resource/Nothing", 404, `DocType Nothing not found`},
		{"GET", "/api/resource/Nothing/%3Cb%3E", 404, `Nothing \\\\u0026lt;b\\\\u0026gt; not found`},
		{"GET", "/api/v2/document/Nothing", 404, `"errors":[{"type":"DoesNotExistError"`},
		{"GET", "/api/v2/", 404, `"errors":[{"type":"DoesNotExistError"`},
		{"GET", "/api/v2/nothing/x", 404, `"errors":[{"type":"DoesNotExistError"`},
		{"GET", "/", 404, `DoesNotExistError`},
	} {
		frappemstest.Scenario{Method: test.method, Path: test.path, As: "a:secret-a", Status: test.status, Want: []string{test.want},
			WantHeaders: map[string]string{"Location": ""}}.Run(t, app)
	}
}

// TestOnlyWhatIsRegisteredIsServed checks that no verb reaches a DocType that Resource was not called for.
func TestOnlyWhatIsRegisteredIsServed(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Resource("Customer")
	start(t, app)
	for _, segment := range []string{"Hidden", "hidden", "Row", "row", "Ghost", "ghost", "Sales%20Order", "Nothing"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			for _, prefix := range []string{"/api/resource/", "/api/v1/resource/"} {
				for _, name := range []string{"", "/x"} {
					frappemstest.Scenario{Method: method, Path: prefix + segment + name, As: "a:secret-a", Body: "{}", Status: 404,
						Want: []string{`"exc_type":"DoesNotExistError"`, "not found"}, Not: []string{`"exc"`, `"exception"`}}.Run(t, app)
				}
			}
		}
	}
}

func TestResourceAdmission(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Resource("Sales Order", frappems.ResourceOptions{Handlers: echoes()})
	start(t, app)
	const path = "/api/resource/Sales%20Order/SO-1"
	for _, s := range []frappemstest.Scenario{
		{Name: "Guest", Path: path, Status: 403, Want: []string{"PermissionError"}, Not: []string{"SO-1"}},
		{Name: "no tenant", Path: path, As: "b:secret-b", Status: 403, Want: []string{"no tenant"}, Not: []string{"SO-1"}},
		{Name: "wrong secret", Path: path, As: "a:wrong", Status: 401, Want: []string{"AuthenticationError"}},
		{Name: "wrong secret, unknown DocType", Path: "/api/resource/Nothing", As: "a:wrong", Status: 401},
		{Name: "OPTIONS asks for nobody", Method: "OPTIONS", Path: path, Status: 200, WantHeaders: map[string]string{"Allow": "OPTIONS, GET, HEAD, POST, PUT, DELETE"}},
		{Name: "Allow of all documents", Method: "PUT", Path: "/api/resource/Sales%20Order", As: "a:secret-a", Status: 405,
			WantHeaders: map[string]string{"Allow": "OPTIONS, GET, HEAD, POST"}},
	} {
		s.Run(t, app)
	}
}

func TestRoutes(t *testing.T) {
	app, _ := testApp(t, nil)
	who := frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		_, err := app.DB(r.Context())
		fmt.Fprintf(w, "%s %v", frappems.UserFrom(r.Context()).Name, err == nil)
		return nil
	})
	app.Handle("GET /mine", who)
	app.Handle("POST /signup", who, frappems.NoTenant())
	app.Public("GET /hello", who)
	app.Public("/files/", who)
	start(t, app)
	for _, s := range []frappemstest.Scenario{
		{Path: "/mine", As: "a:secret-a", Status: 200, Want: []string{"ada@example.com true"}},
		{Path: "/mine", As: "b:secret-b", Status: 403, Want: []string{"PermissionError", "no tenant"}},
		{Path: "/mine", Status: 403, Want: []string{"PermissionError", "signed in"}},
		{Path: "/mine", As: "a:wrong", Status: 401, Want: []string{"AuthenticationError"}, WantHeaders: map[string]string{"WWW-Authenticate": "token"}},
		{Method: "HEAD", Path: "/mine", As: "a:secret-a", Status: 200},
		{Method: "POST", Path: "/mine", As: "a:secret-a", Status: 405, Want: []string{`{"exc_type":"MethodNotAllowed"}`}, WantHeaders: map[string]string{"Allow": "GET, HEAD"}},
		{Path: "/mine/", As: "a:secret-a", Status: 404},
		{Path: "//mine", As: "a:secret-a", Status: 404, WantHeaders: map[string]string{"Location": ""}},
		{Path: "/x/../mine", As: "a:secret-a", Status: 404, WantHeaders: map[string]string{"Location": ""}},
		{Path: "/files", Status: 404, WantHeaders: map[string]string{"Location": ""}},
		{Path: "/files/a", Status: 200},
		{Method: "POST", Path: "/signup", As: "b:secret-b", Status: 200, Want: []string{"bob@example.com false"}},
		{Method: "POST", Path: "/signup", Status: 403},
		{Method: "POST", Path: "/signup", As: "b:wrong", Status: 401},
		{Path: "/hello", Status: 200, Want: []string{"Guest false"}},
		{Path: "/hello", As: "a:secret-a", Status: 200, Want: []string{"ada@example.com true"}},
		{Path: "/hello", As: "a:wrong", Status: 200, Want: []string{"Guest false"}},
	} {
		s.Run(t, app)
	}
}

// TestMounted serves an App under a prefix of a foreign mux.
func TestMounted(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Resource("Sales Order", frappems.ResourceOptions{Handlers: echoes()})
	app.Handle("GET /orders/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.PathValue("id")) }))
	start(t, app)
	mux := http.NewServeMux()
	mux.Handle("/erp/", http.StripPrefix("/erp", app))
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{
		"/erp/api/resource/Sales%20Order/SO%2F1": `get Sales Order "SO/1"`,
		"/erp/api/resource/Sales%20Order/SO/1":   `get Sales Order "SO/1"`,
		"/erp/api/resource/Sales%20Order/":       `list Sales Order ""`,
		"/erp/orders/a%2Fb":                      "a/b",
		"/erp/readyz":                            `{"service":"frappems","status":"ok"}`,
		"/erp/nothing":                           `{"exc_type":"DoesNotExistError"}`,
	} {
		request, err := http.NewRequest("GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "token a:secret-a")
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != want {
			t.Errorf("%s: got %s, want %s", path, body, want)
		}
	}
}

// TestHandlersInAForeignMux uses handlers that return errors without an App.
func TestHandlersInAForeignMux(t *testing.T) {
	frappemstest.Scenario{Path: "/", Status: 417, Want: []string{`"exc_type":"ValidationError"`}}.Run(t, failing(frappems.Invalid("no")))
	handler := frappems.JSON(func(_ context.Context, in struct{ A int }) (int, error) { return in.A + 1, nil })
	frappemstest.Scenario{Path: "/?a=2", Status: 200, Want: []string{"3"}}.Run(t, handler)
}

func TestMiddleware(t *testing.T) {
	app, _ := testApp(t, nil)
	var calls []string
	wrap := func(name string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls = append(calls, name+" "+frappems.UserFrom(r.Context()).Name)
				w.Header().Set("Access-Control-Allow-Origin", "https://shop.example")
				next.ServeHTTP(w, r)
			})
		}
	}
	app.Use(wrap("first"))
	app.Use(wrap("second"))
	app.Handle("GET /mine", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls = append(calls, "handler") }))
	start(t, app)
	for _, test := range []struct {
		s    frappemstest.Scenario
		want []string
	}{
		{frappemstest.Scenario{Path: "/mine", As: "a:secret-a", Status: 200}, []string{"first ada@example.com", "second ada@example.com", "handler"}},
		{frappemstest.Scenario{Path: "/mine", As: "a:wrong", Status: 401}, []string{"first Guest", "second Guest"}},
		{frappemstest.Scenario{Path: "/nothing", Status: 404}, []string{"first Guest", "second Guest"}},
	} {
		calls = nil
		test.s.WantHeaders = map[string]string{"Access-Control-Allow-Origin": "https://shop.example"}
		test.s.Run(t, app)
		if got, want := strings.Join(calls, ", "), strings.Join(test.want, ", "); got != want {
			t.Errorf("%s: got %s, want %s", test.s.Path, got, want)
		}
	}
	calls = nil
	if get(app, "/livez"); calls != nil {
		t.Errorf("health checks went through %s", calls)
	}
}

func TestMiddlewareThatDropsTheContext(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.Background()))
		})
	})
	app.Resource("Customer")
	start(t, app)
	frappemstest.Scenario{Path: "/api/resource/Customer", As: "a:secret-a", Status: 500, Want: []string{"InternalError"}}.Run(t, app)
}

func TestRegistrationMistakes(t *testing.T) {
	handler := http.NotFoundHandler()
	for _, test := range []struct {
		name string
		do   func(app *frappems.App)
		want string
		both bool // it names two lines
	}{
		{"pattern twice", func(app *frappems.App) { app.Handle("GET /x", handler); app.Public("GET /x", handler) }, `conflicts with "GET /x"`, true},
		{"patterns that overlap", func(app *frappems.App) { app.Handle("GET /a/{x}", handler); app.Handle("GET /{y}/b", handler) }, `conflicts with "GET /a/{x}"`, true},
		{"malformed pattern", func(app *frappems.App) { app.Handle("GET /{x", handler) }, "GET /{x", false},
		{"no path", func(app *frappems.App) { app.Public("GET", handler) }, "has no path", false},
		{"nil handler", func(app *frappems.App) { app.Handle("GET /x", nil) }, "handler is nil", false},
		{"JSON of nil", func(app *frappems.App) { app.Handle("GET /x", frappems.JSON[int, int](nil)) }, "handler is nil", false},
		{"wildcard without a field", func(app *frappems.App) {
			app.Handle("GET /x/{id}", frappems.JSON(func(context.Context, struct{ Name string }) (int, error) { return 0, nil }))
		}, "no field for {id}", false},
		{"health", func(app *frappems.App) { app.Public("GET /health", handler) }, "frappems itself", false},
		{"under /api/resource", func(app *frappems.App) { app.Handle("GET /api/resource/Customer/{name}", handler) }, "Resource", false},
		{"Use of nil", func(app *frappems.App) { app.Use(nil) }, "Use of nil", false},

		{"unknown DocType", func(app *frappems.App) { app.Resource("Nothing") }, `no DocType "Nothing"`, false},
		{"child table", func(app *frappems.App) { app.Resource("Row") }, "child table", false},
		{"virtual", func(app *frappems.App) { app.Resource("Ghost") }, "virtual", false},
		{"DocType twice", func(app *frappems.App) { app.Resource("Customer"); app.Resource("customer") }, "Customer is registered already", true},
		{"two options", func(app *frappems.App) {
			app.Resource("Customer", frappems.ResourceOptions{}, frappems.ResourceOptions{})
		}, "more than one", false},
		{"unknown verb", func(app *frappems.App) {
			app.Resource("Customer", frappems.ResourceOptions{Verbs: []string{"GET"}})
		}, `no verb "GET"; verbs are list, get`, false},
		{"handler of a verb that is not allowed", func(app *frappems.App) {
			app.Resource("Customer", frappems.ResourceOptions{Verbs: []string{"get"}, Handlers: map[string]http.Handler{"list": handler}})
		}, "Verbs leaves out", false},
		{"nil handler of a verb", func(app *frappems.App) {
			app.Resource("Customer", frappems.ResourceOptions{Handlers: map[string]http.Handler{"list": nil}})
		}, "is nil", false},
		{"base path without slash", func(app *frappems.App) {
			app.Resource("Customer", frappems.ResourceOptions{BasePath: "customers"})
		}, "want one such as /orders", false},
		{"base path of frappems", func(app *frappems.App) {
			app.Resource("Customer", frappems.ResourceOptions{BasePath: "/api/resource"})
		}, "frappems' own", false},
		{"base path twice", func(app *frappems.App) {
			app.Resource("Customer", frappems.ResourceOptions{BasePath: "/x"})
			app.Resource("Sales Order", frappems.ResourceOptions{BasePath: "/x"})
		}, "that of Customer", true},

		{"Handle after Start", func(app *frappems.App) { start(t, app); app.Handle("GET /x", handler) }, "after Start", false},
		{"Public after Start", func(app *frappems.App) { start(t, app); app.Public("GET /x", handler) }, "after Start", false},
		{"Resource after Start", func(app *frappems.App) { start(t, app); app.Resource("Customer") }, "after Start", false},
		{"Use after Start", func(app *frappems.App) {
			start(t, app)
			app.Use(func(h http.Handler) http.Handler { return h })
		}, "after Start", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			app, _ := testApp(t, nil)
			defer func() {
				text, _ := recover().(string)
				if !strings.Contains(text, "router_test.go:") || !strings.Contains(text, test.want) {
					t.Errorf("got panic %q, want one with a line and %q", text, test.want)
				}
				if test.both && strings.Count(text, "router_test.go:") != 2 {
					t.Errorf("got panic %q, want one that names both lines", text)
				}
			}()
			test.do(app)
			t.Error("no panic")
		})
	}
}

// FuzzPaths sends whatever path there is: no answer is a redirect, a failure of ours or without JSON.
func FuzzPaths(f *testing.F) {
	for _, seed := range []string{"/", "/api/resource/Customer/a%2Fb", "/api/resource/%FF/x", "/shop//x/../y", "/api/resource/../..", "/orders/%00", "*"} {
		f.Add("GET", seed)
		f.Add("PUT", seed)
	}
	app, _ := testApp(f, func(c *frappems.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	app.Resource("Customer", frappems.ResourceOptions{Handlers: echoes(), BasePath: "/shop"})
	app.Handle("GET /orders/{id}", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	app.Public("/files/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	start(f, app)
	f.Fuzz(func(t *testing.T, method, path string) {
		r, err := http.NewRequest(method, "http://host"+path, nil)
		if err != nil {
			return
		}
		r.Header.Set("Authorization", "token a:secret-a")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if w.Code >= 300 && w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s %q: got %d %s", method, path, w.Code, w.Body)
		}
		if w.Code >= 400 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %q: got %s, want JSON", method, path, w.Body)
		}
	})
}
