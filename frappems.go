// Package frappems serves Frappe DocTypes as microservices: Frappe's own DocType JSON goes in, and out comes an HTTP
// service that speaks Frappe's REST API, so that its clients cannot tell the difference. Every document belongs to a
// tenant, and there is no call by which one tenant reaches another's.
//
// A service is an [App], made by [New] from a [Config]. Its routes are registered first: [App.Resource] serves a
// DocType, [App.Handle] and [App.Public] serve what is written by hand, [App.Use] wraps all of them. Then [App.Run]
// serves until the process is told to stop. In a program that has a server of its own the App is mounted as the
// [net/http.Handler] that it is, between [App.Start] and [App.Shutdown].
//
// Inside a request [UserFrom] says who calls, and [App.DB] gives the documents that this user may see and change:
// those of one tenant, under the DocTypes' permissions.
package frappems

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/frappems/frappems/internal/series"
	"github.com/frappems/frappems/store"
)

// Config is what an [App] is made of. Only Store is required; a zero value of any other field has the meaning that
// its comment gives.
type Config struct {
	// Name of the service, for logs and /health. Defaults to "frappems".
	Name string
	// DocTypes holds Frappe's DocType JSON files, at any depth (see [LoadDocTypes]). Nil: none from files.
	DocTypes fs.FS
	// Types are further DocTypes, made in Go.
	Types []*DocType
	// Store keeps the documents. Required. It stays its opener's: the App does not close it.
	Store store.Store

	// Auth says who calls. Nil: nobody can sign in, every request is Guest's.
	Auth Authenticator
	// TrustedOrigins are those, such as https://app.example.com, whose pages may change something by requests that a cookie
	// signs in. Nil: only pages of the service's own origin may.
	TrustedOrigins []string
	// Tenant is the only tenant of a single-tenant service; every user belongs to it, Guest too, and a user whom Auth
	// gives another one is refused. Empty: the tenant is what Auth says, and Guest has none.
	Tenant string
	// Tenants says whether a tenant exists. It is asked once in each request that reaches data, so it should answer
	// from memory; an error is answered with 503. Nil: a tenant that Auth vouches for exists.
	Tenants func(ctx context.Context, id string) (bool, error)

	// Gapless names DocTypes, and options of their field naming_series, whose numbers have no gaps even after a crash: a
	// document that is made keeps the others of its series waiting until it is on disk. What shares a series should be gapless
	// together. Nil: none; gaps are left by what is not given back by Shutdown. A store with one writer has none anyway.
	Gapless []string
	// Central says where the Central Site is (see [App.Central]). Zero: there is none.
	Central CentralConfig
	// RemoteLinks says what becomes of links to DocTypes that this service does not have. Zero: accepted.
	RemoteLinks RemoteLinks
	// SanitizeHTML makes HTML in text fields harmless. Nil: [SanitizeHTML].
	SanitizeHTML func(string) string
	// StrictQuery refuses query parameters that nobody knows. False: ignored, as Frappe does.
	StrictQuery bool
	// Fallback answers requests that are not this service's: for paths, methods and DocTypes that it does not have. It gets them as they
	// came, whoever sent them, without limits of size and time; what was given to Use does not see them. Calls that name documents
	// of both sides, or a method about this service's documents that it does not have, are refused. Nil: such requests are answered
	// with errors.
	Fallback http.Handler
	// TimeZone is that of dates and times in documents. Nil: UTC.
	TimeZone *time.Location
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Logger gets the access log and what went wrong. Nil: slog.Default().
	Logger *slog.Logger
	// EncryptionKey, of 32 bytes, encrypts the values of Password fields. Nil: a random key, so that passwords cannot be
	// read again by the next process.
	EncryptionKey []byte
	// NoMigrate keeps Start from changing tables: it fails, and lists the statements that are missing. False: Start
	// runs them. Nothing is ever dropped.
	NoMigrate bool

	// Addr is where Run listens. Defaults to ":8000".
	Addr string
	// MaxBodyBytes limits the body of a request. Defaults to 10 MiB.
	MaxBodyBytes int64
	// MaxQueryBytes limits the query string of a request. Defaults to 128 KiB.
	MaxQueryBytes int
	// MaxRows limits a list whose client asks for all rows (limit=0) or for more than this. Defaults to 100,000.
	MaxRows int
	// RequestTimeout limits a request, from its first byte to the last row read for it. Defaults to one minute.
	RequestTimeout time.Duration
	// ShutdownTimeout is how long Run and Serve wait at their end for requests that have begun. Defaults to 30 seconds.
	ShutdownTimeout time.Duration
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	c.Name = cmp.Or(c.Name, "frappems")
	c.Addr = cmp.Or(c.Addr, ":8000")
	c.MaxBodyBytes = cmp.Or(c.MaxBodyBytes, 10<<20)
	c.MaxQueryBytes = cmp.Or(c.MaxQueryBytes, 128<<10)
	c.MaxRows = cmp.Or(c.MaxRows, 100_000)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, time.Minute)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, 30*time.Second)
	c.TimeZone = cmp.Or(c.TimeZone, time.UTC)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.SanitizeHTML == nil {
		c.SanitizeHTML = SanitizeHTML
	}
	return c
}

