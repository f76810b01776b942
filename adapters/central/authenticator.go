package central

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// Authenticator lets in the users of a Central Site: by Authorization (Bearer of OAuth 2, token key:secret, Basic), by the cookie
// sid, or by the header X-Frappe-SID, which takes the cookie's place in clients without cookies. Central is asked with the
// caller's own credentials, forwarded as they came, so that what it makes of two kinds at once holds here. Its answers are
// kept for Config.TTL; a request in the last quarter of it has them asked for again, while it is served.
//
// It may be used concurrently.
type Authenticator struct {
	config      Config
	tenantField string
	site        *site
	directory   *directory // nil: without a key of the service's own
	tokens      *tokens    // nil: no JWT is ours
	internal    *internal  // nil: off
	cache       *cache
	flights     singleflight.Group
	secret      [sha256.Size]byte // of this process, for digests
}

// NewAuthenticator makes an Authenticator. A Config that cannot work is a mistake in the program: it panics, and names the
// field and the line of the call. [Config.Validate] says the same as an error. Central is not asked yet.
func NewAuthenticator(c Config) *Authenticator {
	if err := c.Validate(); err != nil {
		_, file, line, _ := runtime.Caller(1)
		panic(fmt.Sprintf("central: NewAuthenticator at %s:%d: %v", file, line, err))
	}
	c = c.withDefaults()
	a := &Authenticator{config: c, site: newSite(c), cache: newCache(c.MaxUsers), internal: newInternal(c.Internal)}
	rand.Read(a.secret[:]) // never fails
	if field, ok := c.Tenant.(tenantField); ok {
		a.tenantField = string(field)
	}
	if c.APIKey != "" {
		header := "token " + c.APIKey + ":" + c.APISecret
		a.directory = &directory{site: a.site, field: a.tenantField, timeout: c.Timeout,
			sign: func(h http.Header) { h.Set("Authorization", header) }}
	}
	if c.JWT != nil {
		a.tokens = newTokens(c)
	}
	return a
}

func validTenant(id string) bool { return store.ValidTenant(id) }

// credentials are what signs a request in. They live as long as a check.
type credentials struct {
	header string // Authorization; empty: none
	sid    string
}

// maxCredential bounds what is sent on to Central.
const maxCredential = 8 << 10

// credentialsOf finds the credentials of a request. What Frappe ignores is none: an Authorization that is not two words, the
// sid of Guest.
func credentialsOf(r *http.Request) (c credentials, err error) {
	c.header = r.Header.Get("Authorization")
	if strings.Count(c.header, " ") != 1 {
		c.header = ""
	}
	c.sid = r.Header.Get("X-Frappe-Sid")
	if c.sid == "" && r.Header["Cookie"] != nil {
		if cookie, err := r.Cookie("sid"); err == nil {
			c.sid = cookie.Value
		}
	}
	lost := !isToken(c.sid)
	if lost || c.sid == guestName {
		c.sid = ""
	}
	switch {
	case len(c.header) > maxCredential || strings.ContainsFunc(c.header, func(c rune) bool { return c < ' ' || c > '~' }):
		return c, errRefused
	case lost && c.header == "":
		return c, errExpired
	}
	return c, nil
}

// isToken says whether a text can be a session id, which is letters and digits.
func isToken(text string) bool {
	for i := range len(text) {
		if c := text[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_') {
			return false
		}
	}
	return len(text) <= 256
}

// wellFormed says whether they can be somebody's. Others Central would refuse in any case.
func (c credentials) wellFormed() bool {
	if c.sid != "" {
		return true
	}
	scheme, value, _ := strings.Cut(c.header, " ")
	switch {
	case strings.EqualFold(scheme, "bearer"):
		return value != ""
	case strings.EqualFold(scheme, "basic"):
		plain, err := base64.StdEncoding.DecodeString(value)
		return err == nil && strings.Count(string(plain), ":") == 1
	case strings.EqualFold(scheme, "token"):
		return strings.Count(value, ":") == 1
	}
	return false
}

// sign adds the credentials to a request to Central.
func (c credentials) sign(h http.Header) {
	if c.header != "" {
		h.Set("Authorization", c.header)
	}
	if c.sid != "" {
		h.Set("Cookie", "sid="+c.sid)
	}
}

