package frappems_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// TestV2 calls API v2, whose answers stand under data and whose errors under errors. Want is the whole body, … any text; for an
// error it is its type.
func TestV2(t *testing.T) {
	s := newOffice(t)
	s.create("manager@acme", "Party", `{"title": "a/b c%"}`, `{"title": "x/method"}`)
	for _, test := range []struct {
		as, verb, path, body string
		status               int
		want                 string
	}{
		{"clerk", "GET", "document/Party?order_by=name&limit=2", ``, 200, `{"data":[{"name":"a/b c%"},{"name":"Ada"}]}`},
		{"clerk", "GET", "document/party?order_by=name&limit=2&start=2", ``, 200, `{"data":[{"name":"Adam"},{"name":"Bob"}],"has_next_page":true}`},
		{"clerk", "GET", "document/Party?order_by=name&limit=2&start=4", ``, 200, `{"data":[{"name":"Cara"},{"name":"x/method"}],"has_next_page":false}`},
		{"clerk", "GET", "document/Party?start=0&limit=0", ``, 200, `{"data":[…],"has_next_page":false}`},
		{"clerk", "GET", `document/Party?fields=["name","city"]&filters={"city":["like","B%25"]}&as_dict=false`, ``, 200, `{"data":[["Ada","Bern"]]}`},
		{"clerk", "HEAD", "document/Party", ``, 200, `{"data":[…`},
		{"manager", "GET", `document/Bill%20Line?parent=Bill&fields=["what"]&order_by=idx&start=0`, ``, 200, `{"data":[{"what":"pen"},{"what":"ink"}],"has_next_page":false}`},
		{"manager", "GET", "document/Bill%20Line", ``, 403, "PermissionError"},
		{"clerk", "GET", "document/Party?filter={}", ``, 417, "ValidationError"},
		{"clerk", "GET", "document/Party/Bob", ``, 200, `{"data":{"name":"Bob",…"city":"Radagast","limit":0.0,"disabled":0,"doctype":"Party"}}`},
		{"clerk", "GET", "document/Party/Bob/", ``, 200, `{"data":{"name":"Bob",…`},
		{"clerk", "GET", "document/Party/a/b%20c%25", ``, 200, `{"data":{"name":"a/b c%",…`},
		{"clerk", "GET", "document/Party/x%2Fmethod", ``, 200, `{"data":{"name":"x/method",…`},
		{"clerk", "GET", "document/Party/Nobody", ``, 404, "DoesNotExistError"},
		{"viewer", "GET", "document/Party/Bob", ``, 403, "PermissionError"},
		{"manager", "GET", "document/Office/Office", ``, 200, `{"data":{"name":"Office",…`},
		{"manager", "POST", "document/Party", `{"title": "V2", "city": "Rom"}`, 200, `{"data":{"name":"V2",…"city":"Rom",…`},
		{"manager", "POST", "document/Party", `{}`, 417, "ValidationError"},
		{"manager", "POST", "document/Party", `{"title": "V2"}`, 409, "DuplicateEntryError"},
		{"clerk", "POST", "document/Party", `{"title": "V3"}`, 403, "PermissionError"},
		{"clerk", "PATCH", "document/Party/V2", `{"city": "Bonn"}`, 200, `{"data":{"name":"V2",…"city":"Bonn",…`},
		{"clerk", "PUT", "document/Party/V2", `{"city": "Köln"}`, 200, `{"data":{"name":"V2",…"city":"Köln",…`},
		{"clerk", "POST", "document/Party/V2", `{"city": "Bonn"}`, 405, "MethodNotAllowed"},
		{"clerk", "DELETE", "document/Party/V2", ``, 403, "PermissionError"},
		{"manager", "DELETE", "document/Party/V2", ``, 202, `{"data":"ok"}`},
		{"manager", "DELETE", "document/Party/V2", ``, 404, "DoesNotExistError"},
		{"manager", "DELETE", "document/Party", ``, 405, "MethodNotAllowed"},
		{"manager", "OPTIONS", "document/Party/Ada", ``, 200, ``},

		{"clerk", "GET", "doctype/Party/count", ``, 200, `{"data":6}`},
		{"clerk", "GET", `doctype/party/count?filters={"kind":"Person"}`, ``, 200, `{"data":1}`},
		{"clerk", "GET", "doctype/Party/search?txt=ada&limit=1", ``, 200, `{"data":[{"value":"Adam","description":"Adam, Person, Ulm"}]}`},
		{"clerk", "GET", "doctype/Bill/meta", ``, 200, `{"data":{"doctype":"DocType","name":"Bill",…"fieldname":"lines","fieldtype":"Table",…"is_submittable":1,…`},
		{"clerk", "GET", "doctype/Bill%20Line/meta", ``, 200, `{"data":{"doctype":"DocType","name":"Bill Line",…`},
		{"stranger", "GET", "doctype/Bill/meta", ``, 403, "PermissionError"},
		{"clerk", "POST", "doctype/Bill/meta", `{}`, 403, "PermissionError"},
		{"clerk", "GET", "doctype/Bill/nothing", ``, 404, "DoesNotExistError"},
		{"clerk", "GET", "doctype/Bill", ``, 404, "DoesNotExistError"},

		{"clerk", "GET", "method/ping", ``, 200, `{"data":"pong"}`},
		{"clerk", "GET", `method/frappe.client.get_list?doctype=Party&limit=1&order_by=name+desc`, ``, 200, `{"data":[{"name":"x/method"}]}`},
		{"clerk", "GET", "method/no.such", ``, 417, "ValidationError"},
		{"clerk", "GET", "method/a/b/c", ``, 404, "DoesNotExistError"},
		{"manager", "POST", "method/frappe.client.rename_doc", `{"doctype": "Party", "old_name": "a/b c%", "new_name": "Abc"}`, 200,
			`{"data":"Abc","messages":[{"message": "Document renamed from \u003cstrong\u003ea/b c%\u003c/strong\u003e to \u003cstrong\u003eAbc\u003c/strong\u003e", "title": "Message", "indicator": "green", "alert": 1}]}`},

		{"manager", "POST", "document/Bill/B2/method/submit", `{}`, 200, `{"data":{"name":"B2",…"docstatus":1,…"docs":[{"name":"B2",…"docstatus":1,…`},
		{"clerk", "POST", "document/Bill/B2/method/cancel", `{}`, 403, "PermissionError"},
		{"manager", "GET", "document/Bill/B2/method/cancel", ``, 403, "PermissionError"},
		{"manager", "PUT", "document/Bill/B2/method/cancel", `{}`, 405, "MethodNotAllowed"},
		{"manager", "POST", "document/Bill/B2/method/on_trash", `{}`, 403, "PermissionError"},
		{"manager", "POST", "document/Bill/Nothing/method/submit", `{}`, 404, "DoesNotExistError"},
		{"manager", "POST", "method/run_doc_method", `{"method": "cancel", "document": {"doctype": "Bill", "name": "B2", "modified": "x"}, "kwargs": {}}`, 417, "TimestampMismatchError"},

		{"clerk", "POST", "document/Party/bulk_update", `{"docs": [{"name": "Bob", "city": "n1"}, {"name": "Ghost"}, {"city": "x"}, 7]}`, 200,
			`{"data":{"failed":[{"error":"…Party Ghost not found","name":"Ghost"},{"error":"…","name":""},{"error":"…","name":null}],"failure_count":3,"success_count":1,"total":4,"updated":["Bob"]},"docs":[{"name":"Bob",…"city":"n1",…`},
		{"manager", "POST", "method/bulk_update", `{"docs": [{"doctype": "Party", "name": "Bob", "city": "n2"}, {"doctype": "Vault", "name": "x"}]}`, 200,
			`{"data":{"failed":[{"doctype":"Vault","error":"…DocType Vault not found","name":"x"}],"failure_count":1,"success_count":1,"total":2,"updated":[{"doctype":"Party","name":"Bob"}]},"docs":…`},
		{"manager", "POST", "document/Job/bulk_delete", `{"names": [1, "99", {"name": 1}]}`, 200, `{"data":{"deleted":["1"],"failed":[{"error":"…","name":"99"},{"error":"…","name":"…"}],"failure_count":2,"success_count":1,"total":3}}`},
		{"manager", "POST", "method/bulk_delete", `{"docs": [{"doctype": "Party", "name": "Cara"}, {"doctype": "Party", "name": "Cara"}]}`, 200,
			`{"data":{"deleted":[{"doctype":"Party","name":"Cara"}],"failed":[{"doctype":"Party","error":"…","name":"Cara"}],"failure_count":1,"success_count":1,"total":2}}`},
		{"manager", "POST", "document/Party/bulk_delete", `{"names": "x"}`, 417, "ValidationError"},
		{"manager", "POST", "document/Party/bulk_update", `{"docs": [` + strings.Repeat(`{},`, 200) + `{}]}`, 417, "ValidationError"},
		{"", "POST", "document/Party/bulk_delete", `{"names": ["Ada"]}`, 403, "PermissionError"},
		{"", "GET", "document/Party", ``, 403, "PermissionError"},
	} {
		as := test.as
		if as != "" {
			as += "@acme"
		}
		got := s.send(as, test.verb, "/api/v2/"+test.path, test.body)
		var answer struct {
			Errors []struct{ Type, Message string }
		}
		if test.status >= 400 {
			if err := json.Unmarshal([]byte(got.body), &answer); err != nil || len(answer.Errors) != 1 || answer.Errors[0].Type != test.want || got.Type != "" {
				t.Errorf("%s %s: no errors of the type %s: %s", test.verb, test.path, test.want, got.body)
			}
		}
		if got.status != test.status || test.status < 400 && !matches(got.body, test.want) {
			t.Errorf("%s %s %s as %s: %d %s\n\twant %d %s", test.verb, test.path, test.body, test.as, got.status, got.body, test.status, test.want)
		}
	}
}

