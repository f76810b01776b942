package frappems_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// market is a shop with documents that differ in what filters ask for. E has nothing but its name, F empty texts.
func market(t *testing.T, change ...func(*frappems.Config)) *shop {
	s := newShop(t, change...)
	s.create("manager@acme", "Region", `{"title": "North", "lead": "Lee"}`, `{"title": "South", "lead": "Mia"}`)
	s.create("manager@acme", "Customer",
		`{"customer_name": "A", "kind": "Company", "region": "North", "credit": 10.5, "visits": 5, "hits": 9007199254740993, "weight": 1, "active": 1, "joined": "2026-03-15", "seen": "2026-03-15 08:00:00", "opens": "08:00:00", "notes": "alpha 100%", "tax_id": "T1"}`,
		`{"customer_name": "B", "kind": "Individual", "region": "South", "credit": 20, "visits": 7, "hits": 2, "weight": 2, "active": 1, "joined": "2026-03-14", "seen": "2026-03-14 23:59:59.999999", "opens": "09:00:00", "notes": "beta_x", "tax_id": "T2"}`,
		`{"customer_name": "C", "kind": "Company", "region": "North", "credit": -3, "visits": 0, "weight": 0, "active": 0, "joined": "2026-02-28", "seen": "2026-03-08 00:00:00", "opens": "10:00:00", "notes": "Ähre\\n"}`,
		`{"customer_name": "D", "kind": "Individual", "credit": 0, "visits": 12, "joined": "2025-12-31", "seen": "2025-12-31 12:00:00", "opens": "11:00:00", "notes": "alphabet"}`,
		`{"customer_name": "E", "opens": "12:00:00"}`, `{"customer_name": "F", "kind": "", "region": "", "notes": "", "joined": "", "seen": "", "opens": "13:00:00"}`)
	s.create("manager@acme", "Item", `{"name": "Bolt", "label": "bolts"}`, `{"name": "Nut", "label": "nuts"}`)
	s.create("manager@acme", "Order", `{"customer": "A", "status": "Open", "total": 5, "items": [{"item": "Bolt", "qty": 2}, {"item": "Nut", "qty": 3}]}`,
		`{"customer": "B", "status": "Done", "total": 7.25, "items": [{"item": "Nut", "qty": 10}]}`, `{"customer": "A", "status": "Done", "total": 1}`, `{"status": "Draft"}`)
	return s
}

