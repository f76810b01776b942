package frappems_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// staffed is a shop with a document of the manager's and one of the maker's.
func staffed(t *testing.T) *shop {
	s := newShop(t)
	s.create("manager@acme", "Region", `{"title": "North", "lead": "Lee"}`)
	s.create("manager@acme", "Customer", `{"customer_name": "Ada", "kind": "Company", "region": "North", "credit": 5, "grade": 7, "secret": "s1", "notes": "note one", "pin": "1234"}`,
		`{"customer_name": "Bob", "kind": "Individual", "credit": 9, "grade": 9, "secret": "s2", "notes": "note two"}`)
	s.create("maker@acme", "Customer", `{"customer_name": "Mine", "kind": "Company"}`)
	s.create("manager@acme", "Item", `{"name": "Bolt"}`, `{"name": "Nut"}`, `{"name": "Gear"}`)
	return s
}

// TestPermissionMatrix is every kind of user on every verb, with a document of somebody else's and one of their own.
func TestPermissionMatrix(t *testing.T) {
	for _, test := range []struct {
		user                        string
		list, get, put, delete, add int
		rows                        string
	}{
		{"manager@acme", 200, 200, 200, 202, 200, "Ada Bob Mine"},
		{"admin@acme", 200, 200, 200, 202, 200, "Ada Bob Mine"},
		{"clerk@acme", 200, 200, 200, 403, 200, "Ada Bob Mine"},
		{"viewer@acme", 200, 403, 403, 403, 403, "Ada Bob Mine"},
		{"writer@acme", 403, 403, 200, 403, 200, ""},
		{"maker@acme", 200, 403, 403, 403, 200, "Mine"},
		{"peeker@acme", 200, 403, 403, 403, 200, "Ada Bob Mine"},
		{"stranger@acme", 403, 403, 403, 403, 403, ""},
		{"seller@acme", 200, 403, 403, 403, 403, "Ada"},
		{"", 403, 403, 403, 403, 403, ""},
		{"lost", 403, 403, 403, 403, 403, ""},
		{"manager@globex", 200, 404, 404, 404, 200, ""},
		{"admin@globex", 200, 404, 404, 404, 200, ""},
	} {
		t.Run(test.user, func(t *testing.T) {
			s := staffed(t)
			list := s.list(test.user, "Customer", "order_by", "name")
			if list.status != test.list || list.status == 200 && list.names(t) != test.rows {
				t.Errorf("list: %d %s, want %d %s", list.status, list.body, test.list, test.rows)
			}
			if list.status == 200 {
				n := 0
				if test.rows != "" {
					n = len(strings.Fields(test.rows))
				}
				s.list(test.user, "Customer", "fields", `["count(name) as name"]`).want(t, 200, fmt.Sprintf(`{"data":[{"name":%d}]}`, n))
			}
			for _, step := range []struct {
				method, body string
				status       int
			}{{"GET", "", test.get}, {"HEAD", "", test.get}, {"PUT", `{"notes": "changed"}`, test.put}, {"DELETE", "", test.delete}} {
				if got := s.send(test.user, step.method, docPath("Customer", "Bob"), step.body); got.status != step.status {
					t.Errorf("%s: %d %s, want %d", step.method, got.status, got.body, step.status)
				}
			}
			if got := s.send(test.user, "POST", docPath("Customer"), `{"customer_name": "New"}`); got.status != test.add {
				t.Errorf("POST: %d %s, want %d", got.status, got.body, test.add)
			}
			if left := s.get("manager@acme", "Customer", "Bob"); (left.status == 404) != (test.delete == 202) {
				t.Errorf("afterwards the document is %d", left.status)
			} else if left.status == 200 && strings.Contains(left.body, "changed") != (test.put == 200) {
				t.Errorf("afterwards it is %s", left.body)
			}
		})
	}
}

