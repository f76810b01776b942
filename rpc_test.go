package frappems_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// officeDocTypes have what methods need: documents to submit and to rename, rows, a Single.
const officeDocTypes = `[
{"doctype": "DocType", "name": "Party", "autoname": "field:title", "allow_rename": 1, "title_field": "title", "search_fields": "kind,city,secret", "fields": [
	{"fieldname": "title", "fieldtype": "Data", "reqd": 1}, {"fieldname": "kind", "fieldtype": "Select", "options": "Company\nPerson"},
	{"fieldname": "city", "fieldtype": "Data"}, {"fieldname": "limit", "fieldtype": "Currency"}, {"fieldname": "disabled", "fieldtype": "Check"},
	{"fieldname": "secret", "fieldtype": "Data", "permlevel": 1}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Manager", "permlevel": 1, "read": 1, "write": 1},
	{"role": "Clerk", "read": 1, "write": 1}, {"role": "Viewer", "select": 1}]},
{"doctype": "DocType", "name": "Bill Line", "istable": 1, "fields": [
	{"fieldname": "what", "fieldtype": "Data"}, {"fieldname": "qty", "fieldtype": "Int", "default": "1"},
	{"fieldname": "cost", "fieldtype": "Int", "permlevel": 1}]},
{"doctype": "DocType", "name": "Bill", "custom": 1, "autoname": "prompt", "is_submittable": 1, "title_field": "note", "show_title_field_in_link": 1, "search_fields": "party", "fields": [
	{"fieldname": "party", "fieldtype": "Link", "options": "Party"}, {"fieldname": "note", "fieldtype": "Data"},
	{"fieldname": "lines", "fieldtype": "Table", "options": "Bill Line"}, {"fieldname": "inner", "fieldtype": "Table", "options": "Bill Line", "permlevel": 1}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1, "submit": 1, "cancel": 1},
	{"role": "Manager", "permlevel": 1, "read": 1, "write": 1}, {"role": "Clerk", "read": 1, "write": 1}]},
{"doctype": "DocType", "name": "Office", "issingle": 1, "fields": [
	{"fieldname": "seats", "fieldtype": "Int"}, {"fieldname": "motto", "fieldtype": "Data"}, {"fieldname": "safe", "fieldtype": "Data", "permlevel": 1}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1}, {"role": "Writer", "read": 1}]},
{"doctype": "DocType", "name": "Job", "autoname": "autoincrement", "fields": [{"fieldname": "title", "fieldtype": "Data"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}, {"role": "Writer", "read": 1, "print": 1},
	{"role": "Writer", "if_owner": 1, "read": 1, "create": 1, "delete": 1, "submit": 1}]},
{"doctype": "DocType", "name": "Vault", "autoname": "prompt", "fields": [{"fieldname": "code", "fieldtype": "Data"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}]}]`

var officeResources = []string{"Party", "Bill", "Office", "Job"} // and no Vault

// newOffice is a service with a few documents of the tenant acme.
func newOffice(t testing.TB, change ...func(*frappems.Config)) *shop {
	s := newService(t, officeDocTypes, officeResources, change...)
	furnish(s)
	return s
}

func furnish(s *shop) {
	s.create("manager@acme", "Party", `{"title": "Ada", "kind": "Company", "city": "Bern", "limit": 5, "secret": "s1"}`,
		`{"title": "Adam", "kind": "Person", "city": "Ulm"}`, `{"title": "Bob", "city": "Radagast"}`, `{"title": "Cara", "disabled": 1}`)
	s.create("manager@acme", "Bill", `{"name": "B1", "party": "Ada", "lines": [{"what": "pen"}, {"what": "ink", "qty": 2, "cost": 7}]}`,
		`{"name": "B2", "party": "Bob", "note": "two"}`)
	s.create("manager@acme", "Job", `{"title": "sweeping"}`)
}

const formType = "application/x-www-form-urlencoded"

// call calls a method with a JSON body, or with a query where the HTTP method is GET.
func (s *shop) call(as, verb, name, body string) reply {
	s.t.Helper()
	path := "/api/method/" + name
	if verb == "GET" {
		var args map[string]any
		if err := json.Unmarshal([]byte(body), &args); err != nil {
			s.t.Fatal(err)
		}
		query := url.Values{}
		for key, v := range args {
			if text, ok := v.(string); ok {
				query.Set(key, text)
			} else {
				raw, _ := json.Marshal(v)
				query.Set(key, string(raw))
			}
		}
		path, body = path+"?"+query.Encode(), ""
	}
	return s.send(as, verb, path, body)
}