// TestQueryFilters is every shape and operator, with what each makes of NULL, of empty texts and of zeros.
func TestQueryFilters(t *testing.T) {
	s := market(t)
	for _, test := range []struct{ filters, want string }{
		{``, "A B C D E F"}, {`null`, "A B C D E F"}, {`[]`, "A B C D E F"}, {`{}`, "A B C D E F"},
		// Shapes.
		{`"B"`, "B"}, {`1`, ""}, {`{"kind": "Company"}`, "A C E"}, {`{"kind": "Company", "active": 0}`, "C E"}, {`{"credit": [">", 5]}`, "A B"}, {`[["kind", "Company"]]`, "A C E"},
		{`[["kind", "=", "Company"]]`, "A C E"}, {`[["Customer", "kind", "=", "Company"]]`, "A C E"}, {`[["customer", "kind", "=", "Company"]]`, "A C E"}, {`[["Customer", "kind", "=", "Company", false]]`, "A C E"},
		{`["kind", "=", "Company"]`, "A C E"}, {`["Customer", "kind", "=", "Company"]`, "A C E"}, {`["A", "B", "Z"]`, "A B"}, {`["A"]`, "A"}, {`["A", "C"]`, "A C"}, {`["kind", "Company"]`, "A C E"}, {`[1, 2]`, ""}, {`["A", "B", "E", "F"]`, "A B E F"}, {`["A", "B", "in"]`, "A B"},
		{`[{"kind": "Company"}, {"active": 1}]`, "A"}, {`[["kind", "=", "Company"], {"active": 1}]`, "A"}, {`[["kind", "=", "Company"], "and", ["active", "=", 1]]`, "A"},
		{`[["kind", "=", "Company"], "or", ["active", "=", 1]]`, "A B C E"}, {`[["name", "=", "D"], "or", ["kind", "=", "Company"], "and", ["active", "=", 1]]`, "A"},
		{`[["name", "=", "D"], "OR", [["kind", "=", "Company"], "And", ["active", "=", 1]]]`, "A D"}, {`[[["name", "=", "A"], ["name", "=", "B"]], "or", ["name", "=", "C"]]`, "C"},
		{"[[\"`tabCustomer`.`kind`\", \"=\", \"Company\"]]", "A C E"}, {"{\"`kind`\": \"Company\"}", "A C E"}, {`{"tabCustomer.kind": "Company"}`, "A C E"},
		// Equality: a value has no spelling; null finds nothing in Link, Data and names, and else what is empty.
		{`{"name": "a"}`, "A"}, {`{"notes": "ALPHABET "}`, "D"}, {`{"notes": "ahre\\n"}`, "C"}, {`{"notes": ""}`, "E F"}, {`{"kind": ""}`, "F"}, {`{"region": ""}`, "D E F"}, {`{"joined": ""}`, "E F"},
		{`{"region": null}`, ""}, {`{"tax_id": null}`, ""}, {`{"name": null}`, ""}, {`{"kind": null}`, "F"}, {`{"joined": null}`, "E F"}, {`{"notes": ["=", null]}`, "E F"}, {`{"visits": null}`, "C E F"},
		{`{"region": ["!=", null]}`, "A B C"}, {`{"joined": ["!=", null]}`, "A B C D"}, {`{"visits": ["!=", null]}`, "A B D"}, {`{"active": true}`, "A B"}, {`{"active": false}`, "C D E F"},
		{`{"credit": "20"}`, "B"}, {`{"credit": 20.0}`, "B"}, {`{"credit": "abc"}`, "D E F"}, {`{"visits": "5"}`, "A"}, {`{"visits": 5.5}`, ""}, {`{"hits": 9007199254740993}`, "A"}, {`{"hits": 9007199254740992}`, ""}, {`{"hits": "9007199254740993"}`, "A"},
		{`{"joined": "2026-03-15"}`, "A"}, {`{"joined": "20260315"}`, "A"}, {`{"seen": "2026-03-15 08:00"}`, "A"}, {`{"opens": "8:00"}`, "A"}, {`{"docstatus": 0}`, "A B C D E F"}, {`{"idx": ["<", 1]}`, "A B C D E F"}, {`{"owner": "manager@acme"}`, "A B C D E F"},
		// Inequality finds what is NULL, too.
		{`{"region": ["!=", "North"]}`, "B D E F"}, {`{"notes": ["!=", ""]}`, "A B C D"}, {`{"kind": ["!=", "Company"]}`, "B D F"}, {`{"joined": ["!=", "2026-03-15"]}`, "B C D E F"}, {`{"visits": ["!=", 5]}`, "B C D E F"}, {`{"name": ["!=", "A"]}`, "B C D E F"},
		{`{"visits": [">", 5]}`, "B D"}, {`{"visits": [">=", 5]}`, "A B D"}, {`{"visits": ["<", 5]}`, "C E F"}, {`{"visits": ["<=", 5]}`, "A C E F"}, {`{"visits": [">", 5.5]}`, "B D"}, {`{"credit": ["<", 0]}`, "C"}, {`{"credit": ["<", 1e15]}`, "A B C D E F"}, {`{"credit": [">", -1e300]}`, "A B C D E F"},
		{`{"visits": ["<", 99999999999999999999]}`, "A B C D E F"}, {`{"hits": [">", 9007199254740992]}`, "A"}, {`{"hits": ["<", 3]}`, "B C D E F"}, {`{"hits": [">", 0]}`, "A B"},
		{`{"notes": [">", "alpha"]}`, "A B D"}, {`{"notes": ["<", "b"]}`, "A C D E F"}, {`{"name": [">=", "E"]}`, "E F"}, {`{"joined": [">", "2026-03-01"]}`, "A B"}, {`{"joined": ["<", "2026-03-01"]}`, "C D E F"}, {`{"joined": ["<=", "2026-02-28"]}`, "C D E F"}, {`{"seen": [">=", "2026-03-15"]}`, "A"},
		// like: a backslash is literal, NULL is the empty text.
		{`{"notes": ["like", "alpha%"]}`, "A D"}, {`{"notes": ["like", "alpha"]}`, ""}, {`{"notes": ["like", "BETA_x"]}`, "B"}, {`{"notes": ["like", "%100\\%%"]}`, ""}, {`{"notes": ["like", "%\\n"]}`, "C"}, {`{"notes": ["like", ""]}`, "E F"}, {`{"notes": ["like", "%"]}`, "A B C D F"},
		{`{"notes": ["not like", "alpha%"]}`, "B C E F"}, {`{"notes": ["not like", "%"]}`, ""}, {`{"notes": ["LIKE", "a%"]}`, "A C D"}, {`{"name": ["like", "_"]}`, "A B C D E F"},
		// in and not in: lists, texts with commas, blanks around values, empty values.
		{`{"name": ["in", ["A", "C", "Z"]]}`, "A C"}, {`{"name": ["in", "A, C"]}`, "A C"}, {`{"name": ["in", [" a "]]}`, "A"}, {`{"name": ["in", []]}`, ""}, {`{"name": ["in", ""]}`, ""}, {`{"name": ["in", null]}`, ""},
		{`{"notes": ["in", ["", "beta_x"]]}`, "B E F"}, {`{"notes": ["in", [null]]}`, "E F"}, {`{"region": ["in", []]}`, "D E F"}, {`{"visits": ["in", [5, "7"]]}`, "A B"}, {`{"visits": ["in", [""]]}`, "C E F"}, {`{"visits": ["in", 5]}`, "A"}, {`{"joined": ["in", ["2026-03-15", ""]]}`, "A E F"},
		{`{"name": ["not in", ["A", "B"]]}`, "C D E F"}, {`{"region": ["not in", ["North"]]}`, "B D E F"}, {`{"region": ["not in", ["North", ""]]}`, "B"}, {`{"region": ["not in", []]}`, "A B C"}, {`{"joined": ["not in", ["2026-03-15"]]}`, "B C D E F"}, {`{"visits": ["not in", [5]]}`, "B C D E F"},
		// is: of numbers, what is 0 is not set nor not set.
		{`{"region": ["is", "set"]}`, "A B C"}, {`{"region": ["is", "not set"]}`, "D E F"}, {`{"notes": ["is", "SET"]}`, "A B C D"}, {`{"joined": ["is", "not set"]}`, "E F"}, {`{"joined": ["is", "set"]}`, "A B C D"}, {`{"visits": ["is", "set"]}`, "A B D"}, {`{"visits": ["is", "not set"]}`, ""},
		{`{"hits": ["is", "not set"]}`, "C D E F"}, {`{"name": ["is", "set"]}`, "A B C D E F"},
		// between: whole days of datetimes, both ends.
		{`{"joined": ["between", ["2026-02-28", "2026-03-14"]]}`, "B C"}, {`{"seen": ["between", ["2026-03-08", "2026-03-14"]]}`, "B C"}, {`{"seen": ["between", ["2026-03-15 07:00:00", "2026-03-15 09:00:00"]]}`, "A"}, {`{"visits": ["between", [5, 7]]}`, "A B"},
		{`{"name": ["between", ["b", "d"]]}`, "B C D"}, {`{"seen": ["between", ["2026-03-15"]]}`, "A"}, {`{"joined": ["between", []]}`, "A"}, {`{"joined": ["between", ["", "2026-03-15"]]}`, "A"}, {`{"creation": ["between", ["2026-03-15", "2026-03-15"]]}`, "A B C D E F"},
		// Spans of time, on Sunday, March 15.
		{`{"seen": ["timespan", "today"]}`, "A"}, {`{"seen": ["timespan", "yesterday"]}`, "B"}, {`{"joined": ["timespan", "tomorrow"]}`, ""}, {`{"joined": ["timespan", "this week"]}`, "A"}, {`{"seen": ["timespan", "last week"]}`, "B C"}, {`{"joined": ["timespan", "this month"]}`, "A B"},
		{`{"joined": ["timespan", "last month"]}`, "C"}, {`{"joined": ["timespan", "this quarter"]}`, "A B C"}, {`{"joined": ["timespan", "last quarter"]}`, "D"}, {`{"joined": ["timespan", "this year"]}`, "A B C"}, {`{"joined": ["timespan", "last year"]}`, "D"}, {`{"joined": ["timespan", "last 6 months"]}`, "D"},
		{`{"joined": ["timespan", "last 7 days"]}`, "A B"}, {`{"joined": ["timespan", "last 30 days"]}`, "A B C"}, {`{"joined": ["previous", "1 month"]}`, "C"}, {`{"joined": ["previous", "1 year"]}`, "D"}, {`{"joined": ["next", "1 week"]}`, ""}, {`{"joined": ["Timespan", "Today"]}`, "A"},
		// Fields of the target of a link.
		{`{"region.lead": "Lee"}`, "A C"}, {`{"region.lead": ["like", "m%"]}`, "B"}, {`{"region.lead": ["is", "not set"]}`, "D E F"}, {`{"region.lead": ["!=", "Lee"]}`, "B D E F"}, {`[["region.lead", "in", ["Lee", "Mia"]]]`, "A B C"},
	} {
		got := s.list("clerk@acme", "Customer", "filters", test.filters, "order_by", "name")
		if got.status != 200 {
			t.Errorf("%s: %d %s", test.filters, got.status, got.body)
			continue
		}
		if names := got.names(t); names != test.want {
			t.Errorf("%s: %q, want %q", test.filters, names, test.want)
		}
		count := s.list("clerk@acme", "Customer", "filters", test.filters, "fields", `["count(name) as name"]`).names(t)
		if want := fmt.Sprint(len(strings.Fields(test.want))); count != want {
			t.Errorf("%s: the count is %s, want %s", test.filters, count, want)
		}
	}
	s.store.CheckAll(t, "acme")
}

