package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
	"github.com/frappems/frappems/store"
)

// storeVariable is where a store's URL is found without --store.
const storeVariable = "DATABASE_URL"

// options are the flags of serve and migrate.
type options struct {
	doctypes, users, central, store, addr, log, remoteLinks, adopt string
	noMigrate, strictQuery, plan, passOn                           bool
}

// parse reads the flags of a command.
func parse(e *env, command string, args []string) (*options, error) {
	o := &options{}
	set := flag.NewFlagSet("frappems "+command, flag.ContinueOnError)
	set.SetOutput(e.stderr)
	set.StringVar(&o.doctypes, "doctypes", "", "`directory` of DocType JSON files (default: those of an example)")
	set.StringVar(&o.store, "store", "", "where documents are kept, a `URL`: "+stores+"; with --doctypes by default the variable "+
		storeVariable+", which others do not see in the list of processes (the example: sqlite:orders.db)")
	set.StringVar(&o.log, "log", "info", "least `level` of the log: debug, info, warn or error")
	if command == "serve" {
		set.StringVar(&o.users, "users", "", "JSON `file` of users with their keys and roles; required with --doctypes, unless there is a --central")
		set.StringVar(&o.central, "central", "", "`URL` of the Frappe site whose users may call (default $CENTRAL_SITE_URL); see adapters/central for $CENTRAL_…")
		set.BoolVar(&o.passOn, "pass-on", false, "pass what is not here on to the Central Site, so that clients see one site (see docs/central.md)")
		set.StringVar(&o.addr, "addr", "127.0.0.1:8000", "`host:port` to listen on")
		set.StringVar(&o.remoteLinks, "remote-links", "accept", "`what` to do with links to DocTypes that are not here: accept, refuse or check (at the Central Site)")
		set.BoolVar(&o.noMigrate, "no-migrate", false, "leave the tables as they are, and fail if they do not fit")
		set.BoolVar(&o.strictQuery, "strict-query", false, "refuse unknown query parameters")
	} else {
		set.BoolVar(&o.plan, "plan", false, "print the statements that are missing, and change nothing")
		set.StringVar(&o.adopt, "adopt", "", "make tables that Frappe made into those of this `tenant`; look at the --plan first")
	}
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, usageError(err.Error())
	}
	if set.NArg() > 0 {
		return nil, usageError(fmt.Sprintf("%s takes flags only, not %q", command, set.Arg(0)))
	}
	o.central = cmp.Or(o.central, e.getenv(centralVariable))
	if o.passOn && o.central == "" || o.remoteLinks == "check" && o.central == "" {
		return nil, usageError("--pass-on and --remote-links check need --central, or the variable " + centralVariable)
	}
	if o.doctypes != "" && o.store == "" {
		o.store = e.getenv(storeVariable) // not for the example, which would put its documents there
	}
	if o.doctypes != "" && o.store == "" {
		return nil, usageError("--store is required with --doctypes, or the variable " + storeVariable + ": " + stores)
	}
	return o, nil
}

// getenv is the environment, with the Central Site of the flags.
func (o *options) getenv(e *env) func(string) string {
	return func(name string) string {
		if name == centralVariable {
			return o.central
		}
		return e.getenv(name)
	}
}

// isExample says whether the example's DocTypes are served.
func (o *options) isExample() bool { return o.doctypes == "" }

// config is what both commands need: DocTypes and store.
func (o *options) config(e *env) (frappems.Config, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.log)); err != nil {
		return frappems.Config{}, usageError(fmt.Sprintf("--log %s: want debug, info, warn or error", o.log))
	}
	c := frappems.Config{
		Logger:      slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level})),
		NoMigrate:   o.noMigrate,
		StrictQuery: o.strictQuery,
	}
	switch o.remoteLinks {
	case "", "accept":
	case "refuse":
		c.RemoteLinks = frappems.RefuseRemoteLinks
	case "check":
		c.RemoteLinks = frappems.CheckRemoteLinks
	default:
		return c, usageError(fmt.Sprintf("--remote-links %s: want accept, refuse or check", o.remoteLinks))
	}
	var err error
	if c.Central, err = central.ClientConfigFromEnv(o.getenv(e)); err != nil {
		return c, err
	}
	if c.RemoteLinks == frappems.CheckRemoteLinks && c.Central.APIKey == "" {
		return c, usageError("--remote-links check needs a user of the Central Site: CENTRAL_API_KEY and CENTRAL_API_SECRET")
	}
	files := exampleDocTypes()
	if !o.isExample() {
		info, err := os.Stat(o.doctypes)
		if err != nil {
			return c, fmt.Errorf("--doctypes: %w", err)
		}
		if !info.IsDir() {
			return c, fmt.Errorf("--doctypes: %s is not a directory", o.doctypes)
		}
		files = os.DirFS(o.doctypes)
	}
	if c.Types, err = frappems.LoadDocTypes(files); err != nil {
		return c, err
	}
	if len(c.Types) == 0 {
		return c, fmt.Errorf("--doctypes: there is no DocType JSON in %s", o.doctypes)
	}
	c.Store, c.EncryptionKey, err = openStore(o.store, e.getenv)
	return c, err
}