// TestClientMethods calls what clients call, with the arguments in each shape that they send. Want is the whole body; … in it
// is any text.
func TestClientMethods(t *testing.T) {
	s := newOffice(t)
	s.send("manager@acme", "PUT", "/api/resource/Office/Office", `{"seats": 4}`).want(t, 200, "")
	for _, test := range []struct {
		as, verb, method, args string
		status                 int
		want                   string
	}{
		{"clerk", "GET", "frappe.auth.get_logged_user", `{}`, 200, `{"message":"clerk@acme"}`},
		{"", "GET", "ping", `{}`, 200, `{"message":"pong"}`},
		{"", "POST", "frappe.ping", `{}`, 200, `{"message":"pong"}`},

		{"clerk", "GET", "frappe.client.get_list", `{"doctype": "Party", "order_by": "name", "limit": "2"}`, 200, `{"message":[{"name":"Ada"},{"name":"Adam"}]}`},
		{"clerk", "POST", "frappe.client.get_list", `{"doctype": "Party", "fields": ["name", "kind"], "filters": {"city": ["like", "B%"]}, "limit_page_length": 5}`, 200, `{"message":[{"name":"Ada","kind":"Company"}]}`},
		{"clerk", "POST", "frappe.client.get_list", `{"doctype": "Party", "fields": "[\"name\"]", "filters": "{\"city\": \"Ulm\"}", "or_filters": null, "debug": false, "as_dict": true}`, 200, `{"message":[{"name":"Adam"}]}`},
		{"clerk", "POST", "frappe.client.get_list", `{"doctype": "Party", "fields": "name,city", "filters": "Ada", "as_dict": false}`, 200, `{"message":[["Ada","Bern"]]}`},
		{"clerk", "GET", "frappe.client.get_list", `{"doctype": "Party", "fields": ["name", "secret"], "filters": [["name", "=", "Ada"]]}`, 200, `{"message":[{"name":"Ada"}]}`},
		{"manager", "GET", "frappe.client.get_list", `{"doctype": "Bill Line", "parent": "Bill", "fields": ["what"], "filters": {"parent": "B1"}, "order_by": "idx"}`, 200, `{"message":[{"what":"pen"},{"what":"ink"}]}`},
		{"manager", "GET", "frappe.client.get_list", `{"doctype": "Bill Line", "fields": ["what"]}`, 403, "PermissionError"},
		{"viewer", "GET", "frappe.client.get_list", `{"doctype": "Bill Line", "parent": "Bill"}`, 403, "PermissionError"},
		{"manager", "GET", "frappe.client.get_list", `{"doctype": "Party", "filters": {"nothing": 1}}`, 417, "DataError"},
		{"manager", "GET", "frappe.client.get_list", `{"doctype": "Party", "limit": "many"}`, 417, "DataError"},
		{"stranger", "GET", "frappe.client.get_list", `{"doctype": "Party"}`, 403, "PermissionError"},
		{"manager", "GET", "frappe.client.get_list", `{}`, 404, "DoesNotExistError"},

		{"clerk", "GET", "frappe.client.get_count", `{"doctype": "Party"}`, 200, `{"message":4}`},
		{"clerk", "GET", "frappe.client.get_count", `{"doctype": "Party", "filters": [["kind", "=", "Person"]], "debug": "true"}`, 200, `{"message":1}`},
		{"clerk", "POST", "frappe.desk.reportview.get_count", `{"doctype": "Party", "limit": 3, "distinct": "true", "fields": []}`, 200, `{"message":3}`},
		{"manager", "GET", "frappe.client.get_count", `{"doctype": "Bill Line", "parent": "Bill"}`, 200, `{"message":2}`},
		{"stranger", "GET", "frappe.client.get_count", `{"doctype": "Party"}`, 403, "PermissionError"},

		{"clerk", "GET", "frappe.client.get", `{"doctype": "Party", "name": "Bob"}`, 200, `{"message":{"name":"Bob",…"title":"Bob","kind":"Company","city":"Radagast","limit":0.0,"disabled":0,"secret":null,"doctype":"Party"}}`},
		{"clerk", "POST", "frappe.client.get", `{"doctype": "Party", "filters": {"city": "Ulm"}}`, 200, `{"message":{"name":"Adam",…`},
		{"clerk", "GET", "frappe.client.get", `{"doctype": "Party", "name": "Nobody"}`, 404, "DoesNotExistError"},
		{"clerk", "GET", "frappe.client.get", `{"doctype": "Party", "filters": {"city": "Rome"}}`, 404, "DoesNotExistError"},
		{"clerk", "GET", "frappe.client.get", `{"doctype": "Party"}`, 404, "DoesNotExistError"},
		{"manager", "GET", "frappe.client.get", `{"doctype": "Office"}`, 200, `{"message":{"name":"Office",…"seats":4,…`},
		{"manager", "GET", "frappe.client.get", `{"doctype": "Job", "name": 1}`, 200, `{"message":{"name":1,…`},
		{"viewer", "GET", "frappe.client.get", `{"doctype": "Party", "name": "Ada"}`, 403, "PermissionError"},

		{"manager", "GET", "frappe.client.get", `{"doctype": "Bill Line", "parent": "Bill", "filters": {"what": "ink"}}`, 200,
			`{"message":{"cost":7,"creation":…,"doctype":"Bill Line",…"parent":"B1","parentfield":"lines","parenttype":"Bill","qty":2,"what":"ink"}}`},
		{"clerk", "GET", "frappe.client.get", `{"doctype": "Bill Line", "parent": "Bill", "filters": {"what": "pen"}}`, 200, `{"message":{"creation":…`},
		{"manager", "GET", "frappe.client.get", `{"doctype": "Bill Line", "parent": "Bill", "name": "nothing"}`, 404, "DoesNotExistError"},
		{"manager", "GET", "frappe.client.get", `{"doctype": "Bill Line", "parent": "Bill"}`, 404, "DoesNotExistError"},
		{"manager", "GET", "frappe.client.get", `{"doctype": "Bill Line", "name": "nothing"}`, 403, "PermissionError"},
		{"stranger", "GET", "frappe.client.get", `{"doctype": "Bill Line", "parent": "Bill", "name": "nothing"}`, 403, "PermissionError"},
		{"clerk", "GET", "frappe.client.get_value", `{"doctype": "Party", "fieldname": "city", "filters": "Ada"}`, 200, `{"message":{"city":"Bern"}}`},
		{"clerk", "GET", "frappe.client.get_value", `{"doctype": "Party", "fieldname": ["city", "limit"], "filters": {"name": "Ada"}, "as_dict": "true", "debug": "false"}`, 200, `{"message":{"city":"Bern","limit":5.0}}`},
		{"clerk", "GET", "frappe.client.get_value", `{"doctype": "Party", "fieldname": "\"city\"", "filters": "\"Ada\""}`, 200, `{"message":{"city":"Bern"}}`},
		{"clerk", "GET", "frappe.client.get_value", `{"doctype": "Party", "fieldname": "city", "filters": "Nobody"}`, 200, `{"message":{}}`},
		{"clerk", "GET", "frappe.client.get_value", `{"doctype": "Party", "fieldname": "city", "filters": "Ada", "as_dict": "false"}`, 200, `{"message":["Bern"]}`},
		{"clerk", "POST", "frappe.client.get_value", `{"doctype": "Party", "fieldname": "city", "filters": "Ada", "as_dict": false}`, 200, `{"message":"Bern"}`},
		{"clerk", "POST", "frappe.client.get_value", `{"doctype": "Party", "fieldname": "city", "filters": "Nobody", "as_dict": false}`, 200, `{}`},
		{"clerk", "GET", "frappe.client.get_value", `{"doctype": "Party", "fieldname": "secret", "filters": "Ada"}`, 200, `{"message":{}}`},
		{"manager", "GET", "frappe.client.get_value", `{"doctype": "Bill Line", "fieldname": "qty", "filters": {"what": "ink"}, "parent": "Bill"}`, 200, `{"message":{"qty":2}}`},
		{"manager", "GET", "frappe.client.get_value", `{"doctype": "Office", "fieldname": ["seats", "motto"]}`, 200, `{"message":{"seats":"4"}}`},
		{"stranger", "GET", "frappe.client.get_value", `{"doctype": "Office", "fieldname": "seats"}`, 403, "PermissionError"},
		{"manager", "GET", "frappe.client.get_single_value", `{"doctype": "Office", "field": "seats"}`, 200, `{"message":4}`},
		{"manager", "GET", "frappe.client.get_single_value", `{"doctype": "Office", "field": "motto"}`, 200, `{"message":""}`},
		{"manager", "GET", "frappe.client.get_single_value", `{"doctype": "Office", "field": "nothing"}`, 417, "ValidationError"},
		{"manager", "GET", "frappe.client.get_single_value", `{"doctype": "Party", "field": "city"}`, 417, "ValidationError"},
		{"clerk", "GET", "frappe.client.get_single_value", `{"doctype": "Office", "field": "seats"}`, 403, "PermissionError"},
		{"writer", "GET", "frappe.client.get_single_value", `{"doctype": "Office", "field": "seats"}`, 200, `{"message":4}`},
		{"writer", "GET", "frappe.client.get_single_value", `{"doctype": "Office", "field": "safe"}`, 417, "DataError"},
		{"writer", "GET", "frappe.client.get_value", `{"doctype": "Office", "fieldname": ["seats", "safe"]}`, 417, "DataError"},

		{"clerk", "GET", "frappe.client.has_permission", `{"doctype": "Party", "docname": "Ada"}`, 200, `{"message":{"has_permission":true}}`},
		{"clerk", "GET", "frappe.client.has_permission", `{"doctype": "Party", "docname": "Ada", "perm_type": "Delete"}`, 200, `{"message":{"has_permission":false}}`},
		{"clerk", "GET", "frappe.client.has_permission", `{"doctype": "Party", "docname": "Ada", "perm_type": "fly"}`, 200, `{"message":{"has_permission":false}}`},
		{"clerk", "GET", "frappe.client.has_permission", `{"doctype": "Party", "docname": "", "perm_type": "write"}`, 200, `{"message":{"has_permission":true}}`},
		{"clerk", "GET", "frappe.client.has_permission", `{"doctype": "Party", "docname": "Nobody"}`, 404, "DoesNotExistError"},
		{"clerk", "GET", "frappe.client.get_doc_permissions", `{"doctype": "Party", "docname": "Ada"}`, 200,
			`{"message":{"permissions":{"amend":0,"cancel":0,"create":0,"delete":0,"email":0,"export":0,"has_if_owner_enabled":false,"if_owner":{},"import":0,"print":0,"read":1,"report":0,"select":0,"share":0,"submit":0,"write":1}}}`},
		{"writer", "GET", "frappe.client.get_doc_permissions", `{"doctype": "Job", "docname": "1"}`, 200,
			`{"message":{"permissions":{"amend":0,"cancel":0,"create":1,"delete":0,"email":0,"export":0,"has_if_owner_enabled":true,"if_owner":{"delete":0,"submit":0},"import":0,"print":1,"read":1,"report":0,"select":0,"share":0,"submit":0,"write":0}}}`},
		{"admin", "GET", "frappe.client.get_doc_permissions", `{"doctype": "Job", "docname": "1"}`, 200,
			`{"message":{"permissions":{"amend":1,"cancel":1,"create":1,"delete":1,"email":1,"export":1,"import":0,"print":1,"read":1,"report":1,"select":1,"share":1,"submit":0,"write":1}}}`},
		{"writer", "GET", "frappe.client.has_permission", `{"doctype": "Job", "docname": "1", "perm_type": "print"}`, 200, `{"message":{"has_permission":true}}`},
		{"clerk", "GET", "frappe.client.validate_link", `{"doctype": "Party", "docname": "ADA", "fields": ["kind", "city"]}`, 200, `{"message":{"city":"Bern","kind":"Company","name":"Ada"}}`},
		{"clerk", "GET", "frappe.client.validate_link", `{"doctype": "Party", "docname": "Nobody", "fields": ["kind"]}`, 200, `{"message":{"name":null}}`},
		{"viewer", "GET", "frappe.client.validate_link", `{"doctype": "Party", "docname": "Ada"}`, 200, `{"message":{"name":"Ada"}}`},
		{"stranger", "GET", "frappe.client.validate_link", `{"doctype": "Party", "docname": "Ada"}`, 403, "PermissionError"},
		{"admin", "POST", "frappe.client.get_password", `{"doctype": "Party", "name": "Ada", "fieldname": "secret"}`, 403, "PermissionError"},

		{"clerk", "GET", "frappe.desk.search.search_link", `{"doctype": "Party", "txt": "ada"}`, 200,
			`{"message":[{"value":"Ada","description":"Ada, Company, Bern"},{"value":"Adam","description":"Adam, Person, Ulm"},{"value":"Bob","description":"Bob, Company, Radagast"}]}`},
		{"viewer", "POST", "frappe.desk.search.search_link", `{"doctype": "Party", "txt": "", "page_length": 1}`, 200, `{"message":[{"value":"…`},
		{"clerk", "GET", "frappe.desk.search.search_link", `{"doctype": "Party", "txt": "a", "filters": {"kind": "Person"}}`, 200, `{"message":[{"value":"Adam","description":"Adam, Person, Ulm"}]}`},
		{"clerk", "GET", "frappe.desk.search.search_link", `{"doctype": "Party", "txt": "cara"}`, 200, `{"message":[]}`},
		{"clerk", "GET", "frappe.desk.search.search_link", `{"doctype": "Bill", "txt": "b"}`, 200,
			`{"message":[{"value":"B1","description":"B1, Ada"},{"value":"B2","label":"two","description":"B2, Bob"}]}`},
		{"clerk", "GET", "frappe.desk.search.search_link", `{"doctype": "Party", "txt": "x", "query": "erpnext.queries.all"}`, 417, "ValidationError"},
		{"stranger", "GET", "frappe.desk.search.search_link", `{"doctype": "Party", "txt": "ada", "ignore_user_permissions": 1}`, 403, "PermissionError"},
		{"clerk", "POST", "frappe.desk.reportview.get", `{"doctype": "Party", "fields": "[\"` + "`tabParty`.`name`" + `\", \"city\"]", "order_by": "name asc", "start": 1, "page_length": 2, "view": "List", "with_comment_count": 1}`, 200,
			`{"message":{"keys":["name","city"],"user_info":{},"values":[["Adam","Ulm"],["Bob","Radagast"]]}}`},
		{"clerk", "POST", "frappe.desk.reportview.get", `{"doctype": "Party", "filters": [["Party", "city", "=", "Rome"]]}`, 200, `{"message":[]}`},
		{"clerk", "POST", "frappe.desk.reportview.get_list", `{"doctype": "Party", "order_by": "name", "limit_page_length": 1}`, 200, `{"message":[{"name":"Ada"}]}`},
		{"stranger", "POST", "frappe.desk.reportview.get", `{"doctype": "Party"}`, 403, "PermissionError"},

		{"manager", "POST", "frappe.client.insert", `{"doc": {"doctype": "Party", "title": "Dora", "owner": "x@y", "creation": "2000-01-01"}}`, 200, `{"message":{"name":"Dora","owner":"manager@acme",…"city":null,…`},
		{"manager", "POST", "frappe.client.insert", `{"doc": "{\"doctype\": \"Party\", \"title\": \"Emil\"}"}`, 200, `{"message":{"name":"Emil",…`},
		{"manager", "PUT", "frappe.client.insert", `{"doc": {"doctype": "Bill Line", "parenttype": "Bill", "parent": "B2", "parentfield": "lines", "what": "cap"}}`, 200, `{"message":{"name":"B2",…"what":"cap",…`},
		{"manager", "POST", "frappe.client.insert", `{"doc": {"doctype": "Bill Line", "what": "cap"}}`, 417, "ValidationError"},
		{"manager", "POST", "frappe.client.insert", `{"doc": {"doctype": "Bill Line", "parenttype": "Vault", "parent": "x", "parentfield": "lines"}}`, 404, "DoesNotExistError"},
		{"manager", "POST", "frappe.client.insert", `{"doc": {"doctype": "Bill Line", "parenttype": "Bill", "parent": "B2", "parentfield": "party", "what": "cap"}}`, 417, "ValidationError"},
		{"manager", "POST", "frappe.client.insert", `{"doc": 7}`, 417, "ValidationError"},
		{"manager", "POST", "frappe.client.insert", `{}`, 417, "ValidationError"},
		{"clerk", "POST", "frappe.client.insert", `{"doc": {"doctype": "Party", "title": "No"}}`, 403, "PermissionError"},
		{"manager", "POST", "frappe.client.insert_many", `{"docs": [{"doctype": "Party", "title": "Many"}, {"doctype": "Job", "title": "second"}]}`, 200, `{"message":["Many",2]}`},
		{"manager", "POST", "frappe.client.insert_many", `{"docs": "[{\"doctype\": \"Party\", \"title\": \"Half\"}, {\"doctype\": \"Party\"}]"}`, 417, "ValidationError"},
		{"manager", "GET", "frappe.client.get_count", `{"doctype": "Party", "filters": {"title": "Half"}}`, 200, `{"message":0}`},
		{"manager", "POST", "frappe.client.insert_many", `{"docs": {"doctype": "Party"}}`, 417, "ValidationError"},

		{"clerk", "POST", "frappe.client.set_value", `{"doctype": "Party", "name": "Ada", "fieldname": "city", "value": "Rome"}`, 200, `{"message":{"name":"Ada",…"city":"Rome",…`},
		{"clerk", "POST", "frappe.client.set_value", `{"doctype": "Party", "name": "Ada", "fieldname": {"city": "Oslo", "limit": "7"}}`, 200, `{"message":{"name":"Ada",…"city":"Oslo","limit":7.0,…`},
		{"clerk", "POST", "frappe.client.set_value", `{"doctype": "Party", "name": "Ada", "fieldname": "{\"city\": \"Bern\"}"}`, 200, `{"message":{"name":"Ada",…"city":"Bern",…`},
		{"clerk", "POST", "frappe.client.set_value", `{"doctype": "Party", "name": "Ada", "fieldname": "city"}`, 200, `{"message":{"name":"Ada",…"city":"",…`},
		{"clerk", "POST", "frappe.client.set_value", `{"doctype": "Party", "name": "Ada", "fieldname": "owner", "value": "x"}`, 417, "ValidationError"},
		{"clerk", "POST", "frappe.client.set_value", `{"doctype": "Party", "name": "Nobody", "fieldname": "city", "value": "x"}`, 404, "DoesNotExistError"},
		{"manager", "POST", "frappe.client.set_value", `{"doctype": "Office", "name": "Office", "fieldname": "motto", "value": "Go"}`, 200, `{"message":{"name":"Office",…"motto":"Go",…`},
		{"viewer", "POST", "frappe.client.set_value", `{"doctype": "Party", "name": "Ada", "fieldname": "city", "value": "x"}`, 403, "PermissionError"},

		{"manager", "POST", "frappe.client.save", `{"doc": {"doctype": "Party", "name": "Ada", "title": "Ada"}}`, 417, "TimestampMismatchError"},
		{"manager", "POST", "frappe.client.save", `{"doc": {"doctype": "Party", "title": "Fred"}}`, 200, `{"message":{"name":"Fred",…`},
		{"manager", "POST", "frappe.client.submit", `{"doc": {"doctype": "Bill", "name": "B1"}}`, 417, "TimestampMismatchError"},
		{"manager", "POST", "frappe.client.submit", `{"doc": {"doctype": "Bill", "__newname": "B3", "__islocal": 1}}`, 200, `{"message":{"name":"B3",…"docstatus":1,…`},
		{"clerk", "POST", "frappe.client.cancel", `{"doctype": "Bill", "name": "B3"}`, 403, "PermissionError"},
		{"manager", "POST", "frappe.client.cancel", `{"doctype": "Bill", "name": "B3"}`, 200, `{"message":{"name":"B3",…"docstatus":2,…`},
		{"manager", "POST", "frappe.client.cancel", `{"doctype": "Bill", "name": "B2"}`, 417, "DocstatusTransitionError"},

		{"manager", "POST", "frappe.client.rename_doc", `{"doctype": "Party", "old_name": "Emil", "new_name": "Émile & Co", "merge": false}`, 200,
			`{"message":"Émile \u0026 Co","_server_messages":"[\"{\\\"message\\\": \\\"Document renamed from \u003cstrong\u003eEmil\u003c/strong\u003e to \u003cstrong\u003e\\\\u00c9mile \u0026amp; Co\u003c/strong\u003e\\\", \\\"title\\\": \\\"Message\\\", \\\"indicator\\\": \\\"green\\\", \\\"alert\\\": 1}\"]"}`},
		{"manager", "POST", "frappe.client.rename_doc", `{"doctype": "Party", "old_name": "Dora", "new_name": "Bob"}`, 417, "ValidationError"},
		{"viewer", "POST", "frappe.client.rename_doc", `{"doctype": "Party", "old_name": "Dora", "new_name": "Dora 2"}`, 403, "PermissionError"},
		{"manager", "POST", "frappe.client.rename_doc", `{"doctype": "Bill", "old_name": "B3", "new_name": "B3 again"}`, 200, `{"message":"B3 again",…`},
		{"manager", "POST", "frappe.client.rename_doc", `{"doctype": "Job", "old_name": "1", "new_name": "2"}`, 417, "ValidationError"},
		{"clerk", "POST", "frappe.client.bulk_update", `{"docs": [{"doctype": "Party", "docname": "Bob", "city": "b1"}, {"doctype": "Party", "docname": "Ghost"}, {"doctype": "Vault", "docname": "x"}, 7]}`, 200,
			`{"message":{"failed_docs":[{"doc":{"doctype":"Party","docname":"Ghost"},"exc":"frappe.exceptions.DoesNotExistError: Party Ghost not found"},{"doc":{"doctype":"Vault","docname":"x"},"exc":"frappe.exceptions.DoesNotExistError: DocType Vault not found"},{"doc":7,"exc":"frappe.exceptions.ValidationError: …"}]}}`},
		{"clerk", "GET", "frappe.client.get_value", `{"doctype": "Party", "fieldname": "city", "filters": "Bob"}`, 200, `{"message":{"city":"b1"}}`},
		{"clerk", "POST", "frappe.client.delete", `{"doctype": "Party", "name": "Dora"}`, 403, "PermissionError"},
		{"manager", "POST", "frappe.client.delete", `{"doctype": "Party", "name": "Dora"}`, 200, `{}`},
		{"manager", "DELETE", "frappe.client.delete", `{"doctype": "Party", "name": "Dora"}`, 404, "DoesNotExistError"},
		{"manager", "POST", "frappe.client.delete", `{"doctype": "Bill Line", "name": "nothing"}`, 404, "DoesNotExistError"},

		{"manager", "POST", "run_doc_method", `{"dt": "Bill", "dn": "B2", "method": "submit"}`, 200, `{"message":{"name":"B2",…"docstatus":1,…"docs":[{"name":"B2",…`},
		{"manager", "POST", "run_doc_method", `{"dt": "Party", "dn": "Ada", "method": "check_permission", "args": "{}"}`, 403, "PermissionError"},
		{"manager", "GET", "run_doc_method", `{"dt": "Bill", "dn": "B2", "method": "cancel"}`, 403, "PermissionError"},
		{"clerk", "POST", "run_doc_method", `{"dt": "Bill", "dn": "B2", "method": "cancel"}`, 403, "PermissionError"},
		{"manager", "POST", "run_doc_method", `{"docs": {"doctype": "Bill", "name": "B2", "modified": "2001-01-01 00:00:00"}, "method": "cancel"}`, 417, "TimestampMismatchError"},

		{"manager", "GET", "frappe.client.delete", `{"doctype": "Party", "name": "Ada"}`, 403, "PermissionError"},
		{"manager", "GET", "no.such.method", `{}`, 417, "ValidationError"},
		{"manager", "POST", "frappe.client.__init__", `{}`, 417, "ValidationError"},
		{"lost", "GET", "frappe.client.get_list", `{"doctype": "Party"}`, 403, "PermissionError"},
		{"lost", "GET", "ping", `{}`, 200, `{"message":"pong"}`},
		{"", "GET", "frappe.client.get_list", `{"doctype": "Party"}`, 403, "PermissionError"},
	} {
		as := test.as
		if as != "" && as != "lost" {
			as += "@acme"
		}
		got := s.call(as, test.verb, test.method, test.args)
		if !strings.HasPrefix(test.want, "{") {
			got.want(t, test.status, test.want)
		} else if got.status != test.status || !matches(got.body, test.want) {
			t.Errorf("%s %s %s as %s: %d %s\n\twant %d %s", test.verb, test.method, test.args, test.as, got.status, got.body, test.status, test.want)
		}
	}
}

