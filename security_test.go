package frappems_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// Tests named TestSecurity and a number are those of the rows of a list of attacks that were seen on Frappe and its like. Those
// of injection and tenants are in attack_test.go, those of methods in rpc_test.go.

// TestSecurity02CountIsTheList: a count goes through the same query as the list.
func TestSecurity02CountIsTheList(t *testing.T) {
	s := market(t)
	for _, user := range []string{"manager@acme", "clerk@acme", "maker@acme", "seller@acme", "packer@acme", "manager@globex"} {
		for _, doctype := range []string{"Customer", "Order"} {
			for _, filters := range []string{``, `{"docstatus": 0}`, `{"name": ["like", "%A%"]}`, `[["owner", "=", "manager@acme"], "or", ["name", "=", "B"]]`} {
				list := s.list(user, doctype, "filters", filters, "limit", "0")
				count := s.list(user, doctype, "filters", filters, "fields", `["count(name) as name"]`)
				if list.status != count.status || list.status == 200 && count.names(t) != fmt.Sprint(strings.Count(list.body, `"name"`)) {
					t.Errorf("%s %s %s: the list is %s, the count %s", user, doctype, filters, list.body, count.body)
				}
			}
		}
	}
}

// TestSecurity05NoStatementOfClients: SQL that a client sends for a field, an order or a method's argument is none.
func TestSecurity05NoStatementOfClients(t *testing.T) {
	s := newShop(t)
	for _, text := range []string{"name into outfile '/tmp/x'", "name from `tabCustomer` into dumpfile '/tmp/x' -- ", "load_file('/etc/passwd')",
		"select name into outfile '/tmp/x' from `tabCustomer`", "name procedure analyse()", "name for update"} {
		for _, parameter := range []string{"order_by", "group_by"} {
			s.list("admin@acme", "Customer", parameter, text).want(t, 417, "DataError")
			s.call("admin@acme", "POST", "frappe.desk.reportview.get", fmt.Sprintf(`{"doctype": "Customer", %q: %q}`, parameter, text)).want(t, 417, "DataError")
		}
		quoted := fmt.Sprintf("[%q]", text)
		s.list("admin@acme", "Customer", "fields", quoted).want(t, 417, "DataError")
		s.call("admin@acme", "POST", "frappe.client.get_value", fmt.Sprintf(`{"doctype": "Customer", "fieldname": %q}`, quoted)).want(t, 417, "DataError")
		got := s.call("admin@acme", "POST", "frappe.desk.search.search_link", fmt.Sprintf(`{"doctype": "Customer", "txt": "", "query": %q}`, text))
		got.want(t, 417, "ValidationError")
	}
	for _, statement := range s.store.CheckAll(t, "acme") {
		if text := strings.ToLower(statement.Text); strings.Contains(text, "file") || strings.Contains(text, "into") {
			t.Errorf("a statement has it: %s", statement.Text)
		}
	}
}

// TestSecurity06OnlyRegistered: a DocType that is not served answers as one that does not exist, for every verb, and is not
// reached through links, rows or other keys.
func TestSecurity06OnlyRegistered(t *testing.T) {
	s := newService(t, frappems.ShopDocTypes, []string{"Customer", "Order"})
	for _, doctype := range []string{"Vault", "vault", "Item", "Ticket", "Settings", "User", "DocType", "__Auth", "__passwords", "__singles", "tabVault", "Customer%20", "customer ", "Customers"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			for _, path := range []string{docPath(doctype), docPath(doctype, "x"), strings.Replace(docPath(doctype), "/api/", "/api/v1/", 1), docPath(doctype) + "/"} {
				got := s.send("admin@acme", method, path, "")
				other := s.send("admin@acme", method, strings.Replace(path, docPath(doctype)[len("/api/resource/"):], "Nothing", 1), "")
				if got.status != 404 || got.status != other.status {
					t.Errorf("%s %s: %d, and for a DocType that is not there %d", method, path, got.status, other.status)
				}
			}
		}
	}
	for _, body := range []string{`{"customer_name": "X", "doctype": "Vault"}`, `{"doctype": "Ticket", "customer_name": "Y", "cmd": "frappe.client.insert"}`} {
		if got := s.send("admin@acme", "POST", docPath("Customer"), body); got.data(t)["doctype"] != "Customer" {
			t.Errorf("%s: %s", body, got.body)
		}
	}
	for _, path := range []string{"/", "/?cmd=frappe.client.get_list&doctype=Vaults", "/api/method/frappe.client.get_list?doctype=Vaults", "/api", "/api/resource", "/api/resource/", "/api/nothing", "/app", "/files/x", "/private/files/x"} {
		for _, method := range []string{"GET", "POST"} {
			if got := s.send("admin@acme", method, path, `{}`); got.status != 404 {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			}
		}
	}
}

