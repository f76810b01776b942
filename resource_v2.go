package frappems

import (
	"net/http"
	"slices"
	"strings"
)

// Frappe's API v2: documents, methods and DocTypes under their own paths, answers under data, errors in a list.

const apiV2 = "/api/v2/"

// serveV2 serves a path of API v2; rest is what follows /api/v2/, escaped.
func (a *App) serveV2(w http.ResponseWriter, r *http.Request, rest string) error {
	x := exchangeFrom(r.Context())
	x.v2 = true
	kind, rest, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	segments := strings.Split(rest, "/")
	if rest == "" || x.refused != nil && r.Method != http.MethodOptions {
		if x.refused != nil {
			return x.refused
		}
		return &Error{Code: DoesNotExistError}
	}
	switch {
	case kind == "document":
		return a.serveDocumentV2(w, r, rest, segments)
	case kind == "method" && len(segments) <= 2:
		return a.serveMethodV2(w, r, segments)
	case kind == "doctype" && len(segments) == 2:
		return a.serveDocTypeV2(w, r, segments[0], segments[1])
	}
	return &Error{Code: DoesNotExistError}
}

// serveDocumentV2 serves documents: as v1 does but for the methods of a document and those of many.
func (a *App) serveDocumentV2(w http.ResponseWriter, r *http.Request, rest string, segments []string) error {
	n := len(segments)
	isMethod := n >= 4 && segments[n-2] == "method"
	isBulk := n == 2 && r.Method == http.MethodPost && (segments[1] == "bulk_update" || segments[1] == "bulk_delete")
	if !isMethod && !isBulk || r.Method == http.MethodOptions {
		return a.serveNamed(w, r, rest)
	}
	doctype := a.registry.named(segments[0])
	if isBulk {
		return a.callMethod(w, r, &method{route: route{pattern: apiV2 + "document/{doctype}/" + segments[1]}, perItem: true, policy: AllowSignedIn(),
			verbs: []string{http.MethodPost}, call: func(c *call) (any, error) { return c.bulk(segments[1], doctype) }})
	}
	if !reads(r) && r.Method != http.MethodPost {
		return &Error{Code: MethodNotAllowedError}
	}
	c := call{app: a, reads: reads(r)}
	m, err := c.resource(doctype, c.verb())
	if err != nil {
		return err
	}
	name, ok := unescape(strings.Join(segments[1:n-2], "/"))
	docMethod, isWord := unescape(segments[n-1])
	if !ok || !isWord {
		return &Error{Code: DoesNotExistError}
	}
	exchangeFrom(r.Context()).route = apiV2 + "document/" + m.Name + "/{name}/method"
	return a.serveDocMethod(w, r, m, name, docMethod)
}

// named is the name of a DocType that a segment of a path names; of one that is not there, what it says.
func (r *registry) named(segment string) string {
	doctype, _ := unescape(segment)
	if m := r.lookup(doctype); m != nil {
		return m.Name
	}
	return doctype
}

// serveMethodV2 calls a method, or one whose name begins with a DocType.
func (a *App) serveMethodV2(w http.ResponseWriter, r *http.Request, segments []string) error {
	name, ok := unescape(segments[len(segments)-1])
	if !ok {
		return &Error{Code: DoesNotExistError}
	}
	if len(segments) == 2 {
		name = a.registry.named(segments[0]) + "." + name
	}
	return a.serveMethod(w, r, name)
}

// serveDocTypeV2 answers what is said of a DocType: its count, its description, a search in it.
func (a *App) serveDocTypeV2(w http.ResponseWriter, r *http.Request, segment, what string) error {
	calls := map[string]func(c *call) (any, error){"count": (*call).getCount, "meta": (*call).getMeta, "search": (*call).searchLink}
	if calls[what] == nil {
		return &Error{Code: DoesNotExistError}
	}
	doctype := a.registry.named(segment)
	return a.callMethod(w, r, &method{route: route{pattern: apiV2 + "doctype/{doctype}/" + what, safe: true}, policy: AllowSignedIn(),
		verbs: []string{http.MethodGet, http.MethodHead}, call: func(c *call) (any, error) {
			c.args["doctype"] = jsonText(doctype)
			if limit := c.args["limit"]; limit != nil && what == "search" {
				c.args["page_length"] = limit
			}
			return calls[what](c)
		}})
}

// getMeta describes a DocType to who has some right with its documents.
func (c *call) getMeta() (any, error) {
	m := c.app.registry.byName[c.text("doctype")]
	of := []*meta{m}
	if m != nil && bool(m.IsTable) {
		of = c.app.parentsOf(m)
	}
	of = slices.DeleteFunc(of, func(m *meta) bool { return c.app.router.resources[m] == nil })
	if len(of) == 0 {
		return nil, Errorf(DoesNotExistError, "DocType %s not found", escapeHTML(c.text("doctype")))
	}
	if !slices.ContainsFunc(of, func(m *meta) bool { return c.db.accessTo(m).ever(^right(0)) }) {
		return nil, c.db.accessTo(of[0]).denied(mayRead, "")
	}
	return struct {
		Doctype string `json:"doctype"`
		*DocType
	}{"DocType", m.DocType}, nil
}