// matches says whether text is the pattern, in which … is any text, at its end too.
func matches(text, pattern string) bool {
	parts := strings.Split(pattern, "…")
	for i, part := range parts {
		at := strings.Index(text, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return text == "" || parts[len(parts)-1] == ""
}

// TestClientSavesWhole: save and submit write the document that the client holds, and rows of tables change by way of it.
func TestClientSavesWhole(t *testing.T) {
	s := newOffice(t)
	held := s.call("manager@acme", "GET", "frappe.client.get", `{"doctype": "Bill", "name": "B1"}`).message(t).(map[string]any)
	held["note"] = "mine"
	rows := held["lines"].([]any)
	rows[0].(map[string]any)["qty"] = 9
	held["lines"] = append(rows[:1], map[string]any{"what": "new"})
	body, _ := json.Marshal(map[string]any{"doc": held})
	saved := s.call("manager@acme", "POST", "frappe.client.save", string(body)).message(t).(map[string]any)
	lines := saved["lines"].([]any)
	if len(lines) != 2 || lines[0].(map[string]any)["qty"] != 9.0 || lines[1].(map[string]any)["what"] != "new" || saved["note"] != "mine" {
		t.Errorf("saved %v", saved)
	}
	s.call("manager@acme", "POST", "frappe.client.save", string(body)).want(t, 417, "TimestampMismatchError")
	row := lines[1].(map[string]any)["name"].(string)
	got := s.call("manager@acme", "POST", "frappe.client.set_value", fmt.Sprintf(`{"doctype": "Bill Line", "name": %q, "fieldname": "qty", "value": 5}`, row))
	if lines = got.message(t).(map[string]any)["lines"].([]any); lines[1].(map[string]any)["qty"] != 5.0 {
		t.Errorf("a row set: %s", got.body)
	}
	s.call("viewer@acme", "POST", "frappe.client.delete", fmt.Sprintf(`{"doctype": "Bill Line", "name": %q}`, row)).want(t, 403, "PermissionError")
	s.call("manager@globex", "POST", "frappe.client.delete", fmt.Sprintf(`{"doctype": "Bill Line", "name": %q}`, row)).want(t, 404, "DoesNotExistError")
	s.call("manager@acme", "POST", "frappe.client.delete", fmt.Sprintf(`{"doctype": "Bill Line", "name": %q}`, row)).want(t, 200, "{}")
	held = s.call("manager@acme", "GET", "frappe.client.get", `{"doctype": "Bill", "name": "B1"}`).message(t).(map[string]any)
	if lines := held["lines"].([]any); len(lines) != 1 {
		t.Errorf("a row deleted: %v", lines)
	}
	// As frappe-client submits: a form with doclist to /.
	doclist, _ := json.Marshal(held)
	form := url.Values{"cmd": {"frappe.client.submit"}, "doclist": {string(doclist)}}
	got = s.sendAs("manager@acme", "POST", "/", form.Encode(), map[string]string{"Content-Type": formType})
	if d := got.message(t).(map[string]any); d["docstatus"] != 1.0 || d["note"] != "mine" {
		t.Errorf("submitted: %s", got.body)
	}
}

// message is what an answer of a method has under message.
func (r reply) message(t testing.TB) any {
	t.Helper()
	var answer struct{ Message any }
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.status != 200 {
		t.Fatalf("this is no answer of a method: %d %s", r.status, r.body)
	}
	return answer.Message
}

// closeInput is what the method of the tests takes.
type closeInput struct {
	Name  string   `json:"name"`
	Times int      `json:"times"`
	Tags  []string `json:"tags"`
	Fail  bool     `json:"fail"`
}

// withMethods is an office with methods of the program's.
func withMethods(t *testing.T) *shop {
	s := newUnstarted(t, officeDocTypes)
	for _, doctype := range officeResources {
		s.app.Resource(doctype)
	}
	app := s.app
	app.Method("office.close", frappems.AllowRoles("Manager"), frappems.JSON(func(ctx context.Context, in closeInput) (map[string]any, error) {
		db, err := app.DB(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := db.Insert(ctx, "Party", map[string]any{"title": in.Name}); err != nil {
			return nil, err
		}
		if in.Fail {
			return nil, frappems.Invalid("not closed")
		}
		return map[string]any{"closed": in.Name, "times": in.Times, "tags": in.Tags}, nil
	}))
	app.Method("office.ask", frappems.AllowSignedIn(), frappems.JSON(func(_ context.Context, in closeInput) (*string, error) {
		if in.Name == "" {
			return nil, nil
		}
		return &in.Name, nil
	}), frappems.Safe())
	app.Method("office.open", frappems.AllowGuest(), frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.WriteString(w, `{"user":"`+frappems.UserFrom(r.Context()).Name+`"}`)
		return err
	}))
	app.Method("office.plain", frappems.AllowRoles("Clerk", "Manager"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		db, err := app.DB(r.Context())
		if err == nil {
			_, err = db.Insert(r.Context(), "Party", map[string]any{"title": "Plain"})
		}
		if err != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		http.Error(w, `{"exc_type":"Own"}`, http.StatusConflict)
	}))
	app.Method("office.nowhere", frappems.AllowSignedIn(), frappems.JSON(func(ctx context.Context, _ struct{}) (string, error) {
		if _, err := app.DB(ctx); err != nil {
			return "no tenant", nil
		}
		return "tenant", nil
	}), frappems.NoTenant())
	app.Method("office.boss", frappems.AllowRoles("Boss", "Chief"), frappems.JSON(func(context.Context, struct{}) (string, error) { return "yes", nil }))
	app.Method("Party.greet", frappems.AllowSignedIn(), frappems.JSON(func(context.Context, struct{}) (string, error) { return "hello", nil }))
	app.Method("frappe.client.get_count", frappems.AllowSignedIn(), frappems.JSON(func(context.Context, map[string]any) (int, error) { return -1, nil }))
	s.start()
	furnish(s)
	return s
}

