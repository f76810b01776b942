package frappems

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/frappems/frappems/internal/input"
)

// HandlerFunc is an http.Handler that may return an error, which is then answered in Frappe's form: an [*Error] by its
// code, any other with 500, a request id and a line in the log.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP calls f.
func (f HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f(w, r); err != nil {
		fail(w, r, err)
	}
}

// RouteOption changes what [App.Handle] asks of a request.
type RouteOption func(*route)

// NoTenant lets users in who have no tenant (yet), as a sign-up needs it. In such a handler [App.DB] gives an error for
// them.
func NoTenant() RouteOption { return func(t *route) { t.noTenant = true } }

// ResourceOptions narrow or change what [App.Resource] serves. The zero value serves everything in Frappe's way.
type ResourceOptions struct {
	// Verbs that are allowed, of "list", "get", "create", "update" and "delete"; others are answered with 405. Nil: all.
	Verbs []string
	// Handlers serve a verb in place of the service's own handler; a [HandlerFunc] may return errors. They are for users
	// who have signed in and have a tenant. The document's name is r.PathValue("name"), the DocType's r.PathValue("doctype").
	Handlers map[string]http.Handler
	// BasePath, such as "/orders", is a path under which the DocType is served too, documents below it. Empty: only under
	// /api/resource.
	BasePath string
}

// resource is a DocType that is served.
type resource struct {
	ResourceOptions
	meta  *meta
	site  string // where it was registered
	route string // for the log
}

// route is a handler that was registered under a pattern.
type route struct {
	pattern  string
	site     string // where it was registered
	app      *App
	handler  http.Handler
	public   bool
	noTenant bool
	safe     bool // it changes nothing, or has its own transactions
}

// router finds the handler of a request. It is built by the calls that register, and does not change after Start.
type router struct {
	mux       *http.ServeMux
	routes    []*route
	resources map[*meta]*resource
	bases     map[string]*resource // by BasePath
	methods   map[string]*method
	wrappers  []func(http.Handler) http.Handler
	handler   http.Handler // the routes within the wrappers
}

// mustRegister panics with what is wrong with a registration, if something is: it is a mistake in the program.
func (a *App) mustRegister(site string, register func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := fmt.Errorf("registration after Start, which was called at %s", a.begun)
	if a.phase == registering {
		err = register()
	}
	if err != nil {
		panic(fmt.Sprintf("frappems: %s: %v", site, err))
	}
}

// Resource serves a DocType under /api/resource/{doctype} and /api/v1/resource/{doctype}, by its name and by its slug
// (sales-order). A DocType that is not registered here is answered with 404. Child tables and virtual DocTypes cannot be.
func (a *App) Resource(doctype string, options ...ResourceOptions) {
	site := caller(1)
	a.mustRegister(site, func() error { return a.addResource(site, doctype, options) })
}

// Handle serves a pattern of net/http's ServeMux, such as "GET /orders/overdue", for users who have signed in and have
// a tenant. The handler may be any; those of [JSON] and [HandlerFunc] have their errors answered in Frappe's form. One of JSON runs
// in one transaction, as a method of [App.Method] does, unless it is called by GET, or [Safe] or [NoTenant] is given.
func (a *App) Handle(pattern string, handler http.Handler, options ...RouteOption) {
	t := &route{pattern: pattern, site: caller(1), app: a, handler: handler}
	for _, option := range options {
		option(t)
	}
	a.mustRegister(t.site, func() error { return a.addRoute(t) })
}

// Public serves a pattern for everybody. Who has signed in is known; credentials that are wrong make the user Guest.
func (a *App) Public(pattern string, handler http.Handler) {
	t := &route{pattern: pattern, site: caller(1), app: a, handler: handler, public: true}
	a.mustRegister(t.site, func() error { return a.addRoute(t) })
}

// Use wraps all routes. The first one used is outermost. A wrapper sees every request but health checks, also those
// that will be refused, after authentication; what is to come before that wraps the App itself.
func (a *App) Use(wrap func(http.Handler) http.Handler) {
	a.mustRegister(caller(1), func() error {
		if wrap == nil {
			return errors.New("Use of nil")
		}
		a.router.wrappers = append(a.router.wrappers, wrap)
		return nil
	})
}

