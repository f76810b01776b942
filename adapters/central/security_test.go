package central_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
)

// TestSecurity13CredentialsStay: a Central that redirects is not followed, wherever to, and credentials go to no other host.
func TestSecurity13CredentialsStay(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("got a request with %v", r.Header)
		w.Write([]byte(`{"message": "Administrator"}`))
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, status)
		}))
		defer site.Close()
		a := central.NewAuthenticator(central.Config{URL: site.URL, Tenant: central.FixedTenant(acme)})
		want(t, a, token("manager:managersecret"), "", frappems.UnavailableError)
	}
}

// TestSecurity19HeadersOfClients: what a client says of itself beside its credentials counts for nothing, here and at Central.
func TestSecurity19HeadersOfClients(t *testing.T) {
	c := newCentral(t)
	for _, s := range []sign{{"X-Frappe-Site-Name", "other"}, {"X-Tenant", "globex"}, {"X-Internal-Token", strings.Repeat("t", 32), "X-Tenant", "globex"},
		{"X-Forwarded-User", "Administrator"}, {"X-Forwarded-Host", "other"}, {"Frappe-Authorization-Source", "Employee"}, {"X-Frappe-User", "Administrator"}} {
		app := newApp(t, central.NewAuthenticator(config(c)))
		if status, body := ask(app, "/who", append(token("manager:managersecret"), s...)); status != 200 || body != manager+` of "acme"` {
			t.Errorf("%s beside a key: got %d %s", s, status, body)
		}
		if status, body := ask(app, "/who", s); status != 403 {
			t.Errorf("%s alone: got %d %s, want 403", s, status, body)
		}
	}
}

// TestSecurity26ExpiredBearer: that a token is over is said by Central's check of it; its introspection says active, and is not asked.
func TestSecurity26ExpiredBearer(t *testing.T) {
	c := newCentral(t)
	a := central.NewAuthenticator(config(c))
	access := c.Bearer(manager)
	c.Expire(access)
	want(t, a, bearer(access), "", nil)
	if got := c.Calls("/api/method/frappe.integrations.oauth2.introspect_token"); got != 0 {
		t.Errorf("introspection was asked %d times", got)
	}
}

// FuzzCredentials: whatever comes, what goes to Central is what came, in one header each, and nobody else is let in.
func FuzzCredentials(f *testing.F) {
	for _, seed := range [][3]string{{"token ada:s", "", ""}, {"Basic YWRhOnM=", "sid=abc", ""}, {"Bearer a.b.c", "sid=\"a b\"; sid=c", "x"}, {"token ada:s x", "sid=Guest", ""},
		{"", "sid=a\r\nX: y", "a;b"}, {"token  ada:s", "", "\x00"}, {"TOKEN ada:s", "sid=" + strings.Repeat("a", 300), ""}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	var header, cookie, session string
	var t testing.TB
	a := central.NewAuthenticator(central.Config{URL: "http://central.test", Tenant: central.FixedTenant(acme), MaxUsers: 8,
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if got := r.Header.Get("Authorization"); got != "" && got != header {
				t.Errorf("Authorization %q was sent on as %q", header, got)
			}
			name, value, _ := strings.Cut(r.Header.Get("Cookie"), "=")
			if value != "" && (name != "sid" || strings.ContainsAny(value, " ;,\"\\\r\n=") || !strings.Contains(cookie+session, value)) {
				t.Errorf("Cookie %q and X-Frappe-SID %q were sent on as %q", cookie, session, r.Header.Get("Cookie"))
			}
			return (&small{}).answer(r), nil
		})})
	f.Fuzz(func(inside *testing.T, authorization, cookies, sid string) {
		t, header, cookie, session = inside, authorization, cookies, sid
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"], r.Header["Cookie"], r.Header["X-Frappe-Sid"] = []string{header}, []string{cookie}, []string{session}
		user, err := a.Authenticate(r)
		if user != nil && (err != nil || strings.TrimPrefix(header, "token ") != user.Name+":s" || !utf8.ValidString(user.Name)) {
			t.Errorf("%q, %q, %q: got %+v, %v", header, cookie, session, user, err)
		}
	})
}
