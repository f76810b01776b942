package frappems_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
	"github.com/frappems/frappems/store"
)

// idleStore is a Store without rows, for tests of what stands before the store.
type idleStore struct {
	frappems.Store // nil: nothing else is called
	plan           store.Plan
	migrate, ping  error
	applied        bool
}

func (s *idleStore) Migrate(_ context.Context, _ *store.Schema, apply bool) (store.Plan, error) {
	s.applied = s.applied || apply
	return s.plan, s.migrate
}
func (s *idleStore) Ping(context.Context) error { return s.ping }

// testUsers are who can sign in in these tests, each with "key:secret" of one's own letter.
const testUsers = `[
	{"user": "ada@example.com", "full_name": "Ada", "api_key": "a", "api_secret": "secret-a", "tenant": "acme", "bearer": "bear-a"},
	{"user": "bob@example.com", "api_key": "b", "api_secret": "secret-b", "tenant": ""},
	{"user": "eve@example.com", "api_key": "e", "api_secret": "secret-e", "enabled": false}]`

// logged is a log that tests can read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// newApp makes an App with some DocTypes, the testUsers above and a log.
func testApp(t testing.TB, change func(*frappems.Config)) (*frappems.App, *logged) {
	t.Helper()
	tokens, err := frappems.NewTokens(strings.NewReader(testUsers))
	if err != nil {
		t.Fatal(err)
	}
	log := &logged{}
	config := frappems.Config{
		Store:  &idleStore{},
		Auth:   tokens,
		Logger: log.logger(),
		Types: []*frappems.DocType{{Name: "Sales Order"}, {Name: "Customer"}, {Name: "Hidden"},
			{Name: "Settings", IsSingle: true}, {Name: "Row", IsTable: true}, {Name: "Ghost", IsVirtual: true}},
	}
	if change != nil {
		change(&config)
	}
	app, err := frappems.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return app, log
}

func start(t testing.TB, app *frappems.App) {
	t.Helper()
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func get(handler http.Handler, path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest("GET", path, nil))
	return recorder
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		config frappems.Config
		want   string
	}{
		{"no store", frappems.Config{}, "Config.Store"},
		{"tenant", frappems.Config{Store: &idleStore{}, Tenant: "a b"}, "Config.Tenant"},
		{"system tenant", frappems.Config{Store: &idleStore{}, Tenant: "SYSTEM"}, "Config.Tenant"},
		{"short key", frappems.Config{Store: &idleStore{}, EncryptionKey: []byte("short")}, "Config.EncryptionKey has 5 bytes, want 32"},
		{"empty key", frappems.Config{Store: &idleStore{}, EncryptionKey: []byte{}}, "Config.EncryptionKey"},
		{"no directory", frappems.Config{Store: &idleStore{}, DocTypes: os.DirFS("nowhere")}, "Config.DocTypes"},
		{"body", frappems.Config{Store: &idleStore{}, MaxBodyBytes: -1}, "Config.MaxBodyBytes"},
		{"query", frappems.Config{Store: &idleStore{}, MaxQueryBytes: -1}, "Config.MaxQueryBytes"},
		{"rows", frappems.Config{Store: &idleStore{}, MaxRows: -1}, "Config.MaxRows"},
		{"timeout", frappems.Config{Store: &idleStore{}, RequestTimeout: -1}, "Config.RequestTimeout"},
		{"shutdown", frappems.Config{Store: &idleStore{}, ShutdownTimeout: -1}, "Config.ShutdownTimeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			app, err := frappems.New(test.config)
			if app != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v, want an error with %q", app, err, test.want)
			}
		})
	}
}