// TestMethod calls methods of the program's by every way in.
func TestMethod(t *testing.T) {
	s := withMethods(t)
	closed := func(name string) string { return `{"message":{"closed":"` + name + `","tags":["a","b"],"times":2}}` }
	for _, test := range []struct {
		as, verb, path, kind, body string
		status                     int
		want                       string
	}{
		{"manager@acme", "POST", "/api/method/office.close", "application/json", `{"name": "M1", "times": 2, "tags": ["a", "b"]}`, 200, closed("M1")},
		{"manager@acme", "POST", "/api/method/office.close/", "application/json", `{"name": "M2", "times": 2, "tags": ["a", "b"]}`, 200, closed("M2")},
		{"manager@acme", "POST", "/api/v1/method/office.close", formType, `name=M3&times=2&tags=["a","b"]`, 200, closed("M3")},
		{"manager@acme", "PUT", "/api/method/office.close?name=M4&times=2&tags=a&tags=b", "", ``, 200, closed("M4")},
		{"manager@acme", "POST", "/api/v2/method/office.close", "application/json", `{"name": "M5"}`, 200, `{"data":{"closed":"M5","tags":null,"times":0}}`},
		{"manager@acme", "POST", "/?cmd=office.close", "application/json", `{"name": "M6", "times": 2, "tags": ["a", "b"]}`, 200, closed("M6")},
		{"manager@acme", "POST", "/", formType, `cmd=office.close&name=M7&times=2&tags=a&tags=b`, 200, closed("M7")},
		{"manager@acme", "POST", "/", "application/json; charset=utf-8", `{"cmd": "office.close", "name": "M8", "times": 2, "tags": ["a", "b"]}`, 200, closed("M8")},
		{"manager@acme", "GET", "/?cmd=office.ask&name=x", "", ``, 200, `{"message":"x"}`},
		{"manager@acme", "GET", "/api/method/office.ask?name=x", "", ``, 200, `{"message":"x"}`},
		{"manager@acme", "GET", "/api/method/office.ask", "", ``, 200, `{}`},
		{"manager@acme", "POST", "/api/v2/method/office.ask", "application/json", `{}`, 200, `{}`},
		{"manager@acme", "POST", "/api/v2/method/Party/greet", "application/json", `{}`, 200, `{"data":"hello"}`},
		{"manager@acme", "POST", "/api/v2/method/party/greet/", "application/json", `{}`, 200, `{"data":"hello"}`},
		{"manager@acme", "GET", "/api/method/frappe.client.get_count?doctype=Party", "", ``, 403, "PermissionError"}, // its own, which is not safe
		{"manager@acme", "POST", "/api/method/frappe.client.get_count", "application/json", `{"doctype": "Party"}`, 200, `{"message":-1}`},
		{"", "POST", "/api/method/office.open", "", ``, 200, `{"user":"Guest"}`},
		{"lost", "POST", "/api/method/office.open", "", ``, 200, `{"user":"lost@example.com"}`},
		{"lost", "POST", "/api/method/office.nowhere", "", ``, 200, `{"message":"no tenant"}`},
		{"clerk@acme", "POST", "/api/method/office.nowhere", "", ``, 200, `{"message":"tenant"}`},
		{"manager@acme", "POST", "/api/method/office.boss", "", ``, 403, "PermissionError"},
		{"manager@acme", "POST", "/?cmd=office.boss", "", ``, 403, "PermissionError"},
		{"admin@acme", "POST", "/api/method/office.boss", "", ``, 200, `{"message":"yes"}`},
		{"nobody@acme", "POST", "/api/method/office.open", "", ``, 401, "AuthenticationError"},
		{"nobody@acme", "GET", "/api/method/ping", "", ``, 401, "AuthenticationError"},
		{"nobody@acme", "GET", "/api/method/no.such", "", ``, 401, "AuthenticationError"},
		{"nobody@acme", "GET", "/?cmd=ping", "", ``, 401, "AuthenticationError"},
		{"nobody@acme", "GET", "/api/v2/method/ping", "", ``, 401, `{"errors":[{"type":"AuthenticationError","message":"Invalid credentials"}]}`},
		{"lost", "POST", "/api/method/office.close", "application/json", `{"name": "x"}`, 403, "PermissionError"},
		{"clerk@acme", "POST", "/api/method/office.close", "application/json", `{"name": "x"}`, 403, "PermissionError"},
		{"", "POST", "/api/method/office.close", "application/json", `{"name": "x"}`, 403, "PermissionError"},
		{"manager@acme", "GET", "/api/method/office.close?name=x", "", ``, 403, "PermissionError"},
		{"manager@acme", "HEAD", "/api/method/office.close?name=x", "", ``, 403, "PermissionError"},
		{"manager@acme", "PATCH", "/api/method/office.close?name=x", "", ``, 403, "PermissionError"},
		{"manager@acme", "GET", "/?cmd=office.close&name=x", "", ``, 403, "PermissionError"},
		{"manager@acme", "OPTIONS", "/api/method/office.close", "", ``, 200, ""},
		{"manager@acme", "POST", "/api/method/office.close", "application/json", `{"name": 7}`, 417, "ValidationError"},
		{"manager@acme", "POST", "/api/method/office.close", "application/json", `{"nome": "x"}`, 417, "ValidationError"},
		{"manager@acme", "POST", "/api/method/office.close", "application/json", `{"name": "Failed", "fail": true}`, 417, "ValidationError"},
		{"manager@acme", "GET", docPath("Party", "Failed"), "", ``, 404, "DoesNotExistError"},
		{"clerk@acme", "POST", "/api/method/office.plain", "", ``, 418, ""},
		{"manager@acme", "POST", "/api/method/office.plain", "", ``, 409, "Own"},
		{"manager@acme", "GET", docPath("Party", "Plain"), "", ``, 404, "DoesNotExistError"},
		{"manager@acme", "GET", "/api/method/", "", ``, 417, "ValidationError"},
		{"manager@acme", "POST", "/", "application/json", `{"x": 1}`, 404, "DoesNotExistError"},
		{"manager@acme", "POST", "/", formType, `x=1`, 404, "DoesNotExistError"},
	} {
		got := s.sendAs(test.as, test.verb, test.path, test.body, map[string]string{"Content-Type": test.kind})
		if want := test.want; got.status != test.status || got.body != want && got.Type != want && test.verb != "HEAD" {
			t.Errorf("%s %s %s as %s: %d %s, want %d %s", test.verb, test.path, test.body, test.as, got.status, got.body, test.status, want)
		}
	}
	names := s.list("manager@acme", "Party", "filters", `{"title": ["like", "M%"]}`, "order_by", "name").names(t)
	if names != "M1 M2 M3 M4 M5 M6 M7 M8" {
		t.Errorf("made by the methods: %s", names)
	}
}