// TestPermissionOwner is what a role that holds for one's own documents may do with these.
func TestPermissionOwner(t *testing.T) {
	s := staffed(t)
	s.get("maker@acme", "Customer", "Mine").want(t, 200, "")
	s.send("maker@acme", "PUT", docPath("Customer", "Mine"), `{"notes": "x"}`).want(t, 200, "")
	s.list("maker@acme", "Customer", "or_filters", `[["name", "=", "Ada"], ["name", "=", "Mine"]]`).want(t, 200, `{"data":[{"name":"Mine"}]}`)
	s.list("maker@acme", "Customer", "fields", `["kind", "count(name) as n"]`, "group_by", "kind").want(t, 200, `{"data":[{"kind":"Company","n":1}]}`)
	s.send("maker@acme", "DELETE", docPath("Customer", "Mine"), "").want(t, 202, "")
	// Another tenant's user of the same name owns nothing here.
	s.create("maker@acme", "Customer", `{"customer_name": "Mine"}`)
	s.list("maker@globex", "Customer").want(t, 200, `{"data":[]}`)
	// Who may select all and read their own sees of all what select shows, and opens their own.
	s.create("peeker@acme", "Customer", `{"customer_name": "Peek", "notes": "my own"}`)
	s.get("peeker@acme", "Customer", "Peek").want(t, 200, "")
	got := s.list("peeker@acme", "Customer", "fields", `["name", "notes", "credit", "kind"]`, "order_by", "name")
	if strings.Contains(got.body, "note") || strings.Contains(got.body, "credit") || !strings.Contains(got.body, "kind") {
		t.Errorf("select shows %s", got.body)
	}
	s.list("peeker@acme", "Customer", "filters", `{"notes": "note one"}`).want(t, 417, "DataError")
}

// TestPermissionSelect: who may only select sees names, titles and search fields, and uses no others.
func TestPermissionSelect(t *testing.T) {
	s := staffed(t)
	s.create("manager@acme", "Order", `{"customer": "Ada", "items": [{"item": "Bolt", "note": "hush"}]}`)
	s.list("viewer@acme", "Customer", "fields", `["*"]`, "filters", `{"name": "Ada"}`).want(t, 200, `{"data":[{"name":"Ada","customer_name":"Ada","kind":"Company","region":"North"}]}`)
	s.list("viewer@acme", "Customer", "fields", `["name", "notes", "owner"]`, "filters", `{"name": "Ada"}`).want(t, 200, `{"data":[{"name":"Ada"}]}`)
	s.list("viewer@acme", "Customer", "fields", `["notes"]`).want(t, 200, `{"data":[]}`)
	for _, parameters := range [][]string{{"filters", `{"notes": "note one"}`}, {"filters", `{"owner": "x"}`}, {"order_by", "notes"}, {"group_by", "notes"}, {"order_by", "max(credit)"}} {
		s.list("viewer@acme", "Customer", parameters...).want(t, 417, "DataError")
	}
	for _, parameters := range [][]string{{"fields", `["items.note"]`}, {"fields", "[\"`tabOrder Line`.`note`\"]"}, {"filters", `[["Order Line", "note", "=", "hush"]]`}, {"order_by", "items.note"},
		{"fields", `["count(items.name) as name"]`}, {"fields", `["customer.notes"]`}, {"filters", `{"customer.notes": "note one"}`}} {
		if got := s.list("viewer@acme", "Order", parameters...); got.status != 417 && got.body != `{"data":[]}` {
			t.Errorf("%q: %d %s", parameters, got.status, got.body)
		}
	}
}

