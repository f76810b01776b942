package frappems

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// CentralConfig says where the Central Site is, the Frappe site that has what has not moved, and as whom the service asks it.
type CentralConfig struct {
	// URL of the site, such as "https://erp.example.com". Requests go there and nowhere else. Empty: there is no Central Site.
	URL string
	// Site is its name, where that is not the host in URL, as in "http://10.0.0.5:8000". Empty: the host.
	Site string
	// APIKey and APISecret are those of the service's own user there.
	APIKey, APISecret string
	// User and Password sign that user in where there is no API key; the session is kept, and renewed when it has ended. All
	// empty: only [Central.AsCaller] can be used.
	User, Password string
	// Timeout limits a call with all of its tries; ctx may end it sooner. Uploads are limited by ctx alone. Defaults to 10 seconds.
	Timeout time.Duration
	// Transport sends the requests. Nil: one that keeps up to 64 connections.
	Transport http.RoundTripper
	// LinkFilter narrows what [CheckRemoteLinks] finds for a tenant, by conditions such as {"company", "=", "Acme"}. Nil, and no
	// conditions: every tenant may link to, and fetch from, all documents that the service's user may read.
	LinkFilter func(tenant, doctype string) [][]any
	// Logger is told when the site stops answering and when it answers again. Nil: that of the App, or slog.Default().
	Logger *slog.Logger
}

// Central is a client of the Central Site. Nothing is sent before its first call. It may be used concurrently.
//
// Documents are structs with JSON tags or maps. What a method reads goes into the value that its last argument points to, as with
// [json.Unmarshal]. What one writes may be a pointer, which then gets the document as Central has it afterwards.
//
// What Central refuses is an [*Error] with Frappe's code and message. A Central that cannot be reached, takes too long or does not
// answer as Frappe does is an UnavailableError, and so is everything for two seconds after five such calls in a row. A key or
// password of the service that is refused is an InternalError, since it is not the client's; errors.Is finds the
// AuthenticationError in it. Calls that change nothing are repeated up to two times where Central did not answer, others only where
// they cannot have reached it. In a request the request id and the trace go along.
//
// A write while a transaction is open is [ErrCentralInTx], since a rollback would not undo it. That is known by ctx: in a request,
// of every transaction that was begun with its ctx, those of methods, of typed handlers, of [DB.Tx] and of [App.AsTenant]; outside
// of one, in hooks and controllers, which are given a ctx that knows; not in a function that is given to Tx there. See
// [DB.AfterCommit] and [Central.AllowInTx].
type Central struct {
	*centralSite
	asCaller bool
	allowTx  bool
}

// ErrCentralInTx is what a write to Central gives while a transaction is open.
var ErrCentralInTx = errors.New("frappems: a write to Central in a transaction, which a rollback does not undo: " +
	"do it in DB.AfterCommit, or say Central.AllowInTx()")

// NewCentral makes a client for use without an App. The error names the field of the config.
func NewCentral(config CentralConfig) (*Central, error) {
	s, err := newCentralSite(config)
	if err != nil {
		return nil, err
	}
	return &Central{centralSite: s}, nil
}

// Central is the client of Config.Central. Without one its calls return an error that says so.
func (a *App) Central() *Central { return a.central }

// AsCaller is the same client in the name of who calls: each call sends the Authorization header or the sid of the request that its
// ctx belongs to, in place of the service's credential. Outside a request it gives an error, and a PermissionError to who has not
// signed in. It is for services whose users sign in at Central.
func (c *Central) AsCaller() *Central {
	v := *c
	v.asCaller = true
	return &v
}

// AllowInTx is the same client with writes that may be made while a transaction is open. A rollback does not undo them, a transaction
// that is repeated repeats them, and others wait meanwhile for what the transaction has locked.
func (c *Central) AllowInTx() *Central {
	v := *c
	v.allowTx = true
	return &v
}

// GetDoc reads a document; a Single has its DocType for name. Errors: DoesNotExistError, PermissionError.
func (c *Central) GetDoc(ctx context.Context, doctype, name string, doc any) error {
	return c.call(ctx, &centralRequest{verb: http.MethodGet, path: []string{"resource", doctype, name}, key: "data", into: doc, safe: true})
}

