package central_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
	"github.com/frappems/frappems/frappemstest"
)

// roundTrip is a transport.
type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

const loggedUser = "/api/method/frappe.auth.get_logged_user"

// TestCalls: how often Central is asked about one user.
func TestCalls(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(c *central.Config)
		sign sign
		want int
	}{
		{"without a key", nil, token("manager:managersecret"), 4},
		{"with a key", withKey, token("manager:managersecret"), 3},
		{"with a key, User Permissions", withKey, token("clerk:clerksecret"), 4},
		{"wrong secret", withKey, token("manager:x"), 1},
		{"malformed", withKey, token("manager"), 0},
		{"one word", withKey, sign{"Authorization", "manager:managersecret"}, 0},
		{"three words", withKey, token("manager: managersecret"), 0},
		{"none", withKey, nil, 0},
		{"sid of Guest", withKey, sid("Guest"), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCentral(t)
			c.UpdateUser(clerk, func(u *frappemstest.CentralUser) {
				u.Permissions = []frappemstest.CentralPermission{{Allow: "Company", ForValue: "A"}}
			})
			a := central.NewAuthenticator(config(c, test.edit))
			for range 3 {
				authenticate(a, test.sign)
			}
			if got := c.Calls(""); got != test.want {
				t.Errorf("got %d calls, want %d", got, test.want)
			}
		})
	}
}

// gathering is a transport that holds what is asked about users with the service's key while it is still being asked who
// calls, so that it depends on no scheduler who is asked about at once.
type gathering struct {
	next  http.RoundTripper
	mu    sync.Mutex
	quiet *sync.Cond
	asked int
}

func newGathering() *gathering {
	g := &gathering{next: http.DefaultTransport}
	g.quiet = sync.NewCond(&g.mu)
	return g
}

func (g *gathering) RoundTrip(r *http.Request) (*http.Response, error) {
	first := r.URL.Path == loggedUser
	g.mu.Lock()
	if first {
		g.asked++
	}
	for !first && g.asked > 0 {
		g.quiet.Wait()
	}
	g.mu.Unlock()
	res, err := g.next.RoundTrip(r)
	if first {
		g.mu.Lock()
		if g.asked--; g.asked == 0 {
			g.quiet.Broadcast()
		}
		g.mu.Unlock()
	}
	return res, err
}

// TestLoad: 10,000 requests by 100 users over 32 connections are at most two calls for each user in the first three quarters of
// a TTL, and four in a whole one.
func TestLoad(t *testing.T) {
	const users, connections = 100, 32
	c := newCentral(t)
	var signs []sign
	for i := range users {
		name, key := fmt.Sprintf("user%d@example.com", i), fmt.Sprintf("key%d", i)
		c.AddUser(frappemstest.CentralUser{Name: name, Key: key, Secret: "s", Roles: []string{"Shop Clerk"}, Fields: map[string]any{"tenant_id": acme}})
		signs = append(signs, token(key+":s"))
	}
	clock := newClock()
	app := newApp(t, central.NewAuthenticator(config(c, withKey, func(c *central.Config) {
		c.Now, c.TTL, c.Transport = clock.Now, time.Minute, newGathering()
	})))
	server := httptest.NewServer(app)
	defer server.Close()
	load := func(requests int64) {
		t.Helper()
		var group sync.WaitGroup
		var next atomic.Int64
		for range connections {
			group.Go(func() {
				client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
				defer client.CloseIdleConnections()
				for i := next.Add(1) - 1; i < requests; i = next.Add(1) - 1 {
					r, _ := http.NewRequest("GET", server.URL+"/who", nil)
					signs[i%users].to(r)
					res, err := client.Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					res.Body.Close()
					if res.StatusCode != 200 {
						t.Errorf("got %d", res.StatusCode)
						return
					}
				}
			})
		}
		group.Wait()
	}
	load(6_000)
	clock.advance(44 * time.Second)
	load(4_000)
	first := c.Calls("")
	if first > users*2 || c.Calls(loggedUser) != users {
		t.Errorf("the first three quarters: got %d calls, %d of them who calls; want at most %d and %d", first, c.Calls(loggedUser), users*2, users)
	}
	clock.advance(15 * time.Second)
	load(1_000)
	waitFor(t, func() bool { return c.Calls(loggedUser) == 2*users })
	if all := c.Calls(""); all > users*4 {
		t.Errorf("a whole TTL: got %d calls, want at most %d", all, users*4)
	}
	t.Logf("%d calls in three quarters of a TTL, %d in a whole one", first, c.Calls(""))
}

// waitFor waits for what happens in the background.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