// TestPermissionLevels: a field of a permlevel that no role of the user's reaches is not shown, not used and not written.
func TestPermissionLevels(t *testing.T) {
	s := staffed(t)
	order := s.create("manager@acme", "Order", `{"items": [{"item": "Bolt", "cost": 3}], "hidden": [{"item": "Gear", "note": "hush"}]}`)
	got := s.get("clerk@acme", "Customer", "Ada")
	if d := got.data(t); d["grade"] != 0.0 || d["secret"] != nil || strings.Contains(got.body, "s1") {
		t.Errorf("get: %s", got.body)
	}
	s.list("clerk@acme", "Customer", "fields", `["name", "secret", "grade", "secret as x", "max(grade) as y"]`, "filters", `{"name": "Ada"}`).want(t, 200, `{"data":[{"name":"Ada"}]}`)
	s.list("clerk@acme", "Customer", "fields", `["secret"]`).want(t, 200, `{"data":[]}`)
	if all := s.list("clerk@acme", "Customer", "fields", `["*"]`); strings.Contains(all.body, "secret") || strings.Contains(all.body, "grade") {
		t.Errorf("list of *: %s", all.body)
	}
	for _, parameters := range [][]string{{"filters", `{"secret": "s1"}`}, {"or_filters", `[["grade", ">", 1]]`}, {"filters", `{"secret": ["is", "set"]}`}, {"order_by", "secret"},
		{"order_by", "name, grade desc"}, {"order_by", "max(grade)"}, {"group_by", "secret"}, {"order_by", "x", "fields", `["name", "secret as x"]`},
		{"filters", "[[\"`tabCustomer`.`secret`\", \"=\", \"s1\"]]"}, {"filters", `[["name", "=", "x"], "or", ["secret", "=", "s1"]]`}} {
		s.list("clerk@acme", "Customer", parameters...).want(t, 417, "DataError")
	}
	// The same through a link and in rows.
	customers := s.create("manager@acme", "Ticket", `{"subject": "x", "customer": "Ada"}`)
	s.create("clerk@acme", "Ticket", `{"subject": "y", "customer": "Ada"}`)
	s.list("clerk@acme", "Ticket", "fields", `["name", "customer.secret", "customer.notes"]`).want(t, 200, `{"data":[{"name":2,"notes":"note one"}]}`)
	s.list("clerk@acme", "Ticket", "filters", `{"customer.secret": "s1"}`).want(t, 417, "DataError")
	s.list("clerk@acme", "Ticket", "order_by", "customer.grade").want(t, 417, "DataError")
	_ = customers
	s.list("clerk@acme", "Order", "fields", `["items.item", "items.cost"]`).want(t, 200, `{"data":[{"item":"Bolt"}]}`)
	s.list("clerk@acme", "Order", "filters", `[["Order Line", "cost", ">", 1]]`).want(t, 417, "DataError")
	s.list("clerk@acme", "Order", "filters", `[["Order Line", "note", "=", "hush"]]`).want(t, 200, `{"data":[]}`)
	s.list("manager@acme", "Order", "filters", `[["Order Line", "note", "=", "hush"]]`).want(t, 200, `{"data":[{"name":"`+order+`"}]}`)
	if got := s.get("clerk@acme", "Order", order); strings.Contains(got.body, "hidden") || strings.Contains(got.body, "hush") || strings.Contains(got.body, `"cost":3`) {
		t.Errorf("get: %s", got.body)
	}
	// What a clerk writes there stays as it was, and the answer shows it no more than a get would.
	put := s.send("clerk@acme", "PUT", docPath("Customer", "Ada"), `{"grade": 1, "secret": "stolen", "notes": "n"}`)
	if put.want(t, 200, ""); strings.Contains(put.body, "s1") || put.data(t)["grade"] != 0.0 {
		t.Errorf("the answer to a PUT: %s", put.body)
	}
	post := s.send("clerk@acme", "POST", docPath("Customer"), `{"customer_name": "New", "grade": 1, "secret": "stolen"}`)
	if post.want(t, 200, ""); strings.Contains(post.body, "stolen") {
		t.Errorf("the answer to a POST: %s", post.body)
	}
	if d := s.get("manager@acme", "Customer", "New").data(t); d["grade"] != 0.0 || d["secret"] != nil {
		t.Errorf("a clerk wrote %v", d)
	}
	if d := s.get("manager@acme", "Customer", "Ada").data(t); d["grade"] != 7.0 || d["secret"] != "s1" || d["notes"] != "n" {
		t.Errorf("a clerk changed it to %v", d)
	}
	row := s.get("clerk@acme", "Order", order).data(t)["items"].([]any)[0].(map[string]any)["name"]
	s.send("clerk@acme", "PUT", docPath("Order", order), fmt.Sprintf(`{"items": [{"name": %q, "item": "Nut", "cost": 99}], "hidden": []}`, row)).want(t, 200, "")
	full := s.get("manager@acme", "Order", order)
	if !strings.Contains(full.body, `"cost":3.0`) || !strings.Contains(full.body, "hush") || !strings.Contains(full.body, `"item":"Nut"`) {
		t.Errorf("after a clerk's PUT: %s", full.body)
	}
}