func TestBeforeStartAndAfterShutdown(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Public("GET /hello", http.NotFoundHandler())
	check := func(ready int) {
		t.Helper()
		frappemstest.Scenario{Path: "/livez", Status: 200, Want: []string{`"status":"ok"`}}.Run(t, app)
		frappemstest.Scenario{Path: "/readyz", Status: ready}.Run(t, app)
		frappemstest.Scenario{Path: "/health", Status: ready, Want: []string{`"service":"frappems"`}}.Run(t, app)
	}
	unavailable := frappemstest.Scenario{Path: "/hello", Status: 503, Want: []string{`"exc_type":"ServiceUnavailable"`},
		WantHeaders: map[string]string{"Retry-After": "1"}}
	check(503)
	unavailable.Run(t, app)
	start(t, app)
	check(200)
	for range 2 {
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	check(503)
	unavailable.Run(t, app)
}

func TestReadyAsksTheStore(t *testing.T) {
	kept := &idleStore{}
	app, log := testApp(t, func(c *frappems.Config) { c.Store, c.Name = kept, "orders" })
	start(t, app)
	frappemstest.Scenario{Path: "/readyz", Status: 200, Want: []string{`"service":"orders"`}}.Run(t, app)
	kept.ping = errors.New("password of db-7 is wrong")
	for _, path := range []string{"/readyz", "/health"} {
		frappemstest.Scenario{Path: path, Status: 503, Not: []string{"db-7"}, WantHeaders: map[string]string{"Retry-After": "1"}}.Run(t, app)
	}
	frappemstest.Scenario{Path: "/livez", Status: 200}.Run(t, app)
	if !strings.Contains(log.String(), "db-7") {
		t.Error("the log does not say why")
	}
}

func TestStart(t *testing.T) {
	ctx := t.Context()
	t.Run("twice", func(t *testing.T) {
		app, _ := testApp(t, nil)
		start(t, app)
		err := app.Start(ctx)
		if err == nil || strings.Count(err.Error(), "frappems_test.go:") != 2 {
			t.Errorf("got %v, want an error that names both lines", err)
		}
	})
	t.Run("after Shutdown", func(t *testing.T) {
		app, _ := testApp(t, nil)
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := app.Start(ctx); err == nil {
			t.Error("no error")
		}
	})
	t.Run("failed and repeated", func(t *testing.T) {
		kept := &idleStore{migrate: store.ErrUnavailable}
		app, _ := testApp(t, func(c *frappems.Config) { c.Store = kept })
		if err := app.Start(ctx); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		kept.migrate = nil
		start(t, app)
	})
	t.Run("NoMigrate", func(t *testing.T) {
		kept := &idleStore{plan: store.Plan{"CREATE TABLE x"}}
		app, _ := testApp(t, func(c *frappems.Config) { c.Store, c.NoMigrate = kept, true })
		if err := app.Start(ctx); err == nil || !strings.Contains(err.Error(), "CREATE TABLE x") {
			t.Errorf("got %v, want an error with the plan", err)
		}
		if kept.applied {
			t.Error("it changed the tables")
		}
		kept.plan = nil
		start(t, app)
	})
}

// blocking is a handler that says when it begins and waits to be told to end.
type blocking struct{ begun, finish chan struct{} }

func newBlocking() *blocking { return &blocking{make(chan struct{}), make(chan struct{})} }

func (b *blocking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	close(b.begun)
	<-b.finish
	io.WriteString(w, "finished")
}

func TestShutdownDrains(t *testing.T) {
	app, _ := testApp(t, nil)
	slow := newBlocking()
	app.Public("GET /slow", slow)
	start(t, app)
	answer := make(chan *httptest.ResponseRecorder)
	go func() { answer <- get(app, "/slow") }()
	<-slow.begun
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := app.Shutdown(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want an error: a request is running", err)
	}
	if got := get(app, "/slow").Code; got != 503 {
		t.Errorf("a request during the shutdown got %d", got)
	}
	close(slow.finish)
	if got := (<-answer).Body.String(); got != "finished" {
		t.Errorf("the request that had begun got %q", got)
	}
	if err := app.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func TestServeFinishesWhatItBegan(t *testing.T) {
	app, _ := testApp(t, nil)
	slow := newBlocking()
	app.Public("GET /slow", slow)
	listener := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	served, body := make(chan error), make(chan string)
	go func() { served <- app.Serve(ctx, listener) }()
	go func() {
		response, err := http.Get("http://" + listener.Addr().String() + "/slow")
		if err != nil {
			body <- err.Error()
			return
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		body <- string(text)
	}()
	<-slow.begun
	stop()
	close(slow.finish)
	if got := <-body; got != "finished" {
		t.Errorf("got %q", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

func TestServeCutsOff(t *testing.T) {
	app, _ := testApp(t, func(c *frappems.Config) { c.ShutdownTimeout = time.Millisecond })
	begun, ended := make(chan struct{}), make(chan struct{})
	app.Public("GET /stuck", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(ended)
	}))
	listener := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- app.Serve(ctx, listener) }()
	go http.Get("http://" + listener.Addr().String() + "/stuck")
	<-begun
	stop()
	if err := <-served; err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("got %v", err)
	}
	<-ended
}

func TestServeReturnsWhyItCouldNotStart(t *testing.T) {
	app, _ := testApp(t, func(c *frappems.Config) { c.Store = &idleStore{migrate: store.ErrUnavailable} })
	listener := listen(t)
	if err := app.Serve(t.Context(), listener); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := listener.Accept(); err == nil {
		t.Error("the listener is open")
	}
	closed := listen(t)
	closed.Close()
	app, _ = testApp(t, nil)
	if err := app.Serve(t.Context(), closed); err == nil {
		t.Error("no error from a listener that is closed")
	}
}

// addrHandler is a slog.Handler that sends the address that Run listens on.
type addrHandler struct {
	slog.Handler
	addr chan string
}

// Enabled says that every line counts.
func (h addrHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h addrHandler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "addr" {
			h.addr <- a.Value.String()
		}
		return true
	})
	return nil
}

