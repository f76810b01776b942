package central

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// newShadowed makes a service beside an App that has Sales Orders, which are Central's still.
func newShadowed(t *testing.T, handler http.Handler, change func(c *ShadowConfig)) (s *service, log *bytes.Buffer, done chan struct{}) {
	t.Helper()
	c := frappemstest.NewCentral(t)
	log, done = new(bytes.Buffer), make(chan struct{}, 16)
	s = newService(t, c, func(_ *frappems.Config, p *ProxyConfig) {
		p.Shadow = ShadowConfig{Handler: handler, DocTypes: []string{"Customer", "Note Pad"}}
		p.Logger = slog.New(slog.NewTextHandler(log, nil))
		if change != nil {
			change(&p.Shadow)
		}
	})
	s.proxy.shadow.done = func() { done <- struct{}{} }
	return s.start(t), log, done
}

// TestShadow compares with an App that has other values.
func TestShadow(t *testing.T) {
	all := []frappems.DocPerm{{Role: "All", Read: true, Write: true, Create: true}}
	beside, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), Tenant: "acme", Auth: managers{}, Logger: slog.New(slog.DiscardHandler),
		Types: []*frappems.DocType{{Name: "Customer", Autoname: "prompt", Permissions: all, Fields: []frappems.Field{
			{Fieldname: "customer_name", Fieldtype: "Data"}, {Fieldname: "group", Fieldtype: "Data"}, {Fieldname: "credit", Fieldtype: "Float"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	beside.Resource("Customer")
	if err := beside.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, log, done := newShadowed(t, beside, func(c *ShadowConfig) {
		c.Ignore = []string{"owner", "creation", "modified", "modified_by"}
	})
	for _, customer := range []map[string]any{
		{"name": "Ada", "customer_name": "secret Ada at Central", "group": "A", "credit": 5, "_user_tags": "x"}, {"name": "Bob", "group": "B", "credit": 2}} {
		s.central.AddDocument("Customer", customer)
	}
	db, err := beside.AsTenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, customer := range []map[string]any{
		{"name": "Bob", "group": "B", "credit": 2}, {"name": "Ada", "customer_name": "secret Ada here", "group": "A", "credit": 5.0}} {
		if _, err := db.Insert(t.Context(), "Customer", customer); err != nil {
			t.Fatal(err)
		}
	}
	auth := []string{"Authorization", "token manager:managersecret"}
	const list = "/api/resource/Customer?fields=[%22name%22,%22customer_name%22,%22group%22,%22credit%22]"
	for _, test := range []struct {
		method, target, body string
		want                 []string // fields that differ; nil: it is not compared
	}{
		{"GET", "/api/resource/Customer/Ada", "", []string{"Customer.customer_name"}},
		{"GET", "/api/resource/Customer/Bob", "", []string{}},
		{"GET", list + "&filters={%22name%22:%22Bob%22}", "", []string{}},
		{"GET", list + "&filters={%22name%22:%22Ada%22}", "", []string{"Customer.customer_name"}},
		{"GET", list + "&order_by=name", "", []string{"Customer.(rows)", "Customer.customer_name"}},
		{"GET", "/api/method/frappe.client.get_count?doctype=Customer", "", []string{}},
		{"POST", "/api/method/frappe.client.get_list", "doctype=Customer&fields=[%22customer_name%22]&filters={%22name%22:%22Ada%22}", []string{"Customer.customer_name"}},
		{"GET", "/api/resource/Note%20Pad", "", []string{"failed"}}, // which the App does not have
		{"GET", "/api/resource/User", "", nil},
		{"PUT", "/api/resource/Customer/Bob", "group=B", nil},
		{"GET", "/api/resource/Customer/none", "", nil}, // a 404 of Central's
	} {
		before := s.proxy.Stats().Shadow
		request := append(auth, "Content-Type", "application/x-www-form-urlencoded")
		response, body := s.ask(t, test.method, test.target, test.body, request...)
		if response.Header.Get("X-Served-By") != "central" {
			t.Errorf("%s: got %d by %s", test.target, response.StatusCode, response.Header.Get("X-Served-By"))
		}
		if strings.Contains(test.target, "Ada") && !strings.Contains(body, "at Central") {
			t.Errorf("%s: got %s, want Central's answer", test.target, body)
		}
		if test.want == nil {
			if after := s.proxy.Stats().Shadow; after.Compared != before.Compared || after.Failed != before.Failed {
				t.Errorf("%s %s: got %+v, want nothing compared", test.method, test.target, after)
			}
			continue
		}
		awaitComparison(t, done, test.target)
		after := s.proxy.Stats().Shadow
		if slices.Equal(test.want, []string{"failed"}) {
			if after.Failed != before.Failed+1 {
				t.Errorf("%s: got %+v after %+v, want a failure", test.target, after, before)
			}
			continue
		}
		var got []string
		for _, field := range slices.Sorted(maps.Keys(after.Fields)) {
			if after.Fields[field] > before.Fields[field] {
				got = append(got, field)
			}
		}
		differing := int64(0)
		if len(test.want) > 0 {
			differing = 1
		}
		// Central's list is in the order of its own: the test wants to see that rows are noticed, not which.
		if test.target == list+"&order_by=name" {
			got, test.want = got[:1], test.want[:1]
		}
		if !slices.Equal(got, test.want) || after.Compared != before.Compared+1 || after.Differing != before.Differing+differing {
			t.Errorf("%s %s: got %q and %+v after %+v, want %q", test.method, test.target, got, after, before, test.want)
		}
	}
	if text := log.String(); !strings.Contains(text, "fields=[customer_name]") || strings.Contains(text, "secret") {
		t.Errorf("got the log %s, want names of fields and no values", text)
	}
}

// awaitComparison waits for a comparison, which may not come.
func awaitComparison(t *testing.T, done chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: it was not compared", what)
	}
}

// managers lets everybody with credentials in.
type managers struct{}

func (managers) Authenticate(*http.Request) (*frappems.User, error) {
	return &frappems.User{Name: "manager@example.com", Roles: []string{"All", "Guest"}}, nil
}

// TestShadowHarmsNothing compares with handlers that are slow, broken or large.
func TestShadowHarmsNothing(t *testing.T) {
	release := make(chan struct{})
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		change  func(c *ShadowConfig)
		want    func(s ShadowStats) bool
	}{
		{"panic", func(http.ResponseWriter, *http.Request) { panic("at the disco") }, nil, func(s ShadowStats) bool { return s.Failed == 1 }},
		{"error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, nil, func(s ShadowStats) bool { return s.Failed == 1 }},
		{"no answer", func(http.ResponseWriter, *http.Request) {}, nil, func(s ShadowStats) bool { return s.Failed == 1 }},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, nil, func(s ShadowStats) bool { return s.Failed == 1 }},
		{"too large", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 100)) },
			func(c *ShadowConfig) { c.MaxBytes = 50 }, func(s ShadowStats) bool { return s.Failed == 1 }},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(c *ShadowConfig) { c.Timeout = time.Millisecond },
			func(s ShadowStats) bool { return s.Failed == 1 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _, done := newShadowed(t, test.handler, test.change)
			if response, body := s.ask(t, "GET", "/api/resource/Customer", "", "Authorization", "token manager:managersecret"); body != `{"data": []}` {
				t.Errorf("got %d %s, want Central's answer", response.StatusCode, body)
			}
			awaitComparison(t, done, test.name)
			if got := s.proxy.Stats().Shadow; !test.want(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("too many", func(t *testing.T) {
		s, _, done := newShadowed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			fmt.Fprint(w, `{"data": []}`)
		}), func(c *ShadowConfig) { c.Concurrency = 2 })
		for range 5 {
			if _, body := s.ask(t, "GET", "/api/resource/Customer", "", "Authorization", "token manager:managersecret"); body != `{"data": []}` {
				t.Errorf("got %s, want Central's answer", body)
			}
		}
		for range 3 {
			awaitComparison(t, done, "one too many")
		}
		if got := s.proxy.Stats().Shadow; got.Skipped != 3 {
			t.Errorf("got %+v, want three that were not compared", got)
		}
		close(release)
		awaitComparison(t, done, "the first")
		awaitComparison(t, done, "the second")
		if got := s.proxy.Stats().Shadow; got.Compared != 2 || got.Differing != 0 {
			t.Errorf("got %+v, want two compared", got)
		}
	})
}