// TestPermissionWriteOnly: the answer to a change shows nothing to who may write but not read.
func TestPermissionWriteOnly(t *testing.T) {
	s := staffed(t)
	got := s.send("writer@acme", "PUT", docPath("Customer", "Ada"), `{"visits": 1}`)
	if got.want(t, 200, ""); strings.Contains(got.body, "note one") || strings.Contains(got.body, "North") {
		t.Errorf("a PUT reads: %s", got.body)
	}
}

// TestPermissionPassword: a password is never in an answer, nor compared, nor in an error.
func TestPermissionPassword(t *testing.T) {
	s := staffed(t)
	for _, user := range []string{"manager@acme", "admin@acme"} {
		if got := s.get(user, "Customer", "Ada"); strings.Contains(got.body, "1234") || got.data(t)["pin"] != "****" {
			t.Errorf("get: %s", got.body)
		}
		for _, parameters := range [][]string{{"filters", `{"pin": "****"}`}, {"filters", `{"pin": ["like", "1%"]}`}, {"or_filters", `[["pin", "is", "set"]]`}} {
			s.list(user, "Customer", parameters...).want(t, 417, "DataError")
		}
		if got := s.list(user, "Customer", "fields", `["*", "pin"]`); strings.Contains(got.body, "1234") {
			t.Errorf("list: %s", got.body)
		}
	}
	for _, statement := range s.store.Take() {
		if strings.Contains(fmt.Sprintf("%q", statement.Args), "1234") {
			t.Errorf("a statement has the password: %v", statement)
		}
	}
}

// TestPermissionRestrictions: User Permissions narrow lists, counts, gets and writes by names and links.
func TestPermissionRestrictions(t *testing.T) {
	s := staffed(t)
	own := s.create("manager@acme", "Order", `{"customer": "Ada", "status": "Open", "referrer": "Bob"}`)
	other := s.create("manager@acme", "Order", `{"customer": "Bob", "status": "Done"}`)
	free := s.create("manager@acme", "Order", `{"status": "Draft", "referrer": "Ada"}`)
	s.list("seller@acme", "Order", "order_by", "name").want(t, 200, fmt.Sprintf(`{"data":[{"name":%q},{"name":%q}]}`, own, free))
	s.list("seller@acme", "Order", "fields", `["count(name) as n"]`).want(t, 200, `{"data":[{"n":2}]}`)
	s.list("seller@acme", "Order", "fields", `["status", "count(*) as n"]`, "group_by", "status").want(t, 200, `{"data":[{"status":"Draft","n":1},{"status":"Open","n":1}]}`)
	s.list("seller@acme", "Order", "or_filters", `[["customer", "=", "Bob"], ["name", "=", "`+other+`"]]`).want(t, 200, `{"data":[]}`)
	s.get("seller@acme", "Order", own).want(t, 200, "")
	s.get("seller@acme", "Order", free).want(t, 200, "")
	s.get("seller@acme", "Order", other).want(t, 403, "PermissionError")
	s.get("seller@acme", "Customer", "Ada").want(t, 200, "")
	for _, step := range []struct{ method, path, body string }{
		{"PUT", docPath("Order", other), `{"status": "Open"}`}, {"PUT", docPath("Order", other), `{"customer": "Ada"}`}, {"PUT", docPath("Order", own), `{"customer": "Bob"}`},
		{"DELETE", docPath("Order", other), ""}, {"POST", docPath("Order"), `{"customer": "Bob"}`}, {"POST", docPath("Ticket"), `{"subject": "x", "customer": "Bob"}`},
		{"POST", docPath("Customer"), `{"customer_name": "Zed"}`}, {"PUT", docPath("Customer", "Bob"), `{"notes": "x"}`}, {"DELETE", docPath("Customer", "Bob"), ""},
		{"PUT", docPath("Settings", "Settings"), `{"best": "Bob"}`},
	} {
		s.send("seller@acme", step.method, step.path, step.body).want(t, 403, "PermissionError")
	}
	s.send("seller@acme", "PUT", docPath("Order", own), `{"referrer": "Bob", "status": "Done"}`).want(t, 200, "")
	if got := s.create("seller@acme", "Order", `{}`); s.get("seller@acme", "Order", got).data(t)["customer"] != "Ada" {
		t.Error("the only customer that is allowed is not the default")
	}
	// Administrator is not restricted, and other tenants' lists of the same names are others.
	s.list("admin@acme", "Order", "fields", `["count(name) as n"]`).want(t, 200, `{"data":[{"n":4}]}`)
	s.list("seller@globex", "Customer").want(t, 200, `{"data":[]}`)
	// Of the target of a link that is not restricted, nothing shows that a get would not.
	s.list("seller@acme", "Order", "fields", `["name", "referrer.notes", "referrer.name as rn"]`, "filters", `{"name": "`+own+`"}`).want(t, 200, `{"data":[{"name":"`+own+`","notes":null,"rn":null}]}`)
	for _, filters := range []string{`{"referrer.notes": "note two"}`, `{"referrer.notes": ["like", "note t%"]}`, `{"referrer.credit": [">", 6]}`, `{"referrer.name": "Bob"}`, `{"referrer.notes": ["in", ["note two"]]}`,
		`{"referrer.notes": ["between", ["note t", "note u"]]}`} {
		s.list("seller@acme", "Order", "filters", filters).want(t, 200, `{"data":[]}`)
	}
}