// TestSecurity07EveryRoute calls every verb of every resource as those who must get nothing.
func TestSecurity07EveryRoute(t *testing.T) {
	s := newShop(t)
	twins(s)
	for _, doctype := range frappems.ShopResources {
		name := "Ada"
		if doctype == "Settings" {
			name = doctype
		}
		for _, user := range []string{"", "stranger@acme", "lost"} {
			for _, step := range []struct{ method, path string }{{"GET", docPath(doctype)}, {"GET", docPath(doctype, name)}, {"POST", docPath(doctype)}, {"PUT", docPath(doctype, name)}, {"DELETE", docPath(doctype, name)}, {"POST", docPath(doctype, name)}} {
				got := s.send(user, step.method, step.path, `{"customer_name": "X", "name": "X", "title": "X", "subject": "X", "run_method": "x"}`)
				if got.status < 400 || got.status >= 500 || strings.Contains(got.body, "of acme") {
					t.Errorf("%s %s as %q: %d %s", step.method, step.path, user, got.status, got.body)
				}
			}
		}
	}
}

// TestSecurity08NothingWithoutAPolicy: a method is not registered without a policy, and frappems' own, which take the name of a
// document, ask for the rights that the user has in it.
func TestSecurity08NothingWithoutAPolicy(t *testing.T) {
	s := newUnstarted(t, frappems.ShopDocTypes)
	handler := frappems.JSON(func(context.Context, struct{}) (int, error) { return 1, nil })
	if problem := panicOf(func() { s.app.Method("a.b", nil, handler) }); !strings.Contains(problem, "the policy is nil") {
		t.Errorf("without a policy: %q", problem)
	}
	s.app.Method("refuses", func(*frappems.User) bool { return false }, handler)
	for _, doctype := range frappems.ShopResources {
		s.app.Resource(doctype)
	}
	s.start()
	s.create("manager@acme", "Ticket", `{"subject": "of the manager"}`)
	for _, user := range []string{"admin@acme", "manager@acme", ""} {
		s.call(user, "POST", "refuses", `{}`).want(t, 403, "PermissionError")
	}
	// A clerk may have tickets, and this one is another's.
	for method, args := range allMethods("Ticket", "1") {
		got := s.call("clerk@acme", "POST", method, args)
		if strings.Contains(got.body, "of the manager") || got.status == 200 && strings.Contains(got.body, `"updated":["1"]`) {
			t.Errorf("%s: %d %s", method, got.status, got.body)
		}
	}
	if d := s.get("manager@acme", "Ticket", "1").data(t); d["subject"] != "of the manager" || d["modified_by"] != "manager@acme" {
		t.Errorf("the ticket is %v", d)
	}
}

// TestSecurity09OtherTenantsRecord: every verb on a record of another tenant is as on none, in status and bytes.
func TestSecurity09OtherTenantsRecord(t *testing.T) {
	s := newShop(t)
	twins(s)
	for _, user := range []string{"manager@acme", "clerk@acme", "admin@acme", "stranger@acme", "maker@acme"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			there, nowhere := s.send(user, method, docPath("Customer", "Glx"), `{"notes": "x"}`), s.send(user, method, docPath("Customer", "Nil"), `{"notes": "x"}`)
			if there.status != nowhere.status || strings.ReplaceAll(there.body, "Glx", "Nil") != nowhere.body {
				t.Errorf("%s as %s: %d %s and %d %s", method, user, there.status, there.body, nowhere.status, nowhere.body)
			}
		}
	}
}

