package frappems

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/frappems/frappems/store"
)

const (
	administratorName = "Administrator"
	guestName         = "Guest"
	defaultTenant     = "default"
)

// User is who calls. It is shared between requests: nobody changes it.
type User struct {
	// Name is the user's id, in Frappe an e-mail address. Administrator may do everything within the tenant; Guest is
	// who has not signed in.
	Name string
	// FullName is for display; empty: Name.
	FullName string
	// Roles are what DocTypes give permissions to, with those that Frappe implies: All and Guest for who has signed in.
	Roles []string
	// Tenant is whose data the user sees. Empty: none.
	Tenant string
	// TimeZone is an IANA name; empty: the service's.
	TimeZone string
	// Restrictions are Frappe's User Permissions: by DocType, the names that the user may see and link to. A DocType
	// that is not in it is not restricted.
	Restrictions map[string][]string
}

// HasRole says whether the user has a role. Administrator has every role.
func (u *User) HasRole(role string) bool {
	return u.Name == administratorName || slices.Contains(u.Roles, role)
}

// isGuest says whether nobody has signed in.
func (u *User) isGuest() bool { return u.Name == guestName }

// UserFrom returns who calls, Guest if nobody has signed in, and nil where ctx is not a request's.
func UserFrom(ctx context.Context) *User {
	if x := exchangeFrom(ctx); x != nil {
		return x.user
	}
	return nil
}

// Authenticator finds out who sends a request.
//
// Rules for implementers:
//   - A request without credentials of its kind is not its business: nil, nil. So is a key that it does not know; the
//     next one of a [Chain] may. Credentials that nobody knows are refused by the App.
//   - Credentials that are wrong, expired or of a disabled user are an AuthenticationError; a session that is over is a
//     PermissionError with SessionExpired.
//   - When it cannot find out (its server does not answer), it says so by an UnavailableError, and never guesses.
//   - Identity comes from headers and cookies alone, never from the query or the body, which it does not read.
//   - The user has a name and the roles that Frappe implies, and may be the same pointer each time.
//   - It may be called concurrently and returns soon after the request's context has ended.
type Authenticator interface {
	Authenticate(r *http.Request) (*User, error)
}

// Chain asks one Authenticator after the other until one knows the user or fails. Nil ones are left out.
func Chain(authenticators ...Authenticator) Authenticator {
	return chain(slices.DeleteFunc(slices.Clone(authenticators), func(a Authenticator) bool { return a == nil }))
}

type chain []Authenticator

// Authenticate asks each in turn.
func (c chain) Authenticate(r *http.Request) (*User, error) {
	for _, a := range c {
		if user, err := a.Authenticate(r); user != nil || err != nil {
			return user, err
		}
	}
	return nil, nil
}

// authenticate finds the request's user. With an error the user is Guest, as whom public routes go on.
func (a *App) authenticate(r *http.Request) (*User, error) {
	var user *User
	if a.config.Auth != nil {
		var err error
		if user, err = a.config.Auth.Authenticate(r); err != nil {
			return a.guest, err
		}
	}
	switch {
	case user == nil:
		if scheme, _ := credentials(r); scheme != "" {
			return a.guest, errBadCredentials
		}
		return a.guest, nil
	case user.Name == "":
		return a.guest, errors.New("frappems: Config.Auth returned a user without a name")
	case user.isGuest():
		return a.guest, nil
	}
	// A browser adds cookies to requests of foreign pages too. Beside an Authorization a sid may be what counts, as in Frappe.
	if r.Header.Get("Cookie") != "" && (r.Header.Get("Authorization") == "" || sidOf(r) != "") {
		if err := a.origins.Check(r); err != nil {
			return a.guest, &Error{Code: PermissionError, Message: "Request of a foreign origin", Cause: err}
		}
	}
	if a.config.Tenant != "" && user.Tenant == "" {
		copied := *user
		copied.Tenant = a.config.Tenant
		user = &copied
	}
	return user, nil
}

// sidOf is the session that a cookie names, "" for none and Guest's.
func sidOf(r *http.Request) string {
	if sid, err := r.Cookie("sid"); err == nil && sid.Value != guestName {
		return sid.Value
	}
	return ""
}

// errBadCredentials is the same for every reason, and as in Frappe without a message to show.
var errBadCredentials = &Error{Code: AuthenticationError, Message: "Invalid credentials", Messages: []Message{}}

// credentials splits the Authorization header into its scheme, in lower case, and the rest. As in Frappe a header that
// is not exactly two words is ignored.
func credentials(r *http.Request) (scheme, value string) {
	scheme, value, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || strings.Contains(value, " ") {
		return "", ""
	}
	return strings.ToLower(scheme), value
}

// Tokens is an [Authenticator] for the API keys of a fixed list of users: "Authorization: token key:secret", the same as
// Basic, and Bearer tokens. It is safe for concurrent use.
type Tokens struct {
	keys    map[string]apiToken            // by API key
	bearers map[[sha256.Size]byte]apiToken // by the token's hash
}

// apiToken is one user's credentials. Secrets are kept as hashes.
type apiToken struct {
	secret   [sha256.Size]byte
	user     *User
	disabled bool
}

