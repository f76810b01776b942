package central_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
	"github.com/frappems/frappems/frappemstest"
)

const secret = "a secret of enough bytes"

// signature is Frappe's.
func signature(body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// post sends a body with headers, by turns key and value.
func post(h http.Handler, path, body string, headers sign) (int, string) {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	headers.to(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// revocable is a service with the endpoints, in which manager has signed in by a token and a sid, and clerk by a token.
type revocable struct {
	central *frappemstest.Central
	auth    *central.Authenticator
	app     *frappems.App
	session string
}

func newRevocable(t *testing.T) *revocable {
	v := &revocable{central: newCentral(t)}
	v.auth = central.NewAuthenticator(config(v.central, func(c *central.Config) { c.TTL = time.Hour }))
	app, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), Auth: v.auth})
	if err != nil {
		t.Fatal(err)
	}
	app.Public("/central/webhook", v.auth.WebhookHandler(secret))
	app.Public("/central/revoke", v.auth.RevokeHandler(secret))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.app, v.session = app, v.central.Login(manager)
	v.isIn(t, "token manager", "sid manager", "token clerk")
	// From here on whoever is asked about is out.
	v.central.Revoke("manager")
	v.central.Revoke("clerk")
	v.central.Revoke(v.session)
	v.isIn(t, "token manager", "sid manager", "token clerk")
	return v
}

// isIn checks which of the three are let in.
func (v *revocable) isIn(t *testing.T, who ...string) {
	t.Helper()
	for name, s := range map[string]sign{"token manager": token("manager:managersecret"), "sid manager": sid(v.session), "token clerk": token("clerk:clerksecret")} {
		wanted := false
		for _, w := range who {
			wanted = wanted || w == name
		}
		if user, err := authenticate(v.auth, s); (user != nil) != wanted {
			t.Errorf("%s: got %v, %v, want it to be let in: %v", name, user, err, wanted)
		}
	}
}

// TestRevoke: what is revoked is refused at once, and nothing else has to be asked about again.
func TestRevoke(t *testing.T) {
	const tm, sm, tc = "token manager", "sid manager", "token clerk"
	for _, test := range []struct {
		name   string
		revoke func(v *revocable)
		left   []string
	}{
		{"user", func(v *revocable) { v.auth.Revoke(manager) }, []string{tc}},
		{"user in another case", func(v *revocable) { v.auth.Revoke("Manager@Example.com") }, []string{tc}},
		{"somebody else", func(v *revocable) { v.auth.Revoke("x") }, []string{tm, sm, tc}},
		{"nobody", func(v *revocable) { v.auth.Revoke("") }, []string{tm, sm, tc}},
		{"sid", func(v *revocable) { v.auth.RevokeCredential(v.session) }, []string{tm, tc}},
		{"token", func(v *revocable) { v.auth.RevokeCredential("token manager:managersecret") }, []string{sm, tc}},
		{"the same as Basic", func(v *revocable) { v.auth.RevokeCredential(basic("manager:managersecret")[1]) }, []string{sm, tc}},
		{"an empty one", func(v *revocable) { v.auth.RevokeCredential("") }, []string{tm, sm, tc}},
		{"the key alone", func(v *revocable) { v.auth.RevokeCredential("manager:managersecret") }, []string{tm, sm, tc}},
		{"all", func(v *revocable) { v.auth.RevokeAll() }, nil},
		{"endpoint, user", func(v *revocable) {
			post(v.app, "/central/revoke", `{"user": "manager@example.com"}`, sign{"X-Revoke-Secret", secret})
		}, []string{tc}},
		{"endpoint, credential", func(v *revocable) {
			post(v.app, "/central/revoke", `{"credential": "token clerk:clerksecret"}`, sign{"X-Revoke-Secret", secret})
		}, []string{tm, sm}},
		{"endpoint, all", func(v *revocable) {
			post(v.app, "/central/revoke", `{"all": true}`, sign{"X-Revoke-Secret", secret})
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newRevocable(t)
			test.revoke(v)
			v.isIn(t, test.left...)
		})
	}
}

// TestRevokeWithBoth: one half of what signed a request in is enough to revoke it.
func TestRevokeWithBoth(t *testing.T) {
	c := newCentral(t)
	a := central.NewAuthenticator(config(c))
	session := c.Login(clerk)
	s := append(sid(session), token("manager:managersecret")...)
	for _, revoke := range []func(){func() { a.RevokeCredential(session) }, func() { a.RevokeCredential("Token manager:managersecret") }, func() { a.Revoke(clerk) }} {
		want(t, a, s, clerk, nil)
		before := c.Calls(loggedUser)
		revoke()
		want(t, a, s, clerk, nil)
		if got := c.Calls(loggedUser); got != before+1 {
			t.Error("it was not asked about again")
		}
	}
}

// TestRevokeWhileAsking: an answer that was on its way when something was revoked is neither kept nor shared.
func TestRevokeWhileAsking(t *testing.T) {
	c := newCentral(t)
	begun, release := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	a := central.NewAuthenticator(config(c, func(c *central.Config) {
		c.Timeout = time.Minute
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			res, err := http.DefaultTransport.RoundTrip(r)
			if strings.HasSuffix(r.URL.Path, "/User/"+manager) && first.CompareAndSwap(false, true) {
				close(begun)
				<-release
			}
			return res, err
		})
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		authenticate(a, token("manager:managersecret"))
	}()
	<-begun
	c.UpdateUser(manager, func(u *frappemstest.CentralUser) { u.Disabled = true })
	a.Revoke(manager)
	want(t, a, token("manager:managersecret"), "", frappems.AuthenticationError) // its own question: the other still waits
	close(release)
	<-done
	want(t, a, token("manager:managersecret"), "", frappems.AuthenticationError)
}