// digest stands for credentials of a kind: both parts, or one of them for revoking.
func (a *Authenticator) digest(header, sid string) digest {
	buffer := make([]byte, 0, 512) // on the stack
	buffer = append(buffer, a.secret[:]...)
	buffer = binary.BigEndian.AppendUint32(buffer, uint32(len(header)))
	buffer = append(buffer, header...)
	buffer = append(buffer, sid...)
	return sha256.Sum256(buffer)
}

// The refusals. That of credentials is the App's own, byte for byte, whatever the reason.
var (
	errRefused = &frappems.Error{Code: frappems.AuthenticationError, Message: "Invalid credentials", Messages: []frappems.Message{}}
	errExpired = &frappems.Error{Code: frappems.PermissionError, Message: "You need to be signed in", SessionExpired: true}
)

// Authenticate finds the user of a request. Errors: AuthenticationError for users who are disabled, PermissionError with
// SessionExpired for a session that is over, PermissionError for a tenant that cannot be one, UnavailableError when Central
// cannot be asked. Credentials that Central does not know are nobody's, nil and nil, so that the next one of a Chain is asked;
// without one the App refuses them.
func (a *Authenticator) Authenticate(r *http.Request) (*frappems.User, error) {
	if a.internal != nil && r.Header["X-Internal-Token"] != nil {
		return a.internal.authenticate(r)
	}
	c, err := credentialsOf(r)
	if err != nil || c == (credentials{}) {
		return nil, err
	}
	key, now := a.digest(c.header, c.sid), a.config.Now()
	known, generation := a.cache.get(key)
	if known != nil && now.Before(known.until) {
		if known.allows() && known.claimRefresh(now, a.config.TTL/16) {
			a.fly(key, c, generation)
		}
		return known.user, known.err
	}
	if !c.wellFormed() {
		return nil, nil
	}
	select {
	case done := <-a.fly(key, c, generation):
		if done.Err == nil {
			e := done.Val.(*entry)
			return e.user, e.err
		}
		if known != nil && known.allows() && now.Before(known.staleUntil) && errors.Is(done.Err, frappems.UnavailableError) && !a.cache.isRevoked(known, generation) {
			return known.user, nil
		}
		return nil, done.Err
	case <-r.Context().Done():
		return nil, unavailable(context.Cause(r.Context()))
	}
}

// fly checks credentials, once for all who ask at the same time. It goes on when the request that began it does not. After a
// revocation others do not join it any more.
func (a *Authenticator) fly(key digest, c credentials, generation uint64) <-chan singleflight.Result {
	name := string(binary.BigEndian.AppendUint64(key[:], generation))
	return a.flights.DoChan(name, func() (result any, err error) {
		defer func() {
			if problem := recover(); problem != nil { // of a TenantFunc; nobody above would catch it
				err = fmt.Errorf("central: panic: %v\n%s", problem, debug.Stack())
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), a.config.Timeout)
		defer cancel()
		e, err := a.check(ctx, c)
		if err != nil {
			return nil, err
		}
		if c.header != "" {
			e.header = a.digest(canonical(c.header), "")
		}
		if c.sid != "" {
			e.sid = a.digest("", c.sid)
		}
		a.cache.put(key, e, generation)
		return e, nil
	})
}

// check asks who has credentials. The error says that it cannot be found out.
func (a *Authenticator) check(ctx context.Context, c credentials) (*entry, error) {
	started := a.config.Now()
	var claims *claims
	name, bogus, err := "", false, error(nil)
	if scheme, value, _ := strings.Cut(c.header, " "); a.tokens != nil && strings.EqualFold(scheme, "bearer") && isJWT(value) {
		if claims, err = a.tokens.verify(ctx, value); err != nil {
			return nil, err
		}
		switch {
		case claims != nil:
			name, c = claims.user, credentials{}
		case c.sid == "":
			return a.refused(started, "", nil), nil
		default: // a Bearer that is nobody's does not count beside a session
			c.header, bogus = "", true
		}
	}
	if claims == nil {
		got, err := a.site.get(ctx, pathLoggedUser, nil, c.sign)
		if err != nil {
			return nil, err
		}
		switch verdict := got.verdict(); {
		case verdict == accepted:
			if name, err = got.text(); err != nil {
				return nil, err
			}
		case verdict == expired && !bogus:
			return a.refused(started, "", errExpired), nil
		case verdict != unclear:
			return a.refused(started, "", nil), nil
		default:
			return nil, got.unexpected("asked who calls")
		}
	}
	if name == "" || name == guestName {
		return a.refused(started, "", nil), nil
	}
	return a.identify(ctx, started, name, c, claims)
}

