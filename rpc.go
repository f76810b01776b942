package frappems

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/frappems/frappems/internal/value"
)

// Policy says who may call a method. Administrator is asked about like everybody.
type Policy func(u *User) bool

// AllowRoles lets in users who have one of the roles; Administrator has all.
func AllowRoles(role string, more ...string) Policy {
	roles := append([]string{role}, more...)
	return func(u *User) bool { return slices.ContainsFunc(roles, u.HasRole) }
}

// AllowSignedIn lets in everybody who has signed in.
func AllowSignedIn() Policy { return func(u *User) bool { return !u.isGuest() } }

// AllowGuest lets in everybody.
func AllowGuest() Policy { return func(*User) bool { return true } }

// Safe says of a method of [App.Method] that it changes nothing: it can be called by GET too, and has no transaction. A route of
// [App.Handle] has none either, then.
func Safe() RouteOption { return func(t *route) { t.safe = true } }

// method is what can be called by name: one of App.Method, which has a handler, or one of frappems' own.
type method struct {
	route
	policy Policy
	verbs  []string // HTTP methods
	call   func(c *call) (any, error)
	key    string // what the answer of call stands under in API v1; "" is message
	// perItem says that it has transactions of its own, one for each item.
	perItem bool
}

// The HTTP methods by which methods are called, as Frappe's whitelist has them.
var (
	safeVerbs   = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}
	unsafeVerbs = []string{http.MethodPost, http.MethodPut, http.MethodDelete}
)

// Method serves a method under /api/method/{name}, /api/v1/method/{name}, /api/v2/method/{name} and /?cmd={name}, to those
// whom the policy lets in. One whose name begins with a DocType and a point is in API v2 at /api/v2/method/{doctype}/{rest}
// too. What a handler of [JSON] returns becomes {"message": …} (in API v2 {"data": …}), null an empty object.
//
// A method is called by POST, PUT or DELETE, and runs in one transaction, which [App.DB] gives in it: it is committed before
// the answer is sent, and rolled back when the handler returns an error or answers with one. On a deadlock the handler runs
// again, so it leaves no trace outside its DB. Another transaction in it, such as one of [App.AsTenant], is an error on a store
// with one writer, where it would wait in vain. With [Safe] it can be called by GET, and has no transaction. Users need a
// tenant, unless Guest may call it or [NoTenant] is given; without a tenant there is no transaction either.
//
// A name of frappems' own, such as frappe.client.get_list, is served by the handler in place of it.
func (a *App) Method(name string, policy Policy, handler http.Handler, options ...RouteOption) {
	m := &method{route: route{pattern: "/api/method/" + name, site: caller(1), app: a, handler: handler}, policy: policy, verbs: unsafeVerbs}
	for _, option := range options {
		option(&m.route)
	}
	if m.safe {
		m.verbs = safeVerbs
	}
	a.mustRegister(m.site, func() error {
		other := a.router.methods[name]
		switch {
		case policy == nil:
			return fmt.Errorf("Method %q: the policy is nil: say who may call it, such as AllowSignedIn()", name)
		case handler == nil:
			return fmt.Errorf("Method %q: the handler is nil", name)
		case checkName(name, 140) != nil || strings.ContainsAny(name, "/?#%"):
			return fmt.Errorf("Method %q: want a name such as orders.api.close", name)
		case other != nil && other.handler != nil:
			return fmt.Errorf("Method %q is registered already, at %s", name, other.site)
		}
		a.router.methods[name] = m
		return nil
	})
}

// call is one call of a method of frappems' own.
type call struct {
	ctx  context.Context
	app  *App
	user *User
	db   *DB // nil for users without a tenant
	args map[string]json.RawMessage
	// reads says that it came by GET, which changes nothing.
	reads bool

	docs  []*Doc // sent beside the answer
	alert string // shown to the user beside it
}

// asDict is a document with its nulls, as frappe.client gives it.
type asDict struct{ *Doc }

// cutMethod returns the name in a path of a method. What follows a further slash is nothing, as in Frappe.
func cutMethod(path string) (name string, ok bool) {
	for _, prefix := range []string{"/api/method/", "/api/v1/method/"} {
		if rest, found := strings.CutPrefix(path, prefix); found {
			segment, _, _ := strings.Cut(rest, "/")
			name, _ = unescape(segment) // one that cannot be is no method
			return name, true
		}
	}
	return "", false
}

// serveMethod calls a method by its name.
func (a *App) serveMethod(w http.ResponseWriter, r *http.Request, name string) error {
	x := exchangeFrom(r.Context())
	m := a.router.methods[name]
	if m != nil {
		return a.callMethod(w, r, m)
	}
	if x.route = "/api/method/{unknown}"; x.refused != nil {
		return x.refused
	}
	return Errorf(ValidationError, "Failed to get method for command %s: there is no such method", quoteShort(name))
}

