package central_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
	"github.com/frappems/frappems/frappemstest"
)

// small is a Central in the process, for tests whose clock is synctest's: everybody with the secret "s" is who the key says.
type small struct {
	fault atomic.Pointer[func(r *http.Request) (*http.Response, error)] // nil: none
	calls atomic.Int64
}

func (s *small) set(fault func(r *http.Request) (*http.Response, error)) {
	if fault == nil {
		s.fault.Store(nil)
		return
	}
	s.fault.Store(&fault)
}

func (s *small) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls.Add(1)
	if fault := s.fault.Load(); fault != nil {
		return (*fault)(r)
	}
	return s.answer(r), nil
}

func (s *small) answer(r *http.Request) *http.Response {
	key, secret, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "token "), ":")
	if secret != "s" {
		return reply(401, `{"exc_type": "AuthenticationError"}`)
	}
	switch {
	case r.URL.Path == loggedUser:
		return reply(200, fmt.Sprintf(`{"message": %q}`, key))
	case strings.HasSuffix(r.URL.Path, "get_roles"):
		return reply(200, `{"message": ["All", "Guest"]}`)
	case strings.HasSuffix(r.URL.Path, "get_user_permissions"):
		return reply(200, `{"message": {}}`)
	}
	return reply(200, fmt.Sprintf(`{"data": {"name": %q, "enabled": 1, "tenant_id": "acme"}}`, key))
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}
}

// endless is a body that does not end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
func (endless) Close() error { return nil }

// faults are the ways in which Central does not answer.
var faults = map[string]func(s *small, r *http.Request) (*http.Response, error){
	"slow": func(s *small, r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(10 * time.Second):
			return s.answer(r), nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	},
	"refusing": func(*small, *http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
	"half-closed": func(*small, *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"message": "eve`), failing{}))}, nil
	},
	"garbage": func(*small, *http.Request) (*http.Response, error) { return reply(200, "<html>welcome</html>"), nil },
	"no JSON": func(*small, *http.Request) (*http.Response, error) { return reply(200, `{"message": `), nil },
	"endless": func(*small, *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: endless{}}, nil
	},
	"gateway":  func(*small, *http.Request) (*http.Response, error) { return reply(502, "<html>"), nil },
	"too many": func(*small, *http.Request) (*http.Response, error) { return reply(429, "{}"), nil },
}

// failing is a body that ends too early.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestFaults: whatever is wrong with Central for a minute, requests end in time, nobody is let in but who was a moment ago, it is
// left alone, nothing is kept or left running, and when it is back so is everybody.
func TestFaults(t *testing.T) {
	const timeout, requests = 2 * time.Second, 200
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := &small{}
				a := central.NewAuthenticator(central.Config{URL: "http://central.test", Tenant: central.TenantField("tenant_id"), Transport: site,
					TTL: time.Minute, Timeout: timeout})
				want(t, a, token("before:s"), "before", nil)
				site.set(func(r *http.Request) (*http.Response, error) { return fault(site, r) })
				site.calls.Store(0)
				began := time.Now()
				var group sync.WaitGroup
				for i := range requests {
					group.Go(func() {
						want(t, a, token(fmt.Sprintf("new%d:s", i)), "", frappems.UnavailableError)
						want(t, a, token(fmt.Sprintf("new%d:wrong", i)), "", frappems.UnavailableError)
					})
				}
				group.Wait()
				if took := time.Since(began); took > 2*timeout {
					t.Errorf("requests took %s, want at most %s", took, 2*timeout)
				}
				want(t, a, token("before:s"), "before", nil)
				site.calls.Store(0)
				for range 600 {
					time.Sleep(100 * time.Millisecond)
					want(t, a, token("during:s"), "", frappems.UnavailableError)
				}
				if got := site.calls.Load(); got > 2*int64(time.Minute/central.BreakFor) {
					t.Errorf("it was asked %d times in a minute, want it to be left alone", got)
				}
				if users, refusals := central.Kept(a); users != 1 || refusals != 0 {
					t.Errorf("got %d users and %d refusals kept, want what there was before", users, refusals)
				}
				want(t, a, token("before:s"), "", frappems.UnavailableError) // its TTL is over
				site.set(nil)
				time.Sleep(central.BreakFor + time.Millisecond)
				for _, key := range []string{"before", "during", "new1"} {
					want(t, a, token(key+":s"), key, nil)
					want(t, a, token(key+":wrong"), "", nil)
				}
			})
		})
	}
}

