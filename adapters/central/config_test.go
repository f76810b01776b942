package central_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
	"github.com/frappems/frappems/frappemstest"
)

// goodJWT and goodInternal are complete; the tests spoil copies of them.
func goodJWT() *central.JWT {
	return &central.JWT{Issuer: "https://id.test", Audience: "orders", KeysURL: "https://id.test/keys", UserClaim: "frappe_user"}
}

func goodInternal() *central.InternalToken {
	return &central.InternalToken{Token: strings.Repeat("t", 32), User: "billing@internal", Roles: []string{"Order Reader"}, Tenants: []string{acme, "globex"}}
}

// TestConfigRefuses: what cannot work is refused before anything is asked, by the name of the field and the line of the call.
func TestConfigRefuses(t *testing.T) {
	jwt := func(edit func(j *central.JWT)) func(c *central.Config) {
		return func(c *central.Config) {
			withKey(c)
			c.JWT = goodJWT()
			edit(c.JWT)
		}
	}
	internal := func(edit func(i *central.InternalToken)) func(c *central.Config) {
		return func(c *central.Config) {
			c.Internal = goodInternal()
			edit(c.Internal)
		}
	}
	for _, test := range []struct {
		name, want string
		edit       func(c *central.Config)
	}{
		{"no URL", "Config.URL is required", func(c *central.Config) { c.URL = "" }},
		{"no scheme", "Config.URL", func(c *central.Config) { c.URL = "erp.example.com" }},
		{"another scheme", "Config.URL", func(c *central.Config) { c.URL = "ftp://erp.example.com" }},
		{"no host", "Config.URL", func(c *central.Config) { c.URL = "https://" }},
		{"no URL at all", "Config.URL", func(c *central.Config) { c.URL = "https://%zz" }},
		{"a query", "Config.URL", func(c *central.Config) { c.URL = "https://erp.example.com?x=1" }},
		{"a password", "Config.URL", func(c *central.Config) { c.URL = "https://u:hush@erp.example.com" }},
		{"no tenant", "Config.Tenant is required", func(c *central.Config) { c.Tenant = nil }},
		{"an empty tenant", "FixedTenant", func(c *central.Config) { c.Tenant = central.FixedTenant("") }},
		{"SYSTEM", "FixedTenant", func(c *central.Config) { c.Tenant = central.FixedTenant("SYSTEM") }},
		{"an empty field", "TenantField", func(c *central.Config) { c.Tenant = central.TenantField("") }},
		{"no field", "TenantField", func(c *central.Config) { c.Tenant = central.TenantField("roles.role") }},
		{"a claim without JWT", "TenantClaim", func(c *central.Config) { c.Tenant = central.TenantClaim("tenant") }},
		{"no function", "TenantFunc", func(c *central.Config) { c.Tenant = central.TenantFunc(nil) }},
		{"a key without secret", "go together", func(c *central.Config) { c.APIKey = "k" }},
		{"a secret without key", "go together", func(c *central.Config) { c.APISecret = "s" }},
		{"negative TTL", "negative", func(c *central.Config) { c.TTL = -1 }},
		{"negative timeout", "negative", func(c *central.Config) { c.Timeout = -1 }},
		{"negative stale", "negative", func(c *central.Config) { c.StaleFor = -1 }},
		{"negative size", "MaxUsers", func(c *central.Config) { c.MaxUsers = -1 }},
		{"JWT without a key", "Config.APIKey", func(c *central.Config) { c.JWT = goodJWT() }},
		{"no issuer", "Issuer", jwt(func(j *central.JWT) { j.Issuer = "" })},
		{"no audience", "Audience", jwt(func(j *central.JWT) { j.Audience = "" })},
		{"no keys", "KeysURL", jwt(func(j *central.JWT) { j.KeysURL = "" })},
		{"no claim", "UserClaim", jwt(func(j *central.JWT) { j.UserClaim = "" })},
		{"none", "Algorithms", jwt(func(j *central.JWT) { j.Algorithms = []string{"RS256", "none"} })},
		{"shared key", "Algorithms", jwt(func(j *central.JWT) { j.Algorithms = []string{"HS256"} })},
		{"short token", "Config.Internal.Token", internal(func(i *central.InternalToken) { i.Token = "short" })},
		{"no token", "Config.Internal.Token", internal(func(i *central.InternalToken) { i.Token = "" })},
		{"Administrator", "Config.Internal.User", internal(func(i *central.InternalToken) { i.User = "Administrator" })},
		{"Guest", "Config.Internal.User", internal(func(i *central.InternalToken) { i.User = "Guest" })},
		{"no roles", "Config.Internal.Roles", internal(func(i *central.InternalToken) { i.Roles = nil })},
		{"all roles", "Config.Internal.Roles", internal(func(i *central.InternalToken) { i.Roles = []string{"Administrator"} })},
		{"no tenants", "Tenants or Allow", internal(func(i *central.InternalToken) { i.Tenants = nil })},
		{"SYSTEM among tenants", "Config.Internal.Tenants", internal(func(i *central.InternalToken) { i.Tenants = []string{"SYSTEM"} })},
		{"both", "Tenants or Allow", internal(func(i *central.InternalToken) {
			i.Allow = func(context.Context, string) (bool, error) { return true, nil }
		})},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := central.Config{URL: "https://erp.example.com", Tenant: central.FixedTenant(acme)}
			test.edit(&c)
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, test.want) || !strings.Contains(got, "config_test.go:") {
					t.Errorf("got panic %s, want one with %q and the line", got, test.want)
				}
			}()
			central.NewAuthenticator(c)
		})
	}
	all := central.Config{URL: "https://erp.example.com/", Tenant: central.TenantClaim("tenant"), JWT: goodJWT(), Internal: goodInternal()}
	withKey(&all)
	if err := all.Validate(); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

