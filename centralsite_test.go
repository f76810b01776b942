package frappems_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// These tests ask a stand-in that answers as a Frappe site was recorded.

const whoAmI = "frappe.auth.get_logged_user"

func recordedConfig(site *frappemstest.Central) frappems.CentralConfig {
	return frappems.CentralConfig{URL: site.URL, Site: frappemstest.CentralSite, APIKey: "manager", APISecret: "managersecret", Logger: (&logged{}).logger()}
}

func TestCentralSignIn(t *testing.T) {
	site := frappemstest.NewCentral(t)
	site.AddUser(frappemstest.CentralUser{Name: "gone@example.com", Disabled: true})
	for _, test := range []struct {
		name                 string
		key, secret          string
		user, password, site string
		want                 string
		code                 frappems.Code // where it is refused
	}{
		{"a key", "clerk", "clerksecret", "", "", "", "clerk@example.com", ""},
		{"a wrong secret", "clerk", "nothing", "", "", "", "", frappems.InternalError},
		{"an unknown key", "nobody", "nothing", "", "", "", "", frappems.InternalError},
		{"a password", "", "", "clerk@example.com", frappemstest.CentralPassword, "", "clerk@example.com", ""},
		{"a user without the desk", "", "", "stranger@example.com", frappemstest.CentralPassword, "", "stranger@example.com", ""},
		{"a wrong password", "", "", "clerk@example.com", "nope", "", "", frappems.InternalError},
		{"an unknown user", "", "", "nobody@example.com", "nope", "", "", frappems.InternalError},
		{"a disabled user", "", "", "gone@example.com", frappemstest.CentralPassword, "", "", frappems.InternalError},
		{"an unknown site", "clerk", "clerksecret", "", "", "other.localhost", "", frappems.UnavailableError},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := recordedConfig(site)
			config.APIKey, config.APISecret, config.User, config.Password = test.key, test.secret, test.user, test.password
			if test.site != "" {
				config.Site = test.site
			}
			c := newCentral(t, config)
			var who string
			err := c.CallSafe(t.Context(), whoAmI, nil, &who)
			if test.code == "" {
				if err != nil || who != test.want {
					t.Errorf("got %q, %v, want %q", who, err, test.want)
				}
				return
			}
			wantCode(t, err, test.code)
			if refused := test.code == frappems.InternalError; errors.Is(err, frappems.AuthenticationError) != refused || who != "" {
				t.Errorf("got %q, %v", who, err)
			}
		})
	}
}

// TestCentralRenews: a session that ended at the site is renewed in the call that notices it.
func TestCentralRenews(t *testing.T) {
	site := frappemstest.NewCentral(t)
	config := recordedConfig(site)
	config.APIKey, config.APISecret, config.User, config.Password = "", "", "manager@example.com", frappemstest.CentralPassword
	c := newCentral(t, config)
	for logins := 1; logins <= 3; logins++ {
		for range 3 {
			if err := c.Insert(t.Context(), "Customer", map[string]any{"customer_name": "Ada"}); err != nil {
				t.Fatal(err)
			}
		}
		if got := site.Calls("/api/method/login"); got != logins {
			t.Fatalf("got %d sign-ins, want %d", got, logins)
		}
		site.UpdateUser(config.User, func(u *frappemstest.CentralUser) { u.Disabled = true })
		site.UpdateUser(config.User, func(u *frappemstest.CentralUser) { u.Disabled = false })
	}
	site.UpdateUser(config.User, func(u *frappemstest.CentralUser) { u.Disabled = true })
	if err := c.GetDoc(t.Context(), "Customer", "x", new(any)); !errors.Is(err, frappems.AuthenticationError) {
		t.Errorf("got %v for a user who is disabled, want AuthenticationError", err)
	}
	var list []map[string]string
	if err := newCentral(t, recordedConfig(site)).GetList(t.Context(), "Customer", frappems.ListOptions{Fields: []string{"customer_name"}}, &list); err != nil || len(list) != 9 {
		t.Errorf("got %d documents, %v, want 9: each was made once", len(list), err)
	}
}