// TestSecurity09RestrictedRecord: a user whose User Permissions leave out a record neither sees nor changes it, whatever way leads
// there.
func TestSecurity09RestrictedRecord(t *testing.T) {
	s := staffed(t)
	order := s.create("manager@acme", "Order", `{"customer": "Bob", "status": "Done", "items": [{"item": "Bolt", "note": "note of Bob"}]}`)
	s.create("manager@acme", "Ticket", `{"subject": "note of Bob", "customer": "Bob"}`)
	for doctype, name := range map[string]string{"Customer": "Bob", "Order": order, "Ticket": "1"} {
		before := s.get("manager@acme", doctype, name).body
		path := docPath(doctype, name)
		for _, step := range []struct{ method, path, body string }{
			{"GET", path, ""}, {"HEAD", path, ""}, {"PUT", path, `{"notes": "x", "customer": "Ada"}`}, {"DELETE", path, ""}, {"POST", path, `{"run_method": "submit"}`},
			{"GET", "/api/v2/document/" + doctype + "/" + name, ""}, {"PATCH", "/api/v2/document/" + doctype + "/" + name, `{"status": "Open"}`},
			{"DELETE", "/api/v2/document/" + doctype + "/" + name, ""}, {"POST", "/api/v2/document/" + doctype + "/" + name + "/method/cancel", `{}`},
		} {
			if got := s.send("seller@acme", step.method, step.path, step.body); got.status != 403 || strings.Contains(got.body, "note") {
				t.Errorf("%s %s: %d %s", step.method, step.path, got.status, got.body)
			}
		}
		for method, args := range allMethods(doctype, name) {
			for _, verb := range []string{"GET", "POST"} {
				if got := s.call("seller@acme", verb, method, args); strings.Contains(got.body, "note") || strings.Contains(got.body, `"status":"Done"`) {
					t.Errorf("%s %s of %s: %d %s", verb, method, doctype, got.status, got.body)
				}
			}
		}
		s.call("seller@acme", "POST", "frappe.client.get_list", `{"doctype": "Order Line", "parent": "Order", "fields": ["note"]}`).want(t, 200, `{"message":[]}`)
		s.call("seller@acme", "POST", "frappe.client.get", `{"doctype": "Order Line", "parent": "Order", "filters": {"note": ["like", "%"]}}`).want(t, 404, "DoesNotExistError")
		s.send("seller@acme", "GET", "/api/v2/doctype/"+doctype+`/count?filters={"name":"`+name+`"}`, "").want(t, 200, `{"data":0}`)
		if after := s.get("manager@acme", doctype, name).body; after != before {
			t.Errorf("%s was changed from %s to %s", name, before, after)
		}
	}
}

// TestSecurity10Identity: who calls and what a document is comes from nothing that a client sends beside its credentials.
func TestSecurity10Identity(t *testing.T) {
	s := staffed(t)
	for _, parameter := range []string{"user", "usr", "sid", "owner", "tenant", "tenant_id", "as_user", "ignore_permissions", "flags", "authorization", "Authorization", "api_key"} {
		for _, value := range []string{"Administrator", "manager@acme", "token manager@acme:s", "1"} {
			if got := s.list("stranger@acme", "Customer", parameter, value); got.status != 403 && got.status != 417 {
				t.Errorf("?%s=%s: %d %s", parameter, value, got.status, got.body)
			}
		}
	}
	for _, header := range []string{"X-Tenant", "X-Tenant-Id", "X-Frappe-Site-Name", "X-Frappe-User", "X-User", "X-Forwarded-User", "X-Internal-Token", "Cookie"} {
		got := s.sendAs("clerk@acme", "GET", docPath("Customer", "Ada"), "", map[string]string{header: "globex"})
		if got.want(t, 200, ""); strings.Contains(got.body, "secret") {
			t.Errorf("%s: %s", header, got.body)
		}
		s.sendAs("", "GET", docPath("Customer", "Ada"), "", map[string]string{header: "Administrator"}).want(t, 403, "PermissionError")
	}
	got := s.send("clerk@acme", "POST", docPath("Customer"), `{"customer_name": "X", "user": "Administrator", "modified_by": "Administrator", "ignore_permissions": true, "flags": {"ignore_permissions": true}, "parent": "Ada", "parenttype": "Customer",
		"parentfield": "x", "_user_tags": "t", "__islocal": 1, "docstatus": 0, "doctype": "User"}`)
	if d := got.data(t); d["owner"] != "clerk@acme" || d["modified_by"] != "clerk@acme" || d["parent"] != nil || d["doctype"] != "Customer" {
		t.Errorf("got %s", got.body)
	}
}

