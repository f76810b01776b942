package central_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems/adapters/central"
)

// TestInternalToken: who has it is the service user, of the tenant that it names and may name.
func TestInternalToken(t *testing.T) {
	good := strings.Repeat("t", 32)
	byFunc := func(c *central.Config) {
		c.Internal.Tenants = nil
		c.Internal.Allow = func(_ context.Context, tenant string) (bool, error) {
			if tenant == "down" {
				return false, errors.New("db-7")
			}
			return tenant == acme, nil
		}
	}
	c := newCentral(t)
	session := c.Login(manager)
	for _, test := range []struct {
		name   string
		sign   sign
		edit   func(c *central.Config)
		status int
		want   string
	}{
		{"good", sign{"X-Internal-Token", good, "X-Tenant", acme}, nil, 200, `billing@internal of "acme"`},
		{"another tenant", sign{"X-Internal-Token", good, "X-Tenant", "globex"}, nil, 200, `billing@internal of "globex"`},
		{"no tenant", sign{"X-Internal-Token", good}, nil, 403, "X-Tenant"},
		{"empty tenant", sign{"X-Internal-Token", good, "X-Tenant", ""}, nil, 403, "X-Tenant"},
		{"SYSTEM", sign{"X-Internal-Token", good, "X-Tenant", "SYSTEM"}, nil, 403, "X-Tenant"},
		{"a tenant that may not be named", sign{"X-Internal-Token", good, "X-Tenant", "initech"}, nil, 403, "may not name"},
		{"by function", sign{"X-Internal-Token", good, "X-Tenant", acme}, byFunc, 200, `of "acme"`},
		{"not by function", sign{"X-Internal-Token", good, "X-Tenant", "globex"}, byFunc, 403, "may not name"},
		{"the function cannot say", sign{"X-Internal-Token", good, "X-Tenant", "down"}, byFunc, 503, "ServiceUnavailable"},
		{"wrong", sign{"X-Internal-Token", good[1:] + "x", "X-Tenant", acme}, nil, 401, "AuthenticationError"},
		{"a part of it", sign{"X-Internal-Token", good[1:], "X-Tenant", acme}, nil, 401, "AuthenticationError"},
		{"empty", sign{"X-Internal-Token", "", "X-Tenant", acme}, nil, 401, "AuthenticationError"},
		{"with a user's key", append(sign{"X-Internal-Token", good, "X-Tenant", acme}, token("manager:managersecret")...), nil, 401, "AuthenticationError"},
		{"with a user's session", append(sign{"X-Internal-Token", good, "X-Tenant", acme}, sid(session)...), nil, 401, "AuthenticationError"},
		{"with a user's session as a header", sign{"X-Internal-Token", good, "X-Tenant", acme, "X-Frappe-SID", session}, nil, 401, "AuthenticationError"},
		{"wrong, with a user's key", append(sign{"X-Internal-Token", "x"}, token("manager:managersecret")...), nil, 401, "AuthenticationError"},
		{"off", sign{"X-Internal-Token", good, "X-Tenant", acme}, func(c *central.Config) { c.Internal = nil }, 403, "PermissionError"},
		{"off, a user names a tenant", append(token("manager:managersecret"), "X-Tenant", "globex"), nil, 200, `of "acme"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := newApp(t, central.NewAuthenticator(config(c, func(c *central.Config) { c.Internal = goodInternal() }, test.edit)))
			before := c.Calls("")
			status, body := ask(app, "/who", test.sign)
			if status != test.status || !strings.Contains(body, test.want) || strings.Contains(body, "db-7") {
				t.Errorf("got %d %s, want %d with %s", status, body, test.status, test.want)
			}
			if test.sign[0] == "X-Internal-Token" && c.Calls("") != before {
				t.Error("Central was asked")
			}
		})
	}
	a := central.NewAuthenticator(config(c, func(c *central.Config) { c.Internal = goodInternal() }))
	u, err := authenticate(a, sign{"X-Internal-Token", good, "X-Tenant", acme})
	if err != nil || !slices.Equal(u.Roles, []string{"Order Reader", "All", "Guest"}) {
		t.Errorf("got %s, %v, want the roles that were given and no more", fmt.Sprint(u), err)
	}
}