// validate refuses what no App can work with.
func (c Config) validate() error {
	switch {
	case c.Store == nil:
		return errors.New("frappems: Config.Store is required: NewMemoryStore(), or an adapter's")
	case c.Tenant != "" && !store.ValidTenant(c.Tenant):
		return fmt.Errorf("frappems: Config.Tenant %q: want 1 to 64 of A-Z a-z 0-9 . _ - and not SYSTEM", c.Tenant)
	case c.EncryptionKey != nil && len(c.EncryptionKey) != 32:
		return fmt.Errorf("frappems: Config.EncryptionKey has %d bytes, want 32", len(c.EncryptionKey))
	case c.RemoteLinks == CheckRemoteLinks && (c.Central.URL == "" || c.Central.APIKey == "" && c.Central.User == ""):
		return errors.New("frappems: Config.RemoteLinks is CheckRemoteLinks, which needs Config.Central.URL, and an APIKey or a User there")
	case c.MaxBodyBytes < 0:
		return errors.New("frappems: Config.MaxBodyBytes is negative")
	case c.MaxQueryBytes < 0:
		return errors.New("frappems: Config.MaxQueryBytes is negative")
	case c.MaxRows < 0:
		return errors.New("frappems: Config.MaxRows is negative")
	case c.RequestTimeout < 0:
		return errors.New("frappems: Config.RequestTimeout is negative")
	case c.ShutdownTimeout < 0:
		return errors.New("frappems: Config.ShutdownTimeout is negative")
	}
	return nil
}

// phase is how far the life of an App has come.
type phase int

const (
	registering phase = iota
	starting          // and no more registration, also after a Start that failed
	running
	stopped
)

// App is one service. Registration (Resource, Controller, On, Handle, Method, Public, Use) is for one goroutine, before Start;
// its mistakes panic and name the lines of the program. Everything else may be called concurrently.
type App struct {
	config    Config
	registry  *registry
	store     store.Store
	writers   store.ConcurrentWriters // the store, or nil where it has one writer
	series    *series.Pool
	kept      kept[[2]string, store.Statement]
	buffers   sync.Pool // of *[]byte, for answers
	log       *slog.Logger
	guest     *User
	origins   *http.CrossOriginProtection
	router    router
	lifecycle lifecycle
	central   *Central
	remote    remoteLinks
	stats     counters

	mu       sync.RWMutex // guards what follows
	phase    phase
	begun    string // where Start was called
	inFlight sync.WaitGroup
}

// New makes an App. It reads and checks all DocTypes, and does not touch the store yet. The error names the field of
// the Config, or file, field and reason.
func New(config Config) (*App, error) {
	c := config.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	types := c.Types
	if c.DocTypes != nil {
		loaded, err := LoadDocTypes(c.DocTypes)
		if err != nil {
			return nil, fmt.Errorf("frappems: Config.DocTypes: %w", err)
		}
		types = append(loaded, types...)
	}
	registry, err := newRegistry(types)
	if err != nil {
		return nil, err
	}
	if c.EncryptionKey == nil {
		c.EncryptionKey = make([]byte, 32)
		rand.Read(c.EncryptionKey) // never fails: crypto/rand ends the process instead
		if slices.ContainsFunc(registry.names, func(name string) bool { return len(registry.byName[name].password) > 0 }) {
			c.Logger.Warn("Config.EncryptionKey is not set: values of Password fields cannot be read after a restart")
		}
	}
	if err := registry.checkGapless(c.Gapless); err != nil {
		return nil, err
	}
	a := &App{
		config:   c,
		registry: registry,
		store:    c.Store,
		log:      c.Logger,
		guest:    &User{Name: guestName, FullName: guestName, Roles: []string{guestName}, Tenant: c.Tenant},
		origins:  http.NewCrossOriginProtection(),
		router: router{mux: http.NewServeMux(), resources: map[*meta]*resource{}, bases: map[string]*resource{},
			methods: ownMethods()},
	}
	if a.central, err = c.central(); err != nil {
		return nil, err
	}
	for _, origin := range c.TrustedOrigins {
		if err := a.origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("frappems: Config.TrustedOrigins: %w", err)
		}
	}
	a.writers, _ = c.Store.(store.ConcurrentWriters)
	a.series = series.New(&series.Rows{Reader: c.Store, Counters: counterTable, Numbers: numberTable, Aside: a.aside, Log: c.Logger}, c.Now)
	return a, nil
}