// TestStampede: however many come at once with one new credential, it is one check.
func TestStampede(t *testing.T) {
	const requests = 1000
	c := newCentral(t)
	var arrived atomic.Int64
	release := make(chan struct{})
	a := central.NewAuthenticator(config(c, withKey, func(c *central.Config) {
		c.Timeout = time.Minute
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			<-release
			return http.DefaultTransport.RoundTrip(r)
		})
	}))
	var group sync.WaitGroup
	for range requests {
		group.Go(func() {
			arrived.Add(1)
			want(t, a, token("manager:managersecret"), manager, nil)
		})
	}
	waitFor(t, func() bool { return arrived.Load() == requests })
	close(release)
	group.Wait()
	if got := c.Calls(loggedUser); got != 1 || c.Calls("") != 3 {
		t.Errorf("got %d checks and %d calls, want 1 and 3", got, c.Calls(""))
	}
}

// TestWhoGivesUp: a client that hangs up leaves at once, and those who wait for the same answer get it.
func TestWhoGivesUp(t *testing.T) {
	c := newCentral(t)
	begun, release := make(chan struct{}), make(chan struct{})
	a := central.NewAuthenticator(config(c, func(c *central.Config) {
		c.Timeout = time.Minute
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == loggedUser {
				close(begun)
				<-release
			}
			return http.DefaultTransport.RoundTrip(r)
		})
	}))
	r := httptest.NewRequest("GET", "/", nil)
	token("manager:managersecret").to(r)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	left := make(chan error)
	go func() {
		_, err := a.Authenticate(r.WithContext(ctx))
		left <- err
	}()
	<-begun
	cancel()
	if err := <-left; !errors.Is(err, frappems.UnavailableError) {
		t.Errorf("got %v, want an UnavailableError", err)
	}
	var group sync.WaitGroup
	group.Go(func() { want(t, a, token("manager:managersecret"), manager, nil) })
	close(release)
	group.Wait()
	if got := c.Calls(loggedUser); got != 1 {
		t.Errorf("got %d checks, want the one that had begun", got)
	}
}

// TestTTL: what is revoked at Central without a word ends at the latest with the TTL, and what is made there begins with the
// shorter one of refusals.
func TestTTL(t *testing.T) {
	c, clock := newCentral(t), newClock()
	a := central.NewAuthenticator(config(c, func(c *central.Config) { c.Now, c.TTL, c.RefusedTTL = clock.Now, time.Minute, 5*time.Second }))
	session, access := c.Login(manager), c.Bearer(manager)
	all := []sign{sid(session), bearer(access), token("manager:managersecret")}
	for _, s := range all {
		want(t, a, s, manager, nil)
	}
	for _, credential := range []string{session, access, "manager"} {
		c.Revoke(credential)
	}
	clock.advance(45*time.Second - time.Nanosecond)
	for _, s := range all {
		want(t, a, s, manager, nil)
	}
	clock.advance(15*time.Second + time.Nanosecond)
	want(t, a, all[0], "", frappems.PermissionError)
	want(t, a, all[1], "", nil)
	want(t, a, all[2], "", nil)

	c.UpdateUser(manager, func(u *frappemstest.CentralUser) { u.Key, u.Secret = "manager", "managersecret" })
	clock.advance(5*time.Second - time.Nanosecond)
	want(t, a, all[2], "", nil)
	clock.advance(time.Nanosecond)
	want(t, a, all[2], manager, nil)
}

// TestRefresh: a request in the last quarter of the TTL is served at once and has Central asked, once.
func TestRefresh(t *testing.T) {
	c, clock := newCentral(t), newClock()
	a := central.NewAuthenticator(config(c, func(c *central.Config) { c.Now, c.TTL = clock.Now, time.Minute }))
	s := token("manager:managersecret")
	want(t, a, s, manager, nil)
	clock.advance(45*time.Second - time.Nanosecond)
	want(t, a, s, manager, nil)
	if got := c.Calls(loggedUser); got != 1 {
		t.Fatalf("got %d checks before the last quarter, want 1", got)
	}
	clock.advance(time.Nanosecond)
	for range 10 {
		want(t, a, s, manager, nil)
	}
	waitFor(t, func() bool { return c.Calls("") == 8 })
	clock.advance(40 * time.Second) // past the first TTL: it is served from what was asked for, or waits for that
	want(t, a, s, manager, nil)
	if got := c.Calls(loggedUser); got != 2 {
		t.Errorf("got %d checks in the last quarter and within the second TTL, want 2", got)
	}
	c.Revoke("manager") // what a refresh finds out counts at once
	clock.advance(10 * time.Second)
	want(t, a, s, manager, nil)
	waitFor(t, func() bool { user, _ := authenticate(a, s); return user == nil })
	if got := c.Calls(loggedUser); got != 3 {
		t.Errorf("got %d checks, want 3", got)
	}
}