// TestRunMethod: API v1 runs a document's method that the query, a form or JSON names.
func TestRunMethod(t *testing.T) {
	s := newOffice(t)
	path := "/api/resource/Bill/B1"
	s.send("manager@acme", "GET", path+"?run_method=submit", "").want(t, 403, "PermissionError")
	s.send("manager@acme", "POST", path, `{}`).want(t, 417, "ValidationError")
	s.send("manager@acme", "POST", path+"?run_method=validate", `{}`).want(t, 403, "PermissionError")
	s.send("clerk@acme", "POST", path+"?run_method=submit", `{}`).want(t, 403, "PermissionError")
	if d := s.send("manager@acme", "POST", path+"?run_method=submit", `{}`).data(t); d["docstatus"] != 1.0 {
		t.Errorf("submitted: %v", d)
	}
	if d := s.send("manager@acme", "POST", path, `{"run_method": "cancel"}`).data(t); d["docstatus"] != 2.0 {
		t.Errorf("cancelled: %v", d)
	}
	got := s.sendAs("manager@acme", "POST", "/api/resource/Party/Adam", "run_method=rename&name=Eve", map[string]string{"Content-Type": formType})
	got.want(t, 200, `{"data":"Eve"}`)
	if got := s.list("manager@acme", "Party", "order_by", "name").names(t); got != "Ada Bob Cara Eve" {
		t.Errorf("there is %s", got)
	}
}

