package frappemstest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/frappems/frappems"
)

// AuthenticatorCase is an Authenticator with what is needed to try it.
type AuthenticatorCase struct {
	// Authenticator to test. Required.
	Authenticator frappems.Authenticator
	// User is who the credentials of Valid belong to. Required.
	User string
	// Valid are the ways to sign in as User: each adds credentials to a request. Required.
	Valid map[string]func(r *http.Request)
	// Invalid are credentials that must not let anybody in.
	Invalid map[string]func(r *http.Request)
	// Unavailable makes the Authenticator unable to find out. Nil: it always can.
	Unavailable func()
}

// TestAuthenticator checks that an Authenticator keeps the rules of [frappems.Authenticator]. Each subtest calls open
// for a fresh one.
func TestAuthenticator(t *testing.T, open func(t *testing.T) AuthenticatorCase) {
	t.Helper()
	for _, test := range []struct {
		name string
		rule string
		run  func(t *testing.T, c AuthenticatorCase)
	}{
		{"Valid", "good credentials name the user, with the roles that Frappe implies", testValid},
		{"Invalid", "wrong credentials are an AuthenticationError, a session that is over or not its business, and never a user", testInvalid},
		{"Anonymous", "a request without credentials is not its business", testAnonymous},
		{"Parameters", "identity never comes from the query or the body", testParameters},
		{"Malformed", "no header makes it panic or let somebody in", testMalformed},
		{"Untouched", "it leaves the request as it is, and its body unread", testUntouched},
		{"Concurrent", "many requests at once get each their own answer", testConcurrent},
		{"Unavailable", "what cannot be checked is an UnavailableError and never a guess", testUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, open(t))
			if t.Failed() {
				t.Log("the rule:", test.rule)
			}
		})
	}
}

func newRequest(sign func(r *http.Request)) *http.Request {
	r := httptest.NewRequest("GET", "/api/resource/ToDo", nil)
	if sign != nil {
		sign(r)
	}
	return r
}

// wantUser checks that a request is User's.
func wantUser(t *testing.T, c AuthenticatorCase, r *http.Request) {
	t.Helper()
	user, err := c.Authenticator.Authenticate(r)
	if err != nil || user == nil {
		t.Errorf("got user %v and error %v, want %s", user, err, c.User)
		return
	}
	if user.Name != c.User {
		t.Errorf("got user %q, want %q", user.Name, c.User)
	}
	for _, role := range []string{"All", "Guest"} {
		if !slices.Contains(user.Roles, role) {
			t.Errorf("the roles %q of %s have no %s", user.Roles, user.Name, role)
		}
	}
}

// wantNobody checks that a request is nobody's, and returns the error.
func wantNobody(t *testing.T, c AuthenticatorCase, r *http.Request) error {
	t.Helper()
	user, err := c.Authenticator.Authenticate(r)
	if user != nil {
		t.Errorf("got user %q, want none; headers %v", user.Name, r.Header)
	}
	var e *frappems.Error
	expired := errors.As(err, &e) && e.Code == frappems.PermissionError && e.SessionExpired
	if err != nil && !errors.Is(err, frappems.AuthenticationError) && !expired {
		t.Errorf("got error %v, want none, an AuthenticationError or a session that is over; headers %v", err, r.Header)
	}
	return err
}

func testValid(t *testing.T, c AuthenticatorCase) {
	if len(c.Valid) == 0 {
		t.Fatal("the case has no valid credentials")
	}
	for name, sign := range c.Valid {
		t.Run(name, func(t *testing.T) {
			wantUser(t, c, newRequest(sign))
			wantUser(t, c, newRequest(sign)) // what is remembered is the same
		})
	}
}

func testInvalid(t *testing.T, c AuthenticatorCase) {
	for name, sign := range c.Invalid {
		t.Run(name, func(t *testing.T) {
			wantNobody(t, c, newRequest(sign))
			wantNobody(t, c, newRequest(sign))
		})
	}
}

func testAnonymous(t *testing.T, c AuthenticatorCase) {
	if err := wantNobody(t, c, newRequest(nil)); err != nil {
		t.Errorf("got error %v, want none", err)
	}
}

func testParameters(t *testing.T, c AuthenticatorCase) {
	for _, sign := range c.Valid {
		signed := newRequest(sign)
		// What signs in as a header or cookie says nothing as a parameter.
		values := signed.URL.Query()
		for _, key := range []string{"user", "usr", "owner", "sid"} {
			values.Set(key, c.User)
		}
		for _, cookie := range signed.Cookies() {
			values.Set(cookie.Name, cookie.Value)
		}
		for key := range signed.Header {
			values.Set(key, signed.Header.Get(key))
			values.Set(strings.ToLower(key), signed.Header.Get(key))
		}
		wantNobody(t, c, httptest.NewRequest("GET", "/?"+values.Encode(), nil))
		r := httptest.NewRequest("POST", "/", strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		wantNobody(t, c, r)
	}
}

func testMalformed(t *testing.T, c AuthenticatorCase) {
	values := []string{"", " ", "token", "token ", "token :", "token a:b:c", "token  a:b", "token a b", "Basic", "Basic ====",
		"Basic Og==", "Basic \xff\xfe", "Bearer", "Bearer ", "Bearer a b", "Unknown x", "\x00", "token \x00:\x00",
		"token " + strings.Repeat("k", 1<<16) + ":s", strings.Repeat("x ", 1<<12)}
	for _, value := range values {
		r := newRequest(nil)
		r.Header["Authorization"] = []string{value}
		wantNobody(t, c, r)
		r = newRequest(nil)
		r.Header["Cookie"] = []string{"sid=" + value}
		wantNobody(t, c, r)
	}
}

func testUntouched(t *testing.T, c AuthenticatorCase) {
	for name, sign := range c.Valid {
		body := strings.NewReader("body")
		r := httptest.NewRequest("POST", "/api/resource/ToDo?a=b", body)
		sign(r)
		before := r.Clone(context.Background())
		wantUser(t, c, r)
		if body.Len() != len("body") {
			t.Errorf("%s: the body was read", name)
		}
		if !reflect.DeepEqual(r.Header, before.Header) || r.URL.String() != before.URL.String() || r.Form != nil {
			t.Errorf("%s: the request was changed", name)
		}
	}
}

func testConcurrent(t *testing.T, c AuthenticatorCase) {
	var group sync.WaitGroup
	for range 16 {
		for _, sign := range c.Valid {
			group.Go(func() { wantUser(t, c, newRequest(sign)) })
		}
		for _, sign := range c.Invalid {
			group.Go(func() { wantNobody(t, c, newRequest(sign)) })
		}
	}
	group.Wait()
}

func testUnavailable(t *testing.T, c AuthenticatorCase) {
	if c.Unavailable == nil {
		t.Skip("it can always find out")
	}
	c.Unavailable()
	for name, sign := range c.Valid {
		user, err := c.Authenticator.Authenticate(newRequest(sign))
		if user != nil || !errors.Is(err, frappems.UnavailableError) {
			t.Errorf("%s: got user %v and error %v, want an UnavailableError", name, user, err)
		}
	}
}