func TestDifferences(t *testing.T) {
	for _, test := range []struct {
		name         string
		central, own string
		want         []string
	}{
		{"the same", `{"data": {"a": 1, "b": [{"name": "r", "c": "x"}]}}`, `{"data": {"b": [{"c": "x", "name": "r"}], "a": 1.0}}`, nil},
		{"null is absent", `{"data": {"a": null}}`, `{"data": {}}`, nil},
		{"values", `{"data": {"a": 1, "b": "x", "c": true}}`, `{"data": {"a": 2, "b": 1, "c": false}}`, []string{"a", "b", "c"}},
		{"absent on one side", `{"data": {"a": 1}}`, `{"data": {"b": 1}}`, []string{"a", "b"}},
		{"rows", `{"data": {"t": [{"name": "a", "x": 1}, {"name": "b", "x": 1}]}}`, `{"data": {"t": [{"name": "a", "x": 2}, {"name": "b", "x": 1}]}}`, []string{"t.x"}},
		{"order", `{"data": [{"name": "a"}, {"name": "b"}]}`, `{"data": [{"name": "b"}, {"name": "a"}]}`, []string{"(rows)"}},
		{"fewer", `{"data": [1, 2]}`, `{"data": [1]}`, []string{"(rows)"}},
		{"a list for an object", `{"data": {"a": [1]}}`, `{"data": {"a": {"b": 1}}}`, []string{"a"}},
		{"one value", `{"message": 3}`, `{"message": 4}`, []string{"(value)"}},
		{"large numbers", `{"message": 9007199254740993}`, `{"message": "9007199254740993"}`, []string{"(value)"}},
		{"of Central alone", `{"data": {"_user_tags": "x", "_assign": "y", "a": 1}}`, `{"data": {"a": 1}}`, nil},
		{"ignored", `{"data": {"modified": "x", "t": [{"idx": 1}]}}`, `{"data": {"modified": "y", "t": [{"idx": 2}]}}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &shadow{ShadowConfig: ShadowConfig{Ignore: []string{"modified", "t.idx"}}}
			got, err := s.differences([]byte(test.central), []byte(test.own))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q and %v, want %q", got, err, test.want)
			}
		})
	}
}

// FuzzDifferences wants no answer to break the comparison, and an answer to be the same as itself.
func FuzzDifferences(f *testing.F) {
	f.Add(`{"data": [{"name": "a", "b": [1, null, {}]}]}`, `{"message": {"a": [[], "x", 1e99]}}`)
	f.Add(`{"data": {"a": {"b": {"c": 1}}}}`, `[]`)
	f.Fuzz(func(t *testing.T, a, b string) {
		s := new(shadow)
		s.differences([]byte(a), []byte(b))
		if fields, err := s.differences([]byte(a), []byte(a)); err == nil && len(fields) > 0 {
			t.Errorf("%s differs from itself in %q", a, fields)
		}
	})
}