// TestDocMethods: methods of documents, by every way in, with the arguments, the right and the transaction that they need.
func TestDocMethods(t *testing.T) {
	s := newUnstarted(t, officeDocTypes)
	for _, doctype := range officeResources {
		s.app.Resource(doctype)
	}
	frappems.AddDocMethod(s.app, "Party", "greet", true, func(_ context.Context, _ *frappems.DB, d *frappems.Doc, args map[string]json.RawMessage) (any, error) {
		return map[string]any{"hello": d.Get("city"), "args": args}, nil
	})
	frappems.AddDocMethod(s.app, "Party", "move", false, func(ctx context.Context, db *frappems.DB, d *frappems.Doc, args map[string]json.RawMessage) (any, error) {
		if err := d.Set("city", args["to"]); err != nil {
			return nil, err
		}
		if err := db.Save(ctx, d); err != nil {
			return nil, err
		}
		if args["fail"] != nil {
			return nil, frappems.Invalid("it fails")
		}
		return nil, nil
	})
	s.start()
	furnish(s)
	ada := s.get("manager@acme", "Party", "Ada").data(t)
	held := func(city string) string {
		return fmt.Sprintf(`{"doctype": "Party", "name": "Ada", "modified": %q, "city": %q}`, ada["modified"], city)
	}
	for _, test := range []struct {
		as, verb, path, body string
		status               int
		want                 string
	}{
		{"clerk", "GET", "resource/Party/Ada?run_method=greet&x=1", ``, 200, `{"data":{"args":{"x":"1"},"hello":"Bern"}}`},
		{"clerk", "POST", "resource/Party/Ada?run_method=greet", `{"x": 1}`, 200, `{"data":{"args":{"x":1},"hello":"Bern"}}`},
		{"clerk", "GET", "v2/document/Party/Ada/method/greet", ``, 200, `{"data":{"args":{},"hello":"Bern"},"docs":[{"name":"Ada",…}]}`},
		{"clerk", "GET", "method/run_doc_method?dt=Party&dn=Ada&method=greet&args={}", ``, 200, `{"message":{"args":{},"hello":"Bern"},"docs":[…]}`},
		{"clerk", "POST", "method/run_doc_method", `{"docs": ` + held("Oslo") + `, "method": "greet", "args": {"y": 2}}`, 200, `{"message":{"args":{"y":2},"hello":"Oslo"},"docs":[…]}`},
		{"clerk", "POST", "v2/method/run_doc_method", `{"document": ` + held("Rome") + `, "method": "greet", "kwargs": {}}`, 200, `{"data":{"args":{},"hello":"Rome"},"docs":[…]}`},
		{"viewer", "GET", "v2/document/Party/Ada/method/greet", ``, 403, ``},
		{"viewer", "GET", "v2/document/Party/Nobody/method/greet", ``, 403, ``},
		{"stranger", "POST", "method/run_doc_method", `{"dt": "Party", "dn": "Nobody", "method": "greet"}`, 403, ``},
		{"", "GET", "v2/document/Party/Ada/method/greet", ``, 403, ``},
		{"clerk", "GET", "resource/Party/Ada?run_method=move&to=X", ``, 403, ``},
		{"clerk", "GET", "v2/document/Party/Ada/method/move?to=X", ``, 403, ``},
		{"clerk", "POST", "v2/document/Bill/B1/method/greet", `{}`, 403, ``},
		{"clerk", "POST", "v2/document/Party/Ada/method/move", `{"to": "Lost", "fail": 1}`, 417, ``},
		{"clerk", "GET", "resource/Party/Ada?run_method=greet", ``, 200, `{"data":{"args":{},"hello":"Bern"}}`},
		{"clerk", "POST", "v2/document/Party/Ada/method/move", `{"to": "Kiel"}`, 200, `{"docs":[{"name":"Ada",…"city":"Kiel",…}]}`},
		{"clerk", "POST", "method/run_doc_method", `{"docs": ` + held("Old") + `, "method": "greet"}`, 417, ``},
	} {
		as := test.as
		if as != "" {
			as += "@acme"
		}
		got := s.send(as, test.verb, "/api/"+test.path, test.body)
		if got.status != test.status || test.want != "" && !matches(got.body, test.want) {
			t.Errorf("%s %s %s as %s: %d %s\n\twant %d %s", test.verb, test.path, test.body, test.as, got.status, got.body, test.status, test.want)
		}
	}
	// A client of v15 gets no more than v15 sends.
	got := s.sendAs("clerk@acme", "POST", "/api/v2/document/Party/Ada/method/greet", "", nil)
	got.want(t, 200, `{"data":{"args":{},"hello":"Kiel"}}`)
}