// TestSecurity12MethodForeignOrigin: a cookie alone does not let a page of another site call a method.
func TestSecurity12MethodForeignOrigin(t *testing.T) {
	user := &frappems.User{Name: "ada", Tenant: "acme", Roles: []string{"Manager"}}
	s := newUnstarted(t, officeDocTypes, func(c *frappems.Config) { c.Auth = cookieAuth{user} })
	s.app.Resource("Party")
	s.app.Method("office.note", frappems.AllowSignedIn(), frappems.JSON(func(context.Context, struct{}) (string, error) { return "noted", nil }))
	s.start()
	for _, path := range []string{"/api/method/office.note", "/?cmd=office.note", "/api/v2/method/office.note", "/api/method/frappe.client.insert"} {
		foreign := map[string]string{"Cookie": "sid=1", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
		s.sendAs("", "POST", path, "", foreign)
		if got := s.sendAs("", "POST", path, "", foreign); got.status != 403 {
			t.Errorf("POST %s from a foreign page: %d %s", path, got.status, got.body)
		}
	}
	s.sendAs("", "POST", "/api/method/office.note", "", map[string]string{"Cookie": "sid=1", "Sec-Fetch-Site": "same-origin"}).want(t, 200, `{"message":"noted"}`)
}

type cookieAuth struct{ user *frappems.User }

func (a cookieAuth) Authenticate(r *http.Request) (*frappems.User, error) {
	if _, err := r.Cookie("sid"); err != nil {
		return nil, nil
	}
	return a.user, nil
}

// TestMethodRegistration: mistakes panic, and say what is wrong.
func TestMethodRegistration(t *testing.T) {
	handler := frappems.JSON(func(context.Context, struct{}) (int, error) { return 1, nil })
	for _, test := range []struct {
		name    string
		policy  frappems.Policy
		handler http.Handler
		want    string
	}{
		{"a.b", nil, handler, "the policy is nil"},
		{"a.b", frappems.AllowGuest(), nil, "the handler is nil"},
		{"", frappems.AllowGuest(), handler, "want a name"},
		{"a/b", frappems.AllowGuest(), handler, "want a name"},
		{"twice", frappems.AllowGuest(), handler, "registered already, at "},
	} {
		s := newUnstarted(t, officeDocTypes)
		if test.name == "twice" {
			s.app.Method(test.name, frappems.AllowGuest(), handler)
		}
		problem := panicOf(func() { s.app.Method(test.name, test.policy, test.handler) })
		if !strings.Contains(problem, test.want) || !strings.Contains(problem, "rpc_test.go:") {
			t.Errorf("Method(%q): %q, want %q", test.name, problem, test.want)
		}
	}
	s := newUnstarted(t, officeDocTypes)
	for _, pattern := range []string{"POST /api/method/x", "/api/v1/method/x", "GET /api/v2/document/x"} {
		if problem := panicOf(func() { s.app.Handle(pattern, handler) }); !strings.Contains(problem, "frappems' own") {
			t.Errorf("Handle(%q): %q", pattern, problem)
		}
	}
	s.start()
	if problem := panicOf(func() { s.app.Method("late", frappems.AllowGuest(), handler) }); !strings.Contains(problem, "after Start") {
		t.Errorf("after Start: %q", problem)
	}
}

func panicOf(f func()) (problem string) {
	defer func() { problem = fmt.Sprint(recover()) }()
	f()
	return ""
}

// TestMethodRetries: a method whose transaction the store breaks runs again with its body, and has left nothing.
func TestMethodRetries(t *testing.T) {
	s := newUnstarted(t, officeDocTypes)
	s.app.Resource("Party")
	tries := 0
	s.app.Method("office.again", frappems.AllowSignedIn(), frappems.JSON(func(ctx context.Context, in closeInput) (string, error) {
		db, err := s.app.DB(ctx)
		if err != nil {
			return "", err
		}
		if _, err = db.Insert(ctx, "Party", map[string]any{"title": in.Name}); err != nil {
			return "", err
		}
		if tries++; tries < 3 {
			return "", fmt.Errorf("broken: %w", frappems.ErrDeadlockForTests)
		}
		return in.Name, nil
	}))
	s.start()
	s.call("manager@acme", "POST", "office.again", `{"name": "Once"}`).want(t, 200, `{"message":"Once"}`)
	if got := s.list("manager@acme", "Party").names(t); tries != 3 || got != "Once" {
		t.Errorf("after %d tries there is %s", tries, got)
	}
}

// allMethods are frappems' own with arguments that reach as far as they can.
func allMethods(doctype, name string) map[string]string {
	doc := fmt.Sprintf(`{"doctype": %q, "name": %q, "docname": %q, "title": "X", "code": "X", "modified": "2026-01-01 00:00:00"}`, doctype, name, name)
	args := fmt.Sprintf(`{"doctype": %q, "name": %q, "docname": %q, "parent": %q, "dt": %q, "dn": %q, "fieldname": "code", "field": "code", "value": "X", "txt": "X",
		"old_name": %q, "new_name": "Y", "method": "submit", "doc": %s, "docs": [%s], "filters": {"name": %q}}`, doctype, name, name, doctype, doctype, name, name, doc, doc, name)
	all := map[string]string{}
	for _, method := range frappems.OwnMethods() {
		all[method] = args
	}
	return all
}

// TestSecurity06Methods: a DocType that is not served is as one that is not there, through every method and way in.
func TestSecurity06Methods(t *testing.T) {
	s := newOffice(t)
	if n := len(frappems.OwnMethods()); n < 25 {
		t.Fatalf("only %d methods", n)
	}
	for _, method := range frappems.OwnMethods() {
		for _, verb := range []string{"GET", "POST", "PUT", "DELETE"} {
			hidden, nothing := allMethods("Vault", "x")[method], allMethods("Valut", "x")[method]
			a, b := s.call("admin@acme", verb, method, hidden), s.call("admin@acme", verb, method, nothing)
			if a.status != b.status || strings.ReplaceAll(a.body, "Vault", "Valut") != b.body {
				t.Errorf("%s %s: %d %s, and for a DocType that is not there %d %s", verb, method, a.status, a.body, b.status, b.body)
			}
		}
	}
	for _, path := range []string{"document/%s", "document/%s/x", "document/%s/x/method/submit", "document/%s/bulk_delete", "document/%s/bulk_update", "doctype/%s/count",
		"doctype/%s/meta", "doctype/%s/search?txt=x", "method/%s/submit"} {
		for _, verb := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			body := `{"names": ["x"], "docs": [{"name": "x"}]}`
			a, b := s.send("admin@acme", verb, "/api/v2/"+fmt.Sprintf(path, "Vault"), body), s.send("admin@acme", verb, "/api/v2/"+fmt.Sprintf(path, "Valut"), body)
			if a.status != b.status || strings.ReplaceAll(a.body, "Vault", "Valut") != b.body {
				t.Errorf("%s %s: %d %s, and for a DocType that is not there %d %s", verb, path, a.status, a.body, b.status, b.body)
			}
		}
	}
}

