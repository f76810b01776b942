package frappems_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// header makes what signs a request in with an Authorization header.
func header(value string) func(r *http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", value) }
}

func basic(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// tokenCase is the case of frappemstest for a users file.
func tokenCase(a frappems.Authenticator) frappemstest.AuthenticatorCase {
	return frappemstest.AuthenticatorCase{
		Authenticator: a,
		User:          "ada@example.com",
		Valid: map[string]func(r *http.Request){
			"token": header("token a:secret-a"), "TOKEN": header("TOKEN a:secret-a"),
			"Basic": header("Basic " + basic("a:secret-a")), "basic": header("basic " + basic("a:secret-a")),
			"Bearer": header("Bearer bear-a"), "bearer": header("bearer bear-a"),
		},
		Invalid: map[string]func(r *http.Request){
			"secret": header("token a:secret-b"), "no secret": header("token a:"), "no colon": header("token a"),
			"longer": header("token a:secret-a "), "key": header("token x:secret-a"), "swapped": header("token secret-a:a"),
			"other's": header("token b:secret-a"), "disabled": header("token e:secret-e"),
			"Basic": header("Basic " + basic("a:wrong")), "Basic without base64": header("Basic a:secret-a"),
			"Bearer": header("Bearer wrong"), "Bearer with a key": header("Bearer a:secret-a"), "token with a bearer": header("token bear-a"),
			"scheme": header("Digest a:secret-a"), "three words": header("token a:secret-a x"), "two blanks": header("token  a:secret-a"),
			"one word": header("a:secret-a"), "empty key": header("token :secret-a"),
		},
	}
}

func newTokens(t testing.TB) *frappems.Tokens {
	t.Helper()
	tokens, err := frappems.NewTokens(strings.NewReader(testUsers))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestTokens(t *testing.T) {
	frappemstest.TestAuthenticator(t, func(t *testing.T) frappemstest.AuthenticatorCase { return tokenCase(newTokens(t)) })
}

func TestChain(t *testing.T) {
	frappemstest.TestAuthenticator(t, func(t *testing.T) frappemstest.AuthenticatorCase {
		down := false
		c := tokenCase(frappems.Chain(nil, authFunc(func(*http.Request) (*frappems.User, error) {
			if down {
				return nil, frappems.Errorf(frappems.UnavailableError, "down")
			}
			return nil, nil
		}), newTokens(t), authFunc(func(*http.Request) (*frappems.User, error) { return nil, nil })))
		c.Unavailable = func() { down = true }
		return c
	})
	asked := false
	last := authFunc(func(*http.Request) (*frappems.User, error) { asked = true; return &frappems.User{Name: "other"}, nil })
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "token a:wrong")
	if user, err := frappems.Chain(newTokens(t), last).Authenticate(r); user != nil || !errors.Is(err, frappems.AuthenticationError) || asked {
		t.Errorf("got %v, %v: what one refused the next must not accept", user, err)
	}
	r.Header.Set("Authorization", "token unknown:wrong")
	if user, err := frappems.Chain(newTokens(t), last).Authenticate(r); user == nil || err != nil {
		t.Errorf("got %v, %v: what one does not know is the next one's", user, err)
	}
}

func TestNewTokensReads(t *testing.T) {
	tokens, err := frappems.NewTokens(strings.NewReader(`[
		{"user": "Administrator", "api_key": "k", "api_secret": "s:with:colons", "roles": ["System Manager", "All"], "tenant": "acme"},
		{"user": "Administrator", "api_key": "k2", "api_secret": "s2", "tenant": "globex"},
		{"user": "u", "full_name": "U", "bearer": "b", "time_zone": "UTC", "restrictions": {"Customer": ["C"]}, "enabled": true}]`))
	if err != nil {
		t.Fatal(err)
	}
	sign := func(value string) *frappems.User {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", value)
		user, err := tokens.Authenticate(r)
		if err != nil || user == nil {
			t.Fatalf("%s: got %v, %v", value, user, err)
		}
		return user
	}
	if u := sign("token k:s:with:colons"); u.Tenant != "acme" || !slices.Equal(u.Roles, []string{"System Manager", "All", "Guest"}) || !u.HasRole("Anything") {
		t.Errorf("got %+v", u)
	}
	if u := sign("token k2:s2"); u.Tenant != "globex" {
		t.Errorf("got %+v", u)
	}
	u := sign("Bearer b")
	if u.Tenant != "default" || u.FullName != "U" || u.TimeZone != "UTC" || u.Restrictions["Customer"][0] != "C" || u.HasRole("Desk User") || !u.HasRole("All") {
		t.Errorf("got %+v", u)
	}
}

func TestNewTokensRefuses(t *testing.T) {
	const ada = `{"user": "ada", "api_key": "a", "api_secret": "s"}`
	for _, test := range []struct{ name, users, want string }{
		{"no list", ada, `want a list such as [{"user"`},
		{"no JSON", `[{"user": `, "users"},
		{"empty", ``, "users"},
		{"more", `[] []`, "follows the list"},
		{"unknown key", `[{"user": "ada", "api_key": "a", "api_secret": "s", "role": []}]`, `unknown field "role"`},
		{"wrong type", `[{"user": "ada", "roles": "Admin"}]`, "roles"},
		{"no user", `[` + ada + `, {"api_key": "b", "api_secret": "s"}]`, "entry 2 (no user): user is missing"},
		{"Guest", `[{"user": "Guest", "api_key": "a", "api_secret": "s"}]`, "entry 1 (Guest)"},
		{"no key", `[{"user": "ada"}]`, "missing"},
		{"no secret", `[{"user": "ada", "api_key": "a"}]`, "go together"},
		{"empty secret", `[{"user": "ada", "api_key": "a", "api_secret": ""}]`, "go together"},
		{"only secret", `[{"user": "ada", "bearer": "b", "api_secret": "s"}]`, "go together"},
		{"colon", `[{"user": "ada", "api_key": "a:b", "api_secret": "s"}]`, "colon"},
		{"blank", `[{"user": "ada", "api_key": "a", "api_secret": "s s"}]`, "blank"},
		{"same user", `[` + ada + `, {"user": "ada", "api_key": "b", "api_secret": "s"}]`, "entry 2 (ada): the same user as entry 1"},
		{"same key", `[` + ada + `, {"user": "bob", "api_key": "a", "api_secret": "t"}]`, "entry 2 (bob): the same api_key as entry 1"},
		{"same bearer", `[{"user": "ada", "bearer": "b"}, {"user": "bob", "bearer": "b"}]`, "entry 2 (bob): the same bearer as entry 1"},
		{"tenant", `[{"user": "ada", "api_key": "a", "api_secret": "s", "tenant": "a b"}]`, `tenant "a b"`},
		{"SYSTEM", `[{"user": "ada", "api_key": "a", "api_secret": "s", "tenant": "SYSTEM"}]`, `tenant "SYSTEM"`},
		{"time zone", `[{"user": "ada", "api_key": "a", "api_secret": "s", "time_zone": "Mars/Olympus"}]`, "Mars/Olympus"},
		{"empty role", `[{"user": "ada", "api_key": "a", "api_secret": "s", "roles": [""]}]`, "role"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tokens, err := frappems.NewTokens(strings.NewReader(test.users))
			if tokens != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v, want an error with %q", tokens, err, test.want)
			}
		})
	}
}