// TestPermissionRows: User Permissions hold for the links in rows, too.
func TestPermissionRows(t *testing.T) {
	s := staffed(t)
	mine := s.create("manager@acme", "Order", `{"items": [{"item": "Bolt"}, {"item": "Nut"}]}`)
	empty := s.create("manager@acme", "Order", `{}`)
	other := s.create("manager@acme", "Order", `{"items": [{"item": "Bolt"}, {"item": "Gear"}]}`)
	s.list("packer@acme", "Order", "order_by", "name").want(t, 200, fmt.Sprintf(`{"data":[{"name":%q},{"name":%q}]}`, mine, empty))
	s.list("packer@acme", "Order", "fields", `["count(name) as n"]`).want(t, 200, `{"data":[{"n":2}]}`)
	s.list("packer@acme", "Order", "fields", `["items.item"]`, "filters", `[["Order Line", "item", "=", "Gear"]]`).want(t, 200, `{"data":[]}`)
	s.get("packer@acme", "Order", mine).want(t, 200, "")
	s.get("packer@acme", "Order", other).want(t, 403, "PermissionError")
	s.send("packer@acme", "PUT", docPath("Order", other), `{"items": []}`).want(t, 403, "PermissionError")
	s.send("packer@acme", "PUT", docPath("Order", mine), `{"items": [{"item": "Gear"}]}`).want(t, 403, "PermissionError")
	s.send("packer@acme", "POST", docPath("Order"), `{"items": [{"item": "Gear"}]}`).want(t, 403, "PermissionError")
	s.send("packer@acme", "DELETE", docPath("Order", other), "").want(t, 403, "PermissionError")
	s.send("packer@acme", "PUT", docPath("Order", mine), `{"items": [{"item": "Nut"}]}`).want(t, 200, "")
}