// pages walks through a list by cursors, and gives the names of each page.
func (s *shop) pages(as, path string, query url.Values) (all []string) {
	s.t.Helper()
	query.Set("after", "")
	for range 50 {
		got := s.send(as, "GET", path+"?"+query.Encode(), "")
		var page struct {
			Next   *string `json:"next_cursor"`
			More   bool    `json:"has_next_page"`
			Exists any     `json:"data"`
		}
		if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != 200 || page.More != (page.Next != nil) {
			s.t.Fatalf("%s %v: %d %s", path, query, got.status, got.body)
		}
		all = append(all, got.names(s.t))
		if page.Next == nil {
			return all
		}
		query.Set("after", *page.Next)
	}
	s.t.Fatal("the pages do not end")
	return nil
}

// TestKeysetPages: pages after a row have every row once, in the order of the whole list, whatever it is, with equal and empty
// values, and documents that come and go.
func TestKeysetPages(t *testing.T) {
	s := newOffice(t)
	for i := range 20 {
		body := fmt.Sprintf(`{"title": "P%02d", "limit": %d}`, i, i%3)
		if i%4 > 0 {
			body = fmt.Sprintf(`{"title": "P%02d", "limit": %d, "city": "C%d", "kind": "Person"}`, i, i%3, i%2)
		}
		s.create("manager@acme", "Party", body)
	}
	for _, order := range []string{"", "name", "name desc", "city", "city desc, limit", "limit desc, city asc", "creation", "modified desc", "kind desc, city desc, limit desc"} {
		for _, limit := range []string{"1", "3", "7", "24", "100"} {
			query := url.Values{"order_by": {order}, "limit": {limit}, "filters": {`{"name": ["!=", "Ada"]}`}}
			whole := s.list("clerk@acme", "Party", "order_by", order, "limit", "0", "filters", `{"name": ["!=", "Ada"]}`).names(t)
			for _, path := range []string{docPath("Party"), "/api/v2/document/Party"} {
				if got := strings.Join(s.pages("clerk@acme", path, query), " "); got != whole {
					t.Errorf("order %q by %s: %s\n\twant %s", order, limit, got, whole)
				}
			}
		}
	}
	// A page goes on after its last row, though rows before it have gone and come.
	first := s.send("clerk@acme", "GET", docPath("Party")+"?order_by=name&limit=3&after=", "")
	var page struct {
		Next string `json:"next_cursor"`
	}
	if err := json.Unmarshal([]byte(first.body), &page); err != nil {
		t.Fatal(err)
	}
	s.create("manager@acme", "Party", `{"title": "Aaa"}`)
	s.send("manager@acme", "DELETE", docPath("Party", "Adam"), "").want(t, 202, `{"data":"ok"}`)
	if got := s.list("clerk@acme", "Party", "order_by", "name", "limit", "2", "after", page.Next).names(t); got != "Cara P00" {
		t.Errorf("after %s comes %s", first.names(t), got)
	}
	if got := s.list("clerk@acme", "Party", "order_by", "name", "limit", "2", "after", "Cara").names(t); got != "P00 P01" {
		t.Errorf("after Cara comes %s", got)
	}
	for _, wrong := range [][]string{
		{"after", page.Next, "order_by", "name desc"}, {"after", page.Next, "order_by", "name", "filters", `{"city": "x"}`}, {"after", "Nobody"}, {"after", "Adam", "order_by", "name"},
		{"after", "", "limit_start", "5"}, {"after", "", "fields", `["count(name) as n"]`}, {"after", "", "group_by", "city", "fields", `["city"]`},
		{"after", "eyJRdWVyeSI6IiIsIlBsYWNlIjpbXX0"},
	} {
		s.list("clerk@acme", "Party", wrong...).want(t, 417, "ValidationError")
	}
	s.list("manager@acme", "Bill", "after", "", "fields", `["name", "lines.what"]`).want(t, 417, "ValidationError")
	s.list("viewer@acme", "Party", "after", "").want(t, 417, "ValidationError") // its order is by what the user may not read
	if got := s.pages("viewer@acme", docPath("Party"), url.Values{"order_by": {"name"}, "limit": {"20"}}); len(got) != 2 {
		t.Errorf("pages %v", got)
	}
	s.list("clerk@globex", "Party", "after", "Ada", "order_by", "name").want(t, 417, "ValidationError")
}