// GetList reads documents into a slice. Limit zero is all; see central.All in adapters/central for lists that are long.
func (c *Central) GetList(ctx context.Context, doctype string, o ListOptions, docs any) error {
	args := map[string]any{"limit_start": o.Start, "limit_page_length": o.Limit}
	if len(o.Fields) > 0 {
		args["fields"] = o.Fields
	}
	if o.Filters != nil {
		args["filters"] = o.Filters
	}
	if o.OrderBy != "" {
		args["order_by"] = o.OrderBy
	}
	q := &centralRequest{verb: http.MethodGet, path: []string{"resource", doctype}, args: args, key: "data", into: docs, safe: true}
	if text, err := json.Marshal(o.Filters); err == nil && len(text) > maxCentralQuery { // too long for a URL
		args["doctype"] = doctype
		q.verb, q.path, q.key = http.MethodPost, []string{"method", "frappe.client.get_list"}, "message"
	}
	return c.call(ctx, q)
}

// GetValue reads one field of a document that is no Single. Errors: DoesNotExistError, PermissionError.
func (c *Central) GetValue(ctx context.Context, doctype, name, field string, value any) error {
	args := map[string]any{"doctype": doctype, "fieldname": field, "filters": map[string]any{"name": name}}
	var row map[string]json.RawMessage
	if err := c.CallSafe(ctx, "frappe.client.get_value", args, &row); err != nil {
		return err
	}
	if row[field] == nil {
		return Errorf(DoesNotExistError, "%s %s not found", escapeHTML(doctype), escapeHTML(name))
	}
	return decodeCentral(row[field], value)
}

// Insert makes a document.
func (c *Central) Insert(ctx context.Context, doctype string, doc any) error {
	return c.write(ctx, http.MethodPost, doc, doctype)
}

// Update changes the fields of a document that changes has; the other ones stay as they are. Rows of a table are replaced by those in
// changes.
func (c *Central) Update(ctx context.Context, doctype, name string, changes any) error {
	return c.write(ctx, http.MethodPut, changes, doctype, name)
}

// UpdateDoc is Update with a document that has its doctype and name in its JSON. One that was read and has its field modified is not
// written over what others wrote since: that is a TimestampMismatchError.
func (c *Central) UpdateDoc(ctx context.Context, doc any) error {
	var key struct {
		Doctype string `json:"doctype"`
		Name    any    `json:"name"`
	}
	text, err := json.Marshal(doc)
	if err == nil {
		err = json.Unmarshal(text, &key)
	}
	if err != nil || key.Doctype == "" || key.Name == nil {
		return errors.Join(errors.New("frappems: Central.UpdateDoc needs a document with doctype and name"), err)
	}
	return c.Update(ctx, key.Doctype, fmt.Sprint(key.Name), doc)
}

// write sends a document.
func (c *Central) write(ctx context.Context, verb string, doc any, path ...string) error {
	q := &centralRequest{verb: verb, path: append([]string{"resource"}, path...), args: doc, key: "data"}
	if v := reflect.ValueOf(doc); v.Kind() == reflect.Pointer && !v.IsNil() {
		q.into = doc
	}
	return c.call(ctx, q)
}

// SetValue changes fields of a document or of a row of a child table.
func (c *Central) SetValue(ctx context.Context, doctype, name string, fields map[string]any) error {
	return c.Call(ctx, "frappe.client.set_value", map[string]any{"doctype": doctype, "name": name, "fieldname": fields}, nil)
}

// Submit submits a draft.
func (c *Central) Submit(ctx context.Context, doctype, name string) error {
	return c.Update(ctx, doctype, name, map[string]any{"docstatus": 1})
}

// Cancel cancels a submitted document.
func (c *Central) Cancel(ctx context.Context, doctype, name string) error {
	return c.Call(ctx, "frappe.client.cancel", map[string]any{"doctype": doctype, "name": name}, nil)
}

// Delete deletes a document.
func (c *Central) Delete(ctx context.Context, doctype, name string) error {
	return c.call(ctx, &centralRequest{verb: http.MethodDelete, path: []string{"resource", doctype, name}})
}

// Call calls a method by POST. Args are a struct, a map or nil; answer gets what the method returns, unless it is nil.
func (c *Central) Call(ctx context.Context, method string, args, answer any) error {
	return c.call(ctx, &centralRequest{verb: http.MethodPost, path: []string{"method", method}, args: args, key: "message", into: answer})
}

// CallSafe is Call by GET, of a method that changes nothing: it may be repeated, and called in a transaction.
func (c *Central) CallSafe(ctx context.Context, method string, args, answer any) error {
	return c.call(ctx, &centralRequest{verb: http.MethodGet, path: []string{"method", method}, args: args, key: "message", into: answer, safe: true})
}

