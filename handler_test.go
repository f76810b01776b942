package frappems_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// order is the input of the handler that these tests call.
type order struct {
	ID       string    `json:"id"`
	Quantity int       `json:"quantity"`
	Price    *float64  `json:"price,omitempty"`
	Urgent   bool      `json:"urgent"`
	Tags     []string  `json:"tags"`
	Codes    []int     `json:"codes"`
	Due      time.Time `json:"due,omitzero"`
	Customer struct {
		Name string `json:"name"`
	} `json:"customer"`
}

func TestJSON(t *testing.T) {
	app, _ := testApp(t, nil)
	handler := frappems.JSON(func(_ context.Context, in order) (order, error) { return in, nil })
	app.Public("/orders/{id}", handler)
	app.Public("/orders", handler)
	app.Public("/loud/{ID}", handler)
	start(t, app)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	deep := strings.Repeat(`{"customer":`, 20_000)
	for _, test := range []frappemstest.Scenario{
		{Path: "/orders", Body: `{"id":"a","quantity":2,"price":1.5,"tags":["x"],"customer":{"name":"Ada"}}`, Status: 200,
			Want:        []string{`{"id":"a","quantity":2,"price":1.5,"urgent":false,"tags":["x"],"codes":null,"customer":{"name":"Ada"}}`},
			WantHeaders: map[string]string{"Content-Type": "application/json; charset=utf-8"}},
		{Path: "/orders", Status: 200, Want: []string{`"id":""`}},
		{Name: "query", Path: "/orders?id=7&quantity=3&urgent=1&price=2.5&tags=a&tags=b&codes=1&codes=2&due=2026-11-23T00:00:00Z&customer=%7B%22name%22:%22Ada%22%7D",
			Status: 200, Want: []string{`{"id":"7","quantity":3,"price":2.5,"urgent":true,"tags":["a","b"],"codes":[1,2],"due":"2026-11-23T00:00:00Z","customer":{"name":"Ada"}}`}},
		{Name: "list as JSON", Path: `/orders?codes=[1,2]&tags=["x,y"]&urgent=no`, Status: 200, Want: []string{`"tags":["x,y"],"codes":[1,2]`, `"urgent":false`}},
		{Name: "form", Path: "/orders", Body: "id=f&quantity=4", Headers: form, Status: 200, Want: []string{`"id":"f","quantity":4`}},
		{Name: "path", Path: "/orders/a%2Fb", Status: 200, Want: []string{`"id":"a/b"`}},
		{Name: "path over query over body", Path: "/orders/path?id=query&quantity=2", Body: `{"id":"body","ID":"other","quantity":1}`, Status: 200,
			Want: []string{`"id":"path","quantity":2`}},
		{Name: "path over another spelling", Path: "/loud/path?Id=query", Body: `{"id":"body"}`, Status: 200, Want: []string{`"id":"path"`}},
		{Name: "path over null", Path: "/orders/path", Body: `null`, Status: 200, Want: []string{`"id":"path"`}},
		{Name: "unknown key of a query", Path: "/orders?utm=x", Status: 200},
		{Name: "unknown key of a body", Path: "/orders", Body: `{"quantitty":1}`, Status: 417, Want: []string{"There is no field", "quantitty"}},
		{Name: "unknown key of a form", Path: "/orders", Body: `quantitty=1`, Headers: form, Status: 417, Want: []string{"quantitty"}},
		{Name: "unknown key with markup", Path: "/orders", Body: `{"<img src=x>":1}`, Status: 417, Not: []string{"<img", `u003cimg`}},
		{Name: "unknown key that is long", Path: "/orders", Body: `{"` + strings.Repeat("k", 9999) + `":1}`, Status: 417, Not: []string{strings.Repeat("k", 200)}},
		{Name: "wrong type", Path: "/orders", Body: `{"quantity":"two"}`, Status: 417, Want: []string{"quantity", "is string, want a whole number"}},
		{Name: "wrong type inside", Path: "/orders", Body: `{"customer":{"name":1}}`, Status: 417, Want: []string{"customer.name", "want a string"}},
		{Name: "wrong type in a query", Path: "/orders?quantity=two", Status: 417, Want: []string{"quantity"}},
		{Name: "fraction", Path: "/orders", Body: `{"quantity":1.5}`, Status: 417, Want: []string{"quantity"}},
		{Name: "wrong time", Path: "/orders?due=tomorrow", Status: 417, Want: []string{"does not fit"}},
		{Name: "list", Path: "/orders", Body: `[1]`, Status: 417, Want: []string{"The body is array, want an object"}},
		{Name: "list with a query", Path: "/orders?quantity=1", Body: `[1]`, Status: 417, Want: []string{"want an object"}},
		{Name: "no JSON", Path: "/orders", Body: `{"id":`, Status: 417, Want: []string{"not valid JSON"}},
		{Name: "something after", Path: "/orders", Body: `{} {}`, Status: 417, Want: []string{"after the JSON value"}},
		{Name: "deep", Path: "/orders", Body: deep, Status: 417, Want: []string{"ValidationError"}},
		{Name: "broken query", Path: "/orders?id=%zz", Status: 417, Want: []string{"The query cannot be read"}},
		{Name: "broken form", Path: "/orders", Body: "id=%zz", Headers: form, Status: 417, Want: []string{"The form cannot be read"}},
		{Name: "other media type", Path: "/orders", Body: "<a/>", Headers: map[string]string{"Content-Type": "text/xml"}, Status: 415, Want: []string{"UnsupportedMediaType"}},
		{Name: "JSON of another name", Path: "/orders", Body: `{"id":"a"}`, Headers: map[string]string{"Content-Type": "application/merge-patch+json"}, Status: 200},
		{Name: "no media type", Path: "/orders", Body: `{"id":"a"}`, Headers: map[string]string{"Content-Type": ""}, Status: 200, Want: []string{`"id":"a"`}},
		{Name: "body of a GET", Method: "GET", Path: "/orders", Body: `{"id":"a"}`, Status: 200, Want: []string{`"id":""`}},
	} {
		test.Run(t, app)
	}
}