// TestPermissionLinkField: link.field shows nothing of a target that the user could not open, and neither filters nor
// orders by it.
func TestPermissionLinkField(t *testing.T) {
	s := staffed(t)
	s.create("manager@acme", "Vault", `{"name": "V1", "code": "zz"}`, `{"name": "V2", "code": "aa"}`)
	s.create("manager@acme", "Ticket", `{"subject": "zz secret"}`, `{"subject": "aa secret"}`)
	s.create("clerk@acme", "Ticket", `{"subject": "mm own"}`)
	s.create("manager@acme", "Order", `{"vault": "V1", "ticket": 1}`, `{"vault": "V2", "ticket": 2}`, `{"ticket": 3}`)
	for _, parameters := range [][]string{{"fields", `["vault.code"]`}, {"filters", `{"vault.code": "zz"}`}, {"order_by", "vault.code"}, {"fields", `["max(vault.code) as m"]`}, {"group_by", "vault.code"},
		{"filters", `{"vault.code": ["is", "not set"]}`}} {
		if got := s.list("clerk@acme", "Order", parameters...); got.status != 403 || strings.Contains(got.body, "zz") {
			t.Errorf("%q: %d %s", parameters, got.status, got.body)
		}
	}
	s.list("clerk@acme", "Order", "fields", `["name", "ticket.subject as s"]`, "order_by", "name").want(t, 200,
		`{"data":[{"name":"SO-2026-0001","s":null},{"name":"SO-2026-0002","s":null},{"name":"SO-2026-0003","s":"mm own"}]}`)
	for _, order := range []string{"ticket.subject", "ticket.subject asc"} {
		s.list("clerk@acme", "Order", "order_by", order).want(t, 200, `{"data":[{"name":"SO-2026-0001"},{"name":"SO-2026-0002"},{"name":"SO-2026-0003"}]}`)
	}
	s.list("clerk@acme", "Order", "filters", `{"ticket.subject": ["like", "%secret"]}`).want(t, 200, `{"data":[]}`)
	s.list("clerk@acme", "Order", "fields", `["min(ticket.subject) as s", "count(ticket.name) as n"]`).want(t, 200, `{"data":[{"s":"mm own","n":1}]}`)
	s.list("manager@acme", "Order", "fields", `["min(ticket.subject) as s", "count(vault.name) as n"]`).want(t, 200, `{"data":[{"s":"aa secret","n":2}]}`)
}

// TestPermissionTree: a filter along a tree starts from a node that the user may see.
func TestPermissionTree(t *testing.T) {
	s := newShop(t)
	s.create("manager@acme", "Region", `{"title": "All", "lft": 1, "rgt": 8}`, `{"title": "North", "lft": 2, "rgt": 5}`, `{"title": "Oslo", "lft": 3, "rgt": 4}`, `{"title": "South", "lft": 6, "rgt": 7}`)
	s.create("manager@acme", "Customer", `{"customer_name": "A", "region": "Oslo"}`, `{"customer_name": "B", "region": "South"}`, `{"customer_name": "C"}`)
	for _, test := range []struct{ doctype, filters, want string }{
		{"Region", `{"name": ["descendants of", "All"]}`, "North Oslo South"}, {"Region", `{"name": ["descendants of", "North"]}`, "Oslo"}, {"Region", `{"name": ["descendants of (inclusive)", "North"]}`, "North Oslo"},
		{"Region", `{"name": ["ancestors of", "Oslo"]}`, "All North"}, {"Region", `{"name": ["not descendants of", "North"]}`, "All North South"}, {"Region", `{"name": ["not ancestors of", "Oslo"]}`, "Oslo South"},
		{"Customer", `{"region": ["descendants of", "North"]}`, "A"}, {"Customer", `{"region": ["not descendants of", "North"]}`, "B C"}, {"Region", `{"name": ["descendants of", "Nowhere"]}`, ""},
	} {
		if got := s.list("clerk@acme", test.doctype, "filters", test.filters, "order_by", "name").names(t); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.doctype, test.filters, got, test.want)
		}
	}
	s.list("viewer@acme", "Customer", "filters", `{"region": ["descendants of", "North"]}`).want(t, 403, "PermissionError")
	s.list("clerk@acme", "Item", "filters", `{"name": ["descendants of", "x"]}`).want(t, 417, "ValidationError")
}

