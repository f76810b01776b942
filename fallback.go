package frappems

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/frappems/frappems/store"
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
// reads it behind us could see one there. So is a request for the other side that names a method of ours by cmd, since Frappe
// runs that whatever the path is.
func (x *exchange) owns(r *http.Request) (bool, error) {
	own, err := x.ownsPlain(r)
	if own || err != nil {
		return own, err
	}
	clean := path.Clean("/" + r.URL.Path)
	if strings.HasSuffix(r.URL.Path, "/") && clean != "/" {
		clean += "/"
	}
	for _, written := range []string{clean, "/" + strings.TrimLeft(r.URL.Path, "/")} { // as servers in front of Frappe may have it, and Frappe
		plain := *r
		plain.URL = &url.URL{Path: written, RawQuery: r.URL.RawQuery}
		if plain.URL.EscapedPath() != r.URL.EscapedPath() && !own && err == nil {
			own, err = x.ownsPlain(&plain)
			r.Body = plain.Body
		}
	}
	if own || err != nil {
		return false, &Error{Code: DoesNotExistError}
	}
	args, err := x.arguments(r, false)
	if err != nil {
		return false, err
	}
	for _, name := range args["cmd"] {
		if own, err := x.ownsMethod(r, argumentText(name)); own || err != nil {
			return false, cmp.Or(err, error(&Error{Code: DoesNotExistError}))
		}
	}
	isPage := !strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, "/app") // such as /printview
	for _, raw := range args["doctype"] {
		if doctype := argumentText(raw); isPage && args["cmd"] == nil && x.app.keeps(doctype, "") {
			return false, x.refuse(doctype, "page "+quoteShort(r.URL.EscapedPath()))
		}
	}
	return false, nil
}