func TestRunStopsOnSIGTERM(t *testing.T) {
	addr := make(chan string, 1)
	app, _ := testApp(t, func(c *frappems.Config) {
		c.Addr = "127.0.0.1:0"
		c.Logger = slog.New(addrHandler{slog.DiscardHandler, addr})
	})
	ran := make(chan error)
	go func() { ran <- app.Run(t.Context()) }()
	base := "http://" + <-addr
	response, err := http.Get(base + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("got %d", response.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

func TestRunNamesTheField(t *testing.T) {
	taken := listen(t)
	defer taken.Close()
	app, _ := testApp(t, func(c *frappems.Config) { c.Addr = taken.Addr().String() })
	if err := app.Run(t.Context()); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "Config.Addr") {
		t.Errorf("got %v", err)
	}
}

func TestDB(t *testing.T) {
	for _, test := range []struct {
		name    string
		user    *frappems.User
		tenant  string
		tenants func(ctx context.Context, id string) (bool, error)
		want    frappems.Code // "": a DB
	}{
		{name: "tenant of the user", user: &frappems.User{Name: "u", Tenant: "acme"}},
		{name: "no tenant", user: &frappems.User{Name: "u"}, want: frappems.PermissionError},
		{name: "SYSTEM", user: &frappems.User{Name: "u", Tenant: "SYSTEM"}, want: frappems.PermissionError},
		{name: "invalid", user: &frappems.User{Name: "u", Tenant: "acmé"}, want: frappems.PermissionError},
		{name: "Administrator has no way around", user: &frappems.User{Name: "Administrator"}, want: frappems.PermissionError},
		{name: "Guest", user: &frappems.User{Name: "Guest", Tenant: "acme"}, want: frappems.PermissionError},
		{name: "fixed", user: &frappems.User{Name: "u"}, tenant: "acme"},
		{name: "fixed and the same", user: &frappems.User{Name: "u", Tenant: "acme"}, tenant: "acme"},
		{name: "fixed and another", user: &frappems.User{Name: "u", Tenant: "globex"}, tenant: "acme", want: frappems.PermissionError},
		{name: "fixed and Guest", user: nil, tenant: "acme"},
		{name: "known", user: &frappems.User{Name: "u", Tenant: "acme"},
			tenants: func(_ context.Context, id string) (bool, error) { return id == "acme", nil }},
		{name: "unknown", user: &frappems.User{Name: "u", Tenant: "globex"}, want: frappems.PermissionError,
			tenants: func(_ context.Context, id string) (bool, error) { return id == "acme", nil }},
		{name: "cannot be known", user: &frappems.User{Name: "u", Tenant: "acme"}, want: frappems.UnavailableError,
			tenants: func(context.Context, string) (bool, error) { return true, errors.New("down") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			app, _ := testApp(t, func(c *frappems.Config) {
				c.Auth = authFunc(func(*http.Request) (*frappems.User, error) { return test.user, nil })
				c.Tenant = test.tenant
				if test.tenants != nil {
					c.Tenants = func(ctx context.Context, id string) (bool, error) {
						asked++
						return test.tenants(ctx, id)
					}
				}
			})
			app.Public("GET /", frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				first, firstErr := app.DB(r.Context())
				second, secondErr := app.DB(r.Context())
				if first != second || firstErr != secondErr {
					t.Error("not the same DB in one request")
				}
				if test.want == "" && (first == nil || firstErr != nil) {
					t.Errorf("got %v, %v", first, firstErr)
				}
				if test.want == "" && frappems.UserFrom(r.Context()).Tenant != "acme" {
					t.Errorf("got user %+v, want acme's", frappems.UserFrom(r.Context()))
				}
				if test.want != "" && (first != nil || !errors.Is(firstErr, test.want)) {
					t.Errorf("got %v, %v, want %s", first, firstErr, test.want)
				}
				return nil
			}))
			start(t, app)
			if code := get(app, "/").Code; code != 200 {
				t.Errorf("got status %d", code)
			}
			if asked > 1 {
				t.Errorf("Config.Tenants was asked %d times in one request", asked)
			}
		})
	}
	app, _ := testApp(t, nil)
	if db, err := app.DB(t.Context()); db != nil || err == nil {
		t.Errorf("outside a request: got %v, %v", db, err)
	}
	if user := frappems.UserFrom(t.Context()); user != nil {
		t.Errorf("outside a request: got user %v", user)
	}
}