// TestSecurity11UpdateChecksBothStates: a change needs the right to what is stored and to what comes of it; what is shown is
// JSON that no browser takes for a page.
func TestSecurity11UpdateChecksBothStates(t *testing.T) {
	s := staffed(t)
	own, other := s.create("manager@acme", "Order", `{"customer": "Ada"}`), s.create("manager@acme", "Order", `{"customer": "Bob"}`)
	s.send("seller@acme", "PUT", docPath("Order", other), `{"customer": "Ada"}`).want(t, 403, "PermissionError")
	s.send("seller@acme", "PUT", docPath("Order", own), `{"customer": "Bob"}`).want(t, 403, "PermissionError")
	s.create("manager@acme", "Item", `{"name": "X", "label": "<script>alert(1)</script><img src=x onerror=alert(1)>"}`)
	got := s.get("manager@acme", "Item", "X")
	if strings.ContainsAny(got.body, "<>") || strings.Contains(got.body, "onerror=") && !strings.Contains(got.body, `\u0026lt;`) {
		t.Errorf("markup in the answer: %s", got.body)
	}
	for _, answer := range []reply{got, s.get("manager@acme", "Item", "<b>"), s.list("manager@acme", "Item", "filters", `{"<b>": 1}`), s.send("", "GET", docPath("Item", "<b>"), "")} {
		if h := answer.header; h.Get("Content-Type") != "application/json; charset=utf-8" || h.Get("X-Content-Type-Options") != "nosniff" || strings.Contains(answer.body, "<b>") {
			t.Errorf("%v %s", h, answer.body)
		}
	}
}

// TestSecurity12GetNeverWrites: GET and HEAD run no statement but SELECT, whatever they carry.
func TestSecurity12GetNeverWrites(t *testing.T) {
	s := market(t)
	s.store.Take()
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		for _, path := range []string{docPath("Customer"), docPath("Customer", "A"), docPath("Customer", "Nobody"), docPath("Order"), docPath("Order", "SO-2026-0001"), docPath("Settings", "Settings"), docPath("Ticket", "1"), docPath("Customer", "A") + "?run_method=delete",
			docPath("Customer") + "?cmd=frappe.client.delete&doctype=Customer&name=A", docPath("Customer", "A") + "?notes=x&docstatus=1", docPath("Customer", "A") + "?_method=DELETE"} {
			s.sendAs("manager@acme", method, path, `{"notes": "x", "data": {"notes": "y"}}`, map[string]string{"X-HTTP-Method-Override": "DELETE", "Content-Type": "application/json"})
		}
	}
	statements := s.store.CheckAll(t, "acme")
	if len(statements) < 10 {
		t.Errorf("only %d statements", len(statements))
	}
	for _, statement := range statements {
		if !strings.HasPrefix(statement.Text, "SELECT ") {
			t.Errorf("a GET runs %s", statement.Text)
		}
	}
	if got := s.get("manager@acme", "Customer", "A").data(t); got["notes"] != "alpha 100%" {
		t.Errorf("the document is %v", got)
	}
}

