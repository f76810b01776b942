package central

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/frappems/frappems"
)

// InternalToken lets in other services of the same owner, as a user of its own. A request has the token in its header
// X-Internal-Token, and in X-Tenant the tenant that it is about, which means something only beside the token. Other credentials
// in the same request are a mistake, and refused: a service that passes a user's request on must not do so with its own rights.
type InternalToken struct {
	// Token is the secret, of at least 32 bytes. Required.
	Token string
	// User is the name that the services have here, in logs and as the owner of documents. Required; not Administrator.
	User string
	// Roles are those of User, and should be no more than the services need. Required. All and Guest are added.
	Roles []string
	// Tenants are those that may be named. Either this or Allow is required.
	Tenants []string
	// Allow says whether a tenant may be named. An error means that it cannot be said: 503. It may be called concurrently.
	Allow func(ctx context.Context, tenant string) (bool, error)
}

func (t *InternalToken) validate() error {
	const field = "Config.Internal"
	switch {
	case t == nil:
		return nil
	case len(t.Token) < 32:
		return fmt.Errorf("%s.Token has %d bytes, want at least 32", field, len(t.Token))
	case t.User == "" || t.User == administratorName || t.User == guestName:
		return fmt.Errorf("%s.User %q: want a name of its own", field, t.User)
	case len(t.Roles) == 0 || slices.Contains(t.Roles, "") || slices.Contains(t.Roles, administratorName):
		return fmt.Errorf("%s.Roles %q: want those that the services need, and not Administrator", field, t.Roles)
	case (t.Tenants == nil) == (t.Allow == nil):
		return fmt.Errorf("%s wants either Tenants or Allow", field)
	}
	for _, tenant := range t.Tenants {
		if !validTenant(tenant) {
			return fmt.Errorf("%s.Tenants: %q: want 1 to 64 of A-Z a-z 0-9 . _ - and not SYSTEM", field, tenant)
		}
	}
	return nil
}

// internal is an InternalToken at work.
type internal struct {
	hash  [sha256.Size]byte // of the token
	user  frappems.User     // without a tenant
	allow func(ctx context.Context, tenant string) (bool, error)
}

func newInternal(t *InternalToken) *internal {
	if t == nil {
		return nil
	}
	p := profile{roles: slices.Clone(t.Roles)}
	p.addImplied(false)
	i := &internal{hash: sha256.Sum256([]byte(t.Token)), allow: t.Allow,
		user: frappems.User{Name: t.User, FullName: t.User, Roles: p.roles}}
	if i.allow == nil {
		tenants := slices.Clone(t.Tenants)
		i.allow = func(_ context.Context, tenant string) (bool, error) { return slices.Contains(tenants, tenant), nil }
	}
	return i
}

var errTenant = errors.New("central: X-Tenant names a tenant that may not be named, or none")

// authenticate lets in who has the token.
func (i *internal) authenticate(r *http.Request) (*frappems.User, error) {
	values := r.Header["X-Internal-Token"]
	hash := sha256.Sum256([]byte(values[0]))
	_, sid := r.Cookie("sid")
	mixed := len(values) > 1 || r.Header["Authorization"] != nil || r.Header["X-Frappe-Sid"] != nil || sid == nil
	if subtle.ConstantTimeCompare(hash[:], i.hash[:]) != 1 || mixed {
		return nil, errRefused
	}
	named := r.Header["X-Tenant"]
	if len(named) != 1 || !validTenant(named[0]) {
		return nil, &frappems.Error{Code: frappems.PermissionError, Message: "The header X-Tenant has to name one tenant", Cause: errTenant}
	}
	allowed, err := i.allow(r.Context(), named[0])
	if err != nil {
		return nil, unavailable(fmt.Errorf("central: whether a service may name the tenant %s: %w", named[0], err))
	}
	if !allowed {
		return nil, &frappems.Error{Code: frappems.PermissionError, Message: "Services may not name this tenant", Cause: errTenant}
	}
	user := i.user
	user.Tenant = named[0]
	return &user, nil
}