// TestWhoCalls checks what becomes of what an Authenticator says.
func TestWhoCalls(t *testing.T) {
	const two, one = "Scheme value", "value"
	for _, test := range []struct {
		name   string
		user   *frappems.User
		err    error
		header string
		status int
		public string // whom a public route sees
	}{
		{name: "somebody", user: &frappems.User{Name: "u", Tenant: "t"}, status: 200, public: "u"},
		{name: "nobody", status: 403, public: "Guest"},
		{name: "Guest", user: &frappems.User{Name: "Guest", Tenant: "t"}, status: 403, public: "Guest"},
		{name: "credentials that nobody knows", header: two, status: 401, public: "Guest"},
		{name: "a header of one word", header: one, status: 403, public: "Guest"},
		{name: "a header of three words", header: two + " more", status: 403, public: "Guest"},
		{name: "refused", err: &frappems.Error{Code: frappems.AuthenticationError}, status: 401, public: "Guest"},
		{name: "cannot ask", err: frappems.Errorf(frappems.UnavailableError, "down"), status: 503, public: "Guest"},
		{name: "broken", err: errors.New("secret of db-7"), status: 500, public: "Guest"},
		{name: "user and error", user: &frappems.User{Name: "u", Tenant: "t"}, err: errors.New("x"), status: 500, public: "Guest"},
		{name: "without a name", user: &frappems.User{Tenant: "t"}, status: 500, public: "Guest"},
	} {
		t.Run(test.name, func(t *testing.T) {
			app, _ := testApp(t, func(c *frappems.Config) {
				c.Auth = authFunc(func(*http.Request) (*frappems.User, error) { return test.user, test.err })
			})
			who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, frappems.UserFrom(r.Context()).Name) })
			app.Handle("GET /mine", who)
			app.Public("GET /public", who)
			app.Resource("Customer", frappems.ResourceOptions{Handlers: echoes()})
			start(t, app)
			headers := map[string]string{"Authorization": test.header}
			for _, path := range []string{"/mine", "/api/resource/Customer"} {
				frappemstest.Scenario{Path: path, Headers: headers, Status: test.status, Not: []string{"db-7"}}.Run(t, app)
			}
			frappemstest.Scenario{Path: "/public", Headers: headers, Status: 200, Want: []string{test.public}}.Run(t, app)
		})
	}
	t.Run("no Authenticator", func(t *testing.T) {
		app, _ := testApp(t, func(c *frappems.Config) { c.Auth = nil })
		app.Handle("GET /mine", http.NotFoundHandler())
		start(t, app)
		frappemstest.Scenario{Path: "/mine", Status: 403}.Run(t, app)
		frappemstest.Scenario{Path: "/mine", As: "a:secret-a", Status: 401}.Run(t, app)
	})
}