// TestSecurity16NoTemplates: what looks like a template, a series or an expression stays the text that a client sent, in names
// and titles too.
func TestSecurity16NoTemplates(t *testing.T) {
	const types = `[{"doctype": "DocType", "name": "Memo", "autoname": "format:M-{kind}-{##}", "title_field": "title", "fields": [
		{"fieldname": "kind", "fieldtype": "Data"}, {"fieldname": "secret", "fieldtype": "Data", "permlevel": 1, "default": "hidden"},
		{"fieldname": "title", "fieldtype": "Data", "options": "About {kind}"}, {"fieldname": "text", "fieldtype": "Text"}],
		"permissions": [{"role": "Clerk", "read": 1, "write": 1, "create": 1}]}]`
	s := newService(t, types, []string{"Memo"})
	for i, text := range []string{"{{ 7*7 }}", "{secret}", "{kind}", "{####}", ".####.", "{YYYY}", "eval:1+1", "%(secret)s", "${secret}", "{title}"} {
		got := s.send("clerk@acme", "POST", docPath("Memo"), fmt.Sprintf(`{"kind": %q, "text": %q}`, text, text)).data(t)
		if got["name"] != fmt.Sprintf("M-%s-%02d", text, i+1) && got["name"] != fmt.Sprintf("M-%s-01", text) || got["title"] != "About "+text || got["text"] != text {
			t.Errorf("%s became %v, %v, %v", text, got["name"], got["title"], got["text"])
		}
	}
}

// TestSecurity18NoUserIsGuessed: every wrong credential has the same answer.
func TestSecurity18NoUserIsGuessed(t *testing.T) {
	s := newShop(t)
	answers := map[string]bool{}
	for _, credentials := range []string{"token manager@acme:wrong", "token manager@acme:", "token nobody:s", "token :", "token x", "Bearer x", "Basic x", "Basic bWFuYWdlckBhY21lOndyb25n", "Digest x", "token manager@acme:s\x00"} {
		got := s.sendAs("", "GET", docPath("Customer"), "", map[string]string{"Authorization": credentials})
		got.want(t, 401, "AuthenticationError")
		answers[got.body] = true
	}
	if len(answers) != 1 {
		t.Errorf("wrong credentials differ: %v", answers)
	}
}

// TestSecurity19ForwardedHeaders: where a request comes from and for what host is what the connection says, not its headers.
func TestSecurity19ForwardedHeaders(t *testing.T) {
	s := newShop(t)
	for name, value := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1;host=evil.example", "X-Forwarded-Host": "evil.example",
		"X-Forwarded-Proto": "https", "X-Original-URL": "/api/resource/Vault", "X-Rewrite-URL": "/api/resource/Vault", "X-Frappe-Site-Name": "globex", "X-Forwarded-Prefix": "/x"} {
		s.sendAs("", "GET", docPath("Customer"), "", map[string]string{name: value}).want(t, 403, "PermissionError")
		got := s.sendAs("manager@acme", "GET", docPath("Customer"), "", map[string]string{name: value})
		if got.want(t, 200, `{"data":[]}`); strings.Contains(fmt.Sprint(got.header), "evil") {
			t.Errorf("%s: %v", name, got.header)
		}
		// A page of another host is foreign, whatever host a header names.
		s.sendAs("", "POST", "/", "cmd=frappe.client.insert", map[string]string{name: value, "Cookie": "sid=x", "Origin": "https://evil.example", "Content-Type": formType}).want(t, 403, "PermissionError")
	}
}

// TestSecurity20NoSideChannel: neither filter nor order on what a user may not read changes what the user sees.
func TestSecurity20NoSideChannel(t *testing.T) {
	s := staffed(t)
	s.create("manager@acme", "Order", `{"referrer": "Bob"}`, `{"referrer": "Ada"}`, `{}`)
	for _, order := range []string{"referrer.notes", "referrer.notes desc, name", "referrer.credit", "referrer.modified desc, name"} {
		// Bob, whom the user may not read, stands beside nobody.
		got := s.list("seller@acme", "Order", "order_by", order).names(t)
		if strings.Index(got, "SO-2026-0001") > strings.Index(got, "SO-2026-0003") {
			t.Errorf("order_by %s: %s", order, got)
		}
	}
	for _, filter := range []string{"secret", "grade", "pin", "region.tenant_id", "items.cost"} {
		for _, probe := range []string{`["like", "s%"]`, `[">", 0]`, `["is", "set"]`, `["in", ["s1"]]`, `["between", ["a", "z"]]`} {
			for _, parameter := range []string{"filters", "or_filters"} {
				if got := s.list("clerk@acme", "Customer", parameter, fmt.Sprintf(`{%q: %s}`, filter, probe)); got.status != 417 {
					t.Errorf("%s %s %s: %d %s", parameter, filter, probe, got.status, got.body)
				}
			}
		}
	}
}

