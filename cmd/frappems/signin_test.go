package main

import (
	"bytes"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/frappems/frappems/frappemstest"
)

// environment is variables, with changes by turns name and value.
func environment(base map[string]string, changes ...string) func(string) string {
	vars := maps.Clone(base)
	for i := 0; i < len(changes); i += 2 {
		vars[changes[i]] = changes[i+1]
	}
	return func(name string) string { return vars[name] }
}

// TestServeCentral: users of a Central Site may call, those of the example may not, and those of a file may too.
func TestServeCentral(t *testing.T) {
	c := frappemstest.NewCentral(t)
	c.UpdateUser("manager@example.com", func(u *frappemstest.CentralUser) {
		u.Roles, u.Fields = []string{"System Manager"}, map[string]any{"tenant_id": "acme"}
	})
	vars := map[string]string{"CENTRAL_TENANT_FIELD": "tenant_id", "CENTRAL_SITE_TIMEOUT": "5", "CENTRAL_REVOKE_SECRET": "a secret of enough bytes",
		"CENTRAL_WEBHOOK_SECRET": "another secret of enough bytes"}
	inDir(t, map[string]string{"good/thing.json": goodDocType, "users.json": goodUsers})
	const path = "/api/resource/Thing"

	s := startServingWith(t, environment(vars), "--doctypes", "good", "--store", "memory:", "--central", c.URL)
	for key, want := range map[string]int{"manager:managersecret": 200, "manager:x": 401, "a:s": 401} {
		if status, body := s.get(path, key); status != want {
			t.Errorf("%s: got %d %s, want %d", key, status, body, want)
		}
	}
	c.Revoke("manager")
	if status, _ := s.get(path, "manager:managersecret"); status != 200 {
		t.Errorf("got %d, want what is remembered", status)
	}
	request, _ := http.NewRequest("POST", s.base+"/central/revoke", strings.NewReader(`{"all": true}`))
	request.Header.Set("X-Revoke-Secret", vars["CENTRAL_REVOKE_SECRET"])
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if status, _ := s.get(path, "manager:managersecret"); status != 401 || response.StatusCode != 204 {
		t.Errorf("got %d and then %d, want 204 and 401", response.StatusCode, status)
	}
	s.end()

	s = startServingWith(t, environment(vars, "CENTRAL_SITE_URL", c.URL), "--doctypes", "good", "--store", "memory:", "--users", "users.json")
	for key, want := range map[string]int{"clerk:clerksecret": 403, "a:s": 200, "a:x": 401} { // clerk has no tenant
		if status, body := s.get(path, key); status != want {
			t.Errorf("with a file: %s: got %d %s, want %d", key, status, body, want)
		}
	}
	s.end()

	s = startServingWith(t, environment(vars, "CENTRAL_SITE_NAME", frappemstest.CentralSite), "--doctypes", "good", "--store", "memory:", "--central", c.URL, "--pass-on")
	if status, body := s.get("/api/method/frappe.auth.get_logged_user", "clerk:clerksecret"); status != 200 || !strings.Contains(body, "clerk@example.com") {
		t.Errorf("passed on: got %d %s, want the name of who calls", status, body)
	}
	s.end()

	s = startServingWith(t, environment(vars, "CENTRAL_SITE_URL", c.URL), "--store", "memory:")
	if status, _ := s.get("/api/resource/Customer", exampleCredentials); status != 401 {
		t.Errorf("the example's users: got %d, want 401", status)
	}
	s.end()
}

func TestServeCentralMistakes(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"CENTRAL_API_SECRET", "", "--remote-links check needs a user of the Central Site: CENTRAL_API_KEY"},
		{"CENTRAL_SITE_URL", "erp", "Config.URL"},
		{"CENTRAL_SITE_TIMEOUT", "soon", "CENTRAL_SITE_TIMEOUT"},
		{"CENTRAL_TENANT", "", "CENTRAL_TENANT"},
		{"CENTRAL_API_KEY", "k", "APISecret"},
		{"CENTRAL_REVOKE_SECRET", "short", "CENTRAL_REVOKE_SECRET"},
		{"CENTRAL_WEBHOOK_SECRET", "short", "CENTRAL_WEBHOOK_SECRET"},
	} {
		var stdout, stderr bytes.Buffer
		e := &env{&stdout, &stderr, environment(map[string]string{"CENTRAL_SITE_URL": "http://central.test", "CENTRAL_TENANT": "acme"}, test.name, test.value)}
		if code := run(t.Context(), e, []string{"serve", "--store", "memory:", "--addr", "127.0.0.1:0", "--remote-links", "check"}); code != 2 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s=%s: got %d %s, want %s", test.name, test.value, code, &stderr, test.want)
		}
	}
}