// healthPaths are answered before any route is asked.
var healthPaths = []string{"/livez", "/readyz", "/health"}

// addRoute registers a route, or says why not.
func (a *App) addRoute(t *route) error {
	if t.handler == nil {
		return fmt.Errorf("pattern %q: the handler is nil", t.pattern)
	}
	slash := strings.IndexByte(t.pattern, '/')
	if slash < 0 {
		return fmt.Errorf("pattern %q has no path", t.pattern)
	}
	path := t.pattern[slash:]
	if slices.Contains(healthPaths, path) {
		return fmt.Errorf("pattern %q: %s is answered by frappems itself", t.pattern, path)
	}
	if _, ok := cutResource(path); ok {
		return fmt.Errorf("pattern %q: what is under /api/resource is registered with Resource", t.pattern)
	}
	if _, ok := cutMethod(path); ok || strings.HasPrefix(path, apiV2) {
		return fmt.Errorf("pattern %q: what is under /api/method and %s is frappems' own; see Method", t.pattern, apiV2)
	}
	if h, ok := t.handler.(typed); ok {
		for _, name := range input.Wildcards(t.pattern) {
			if input.Field(h.in, name) == nil {
				return fmt.Errorf("pattern %q: the handler's %s has no field for {%s}", t.pattern, h.in, name)
			}
		}
	}
	reason := tryHandle(a.router.mux, t)
	if reason == nil {
		a.router.routes = append(a.router.routes, t)
		return nil
	}
	for _, other := range a.router.routes { // net/http's reason names a line of this package, not of the program
		mux := http.NewServeMux()
		if tryHandle(mux, t) == nil && tryHandle(mux, other) != nil {
			return fmt.Errorf("pattern %q conflicts with %q, registered at %s", t.pattern, other.pattern, other.site)
		}
	}
	return fmt.Errorf("pattern %q: %v", t.pattern, reason)
}

// tryHandle registers with a mux and returns what it panics with.
func tryHandle(mux *http.ServeMux, t *route) (reason any) {
	defer func() { reason = recover() }()
	mux.Handle(t.pattern, t)
	return nil
}

// verbs are what a client can do with a DocType.
var verbs = []string{"list", "get", "create", "update", "delete"}

// addResource registers a DocType, or says why not.
func (a *App) addResource(site, doctype string, options []ResourceOptions) error {
	m := a.registry.lookup(doctype)
	switch {
	case m == nil:
		return fmt.Errorf("Resource: there is no DocType %q", doctype)
	case bool(m.IsTable):
		return fmt.Errorf("Resource: %s is a child table, which is served with its parents", m.Name)
	case bool(m.IsVirtual):
		return fmt.Errorf("Resource: %s is virtual and has no documents", m.Name)
	case len(options) > 1:
		return fmt.Errorf("Resource: %s has more than one ResourceOptions", m.Name)
	}
	if other := a.router.resources[m]; other != nil {
		return fmt.Errorf("Resource: %s is registered already, at %s", m.Name, other.site)
	}
	res := &resource{meta: m, site: site, route: "/api/resource/" + m.Name}
	if len(options) == 1 {
		res.ResourceOptions = options[0]
	}
	if err := a.checkOptions(res); err != nil {
		return fmt.Errorf("Resource: %s: %w", m.Name, err)
	}
	a.router.resources[m] = res
	if res.BasePath != "" {
		a.router.bases[res.BasePath] = res
	}
	return nil
}

// basePath is what a ResourceOptions.BasePath looks like: it is compared with escaped paths, without wildcards.
var basePath = regexp.MustCompile(`^(/[^/{}%? ]+)+$`)