// TestJunk: whoever makes up credentials drives out nobody, and takes no memory.
func TestJunk(t *testing.T) {
	c := newCentral(t)
	a := central.NewAuthenticator(config(c, func(c *central.Config) { c.MaxUsers, c.RefusedTTL = 4, time.Hour }))
	want(t, a, token("manager:managersecret"), manager, nil)
	for i := range 50 {
		want(t, a, token(fmt.Sprintf("junk%d:x", i)), "", nil)
	}
	before := c.Calls("")
	want(t, a, token("manager:managersecret"), manager, nil)
	if got := c.Calls(""); got != before {
		t.Error("a user was driven out")
	}
	if users, refusals := central.Kept(a); users != 1 || refusals != 4 {
		t.Errorf("got %d users and %d refusals, want 1 and 4", users, refusals)
	}
}

// TestStale: only where it is asked for, an answer counts for a while without Central.
func TestStale(t *testing.T) {
	for _, stale := range []time.Duration{0, 10 * time.Minute} {
		c, clock := newCentral(t), newClock()
		a := central.NewAuthenticator(config(c, func(c *central.Config) { c.Now, c.TTL, c.StaleFor = clock.Now, time.Minute, stale }))
		s := token("manager:managersecret")
		want(t, a, s, manager, nil)
		c.Fail(frappemstest.CentralDown)
		clock.advance(time.Minute)
		if stale == 0 {
			want(t, a, s, "", frappems.UnavailableError)
			continue
		}
		want(t, a, s, manager, nil)
		want(t, a, token("clerk:clerksecret"), "", frappems.UnavailableError)
		clock.advance(stale)
		want(t, a, s, "", frappems.UnavailableError)
		c.Fail(frappemstest.CentralWell)
		want(t, a, s, manager, nil)
		c.Fail(frappemstest.CentralDown)
		a.Revoke(manager)
		want(t, a, s, "", frappems.UnavailableError)
		c.Fail(frappemstest.CentralWell)
		c.Revoke("manager")
		want(t, a, s, "", nil) // Central that says no is no Central that is down
	}
}

// TestStaleRevoked: an answer that was revoked while Central was asked in vain does not count any more.
func TestStaleRevoked(t *testing.T) {
	c, clock := newCentral(t), newClock()
	asked, release := make(chan struct{}), make(chan struct{})
	var down atomic.Bool
	a := central.NewAuthenticator(config(c, func(c *central.Config) {
		c.Now, c.TTL, c.StaleFor, c.Timeout = clock.Now, time.Minute, time.Hour, time.Minute
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if down.Load() {
				close(asked)
				<-release
				return nil, errors.New("down")
			}
			return http.DefaultTransport.RoundTrip(r)
		})
	}))
	want(t, a, token("manager:managersecret"), manager, nil)
	clock.advance(time.Minute)
	down.Store(true)
	var group sync.WaitGroup
	group.Go(func() { want(t, a, token("manager:managersecret"), "", frappems.UnavailableError) })
	<-asked
	a.Revoke(manager)
	close(release)
	group.Wait()
}

// cached are the ways to sign in with what a check of theirs may allocate when it is remembered.
func cached(tb testing.TB) (a *central.Authenticator, ways map[string]sign) {
	c := newCentral(tb)
	return central.NewAuthenticator(config(c)), map[string]sign{"token": token("manager:managersecret"), "Basic": basic("manager:managersecret"),
		"Bearer": bearer(c.Bearer(manager)), "X-Frappe-SID": {"X-Frappe-SID", c.Login(manager)}, "sid": sid(c.Login(manager))}
}

func TestCachedCheckAllocates(t *testing.T) {
	a, ways := cached(t)
	for name, s := range ways {
		r := httptest.NewRequest("GET", "/", nil)
		s.to(r)
		most := 0.0
		if name == "sid" { // net/http's parsing of the header
			most = 3
		}
		got := testing.AllocsPerRun(1000, func() {
			if user, err := a.Authenticate(r); user == nil || err != nil {
				t.Fatal(user, err)
			}
		})
		if got > most {
			t.Errorf("%s: got %v allocations, want at most %v", name, got, most)
		}
	}
}

func BenchmarkCachedCheck(b *testing.B) {
	a, ways := cached(b)
	for name, s := range ways {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/", nil)
			s.to(r)
			b.ReportAllocs()
			for b.Loop() {
				if user, err := a.Authenticate(r); user == nil || err != nil {
					b.Fatal(user, err)
				}
			}
		})
	}
}
