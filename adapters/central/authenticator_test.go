package central_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
	"github.com/frappems/frappems/frappemstest"
)

const (
	manager  = "manager@example.com"
	clerk    = "clerk@example.com"
	stranger = "stranger@example.com"
	acme     = "acme"
)

// newCentral starts a stand-in whose users have the tenant acme in a field, with a user for the service.
func newCentral(t testing.TB) *frappemstest.Central {
	t.Helper()
	c := frappemstest.NewCentral(t)
	c.AddUser(frappemstest.CentralUser{Name: "svc@example.com", Key: "svc", Secret: "svcsecret", Roles: []string{"System Manager"}})
	for _, name := range []string{manager, clerk, stranger} {
		c.UpdateUser(name, func(u *frappemstest.CentralUser) { u.Fields = map[string]any{"tenant_id": acme} })
	}
	return c
}

// clock is one that tests put forward.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// withKey gives a Config the key of the service.
func withKey(c *central.Config) { c.APIKey, c.APISecret = "svc", "svcsecret" }

// config is one for a stand-in, with changes.
func config(c *frappemstest.Central, edits ...func(c *central.Config)) central.Config {
	config := central.Config{URL: c.URL, Tenant: central.TenantField("tenant_id")}
	for _, edit := range edits {
		if edit != nil {
			edit(&config)
		}
	}
	return config
}

// newApp starts a service with routes for users, for users without a tenant, and for everybody, that answer with who calls.
func newApp(t testing.TB, auth frappems.Authenticator) *frappems.App {
	t.Helper()
	app, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), Auth: auth, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := frappems.UserFrom(r.Context())
		fmt.Fprintf(w, "%s of %q", u.Name, u.Tenant)
	})
	app.Handle("/who", who)
	app.Handle("/new", who, frappems.NoTenant())
	app.Public("/public", who)
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return app
}

// sign is what signs a request in: headers, by turns key and value.
type sign []string

func (s sign) to(r *http.Request) {
	for i := 0; i < len(s); i += 2 {
		r.Header.Set(s[i], s[i+1])
	}
}

func token(value string) sign { return sign{"Authorization", "token " + value} }
func bearer(value string) sign {
	return sign{"Authorization", "Bearer " + value}
}
func sid(value string) sign { return sign{"Cookie", "system_user=yes; sid=" + value + "; user_id=x"} }
func basic(value string) sign {
	return sign{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(value))}
}