// TestSecurity22NothingIsPublic: no zero value lets anybody in. What is open to all says so in Go.
func TestSecurity22NothingIsPublic(t *testing.T) {
	const types = `[{"doctype": "DocType", "name": "Bare", "autoname": "prompt", "fields": [{"fieldname": "a", "fieldtype": "Data"}]},
		{"doctype": "DocType", "name": "Empty", "autoname": "prompt", "fields": [{"fieldname": "a", "fieldtype": "Data"}], "permissions": [{}, {"role": "", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Manager"}]}]`
	s := newUnstarted(t, types)
	s.app.Resource("Bare")
	s.app.Resource("Empty", frappems.ResourceOptions{})
	s.app.Handle("GET /mine", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `"mine"`) }))
	s.app.Method("mine", frappems.AllowRoles(""), frappems.JSON(func(context.Context, struct{}) (int, error) { return 1, nil }))
	s.start()
	for _, doctype := range []string{"Bare", "Empty"} {
		s.create("admin@acme", doctype, `{"name": "X", "a": "hidden"}`)
		for _, user := range []string{"", "manager@acme", "stranger@acme"} {
			for _, step := range []struct{ method, path, body string }{{"GET", docPath(doctype), ""}, {"GET", docPath(doctype, "X"), ""}, {"POST", docPath(doctype), `{"name": "Y"}`},
				{"PUT", docPath(doctype, "X"), `{"a": "b"}`}, {"DELETE", docPath(doctype, "X"), ""}, {"GET", "/api/v2/doctype/" + doctype + "/meta", ""}} {
				if got := s.send(user, step.method, step.path, step.body); got.status != 403 || strings.Contains(got.body, "hidden") {
					t.Errorf("%s %s as %q: %d %s", step.method, step.path, user, got.status, got.body)
				}
			}
		}
	}
	s.send("", "GET", "/mine", "").want(t, 403, "PermissionError")
	for _, user := range []string{"", "manager@acme", "stranger@acme"} {
		s.call(user, "POST", "mine", `{}`).want(t, 403, "PermissionError")
	}
}

// TestSecurity24Limits: what would hurt is bounded before it reaches the store.
func TestSecurity24Limits(t *testing.T) {
	s := newShop(t, func(c *frappems.Config) { c.MaxQueryBytes = 64 << 20; c.MaxRows = 100 })
	s.store.Take()
	for _, parameters := range [][]string{
		{"filters", "[" + strings.Repeat(`["name","=","x"],`, 10000) + `["name","=","x"]]`}, {"or_filters", "[" + strings.Repeat(`["name","=","x"],`, 1001) + `["name","=","x"]]`}, {"filters", `{"name":["in",[` + strings.Repeat(`"x",`, 100000) + `"x"]]}`},
		{"filters", `{"name":["in","` + strings.Repeat("x,", 100000) + `"]}`}, {"filters", strings.Repeat(`[`, 10000) + strings.Repeat(`]`, 10000)}, {"filters", strings.Repeat(`[["name","=","x"],"or",`, 5000) + `["name","=","x"]` + strings.Repeat(`]`, 5000)},
		{"fields", "[" + strings.Repeat(`"name",`, 10000) + `"name"]`}, {"order_by", strings.Repeat("name,", 10000) + "name"}, {"group_by", strings.Repeat("name,", 10000) + "name"}, {"limit", "101"}, {"limit_page_length", "1000000000"}, {"filters", strings.Repeat(`{"name":`, 20000)},
		{"filters", "[" + strings.Repeat(`"and",`, 100000) + `"and"]`},
	} {
		got := s.list("manager@acme", "Customer", parameters...)
		if got.status != 417 {
			t.Errorf("%s=%.60s…: %d %.200s", parameters[0], parameters[1], got.status, got.body)
		}
		if len(got.body) > 4096 {
			t.Errorf("%s=%.60s…: the answer has %d bytes", parameters[0], parameters[1], len(got.body))
		}
	}
	if statements := s.store.Take(); len(statements) > 0 {
		t.Errorf("%d of them reached the store, such as %.200s", len(statements), statements[0].Text)
	}
	// A pattern that takes other matchers exponential time takes this one none to speak of.
	s.create("manager@acme", "Customer", `{"customer_name": "`+strings.Repeat("a", 140)+`"}`)
	s.list("manager@acme", "Customer", "filters", `{"name": ["like", "`+strings.Repeat("%a", 200)+`%b"]}`).want(t, 200, `{"data":[]}`)
}