// TestQueryOrFilters: or_filters are joined by or, and then with the filters by and.
func TestQueryOrFilters(t *testing.T) {
	s := market(t)
	for _, test := range []struct{ filters, or, want string }{
		{``, `[["name", "=", "A"], ["name", "=", "B"]]`, "A B"}, {``, `{"name": "A", "kind": "Individual"}`, "A B D"}, {`{"active": 1}`, `[["kind", "=", "Company"], ["visits", ">", 6]]`, "A B"},
		{`{"name": "C"}`, `{"name": "A"}`, ""}, {``, `[]`, "A B C D E F"}, {``, `[["name", "=", "A"], ["region.lead", "=", "Mia"]]`, "A B"}, {``, `["name", "=", "A"]`, "A"}, {``, `[[["kind", "=", "Company"], ["active", "=", 1]], ["name", "=", "D"]]`, "A D"},
	} {
		if got := s.list("clerk@acme", "Customer", "filters", test.filters, "or_filters", test.or, "order_by", "name").names(t); got != test.want {
			t.Errorf("%s or %s: %q, want %q", test.filters, test.or, got, test.want)
		}
	}
}

// TestQueryRows: fields and filters of child tables, by every name that they have.
func TestQueryRows(t *testing.T) {
	s := market(t)
	const o1, o2, o3, o4 = `{"name":"SO-2026-0001"}`, `{"name":"SO-2026-0002"}`, `{"name":"SO-2026-0003"}`, `{"name":"SO-2026-0004"}`
	for _, test := range []struct {
		parameters []string
		want       string
	}{
		{[]string{"filters", `[["Order Line", "item", "=", "Nut"]]`}, o1 + "," + o2}, {[]string{"filters", `[["order-line", "item", "=", "Nut"]]`}, o1 + "," + o2}, {[]string{"filters", `{"items.item": "Nut"}`}, o1 + "," + o2},
		{[]string{"filters", "{\"`tabOrder Line`.`item`\": \"Bolt\"}"}, o1}, {[]string{"filters", `{"items.name": ["is", "not set"]}`}, o3 + "," + o4},
		{[]string{"filters", `[["Order Line", "qty", ">", 0]]`}, o1 + "," + o1 + "," + o2}, {[]string{"filters", `[["Order Line", "qty", ">", 0]]`, "distinct", "1"}, o1 + "," + o1 + "," + o2},
		{[]string{"fields", `["items.item", "items.qty as n"]`, "filters", `{"customer": "A"}`}, `{"item":"Bolt","n":2.0},{"item":"Nut","n":3.0},{"item":null,"n":null}`},
		{[]string{"fields", "[\"name\", \"`tabOrder Line`.`idx`\"]", "filters", `{"total": 5}`}, `{"name":"SO-2026-0001","idx":1},{"name":"SO-2026-0001","idx":2}`},
		{[]string{"fields", `["items.item", "sum(items.qty) as n"]`, "group_by", "items.item", "order_by", "items.item desc"}, `{"item":"Nut","n":13.0},{"item":"Bolt","n":2.0},{"item":null,"n":null}`},
		{[]string{"fields", `["customer.kind", "customer.region as r"]`}, `{"kind":"Company","r":"North"},{"kind":"Individual","r":"South"},{"kind":"Company","r":"North"},{"kind":null,"r":null}`},
		{[]string{"fields", `["items"]`}, ``}, {[]string{"fields", `["name", "items"]`, "limit", "1"}, o1}, {[]string{"group_by", "customer", "fields", `["customer", "count(*) as n", "sum(total) as t"]`, "order_by", "t desc"}, `{"customer":"B","n":1,"t":7.25},{"customer":"A","n":2,"t":6.0},{"customer":null,"n":1,"t":0.0}`},
	} {
		if !slices.Contains(test.parameters, "order_by") {
			test.parameters = append(test.parameters, "order_by", "name")
		}
		s.list("clerk@acme", "Order", test.parameters...).want(t, 200, `{"data":[`+test.want+`]}`)
	}
	for _, field := range []string{"items.nope", "nope.item", "items.item.label", "`tabItem`.label", "`tabOrder Line`.nope", "customer.region.lead", "customer.", ".name", "items", "party.name"} {
		s.list("clerk@acme", "Order", "order_by", field).want(t, 417, "DataError")
	}
}

