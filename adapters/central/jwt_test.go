package central_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
	"github.com/frappems/frappems/frappemstest"
)

// provider is an OpenID provider: it signs tokens and publishes its keys.
type provider struct {
	server *httptest.Server
	clock  *clock
	calls  atomic.Int64
	down   atomic.Bool

	mu   sync.Mutex
	keys map[string]any // private keys by id
}

// newKeys makes keys once: RSA takes its time.
var newKeys = sync.OnceValue(func() map[string]any {
	keys := map[string]any{}
	for _, id := range []string{"rsa", "rsa2"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[id] = key
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	keys["ec"] = key
	return keys
})

func newProvider(t *testing.T, clock *clock) *provider {
	p := &provider{clock: clock, keys: map[string]any{"rsa": newKeys()["rsa"], "ec": newKeys()["ec"]}}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.server.Close)
	return p
}

func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	p.calls.Add(1)
	if p.down.Load() {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var set jose.JSONWebKeySet
	for id, key := range p.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: public(key), KeyID: id, Use: "sig"})
	}
	json.NewEncoder(w).Encode(set)
}

func public(key any) any {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key.Public()
	case *ecdsa.PrivateKey:
		return key.Public()
	}
	return nil
}

// rotate puts a new key in the place of the others.
func (p *provider) rotate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = map[string]any{"rsa2": newKeys()["rsa2"]}
}

