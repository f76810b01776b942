package frappems_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// twins fills both tenants with documents of the same names, whose values tell the tenants apart.
func twins(s *shop) {
	for _, tenant := range []string{"acme", "globex"} {
		as := "manager@" + tenant
		s.create(as, "Region", `{"title": "North", "lead": "lead of `+tenant+`"}`)
		s.create(as, "Customer", `{"customer_name": "Ada", "region": "North", "notes": "of `+tenant+`", "tax_id": "T-1", "secret": "s of `+tenant+`"}`)
		s.create(as, "Item", `{"name": "Bolt", "label": "bolt of `+tenant+`"}`)
		s.create(as, "Order", `{"customer": "Ada", "ref": "ref of `+tenant+`", "items": [{"item": "Bolt", "note": "row of `+tenant+`"}]}`)
		s.create(as, "Ticket", `{"subject": "ticket of `+tenant+`", "customer": "Ada"}`)
		s.create(as, "Tenanted", `{"name": "One", "code": "C-1"}`)
	}
	s.create("manager@globex", "Customer", `{"customer_name": "Glx", "notes": "of globex", "tax_id": "T-G"}`)
	s.create("manager@globex", "Item", `{"name": "Gear", "label": "gear of globex"}`)
	s.create("manager@globex", "Order", `{"customer": "Glx", "naming_series": "WEB-.###", "items": [{"item": "Gear"}]}`)
	s.create("manager@globex", "Tenanted", `{"name": "Two", "code": "C-G"}`)
}

// wantNothingOf fails when an answer holds something of the other tenant.
func wantNothingOf(t *testing.T, other string, got reply) {
	t.Helper()
	if strings.Contains(got.body, "of "+other) || strings.Contains(fmt.Sprint(got.header), other) {
		t.Errorf("the answer has something of %s: %d %s", other, got.status, got.body)
	}
}

// TestSecurity01FilterKey is the predecessor's worst hole: a query key or filter field went into the SQL as a column name, and
// a comment in it cut off the tenant's condition.
func TestSecurity01FilterKey(t *testing.T) {
	s := newShop(t)
	twins(s)
	keys := []string{"name`=0x476c78 -- ", "name` = 'Glx' -- ", "name`='Glx'#", "name`='Glx'/*", "name` or 1=1 or `name", "tenant_id", "`tenant_id`",
		"t0.tenant_id", "`tabCustomer`.`tenant_id`", "`tabCustomer`.`name`=1 or `name`", "name)", "name;drop table `tabCustomer`", "name\x00", "name\u2060",
		"ｎａｍｅ", "(select 1)", "1", "*", "''", "`", "``", "```", "tabCustomer.name` or 1", "customer.name`--", "region.tenant_id", "Region.tenant_id"}
	for _, key := range keys {
		plain := s.send("clerk@acme", "GET", docPath("Customer")+"?fields="+url.QueryEscape(`["name"]`)+"&"+url.QueryEscape(key)+"=1", "")
		if plain.status == 200 && plain.names(t) != "Ada" {
			t.Errorf("the query key %q: %s", key, plain.body)
		}
		quoted, _ := json.Marshal(key)
		for _, filters := range []string{`{%s: "Glx"}`, `{%s: ["like", "%%"]}`, `[[%s, "=", "Glx"]]`, `[["Customer", %s, "=", "Glx"]]`, `[[%s, "Glx"]]`} {
			for _, parameter := range []string{"filters", "or_filters"} {
				got := s.list("clerk@acme", "Customer", parameter, fmt.Sprintf(filters, quoted))
				if got.status != 417 || got.Type != "DataError" {
					t.Errorf("%s %s: %d %s", parameter, fmt.Sprintf(filters, quoted), got.status, got.body)
				}
				wantNothingOf(t, "globex", got)
			}
		}
	}
	s.store.CheckAll(t, "acme", "globex")
}

