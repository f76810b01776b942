package frappems

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync/atomic"
)

// Which requests are this service's, and which are those of Config.Fallback: what has not moved here.

// Stats counts requests since the App was made, but for health checks. It is what expvar.Func can publish.
type Stats struct {
	// Own are those that were answered by the service itself.
	Own int64 `json:"own"`
	// Fallback are those that Config.Fallback was given.
	Fallback int64 `json:"fallback"`
}

// Stats returns the counts.
func (a *App) Stats() Stats { return Stats{a.stats.own.Load(), a.stats.fallback.Load()} }

type counters struct{ own, fallback atomic.Int64 }

// Keeps says whether documents of a DocType are served by the service that ctx is a request to. Without a request they are not.
func Keeps(ctx context.Context, doctype string) bool {
	x := exchangeFrom(ctx)
	return x != nil && x.app.keeps(doctype, "")
}

// servedBy is the header that says which side answered.
const servedBy = "X-Served-By"

// pass gives a request to Config.Fallback, if it is not this service's, before anything is asked of its user. It says whether
// the request is answered.
func (x *exchange) pass(r *http.Request) bool {
	a := x.app
	h := x.answer.Header()
	x.v2 = strings.HasPrefix(r.URL.EscapedPath(), apiV2) // for errors
	own, err := x.owns(r)
	if own || err != nil {
		h.Set(servedBy, a.config.Name)
	}
	switch {
	case err != nil:
		x.fail(&x.answer, err)
	case !own:
		// It has no part in what Shutdown waits for, so that streams do not keep a service from ending.
		x.inside = false
		a.inFlight.Done()
		a.stats.fallback.Add(1)
		x.route = "fallback"
		a.config.Fallback.ServeHTTP(&x.answer, r)
	}
	return !own
}

// owns says whether a request is this service's: one for a route or a method that was registered, or about a DocType that is
// served. An error is for what belongs to neither side. A path that would be ours if it were written plainly is nobody's: who
// reads it behind us could see one there.
func (x *exchange) owns(r *http.Request) (bool, error) {
	own, err := x.ownsPlain(r)
	if own || err != nil {
		return own, err
	}
	clean := path.Clean("/" + r.URL.Path)
	if strings.HasSuffix(r.URL.Path, "/") && clean != "/" {
		clean += "/"
	}
	plain := *r
	plain.URL = &url.URL{Path: clean, RawQuery: r.URL.RawQuery}
	if plain.URL.EscapedPath() != r.URL.EscapedPath() {
		own, err = x.ownsPlain(&plain)
		r.Body = plain.Body
	}
	if own || err != nil {
		return false, &Error{Code: DoesNotExistError}
	}
	return false, nil
}

// ownsPlain is owns for a path as it is written.
func (x *exchange) ownsPlain(r *http.Request) (bool, error) {
	escaped, parent := r.URL.EscapedPath(), r.URL.Query().Get("parent")
	if rest, ok := cutResource(escaped); ok {
		return x.app.keepsNamed(rest, parent), nil
	}
	if rest, ok := strings.CutPrefix(escaped, apiV2); ok {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
		switch first, method, isOf := strings.Cut(rest, "/"); {
		case kind == "method" && !isOf:
			name, _ := unescape(first)
			return x.ownsMethod(r, name)
		case kind == "method":
			name, _ := unescape(method)
			return x.app.keepsNamed(first, "") || x.app.router.methods[x.app.registry.named(first)+"."+name] != nil, nil
		case kind == "document" || kind == "doctype":
			return x.app.keepsNamed(rest, parent), nil
		}
		return false, nil
	}
	if name, ok := cutMethod(escaped); ok {
		return x.ownsMethod(r, name)
	}
	if escaped == "/" {
		if name, err := x.command(r); name != "" || err != nil {
			if err != nil {
				return false, err
			}
			return x.ownsMethod(r, name)
		}
	}
	found, _ := x.app.router.mux.Handler(r)
	if _, ok := found.(*route); ok {
		return true, nil
	}
	if res, _ := x.app.router.base(escaped); res != nil {
		return true, nil
	}
	refusal := headerOnly{}
	found.ServeHTTP(refusal, r)
	if refusal.Header().Get("Allow") != "" { // a route of ours, by another method
		return true, nil
	}
	isPage := !strings.HasPrefix(escaped, "/api/") && !strings.HasPrefix(escaped, "/app") // such as /printview
	if doctype := r.URL.Query().Get("doctype"); isPage && x.app.keeps(doctype, "") {
		return false, x.refuse(doctype, "page "+quoteShort(escaped))
	}
	return false, nil
}