// TestTenants: what becomes of what is said to be a user's tenant.
func TestTenants(t *testing.T) {
	field := central.TenantField("tenant_id")
	function := func(tenant string, err error) central.TenantSource {
		return central.TenantFunc(func(_ context.Context, user *frappems.User, claims map[string]any) (string, error) {
			if user.Name != manager || !user.HasRole("Shop Manager") || claims != nil {
				t.Errorf("got user %+v and claims %v", user, claims)
			}
			return tenant, err
		})
	}
	for _, test := range []struct {
		name   string
		source central.TenantSource
		value  any // of the field
		who    int // status of a route that needs a tenant
		new    int // and of one that does not
		tenant string
	}{
		{"field", field, "globex", 200, 200, "globex"},
		{"empty field", field, "", 403, 200, ""},
		{"field that is not set", field, nil, 403, 200, ""},
		{"SYSTEM", field, "SYSTEM", 403, 403, ""},
		{"no name of a tenant", field, "a b", 403, 403, ""},
		{"longer than a tenant", field, strings.Repeat("x", 65), 403, 403, ""},
		{"a number", field, 7, 403, 403, ""},
		{"fixed", central.FixedTenant("globex"), acme, 200, 200, "globex"},
		{"function", function("globex", nil), acme, 200, 200, "globex"},
		{"function without an answer", function("", nil), acme, 403, 200, ""},
		{"function with SYSTEM", function("SYSTEM", nil), acme, 403, 403, ""},
		{"function that cannot say", function(acme, errors.New("db-7 is down")), acme, 503, 503, ""},
		{"function that panics", central.TenantFunc(func(context.Context, *frappems.User, map[string]any) (string, error) { panic("db-7") }), acme, 500, 500, ""},
	} {
		for key, edit := range map[string]func(c *central.Config){"with a key": withKey, "without": nil} {
			t.Run(test.name+"/"+key, func(t *testing.T) {
				c := newCentral(t)
				c.UpdateUser(manager, func(u *frappemstest.CentralUser) { u.Fields = map[string]any{"tenant_id": test.value} })
				app := newApp(t, central.NewAuthenticator(config(c, edit, func(c *central.Config) { c.Tenant = test.source })))
				for path, want := range map[string]int{"/who": test.who, "/new": test.new} {
					status, body := ask(app, path, token("manager:managersecret"))
					if status != want || status == 200 && !strings.Contains(body, fmt.Sprintf("%s of %q", manager, test.tenant)) || strings.Contains(body, "db-7") {
						t.Errorf("%s: got %d %s, want %d and tenant %q", path, status, body, want, test.tenant)
					}
				}
			})
		}
	}
}