// TestRevokeOfOthersWhileAsking: what is revoked of others, such as sessions that strangers made up, does not keep an answer that was
// on its way from being kept.
func TestRevokeOfOthersWhileAsking(t *testing.T) {
	c := newCentral(t)
	var a *central.Authenticator
	asked := 0
	a = central.NewAuthenticator(config(c, withKey, func(c *central.Config) {
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == loggedUser {
				asked++
				a.RevokeCredential(fmt.Sprint("madeup", asked))
				a.Revoke(clerk)
			}
			return http.DefaultTransport.RoundTrip(r)
		})
	}))
	for range 3 {
		want(t, a, token("manager:managersecret"), manager, nil)
	}
	if asked != 1 {
		t.Errorf("got %d questions, want one whose answer is kept", asked)
	}
}

// TestWebhook: what Central says has changed is asked about at once.
func TestWebhook(t *testing.T) {
	const tm, sm, tc = "token manager", "sid manager", "token clerk"
	everybody := []string{tm, sm, tc}
	for _, test := range []struct {
		name, body string
		headers    func(body string) sign
		status     int
		left       []string
	}{
		{"User", `{"doctype": "User", "name": "manager@example.com"}`, nil, 204, []string{tc}},
		{"User Permission", `{"doctype": "User Permission", "name": "x", "user": "clerk@example.com"}`, nil, 204, []string{tm, sm}},
		{"Role", `{"doctype": "Role", "name": "Shop Clerk"}`, nil, 204, nil},
		{"DocPerm", `{"doctype": "Custom DocPerm", "name": "x"}`, nil, 204, nil},
		{"User without a name", `{"doctype": "User"}`, nil, 204, nil},
		{"nothing", `{}`, nil, 204, nil},
		{"no JSON", `x`, nil, 204, nil},
		{"no signature", `{}`, func(string) sign { return nil }, 401, everybody},
		{"empty signature", `{}`, func(string) sign { return sign{"X-Frappe-Webhook-Signature", ""} }, 401, everybody},
		{"of another body", `{}`, func(string) sign { return sign{"X-Frappe-Webhook-Signature", signature("{} ")} }, 401, everybody},
		{"in hex", `{}`, func(body string) sign {
			raw, _ := base64.StdEncoding.DecodeString(signature(body))
			return sign{"X-Frappe-Webhook-Signature", fmt.Sprintf("%x", raw)}
		}, 401, everybody},
		{"the secret itself", `{}`, func(string) sign { return sign{"X-Frappe-Webhook-Signature", secret, "X-Revoke-Secret", secret} }, 401, everybody},
		{"too large", strings.Repeat(" ", 1<<20+1), nil, 413, everybody},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newRevocable(t)
			headers := sign{"X-Frappe-Webhook-Signature", signature(test.body)}
			if test.headers != nil {
				headers = test.headers(test.body)
			}
			if status, body := post(v.app, "/central/webhook", test.body, headers); status != test.status {
				t.Errorf("got %d %s, want %d", status, body, test.status)
			}
			v.isIn(t, test.left...)
		})
	}
}

// TestRevokeEndpointRefuses: nobody revokes without the secret, and what is meant has to be said.
func TestRevokeEndpointRefuses(t *testing.T) {
	v := newRevocable(t)
	good := sign{"X-Revoke-Secret", secret}
	for _, test := range []struct {
		name, body string
		headers    sign
		status     int
	}{
		{"no secret", `{"all": true}`, nil, 401},
		{"empty secret", `{"all": true}`, sign{"X-Revoke-Secret", ""}, 401},
		{"wrong secret", `{"all": true}`, sign{"X-Revoke-Secret", secret + "x"}, 401},
		{"a user's key", `{"all": true}`, token("admin:adminsecret"), 401},
		{"nothing", `{}`, good, 417},
		{"not all", `{"all": false}`, good, 417},
		{"no JSON", `all`, good, 417},
	} {
		if status, body := post(v.app, "/central/revoke", test.body, test.headers); status != test.status {
			t.Errorf("%s: got %d %s, want %d", test.name, status, body, test.status)
		}
	}
	for _, path := range []string{"/central/revoke", "/central/webhook"} {
		if status, body := ask(v.app, path, good); status != 405 {
			t.Errorf("GET %s: got %d %s, want 405", path, status, body)
		}
	}
	v.isIn(t, "token manager", "sid manager", "token clerk")
}

// TestShortSecrets: a secret that is not set is a mistake that does not go on.
func TestShortSecrets(t *testing.T) {
	a := central.NewAuthenticator(central.Config{URL: "http://central.test", Tenant: central.FixedTenant(acme)})
	for name, make := range map[string]func(string) http.Handler{"WebhookHandler": a.WebhookHandler, "RevokeHandler": a.RevokeHandler} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, name) || !strings.Contains(got, "webhook_test.go:") {
					t.Errorf("got panic %s, want one that names %s and the line", got, name)
				}
			}()
			make("")
		}()
	}
}
