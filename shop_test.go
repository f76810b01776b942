package frappems_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/frappems/frappems"
)

// shopUsers are who calls in the tests of a shop, each once in the tenants acme and globex: "clerk@acme" is key and user.
var shopUsers = []struct{ name, roles, restrictions string }{
	{"manager", `["Manager"]`, `{}`},
	{"clerk", `["Clerk"]`, `{}`},
	{"viewer", `["Viewer"]`, `{}`},
	{"writer", `["Writer"]`, `{}`},
	{"maker", `["Maker"]`, `{}`},
	{"peeker", `["Viewer", "Maker"]`, `{}`},
	{"stranger", `[]`, `{}`},
	{"seller", `["Clerk", "Manager"]`, `{"Customer": ["Ada"]}`},
	{"packer", `["Clerk"]`, `{"Item": ["Bolt", "Nut"]}`},
}

func shopTokens() string {
	var entries []string
	for _, tenant := range []string{"acme", "globex"} {
		for _, u := range shopUsers {
			key := u.name + "@" + tenant
			entries = append(entries, fmt.Sprintf(`{"user": %q, "api_key": %q, "api_secret": "s", "tenant": %q, "roles": %s, "restrictions": %s}`,
				key, key, tenant, u.roles, u.restrictions))
		}
		entries = append(entries, fmt.Sprintf(`{"user": "Administrator", "api_key": "admin@%s", "api_secret": "s", "tenant": %q}`, tenant, tenant))
	}
	entries = append(entries, `{"user": "lost@example.com", "api_key": "lost", "api_secret": "s", "tenant": "", "roles": ["Manager"]}`)
	return "[" + strings.Join(entries, ",") + "]"
}

// shop is a service of two tenants on a store that keeps the SQL that it would have run.
type shop struct {
	t     testing.TB
	app   *frappems.App
	store *frappems.Recording
}

// shopTime is when the clock of a shop begins: a Sunday. Each look at it is a millisecond later.
var shopTime = time.Date(2026, 3, 15, 10, 20, 30, 0, time.UTC)

func newShop(t testing.TB, change ...func(*frappems.Config)) *shop {
	t.Helper()
	return newService(t, frappems.ShopDocTypes, frappems.ShopResources, change...)
}

// newService is a shop of other DocTypes.
func newService(t testing.TB, doctypes string, resources []string, change ...func(*frappems.Config)) *shop {
	t.Helper()
	return newHooked(t, doctypes, resources, func(*frappems.App) {}, change...)
}

// newHooked is a service with more registered than resources.
func newHooked(t testing.TB, doctypes string, resources []string, register func(*frappems.App), change ...func(*frappems.Config)) *shop {
	t.Helper()
	tokens, err := frappems.NewTokens(strings.NewReader(shopTokens()))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	now := shopTime
	s := &shop{t: t, store: frappems.NewRecording()}
	config := frappems.Config{
		Store: s.store, Auth: tokens, Logger: (&logged{}).logger(), MaxRows: 1000,
		DocTypes: fstest.MapFS{"types.json": {Data: []byte(doctypes)}},
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(time.Millisecond)
			return now
		},
	}
	for _, c := range change {
		c(&config)
	}
	if s.app, err = frappems.New(config); err != nil {
		t.Fatal(err)
	}
	for _, doctype := range resources {
		s.app.Resource(doctype)
	}
	register(s.app)
	if err := s.app.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	// Whatever a test asked for, what it made of the statements is checked.
	t.Cleanup(func() { s.store.CheckAll(t) })
	return s
}

// reply is an answer.
type reply struct {
	status int
	body   string
	header http.Header
	excType
}

type excType struct {
	Type     string `json:"exc_type"`
	Messages string `json:"_server_messages"`
}

// send sends a request with a JSON body as a user, such as "clerk@acme"; "" is nobody.
func (s *shop) send(as, method, path, body string) reply {
	s.t.Helper()
	return s.sendAs(as, method, path, body, map[string]string{"Content-Type": "application/json"})
}

func (s *shop) sendAs(as, method, path, body string, header map[string]string) reply {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for key, value := range header {
		r.Header.Set(key, value)
	}
	if as != "" {
		r.Header.Set("Authorization", "token "+as+":s")
	}
	w := httptest.NewRecorder()
	s.app.ServeHTTP(w, r)
	got := reply{status: w.Code, body: w.Body.String(), header: w.Header()}
	if got.body != "" {
		if err := json.Unmarshal(w.Body.Bytes(), &got.excType); err != nil {
			s.t.Errorf("%s %s: the answer is not JSON: %v: %.300q", method, path, err, got.body)
		}
	}
	if got.status >= 500 {
		s.t.Errorf("%s %.200s %.200s as %s: %d %s", method, path, body, as, got.status, got.body)
	}
	return got
}

// docPath is /api/resource/ and a DocType, a name or both, escaped.
func docPath(parts ...string) string {
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/api/resource/" + strings.Join(parts, "/")
}

// get reads a document as a user.
func (s *shop) get(as, doctype, name string) reply {
	s.t.Helper()
	return s.send(as, "GET", docPath(doctype, name), "")
}

// list asks for documents, with parameters by turns: name and value.
func (s *shop) list(as, doctype string, parameters ...string) reply {
	s.t.Helper()
	query := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		query.Add(parameters[i], parameters[i+1])
	}
	return s.send(as, "GET", docPath(doctype)+"?"+query.Encode(), "")
}

// create makes documents of JSON, and gives the name of the last.
func (s *shop) create(as, doctype string, bodies ...string) (name string) {
	s.t.Helper()
	for _, body := range bodies {
		got := s.send(as, "POST", docPath(doctype), body)
		if got.status != 200 {
			s.t.Fatalf("POST %s %s as %s: %d %s", doctype, body, as, got.status, got.body)
		}
		name = fmt.Sprint(got.data(s.t)["name"])
	}
	return name
}

// data is the document of an answer.
func (r reply) data(t testing.TB) map[string]any {
	t.Helper()
	var answer struct{ Data map[string]any }
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || answer.Data == nil {
		t.Fatalf("this is no document: %d %s", r.status, r.body)
	}
	return answer.Data
}

// want checks status and exc_type ("" for none) or, where it begins with a brace, the whole body.
func (r reply) want(t testing.TB, status int, want string) {
	t.Helper()
	got := r.Type
	if strings.HasPrefix(want, "{") {
		got = r.body
	}
	if r.status != status || got != want {
		t.Errorf("got %d %s, want %d %s; body: %.600s", r.status, got, status, want, r.body)
	}
	if r.status >= 400 && r.status != 404 && r.status != 405 && r.Type == "" {
		t.Errorf("an error without exc_type: %s", r.body)
	}
}

// names are the values of the first column of a list, joined by blanks.
func (r reply) names(t testing.TB) string {
	t.Helper()
	var answer struct{ Data []map[string]any }
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.status != 200 {
		t.Fatalf("this is no list: %d %s", r.status, r.body)
	}
	var names []string
	for _, row := range answer.Data {
		names = append(names, fmt.Sprint(row["name"]))
	}
	return strings.Join(names, " ")
}