func TestJSONStrictQuery(t *testing.T) {
	app, _ := testApp(t, func(c *frappems.Config) { c.StrictQuery = true })
	app.Public("/orders", frappems.JSON(func(_ context.Context, in order) (order, error) { return in, nil }))
	start(t, app)
	frappemstest.Scenario{Path: "/orders?utm=x", Status: 417, Want: []string{"There is no field", "utm"}}.Run(t, app)
}

func TestJSONOutput(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Public("GET /error", frappems.JSON(func(context.Context, struct{}) (*order, error) { return &order{}, frappems.Invalid("no") }))
	app.Public("GET /unknown", frappems.JSON(func(context.Context, struct{}) (*order, error) { return nil, errors.New("secret of db-7") }))
	app.Public("GET /channel", frappems.JSON(func(context.Context, struct{}) (chan int, error) { return make(chan int), nil }))
	app.Public("GET /map", frappems.JSON(func(_ context.Context, in map[string]string) (map[string]string, error) { return in, nil }))
	app.Public("POST /list", frappems.JSON(func(_ context.Context, in []int) (int, error) { return len(in), nil }))
	start(t, app)
	for _, s := range []frappemstest.Scenario{
		{Path: "/error", Status: 417, Want: []string{"ValidationError"}},
		{Path: "/unknown", Status: 500, Not: []string{"db-7"}},
		{Path: "/channel", Status: 500, Want: []string{"InternalError"}, Not: []string{"chan"}},
		{Path: "/map?a=1&b=x", Status: 200, Want: []string{`{"a":"1","b":"x"}`}},
		{Path: "/list", Body: "[1,2,3]", Status: 200, Want: []string{"3"}},
		{Path: "/list?utm=1", Body: "[1,2,3]", Status: 200, Want: []string{"3"}},
	} {
		s.Run(t, app)
	}
}