// TestSecurityErrorsLeakNothing: an error has neither SQL nor names of tables, drivers, files or Go.
func TestSecurityErrorsLeakNothing(t *testing.T) {
	s := newShop(t)
	twins(s)
	leaks := []string{"tab", "SELECT", "sql", "goroutine", ".go:", "json: ", "strconv", "runtime", "tenant_id = ", "acme", "memory", "nil pointer", "Entry '"}
	for _, step := range []struct{ method, path, body string }{
		{"POST", docPath("Customer"), `{`}, {"POST", docPath("Customer"), `{"customer_name": "Ada"}`}, {"POST", docPath("Customer"), `{"customer_name": "X", "tax_id": "T-1"}`}, {"POST", docPath("Customer"), `{"customer_name": "X", "credit": 1e300}`}, {"POST", docPath("Customer"), `[]`},
		{"POST", docPath("Order"), `{"customer": "Nope"}`}, {"POST", docPath("Order"), `{"items": 5}`}, {"PUT", docPath("Customer", "Ada"), `{"joined": "x"}`}, {"DELETE", docPath("Item", "Bolt"), ""}, {"GET", docPath("Customer") + "?filters={", ""}, {"GET", docPath("Customer") + "?fields=[", ""},
		{"GET", docPath("Customer") + "?order_by=1", ""}, {"GET", docPath("Ticket", "abc"), ""}, {"GET", docPath("Ticket", "99999999999999999999"), ""}, {"PUT", docPath("Customer", "Ada"), `{"tenant_id": "x"}`}, {"POST", docPath("Customer", "Ada"), `{}`}, {"PATCH", docPath("Customer"), `{}`}, {"DELETE", docPath("Customer"), ``},
	} {
		got := s.send("manager@globex", step.method, step.path, step.body)
		if got.status < 400 {
			t.Errorf("%s %s: %d", step.method, step.path, got.status)
		}
		for _, leak := range leaks {
			if strings.Contains(got.body, leak) && !(leak == "tab" && strings.Contains(got.body, "table")) {
				t.Errorf("%s %s %s: the answer has %q: %s", step.method, step.path, step.body, leak, got.body)
			}
		}
	}
}

// TestSecurityEnvelope: every error of every verb is one JSON object with exc_type, and, but for 404 and 405, exc and a
// message, as clients read them.
func TestSecurityEnvelope(t *testing.T) {
	s := newShop(t)
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "QUERY"} {
		for _, path := range []string{"/", docPath("Customer"), docPath("Customer", "x"), docPath("Nope"), "/api/resource//", "/api/v2/document/Customer", "/livez/x"} {
			for _, user := range []string{"manager@acme", "stranger@acme", ""} {
				r := httptest.NewRequest(method, path, strings.NewReader("nonsense"))
				if user != "" {
					r.Header.Set("Authorization", "token "+user+":s")
				}
				w := httptest.NewRecorder()
				s.app.ServeHTTP(w, r)
				var body map[string]any
				if w.Code < 400 {
					continue
				}
				isV2 := strings.HasPrefix(path, "/api/v2/")
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body["exc_type"] == nil && !isV2 || isV2 && body["errors"] == nil || w.Code >= 500 {
					t.Errorf("%s %s as %q: %d %s", method, path, user, w.Code, w.Body)
				}
				if !isV2 && w.Code != 404 && w.Code != 405 && (body["exc"] == nil || body["exception"] == nil) {
					t.Errorf("%s %s as %q: %d %s", method, path, user, w.Code, w.Body)
				}
				if slices.Contains(w.Header().Values("Set-Cookie"), "") || len(w.Header().Values("Set-Cookie")) > 0 {
					t.Errorf("%s %s sets a cookie", method, path)
				}
			}
		}
	}
}