// identify learns about the user whose credentials are good.
func (a *Authenticator) identify(ctx context.Context, started time.Time, name string, c credentials, claims *claims) (*entry, error) {
	var p *profile
	var err error
	if a.directory == nil {
		p, err = a.ask(ctx, name, c.sign)
	} else {
		p, err = a.directory.lookup(ctx, name)
	}
	if refusal, ok := err.(*frappems.Error); ok && refusal.Code == frappems.PermissionError {
		return a.refused(started, name, refusal), nil
	}
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return a.refused(started, name, nil), nil
	case !p.enabled: // Central lets a disabled user's keys and tokens through
		return a.refused(started, name, errRefused), nil
	}
	if len(p.restricted) > 0 {
		sign, query := c.sign, url.Values(nil)
		if c == (credentials{}) { // a JWT, which Central does not know
			sign, query = a.directory.sign, url.Values{"user": {name}}
		}
		if err := a.expand(ctx, name, p, sign, query); err != nil {
			return nil, err
		}
	}
	return a.admit(ctx, started, name, p, claims)
}

// admit makes the user, with a tenant.
func (a *Authenticator) admit(ctx context.Context, started time.Time, name string, p *profile, claims *claims) (*entry, error) {
	user := &frappems.User{Name: name, FullName: p.fullName, Roles: p.roles, Restrictions: p.restrictions}
	if _, err := time.LoadLocation(p.timeZone); err == nil {
		user.TimeZone = p.timeZone
	}
	until := started.Add(a.config.TTL)
	var values map[string]any
	if claims != nil {
		values = claims.values
		if claims.expiry.Before(until) {
			until = claims.expiry
		}
	}
	tenant, err := a.config.Tenant.tenantOf(ctx, user, p, values)
	if err != nil {
		return nil, unavailable(fmt.Errorf("central: the tenant of %s: %w", name, err))
	}
	if tenant != "" && !validTenant(tenant) {
		return a.refused(started, name, frappems.Errorf(frappems.PermissionError, "Your user has no tenant in this service")), nil
	}
	user.Tenant = tenant
	e := &entry{user: user, name: name, until: until, staleUntil: until.Add(a.config.StaleFor)}
	if claims != nil {
		e.staleUntil = until // what has expired is not to be kept
	}
	e.refresh.Store(started.Add(a.config.TTL * 3 / 4).UnixNano())
	return e, nil
}

// refused is the entry for credentials that let nobody in: with the reason, or nil for nobody's.
func (a *Authenticator) refused(started time.Time, name string, reason *frappems.Error) *entry {
	e := &entry{name: name, until: started.Add(a.config.RefusedTTL)}
	if reason != nil {
		e.err = reason
	}
	return e
}

// text is the answer where it is a text.
func (a *answer) text() (s string, err error) {
	if err := json.Unmarshal(a.Message, &s); err != nil {
		return "", unavailable(fmt.Errorf("central: asked who calls: %w", err))
	}
	return s, nil
}

// Revoke forgets what is known of a user: the next request with any credentials of the user has Central asked.
func (a *Authenticator) Revoke(user string) {
	a.cache.drop(func(e *entry) bool { return strings.EqualFold(e.name, user) })
}

// RevokeCredential forgets what is known of credentials, as a client sends them: the value of an Authorization header, or a sid.
// A JWT, of which Central knows nothing, is refused by this process from then on.
func (a *Authenticator) RevokeCredential(credential string) {
	if _, token, ok := strings.Cut(credential, " "); ok && a.tokens != nil && isJWT(token) {
		a.tokens.revoke(token)
	}
	a.cache.dropCredential(a.digest(canonical(credential), ""), a.digest("", credential))
}

// canonical is the same for Authorization headers that mean the same.
func canonical(header string) string {
	scheme, value, ok := strings.Cut(header, " ")
	if !ok {
		return header
	}
	scheme = strings.ToLower(scheme)
	if plain, err := base64.StdEncoding.DecodeString(value); scheme == "basic" && err == nil {
		scheme, value = "token", string(plain)
	}
	if scheme == "bearer" && isJWT(value) {
		value = signed(value)
	}
	return scheme + " " + value
}

// RevokeAll forgets everything: each user is checked again.
func (a *Authenticator) RevokeAll() { a.cache.drop(func(*entry) bool { return true }) }