// claims are those of a good token, with changes; nil leaves one out.
func (p *provider) claims(changes map[string]any) map[string]any {
	now := p.clock.Now()
	claims := map[string]any{"iss": "https://id.test", "aud": []string{"other", "orders"}, "exp": now.Add(10 * time.Minute).Unix(),
		"iat": now.Unix(), "sub": "42", "frappe_user": manager, "email": clerk, "email_verified": true, "tenant": "globex"}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// signed makes a token.
func signed(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		options = options.WithHeader("kid", id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := json.Marshal(claims)
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// token makes a good token, with changes.
func (p *provider) token(t *testing.T, changes map[string]any) string {
	return signed(t, jose.RS256, newKeys()["rsa"], "rsa", p.claims(changes))
}

// withJWT takes tokens of the provider.
func (p *provider) withJWT(c *central.Config) {
	withKey(c)
	c.Now = p.clock.Now
	c.JWT = goodJWT()
	c.JWT.KeysURL = p.server.URL
}

// TestSecurity21JWT: what is signed by the issuer, for us, and not over, and nothing else.
func TestSecurity21JWT(t *testing.T) {
	c, clock := newCentral(t), newClock()
	c.AddUser(frappemstest.CentralUser{Name: "off@example.com", Roles: []string{"Shop Clerk"}, Disabled: true, Fields: map[string]any{"tenant_id": acme}})
	p := newProvider(t, clock)
	now := clock.Now()
	raw := func(header, payload string) string {
		e := base64.RawURLEncoding.EncodeToString
		return e([]byte(header)) + "." + e([]byte(payload)) + "."
	}
	payload, _ := json.Marshal(p.claims(nil))
	pem, _ := json.Marshal(jose.JSONWebKey{Key: public(newKeys()["rsa"]), KeyID: "rsa"})
	good := p.token(t, nil)
	session := c.Login(stranger)
	byEmail := func(c *central.Config) { c.JWT.UserClaim = "email" }
	for _, test := range []struct {
		name string
		sign sign
		edit func(c *central.Config)
		want string
	}{
		{"good", bearer(good), nil, manager},
		{"ES256", bearer(signed(t, jose.ES256, newKeys()["ec"], "ec", p.claims(nil))), nil, manager},
		{"audience as a text", bearer(p.token(t, map[string]any{"aud": "orders"})), nil, manager},
		{"without the id of a key", bearer(signed(t, jose.RS256, newKeys()["rsa"], "", p.claims(nil))), nil, manager},
		{"wins over a session", append(bearer(good), sid(session)...), nil, manager},
		{"bogus beside a session", append(bearer(good[:len(good)-5]+"AAAAA"), sid(session)...), nil, stranger},
		{"Frappe's own", bearer(c.Bearer(clerk)), nil, clerk},
		{"by verified e-mail", bearer(good), byEmail, clerk},
		{"only the algorithms that were said", bearer(signed(t, jose.ES256, newKeys()["ec"], "ec", p.claims(nil))),
			func(c *central.Config) { c.JWT.Algorithms = []string{"ES256"} }, manager},

		{"an algorithm that was not said", bearer(good), func(c *central.Config) { c.JWT.Algorithms = []string{"ES256"} }, ""},
		{"an algorithm that is not taken unless said", bearer(signed(t, jose.RS512, newKeys()["rsa"], "rsa", p.claims(nil))), nil, ""},
		{"none", bearer(raw(`{"alg":"none","kid":"rsa"}`, string(payload))), nil, ""},
		{"HS256 with the public key", bearer(signed(t, jose.HS256, pem, "rsa", p.claims(nil))), nil, ""},
		{"another's key", bearer(signed(t, jose.RS256, newKeys()["rsa2"], "rsa", p.claims(nil))), nil, ""},
		{"unknown key", bearer(signed(t, jose.RS256, newKeys()["rsa2"], "rsa2", p.claims(nil))), nil, ""},
		{"broken signature", bearer(good[:len(good)-5] + "AAAAA"), nil, ""},
		{"another payload", bearer(swap(good, p.token(t, map[string]any{"frappe_user": "Administrator"}))), nil, ""},
		{"another issuer", bearer(p.token(t, map[string]any{"iss": "https://evil.test"})), nil, ""},
		{"no issuer", bearer(p.token(t, map[string]any{"iss": nil})), nil, ""},
		{"another audience", bearer(p.token(t, map[string]any{"aud": "other"})), nil, ""},
		{"no audience", bearer(p.token(t, map[string]any{"aud": nil})), nil, ""},
		{"over", bearer(p.token(t, map[string]any{"exp": now.Add(-time.Second).Unix()})), nil, ""},
		{"without end", bearer(p.token(t, map[string]any{"exp": nil})), nil, ""},
		{"not yet", bearer(p.token(t, map[string]any{"nbf": now.Add(time.Hour).Unix()})), nil, ""},
		{"no user", bearer(p.token(t, map[string]any{"frappe_user": nil})), nil, ""},
		{"user is no text", bearer(p.token(t, map[string]any{"frappe_user": 7})), nil, ""},
		{"Guest", bearer(p.token(t, map[string]any{"frappe_user": "Guest"})), nil, ""},
		{"a user whom Central does not know", bearer(p.token(t, map[string]any{"frappe_user": "eve@example.com"})), nil, ""},
		{"a user in another case", bearer(p.token(t, map[string]any{"frappe_user": "Manager@Example.com"})), nil, ""},
		{"a disabled user", bearer(p.token(t, map[string]any{"frappe_user": "off@example.com"})), nil, ""},
		{"e-mail that is not verified", bearer(p.token(t, map[string]any{"email_verified": false})), byEmail, ""},
		{"e-mail of which nothing is said", bearer(p.token(t, map[string]any{"email_verified": nil})), byEmail, ""},
		{"e-mail verified in words", bearer(p.token(t, map[string]any{"email_verified": "true"})), byEmail, ""},
		{"three parts of nothing", bearer(".."), nil, ""},
		{"as a token", token(good), nil, ""},
		{"bogus beside a session that is over", append(bearer(good+"A"), sid("deadbeef")...), nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := central.NewAuthenticator(config(c, p.withJWT, test.edit))
			app := newApp(t, a)
			status, body := ask(app, "/who", test.sign)
			if test.want == "" && (status != 401 || !strings.Contains(body, "AuthenticationError")) ||
				test.want != "" && (status != 200 || !strings.HasPrefix(body, test.want)) {
				t.Errorf("got %d %s, want %q", status, body, test.want)
			}
		})
	}
	before := c.Calls(loggedUser)
	want(t, central.NewAuthenticator(config(c, p.withJWT)), bearer(good), manager, nil)
	want(t, central.NewAuthenticator(config(c, p.withJWT)), bearer(good+"x"), "", nil)
	if c.Calls(loggedUser) != before {
		t.Error("a JWT went to Central")
	}
}

// swap gives a token the payload of another.
func swap(token, other string) string {
	parts, others := strings.Split(token, "."), strings.Split(other, ".")
	return parts[0] + "." + others[1] + "." + parts[2]
}

// TestJWTEnds: a token counts no longer than it says, whatever the TTL and Config.StaleFor.
func TestJWTEnds(t *testing.T) {
	c, clock := newCentral(t), newClock()
	p := newProvider(t, clock)
	a := central.NewAuthenticator(config(c, p.withJWT, func(c *central.Config) { c.TTL, c.StaleFor = time.Hour, time.Hour }))
	s := bearer(p.token(t, nil))
	want(t, a, s, manager, nil)
	clock.advance(10*time.Minute - time.Second)
	want(t, a, s, manager, nil)
	clock.advance(2 * time.Second)
	want(t, a, s, "", nil)

	a = central.NewAuthenticator(config(c, p.withJWT, func(c *central.Config) { c.TTL, c.StaleFor = time.Hour, time.Hour }))
	s = bearer(p.token(t, nil))
	want(t, a, s, manager, nil)
	p.down.Store(true)
	clock.advance(10*time.Minute + time.Second)
	want(t, a, s, "", frappems.UnavailableError)
}

// TestJWTKeys: keys change without a restart, one that was withdrawn does not count for long, and keys that cannot be had are a
// 503 and no yes.
func TestJWTKeys(t *testing.T) {
	c, clock := newCentral(t), newClock()
	p := newProvider(t, clock)
	edit := func(c *central.Config) { c.TTL, c.RefusedTTL = time.Second, time.Second }
	a := central.NewAuthenticator(config(c, p.withJWT, edit))
	old := func() sign { return bearer(p.token(t, map[string]any{"exp": clock.Now().Add(time.Hour).Unix()})) }
	next := func() sign { return bearer(signed(t, jose.RS256, newKeys()["rsa2"], "rsa2", p.claims(nil))) }
	want(t, a, old(), manager, nil)
	p.rotate()
	clock.advance(10 * time.Second)
	want(t, a, next(), manager, nil) // its key is not known, and so asked for
	want(t, a, old(), "", nil)       // what is not published any more is not the issuer's

	for i := range 50 { // ids that are made up have nobody asked all the time
		want(t, a, bearer(signed(t, jose.ES256, newKeys()["ec"], fmt.Sprint("made-up", i), p.claims(nil))), "", nil)
	}
	if got := p.calls.Load(); got != 2 {
		t.Errorf("the keys were asked for %d times, want 2", got)
	}

	p.down.Store(true)
	clock.advance(10*time.Minute - 10*time.Second) // the keys are still good
	want(t, a, next(), manager, nil)
	clock.advance(time.Minute)
	want(t, a, next(), "", frappems.UnavailableError)
	want(t, central.NewAuthenticator(config(c, p.withJWT, edit)), next(), "", frappems.UnavailableError)
	p.down.Store(false)
	clock.advance(10 * time.Second)
	want(t, a, next(), manager, nil)
}

// TestJWTRevoked: a token of which Central knows nothing is refused once it was revoked, however it is written.
func TestJWTRevoked(t *testing.T) {
	c, clock := newCentral(t), newClock()
	p := newProvider(t, clock)
	a := central.NewAuthenticator(config(c, p.withJWT))
	one, two := p.token(t, nil), p.token(t, map[string]any{"jti": "2"})
	want(t, a, bearer(one), manager, nil)
	want(t, a, bearer(two), manager, nil)
	a.RevokeCredential("bearer " + one)
	want(t, a, bearer(one), "", nil)
	want(t, a, bearer(two), manager, nil)
	clock.advance(5 * time.Minute)
	want(t, a, bearer(one), "", nil)

	c.UpdateUser(manager, func(u *frappemstest.CentralUser) { u.Disabled = true })
	a.Revoke(manager)
	want(t, a, bearer(two), "", frappems.AuthenticationError)
}

// TestJWTClaims: the tenant is in a claim, or made of claims; other credentials have none.
func TestJWTClaims(t *testing.T) {
	c, clock := newCentral(t), newClock()
	c.UpdateUser(manager, func(u *frappemstest.CentralUser) {
		u.Permissions = []frappemstest.CentralPermission{{Allow: "Company", ForValue: "A"}}
	})
	p := newProvider(t, clock)
	claim := func(c *central.Config) { c.Tenant = central.TenantClaim("tenant") }
	for _, test := range []struct {
		name   string
		sign   sign
		status int
		want   string
	}{
		{"claim", bearer(p.token(t, nil)), 200, `of "globex"`},
		{"no claim", bearer(p.token(t, map[string]any{"tenant": nil})), 403, "no tenant"},
		{"SYSTEM", bearer(p.token(t, map[string]any{"tenant": "SYSTEM"})), 403, "no tenant"},
		{"a list", bearer(p.token(t, map[string]any{"tenant": []string{"globex"}})), 403, "no tenant"},
		{"a token of Frappe's", token("manager:managersecret"), 403, "no tenant"},
	} {
		app := newApp(t, central.NewAuthenticator(config(c, p.withJWT, claim)))
		if status, body := ask(app, "/who", test.sign); status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s: got %d %s, want %d %s", test.name, status, body, test.status, test.want)
		}
	}
	u, err := authenticate(central.NewAuthenticator(config(c, p.withJWT, claim)), bearer(p.token(t, nil)))
	if err != nil || fmt.Sprint(u.Restrictions) != "map[Company:[A]]" {
		t.Errorf("got %+v, %v, want the user's restrictions", u, err)
	}
	// A Central that answers about the service's own user in place of the one that was asked about would lift restrictions.
	_, err = authenticate(central.NewAuthenticator(config(c, p.withJWT, claim, func(c *central.Config) {
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if query := r.URL.Query(); query.Has("user") {
				query.Del("user")
				r = r.Clone(r.Context())
				r.URL.RawQuery = query.Encode()
			}
			return http.DefaultTransport.RoundTrip(r)
		})
	})), bearer(p.token(t, nil)))
	if !errors.Is(err, frappems.UnavailableError) {
		t.Errorf("got %v, want an UnavailableError", err)
	}
}