// callMethod calls a method, if the user may and by the right verb.
func (a *App) callMethod(w http.ResponseWriter, r *http.Request, m *method) error {
	x := exchangeFrom(r.Context())
	x.route = m.pattern
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", strings.Join(append([]string{http.MethodOptions}, m.verbs...), ", "))
		w.WriteHeader(http.StatusOK)
		return nil
	case x.refused != nil && !(x.expired() && m.policy(x.user)):
		return x.refused
	case !m.policy(x.user) && x.user.isGuest():
		return Errorf(PermissionError, "You need to be signed in")
	case !m.policy(x.user):
		return Errorf(PermissionError, "You are not permitted to call this method")
	case !slices.Contains(m.verbs, r.Method):
		return Errorf(PermissionError, "Not permitted")
	}
	if _, err := a.DB(r.Context()); err != nil && !m.noTenant && (m.call != nil || !m.policy(a.guest)) {
		return err
	}
	if m.perItem && r.Header.Get(idempotencyHeader) != "" {
		return Errorf(IdempotencyKeyError, "This method has a result for each item and takes no Idempotency-Key")
	}
	serve := func(w http.ResponseWriter) error { return m.serve(w, r) }
	if m.safe || m.perItem || reads(r) {
		return serve(w)
	}
	return a.atomically(w, r, serve)
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// serve calls the method and answers.
func (m *method) serve(w http.ResponseWriter, r *http.Request) error {
	x := exchangeFrom(r.Context())
	if m.call == nil {
		return m.handle(w, r, x.key("message"))
	}
	args, err := readArguments(r)
	if err != nil {
		return err
	}
	c := &call{ctx: r.Context(), app: x.app, user: x.user, args: args, reads: reads(r)}
	c.db, _ = x.app.DB(c.ctx) // whether it is needed was asked before
	value, err := m.call(c)
	if err != nil {
		return err
	}
	return c.send(w, x.key(cmp.Or(m.key, "message")), value)
}

// handle serves a method of the program's; the answer of a handler of JSON is put under a key.
func (m *method) handle(w http.ResponseWriter, r *http.Request, key string) error {
	switch h := m.handler.(type) {
	case typed:
		var answer buffer
		if err := h.HandlerFunc(&answer, r); err != nil {
			return err
		}
		if body := answer.body.Bytes(); !bytes.Equal(body, []byte("null")) {
			return sendJSON(w, http.StatusOK, slices.Concat([]byte("{"), jsonKey(key), body, []byte("}")))
		}
		return sendJSON(w, http.StatusOK, []byte("{}"))
	case HandlerFunc:
		return h(w, r)
	}
	m.handler.ServeHTTP(w, r)
	return nil
}

// key is what an answer stands under: in API v2 always data.
func (x *exchange) key(v1 string) string {
	if x.v2 {
		return "data"
	}
	return v1
}

// send answers with a value under a key, and with what the call has beside it.
func (c *call) send(w http.ResponseWriter, key string, value any) error {
	if l, ok := value.(*listing); ok {
		return l.send(c.ctx, w, key)
	}
	out := []byte{'{'}
	if exchangeFrom(c.ctx).expired() {
		out = append(out, `"session_expired":1,`...)
	}
	var err error
	if value != nil {
		if out, err = c.appendResult(append(out, jsonKey(key)...), value); err != nil {
			return err
		}
		out = append(out, ',')
	}
	if c.docs != nil {
		out = append(out, `"docs":[`...)
		for _, d := range c.docs {
			out = append(c.db.appendDoc(out, d, exchangeFrom(c.ctx).v2), ',') // with its nulls: clients lay it over what they hold
		}
		out = append(bytes.TrimSuffix(out, []byte(",")), "],"...)
	}
	if c.alert != "" {
		const rest = `, "title": "Message", "indicator": "green", "alert": 1}`
		if exchangeFrom(c.ctx).v2 {
			out = append(append(appendString(append(out, `"messages":[{"message": `...), c.alert), rest...), "],"...)
		} else {
			list := "[" + pythonText(`{"message": `+pythonText(c.alert)+rest) + "]"
			out = append(appendString(append(out, `"_server_messages":`...), list), ',')
		}
	}
	return sendJSON(w, http.StatusOK, append(bytes.TrimSuffix(out, []byte(",")), '}'))
}

// appendResult writes what an operation or a document's method gave.
func (c *call) appendResult(out []byte, value any) ([]byte, error) {
	switch value := value.(type) {
	case asDict:
		return c.db.appendDoc(out, value.Doc, true), nil
	case *Doc:
		return c.db.appendDoc(out, value, false), nil
	}
	body, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return append(out, body...), nil
}