// tokenEntry is one user of a users file.
type tokenEntry struct {
	User         string              `json:"user"`
	FullName     string              `json:"full_name"`
	Key          string              `json:"api_key"`
	Secret       string              `json:"api_secret"`
	Bearer       string              `json:"bearer"`
	Roles        []string            `json:"roles"`
	Tenant       *string             `json:"tenant"`
	TimeZone     string              `json:"time_zone"`
	Restrictions map[string][]string `json:"restrictions"`
	Enabled      *bool               `json:"enabled"`
}

// NewTokens reads a list of users in JSON:
//
//	[{"user": "ada@example.com", "full_name": "Ada", "api_key": "key", "api_secret": "secret", "roles": ["Sales User"],
//	  "tenant": "acme", "time_zone": "Europe/Berlin", "restrictions": {"Customer": ["C-1"]}, "bearer": "…", "enabled": true}]
//
// Only user and one of api_key with api_secret or bearer are required. A tenant that is absent is "default", one that is
// empty is none. The roles All and Guest are added. The error names entry and reason.
func NewTokens(r io.Reader) (*Tokens, error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	var entries []tokenEntry
	if err := decoder.Decode(&entries); err != nil {
		return nil, fmt.Errorf(`frappems: users: after %d bytes: %w; want a list such as [{"user": …, "api_key": …, "api_secret": …, "roles": […], "tenant": …}]`,
			decoder.InputOffset(), err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("frappems: users: something follows the list")
	}
	t := &Tokens{keys: map[string]apiToken{}, bearers: map[[sha256.Size]byte]apiToken{}}
	seen := map[[3]string]int{}
	for i, e := range entries {
		if err := t.add(&e, i+1, seen); err != nil {
			return nil, fmt.Errorf("frappems: users: entry %d (%s): %w", i+1, cmp.Or(e.User, "no user"), err)
		}
	}
	return t, nil
}

// add takes in one entry; seen says in which entry something unique was used.
func (t *Tokens) add(e *tokenEntry, number int, seen map[[3]string]int) error {
	if e.Tenant == nil {
		tenant := defaultTenant
		e.Tenant = &tenant
	}
	if err := e.check(); err != nil {
		return err
	}
	for _, claim := range [][3]string{{"user", store.TextKey(e.User), *e.Tenant}, {"api_key", e.Key}, {"bearer", e.Bearer}} {
		if first := seen[claim]; first != 0 && claim[1] != "" {
			return fmt.Errorf("the same %s as entry %d", claim[0], first)
		}
		seen[claim] = number
	}
	for _, implied := range []string{"All", guestName} {
		if !slices.Contains(e.Roles, implied) {
			e.Roles = append(e.Roles, implied)
		}
	}
	one := apiToken{
		secret:   sha256.Sum256([]byte(e.Secret)),
		disabled: e.Enabled != nil && !*e.Enabled,
		user: &User{Name: e.User, FullName: cmp.Or(e.FullName, e.User), Roles: e.Roles, Tenant: *e.Tenant,
			TimeZone: e.TimeZone, Restrictions: e.Restrictions},
	}
	if e.Key != "" {
		t.keys[e.Key] = one
	}
	if e.Bearer != "" {
		t.bearers[sha256.Sum256([]byte(e.Bearer))] = one
	}
	return nil
}

// check refuses an entry that could not work.
func (e *tokenEntry) check() error {
	switch {
	case e.User == "":
		return errors.New("user is missing")
	case e.User == guestName:
		return errors.New(`"Guest" is who has no credentials`)
	case (e.Key == "") != (e.Secret == ""):
		return errors.New("api_key and api_secret go together")
	case e.Key == "" && e.Bearer == "":
		return errors.New("api_key and api_secret are missing")
	case strings.ContainsAny(e.Key, ": "):
		return errors.New("api_key has a colon or a blank")
	case strings.Contains(e.Secret, " ") || strings.Contains(e.Bearer, " "):
		return errors.New("api_secret or bearer has a blank")
	case *e.Tenant != "" && !store.ValidTenant(*e.Tenant):
		return fmt.Errorf("tenant %q: want 1 to 64 of A-Z a-z 0-9 . _ - and not SYSTEM", *e.Tenant)
	case slices.Contains(e.Roles, ""):
		return errors.New("a role is empty")
	}
	if _, err := time.LoadLocation(e.TimeZone); err != nil {
		return fmt.Errorf("time_zone: %w", err)
	}
	return nil
}

// Authenticate finds the user of an Authorization header. A key or token that it does not know is not its business; a
// wrong secret and a user that is disabled are refused.
func (t *Tokens) Authenticate(r *http.Request) (*User, error) {
	scheme, value := credentials(r)
	var one apiToken
	matches := true
	switch scheme {
	case "bearer":
		one = t.bearers[sha256.Sum256([]byte(value))]
	case "basic":
		plain, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, errBadCredentials
		}
		value = string(plain)
		fallthrough
	case "token":
		key, secret, _ := strings.Cut(value, ":")
		hash := sha256.Sum256([]byte(secret))
		one = t.keys[key] // one that is not known takes the same work
		matches = subtle.ConstantTimeCompare(hash[:], one.secret[:]) == 1
	}
	if one.user == nil {
		return nil, nil
	}
	if !matches || one.disabled {
		return nil, errBadCredentials
	}
	return one.user, nil
}
