package central

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/frappems/frappems"
)

// library is a site with many books, and the queries of the lists that it was asked for.
type library struct {
	client *frappems.Central
	db     *frappems.DB

	mu    sync.Mutex
	lists []url.Values
}

func newLibrary(t *testing.T, books int) *library {
	t.Helper()
	tokens, err := frappems.NewTokens(strings.NewReader(`[{"user": "ada@example.com", "api_key": "ada", "api_secret": "s", "roles": ["Reader"]}]`))
	if err != nil {
		t.Fatal(err)
	}
	app, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), Auth: tokens, Logger: slog.New(slog.DiscardHandler), Tenant: "default",
		DocTypes: fstest.MapFS{"book.json": {Data: []byte(`[{"name": "Book", "autoname": "prompt", "fields": [
			{"fieldname": "shelf", "fieldtype": "Int"}, {"fieldname": "price", "fieldtype": "Currency"}], "permissions": [{"role": "Reader", "read": 1}]},
			{"name": "Loan", "autoname": "autoincrement", "fields": [{"fieldname": "book", "fieldtype": "Data"}], "permissions": [{"role": "Reader", "read": 1}]}]`)}}})
	if err != nil {
		t.Fatal(err)
	}
	app.Resource("Book")
	app.Resource("Loan")
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := &library{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("limit_page_length") {
			l.mu.Lock()
			l.lists = append(l.lists, r.URL.Query())
			l.mu.Unlock()
		}
		app.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	if l.db, err = app.AsTenant(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	for i := range books {
		l.add(t, fmt.Sprintf("Book %04d", i), i%10)
	}
	l.client, err = frappems.NewCentral(frappems.CentralConfig{URL: server.URL, APIKey: "ada", APISecret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *library) add(t *testing.T, name string, shelf int) {
	t.Helper()
	if _, err := l.db.Insert(t.Context(), "Book", map[string]any{"__newname": name, "shelf": shelf, "price": 1.5}); err != nil {
		t.Fatal(err)
	}
}

type book struct {
	Name  string  `json:"name"`
	Shelf int     `json:"shelf"`
	Price float64 `json:"price"`
}

func TestGetAndList(t *testing.T) {
	l := newLibrary(t, 3)
	got, err := Get[book](t.Context(), l.client, "Book", "Book 0001")
	if want := (book{"Book 0001", 1, 1.5}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if doc, err := Get[map[string]any](t.Context(), l.client, "Book", "Book 0002"); err != nil || doc["name"] != "Book 0002" {
		t.Errorf("got %v, %v", doc, err)
	}
	if _, err := Get[book](t.Context(), l.client, "Book", "none"); !errors.Is(err, frappems.DoesNotExistError) {
		t.Errorf("got %v, want DoesNotExistError", err)
	}
	books, err := List[book](t.Context(), l.client, "Book", frappems.ListOptions{Fields: []string{"name"}, OrderBy: "name desc"})
	if err != nil || len(books) != 3 || books[0].Name != "Book 0002" {
		t.Errorf("got %+v, %v", books, err)
	}
}

func TestAll(t *testing.T) {
	const books = 1250
	l := newLibrary(t, books)
	names := func(of func(i int) bool) (all []string) {
		for i := range books {
			if of(i) {
				all = append(all, fmt.Sprintf("Book %04d", i))
			}
		}
		return all
	}
	every := names(func(int) bool { return true })
	third := names(func(i int) bool { return i%10 == 3 })
	low := names(func(i int) bool { return i%10 < 8 })
	for _, test := range []struct {
		name  string
		o     frappems.ListOptions
		want  []string
		pages int
	}{
		{"all", frappems.ListOptions{}, every, 3},
		{"an object", frappems.ListOptions{Filters: map[string]any{"shelf": 3}, Fields: []string{"shelf"}}, third, 1},
		{"an object with an operator", frappems.ListOptions{Filters: map[string]any{"shelf": []any{"<", 8}}}, low, 3},
		{"conditions", frappems.ListOptions{Filters: [][]any{{"shelf", "<", 8}}, Fields: []string{"*"}}, low, 3},
		{"conditions with the DocType", frappems.ListOptions{Filters: [][]any{{"Book", "shelf", "<", 8}}}, low, 3},
		{"a limit", frappems.ListOptions{Limit: 700}, every[:700], 2},
		{"a limit that ends a page", frappems.ListOptions{Limit: 500}, every[:500], 1},
		{"a limit behind the end", frappems.ListOptions{Limit: 5000}, every, 3},
		{"a start", frappems.ListOptions{Start: 700}, every[700:], 2},
		{"counted", frappems.ListOptions{OrderBy: "name", Start: 1}, every[1:], 3},
		{"counted, none", frappems.ListOptions{OrderBy: "name", Filters: map[string]any{"shelf": 77}}, nil, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			l.lists = nil
			var got []string
			for b, err := range All[book](t.Context(), l.client, "Book", test.o) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, b.Name)
			}
			if !slices.Equal(got, test.want) || len(l.lists) != test.pages {
				t.Errorf("got %d books in %d pages, want %d in %d", len(got), len(l.lists), len(test.want), test.pages)
			}
		})
	}
}

// TestAllMoves: documents that come and go while they are looped over hide and repeat no other, also where names are numbers.
func TestAllMoves(t *testing.T) {
	l := newLibrary(t, 1000)
	seen := map[string]int{}
	for b, err := range All[book](t.Context(), l.client, "Book", frappems.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[b.Name]++; b.Name == "Book 0499" {
			if err := l.db.Delete(t.Context(), "Book", "Book 0001"); err != nil {
				t.Fatal(err)
			}
			l.add(t, "Book 0000 again", 1)
		}
	}
	for i := range 1000 {
		if n := seen[fmt.Sprintf("Book %04d", i)]; n != 1 {
			t.Errorf("book %d came %d times", i, n)
		}
	}
	for range 501 {
		if _, err := l.db.Insert(t.Context(), "Loan", map[string]any{"book": "x"}); err != nil {
			t.Fatal(err)
		}
	}
	loans := 0
	for _, err := range All[struct{ Name json.Number }](t.Context(), l.client, "Loan", frappems.ListOptions{}) {
		if loans++; err != nil {
			t.Fatal(err)
		}
	}
	if loans != 501 {
		t.Errorf("got %d loans, want 501", loans)
	}
}

func TestAllEnds(t *testing.T) {
	l := newLibrary(t, 600)
	for range All[book](t.Context(), l.client, "Book", frappems.ListOptions{}) {
		break
	}
	if len(l.lists) != 1 {
		t.Errorf("got %d pages for a loop that was left, want 1", len(l.lists))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range All[book](ctx, l.client, "Book", frappems.ListOptions{}) {
		if last = err; err == nil {
			n++
			cancel()
		}
	}
	if n != 500 || !errors.Is(last, context.Canceled) {
		t.Errorf("got %d books and %v, want a page and the reason", n, last)
	}
	for _, filters := range []any{"name", []string{"a", "b"}, 7, func() {}} {
		n := 0
		for _, err := range All[book](t.Context(), l.client, "Book", frappems.ListOptions{Filters: filters}) {
			if n++; err == nil {
				t.Errorf("%T: got no error", filters)
			}
		}
		if n != 1 {
			t.Errorf("%T: got %d rounds, want one", filters, n)
		}
	}
}