// TestQueryFields: aliases, aggregates, stars, what is left out, and rows as lists.
func TestQueryFields(t *testing.T) {
	s := market(t)
	for _, test := range []struct {
		parameters []string
		want       string
	}{
		{nil, `{"name":"A"},{"name":"B"}`}, {[]string{"fields", `[]`}, `{"name":"A"},{"name":"B"}`}, {[]string{"fields", `[null, ""]`}, `{"name":"A"},{"name":"B"}`}, {[]string{"fields", `"name, kind"`}, `{"name":"A","kind":"Company"},{"name":"B","kind":"Individual"}`},
		{[]string{"fields", `["name as id", "kind AS k"]`}, `{"id":"A","k":"Company"},{"id":"B","k":"Individual"}`}, {[]string{"fields", "[\"name as `id`\"]"}, `{"id":"A"},{"id":"B"}`}, {[]string{"fields", "[\"`tabCustomer`.`name`\", \"`kind`\"]"}, `{"name":"A","kind":"Company"},{"name":"B","kind":"Individual"}`},
		{[]string{"fields", `["name", "name"]`}, `{"name":"A"},{"name":"B"}`}, {[]string{"fields", `[" name "]`}, `{"name":"A"},{"name":"B"}`}, {[]string{"fields", `["name", "_user_tags", "_assign"]`}, `{"name":"A","_user_tags":null,"_assign":null},{"name":"B","_user_tags":null,"_assign":null}`},
		{[]string{"fields", `["name", "info"]`}, `{"name":"A"},{"name":"B"}`}, {[]string{"fields", `["credit", "visits", "weight", "stars", "active", "joined", "seen", "opens", "extra"]`, "limit", "1"}, `{"credit":10.5,"visits":5,"weight":1.0,"stars":0.0,"active":1,"joined":"2026-03-15","seen":"2026-03-15 08:00:00","opens":"8:00:00","extra":null}`},
		{[]string{"fields", `["name", "credit"]`, "as_dict", "false"}, `["A",10.5],["B",20.0]`}, {[]string{"fields", `["name"]`, "as_dict", "0"}, `["A"],["B"]`}, {[]string{"as_dict", "True"}, `{"name":"A"},{"name":"B"}`}, {[]string{"as_dict", ""}, `{"name":"A"},{"name":"B"}`},
		{[]string{"fields", `["count(*)", "COUNT(name) as c", "sum(credit) as s", "avg(visits) as v", "min(notes) as lo", "max(joined) as hi", "count(distinct kind) as k"]`}, `{"count(*)":6,"c":6,"s":27.5,"v":4.0,"lo":"","hi":"2026-03-15","k":3}`},
		{[]string{"fields", `["count( name ) as c", "Sum(visits)"]`}, `{"c":6,"Sum(visits)":24.0}`}, {[]string{"fields", `["sum(credit) as s", "count(name) as c"]`, "filters", `{"name": "Z"}`}, `{"s":null,"c":0}`},
		{[]string{"fields", `["kind", "count(name) as n"]`, "group_by", "kind", "order_by", "n desc, kind", "limit", "3"}, `{"kind":"Company","n":3},{"kind":"Individual","n":2},{"kind":"","n":1}`}, {[]string{"fields", `["kind as k", "max(visits) as m"]`, "group_by", "k", "order_by", "k desc", "limit", "3"}, `{"k":"Individual","m":12},{"k":"Company","m":5},{"k":"","m":0}`},
		{[]string{"fields", `["kind", "active", "count(*) as n"]`, "group_by", "kind, active", "order_by", "kind, active"}, `{"kind":"","active":0,"n":1},{"kind":"Company","active":0,"n":2}`},
		{[]string{"fields", `["name"]`, "group_by", "kind", "order_by", "kind"}, `{"name":"F"},{"name":"A"}`}, {[]string{"fields", `["region.lead", "count(name) as n"]`, "group_by", "region.lead", "order_by", "region.lead"}, `{"lead":null,"n":3},{"lead":"Lee","n":2}`},
		{[]string{"fields", `["kind", "sum(credit) as s"]`, "group_by", "kind", "order_by", "sum(credit) desc"}, `{"kind":"Individual","s":20.0},{"kind":"Company","s":7.5}`}, {[]string{"debug", "1", "parent", "x", "doctype", "Vault"}, `{"name":"A"},{"name":"B"}`},
	} {
		parameters := append(slices.Clone(test.parameters), "limit", "2")
		if !strings.Contains(strings.Join(parameters, " "), "(") {
			parameters = append(parameters, "order_by", "name")
		}
		s.list("clerk@acme", "Customer", parameters...).want(t, 200, `{"data":[`+test.want+`]}`)
	}
	for _, field := range []string{"nope", "sum(name)", "avg(joined)", "median(credit)", "sum(*)", "count()", "count(name", "count name)", "name as a b", "name as", "as x", "name as x-y", "name x", "count(distinct)", "count(distinct name, kind)", "sum(distinct credit)", "min(max(credit))", "1", "'x'", "name,kind", "name.kind", "parent", "tenant_id", "ifnull(name, 1)", "items"} {
		s.list("clerk@acme", "Customer", "fields", fmt.Sprintf(`["name", %q]`, field)).want(t, 417, "DataError")
	}
}