// TestOddAnswers: answers that mean nothing are neither a yes nor a no, and do not keep others out.
func TestOddAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		path   string // the end of the one that is answered so
		status int
		body   string
	}{
		{"a page that forbids", "get_logged_user", 403, "<html>Forbidden</html>"},
		{"somebody else's 401", "get_logged_user", 401, `{"error": "proxy"}`},
		{"no such site", "get_logged_user", 404, "<!doctype html>"},
		{"redirect", "get_logged_user", 302, ""},
		{"error", "get_logged_user", 500, `{"exc_type": "KeyError"}`},
		{"a number", "get_logged_user", 200, `{"message": 1}`},
		{"roles are none", "get_roles", 200, `{"message": "System Manager"}`},
		{"roles fail", "get_roles", 500, ``},
		{"User Permissions are none", "get_user_permissions", 200, `{"message": ["x"]}`},
		{"another's document", "/User/ada", 200, `{"data": {"name": "eve", "enabled": 1, "tenant_id": "acme"}}`},
		{"no document", "/User/ada", 200, `{}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			site := &small{}
			a := central.NewAuthenticator(central.Config{URL: "http://central.test", Tenant: central.TenantField("tenant_id"), Transport: site})
			site.set(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, test.path) && strings.HasPrefix(r.Header.Get("Authorization"), "token ada:") {
					res := reply(test.status, test.body)
					res.Header = http.Header{"Location": {"http://evil.test/"}}
					return res, nil
				}
				if r.URL.Host != "central.test" {
					t.Errorf("credentials went to %s", r.URL.Host)
				}
				return site.answer(r), nil
			})
			for range 10 {
				want(t, a, token("ada:s"), "", frappems.UnavailableError)
			}
			want(t, a, token("bob:s"), "bob", nil)
		})
	}
	for name, body := range map[string]string{"nobody": `{"message": ""}`, "Guest": `{"message": "Guest"}`, "null": `{}`} {
		site := &small{}
		site.set(func(*http.Request) (*http.Response, error) { return reply(200, body), nil })
		a := central.NewAuthenticator(central.Config{URL: "http://central.test", Tenant: central.FixedTenant(acme), Transport: site})
		if user, _ := authenticate(a, token("ada:s")); user != nil {
			t.Errorf("%s: got %v", name, user)
		}
	}
	want(t, central.NewAuthenticator(central.Config{URL: "http://central.test", Tenant: central.TenantField("tenant_id"), Transport: &small{}}),
		token("Guest:s"), "", nil)
	t.Run("revoked meanwhile", func(t *testing.T) {
		site := &small{}
		a := central.NewAuthenticator(central.Config{URL: "http://central.test", Tenant: central.TenantField("tenant_id"), Transport: site})
		site.set(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "get_roles") {
				return reply(401, `{"exc_type": "AuthenticationError"}`), nil
			}
			return site.answer(r), nil
		})
		want(t, a, token("ada:s"), "", nil)
	})
	t.Run("may not read its own document", func(t *testing.T) {
		site := &small{}
		a := central.NewAuthenticator(central.Config{URL: "http://central.test", Tenant: central.TenantField("tenant_id"), Transport: site})
		site.set(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/User/ada") {
				return reply(403, `{"exc_type": "PermissionError"}`), nil
			}
			return site.answer(r), nil
		})
		want(t, a, token("ada:s"), "", frappems.PermissionError) // it could be disabled
	})
}

// TestConnections: the same with real connections, through the whole service.
func TestConnections(t *testing.T) {
	for name, fail := range map[string]func(c *frappemstest.Central){
		"down":        func(c *frappemstest.Central) { c.Fail(frappemstest.CentralDown) },
		"silent":      func(c *frappemstest.Central) { c.Fail(frappemstest.CentralSilent) },
		"half-closed": func(c *frappemstest.Central) { c.Fail(frappemstest.CentralHalfClosed) },
		"truncated":   func(c *frappemstest.Central) { c.Fail(frappemstest.CentralTruncated) },
		"garbage":     func(c *frappemstest.Central) { c.Fail(frappemstest.CentralGarbage) },
		"slow":        func(c *frappemstest.Central) { c.Slow(10 * time.Second) },
	} {
		for key, edit := range map[string]func(c *central.Config){"with a key": withKey, "without": nil} {
			t.Run(name+"/"+key, func(t *testing.T) {
				t.Parallel()
				c := newCentral(t)
				app := newApp(t, central.NewAuthenticator(config(c, edit, func(c *central.Config) { c.Timeout = 200 * time.Millisecond })))
				fail(c)
				for _, s := range []sign{token("manager:managersecret"), sid("deadbeef")} {
					w := httptest.NewRecorder()
					r := httptest.NewRequest("GET", "/who", nil)
					s.to(r)
					app.ServeHTTP(w, r)
					if body := w.Body.String(); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(body, c.URL) {
						t.Errorf("%s: got %d %v %s, want 503 with Retry-After", s, w.Code, w.Header(), body)
					}
					if status, body := ask(app, "/public", s); status != 200 || !strings.HasPrefix(body, "Guest") {
						t.Errorf("%s: a public route: got %d %s, want Guest", s, status, body)
					}
				}
				c.Fail(frappemstest.CentralWell)
				if status, body := ask(app, "/who", token("clerk:clerksecret")); status != 200 || !strings.HasPrefix(body, clerk) {
					t.Errorf("when it is back: got %d %s", status, body)
				}
			})
		}
	}
}

// TestLastAnswer: a Central that fails between its answers about one user is no yes.
func TestLastAnswer(t *testing.T) {
	for n := range 4 {
		c := newCentral(t)
		var calls atomic.Int64
		a := central.NewAuthenticator(config(c, func(c *central.Config) {
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if calls.Add(1) == int64(n+1) {
					return nil, context.DeadlineExceeded
				}
				return http.DefaultTransport.RoundTrip(r)
			})
		}))
		want(t, a, token("manager:managersecret"), "", frappems.UnavailableError)
		want(t, a, token("manager:managersecret"), manager, nil)
	}
}
