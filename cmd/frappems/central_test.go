package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
)

func TestCentralConfig(t *testing.T) {
	const at = "http://central.test"
	for _, test := range []struct {
		name string
		env  map[string]string
		want time.Duration
		bad  bool
	}{
		{"nothing", nil, 0, false},
		{"no timeout", map[string]string{"CENTRAL_SITE_URL": at}, 0, false},
		{"seconds", map[string]string{"CENTRAL_SITE_URL": at, "CENTRAL_SITE_TIMEOUT": "7"}, 7 * time.Second, false},
		{"parts of seconds", map[string]string{"CENTRAL_SITE_URL": at, "CENTRAL_SITE_TIMEOUT": "0.5"}, time.Second / 2, false},
		{"a unit", map[string]string{"CENTRAL_SITE_URL": at, "CENTRAL_SITE_TIMEOUT": "250ms"}, time.Second / 4, false},
		{"no time", map[string]string{"CENTRAL_SITE_URL": at, "CENTRAL_SITE_TIMEOUT": "soon"}, 0, true},
		{"none", map[string]string{"CENTRAL_SITE_URL": at, "CENTRAL_SITE_TIMEOUT": "0"}, 0, true},
	} {
		got, err := central.ClientConfigFromEnv(func(name string) string { return test.env[name] })
		if (err != nil) != test.bad || got.Timeout != test.want || got.URL != test.env["CENTRAL_SITE_URL"] {
			t.Errorf("%s: got %+v, %v", test.name, got, err)
		}
	}
}

// TestRemoteLinksCheck: the command checks links at the site that its environment names, with its key.
func TestRemoteLinksCheck(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "token k:s" || r.Host != "site.test" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, `{"data": []}`)
	}))
	defer site.Close()
	inDir(t, map[string]string{"good/thing.json": strings.Replace(goodDocType, `"fields": [`, `"fields": [{"fieldname": "customer", "fieldtype": "Link", "options": "Customer"}, `, 1)})
	env := &env{stdout: io.Discard, stderr: io.Discard, getenv: func(name string) string {
		return map[string]string{"CENTRAL_SITE_URL": site.URL, "CENTRAL_SITE_NAME": "site.test", "CENTRAL_API_KEY": "k", "CENTRAL_API_SECRET": "s"}[name]
	}}
	o, err := parse(env, "serve", []string{"--doctypes", "good", "--store", "memory:", "--remote-links", "check", "--log", "error"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := o.config(env)
	if err != nil {
		t.Fatal(err)
	}
	c.Tenant = "default"
	app, err := frappems.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := app.AsTenant(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Insert(t.Context(), "Thing", map[string]any{"title": "x", "customer": "Nobody"})
	if err == nil || !strings.Contains(err.Error(), "Could not find") {
		t.Errorf("got %v, want that there is no such customer", err)
	}
}