// TestQueryOrder: every form of order_by, ties by name, and the DocType's own order without one.
func TestQueryOrder(t *testing.T) {
	s := market(t)
	for _, test := range []struct{ order, want string }{
		{"", "F E D C B A"}, {" ", "F E D C B A"}, {"name", "A B C D E F"}, {"name asc", "A B C D E F"}, {"name desc", "F E D C B A"}, {"NAME DESC", ""}, {"name DESC", "F E D C B A"}, {"`name` desc", "F E D C B A"}, {"`tabCustomer`.`name` desc", "F E D C B A"},
		{"tabCustomer.name desc", "F E D C B A"}, {"kind", "F A C E B D"}, {"kind desc, name desc", "D B E C A F"}, {"visits desc", "D B A F E C"}, {"credit", "C D E F A B"}, {"joined", "E F D C B A"}, {"joined desc", "A B C D F E"}, {"notes", "E F C A D B"}, {"active desc,visits", "A B C E F D"},
		{"region.lead desc", "B C A F E D"}, {"modified", "A B C D E F"}, {"creation desc", "F E D C B A"}, {"seen  desc ", "A B C D F E"}, {" name\tdesc", "F E D C B A"},
	} {
		got := s.list("clerk@acme", "Customer", "order_by", test.order)
		if test.want == "" {
			got.want(t, 417, "DataError")
		} else if names := got.names(t); names != test.want {
			t.Errorf("order_by %q: %s, want %s", test.order, names, test.want)
		}
	}
	// A DocType with an order of its own, and a change that moves a document up where the order is modified.
	s.create("manager@acme", "Ticket", `{"subject": "c"}`, `{"subject": "a"}`, `{"subject": "b"}`)
	s.list("manager@acme", "Ticket").want(t, 200, `{"data":[{"name":2},{"name":3},{"name":1}]}`)
	s.send("manager@acme", "PUT", docPath("Customer", "C"), `{"visits": 1}`)
	if got := s.list("clerk@acme", "Customer").names(t); got != "C F E D B A" {
		t.Errorf("after a change of C: %s", got)
	}
}