// CentralFile is a file at Central, with the fields of Frappe's DocType File.
type CentralFile struct {
	Name              string `json:"name"`      // set by Upload
	FileName          string `json:"file_name"` // required
	FileURL           string `json:"file_url"`  // set by Upload
	IsPrivate         flag   `json:"is_private"`
	Folder            string `json:"folder"`              // "" is Home/Attachments
	AttachedToDoctype string `json:"attached_to_doctype"` // "" is no document
	AttachedToName    string `json:"attached_to_name"`
	AttachedToField   string `json:"attached_to_field"`
}

// Upload sends a file, and fills in what Central made of it. The content is read as it is sent: it is not held in memory, and the
// upload is not repeated.
func (c *Central) Upload(ctx context.Context, file *CentralFile, content io.Reader) error {
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	for _, field := range [][2]string{{"is_private", strconv.Itoa(boolInt(bool(file.IsPrivate)))}, {"folder", file.Folder},
		{"doctype", file.AttachedToDoctype}, {"docname", file.AttachedToName}, {"fieldname", file.AttachedToField}} {
		if field[1] != "" {
			form.WriteField(field[0], field[1]) // a buffer takes it
		}
	}
	form.CreateFormFile("file", file.FileName)
	before := head.Len()
	form.Close()
	tail := bytes.Clone(head.Bytes()[before:])
	head.Truncate(before)
	q := &centralRequest{verb: http.MethodPost, path: []string{"method", "upload_file"}, key: "message", into: file,
		contentType: form.FormDataContentType()}
	q.upload = &requestBody{ReadCloser: io.NopCloser(io.MultiReader(&head, content, bytes.NewReader(tail)))}
	if sized, ok := content.(interface{ Len() int }); ok {
		q.size = int64(before + sized.Len() + len(tail))
	}
	return c.call(ctx, q)
}

// centralRequest is one call.
type centralRequest struct {
	verb string
	path []string // below /api, as plain text
	args any      // go into the query of a GET, and the JSON body of others
	key  string   // what the answer stands under; "" is none
	into any      // a pointer, or nil
	safe bool     // changes nothing

	upload      *requestBody // in place of args
	contentType string
	size        int64 // of the upload; 0: not known

	target string // path and query, escaped
	body   []byte
	sid    string // the session that the answer began
}

// Answers of Central are read up to these limits; a query that is longer goes into a body.
const (
	maxCentralAnswer  = 64 << 20
	maxCentralProblem = 1 << 20
	maxCentralQuery   = 2000
)

// prepare makes path, query and body of a call.
func (q *centralRequest) prepare() error {
	q.target = "/api"
	for _, part := range q.path {
		dots := func(s string) bool { return s == "." || s == ".." } // a proxy in between may take them for another path
		if part == "" || !utf8.ValidString(part) || strings.ContainsRune(part, 0) || slices.ContainsFunc(strings.Split(part, "/"), dots) {
			return Errorf(ValidationError, "%.140q cannot be asked for at the Central Site", escapeHTML(part))
		}
		q.target += "/" + url.PathEscape(part)
	}
	if q.args == nil || q.upload != nil {
		return nil
	}
	var err error
	if q.body, err = json.Marshal(q.args); err != nil {
		return fmt.Errorf("frappems: for Central: %w", err)
	}
	var args map[string]json.RawMessage
	if err = json.Unmarshal(q.body, &args); err != nil {
		return fmt.Errorf("frappems: for Central: %T is no JSON object", q.args)
	}
	return q.encode(args)
}

// encode puts arguments where Frappe looks for them.
func (q *centralRequest) encode(args map[string]json.RawMessage) error {
	// In whatever it is called with Frappe looks for a method to call in its place, and for a session.
	taken := args["cmd"] != nil || args["sid"] != nil
	q.contentType = "application/json"
	switch form := (url.Values{}); {
	case q.path[0] == "resource" && q.verb != http.MethodGet && (taken || args["data"] != nil):
		form.Set("data", string(q.body))
		q.contentType, q.body = "application/x-www-form-urlencoded", []byte(form.Encode())
	case taken:
		return Errorf(ValidationError, "A method of the Central Site takes no arguments named cmd or sid")
	case q.verb == http.MethodGet:
		for name, raw := range args {
			form.Set(name, string(raw))
			if raw[0] == '"' {
				form.Set(name, argumentText(raw))
			}
		}
		q.target, q.body, q.contentType = q.target+"?"+form.Encode(), nil, ""
	}
	return nil
}
