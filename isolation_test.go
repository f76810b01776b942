package frappems_test

import (
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

func TestIsolation(t *testing.T) {
	frappemstest.TestIsolation(t, func(*testing.T) frappems.Store { return frappems.NewMemoryStore() })
}

// TestIsolationTenantField: a field that shows the tenant compares byte by byte, as the tenant does, on a store in memory too.
func TestIsolationTenantField(t *testing.T) {
	s := newService(t, `[{"name": "Ticket", "fields": [{"fieldname": "tenant_id", "fieldtype": "Data"}], "permissions": [{"role": "Clerk", "read": 1, "create": 1}]}]`, []string{"Ticket"})
	s.create("clerk@acme", "Ticket", `{}`)
	for filters, want := range map[string]string{
		`{"tenant_id": "acme"}`: `{"data":[{"tenant_id":"acme"}]}`, `{"tenant_id": "ACME"}`: `{"data":[]}`, `{"tenant_id": ["like", "AC%"]}`: `{"data":[]}`,
		`{"tenant_id": ["!=", "ACME"]}`: `{"data":[{"tenant_id":"acme"}]}`, `{"tenant_id": ["in", ["Acme", "globex"]]}`: `{"data":[]}`,
	} {
		if got := s.list("clerk@acme", "Ticket", "fields", `["tenant_id"]`, "filters", filters); got.body != want {
			t.Errorf("%s: got %s, want %s", filters, got.body, want)
		}
	}
}

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