// TestQueryLimits: pages of 20 without a limit, all with 0, and a bound that is told.
func TestQueryLimits(t *testing.T) {
	s := newShop(t, func(c *frappems.Config) { c.MaxRows = 40 })
	for i := range 30 {
		s.create("manager@acme", "Item", fmt.Sprintf(`{"name": "I%02d"}`, i))
	}
	for _, test := range []struct {
		parameters string
		first      string
		n          int
	}{
		{"", "I00", 20}, {"limit=", "I00", 20}, {"limit=5", "I00", 5}, {"limit_page_length=5", "I00", 5}, {"limit=3&limit_page_length=7", "I00", 7}, {"limit_start=25", "I25", 5}, {"limit=5&limit_start=10", "I10", 5}, {"limit_start=10&limit_page_length=3", "I10", 3}, {"limit=0", "I00", 30},
		{"limit_page_length=0", "I00", 30}, {"limit=0&limit_start=10", "I00", 30}, {"limit=None", "I00", 20}, {"limit=null", "I00", 20}, {"limit=40", "I00", 30}, {"limit_start=30", "", 0}, {"limit_start=99999999", "", 0}, {"limit=%205%20", "I00", 5}, {"limit=5&limit=9", "I00", 5},
	} {
		names := strings.Fields(s.send("clerk@acme", "GET", docPath("Item")+"?order_by=name&"+test.parameters, "").names(t))
		if len(names) != test.n || test.n > 0 && names[0] != test.first {
			t.Errorf("%s: %d names from %v, want %d from %s", test.parameters, len(names), names, test.n, test.first)
		}
	}
	for i := range 11 {
		s.create("manager@acme", "Item", fmt.Sprintf(`{"name": "J%02d"}`, i))
	}
	s.list("clerk@acme", "Item", "limit", "0").wantMessage(t, 417, "ValidationError", "more than 40 rows")
	s.list("clerk@acme", "Item", "limit", "41").wantMessage(t, 417, "ValidationError", "more than 40 rows")
	// Pages do not overlap, even where all rows are equal in the order, because a database is told to break ties.
	s.store.Take()
	s.list("clerk@acme", "Item", "order_by", "label desc")
	if got := s.store.CheckAll(t, "acme"); len(got) != 1 || !strings.Contains(got[0].Text, " ORDER BY t0.`label` DESC, t0.`name` DESC LIMIT ") {
		t.Errorf("the statement is %v", got)
	}
	var all []string
	for start := 0; start < 41; start += 7 {
		all = append(all, strings.Fields(s.list("clerk@acme", "Item", "order_by", "label", "limit", "7", "limit_start", fmt.Sprint(start)).names(t))...)
	}
	if slices.Sort(all); len(slices.Compact(all)) != 41 {
		t.Errorf("pages show %d of 41: %v", len(slices.Compact(all)), all)
	}
}