// now is the time in the service's zone.
func (a *App) now() time.Time { return a.config.Now().In(a.config.TimeZone) }

// Start ends registration, brings the store's tables to the DocTypes and lets requests in. It is an error to start an
// App twice, or after Shutdown; a Start that failed may be repeated.
func (a *App) Start(ctx context.Context) error { return a.start(ctx, caller(1)) }

func (a *App) start(ctx context.Context, site string) error {
	if err := a.begin(site); err != nil {
		return err
	}
	err := a.migrate(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil && a.phase == stopped {
		err = errors.New("frappems: shut down while starting")
	}
	if err != nil {
		a.begun = ""
		return err
	}
	a.phase = running
	return nil
}

// begin ends registration: it puts the wrappers around the routes, the first outermost.
func (a *App) begin(site string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == stopped {
		return fmt.Errorf("frappems: Start at %s after Shutdown", site)
	}
	if a.begun != "" {
		return fmt.Errorf("frappems: Start at %s, but the App was started at %s", site, a.begun)
	}
	a.begun, a.phase = site, starting
	a.router.handler = HandlerFunc(a.dispatch)
	for _, wrap := range slices.Backward(a.router.wrappers) {
		a.router.handler = wrap(a.router.handler)
	}
	return nil
}

// Migrate compares the store's tables with the DocTypes and returns the statements that are missing. With apply it also
// runs them. Start does this too.
func (a *App) Migrate(ctx context.Context, apply bool) (store.Plan, error) {
	return a.migrateTo(ctx, a.registry.schema(), apply)
}

// Adopt is Migrate in a database in which Frappe made the tables: these get a tenant, which all their rows become a part of, and
// Frappe's naming series and Single DocTypes go on with their values. Nothing but this call does that, Start neither. Nobody may
// write to the tables meanwhile, and Frappe cannot write to them afterwards. Broken off, it is repeated; for another tenant
// it is then refused. Passwords are not taken over, since Frappe's key encrypts them.
func (a *App) Adopt(ctx context.Context, tenant string, apply bool) (store.Plan, error) {
	if !store.ValidTenant(tenant) || a.config.Tenant != "" && tenant != a.config.Tenant {
		return nil, fmt.Errorf("frappems: adopt: the tenant %q is none of this service", tenant)
	}
	schema := a.registry.schema()
	schema.Adopt = a.registry.adoption(tenant)
	return a.migrateTo(ctx, schema, apply)
}

func (a *App) migrateTo(ctx context.Context, schema *store.Schema, apply bool) (store.Plan, error) {
	plan, err := a.store.Migrate(ctx, schema, apply)
	if err != nil {
		return plan, fmt.Errorf("frappems: migrate: %w", err)
	}
	return plan, nil
}

// migrate is Start's part of Migrate.
func (a *App) migrate(ctx context.Context) error {
	plan, err := a.Migrate(ctx, !a.config.NoMigrate)
	if err != nil {
		return err
	}
	if a.config.NoMigrate && len(plan) > 0 {
		return fmt.Errorf("frappems: the tables are not those of the DocTypes, and Config.NoMigrate is set; missing:\n%s",
			strings.Join(plan, ";\n"))
	}
	for _, statement := range plan {
		a.log.DebugContext(ctx, "migrated", "statement", statement)
	}
	if len(plan) > 0 {
		a.log.InfoContext(ctx, "migrated", "statements", len(plan))
	}
	return nil
}

// Shutdown lets no more requests in and waits for those that have begun, or until ctx ends. Then it gives the numbers of naming
// series that it has not used back to the store. It may be called before Start and more than once.
func (a *App) Shutdown(ctx context.Context) error {
	a.mu.Lock()
	a.phase = stopped
	a.mu.Unlock()
	done := make(chan struct{})
	go func() {
		a.inFlight.Wait()
		close(done)
	}()
	defer a.series.Close(ctx)
	defer a.central.close()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("frappems: requests are still running: %w", context.Cause(ctx))
	}
}