// TestSecurity07Methods: nobody, a user without roles, one without a tenant and one of another tenant get nothing by any method
// and change nothing.
func TestSecurity07Methods(t *testing.T) {
	s := newOffice(t)
	public := []string{"ping", "frappe.ping", "frappe.auth.get_logged_user", "frappe.client.has_permission"}
	for _, user := range []string{"", "stranger@acme", "lost", "manager@globex"} {
		for _, doctype := range []string{"Party", "Bill", "Office", "Job", "Bill Line"} {
			name := map[string]string{"Party": "Ada", "Bill": "B1", "Office": "Office", "Job": "1", "Bill Line": "x"}[doctype]
			for method, args := range allMethods(doctype, name) {
				if slices.Contains(public, method) {
					continue
				}
				for _, verb := range []string{"GET", "POST", "PUT", "DELETE"} {
					got := s.call(user, verb, method, args)
					if user != "manager@globex" && got.status < 400 && !strings.Contains(got.body, `"failed`) {
						t.Errorf("%s %s of %s as %q: %d %s", verb, method, doctype, user, got.status, got.body)
					}
					if strings.Contains(got.body, "Bern") || strings.Contains(got.body, `"pen"`) || strings.Contains(got.body, "sweeping") {
						t.Errorf("%s %s of %s as %q tells: %s", verb, method, doctype, user, got.body)
					}
				}
			}
			for _, step := range []string{"GET document/%s", "POST document/%s", "GET document/%s/%s", "PUT document/%s/%s", "PATCH document/%s/%s", "DELETE document/%s/%s", "POST document/%s/%s/method/submit",
				"GET document/%s/%s/method/submit", "GET doctype/%s/count", "GET doctype/%s/meta", "GET doctype/%s/search", "POST document/%s/bulk_update", "POST document/%s/bulk_delete", "POST method/bulk_delete", "POST method/bulk_update"} {
				verb, path, _ := strings.Cut(step, " ")
				path = "/api/v2/" + strings.Replace(strings.Replace(path, "%s", url.PathEscape(doctype), 1), "%s", name, 1)
				body := fmt.Sprintf(`{"names": [%q], "docs": [{"name": %q, "doctype": %q, "city": "X"}], "city": "X"}`, name, name, doctype)
				got := s.send(user, verb, path, body)
				if user != "manager@globex" && got.status < 400 && !strings.Contains(got.body, `"success_count":0`) || strings.Contains(got.body, "Bern") {
					t.Errorf("%s %s as %q: %d %s", verb, path, user, got.status, got.body)
				}
			}
		}
	}
	for _, name := range []string{"Ada", "Nobody"} { // which tells nothing of what is there
		s.call("stranger@acme", "GET", "frappe.client.has_permission", `{"doctype": "Party", "docname": "`+name+`"}`).want(t, 200, `{"message":{"has_permission":false}}`)
		s.call("", "GET", "frappe.client.has_permission", `{"doctype": "Party", "docname": "`+name+`"}`).want(t, 403, "PermissionError")
	}
	for doctype, want := range map[string]string{"Party": "Ada Adam Bob Cara", "Bill": "B1 B2", "Job": "1"} {
		if got := s.list("manager@acme", doctype, "order_by", "name").names(t); got != want {
			t.Errorf("%s: there is %s, want %s", doctype, got, want)
		}
	}
	if got := s.get("manager@acme", "Party", "Ada").data(t); got["city"] != "Bern" {
		t.Errorf("Ada is %v", got)
	}
}