// TestPermissionRules covers DocTypes without rules, with rules of odd levels, and the roles that everybody has.
func TestPermissionRules(t *testing.T) {
	doctypes := `[{"name": "Closed", "fields": [{"fieldname": "a", "fieldtype": "Data"}], "permissions": []},
		{"name": "Open", "fields": [{"fieldname": "a", "fieldtype": "Data"}, {"fieldname": "b", "fieldtype": "Data", "permlevel": 2}], "permissions": [{"role": "All", "read": 1, "create": 1}, {"role": "All", "permlevel": 1, "read": 1, "write": 1}]},
		{"name": "Upper", "fields": [{"fieldname": "a", "fieldtype": "Data", "permlevel": 1}], "permissions": [{"role": "All", "permlevel": 1, "read": 1, "write": 1}]},
		{"name": "Public", "fields": [{"fieldname": "a", "fieldtype": "Data"}], "permissions": [{"role": "Guest", "read": 1}]}]`
	s := newService(t, doctypes, []string{"Closed", "Open", "Upper", "Public"})
	for _, user := range []string{"manager@acme", "stranger@acme", ""} {
		s.list(user, "Closed").want(t, 403, "PermissionError")
		s.list(user, "Upper").want(t, 403, "PermissionError")
	}
	s.list("admin@acme", "Closed").want(t, 200, "")
	s.list("stranger@acme", "Open").want(t, 200, `{"data":[]}`)
	s.list("stranger@acme", "Public").want(t, 200, `{"data":[]}`)
	// A Guest has no tenant here, so that what is public shows nobody's data.
	s.list("", "Open").want(t, 403, "PermissionError")
	s.list("", "Public").want(t, 403, "PermissionError")
	name := s.create("stranger@acme", "Open", `{"a": "x", "b": "y"}`)
	if d := s.get("admin@acme", "Open", name).data(t); d["b"] != nil {
		t.Errorf("a field of level 2 is %v", d["b"])
	}
	s.send("stranger@acme", "PUT", docPath("Open", name), `{"a": "z"}`).want(t, 403, "PermissionError")
}

// TestPermissionNothingLeaks: what a user may not open differs in nothing but the name from what there is not, as far as
// Frappe allows: it says 403 for the one and 404 for the other, but to a Guest 403 for both.
func TestPermissionNothingLeaks(t *testing.T) {
	s := staffed(t)
	for _, verb := range []string{"GET", "PUT", "DELETE"} {
		known, unknown := s.send("", verb, docPath("Customer", "Ada"), "{}"), s.send("", verb, docPath("Customer", "Eve"), "{}")
		if known.status != unknown.status || known.body != unknown.body {
			t.Errorf("%s as Guest: %s and %s", verb, known.body, unknown.body)
		}
		for _, user := range []string{"stranger@acme", "viewer@acme", "maker@acme"} {
			if got := s.send(user, verb, docPath("Customer", "Bob"), "{}"); slices.ContainsFunc([]string{"note", "s2", "Individual", "9"}, func(v string) bool { return strings.Contains(got.Messages, v) }) {
				t.Errorf("%s as %s: %s", verb, user, got.body)
			}
		}
	}
}

// TestPermissionUsersDiffer: two users whose names a database takes for one are refused, since either would own what the
// other makes.
func TestPermissionUsersDiffer(t *testing.T) {
	for second, want := range map[string]bool{"josé@example.com": true, "JOSE@example.com": true, "jose@example.com": true, "josef@example.com": false} {
		entry := `{"user": %q, "api_key": %q, "api_secret": "s", "tenant": "acme"}`
		_, err := frappems.NewTokens(strings.NewReader("[" + fmt.Sprintf(entry, "jose@example.com", "a") + "," + fmt.Sprintf(entry, second, "b") + "]"))
		if refused := err != nil && strings.Contains(err.Error(), "entry 2") && strings.Contains(err.Error(), "same user"); refused != want {
			t.Errorf("%s: %v", second, err)
		}
	}
}