// TestIdentityIsOfTheHeaderAlone checks that parameters say nothing about who calls.
func TestIdentityIsOfTheHeaderAlone(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Public("/who", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, frappems.UserFrom(r.Context()).Name)
	}))
	start(t, app)
	for _, s := range []frappemstest.Scenario{
		{Path: "/who?sid=Administrator&user=Administrator&authorization=token+a:secret-a&api_key=a&api_secret=secret-a", Status: 200},
		{Path: "/who", Body: `{"user":"Administrator","sid":"Administrator"}`, Status: 200},
		{Path: "/who", Headers: map[string]string{"X-Tenant": "acme", "X-Frappe-Site-Name": "acme", "X-Forwarded-User": "Administrator", "X-Frappe-User": "Administrator"}, Status: 200},
	} {
		s.Want = []string{"Guest"}
		s.Run(t, app)
	}
}

func TestTrustedOriginsRefuses(t *testing.T) {
	for _, origin := range []string{"", "*", "app.example", "https://app.example/", "https://app.example/path", "null"} {
		_, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), TrustedOrigins: []string{"https://a.example", origin}})
		if err == nil || !strings.Contains(err.Error(), "Config.TrustedOrigins") {
			t.Errorf("%q: got %v, want an error that names the field", origin, err)
		}
	}
}

