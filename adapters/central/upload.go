package central

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/frappems/frappems"
)

// uploadBody is the body of an upload, on its way to Central. It breaks off where a field of it names a DocType that is not there but
// in this service: at Central the file would be attached to nothing, or to what the document was before. It breaks off as well where
// the server behind it could read something else than is read here.
type uploadBody struct {
	io.ReadCloser
	r        *http.Request
	boundary []byte
	held     []byte // what has come of a part, as long as it counts
	seen     int    // how much of that is known to have no boundary
	skip     bool   // a file, and what stands before and behind the parts: only a boundary counts
	err      error
}

const (
	maxHead  = 8 << 10 // the header of a part, with the name of a file in it
	maxField = 1 << 20
)

// newUploadBody makes one of a request with a multipart body; of any other request it is the body itself.
func newUploadBody(r *http.Request) io.ReadCloser {
	header := r.Header.Get("Content-Type")
	if kind, _, _ := strings.Cut(header, ";"); !strings.EqualFold(strings.TrimSpace(kind), "multipart/form-data") {
		return r.Body
	}
	b := &uploadBody{ReadCloser: r.Body, r: r, skip: true}
	_, params, err := mime.ParseMediaType(header)
	if err != nil || params["boundary"] == "" || strings.ContainsAny(header, `\*`) {
		b.err = unreadable("the boundary of its parts")
	}
	b.boundary = []byte("--" + params["boundary"])
	return b
}

func unreadable(what string) error { return frappems.Invalid("The upload cannot be read: %s", what) }

// Read reads. What names a document of the service is never handed on whole.
func (b *uploadBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	b.held = append(b.held, p[:n]...)
	if b.err = b.look(); b.err != nil {
		return 0, b.err
	}
	return n, err
}

// look goes over what has come. Each boundary ends a part, wherever it stands.
func (b *uploadBody) look() error {
	rest := b.held
	for {
		at := bytes.Index(rest[b.seen:], b.boundary)
		if at < 0 {
			break
		}
		if err := b.check(rest[:b.seen+at], true); err != nil {
			return err
		}
		rest, b.seen, b.skip = rest[b.seen+at+len(b.boundary):], 0, false
	}
	if err := b.check(rest, false); err != nil {
		return err
	}
	if b.seen = max(0, len(rest)-len(b.boundary)); b.skip {
		rest, b.seen = rest[b.seen:], 0
	}
	b.held = b.held[:copy(b.held, rest)]
	return nil
}

// check looks at a part, or at what has come of it.
func (b *uploadBody) check(part []byte, whole bool) error {
	if b.skip = b.skip || bytes.HasPrefix(part, []byte("--")); b.skip { // that is behind the last part
		return nil
	}
	head, value, ok := bytes.Cut(part, []byte("\r\n\r\n"))
	switch {
	case !ok && (whole || len(part) > maxHead):
		return unreadable("the header of a part")
	case !ok:
		return nil
	}
	name, isFile, err := disposition(string(head))
	counts := strings.Contains(name, "doctype") || slices.Contains(named, name)
	switch {
	case err != nil:
		return err
	case isFile && !counts:
		b.skip = true
	case len(value) > maxField:
		return &frappems.Error{Code: frappems.RequestTooLargeError, Message: "A field of the upload is too large"}
	case whole && counts:
		return b.field(name, strings.TrimSuffix(string(value), "\r\n"))
	}
	return nil
}

// named are the fields, beside those with doctype in their names, that can name DocTypes, or a method that does.
var named = []string{"dt", "doc", "docs", "document", "doclist", "data", "cmd"}

// field looks at a field of one of these names.
func (b *uploadBody) field(name, value string) error {
	if name == "cmd" && strings.TrimPrefix(value, "frappe.handler.") != "upload_file" {
		return frappems.Invalid("An upload cannot call a method by cmd: send it to the method's path")
	}
	doctypes, ok := doctypesOf(value, 3)
	if !ok {
		return unreadable("the field " + html.EscapeString(name))
	}
	for _, doctype := range append(doctypes, value) {
		if doctype != "" && frappems.Keeps(b.r.Context(), doctype) {
			return frappems.Invalid("Documents of <strong>%s</strong> are not kept at the Central Site, which keeps the files: "+
				"upload the file without doctype and docname, and set the field of the document to its file_url", html.EscapeString(doctype))
		}
	}
	return nil
}

// doctypesOf are those of a document, or of a list of documents, each of which may be a text. It is not ok if one of these cannot be
// read, which Frappe does less strictly.
func doctypesOf(sent any, depth int) (doctypes []string, ok bool) {
	switch sent := sent.(type) {
	case string:
		text := strings.TrimSpace(sent)
		if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
			return nil, true
		}
		var inner any
		if depth == 0 || json.Unmarshal([]byte(text), &inner) != nil {
			return nil, false
		}
		return doctypesOf(inner, depth-1)
	case []any:
		for _, one := range sent {
			if _, isList := one.([]any); isList {
				continue // no document
			}
			more, ok := doctypesOf(one, depth)
			if !ok {
				return nil, false
			}
			doctypes = append(doctypes, more...)
		}
	case map[string]any:
		for _, key := range []string{"doctype", "dt"} {
			if doctype, ok := sent[key].(string); ok {
				doctypes = append(doctypes, doctype)
			}
		}
	}
	return doctypes, true
}

// disposition reads the header of a part, which has to be written in the way that has one meaning only.
func disposition(head string) (name string, isFile bool, err error) {
	first, rest, _ := strings.Cut(head, "\r\n")
	found := 0
	for line := range strings.SplitSeq(rest, "\r\n") {
		key, field, _ := strings.Cut(line, ":")
		if strings.ContainsAny(line, "\r\n") || strings.TrimLeft(line, " \t") != line {
			return "", false, unreadable("the lines in the header of a part")
		}
		if !strings.EqualFold(strings.TrimSpace(key), "Content-Disposition") {
			continue
		}
		_, params, err := mime.ParseMediaType(field)
		name, isFile = params["name"], params["filename"] != ""
		plain := strings.ReplaceAll(strings.ToLower(field), "filename", "")
		if err != nil || strings.Contains(plain, "name*") || !strings.Contains(field, `name="`+name+`"`) && !strings.Contains(field, "name="+name) {
			return "", false, unreadable("the name of a part")
		}
		found++
	}
	if found != 1 || strings.TrimSpace(first) != "" {
		return "", false, unreadable("the header of a part")
	}
	return name, isFile, nil
}