// hostile is text that has broken into statements elsewhere.
var hostile = []string{"x' or '1'='1", `x" or "1"="1`, "x` or `1`=`1", "x'; drop table `tabCustomer`; -- ", "%' union select 1 -- ", "\\' or 1=1 -- ", "sleep(1)",
	"benchmark(30000000,sha1(name))", "(select 1 from `tabRegion`)", "name -- x", "name /* c */", "name # x", "1 union select 1", "?", "??", "${x}", "{0}", "%s",
	"version()", "load_file('/etc/passwd')", "if(1,sleep(1),0)", "name;select 1", "name`", "`tabUser`.api_key", "tenant_id", "`tenant_id`", "*,tenant_id",
	"name as tenant_id, tenant_id", "name\nfrom", "ｓｌｅｅｐ(1)", "sleep/**/(1)", "count(*) from x", "count(sleep(1))", "sum(if(1,1,1))", "max((select 1))",
	"name as `x`, (select 1) as `y`", "name as x`y", "count(name) as n) from x -- ", "_user_tags`", "region.lead`", "items.item`", "(name)", "distinct name",
	"exists(select 1)", "name=1", "case when 1 then name end", "name collate utf8mb4_bin", "@@version", "0x61", "name||name", "name, name asc, (1)"}

// TestSecurity01Injection sends hostile text in every place of a list that is no value. Nothing but names of the DocType may
// reach a statement, and the text never does.
func TestSecurity01Injection(t *testing.T) {
	s := newShop(t)
	twins(s)
	for _, text := range hostile {
		quoted, _ := json.Marshal([]string{text})
		for parameter, value := range map[string]string{"fields": string(quoted), "order_by": text, "group_by": text, "limit": text, "limit_start": text,
			"limit_page_length": text, "as_dict": text, "filters": text, "or_filters": text} {
			got := s.list("manager@acme", "Customer", parameter, value)
			if got.status != 417 && got.status != 403 && !(got.status == 200 && (text == "name as tenant_id, tenant_id" || strings.HasPrefix(text, "name, "))) {
				t.Errorf("%s=%s: %d %s", parameter, value, got.status, got.body)
			}
			wantNothingOf(t, "globex", got)
		}
		for _, order := range []string{text + " asc", "name asc, " + text, text + " desc, name"} {
			s.list("manager@acme", "Customer", "order_by", order).want(t, 417, "DataError")
		}
	}
	s.store.CheckAll(t, "acme", "globex")
}

// TestSecurity04ValuesKeepTheShape compares the statements for hostile values with those for a harmless one.
func TestSecurity04ValuesKeepTheShape(t *testing.T) {
	s := newShop(t)
	twins(s)
	shape := func(filters string) string {
		s.store.Take()
		if got := s.list("manager@acme", "Customer", "filters", filters, "or_filters", filters); got.status != 200 {
			t.Errorf("%s: %d %s", filters, got.status, got.body)
		}
		var all []string
		for _, statement := range s.store.CheckAll(t, "acme") {
			all = append(all, statement.Text)
		}
		return strings.Join(all, "\n")
	}
	for _, operator := range []string{"=", "!=", ">", "<", ">=", "<=", "like", "not like", "in", "not in"} {
		for _, field := range []string{"name", "notes", "region.lead"} {
			filter := func(value string) string {
				quoted, _ := json.Marshal([]any{[]any{field, operator, []any{value}[0]}})
				if strings.Contains(operator, "in") {
					quoted, _ = json.Marshal([]any{[]any{field, operator, []any{value}}})
				}
				return string(quoted)
			}
			want := shape(filter("harmless"))
			for _, text := range hostile {
				if got := shape(filter(text)); got != want && !strings.Contains(text, "%") {
					t.Fatalf("the value %q of %s %s changes the statement\n%s\nto\n%s", text, field, operator, want, got)
				}
			}
		}
	}
}