func TestDBOfAnotherApp(t *testing.T) {
	inner, _ := testApp(t, nil)
	outer, _ := testApp(t, nil)
	outer.Public("GET /", frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if db, err := inner.DB(r.Context()); db != nil || err == nil {
			t.Errorf("got %v, %v", db, err)
		}
		return nil
	}))
	start(t, outer)
	frappemstest.Scenario{Path: "/", As: "a:secret-a", Status: 200}.Run(t, outer)
}

func TestAsTenant(t *testing.T) {
	ctx := t.Context()
	app, log := testApp(t, func(c *frappems.Config) {
		c.Tenants = func(_ context.Context, id string) (bool, error) { return id == "acme", nil }
	})
	if _, err := app.AsTenant(ctx, "acme"); err == nil {
		t.Error("no error before Start")
	}
	start(t, app)
	for _, id := range []string{"", "SYSTEM", "a b", "globex"} {
		if db, err := app.AsTenant(ctx, id); db != nil || !errors.Is(err, frappems.PermissionError) {
			t.Errorf("tenant %q: got %v, %v", id, db, err)
		}
	}
	if db, err := app.AsTenant(ctx, "acme"); db == nil || err != nil {
		t.Errorf("got %v, %v", db, err)
	}
	if text := log.String(); !strings.Contains(text, "tenant=acme") || !strings.Contains(text, "frappems_test.go:") {
		t.Errorf("not logged: %s", text)
	}
}

// authFunc is an Authenticator of one function.
type authFunc func(r *http.Request) (*frappems.User, error)

func (f authFunc) Authenticate(r *http.Request) (*frappems.User, error) { return f(r) }