// command is the method that a request to / names by cmd.
func (x *exchange) command(r *http.Request) (string, error) {
	if name := r.URL.Query().Get("cmd"); name != "" || isMultipart(r) {
		return name, nil
	}
	args, err := x.peek(r)
	return argumentText(args["cmd"]), err
}

// isMultipart says whether a body may be an upload, of any size.
func isMultipart(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return strings.HasPrefix(kind, "multipart/")
}

// keepsNamed is keeps for the DocType that an escaped path begins with.
func (a *App) keepsNamed(rest, parent string) bool {
	segment, _, _ := strings.Cut(rest, "/")
	return a.keeps(a.registry.named(segment), parent)
}

// keeps says whether documents of a DocType are served here. Rows of a table are where their parents are.
func (a *App) keeps(doctype, parent string) bool {
	m := a.registry.byName[doctype]
	if m != nil && bool(m.IsTable) {
		return a.router.resources[a.registry.lookup(parent)] != nil || parent == "" && len(a.parentsOf(m)) > 0
	}
	return a.router.resources[m] != nil
}

// describing are methods that tell of a DocType, not of its documents: the site that keeps the DocTypes answers them for all.
var describing = []string{"frappe.desk.form.load.getdoctype", "frappe.desk.listview.get_list_settings", "frappe.desk.listview.set_list_settings",
	"frappe.model.utils.user_settings.get", "frappe.model.utils.user_settings.save"}

// ownsMethod says whether a method is called that was registered, or one about a DocType that is served. That the service does
// not have such a method is an error: where the DocType was before, it would work on what is no longer there.
func (x *exchange) ownsMethod(r *http.Request, name string) (bool, error) {
	m := x.app.router.methods[name]
	if m != nil && m.handler != nil {
		return true, nil
	}
	if m == nil && isMultipart(r) {
		return false, nil
	}
	args, err := x.peek(r)
	if err != nil {
		return false, err
	}
	var here, there string
	for _, n := range namedIn(args) {
		if x.app.keeps(n[0], n[1]) {
			here = n[0]
		} else {
			there = n[0]
		}
	}
	switch {
	case here == "" || slices.Contains(describing, name):
		return false, nil
	case there != "":
		return false, Errorf(ValidationError, "Documents of %s are kept by the service %s, those of %s are not: send a call for each",
			bold(here), escapeHTML(x.app.config.Name), bold(there))
	case m == nil:
		return false, x.refuse(here, "method "+quoteShort(name))
	}
	return true, nil
}

// refuse is the error of what the service does not have for its documents.
func (x *exchange) refuse(doctype, what string) error {
	return Errorf(ValidationError, "Documents of %s are kept by the service %s, which has no %s", bold(doctype), escapeHTML(x.app.config.Name), what)
}

// peek reads the arguments of a call, whose body can be read again after it.
func (x *exchange) peek(r *http.Request) (map[string]json.RawMessage, error) {
	if x.body == nil {
		if err := x.limit(r); err != nil {
			return nil, err
		}
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	again := func() io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }
	r.Body = again()
	args, err := readArguments(r)
	r.Body = again()
	r.MultipartForm, r.Form, r.PostForm = nil, nil, nil
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	if err != nil { // it cannot be read: only the query names something
		args, _ = readArguments(&http.Request{URL: r.URL, Body: http.NoBody})
	}
	return args, nil
}

// namedIn finds the DocTypes that arguments name, each with that of its parent: the one that the call is about, else those of the
// documents that are sent, else any other.
func namedIn(args map[string]json.RawMessage) (names [][2]string) {
	add := func(args map[string]json.RawMessage, keys ...string) {
		for _, key := range keys {
			if name := argumentText(args[key]); name != "" {
				names = append(names, [2]string{name, argumentText(args["parent"])})
				return
			}
		}
	}
	if add(args, "doctype", "dt"); names != nil {
		return names
	}
	for _, key := range []string{"doc", "docs", "document", "doclist", "data"} {
		c := call{args: args}
		docs, err := c.list(key)
		if err != nil {
			docs = []json.RawMessage{args[key]}
		}
		for _, raw := range docs {
			if doc, err := nestedObject(raw); err == nil && doc != nil {
				if doc["parenttype"] != nil {
					doc["parent"] = doc["parenttype"]
				} else {
					delete(doc, "parent") // the name of a document
				}
				add(doc, "doctype", "dt")
			}
		}
	}
	if args["name"] != nil && names == nil {
		add(args, "doc") // its DocType alone
	}
	for _, key := range slices.Sorted(maps.Keys(args)) {
		if names == nil && strings.Contains(key, "doctype") {
			add(args, key)
		}
	}
	return names
}