func (a *App) checkOptions(res *resource) error {
	for _, verb := range slices.Concat(res.Verbs, slices.Sorted(maps.Keys(res.Handlers))) {
		if !slices.Contains(verbs, verb) {
			return fmt.Errorf("there is no verb %q; verbs are %s", verb, strings.Join(verbs, ", "))
		}
	}
	for verb, handler := range res.Handlers {
		if handler == nil {
			return fmt.Errorf("the handler of %q is nil", verb)
		}
		if !res.allows(verb) {
			return fmt.Errorf("there is a handler of %q, which Verbs leaves out", verb)
		}
	}
	base := res.BasePath
	if base == "" {
		return nil
	}
	if !basePath.MatchString(base) {
		return fmt.Errorf("BasePath %q: want one such as /orders", base)
	}
	if _, ok := cutResource(base + "/"); ok || slices.Contains(healthPaths, base) {
		return fmt.Errorf("BasePath %q is frappems' own", base)
	}
	if other := a.router.bases[base]; other != nil {
		return fmt.Errorf("BasePath %q is that of %s, registered at %s", base, other.meta.Name, other.site)
	}
	return nil
}

// allows says whether clients may use a verb.
func (res *resource) allows(verb string) bool {
	return res.Verbs == nil || slices.Contains(res.Verbs, verb)
}

// dispatch finds the route of a request and serves it.
func (a *App) dispatch(w http.ResponseWriter, r *http.Request) error {
	if exchangeFrom(r.Context()) == nil {
		return errors.New("frappems: what was given to Use dropped the request's context")
	}
	path := r.URL.EscapedPath()
	if rest, ok := cutResource(path); ok {
		return a.serveNamed(w, r, rest)
	}
	if rest, ok := strings.CutPrefix(path, apiV2); ok {
		return a.serveV2(w, r, rest)
	}
	if name, ok := cutMethod(path); ok {
		return a.serveMethod(w, r, name)
	}
	if path == "/" {
		if served, err := a.serveCommand(w, r); served {
			return err
		}
	}
	found, _ := a.router.mux.Handler(r)
	if _, ok := found.(*route); ok { // else it is the mux's own: not found, not allowed, or a redirect
		a.router.mux.ServeHTTP(w, r)
		return nil
	}
	if res, rest := a.router.base(path); res != nil {
		return a.serveVerb(w, r, res, rest)
	}
	refusal := headerOnly{} // of the mux: with the methods that it would allow, unless it does not know the path at all
	found.ServeHTTP(refusal, r)
	if allow := refusal.Header().Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
		return &Error{Code: MethodNotAllowedError}
	}
	return &Error{Code: DoesNotExistError}
}

// headerOnly is a ResponseWriter that keeps nothing but the header.
type headerOnly http.Header

func (w headerOnly) Header() http.Header         { return http.Header(w) }
func (w headerOnly) Write(p []byte) (int, error) { return len(p), nil }
func (w headerOnly) WriteHeader(int)             {}

// ServeHTTP checks who calls and calls the handler.
func (t *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	exchangeFrom(r.Context()).route = t.pattern
	if !t.public {
		if err := t.app.admit(r, t.noTenant); err != nil {
			fail(w, r, err)
			return
		}
	}
	h, isTyped := t.handler.(typed)
	if !isTyped || t.public || t.noTenant || t.safe || reads(r) {
		t.handler.ServeHTTP(w, r)
		return
	}
	if err := t.app.atomically(w, r, func(w http.ResponseWriter) error { return h.HandlerFunc(w, r) }); err != nil {
		fail(w, r, err)
	}
}

// admit refuses who has not signed in or, unless noTenant, has no tenant.
func (a *App) admit(r *http.Request, noTenant bool) error {
	x := exchangeFrom(r.Context())
	if x.refused != nil {
		return x.refused
	}
	if x.user.isGuest() {
		return Errorf(PermissionError, "You need to be signed in")
	}
	if noTenant {
		return nil
	}
	_, err := a.DB(r.Context())
	return err
}

// cutResource returns what follows /api/resource/ in an escaped path.
func cutResource(path string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(path, "/api/resource/"); ok {
		return rest, true
	}
	return strings.CutPrefix(path, "/api/v1/resource/")
}

// base returns the resource whose BasePath an escaped path is in, the longest one, and what follows it.
func (t *router) base(path string) (res *resource, rest string) {
	for at := len(path); at > 0 && len(t.bases) > 0; at = strings.LastIndexByte(path[:at], '/') {
		if res = t.bases[path[:at]]; res != nil {
			return res, strings.TrimPrefix(path[at:], "/")
		}
	}
	return nil, ""
}