// TestSecurity12MethodsByGet: no method writes when it is called by GET.
func TestSecurity12MethodsByGet(t *testing.T) {
	s := newOffice(t)
	s.store.Take()
	for _, doctype := range []string{"Party", "Bill", "Office", "Bill Line"} {
		for method, args := range allMethods(doctype, "Ada") {
			s.call("manager@acme", "GET", method, args)
			s.send("manager@acme", "GET", "/?cmd="+method+"&doctype="+url.QueryEscape(doctype)+"&name=Ada", "")
			s.send("manager@acme", "HEAD", "/api/v2/method/"+method+"?doctype="+url.QueryEscape(doctype)+"&name=Ada", "")
		}
		for _, path := range []string{"", "/Ada", "/Ada/method/submit", "/Ada/method/rename?name=x", "/bulk_delete", "?run_method=submit", "/B1?run_method=submit"} {
			s.send("manager@acme", "GET", "/api/v2/document/"+url.PathEscape(doctype)+path, "")
			s.send("manager@acme", "GET", "/api/resource/"+url.PathEscape(doctype)+path, "")
		}
	}
	statements := s.store.CheckAll(t, "acme")
	if len(statements) < 30 {
		t.Errorf("only %d statements", len(statements))
	}
	for _, statement := range statements {
		if !strings.HasPrefix(statement.Text, "SELECT ") {
			t.Errorf("a GET runs %s", statement.Text)
		}
	}
}