// ask sends a request and returns status and body.
func ask(h http.Handler, path string, s sign) (int, string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	s.to(r)
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// authenticate asks an Authenticator who sends a request.
func authenticate(a frappems.Authenticator, s sign) (*frappems.User, error) {
	r := httptest.NewRequest("GET", "/", nil)
	s.to(r)
	return a.Authenticate(r)
}

// want checks who sends a request; the name "" is nobody.
func want(t *testing.T, a frappems.Authenticator, s sign, name string, code error) {
	t.Helper()
	user, err := authenticate(a, s)
	got := ""
	if user != nil {
		got = user.Name
	}
	if got != name || code == nil && err != nil || code != nil && !errors.Is(err, code) {
		t.Errorf("%s: got %q and error %v, want %q and %v", s, got, err, name, code)
	}
}

// TestSignIn is the table of a real site: every way to sign in, and every way to be refused, with and without a key of the
// service's own.
func TestSignIn(t *testing.T) {
	const bogus, expired, unauthorized = "deadbeef", `"session_expired":1`, `"exc_type":"AuthenticationError"`
	both := func(a, b sign) sign { return append(slices.Clone(a), b...) }
	type state struct {
		managerSID, clerkSID, oldSID, offSID, strangerSID string
		bearer, revoked, old, off                         string
	}
	for _, test := range []struct {
		name   string
		sign   func(s state) sign
		status int
		want   string // in the answer of a route for users
		public int    // status of a method for guests; zero: 200
	}{
		{"sid", func(s state) sign { return sid(s.managerSID) }, 200, manager, 200},
		{"X-Frappe-SID", func(s state) sign { return sign{"X-Frappe-SID", s.managerSID} }, 200, manager, 200},
		{"X-Frappe-SID beside the sid of Guest", func(s state) sign { return both(sign{"X-Frappe-SID", s.managerSID}, sid("Guest")) }, 200, manager, 200},
		{"token", func(s state) sign { return token("manager:managersecret") }, 200, manager, 200},
		{"TOKEN", func(s state) sign { return sign{"Authorization", "TOKEN manager:managersecret"} }, 200, manager, 200},
		{"Basic", func(s state) sign { return basic("manager:managersecret") }, 200, manager, 200},
		{"Bearer", func(s state) sign { return bearer(s.bearer) }, 200, manager, 200},
		{"bearer", func(s state) sign { return sign{"Authorization", "bearer " + s.bearer} }, 200, manager, 200},
		{"a user without a role", func(s state) sign { return sid(s.strangerSID) }, 200, stranger, 200},

		{"no credentials", func(s state) sign { return nil }, 403, "PermissionError", 200},
		{"the sid of Guest", func(s state) sign { return sid("Guest") }, 403, "PermissionError", 200},
		{"an empty sid", func(s state) sign { return sid("") }, 403, "PermissionError", 200},
		{"bogus sid", func(s state) sign { return sid(bogus) }, 403, expired, 200},
		{"bogus X-Frappe-SID", func(s state) sign { return sign{"X-Frappe-SID", bogus} }, 403, expired, 200},
		{"expired sid", func(s state) sign { return sid(s.oldSID) }, 403, expired, 200},
		{"sid of a disabled user", func(s state) sign { return sid(s.offSID) }, 403, expired, 200},
		{"sid that cannot be one", func(s state) sign { return sid("a%b") }, 403, expired, 200},

		{"unknown key", func(s state) sign { return token("nobody:nothing") }, 401, unauthorized, 401},
		{"wrong secret", func(s state) sign { return token("manager:nothing") }, 401, unauthorized, 401},
		{"no colon", func(s state) sign { return token("manager") }, 401, unauthorized, 401},
		{"two colons", func(s state) sign { return token("manager:managersecret:x") }, 401, unauthorized, 401},
		{"Basic, not base64", func(s state) sign { return sign{"Authorization", "Basic %%%"} }, 401, unauthorized, 401},
		{"Basic without a colon", func(s state) sign { return basic("manager") }, 401, unauthorized, 401},
		{"Basic with e-mail and password", func(s state) sign { return basic(manager + ":" + frappemstest.CentralPassword) }, 401, unauthorized, 401},
		{"bogus Bearer", func(s state) sign { return bearer("nosuchtoken") }, 401, unauthorized, 401},
		{"empty Bearer", func(s state) sign { return sign{"Authorization", "Bearer "} }, 401, unauthorized, 401},
		{"expired Bearer", func(s state) sign { return bearer(s.old) }, 401, unauthorized, 401},
		{"revoked Bearer", func(s state) sign { return bearer(s.revoked) }, 401, unauthorized, 401},
		{"unknown scheme", func(s state) sign { return sign{"Authorization", "Digest abc"} }, 401, unauthorized, 401},
		{"token of a disabled user", func(s state) sign { return token("off:offsecret") }, 401, unauthorized, 401},
		{"Basic of a disabled user", func(s state) sign { return basic("off:offsecret") }, 401, unauthorized, 401},
		{"Bearer of a disabled user", func(s state) sign { return bearer(s.off) }, 401, unauthorized, 401},
		{"header of one word", func(s state) sign { return sign{"Authorization", "manager:managersecret"} }, 403, "PermissionError", 200},
		{"header of three words", func(s state) sign { return token("manager: managersecret") }, 403, "PermissionError", 200},
		{"header beyond ASCII", func(s state) sign { return token("manager:ü") }, 401, unauthorized, 401},
		{"header without end", func(s state) sign { return token("manager:" + strings.Repeat("x", 1<<14)) }, 401, unauthorized, 401},

		{"bogus sid and good token", func(s state) sign { return both(sid(bogus), token("manager:managersecret")) }, 200, manager, 200},
		{"sid wins over another's token", func(s state) sign { return both(sid(s.clerkSID), token("manager:managersecret")) }, 200, clerk, 200},
		{"sid and wrong token", func(s state) sign { return both(sid(s.clerkSID), token("manager:x")) }, 401, unauthorized, 401},
		{"sid and bogus Bearer", func(s state) sign { return both(sid(s.clerkSID), bearer("x")) }, 200, clerk, 200},
		{"Bearer wins over another's sid", func(s state) sign { return both(sid(s.clerkSID), bearer(s.bearer)) }, 200, manager, 200},

		{"a site of the client's choice", func(s state) sign {
			return both(token("manager:managersecret"), sign{"X-Frappe-Site-Name", "127.0.0.1"})
		}, 200, manager, 200},
		{"a tenant of the client's choice", func(s state) sign { return both(token("manager:managersecret"), sign{"X-Tenant", "globex"}) }, 200, `"acme"`, 200},
		{"an internal token where there is none", func(s state) sign { return sign{"X-Internal-Token", "", "X-Tenant", acme} }, 403, "PermissionError", 200},
	} {
		for key, edit := range map[string]func(c *central.Config){"with a key": withKey, "without": nil} {
			t.Run(test.name+"/"+key, func(t *testing.T) {
				c := newCentral(t)
				c.AddUser(frappemstest.CentralUser{Name: "off@example.com", Key: "off", Secret: "offsecret", Roles: []string{"Shop Clerk"},
					Fields: map[string]any{"tenant_id": acme}})
				s := state{managerSID: c.Login(manager), clerkSID: c.Login(clerk), oldSID: c.Login(manager), offSID: c.Login("off@example.com"),
					strangerSID: c.Login(stranger), bearer: c.Bearer(manager), revoked: c.Bearer(manager), old: c.Bearer(manager), off: c.Bearer("off@example.com")}
				c.Expire(s.oldSID)
				c.Expire(s.old)
				c.Revoke(s.revoked)
				c.UpdateUser("off@example.com", func(u *frappemstest.CentralUser) { u.Disabled = true })
				app := newApp(t, central.NewAuthenticator(config(c, edit)))
				for range 2 { // asked, and remembered
					status, body := ask(app, "/who", test.sign(s))
					if status != test.status || !strings.Contains(body, test.want) || strings.Contains(body, expired) != (test.want == expired) {
						t.Errorf("got %d %s, want %d with %s", status, body, test.status, test.want)
					}
					status, body = ask(app, "/api/method/ping", test.sign(s))
					if status != test.public || strings.Contains(body, expired) != (test.want == expired) {
						t.Errorf("ping: got %d %s, want %d", status, body, test.public)
					}
					if status, body = ask(app, "/public", test.sign(s)); status != 200 || test.status != 200 && !strings.HasPrefix(body, "Guest") {
						t.Errorf("a public route: got %d %s, want 200, as Guest where refused", status, body)
					}
				}
			})
		}
	}
}

// TestSecurity18RefusalsAreTheSame: nothing in a 401 tells why, so that nobody learns which users and keys there are.
func TestSecurity18RefusalsAreTheSame(t *testing.T) {
	c := newCentral(t)
	off := c.Bearer(clerk)
	c.UpdateUser(clerk, func(u *frappemstest.CentralUser) { u.Disabled = true })
	app := newApp(t, central.NewAuthenticator(config(c)))
	first := ""
	for _, s := range []sign{token("nobody:x"), token("manager:x"), token("x"), token("clerk:clerksecret"), bearer("x"), bearer(off), sign{"Authorization", "Digest x"}} {
		status, body := ask(app, "/who", s)
		if first == "" {
			first = body
		}
		if status != 401 || body != first {
			t.Errorf("%s: got %d %s, want 401 %s", s, status, body, first)
		}
	}
}

// TestProfile: what is known of a user is the same with a key and without.
func TestProfile(t *testing.T) {
	for key, edit := range map[string]func(c *central.Config){"with a key": withKey, "without": nil} {
		t.Run(key, func(t *testing.T) {
			c := newCentral(t)
			c.UpdateUser(manager, func(u *frappemstest.CentralUser) {
				u.Roles = []string{"Shop Manager", "Auditor"}
				u.TimeZone = "Europe/Berlin"
				u.Permissions = []frappemstest.CentralPermission{{Allow: "Company", ForValue: "B"}, {Allow: "Company", ForValue: "A"},
					{Allow: "Company", ForValue: "C", ApplicableFor: "Invoice"}, // only there, and so not everywhere
					{Allow: "Region", ForValue: "N", ApplicableFor: "Order"}, {Allow: "Region", ForValue: "S", ApplicableFor: "Order"},
					{Allow: "Region", ForValue: "S", ApplicableFor: "Invoice"}}
			})
			a := central.NewAuthenticator(config(c, edit))
			u, err := authenticate(a, token("manager:managersecret"))
			if err != nil || u == nil {
				t.Fatalf("got %v, %v", u, err)
			}
			slices.Sort(u.Roles)
			got := fmt.Sprint(u.Name, u.FullName, u.Roles, u.Tenant, u.TimeZone, u.Restrictions)
			if want := fmt.Sprint(manager, "Mona", []string{"All", "Auditor", "Desk User", "Guest", "Shop Manager"}, acme, "Europe/Berlin",
				map[string][]string{"Company": {"A", "B"}, "Region": {"S"}}); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			u, err = authenticate(a, sid(c.Login(stranger)))
			if err != nil || u == nil || !slices.Equal(u.Roles, []string{"All", "Guest"}) || u.Restrictions != nil {
				t.Errorf("a user without roles: got %+v, %v", u, err)
			}
		})
	}
}

// TestConformance runs the tests for every Authenticator.
func TestConformance(t *testing.T) {
	for key, edit := range map[string]func(c *central.Config){"with a key": withKey, "without": nil} {
		t.Run(key, func(t *testing.T) {
			frappemstest.TestAuthenticator(t, func(t *testing.T) frappemstest.AuthenticatorCase {
				c := newCentral(t)
				clock := newClock() // what is remembered does not make up for a Central that is down
				a := central.NewAuthenticator(config(c, edit, func(c *central.Config) { c.Now = clock.Now }))
				return frappemstest.AuthenticatorCase{
					Authenticator: a,
					User:          manager,
					Valid: map[string]func(r *http.Request){
						"token": token("manager:managersecret").to, "Basic": basic("manager:managersecret").to, "Bearer": bearer(c.Bearer(manager)).to,
						"sid": sid(c.Login(manager)).to, "X-Frappe-SID": sign{"X-Frappe-SID", c.Login(manager)}.to,
					},
					Invalid: map[string]func(r *http.Request){
						"secret": token("manager:x").to, "key": token("x:managersecret").to, "Bearer": bearer("x").to, "token as Bearer": bearer("manager:managersecret").to,
					},
					Unavailable: func() { clock.advance(time.Hour); c.Fail(frappemstest.CentralDown) },
				}
			})
		})
	}
}

// TestChain: users of a file beside those of Central, whichever is asked first.
func TestChain(t *testing.T) {
	file, err := frappems.NewTokens(strings.NewReader(`[{"user": "ada@example.com", "api_key": "ada", "api_secret": "secret", "tenant": "acme"}]`))
	if err != nil {
		t.Fatal(err)
	}
	c := newCentral(t)
	a := central.NewAuthenticator(config(c))
	for name, chain := range map[string]frappems.Authenticator{"file first": frappems.Chain(file, a), "Central first": frappems.Chain(a, file)} {
		app := newApp(t, chain)
		for _, test := range []struct {
			sign   sign
			status int
			want   string
		}{
			{token("ada:secret"), 200, "ada@example.com"},
			{token("manager:managersecret"), 200, manager},
			{sid(c.Login(clerk)), 200, clerk},
			{token("ada:x"), 401, "AuthenticationError"},
			{token("manager:x"), 401, "AuthenticationError"},
			{token("nobody:x"), 401, "AuthenticationError"},
			{nil, 403, "PermissionError"},
		} {
			if status, body := ask(app, "/who", test.sign); status != test.status || !strings.Contains(body, test.want) {
				t.Errorf("%s, %s: got %d %s, want %d %s", name, test.sign, status, body, test.status, test.want)
			}
		}
	}
}

// TestSecurity12CookiesNeedTheSameOrigin: the pages of others cannot write with a session, nor with one beside a key.
func TestSecurity12CookiesNeedTheSameOrigin(t *testing.T) {
	c := newCentral(t)
	app := newApp(t, central.NewAuthenticator(config(c)))
	session := c.Login(manager)
	for _, test := range []struct {
		name   string
		sign   sign
		status int
	}{
		{"own page", append(sid(session), "Sec-Fetch-Site", "same-origin"), 200},
		{"foreign page", append(sid(session), "Sec-Fetch-Site", "cross-site"), 403},
		{"foreign page of an old browser", append(sid(session), "Origin", "https://evil.example"), 403},
		{"foreign page with a key too", append(append(sid(session), token("clerk:clerksecret")...), "Sec-Fetch-Site", "cross-site"), 403},
		{"session in a header, which no page of others can send", sign{"X-Frappe-SID", session, "Sec-Fetch-Site", "cross-site"}, 200},
		{"key", append(token("manager:managersecret"), "Sec-Fetch-Site", "cross-site"), 200},
	} {
		r := httptest.NewRequest("POST", "/who", strings.NewReader("{}"))
		test.sign.to(r)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if body, _ := io.ReadAll(w.Body); w.Code != test.status {
			t.Errorf("%s: got %d %s, want %d", test.name, w.Code, body, test.status)
		}
	}
}