func (a *App) isRunning() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.phase == running
}

// enter counts a request in, unless the App is not running; leave it with a.inFlight.Done.
func (a *App) enter() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.phase != running {
		return false
	}
	a.inFlight.Add(1)
	return true
}

// Run starts the App, listens on Config.Addr and serves until ctx ends or the process gets SIGTERM or SIGINT. Then it
// finishes the requests that have begun, for at most Config.ShutdownTimeout, and returns nil.
func (a *App) Run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", a.config.Addr)
	if err != nil {
		return fmt.Errorf("frappems: Config.Addr: %w", err)
	}
	a.log.Info("listening", "service", a.config.Name, "addr", listener.Addr().String())
	return a.serve(ctx, listener, caller(1))
}

// Serve is Run on a listener of the caller's and without the signals: it starts the App where that has not been done,
// serves until ctx ends, finishes the requests that have begun and closes the listener.
func (a *App) Serve(ctx context.Context, listener net.Listener) error {
	return a.serve(ctx, listener, caller(1))
}

func (a *App) serve(ctx context.Context, listener net.Listener, site string) error {
	defer listener.Close()
	if !a.isRunning() {
		if err := a.start(ctx, site); err != nil {
			return err
		}
	}
	// Requests outlive ctx: its end asks them to finish, not to stop.
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           a,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       a.config.RequestTimeout,
		WriteTimeout:      a.config.RequestTimeout + 10*time.Second, // to tell the client that it took too long
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    a.config.MaxQueryBytes + 1<<20,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var problem error
	select {
	case problem = <-failed:
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(requests, a.config.ShutdownTimeout)
	defer cancel()
	if err := errors.Join(server.Shutdown(wait), a.Shutdown(wait)); err != nil {
		server.Close()
		cutOff := fmt.Errorf("frappems: requests were still running after %s and are cut off", a.config.ShutdownTimeout)
		problem = errors.Join(problem, cutOff)
	}
	return problem
}

// DB returns the documents of the request's user in the request's tenant. It is made once for each request; outside of
// one it is an error. A user without a tenant that exists here gets a PermissionError, a tenant that cannot be checked
// now an UnavailableError.
func (a *App) DB(ctx context.Context) (*DB, error) {
	x := exchangeFrom(ctx)
	if x == nil || x.app != a {
		return nil, errors.New("frappems: App.DB outside a request of this App; see App.AsTenant")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.db == nil && x.dbErr == nil {
		if x.dbErr = a.checkTenant(ctx, x.user.Name, x.user.Tenant); x.dbErr == nil {
			x.db = newDB(a, x.user, x.user.Tenant)
		}
	}
	return x.db, x.dbErr
}

// AsTenant returns the documents of a tenant outside a request, with all permissions (as Administrator): for commands,
// imports and tests. The App has to be running, and each call is logged. Never pass on an id that a client sent.
func (a *App) AsTenant(ctx context.Context, id string) (*DB, error) {
	if !a.isRunning() {
		return nil, errors.New("frappems: AsTenant before Start or after Shutdown")
	}
	if err := a.checkTenant(ctx, administratorName, id); err != nil {
		return nil, err
	}
	a.log.InfoContext(ctx, "acting as tenant", "tenant", id, "caller", caller(1))
	user := &User{Name: administratorName, FullName: administratorName, Tenant: id,
		Roles: []string{administratorName, "System Manager", "Desk User", "All", guestName}}
	return newDB(a, user, id), nil
}

// checkTenant refuses a tenant that is none, is not this service's or is not known.
func (a *App) checkTenant(ctx context.Context, user, id string) error {
	known := store.ValidTenant(id) && (a.config.Tenant == "" || id == a.config.Tenant)
	if known && a.config.Tenants != nil {
		var err error
		if known, err = a.config.Tenants(ctx, id); err != nil {
			return &Error{Code: UnavailableError, Message: "The tenant cannot be checked at the moment, please try again", Cause: err}
		}
	}
	if !known {
		return Errorf(PermissionError, "User %s has no tenant in this service", bold(user))
	}
	return nil
}

// caller names the line of the program that called the function skip levels above.
func caller(skip int) string {
	_, file, line, _ := runtime.Caller(skip + 1)
	return fmt.Sprintf("%s:%d", file, line)
}
