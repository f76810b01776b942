package central

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/frappems/frappems"
)

// Config says which Central Site an [Authenticator] asks, and how. Only URL and Tenant are required; a zero value of any other
// field has the meaning that its comment gives.
type Config struct {
	// URL is where the Central Site is, such as https://erp.example.com. Required.
	URL string
	// Site is the site's name at Central, where it is not the host in URL. Empty: the host in URL.
	Site string
	// Tenant says where the tenant of a user comes from. Required: [FixedTenant], [TenantField], [TenantClaim] or [TenantFunc].
	Tenant TenantSource

	// APIKey and APISecret are those of a user at Central who may read Users and User Permissions (role System Manager). They
	// save calls, since what is to be known of several users is then asked at once. Empty: everything is asked with the
	// caller's own credentials.
	APIKey, APISecret string
	// JWT lets in the tokens of an OpenID provider, which are verified here. Nil: none are.
	JWT *JWT
	// Internal lets in other services by a token that they share. Nil: the header X-Internal-Token means nothing.
	Internal *InternalToken

	// TTL is how long an answer of Central is taken for true, and so how long something that was revoked there may go on here
	// unless it is said by a webhook or a Revoke. Defaults to one minute.
	TTL time.Duration
	// RefusedTTL is the same for credentials that Central refused. Defaults to five seconds.
	RefusedTTL time.Duration
	// StaleFor is how long after its TTL an answer still counts while Central cannot be asked. Zero: not at all, which is 503.
	StaleFor time.Duration
	// MaxUsers bounds the answers that are kept, and apart from them the refusals. Defaults to 10,000.
	MaxUsers int
	// Timeout bounds what a check may take. Defaults to five seconds.
	Timeout time.Duration
	// Transport sends the requests to Central, and those for the keys of JWT. Nil: one of its own, with pooled connections.
	Transport http.RoundTripper
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// TenantSource says where the tenant of a user comes from. Its only values are made by [FixedTenant], [TenantField],
// [TenantClaim] and [TenantFunc]; nil is refused.
//
// A user whose tenant is empty has none, and reaches only routes that are registered with NoTenant. One whose tenant is SYSTEM
// or cannot be a tenant is refused everywhere.
type TenantSource interface {
	// tenantOf gives the tenant of a user, of whom profile and claims say more; claims are nil but for a JWT.
	tenantOf(ctx context.Context, user *frappems.User, p *profile, claims map[string]any) (string, error)
}

// FixedTenant is the same tenant for every user of Central: for a Central Site that has one.
func FixedTenant(id string) TenantSource { return fixedTenant(id) }

// TenantField is a field of the DocType User at Central, such as a custom field tenant_id. Users must not be able to change
// it: give it permlevel 1, for which Config.APIKey is needed.
func TenantField(name string) TenantSource { return tenantField(name) }

// TenantClaim is a claim of a JWT, whose value is a text. Users who sign in otherwise have no tenant.
func TenantClaim(name string) TenantSource { return tenantClaim(name) }

// TenantFunc asks f. It gets the user without a tenant, which it does not change, and the claims of a JWT, nil where the user
// signed in otherwise. It may be called concurrently. An error means that it cannot be said at the moment: 503.
func TenantFunc(f func(ctx context.Context, user *frappems.User, claims map[string]any) (string, error)) TenantSource {
	return tenantFunc(f)
}

type (
	fixedTenant string
	tenantField string
	tenantClaim string
	tenantFunc  func(ctx context.Context, user *frappems.User, claims map[string]any) (string, error)
)

func (t fixedTenant) tenantOf(context.Context, *frappems.User, *profile, map[string]any) (string, error) {
	return string(t), nil
}

func (t tenantField) tenantOf(_ context.Context, _ *frappems.User, p *profile, _ map[string]any) (string, error) {
	return tenantText(p.tenant), nil
}

func (t tenantClaim) tenantOf(_ context.Context, _ *frappems.User, _ *profile, claims map[string]any) (string, error) {
	return tenantText(claims[string(t)]), nil
}

func (t tenantFunc) tenantOf(ctx context.Context, user *frappems.User, _ *profile, claims map[string]any) (string, error) {
	return t(ctx, user, claims)
}

// noTenant is a value that can be no tenant, in place of one that is no text.
const noTenant = "SYSTEM"

// tenantText is a tenant that came as JSON.
func tenantText(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	}
	return noTenant
}