// TestSecurity10BodyKeys sends what says whose and which a document is in bodies: a new document's, a change's, a row's.
func TestSecurity10BodyKeys(t *testing.T) {
	s := newShop(t)
	twins(s)
	// doctype: the predecessor built a document of the DocType in the body.
	got := s.send("clerk@acme", "POST", docPath("Customer"), `{"customer_name": "New", "doctype": "Vault", "owner": "thief", "creation": "1999-01-01",
		"modified": "1999-01-01", "modified_by": "thief", "flags": {"ignore_permissions": 1}, "ignore_permissions": 1, "parent": "x", "idx": 0, "user": "Administrator"}`)
	got.want(t, 200, "")
	for field, want := range map[string]any{"doctype": "Customer", "owner": "clerk@acme", "modified_by": "clerk@acme", "parent": nil, "flags": nil} {
		if have := got.data(t)[field]; have != want {
			t.Errorf("%s is %v, want %v", field, have, want)
		}
	}
	if strings.Contains(got.body, "1999") || strings.Contains(got.body, "thief") {
		t.Errorf("the client's own: %s", got.body)
	}
	// name: the document in the path is changed or none.
	before := s.get("manager@globex", "Customer", "Glx").body
	for _, name := range []string{"Glx", "Nobody"} {
		body := fmt.Sprintf(`{"name": %q, "modified": "2026-11-23 16:53:45", "creation": "2026-11-23 16:53:45", "owner": "manager@globex", "notes": "hijacked"}`, name)
		s.send("manager@acme", "PUT", docPath("Customer", "Ada"), body).want(t, 404, "DoesNotExistError")
	}
	if after := s.get("manager@globex", "Customer", "Glx").body; after != before {
		t.Errorf("globex's document was changed from %s to %s", before, after)
	}
	if got := s.get("manager@acme", "Customer", "Ada"); strings.Contains(got.body, "hijacked") {
		t.Errorf("acme's document was changed: %s", got.body)
	}
	put := s.send("manager@acme", "PUT", docPath("Customer", "Ada"), `{"doctype": "Vault", "owner": "thief", "creation": "1999-01-01", "modified_by": "thief", "docstatus": 0}`)
	put.want(t, 200, "")
	if d := put.data(t); d["owner"] != "manager@acme" || d["modified_by"] != "manager@acme" || d["doctype"] != "Customer" || strings.Contains(put.body, "1999") {
		t.Errorf("a PUT set what is not the client's: %s", put.body)
	}
	for _, status := range []string{"1", "2", "-1", "99"} {
		if got := s.send("manager@acme", "PUT", docPath("Customer", "Ada"), `{"docstatus": `+status+`}`); got.status != 403 && got.status != 417 {
			t.Errorf("docstatus %s: %d %s", status, got.status, got.body)
		}
	}
}