// FuzzJSON sends whatever input there is to a typed handler: it is answered, by 200 or by an error that says why.
func FuzzJSON(f *testing.F) {
	app, _ := testApp(f, func(c *frappems.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	app.Public("/orders/{id}", frappems.JSON(func(_ context.Context, in order) (order, error) { return in, nil }))
	start(f, app)
	f.Add("quantity=1&tags=a&tags=b", `{"id":"a","customer":{"name":"x"}}`, "application/json")
	f.Add("urgent=on&codes=[1]", "id=a&due=x", "application/x-www-form-urlencoded")
	f.Add("price=NaN&ID=x", "null", "")
	f.Fuzz(func(t *testing.T, query, body, kind string) {
		r := httptest.NewRequest("POST", "/orders/7", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		switch w.Code {
		case http.StatusOK:
			if answer["id"] != "7" {
				t.Errorf("query %q and body %q changed what the path says: %s", query, body, w.Body)
			}
		case http.StatusExpectationFailed, http.StatusUnsupportedMediaType:
			if answer["_server_messages"] == nil {
				t.Errorf("no message: %s", w.Body)
			}
		default:
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}

// TestJSONTransaction: what a typed handler writes is there as a whole or not at all, and once for one Idempotency-Key.
func TestJSONTransaction(t *testing.T) {
	s := newUnstarted(t, officeDocTypes)
	s.app.Resource("Party")
	twice := frappems.JSON(func(ctx context.Context, in struct {
		Title string `json:"title"`
		Fail  bool   `json:"fail"`
	}) (map[string]bool, error) {
		db, err := s.app.DB(ctx)
		if err != nil {
			return nil, err
		}
		for _, title := range []string{in.Title + " 1", in.Title + " 2"} {
			if _, err := db.Insert(ctx, "Party", map[string]any{"title": title}); err != nil {
				return nil, err
			}
		}
		if in.Fail {
			err = frappems.Invalid("not today")
		}
		return map[string]bool{"inTx": db.InTx()}, err
	})
	s.app.Handle("/twice/{title}", twice)
	s.app.Resource("Vault", frappems.ResourceOptions{Handlers: map[string]http.Handler{"create": twice}})
	s.app.Handle("POST /apart/{title}", twice, frappems.Safe())
	var problem error
	s.app.Handle("POST /beside/{title}", frappems.JSON(func(ctx context.Context, in struct {
		Title string `json:"title"`
	}) (struct{}, error) {
		db, err := s.app.DB(ctx)
		if err != nil {
			return struct{}{}, err
		}
		db.AfterCommit(ctx, func(ctx context.Context) {
			after, err := s.app.DB(ctx)
			if err == nil {
				_, err = after.Insert(ctx, "Party", map[string]any{"title": in.Title + " after"})
			}
			problem = errors.Join(problem, err)
		})
		other, err := s.app.AsTenant(ctx, "globex")
		if err == nil {
			_, problem = other.Insert(ctx, "Party", map[string]any{"title": in.Title})
		}
		return struct{}{}, err
	}))
	s.start()
	for _, test := range []struct {
		method, path, body string
		status             int
		want, names        string
	}{
		{"POST", "/twice/A", `{}`, 200, `{"inTx":true}`, "A 1 A 2"}, {"PUT", "/twice/B", `{"fail": true}`, 417, "ValidationError", ""},
		{"GET", "/twice/C", ``, 200, `{"inTx":false}`, "C 1 C 2"}, {"POST", docPath("Vault") + "?title=F", `{"fail": true}`, 417, "ValidationError", ""},
		{"POST", "/apart/D", `{"fail": true}`, 417, "ValidationError", "D 1 D 2"},
	} {
		got := s.send("manager@acme", test.method, test.path, test.body)
		if got.status != test.status || got.body != test.want && got.Type != test.want {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, got.status, got.body, test.status, test.want)
		}
		names := s.list("manager@acme", "Party", "filters", `{"name": ["like", "`+test.path[len(test.path)-1:]+`%"]}`, "order_by", "name").names(t)
		if names != test.names {
			t.Errorf("%s %s left %q, want %q", test.method, test.path, names, test.names)
		}
	}
	// A second writer would wait for the first without end; what comes after the commit has a DB that works.
	s.send("manager@acme", "POST", "/beside/G", `{}`).want(t, 200, `{}`)
	if problem == nil || !strings.Contains(problem.Error(), "one writer") || strings.Contains(problem.Error(), "ended") {
		t.Errorf("got %v, want an error of the second writer", problem)
	}
	s.get("manager@acme", "Party", "G after").want(t, 200, "")
	for _, replayed := range []string{"", "true"} {
		got := s.sendAs("manager@acme", "POST", "/twice/E", `{}`, map[string]string{"Content-Type": "application/json", "Idempotency-Key": "k"})
		if got.status != 200 || got.body != `{"inTx":true}` || got.header.Get("Idempotent-Replayed") != replayed {
			t.Errorf("with a key: %d %s %v", got.status, got.body, got.header)
		}
	}
}