// TestExpiredSession: who comes with a session that is over is Guest where Guest may do something, and is told.
func TestExpiredSession(t *testing.T) {
	app, _ := testApp(t, func(c *frappems.Config) {
		c.Auth = authFunc(func(*http.Request) (*frappems.User, error) {
			return nil, &frappems.Error{Code: frappems.PermissionError, Message: "over", SessionExpired: true}
		})
	})
	app.Public("/public", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") }))
	app.Method("mine", frappems.AllowSignedIn(), frappems.JSON(func(context.Context, struct{}) (string, error) { return "done", nil }), frappems.Safe())
	start(t, app)
	const expired = `"session_expired":1`
	for _, s := range []frappemstest.Scenario{
		{Path: "/public", Status: 200, Want: []string{"done"}},
		{Path: "/api/method/ping", Status: 200, Want: []string{expired, `"message":"pong"`}},
		{Path: "/api/method/frappe.auth.get_logged_user", Status: 403, Want: []string{expired, "PermissionError"}},
		{Path: "/api/method/mine", Status: 403, Want: []string{expired}, Not: []string{"done"}},
		{Path: "/api/resource/Customer", Status: 403, Want: []string{expired}},
	} {
		s.Run(t, app)
	}
}

func TestSecurity12CookiesNeedTheSameOrigin(t *testing.T) {
	app, _ := testApp(t, func(c *frappems.Config) {
		c.Auth = authFunc(func(*http.Request) (*frappems.User, error) { return &frappems.User{Name: "u", Tenant: "t"}, nil })
		c.TrustedOrigins = []string{"https://app.example", "https://other.example:8443"}
	})
	app.Handle("/mine", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") }))
	start(t, app)
	cookie := func(more ...string) map[string]string {
		headers := map[string]string{"Cookie": "sid=1"}
		for i := 0; i < len(more); i += 2 {
			headers[more[i]] = more[i+1]
		}
		return headers
	}
	for _, s := range []frappemstest.Scenario{
		{Name: "foreign page", Body: "{}", Headers: cookie("Sec-Fetch-Site", "cross-site"), Status: 403},
		{Name: "foreign page of an old browser", Body: "{}", Headers: cookie("Origin", "https://evil.example"), Status: 403},
		{Name: "sister page", Body: "{}", Headers: cookie("Sec-Fetch-Site", "same-site"), Status: 403},
		{Name: "own page", Body: "{}", Headers: cookie("Sec-Fetch-Site", "same-origin"), Status: 200},
		{Name: "no browser", Body: "{}", Headers: cookie(), Status: 200},
		{Name: "foreign page reads", Method: "GET", Headers: cookie("Sec-Fetch-Site", "cross-site"), Status: 200},
		{Name: "foreign page with a key beside a session", Body: "{}", Headers: cookie("Sec-Fetch-Site", "cross-site", "Authorization", "token k:s"), Status: 403},
		{Name: "foreign page with a key beside another cookie", Body: "{}", Headers: map[string]string{"Cookie": "lang=de; sid=Guest",
			"Sec-Fetch-Site": "cross-site", "Authorization": "token k:s"}, Status: 200},
		{Name: "foreign page with a key", Body: "{}", Headers: map[string]string{"Sec-Fetch-Site": "cross-site", "Authorization": "token k:s"}, Status: 200},
		{Name: "foreign page with a session in a header", Body: "{}", Headers: map[string]string{"Sec-Fetch-Site": "cross-site", "X-Frappe-SID": "1"}, Status: 200},
		{Name: "trusted page", Body: "{}", Headers: cookie("Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"), Status: 200},
		{Name: "trusted page with a port", Body: "{}", Headers: cookie("Origin", "https://other.example:8443"), Status: 200},
		{Name: "trusted host, another scheme", Body: "{}", Headers: cookie("Origin", "http://app.example"), Status: 403},
		{Name: "trusted host, another port", Body: "{}", Headers: cookie("Origin", "https://app.example:8443"), Status: 403},
		{Name: "page of a host that ends like a trusted one", Body: "{}", Headers: cookie("Origin", "https://evil-app.example"), Status: 403},
	} {
		s.Path = "/mine"
		if s.Status != 200 {
			s.Want, s.Not = []string{"PermissionError"}, []string{"done"}
		}
		s.Run(t, app)
	}
}