// TestSecurity10Rows sends rows that claim to be of another document or tenant.
func TestSecurity10Rows(t *testing.T) {
	s := newShop(t)
	twins(s)
	first := s.list("manager@acme", "Order").names(t)
	second := s.create("manager@acme", "Order", `{"items": [{"item": "Bolt", "note": "second"}]}`)
	rowOf := func(as, order string) string {
		rows := s.get(as, "Order", order).data(t)["items"].([]any)
		return rows[0].(map[string]any)["name"].(string)
	}
	own, foreign := rowOf("manager@acme", second), rowOf("manager@globex", strings.Fields(s.list("manager@globex", "Order", "order_by", "name").names(t))[0])
	for _, name := range []string{own, foreign, "nobody"} {
		for _, body := range []string{`{"items": [{"name": %q, "item": "Bolt"}]}`, `{"items": [{"name": %q, "item": "Bolt", "parent": "x", "parenttype": "Order", "parentfield": "items"}]}`} {
			got := s.send("manager@acme", "PUT", docPath("Order", first), fmt.Sprintf(body, name))
			got.want(t, 417, "ValidationError")
			if want := strings.Replace(got.body, name, "NAME", -1); !strings.Contains(want, "there is no row") {
				t.Errorf("%s: %s", name, got.body)
			}
		}
	}
	made := s.send("manager@acme", "POST", docPath("Order"), fmt.Sprintf(`{"items": [{"name": %q, "item": "Bolt", "parent": %q, "parenttype": "Vault",
		"parentfield": "hidden", "tenant_id": "globex", "owner": "thief", "docstatus": 1, "idx": 9}]}`, own, first))
	made.want(t, 200, "")
	row := made.data(t)["items"].([]any)[0].(map[string]any)
	if row["name"] == own || row["parent"] != made.data(t)["name"] || row["parenttype"] != "Order" || row["parentfield"] != "items" || row["owner"] != "manager@acme" || row["idx"] != 1.0 || row["docstatus"] != 0.0 {
		t.Errorf("the row is what the client says: %v", row)
	}
	if got := rowOf("manager@acme", second); got != own {
		t.Errorf("the row of the other document is %s now", got)
	}
	// Rows carry the tenant: each is found only in its own.
	for tenant, want := range map[string]int{"acme": 3, "globex": 2} {
		got := s.list("manager@"+tenant, "Order", "fields", `["count(items.name) as name"]`)
		if got.names(t) != fmt.Sprint(want) {
			t.Errorf("%s has %s rows, want %d", tenant, got.names(t), want)
		}
	}
	s.store.CheckAll(t, "acme", "globex")
}

// TestSecurity25ForeignNames wants the same bytes for what only another tenant has as for what nobody has.
func TestSecurity25ForeignNames(t *testing.T) {
	s := newShop(t)
	twins(s)
	for _, test := range []struct{ method, path, body string }{
		{"GET", "/api/resource/Customer/NAME", ""}, {"HEAD", "/api/resource/Customer/NAME", ""},
		{"PUT", "/api/resource/Customer/NAME", `{"notes": "x"}`}, {"DELETE", "/api/resource/Customer/NAME", ""},
		{"PUT", "/api/resource/Customer/Ada", `{"name": "NAME"}`},
		{"POST", "/api/resource/Order", `{"customer": "NAME"}`}, {"PUT", "/api/resource/Order/SO-2026-0001", `{"customer": "NAME"}`},
		{"POST", "/api/resource/Order", `{"items": [{"item": "NAME"}]}`}, {"POST", "/api/resource/Order", `{"party_type": "Customer", "party": "NAME"}`},
		{"PUT", "/api/resource/Settings/Settings", `{"best": "NAME"}`},
		{"GET", "/api/resource/Customer?filters=" + url.QueryEscape(`{"name": "NAME"}`), ""},
		{"GET", "/api/resource/Customer?filters=" + url.QueryEscape(`[["tax_id", "=", "NAME"]]`), ""},
		{"GET", "/api/resource/Order?filters=" + url.QueryEscape(`[["Order Line", "item", "=", "NAME"]]`), ""},
		{"GET", "/api/resource/Order?filters=" + url.QueryEscape(`{"customer.name": "NAME"}`), ""},
		{"GET", "/api/resource/Region?filters=" + url.QueryEscape(`{"name": ["descendants of", "NAME"]}`), ""},
		{"POST", "/api/resource/Customer", `{"customer_name": "made NAME", "tax_id": "NAME", "region": "North"}`},
	} {
		var answers []string
		for _, name := range []string{"Nil", "Glx"} {
			got := s.send("manager@acme", test.method, strings.ReplaceAll(test.path, "NAME", name), strings.ReplaceAll(test.body, "NAME", name))
			if test.method != "HEAD" && test.body != "" && got.status == 200 && !strings.Contains(test.body, "made") {
				t.Errorf("%s %s %s: %s", test.method, test.path, test.body, got.body)
			}
			delete(got.header, "X-Request-Id")
			delete(got.header, "X-Frappe-Request-Id")
			delete(got.header, "Etag") // when it was made
			got.body = stamps.ReplaceAllString(strings.ReplaceAll(got.body, name, "NAME"), "now")
			answers = append(answers, fmt.Sprint(got.status, got.header, got.body))
		}
		if answers[0] != answers[1] {
			t.Errorf("%s %s %s: %s\nand for a name of another tenant %s", test.method, test.path, test.body, answers[0], answers[1])
		}
	}
}