// TestExpandChildren: the rows of tables come along with the documents of a list, each as in the document itself, by one more
// statement for a table.
func TestExpandChildren(t *testing.T) {
	s := newOffice(t)
	s.create("manager@acme", "Bill", `{"name": "B0", "lines": [{"what": "a"}, {"what": "b"}], "inner": [{"what": "hidden", "cost": 3}]}`)
	for _, user := range []string{"manager@acme", "clerk@acme"} {
		s.store.Take()
		got := s.list(user, "Bill", "fields", `["name", "note"]`, "order_by", "name desc", "expand_children", "lines,inner")
		if n, most := len(s.store.Take()), 3; n > most {
			t.Errorf("%d statements for a list with two tables", n)
		}
		var list struct{ Data []map[string]any }
		if err := json.Unmarshal([]byte(got.body), &list); err != nil || len(list.Data) != 3 {
			t.Fatalf("%s", got.body)
		}
		for i, name := range []string{"B2", "B1", "B0"} {
			document := s.get(user, "Bill", name).data(t)
			for _, key := range []string{"name", "lines", "inner"} {
				want, _ := json.Marshal(document[key])
				if have, _ := json.Marshal(list.Data[i][key]); string(have) != string(want) {
					t.Errorf("%s of %s for %s: %s\n\twant %s", key, name, user, have, want)
				}
			}
		}
	}
	got := s.list("manager@acme", "Bill", "expand_children", `["lines"]`, "limit", "1", "order_by", "name", "has_next_page", "1")
	if !matches(got.body, `{"data":[{"name":"B0","lines":[{"name":…"what":"a",…{"name":…"what":"b",…"has_next_page":true}`) {
		t.Errorf("a page: %s", got.body)
	}
	s.list("manager@acme", "Bill", "expand_children", "lines", "filters", `{"name": "none"}`).want(t, 200, `{"data":[]}`)
	s.list("manager@acme", "Bill", "expand_children", "note").want(t, 417, "DataError")
	s.list("manager@acme", "Bill", "expand_children", "lines`; --").want(t, 417, "DataError")
	s.list("manager@acme", "Bill", "expand_children", "lines", "as_dict", "0").want(t, 417, "DataError")
	s.list("manager@acme", "Bill", "expand_children", "lines", "fields", `["count(name) as n"]`).want(t, 417, "ValidationError")
	s.list("manager@acme", "Bill", "expand_children", "lines", "filters", `[["Bill Line", "what", "=", "a"]]`).want(t, 417, "ValidationError")
	s.list("stranger@acme", "Bill", "expand_children", "lines").want(t, 403, "PermissionError")
	shop := newShop(t)
	twins(shop)
	shop.list("viewer@acme", "Order", "expand_children", "items").want(t, 403, "PermissionError") // who may only select
	if got := shop.list("manager@globex", "Order", "expand_children", "items,hidden"); strings.Contains(got.body, "acme") {
		t.Errorf("another tenant's rows: %s", got.body)
	}
}