// TestCentralCallers: every kind of credential goes to the site as it came, and what the site says of it comes back.
func TestCentralCallers(t *testing.T) {
	site := frappemstest.NewCentral(t)
	dead, csrf := site.Login("clerk@example.com"), site.Login("clerk@example.com")
	site.Revoke(dead)
	site.SetCSRF(csrf, "the-token")
	expired := site.Bearer("clerk@example.com")
	site.Expire(expired)
	front := newUnstarted(t, "[]", func(c *frappems.Config) {
		c.Central = recordedConfig(site)
		c.Auth = authFunc(func(*http.Request) (*frappems.User, error) { // who believes everybody
			return &frappems.User{Name: "somebody", Roles: []string{"All"}, Tenant: "acme"}, nil
		})
	})
	front.app.Public("GET /who", frappems.JSON(func(ctx context.Context, _ struct{}) (answer map[string]string, err error) {
		var who string
		err = front.app.Central().AsCaller().CallSafe(ctx, whoAmI, nil, &who)
		return map[string]string{"who": who}, err
	}))
	front.app.Public("POST /make", frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		w.Write([]byte("{}"))
		return front.app.Central().AsCaller().Insert(r.Context(), "Customer", map[string]any{"customer_name": "Bob"})
	}))
	front.start()
	for _, test := range []struct {
		name   string
		method string
		header map[string]string
		status int
		want   string
	}{
		{"token", "GET /who", map[string]string{"Authorization": "token clerk:clerksecret"}, 200, "clerk@example.com"},
		{"basic", "GET /who", map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("manager:managersecret"))}, 200, "manager@example.com"},
		{"bearer", "GET /who", map[string]string{"Authorization": "Bearer " + site.Bearer("clerk@example.com")}, 200, "clerk@example.com"},
		{"sid", "GET /who", map[string]string{"Cookie": "sid=" + site.Login("manager@example.com")}, 200, "manager@example.com"},
		{"sid in a header", "GET /who", map[string]string{"X-Frappe-SID": site.Login("manager@example.com")}, 200, "manager@example.com"},
		{"wrong secret", "GET /who", map[string]string{"Authorization": "token clerk:nothing"}, 401, "AuthenticationError"},
		{"expired bearer", "GET /who", map[string]string{"Authorization": "Bearer " + expired}, 401, "AuthenticationError"},
		{"dead sid", "GET /who", map[string]string{"Cookie": "sid=" + dead}, 403, `"session_expired":1`},
		{"nothing", "GET /who", nil, 403, "You need to be signed in"},
		{"a write with a CSRF token", "POST /make", map[string]string{"Cookie": "sid=" + csrf, "X-Frappe-CSRF-Token": "the-token"}, 200, ""},
	} {
		method, path, _ := strings.Cut(test.method, " ")
		t.Log(test.name)
		front.sendAs("", method, path, "", test.header).has(t, test.status, test.want)
	}
}

// TestCentralWeather: whatever is wrong with the connections, calls end as outages, and go on when it is mended.
func TestCentralWeather(t *testing.T) {
	site := frappemstest.NewCentral(t)
	for name, fault := range map[string]frappemstest.CentralFault{"down": frappemstest.CentralDown, "silent": frappemstest.CentralSilent,
		"half-closed": frappemstest.CentralHalfClosed, "truncated": frappemstest.CentralTruncated, "garbage": frappemstest.CentralGarbage} {
		t.Run(name, func(t *testing.T) {
			config := recordedConfig(site)
			config.Timeout = 2 * time.Second
			c := newCentral(t, config)
			if err := c.CallSafe(t.Context(), "ping", nil, nil); err != nil {
				t.Fatal(err)
			}
			site.Fail(fault)
			err := c.CallSafe(t.Context(), "ping", nil, nil)
			site.Fail(frappemstest.CentralWell)
			wantCode(t, err, frappems.UnavailableError)
			if err := c.CallSafe(t.Context(), "ping", nil, nil); err != nil {
				t.Errorf("got %v when it was mended", err)
			}
		})
	}
}