// TestSecurity10TenantID sends a tenant in bodies, filters and fields.
func TestSecurity10TenantID(t *testing.T) {
	s := newShop(t)
	twins(s)
	for _, test := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"customer_name": "A", "tenant_id": "acme"}`, 200, ""}, {`{"customer_name": "B", "tenant_id": null}`, 200, ""},
		{`{"customer_name": "C", "tenant_id": "globex"}`, 403, "PermissionError"}, {`{"customer_name": "D", "tenant_id": "ACME"}`, 403, "PermissionError"},
		{`{"customer_name": "E", "tenant_id": "acmé"}`, 403, "PermissionError"}, {`{"customer_name": "F", "tenant_id": "acme "}`, 403, "PermissionError"},
		{`{"customer_name": "G", "tenant_id": ""}`, 403, "PermissionError"}, {`{"customer_name": "H", "tenant_id": ["acme"]}`, 403, "PermissionError"},
		{`{"customer_name": "I", "tenant_id": "SYSTEM"}`, 403, "PermissionError"}, {`{"data": {"customer_name": "J", "tenant_id": "globex"}}`, 403, "PermissionError"},
		{`{"customer_name": "K", "tenant_id": 1}`, 403, "PermissionError"},
	} {
		got := s.send("manager@acme", "POST", docPath("Customer"), test.body)
		got.want(t, test.status, test.want)
		if strings.Contains(got.body, "tenant_id\":") {
			t.Errorf("%s: the tenant is shown: %s", test.body, got.body)
		}
		s.send("manager@acme", "PUT", docPath("Customer", "Ada"), strings.Replace(test.body, "customer_name", "x", 1)).want(t, test.status, test.want)
	}
	for _, parameters := range [][]string{{"fields", `["tenant_id"]`}, {"fields", `["count(tenant_id)"]`}, {"filters", `{"tenant_id": "globex"}`}, {"or_filters", `[["tenant_id", "!=", "x"]]`},
		{"order_by", "tenant_id"}, {"group_by", "tenant_id"}, {"fields", `["region.tenant_id"]`}, {"fields", "[\"`tabCustomer`.`tenant_id`\"]"}} {
		s.list("manager@acme", "Customer", parameters...).want(t, 417, "DataError")
	}
	for _, parameters := range [][]string{{"fields", `["*"]`}, {"tenant_id", "globex"}, {"tenant", "globex"}} {
		wantNothingOf(t, "globex", s.list("manager@acme", "Customer", parameters...))
	}
}

// TestSecurity24TenantField is TestSecurity10TenantID for a DocType that shows the tenant in a field of its own.
func TestSecurity24TenantField(t *testing.T) {
	s := newShop(t)
	twins(s)
	if got := s.get("manager@acme", "Tenanted", "One").data(t); got["tenant_id"] != "acme" {
		t.Errorf("the field is %v", got["tenant_id"])
	}
	s.send("manager@acme", "POST", docPath("Tenanted"), `{"name": "Three", "tenant_id": "globex"}`).want(t, 403, "PermissionError")
	s.send("manager@acme", "PUT", docPath("Tenanted", "One"), `{"tenant_id": "globex"}`).want(t, 403, "PermissionError")
	if got := s.send("manager@acme", "PUT", docPath("Tenanted", "One"), `{"tenant_id": null, "code": "C-2"}`).data(t); got["tenant_id"] != "acme" {
		t.Errorf("after a change the field is %v", got["tenant_id"])
	}
	s.list("manager@acme", "Tenanted", "fields", `["name", "tenant_id"]`).want(t, 200, `{"data":[{"name":"One","tenant_id":"acme"}]}`)
	s.list("manager@acme", "Tenanted", "filters", `{"tenant_id": "globex"}`).want(t, 200, `{"data":[]}`)
	s.list("manager@acme", "Tenanted", "or_filters", `[["tenant_id", "=", "globex"], ["tenant_id", "is", "set"]]`).want(t, 200, `{"data":[{"name":"One"}]}`)
	s.list("manager@acme", "Tenanted", "fields", `["tenant_id", "count(*) as n"]`, "group_by", "tenant_id").want(t, 200, `{"data":[{"tenant_id":"acme","n":1}]}`)
}

// TestSecurity24NoTenant: who has no tenant, or none that exists, sees nothing and learns nothing.
func TestSecurity24NoTenant(t *testing.T) {
	s := newShop(t, func(c *frappems.Config) {
		tokens := c.Auth
		c.Auth = frappems.Chain(tokens, authFunc(tenantByHeader))
	})
	twins(s)
	for _, header := range []map[string]string{{"Authorization": "token lost:s"}, {"X-Test-Tenant": "SYSTEM"}, {"X-Test-Tenant": "a b"}, {"X-Test-Tenant": "acmé"}, {"X-Test-Tenant": "acme'"},
		{"X-Test-Tenant": strings.Repeat("a", 65)}, {"X-Test-Tenant": "-"}} {
		for _, test := range []struct{ method, path, body string }{{"GET", "Customer", ""}, {"GET", "Customer/Ada", ""}, {"GET", "Customer/Nobody", ""}, {"POST", "Customer", `{"customer_name": "X"}`},
			{"PUT", "Customer/Ada", `{}`}, {"DELETE", "Customer/Ada", ""}, {"GET", "Settings/Settings", ""}} {
			s.sendAs("", test.method, "/api/resource/"+test.path, test.body, header).want(t, 403, "PermissionError")
		}
	}
	// Another case is another tenant, which has nothing.
	s.sendAs("", "GET", docPath("Customer"), "", map[string]string{"X-Test-Tenant": "ACME"}).want(t, 200, `{"data":[]}`)
}

// tenantByHeader vouches for whatever tenant a header names, as a careless gateway would.
func tenantByHeader(r *http.Request) (*frappems.User, error) {
	tenant := r.Header.Get("X-Test-Tenant")
	if tenant == "" {
		return nil, nil
	}
	return &frappems.User{Name: "gate@example.com", Roles: []string{"Manager", "All", "Guest"}, Tenant: strings.TrimPrefix(tenant, "-")}, nil
}

// TestSecurity25KeysAcrossTenants: unique values, series and autoincrement of two tenants never meet.
func TestSecurity25KeysAcrossTenants(t *testing.T) {
	s := newShop(t)
	for _, tenant := range []string{"acme", "globex"} {
		as := "manager@" + tenant
		s.create(as, "Customer", `{"customer_name": "Ada", "tax_id": "T-1"}`)
		for _, want := range []string{"SO-2026-0001", "SO-2026-0002", "SO-2026-0003"} {
			if got := s.create(as, "Order", `{}`); got != want {
				t.Errorf("%s: order %s, want %s", tenant, got, want)
			}
		}
		for _, want := range []string{"1", "2"} {
			if got := s.create(as, "Ticket", `{"subject": "x"}`); got != want {
				t.Errorf("%s: ticket %s, want %s", tenant, got, want)
			}
		}
		s.send(as, "POST", docPath("Customer"), `{"customer_name": "ADA"}`).want(t, 409, "DuplicateEntryError")
		s.send(as, "POST", docPath("Customer"), `{"customer_name": "Bob", "tax_id": "t-1"}`).want(t, 417, "UniqueValidationError")
	}
	s.send("manager@acme", "DELETE", docPath("Order", "SO-2026-0003"), "").want(t, 202, `{"data":"ok"}`)
	if got := s.create("manager@globex", "Order", `{}`); got != "SO-2026-0004" {
		t.Errorf("globex's next order after acme's delete is %s", got)
	}
	if got := s.create("manager@acme", "Order", `{}`); got != "SO-2026-0003" {
		t.Errorf("acme's next order after its delete is %s", got)
	}
	// Links of the other tenant do not hold a document.
	s.create("manager@globex", "Order", `{"customer": "Ada"}`)
	s.send("manager@acme", "DELETE", docPath("Customer", "Ada"), "").want(t, 202, `{"data":"ok"}`)
	s.send("manager@globex", "DELETE", docPath("Customer", "Ada"), "").want(t, 417, "LinkExistsError")
	// A Single is each tenant's own.
	s.send("manager@acme", "PUT", docPath("Settings", "Settings"), `{"shop": "Acme's"}`).want(t, 200, "")
	if got := s.get("manager@globex", "Settings", "Settings").data(t)["shop"]; got != "My Shop" {
		t.Errorf("globex's settings say %v", got)
	}
}

// TestSecurity25RandomTenants lets two tenants do random things with the same names. Every value begins with its tenant, so
// that any byte of one in an answer to the other shows.
func TestSecurity25RandomTenants(t *testing.T) {
	s := newShop(t)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	have := map[string][]string{"acme": nil, "globex": nil}
	for range 600 {
		tenant, other := "acme", "globex"
		if random.IntN(2) == 1 {
			tenant, other = other, tenant
		}
		as, name, key := "manager@"+tenant, pick("Ada", "Bob", "Cy", "Di"), tenant+" "+pick("k1", "k2", "k3")
		body := fmt.Sprintf(`{"customer_name": %q, "notes": "%s note", "tax_id": %q}`, name, tenant, pick("k1", "k2", "k3", key))
		var got reply
		known := slices.Contains(have[tenant], name)
		switch random.IntN(6) {
		case 0:
			got = s.send(as, "POST", docPath("Customer"), body)
			if known != (got.status == 409) && got.Type != "UniqueValidationError" {
				t.Fatalf("%s makes %s: %d %s", tenant, name, got.status, got.body)
			}
			if got.status == 200 {
				have[tenant] = append(have[tenant], name)
			}
		case 1:
			got = s.send(as, "PUT", docPath("Customer", name), body)
			if known == (got.status == 404) {
				t.Fatalf("%s changes %s: %d %s", tenant, name, got.status, got.body)
			}
		case 2:
			got = s.send(as, "DELETE", docPath("Customer", name), "")
			if known == (got.status == 404) {
				t.Fatalf("%s deletes %s: %d %s", tenant, name, got.status, got.body)
			}
			if got.status == 202 {
				have[tenant] = slices.DeleteFunc(have[tenant], func(n string) bool { return n == name })
			}
		case 3:
			got = s.send(as, "POST", docPath("Ticket"), fmt.Sprintf(`{"subject": "%s ticket", "customer": %q}`, tenant, name))
			if known != (got.status == 200) {
				t.Fatalf("%s links to %s: %d %s", tenant, name, got.status, got.body)
			}
		case 4:
			got = s.list(as, "Customer", "fields", `["*"]`, "limit", "0", "order_by", pick("notes", "tax_id desc", "name", ""))
			if n := strings.Count(got.body, `"notes":`); n != len(have[tenant]) {
				t.Fatalf("%s lists %d of %d: %s", tenant, n, len(have[tenant]), got.body)
			}
		case 5:
			got = s.list(as, "Ticket", "fields", `["*", "customer.notes as cn", "customer.tax_id"]`, "limit", "0")
		}
		if strings.Contains(got.body, other) {
			t.Fatalf("something of %s in an answer to %s: %s", other, tenant, got.body)
		}
	}
	s.store.CheckAll(t, "acme", "globex")
}

// stamps are times of writing and random names.
var stamps = regexp.MustCompile(`2026-[0-9-]+ [0-9:.]+|"opens":"[0-9:.]+"|"name":"[0-9a-v]{10}"`)