// TestSecurity03Bulk: keys and values of bulk bodies that look like SQL reach no statement but as values.
func TestSecurity03Bulk(t *testing.T) {
	s := newOffice(t)
	attacks := []string{"name` = 'x', `owner", "city' OR '1'='1", "city; DROP TABLE tabParty", "`tabParty`.`city`", "city--", "1=1) UNION SELECT * FROM __passwords #", "\x00city", "city\\", "tenant_id", "parent"}
	for _, attack := range attacks {
		for key, value := range map[string]string{attack: "x", "city": attack, "docname": attack, "doctype": attack, "name": attack} {
			item := map[string]string{"doctype": "Party", "docname": "Bob", "name": "Bob", "city": "Ulm"}
			item[key] = value
			body, _ := json.Marshal(map[string]any{"docs": []any{item}, "names": []string{value}})
			s.call("manager@acme", "POST", "frappe.client.bulk_update", string(body))
			s.call("manager@acme", "POST", "frappe.client.insert_many", string(body))
			s.call("manager@acme", "POST", "bulk_update", string(body))
			s.send("manager@acme", "POST", "/api/v2/document/Party/bulk_update", string(body))
			if value == attack {
				s.send("manager@acme", "POST", "/api/v2/document/Party/bulk_delete", strings.ReplaceAll(string(body), `"Bob"`, `"x"`))
			}
			args, _ := json.Marshal(map[string]any{"doctype": "Party", "name": "Bob", "fieldname": map[string]string{key: value}, "fields": []string{attack}, "txt": attack, "searchfield": attack, "filters": map[string]string{attack: "x"}})
			for _, method := range []string{"frappe.client.set_value", "frappe.client.get_value", "frappe.client.validate_link", "frappe.desk.search.search_link", "frappe.desk.reportview.get"} {
				s.call("manager@acme", "POST", method, string(args))
			}
		}
	}
	s.store.CheckAll(t, "acme")
	if got := s.list("manager@acme", "Party", "filters", `{"name": ["in", "Ada,Adam,Bob,Cara"]}`, "order_by", "name").names(t); got != "Ada Adam Bob Cara" {
		t.Errorf("there is %s", got)
	}
}

// TestMethodsObeyVerbs: what ResourceOptions leaves out, or has served by a handler of the program's, no method does.
func TestMethodsObeyVerbs(t *testing.T) {
	s := newUnstarted(t, officeDocTypes)
	s.app.Resource("Party", frappems.ResourceOptions{Verbs: []string{"list", "get", "create"},
		Handlers: map[string]http.Handler{"create": frappems.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return errors.New("never called here") })}})
	s.start()
	for method, args := range map[string]string{
		"frappe.client.delete":     `{"doctype": "Party", "name": "Ada"}`,
		"frappe.client.set_value":  `{"doctype": "Party", "name": "Ada", "fieldname": "city", "value": "x"}`,
		"frappe.client.save":       `{"doc": {"doctype": "Party", "name": "Ada"}}`,
		"frappe.client.rename_doc": `{"doctype": "Party", "old_name": "Ada", "new_name": "x"}`,
		"frappe.client.cancel":     `{"doctype": "Party", "name": "Ada"}`,
		"frappe.client.insert":     `{"doc": {"doctype": "Party", "title": "Ada"}}`,
		"run_doc_method":           `{"dt": "Party", "dn": "Ada", "method": "submit"}`,
	} {
		s.call("admin@acme", "POST", method, args).want(t, 403, "PermissionError")
	}
	s.call("admin@acme", "GET", "frappe.client.get_list", `{"doctype": "Party"}`).want(t, 200, `{"message":[]}`)
	got := s.call("admin@acme", "POST", "bulk_delete", `{"docs": [{"doctype": "Party", "name": "Ada"}]}`)
	if got.status != 200 || !strings.Contains(got.body, "PermissionError") {
		t.Errorf("bulk_delete: %d %s", got.status, got.body)
	}
}

// TestMethodNames: frappems' own are the ones that are written down here.
func TestMethodNames(t *testing.T) {
	var want []string
	for name := range maps.Keys(allMethods("Party", "Ada")) {
		want = append(want, name)
	}
	for _, name := range []string{"get", "get_list", "get_count", "get_value", "get_single_value", "set_value", "insert", "insert_many", "save", "submit", "cancel", "delete",
		"rename_doc", "bulk_update", "has_permission", "validate_link", "get_doc_permissions", "get_password"} {
		if !slices.Contains(want, "frappe.client."+name) {
			t.Errorf("frappe.client.%s is missing", name)
		}
	}
}
