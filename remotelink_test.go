package frappems_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frappems/frappems"
)

// dealDocTypes are those of a service whose customers, items and regions are left at the Central Site.
const dealDocTypes = `[
{"name": "Deal Row", "istable": 1, "fields": [{"fieldname": "item", "fieldtype": "Link", "options": "Item"},
	{"fieldname": "price", "fieldtype": "Currency", "fetch_from": "item.price"}, {"fieldname": "label", "fieldtype": "Data", "fetch_from": "item.label", "fetch_if_empty": 1}]},
{"name": "Deal", "autoname": "prompt", "is_submittable": 1, "fields": [
	{"fieldname": "customer", "fieldtype": "Link", "options": "Customer", "label": "Customer"},
	{"fieldname": "region", "fieldtype": "Link", "options": "Region", "fetch_from": "customer.region"},
	{"fieldname": "lead", "fieldtype": "Data", "fetch_from": "region.lead"},
	{"fieldname": "seller", "fieldtype": "Link", "options": "User"},
	{"fieldname": "paper", "fieldtype": "Link", "options": "Paper"}, {"fieldname": "twin", "fieldtype": "Link", "options": "Deal"},
	{"fieldname": "amended_from", "fieldtype": "Link", "options": "Deal"},
	{"fieldname": "kind", "fieldtype": "Data"}, {"fieldname": "party", "fieldtype": "Dynamic Link", "options": "kind", "label": "Party"},
	{"fieldname": "rows", "fieldtype": "Table", "options": "Deal Row"}],
	"permissions": [{"role": "Clerk", "read": 1, "write": 1, "create": 1, "submit": 1, "cancel": 1, "amend": 1}]}]`

// newDeals makes that service with its site. The clock stands still until it is set.
func newDeals(t testing.TB, change ...func(*frappems.Config)) (*site, *shop, *atomic.Int64) {
	t.Helper()
	types := strings.TrimSuffix(frappems.ShopDocTypes, "]") + "," + strings.TrimPrefix(paperDocType, "[")
	s := newSite(t, types, append([]string{"Paper"}, frappems.ShopResources...)...)
	s.shop.create("manager@acme", "Region", `{"title": "North", "lead": "Nora"}`)
	s.shop.create("manager@acme", "Customer", `{"customer_name": "Ada", "region": "North"}`, `{"customer_name": "Éva & Söhne"}`)
	s.shop.create("manager@acme", "Item", `{"__newname": "Bolt", "label": "A bolt", "price": 1.5}`, `{"__newname": "Nut", "price": 0.25}`)
	s.requests()
	now := new(atomic.Int64)
	config := func(c *frappems.Config) {
		c.Central, c.RemoteLinks = s.config(), frappems.CheckRemoteLinks
		c.Now = func() time.Time { return shopTime.Add(time.Duration(now.Load())) }
	}
	return s, newService(t, dealDocTypes, []string{"Deal"}, append([]func(*frappems.Config){config}, change...)...), now
}

// has fails unless an answer has a status, and holds a text.
func (got reply) has(t testing.TB, status int, text string) {
	t.Helper()
	if got.status != status || !strings.Contains(got.body, text) {
		t.Errorf("got %d %s, want %d with %s", got.status, got.body, status, text)
	}
}