// Validate says what [NewAuthenticator] would panic with, by the name of the field. It is for programs whose Config is written
// by somebody else, such as in the environment.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		return errors.New("Config.URL is required: where the Central Site is, such as https://erp.example.com")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("Config.URL %q: want one such as https://erp.example.com", redacted(u))
	case (c.APIKey == "") != (c.APISecret == ""):
		return errors.New("Config.APIKey and Config.APISecret go together")
	case c.TTL < 0 || c.RefusedTTL < 0 || c.StaleFor < 0 || c.Timeout < 0:
		return errors.New("Config.TTL, RefusedTTL, StaleFor or Timeout is negative")
	case c.MaxUsers < 0:
		return errors.New("Config.MaxUsers is negative")
	}
	return errors.Join(c.validateTenant(), c.validateJWT(), c.Internal.validate())
}

// redacted is a URL without what may be secret in it; nil is one that could not be read.
func redacted(u *url.URL) string {
	if u == nil {
		return "…"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (c Config) validateTenant() error {
	switch t := c.Tenant.(type) {
	case nil:
		return errors.New("Config.Tenant is required: where the tenant of a user comes from, such as central.TenantField(\"tenant_id\")")
	case fixedTenant:
		if !validTenant(string(t)) {
			return fmt.Errorf("Config.Tenant: FixedTenant(%q): want 1 to 64 of A-Z a-z 0-9 . _ - and not SYSTEM", string(t))
		}
	case tenantField:
		if !isFieldName(string(t)) {
			return fmt.Errorf("Config.Tenant: TenantField(%q): want the name of a field of User", string(t))
		}
	case tenantClaim:
		if t == "" || c.JWT == nil {
			return fmt.Errorf("Config.Tenant: TenantClaim(%q) needs a name and Config.JWT, since only a JWT has claims", string(t))
		}
	case tenantFunc:
		if t == nil {
			return errors.New("Config.Tenant: TenantFunc(nil)")
		}
	}
	return nil
}

// isFieldName says whether a text can be a field of a DocType.
func isFieldName(name string) bool {
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	return name != ""
}

// ClientConfigFromEnv reads from environment variables, such as with os.Getenv, where the Central Site is and as whom a service asks
// it, for frappems.Config.Central: CENTRAL_SITE_URL, which may be absent; CENTRAL_SITE_TIMEOUT, in seconds or with a unit (500ms);
// CENTRAL_SITE_NAME; CENTRAL_API_KEY and CENTRAL_API_SECRET. The error names the variable.
func ClientConfigFromEnv(getenv func(string) string) (frappems.CentralConfig, error) {
	c := frappems.CentralConfig{URL: getenv("CENTRAL_SITE_URL"), Site: getenv("CENTRAL_SITE_NAME"),
		APIKey: getenv("CENTRAL_API_KEY"), APISecret: getenv("CENTRAL_API_SECRET")}
	text := getenv("CENTRAL_SITE_TIMEOUT")
	if text == "" {
		return c, nil
	}
	if strings.Trim(text, "0123456789.") == "" {
		text += "s"
	}
	var err error
	if c.Timeout, err = time.ParseDuration(text); err != nil || c.Timeout <= 0 {
		return c, errors.New("CENTRAL_SITE_TIMEOUT: want seconds, such as 5")
	}
	return c, nil
}

// ConfigFromEnv reads a Config from the variables of [ClientConfigFromEnv], of which CENTRAL_SITE_URL is required, and for the tenant
// either CENTRAL_TENANT_FIELD or CENTRAL_TENANT. The error names the variable, or what [Config.Validate] finds.
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	client, err := ClientConfigFromEnv(getenv)
	c := Config{URL: client.URL, Site: client.Site, APIKey: client.APIKey, APISecret: client.APISecret, Timeout: client.Timeout}
	if err != nil {
		return c, err
	}
	field, fixed := getenv("CENTRAL_TENANT_FIELD"), getenv("CENTRAL_TENANT")
	switch {
	case c.URL == "":
		return c, errors.New("CENTRAL_SITE_URL is required: where the Central Site is, such as https://erp.example.com")
	case (field == "") == (fixed == ""):
		return c, errors.New("want either CENTRAL_TENANT_FIELD, the field of User that holds the tenant, or CENTRAL_TENANT, the tenant of all users")
	case field != "":
		c.Tenant = TenantField(field)
	default:
		c.Tenant = FixedTenant(fixed)
	}
	return c, c.Validate()
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	c.TTL = cmp.Or(c.TTL, time.Minute)
	c.RefusedTTL = cmp.Or(c.RefusedTTL, 5*time.Second)
	c.MaxUsers = cmp.Or(c.MaxUsers, 10_000)
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Transport == nil {
		c.Transport = newTransport()
	}
	return c
}

// newTransport makes a transport whose connections are reused, and bounded: however many sign in at once, the rest waits here and
// not at Central.
func newTransport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	t.MaxConnsPerHost = 64
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}