// serveNamed serves a DocType that is named by the first segment of rest.
func (a *App) serveNamed(w http.ResponseWriter, r *http.Request, rest string) error {
	if x := exchangeFrom(r.Context()); x.refused != nil && r.Method != http.MethodOptions {
		return x.refused
	}
	segment, rest, _ := strings.Cut(rest, "/")
	doctype, ok := unescape(segment)
	if !ok || doctype == "" {
		return &Error{Code: DoesNotExistError}
	}
	m := a.registry.lookup(doctype)
	if res := a.router.resources[m]; res != nil {
		return a.serveVerb(w, r, res, rest)
	}
	if isRead := r.Method == http.MethodGet || r.Method == http.MethodHead; isRead && rest == "" {
		if parents := a.parentsOf(m); len(parents) > 0 {
			return a.serveRows(w, r, m, parents)
		}
	}
	if name, ok := documentName(rest); ok && name != "" {
		return Errorf(DoesNotExistError, "%s %s not found", escapeHTML(doctype), escapeHTML(name))
	}
	return Errorf(DoesNotExistError, "DocType %s not found", escapeHTML(doctype))
}

// serveVerb serves a request for a resource; rest is the escaped name of a document, or empty.
func (a *App) serveVerb(w http.ResponseWriter, r *http.Request, res *resource, rest string) error {
	x := exchangeFrom(r.Context())
	name, ok := documentName(rest)
	if !ok {
		return &Error{Code: DoesNotExistError}
	}
	x.route = res.route
	if name != "" {
		x.route += "/{name}"
	}
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", res.methods(name))
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if x.refused != nil {
		return x.refused
	}
	if r.Method == http.MethodPatch && name != "" && !x.v2 {
		return &Error{Code: DoesNotExistError} // API v1 has no PATCH, and Frappe says it so
	}
	verb := res.verb(r.Method, name)
	if verb == "" || !res.allows(verb) || x.v2 && name != "" && r.Method == http.MethodPost {
		w.Header().Set("Allow", res.methods(name))
		return &Error{Code: MethodNotAllowedError}
	}
	serve := func(w http.ResponseWriter) error { return a.serveResource(w, r, res, name) }
	whole := verb == "create" && r.Header.Get(idempotencyHeader) != ""
	if handler := res.Handlers[verb]; handler != nil {
		if err := a.admit(r, false); err != nil {
			return err
		}
		r.SetPathValue("doctype", res.meta.Name)
		r.SetPathValue("name", name)
		serve = func(w http.ResponseWriter) error {
			handler.ServeHTTP(w, r)
			return nil
		}
		if h, isTyped := handler.(typed); isTyped && !reads(r) {
			serve, whole = func(w http.ResponseWriter) error { return h.HandlerFunc(w, r) }, true
		}
	}
	if whole {
		return a.atomically(w, r, serve)
	}
	return serve(w)
}

// verb is what a method does with a document, or with all of them where name is empty; "" is nothing.
func (res *resource) verb(method, name string) string {
	switch {
	case method == http.MethodGet || method == http.MethodHead:
		if name == "" && !bool(res.meta.IsSingle) {
			return "list"
		}
		return "get"
	case method == http.MethodPost && name == "":
		return "create"
	case name != "" && (method == http.MethodPut || method == http.MethodPatch || method == http.MethodPost): // POST is for a method of the document
		return "update"
	case name != "" && method == http.MethodDelete:
		return "delete"
	}
	return ""
}

// methods are those that do something, for the header Allow.
func (res *resource) methods(name string) string {
	list := []string{http.MethodOptions}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if verb := res.verb(method, name); verb != "" && res.allows(verb) {
			list = append(list, method)
		}
	}
	return strings.Join(list, ", ")
}

// documentName is the name that an escaped path ends with. Slashes are part of it, escaped or not; one slash at its end
// is not.
func documentName(rest string) (name string, ok bool) { return unescape(strings.TrimSuffix(rest, "/")) }

// unescape decodes a part of a path, which has to be UTF-8 without NULs, and not longer than any name can be.
func unescape(part string) (s string, ok bool) {
	s, err := url.PathUnescape(part)
	return s, err == nil && len(s) <= 4*140 && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}