// serve runs the service until it is told to stop.
func serve(ctx context.Context, e *env, args []string) (err error) {
	o, err := parse(e, "serve", args)
	if err != nil {
		return err
	}
	who, err := o.signIn(e)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, o.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	o.store = o.storeURL()
	c, err := o.config(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Store.Close()) }()
	if c.EncryptionKey == nil && hasPasswords(c.Types) {
		return fmt.Errorf("%s is not set, and without it the passwords of documents could not be read after a restart: "+
			"set it to 32 bytes in base64, as of: openssl rand -base64 32", keyVariable)
	}
	c.Auth, c.Tenant = who.auth, who.tenant
	if o.passOn {
		c.Fallback = central.NewProxy(central.ProxyConfig{URL: c.Central.URL, Site: c.Central.Site, SessionEnded: who.central.RevokeCredential, Logger: c.Logger})
	}
	app, err := frappems.New(c)
	if err != nil {
		return err
	}
	served := register(app, c.Types)
	who.register(app)
	if err := app.Start(ctx); err != nil {
		return err
	}
	if o.isExample() && o.users == "" {
		if err := loadSamples(ctx, app); err != nil {
			return fmt.Errorf("the example's documents: %w", err)
		}
	}
	greet(e, listener.Addr(), served, o)
	return app.Serve(ctx, listener)
}

// storeURL is the store to open.
func (o *options) storeURL() string {
	if o.store == "" {
		return "sqlite:orders.db"
	}
	return o.store
}

// readUsers reads the users file. Only the example has users of its own: keys that everybody knows.
func (o *options) readUsers() ([]byte, error) {
	switch {
	case o.users != "":
		data, err := os.ReadFile(o.users)
		if err != nil {
			return nil, fmt.Errorf("--users: %w", err)
		}
		return data, nil
	case o.isExample():
		return exampleUsers(), nil
	}
	return nil, usageError("--users is required with --doctypes: a JSON list such as\n" +
		`  [{"user": "me@example.com", "api_key": "KEY", "api_secret": "SECRET", "roles": ["System Manager"]}]`)
}

// namesTenants says whether a users file has tenants. One without is for a service of a single tenant, to which guests
// belong too.
func namesTenants(users []byte) bool {
	var entries []map[string]any
	if json.Unmarshal(users, &entries) != nil {
		return true
	}
	for _, entry := range entries {
		if _, ok := entry["tenant"]; ok {
			return true
		}
	}
	return false
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another program: choose another address with --addr", addr)
	}
	var malformed *net.AddrError
	if errors.As(err, &malformed) {
		return nil, usageError(fmt.Sprintf("--addr %s: want host:port, such as 127.0.0.1:8000", addr))
	}
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	return listener, nil
}

// register serves all DocTypes that have documents of their own, and returns their names.
func register(app *frappems.App, doctypes []*frappems.DocType) (served []string) {
	for _, d := range doctypes {
		if !d.IsTable && !d.IsVirtual {
			app.Resource(d.Name)
			served = append(served, d.Name)
		}
	}
	return served
}

// greet says where the service is and how to try it.
func greet(e *env, addr net.Addr, served []string, o *options) {
	base := "http://" + addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		base = fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	fmt.Fprintf(e.stdout, "frappems: listening on %s\n", base)
	if len(served) == 0 {
		fmt.Fprintln(e.stdout, "no DocType is served: all are child tables or virtual")
		return
	}
	fmt.Fprintf(e.stdout, "DocTypes: %s\n", strings.Join(served, ", "))
	credentials, doctype := "KEY:SECRET", served[0]
	if o.isExample() && o.users == "" && o.central == "" {
		credentials, doctype = exampleCredentials, exampleDocType
	}
	fmt.Fprintf(e.stdout, "try:\n  curl -H 'Authorization: token %s' '%s/api/resource/%s?limit=3'\n",
		credentials, base, url.PathEscape(doctype))
}

// migrate brings the tables to the DocTypes, or prints what is missing.
func migrate(ctx context.Context, e *env, args []string) (err error) {
	o, err := parse(e, "migrate", args)
	if err != nil {
		return err
	}
	o.store = o.storeURL()
	c, err := o.config(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Store.Close()) }()
	app, err := frappems.New(c)
	if err != nil {
		return err
	}
	change := app.Migrate
	if o.adopt != "" {
		change = func(ctx context.Context, apply bool) (store.Plan, error) { return app.Adopt(ctx, o.adopt, apply) }
	}
	plan, err := change(ctx, !o.plan)
	for _, statement := range plan {
		fmt.Fprintf(e.stdout, "%s;\n", statement)
	}
	if err != nil {
		return err
	}
	switch {
	case len(plan) == 0:
		fmt.Fprintln(e.stderr, "frappems: nothing to do")
	case o.plan:
		fmt.Fprintf(e.stderr, "frappems: %d statements are missing\n", len(plan))
	default:
		fmt.Fprintf(e.stderr, "frappems: %d statements done\n", len(plan))
	}
	return nil
}

// message is an error in words for the terminal.
func message(err error) string {
	text := err.Error()
	var path *fs.PathError
	if errors.As(err, &path) && errors.Is(err, fs.ErrNotExist) {
		text = strings.Replace(text, path.Error(), path.Path+" does not exist", 1)
	}
	if !strings.HasPrefix(text, "frappems: ") {
		text = "frappems: " + text
	}
	return text
}