// pythonText is a text in JSON as Python writes it: clients see that inside of a string.
func pythonText(text string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(err) // of a string it does not fail
	}
	return string(value.Compact(out.Bytes()))
}

// readArguments reads what a method is called with: JSON or a form, and the query beside it.
func readArguments(r *http.Request) (map[string]json.RawMessage, error) {
	args, err := readForm(r)
	if err != nil {
		return nil, err
	}
	for key, texts := range r.URL.Query() {
		if args[key] == nil {
			args[key] = jsonText(texts[0])
		}
	}
	return args, nil
}

// serveCommand serves a request to / that names a method by cmd, in the query, a form or JSON, as Frappe's older clients do.
func (a *App) serveCommand(w http.ResponseWriter, r *http.Request) (served bool, err error) {
	query := r.URL.Query()
	name := query.Get("cmd")
	bare := r.Clone(r.Context())
	if query.Has("cmd") {
		query.Del("cmd")
		bare.URL.RawQuery = query.Encode()
	} else if name, err = cutCommand(bare); err != nil {
		return true, err
	}
	r.Body = bare.Body
	if name == "" {
		return false, nil
	}
	return true, a.serveMethod(w, bare, name)
}

// cutCommand takes cmd out of the body of a request, which can be read again after it.
func cutCommand(r *http.Request) (name string, err error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isForm := kind == "application/x-www-form-urlencoded"
	if r.Method != http.MethodPost || !isForm && kind != "application/json" {
		return "", nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	var object map[string]json.RawMessage
	if form, problem := url.ParseQuery(string(body)); isForm && problem == nil && form.Has("cmd") {
		name = form.Get("cmd")
		form.Del("cmd")
		body = []byte(form.Encode())
	} else if !isForm && json.Unmarshal(body, &object) == nil && object["cmd"] != nil {
		name = argumentText(object["cmd"])
		delete(object, "cmd")
		body = []byte(marshalText(object))
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return name, nil
}

// argumentText is an argument as text: clients send numbers as strings and strings as numbers.
func argumentText(raw json.RawMessage) string {
	v, err := value.Decode(raw)
	if err != nil {
		return ""
	}
	return toText(v)
}

func (c *call) text(name string) string { return argumentText(c.args[name]) }

// flag reads an argument that is true or false.
func (c *call) flag(name string) bool {
	return slices.Contains([]string{"1", "true", "yes"}, strings.ToLower(c.text(name)))
}

// object reads an argument that is an object, or JSON of one; a list of objects, as old clients send documents, is its first.
func (c *call) object(names ...string) (map[string]json.RawMessage, error) {
	for _, name := range names {
		if c.args[name] == nil {
			continue
		}
		if list, err := c.list(name); err == nil && len(list) > 0 {
			return parseObject(list[0])
		}
		object, err := nestedObject(c.args[name])
		if err != nil || object != nil {
			return object, err
		}
	}
	return nil, Errorf(ValidationError, "The argument %s must be a JSON object", bold(names[0]))
}

// list reads an argument that is a list, or JSON of one.
func (c *call) list(name string) ([]json.RawMessage, error) {
	raw := c.args[name]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || list == nil {
		return nil, Errorf(ValidationError, "The argument %s must be a JSON list", bold(name))
	}
	return list, nil
}

// resource finds a DocType for a verb. Others than those that are served are unknown, whether the service has them or not,
// and a verb that the program serves by a handler of its own is not gone around.
func (c *call) resource(doctype, verb string) (*meta, error) {
	m := c.app.registry.byName[doctype]
	res := c.app.router.resources[m]
	if res == nil {
		return nil, Errorf(DoesNotExistError, "DocType %s not found", escapeHTML(doctype))
	}
	if !res.allows(verb) || res.Handlers[verb] != nil {
		return nil, Errorf(PermissionError, "Not permitted: this service does not %s documents of %s here", verb, bold(m.Name))
	}
	return m, nil
}

// errAnswered rolls back what a handler did that answered with an error itself.
var errAnswered = errors.New("frappems: the handler answered with an error")

// buffer keeps an answer until the transaction that it tells of is committed.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header gives the header.
func (b *buffer) Header() http.Header {
	if b.header == nil {
		b.header = http.Header{}
	}
	return b.header
}

// WriteHeader keeps the first status.
func (b *buffer) WriteHeader(status int) { b.status = cmp.Or(b.status, status) }

// Write keeps the bytes.
func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

// sendTo sends the answer.
func (b *buffer) sendTo(w http.ResponseWriter) {
	for name, values := range b.header {
		w.Header()[name] = values
	}
	w.WriteHeader(cmp.Or(b.status, http.StatusOK))
	w.Write(b.body.Bytes())
}