// ownsPlain is owns for a path as it is written.
func (x *exchange) ownsPlain(r *http.Request) (bool, error) {
	escaped, parent := r.URL.EscapedPath(), ""
	if reads(r) { // what is written to a row, is written wherever the row is
		parent = r.URL.Query().Get("parent")
	}
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
			method, _ = unescape(method)
			name := x.app.registry.named(first) + "." + method
			if x.app.keepsNamed(first, "") || x.app.router.methods[name] != nil {
				return true, nil
			}
			return x.ownsMethod(r, name)
		case kind == "document" || kind == "doctype":
			return x.app.keepsNamed(rest, parent), nil
		}
		return false, nil
	}
	if name, ok := cutMethod(escaped); ok {
		return x.ownsMethod(r, name)
	}
	if escaped == "/" {
		args, err := x.arguments(r, false)
		if err != nil {
			return false, err
		}
		for _, name := range args["cmd"] {
			if own, err := x.ownsMethod(r, argumentText(name)); own || err != nil {
				return own, err
			}
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
	return refusal.Header().Get("Allow") != "", nil // a route of ours, by another method
}

// isMultipart says whether a body may be an upload, of any size.
func isMultipart(r *http.Request) bool {
	return strings.HasPrefix(bodyKind(r), "multipart/")
}

// bodyKind is the type of a body, whatever its parameters are: some that Go refuses, others do not.
func bodyKind(r *http.Request) string {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
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
	if a.router.resources[m] != nil {
		return true
	}
	key := store.TextKey(doctype) // Central's database finds a Single by any spelling that it holds equal
	for m := range a.router.resources {
		if store.TextKey(m.Name) == key {
			return true
		}
	}
	return false
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
	args, err := x.arguments(r, m != nil)
	if err != nil {
		return false, err
	}
	reading := strings.HasPrefix(name[strings.LastIndexByte(name, '.')+1:], "get")
	var here, there string
	named, err := namedIn(args, reading)
	if err != nil {
		return false, err
	}
	for _, n := range named {
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

// arguments are what a call says, in every way in which that can be read: who decides by one of them must not pass on what Frappe
// reads in another. Uploads are read only if whole; the body can be read again after it.
func (x *exchange) arguments(r *http.Request, whole bool) (map[string][]json.RawMessage, error) {
	args := map[string][]json.RawMessage{}
	addPairs(args, r.URL.RawQuery)
	kind := bodyKind(r)
	isJSON, isForm := kind == "application/json" || strings.HasSuffix(kind, "+json"), kind == "application/x-www-form-urlencoded"
	if len(r.Header["Content-Type"]) > 1 {
		return nil, Errorf(ValidationError, "The request has more than one Content-Type")
	}
	if !whole && !isJSON && !isForm || r.Body == nil || r.Body == http.NoBody {
		return args, nil
	}
	if x.body == nil {
		if err := x.limit(r); err != nil {
			return nil, err
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	again := func() { r.Body = io.NopCloser(bytes.NewReader(body)) }
	again()
	if isMultipart(r) {
		sent, err := readArguments(r)
		again()
		r.MultipartForm, r.Form, r.PostForm = nil, nil, nil
		add(args, sent)
		return args, err
	}
	if len(body) == 0 {
		r.Body = http.NoBody
		return args, nil
	}
	if isForm {
		addPairs(args, string(body))
	}
	object, err := parseObject(body)
	if list := []json.RawMessage(nil); isJSON && json.Unmarshal(body, &list) == nil {
		object, err = map[string]json.RawMessage{"data": body}, nil
	}
	if isJSON && err != nil {
		return nil, err
	}
	add(args, object)
	return args, nil
}

func add(args map[string][]json.RawMessage, more map[string]json.RawMessage) {
	for key, raw := range more {
		args[key] = append(args[key], raw)
	}
}

// addPairs adds a query or a form. As in Frappe there is none that cannot be read.
func addPairs(args map[string][]json.RawMessage, text string) {
	for pair := range strings.SplitSeq(text, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key = unquote(key)
		args[key] = append(args[key], jsonText(unquote(value)))
	}
}

// unquote decodes a part of a form, and leaves what is no escape as it is.
func unquote(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(text):
			if n, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				c, i = byte(n), i+2
			}
		}
		b.WriteByte(c)
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

// namedIn finds the DocTypes that arguments name, each with that of its parent: the one that the call is about and those of the
// documents that are sent, else any other. That parent says where rows are counts if it reads. Documents that cannot be read are an
// error, since Frappe reads JSON less strictly.
func namedIn(args map[string][]json.RawMessage, reads bool) (names [][2]string, err error) {
	parent := ""
	if reads && len(args["parent"]) == 1 {
		parent = argumentText(args["parent"][0])
	}
	add := func(parent string, values ...json.RawMessage) {
		for _, raw := range values {
			if name := argumentText(raw); name != "" {
				names = append(names, [2]string{name, parent})
			}
		}
	}
	add(parent, args["doctype"]...)
	add(parent, args["dt"]...)
	for _, key := range []string{"doc", "docs", "document", "doclist", "data"} {
		for _, raw := range args[key] {
			text := strings.TrimSpace(argumentText(raw))
			switch isJSON := strings.HasPrefix(text, "{") || strings.HasPrefix(text, "["); {
			case isJSON && !json.Valid([]byte(text)):
				return nil, Errorf(ValidationError, "The argument %s is not valid JSON", bold(key))
			case !isJSON && key == "doc" && args["name"] != nil:
				add(parent, raw) // its DocType alone
			}
			c := call{args: map[string]json.RawMessage{key: raw}}
			docs, err := c.list(key)
			if err != nil {
				docs = []json.RawMessage{raw}
			}
			for _, raw := range docs {
				doc, err := nestedObject(raw)
				if err != nil {
					return nil, err
				}
				// Their parent is the name of a document.
				add(argumentText(doc["parenttype"]), doc["doctype"], doc["dt"])
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(args)) {
		if names == nil && strings.Contains(key, "doctype") {
			add(parent, args[key]...)
		}
	}
	return names, nil
}