// TestQueryNames reaches documents whose names have odd letters, by every spelling of their path.
func TestQueryNames(t *testing.T) {
	s := newShop(t)
	for _, name := range []string{"a/b", "a//b", "/a", "a/", "a#b", "a?b", "a%b", "a%2Fb", "100%", "a b", "a+b", "a&b=c", `a"b`, "a'b", "a\\b", "日本語", "😀", "é", "a;b", "a:b", "a,b", "a.b", "..x", "a\tb", "a\nb", "~", "*", "(a)", "[a]", "{a}", "a|b", "a^b", "a`b", "$a", "@a", "!a", "null", "undefined", "0", "true", "-", "_", "New", strings.Repeat("é", 140)} {
		if got := s.create("manager@acme", "Item", fmt.Sprintf(`{"name": %s, "label": "x"}`, quoteJSON(name))); got != name {
			t.Errorf("made %q, got %q", name, got)
			continue
		}
		escaped := docPath("Item", name)
		paths := []string{escaped, escaped + "/", strings.Replace(escaped, "/resource/", "/v1/resource/", 1), strings.Replace(escaped, "/Item/", "/item/", 1), strings.ReplaceAll(escaped, "%2F", "/")}
		if strings.HasSuffix(name, "/") {
			paths = paths[:4] // a bare slash at the end is not part of a name
		}
		for _, path := range paths {
			if got := s.send("manager@acme", "GET", path, ""); got.status != 200 || got.data(t)["name"] != name {
				t.Errorf("%q at %s: %d %s", name, path, got.status, got.body)
			}
			if got := s.send("manager@acme", "HEAD", path, ""); got.status != 200 || got.body != "" && got.header.Get("Content-Length") == "" {
				t.Errorf("HEAD %s: %d %s", path, got.status, got.body)
			}
		}
		if got := s.send("manager@acme", "PUT", escaped, `{"label": "y"}`); got.status != 200 || got.data(t)["label"] != "y" {
			t.Errorf("PUT %s: %d %s", escaped, got.status, got.body)
		}
		s.list("manager@acme", "Item", "filters", fmt.Sprintf(`{"name": %s}`, quoteJSON(name)), "fields", `["label"]`).want(t, 200, `{"data":[{"label":"y"}]}`)
		s.send("manager@acme", "DELETE", escaped, "").want(t, 202, `{"data":"ok"}`)
		s.send("manager@acme", "GET", escaped, "").want(t, 404, "DoesNotExistError")
	}
	for _, path := range []string{"Order%20Line/x", "order-line/x", "Sales%20Order", "item%2Fx", "items"} {
		s.send("manager@acme", "GET", "/api/resource/"+path, "").want(t, 404, "DoesNotExistError")
	}
	for _, path := range []string{"settings", "settings/", "Settings/Settings", "settings/Settings"} {
		if got := s.send("manager@acme", "GET", "/api/resource/"+path, ""); got.status != 200 || got.data(t)["shop"] != "My Shop" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	s.send("manager@acme", "GET", "/api/resource/Settings/Other", "").want(t, 404, "DoesNotExistError")
}

// quoteJSON is a text as JSON.
func quoteJSON(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// TestListOfNothing checks that a list without rows is one in JSON too, which clients go through.
func TestListOfNothing(t *testing.T) {
	db, err := newShop(t).app.AsTenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, filters := range []any{nil, [][]any{{"name", "in", []string{}}}} {
		rows, err := db.List(t.Context(), "Item", frappems.ListOptions{Filters: filters})
		if got, _ := json.Marshal(rows); err != nil || string(got) != "[]" {
			t.Errorf("%v: got %s, %v, want []", filters, got, err)
		}
	}
}