// asked tells what Central was asked for: the last part of each path, by the order of the requests.
func (s *site) asked() string {
	var all []string
	for _, r := range s.requests() {
		all = append(all, r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
	}
	return strings.Join(all, " ")
}

func TestRemoteLinks(t *testing.T) {
	s, deals, now := newDeals(t)
	number := 0
	for _, test := range []struct {
		name   string
		in     string
		status int
		want   string // in the answer
		asked  string
	}{
		{"none", `{}`, 200, `"data"`, ""},
		{"there, in another spelling, with a fetch through a fetch", `{"customer": "ADA"}`, 200, `"customer":"Ada","region":"North","lead":"Nora"`, "Customer Region"},
		{"again", `{"customer": "ada"}`, 200, `"customer":"Ada","region":"North","lead":"Nora"`, ""},
		{"with letters", `{"customer": "éva & söhne"}`, 200, `"customer":"Éva \u0026 Söhne"`, "Customer"},
		{"not there", `{"customer": "Bob"}`, 417, "Could not find Customer: Bob", "Customer"},
		{"not there again", `{"customer": "Bob"}`, 417, "Could not find Customer: Bob", ""},
		{"all of a document at once", `{"customer": "Ada", "rows": [{"item": "bolt", "price": 7}, {"item": "Nut", "label": "mine"}, {"item": "Bolt", "label": "ours"}]}`, 200,
			`"item":"Bolt","price":1.5,"label":"A bolt"`, "Item"},
		{"two that are missing", `{"customer": "Cyd", "rows": [{"item": "Bolt"}, {"item": "Gear"}]}`, 417, "Could not find Customer: Cyd, Row #2: item: Gear", "Customer Item"},
		{"dynamic", `{"kind": "Item", "party": "bolt"}`, 200, `"party":"Bolt"`, "Item"},
		{"dynamic, missing", `{"kind": "Item", "party": "Gear"}`, 417, "Could not find Party: Gear", "Item"},
		{"dynamic, no such DocType", `{"kind": "Nothing", "party": "Gear"}`, 417, "Could not find Party: Gear", "Nothing"},
		{"dynamic, a path", `{"kind": "../method/ping", "party": "Gear"}`, 417, "Could not find Party: Gear", ""},
		{"dynamic, dots", `{"kind": "..", "party": "Gear"}`, 417, "Could not find Party: Gear", ""},
		{"the user", `{"seller": "clerk@acme"}`, 200, `"seller":"clerk@acme"`, ""},
		{"another user", `{"seller": "nobody@acme"}`, 417, "Could not find seller: nobody@acme", "User"},
		{"a list in the name", `{"customer": "[\"Ada\"]"}`, 417, "Could not find", "Customer"},
	} {
		number++
		in := strings.Replace(test.in, "{", fmt.Sprintf(`{"__newname": "D%d", `, number), 1)
		in = strings.Replace(in, `, }`, `}`, 1)
		t.Log(test.name)
		deals.send("clerk@acme", "POST", docPath("Deal"), in).has(t, test.status, test.want)
		if asked := s.asked(); asked != test.asked {
			t.Errorf("%s: Central was asked for %q, want %q", test.name, asked, test.asked)
		}
	}
	// What is there is believed for a minute, what is not for five seconds, by each tenant for itself.
	deals.send("clerk@globex", "POST", docPath("Deal"), `{"__newname": "G", "customer": "Ada"}`).has(t, 200, "")
	if asked := s.asked(); asked != "Customer Region" {
		t.Errorf("another tenant: Central was asked for %q", asked)
	}
	s.shop.create("manager@acme", "Customer", `{"customer_name": "Bob"}`)
	s.requests()
	now.Store(int64(6 * time.Second))
	deals.send("clerk@acme", "POST", docPath("Deal"), `{"__newname": "Later", "customer": "Bob"}`).has(t, 200, "")
	deals.send("clerk@acme", "PUT", docPath("Deal", "Later"), `{"customer": "Ada"}`).has(t, 200, `"region":"North"`)
	if asked := s.asked(); asked != "Customer" {
		t.Errorf("after five seconds: Central was asked for %q", asked)
	}
	now.Store(int64(time.Minute + time.Second))
	deals.send("clerk@acme", "PUT", docPath("Deal", "Later"), `{"kind": "x"}`).has(t, 200, "")
	if asked := s.asked(); asked != "Customer Region" {
		t.Errorf("after a minute: Central was asked for %q", asked)
	}
}

// TestRemoteLinksCancelled: a submitted document cannot link to one that is cancelled there.
func TestRemoteLinksCancelled(t *testing.T) {
	s, deals, _ := newDeals(t)
	s.shop.create("manager@acme", "Paper", `{"__newname": "P1", "docstatus": 1}`)
	s.shop.send("manager@acme", "PUT", docPath("Paper", "P1"), `{"docstatus": 2}`).has(t, 200, "")
	deals.send("clerk@acme", "POST", docPath("Deal"), `{"__newname": "D", "paper": "P1"}`).has(t, 417, "CancelledLinkError")
}

// TestRemoteLinksDown: whatever is wrong with Central, nothing is let in, and nothing is written.
func TestRemoteLinksDown(t *testing.T) {
	denied := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		io.WriteString(w, `{"exc_type": "PermissionError", "exception": "sesame"}`)
	}
	for _, test := range []struct {
		name   string
		fault  http.HandlerFunc
		status int
	}{
		{"a gateway", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sesame", http.StatusBadGateway) }, 503},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>sesame</html>") }, 503},
		{"nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 503},
		{"denied to the service", denied, 500},
		{"no list", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"data": {"name": "Ada"}}`) }, 500},
	} {
		s, deals, _ := newDeals(t)
		s.fail(test.fault)
		for _, in := range []string{`{"customer": "Ada"}`, `{"rows": [{"item": "Bolt"}]}`, `{"kind": "Item", "party": "Bolt"}`} {
			r := httptest.NewRequest("POST", docPath("Deal"), strings.NewReader(strings.Replace(in, "{", `{"__newname": "D", `, 1)))
			r.Header.Set("Authorization", "token clerk@acme:s")
			got := httptest.NewRecorder()
			deals.app.ServeHTTP(got, r)
			if got.Code != test.status || strings.Contains(got.Body.String(), "sesame") {
				t.Errorf("%s: %s: got %d %s, want %d", test.name, in, got.Code, got.Body, test.status)
			}
			if test.status == 503 && got.Header().Get("Retry-After") == "" {
				t.Errorf("%s: got no Retry-After", test.name)
			}
		}
		deals.get("clerk@acme", "Deal", "D").has(t, 404, "")
	}
}

// TestRemoteLinksFilter narrows what a tenant may link to.
func TestRemoteLinksFilter(t *testing.T) {
	_, deals, _ := newDeals(t, func(c *frappems.Config) {
		c.Central.LinkFilter = func(tenant, doctype string) [][]any {
			if doctype != "Customer" {
				return nil
			}
			return [][]any{{"region", "=", map[string]string{"acme": "North"}[tenant]}}
		}
	})
	deals.send("clerk@acme", "POST", docPath("Deal"), `{"__newname": "D", "customer": "Ada"}`).has(t, 200, "")
	deals.send("clerk@globex", "POST", docPath("Deal"), `{"__newname": "D", "customer": "Ada"}`).has(t, 417, "Could not find")
	deals.send("clerk@acme", "POST", docPath("Deal"), `{"__newname": "E", "customer": "Éva & Söhne"}`).has(t, 417, "Could not find")
}

// TestRemoteLinksAside: a Central that is slow keeps nobody waiting but those who need it, on a store with one writer either.
func TestRemoteLinksAside(t *testing.T) {
	s, deals, _ := newDeals(t)
	asked, free := make(chan struct{}), make(chan struct{})
	s.fail(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-free
	})
	done := make(chan reply)
	go func() {
		done <- deals.send("clerk@acme", "POST", docPath("Deal"), `{"__newname": "Slow", "customer": "Ada"}`)
	}()
	<-asked
	deals.send("clerk@acme", "POST", docPath("Deal"), `{"__newname": "Fast"}`).has(t, 200, "")
	s.fail(nil)
	close(free)
	(<-done).has(t, 200, `"customer":"Ada"`)
}

// TestRemoteLinksMany: a transaction that needs Central more often than it is begun again asks in between; an error that it passes over
// lets nothing in.
func TestRemoteLinksMany(t *testing.T) {
	s, deals, _ := newDeals(t)
	ctx := context.Background()
	for i := range 12 {
		s.shop.create("manager@acme", "Item", fmt.Sprintf(`{"__newname": "Item %d"}`, i))
	}
	db, err := deals.app.AsTenant(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	err = db.Tx(ctx, func(db *frappems.DB) error {
		tries++
		for i := range 12 {
			doc := map[string]any{"__newname": fmt.Sprintf("D%d", i), "kind": "Item", "party": fmt.Sprintf("item %d", i)}
			db.Insert(ctx, "Deal", doc)
		}
		return nil
	})
	if err != nil || tries > 10 {
		t.Fatalf("got %v after %d tries", err, tries)
	}
	if n, err := db.Count(ctx, "Deal", [][]any{{"party", "like", "Item%"}}); err != nil || n != 12 {
		t.Errorf("got %d documents, %v, want 12", n, err)
	}
	s.fail(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusBadGateway) })
	err = db.Tx(ctx, func(db *frappems.DB) error {
		db.Insert(ctx, "Deal", map[string]any{"__newname": "None", "kind": "Item", "party": "Nut"})
		return nil
	})
	wantCode(t, err, frappems.UnavailableError)
}