// TestTenantOfTheUser: the tenant is the user's own, however many are asked about at once.
func TestTenantOfTheUser(t *testing.T) {
	c := newCentral(t)
	clock := newClock()
	gathering := newGathering()
	a := central.NewAuthenticator(config(c, withKey, func(c *central.Config) {
		c.Now, c.TTL = clock.Now, time.Minute
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if n := len("GET " + r.URL.RequestURI() + " HTTP/1.1"); n > 4094 { // what gunicorn takes
				t.Errorf("got a request line of %d bytes", n)
			}
			return gathering.RoundTrip(r)
		})
	}))
	const users = 60
	for i := range users {
		c.AddUser(frappemstest.CentralUser{Name: fmt.Sprintf("%s%d@example.com", strings.Repeat("u", 60), i), Key: fmt.Sprint("k", i), Secret: "s",
			Roles: []string{fmt.Sprint("Role ", i)}, Fields: map[string]any{"tenant_id": fmt.Sprint("t", i)},
			Permissions: []frappemstest.CentralPermission{{Allow: "Company", ForValue: fmt.Sprint("C", i)}}})
	}
	done := make(chan error, users)
	for i := range users {
		go func() {
			u, err := authenticate(a, token(fmt.Sprintf("k%d:s", i)))
			if err == nil && (u.Tenant != fmt.Sprint("t", i) || !u.HasRole(fmt.Sprint("Role ", i)) || len(u.Roles) != 4 || fmt.Sprint(u.Restrictions) != fmt.Sprintf("map[Company:[C%d]]", i)) {
				err = fmt.Errorf("user %d: got %+v", i, u)
			}
			done <- err
		}()
	}
	for range users {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := c.Calls("/api/method/frappe.client.get_list"); got > users {
		t.Errorf("got %d lists, want them to be of several users", got)
	}
}

func TestConfigFromEnv(t *testing.T) {
	base := map[string]string{"CENTRAL_SITE_URL": "https://erp.example.com", "CENTRAL_TENANT": acme}
	for _, test := range []struct {
		name string
		env  map[string]string // changes
		want string            // of the Config, or in the error
	}{
		{"least", nil, "https://erp.example.com 0s "},
		{"seconds", map[string]string{"CENTRAL_SITE_TIMEOUT": "7"}, "https://erp.example.com 7s "},
		{"with a unit", map[string]string{"CENTRAL_SITE_TIMEOUT": "250ms"}, "https://erp.example.com 250ms "},
		{"parts of seconds", map[string]string{"CENTRAL_SITE_TIMEOUT": "0.5"}, "https://erp.example.com 500ms "},
		{"key", map[string]string{"CENTRAL_API_KEY": "k", "CENTRAL_API_SECRET": "s"}, "https://erp.example.com 0s k"},
		{"field", map[string]string{"CENTRAL_TENANT": "", "CENTRAL_TENANT_FIELD": "tenant_id"}, "https://erp.example.com 0s "},
		{"no timeout", map[string]string{"CENTRAL_SITE_TIMEOUT": "soon"}, "CENTRAL_SITE_TIMEOUT"},
		{"zero", map[string]string{"CENTRAL_SITE_TIMEOUT": "0"}, "CENTRAL_SITE_TIMEOUT"},
		{"negative", map[string]string{"CENTRAL_SITE_TIMEOUT": "-1s"}, "CENTRAL_SITE_TIMEOUT"},
		{"no URL", map[string]string{"CENTRAL_SITE_URL": ""}, "CENTRAL_SITE_URL"},
		{"wrong URL", map[string]string{"CENTRAL_SITE_URL": "erp"}, "Config.URL"},
		{"no tenant", map[string]string{"CENTRAL_TENANT": ""}, "CENTRAL_TENANT_FIELD"},
		{"two tenants", map[string]string{"CENTRAL_TENANT_FIELD": "tenant_id"}, "CENTRAL_TENANT_FIELD"},
		{"half a key", map[string]string{"CENTRAL_API_KEY": "k"}, "APISecret"},
	} {
		c, err := central.ConfigFromEnv(func(name string) string {
			if value, ok := test.env[name]; ok {
				return value
			}
			return base[name]
		})
		got := fmt.Sprint(c.URL, " ", c.Timeout, " ", c.APIKey)
		if err != nil {
			got = err.Error()
		}
		if strings.HasPrefix(test.want, "https") && got != test.want || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}