// TestPermissionListRows: rows of a child table are listed with the DocType that they are part of, and only those of documents
// and table fields that the user may read.
func TestPermissionListRows(t *testing.T) {
	s := newShop(t)
	for _, tenant := range []string{"acme", "globex"} {
		for _, item := range []string{"Bolt", "Nut", "Screw"} {
			s.create("manager@"+tenant, "Item", fmt.Sprintf(`{"name": %q}`, item))
		}
		s.create("manager@"+tenant, "Customer", `{"customer_name": "Ada"}`, `{"customer_name": "Bea"}`)
	}
	s.create("manager@acme", "Order", `{"customer": "Ada", "items": [{"item": "Bolt"}], "hidden": [{"item": "Nut", "cost": 5}]}`, `{"customer": "Bea", "items": [{"item": "Screw"}]}`)
	s.create("manager@globex", "Order", `{"customer": "Ada", "items": [{"item": "Bolt", "note": "of globex"}]}`)
	for user, items := range map[string]string{"manager@acme": "Bolt Nut Screw", "clerk@acme": "Bolt Screw", "seller@acme": "Bolt Nut", "packer@acme": "Bolt", "admin@acme": "Bolt Nut Screw",
		"manager@globex": "Bolt"} {
		got := s.list(user, "Order Line", "parent", "Order", "fields", `["item as name"]`, "order_by", "item")
		if got.status != 200 || got.names(t) != items {
			t.Errorf("%s: got %d %s, want %s", user, got.status, got.body, items)
		}
	}
	for _, user := range []string{"viewer@acme", "stranger@acme", ""} {
		s.list(user, "Order Line", "parent", "Order").want(t, 403, "PermissionError")
	}
	for _, user := range []string{"manager@acme", "admin@acme"} {
		s.list(user, "Order Line", "parent", "Customer").want(t, 403, "PermissionError")
		s.list(user, "Order Line", "parent", "Nothing").want(t, 403, "PermissionError")
	}
	s.list("manager@acme", "Order Line").want(t, 403, "PermissionError")
	if got := s.list("admin@acme", "Order Line", "fields", `["item as name"]`, "order_by", "item"); got.names(t) != "Bolt Nut Screw" {
		t.Errorf("Administrator: %s", got.body)
	}
	s.list("clerk@acme", "Order Line", "parent", "Order", "filters", `{"cost": [">", 1]}`).want(t, 417, "DataError")
	s.list("clerk@acme", "Order Line", "parent", "Order", "filters", `[["Order", "total", ">", -1]]`).want(t, 417, "DataError")
	s.send("manager@acme", "POST", docPath("Order Line"), `{"item": "Bolt"}`).want(t, 404, "DoesNotExistError")
}

// TestPermissionListRowsSelect: who may only select documents does not list their rows, also where the user reads some.
func TestPermissionListRowsSelect(t *testing.T) {
	s := newService(t, `[{"doctype": "DocType", "name": "Cell", "istable": 1, "fields": [{"fieldname": "secret", "fieldtype": "Data"}]},
		{"doctype": "DocType", "name": "Sheet", "autoname": "prompt", "fields": [{"fieldname": "cells", "fieldtype": "Table", "options": "Cell"}], "permissions": [
		{"role": "Manager", "read": 1, "write": 1, "create": 1}, {"role": "Viewer", "select": 1}, {"role": "Maker", "if_owner": 1, "read": 1, "write": 1, "create": 1}]}]`, []string{"Sheet"})
	s.create("manager@acme", "Sheet", `{"name": "A", "cells": [{"secret": "of the manager"}]}`)
	s.create("maker@acme", "Sheet", `{"name": "B", "cells": [{"secret": "of the maker"}]}`)
	s.list("maker@acme", "Cell", "parent", "Sheet", "fields", `["secret"]`).want(t, 200, `{"data":[{"secret":"of the maker"}]}`)
	for _, user := range []string{"viewer@acme", "peeker@acme"} {
		s.list(user, "Cell", "parent", "Sheet", "fields", `["secret"]`).want(t, 403, "PermissionError")
	}
}
