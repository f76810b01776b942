package frappems_test

import "testing"

// TestIsolationRowsOfSingle: rows of a Single are not listed, since no table says who may read it.
func TestIsolationRowsOfSingle(t *testing.T) {
	s := newService(t, `[{"name": "Row", "istable": 1, "fields": [{"fieldname": "word", "fieldtype": "Data"}]},
		{"name": "Setup", "issingle": 1, "fields": [{"fieldname": "rows", "fieldtype": "Table", "options": "Row"}], "permissions": [{"role": "Clerk", "read": 1, "write": 1}]},
		{"name": "Sheet", "fields": [{"fieldname": "rows", "fieldtype": "Table", "options": "Row"}], "permissions": [{"role": "Clerk", "read": 1, "create": 1}]}]`, []string{"Setup", "Sheet"})
	s.send("clerk@acme", "PUT", docPath("Setup", "Setup"), `{"rows": [{"word": "one"}]}`).want(t, 200, "")
	s.create("clerk@acme", "Sheet", `{"rows": [{"word": "two"}]}`)
	for _, user := range []string{"clerk@acme", "admin@acme"} {
		s.list(user, "Row", "parent", "Setup").want(t, 403, "PermissionError")
		s.list(user, "Row", "parent", "Sheet", "fields", `["word"]`).want(t, 200, `{"data":[{"word":"two"}]}`)
	}
	s.list("admin@acme", "Row", "fields", `["word"]`).want(t, 200, `{"data":[{"word":"two"}]}`)
}
