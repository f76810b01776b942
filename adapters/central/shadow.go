package central

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// ShadowConfig is how reads are compared, of DocTypes that are about to move: Central answers them still, and everything else about
// these DocTypes is Central's too. Of a read that it answered with 200, the same request goes to Handler, in the background, and
// the fields that differ are logged and counted: their names, never their values. Whatever becomes of it, the client has the
// answer of Central already.
//
// Reads are GET of documents and lists under /api/resource and /api/v2/document, and frappe.client.get, get_list, get_value,
// get_single_value and get_count.
type ShadowConfig struct {
	// Handler answers for comparison: an App beside the one that has the Proxy, which serves the DocTypes. Nil: nothing is compared.
	Handler http.Handler
	// DocTypes are what is compared. Required with a Handler.
	DocTypes []string
	// Ignore are fields that may differ, such as "modified" or "items.idx". Fields of all DocTypes that begin with _user_tags,
	// _comments, _assign, _liked_by and _seen always may.
	Ignore []string
	// Concurrency is how many comparisons run at once; what comes beyond that is not compared. Defaults to 8.
	Concurrency int
	// MaxBytes is how large an answer may be that is compared. Defaults to 1 MiB.
	MaxBytes int
	// Timeout is how long Handler may take. Defaults to 10 seconds.
	Timeout time.Duration
}

// ShadowStats counts comparisons.
type ShadowStats struct {
	// Compared are reads whose answers were compared, Differing those of them whose answers were not the same.
	Compared  int64 `json:"compared"`
	Differing int64 `json:"differing"`
	// Skipped are reads that were not compared, since there were too many at once or the answer was too large.
	Skipped int64 `json:"skipped"`
	// Failed are reads that the Handler did not answer with 200.
	Failed int64 `json:"failed"`
	// Fields says how often a field differed, by "Sales Order.customer"; "(rows)" is that other documents were listed, or in
	// another order. Beyond 1,000 names the rest is counted under "(other)".
	Fields map[string]int64 `json:"fields,omitempty"`
}

// shadow compares.
type shadow struct {
	ShadowConfig
	log   *slog.Logger
	slots chan struct{}
	done  func() // for tests: after each comparison, or none. Nil: nothing

	mu     sync.Mutex
	counts ShadowStats
}

func newShadow(c ShadowConfig, log *slog.Logger) (*shadow, error) {
	switch {
	case c.Handler == nil:
		return nil, nil
	case len(c.DocTypes) == 0:
		return nil, fmt.Errorf("ProxyConfig.Shadow.DocTypes is required with a Handler")
	case c.Concurrency < 0 || c.MaxBytes < 0 || c.Timeout < 0:
		return nil, fmt.Errorf("ProxyConfig.Shadow: Concurrency, MaxBytes or Timeout is negative")
	}
	c.Concurrency, c.MaxBytes, c.Timeout = cmp.Or(c.Concurrency, 8), cmp.Or(c.MaxBytes, 1<<20), cmp.Or(c.Timeout, 10*time.Second)
	return &shadow{ShadowConfig: c, log: log, slots: make(chan struct{}, c.Concurrency), counts: ShadowStats{Fields: map[string]int64{}}}, nil
}

// stats returns the counts; of nil they are zero.
func (s *shadow) stats() ShadowStats {
	if s == nil {
		return ShadowStats{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.counts
	counts.Fields = maps.Clone(counts.Fields)
	return counts
}

// count changes the counts.
func (s *shadow) count(change func(counts *ShadowStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counts)
}

// shadowedMethods are the methods that read documents.
var shadowedMethods = []string{"frappe.client.get", "frappe.client.get_list", "frappe.client.get_value", "frappe.client.get_single_value",
	"frappe.client.get_count"}

// read is a request that is compared.
type read struct {
	doctype string
	request *http.Request // for the Handler
	central captured      // what Central answered
}

// read recognises a request that is to be compared. Of nil there is none. The body can be read again after it.
func (s *shadow) read(r *http.Request) *read {
	if s == nil {
		return nil
	}
	doctype, body := "", []byte(nil)
	path := r.URL.EscapedPath()
	for _, prefix := range []string{"/api/resource/", "/api/v1/resource/", "/api/v2/document/"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok && r.Method == http.MethodGet {
			segment, rest, _ := strings.Cut(rest, "/")
			doctype, _ = url.PathUnescape(segment)
			if strings.Contains(rest, "/method/") || r.URL.Query().Has("run_method") {
				return nil
			}
		}
	}
	for _, prefix := range []string{"/api/method/", "/api/v1/method/", "/api/v2/method/"} {
		name, ok := strings.CutPrefix(strings.TrimSuffix(path, "/"), prefix)
		if ok && slices.Contains(shadowedMethods, name) && (r.Method == http.MethodGet || r.Method == http.MethodPost) {
			doctype, body = s.argument(r)
		}
	}
	at := slices.IndexFunc(s.DocTypes, func(d string) bool {
		return d == doctype || strings.ReplaceAll(strings.ToLower(d), " ", "-") == doctype
	})
	if at < 0 {
		return nil
	}
	clone := r.Clone(context.WithoutCancel(r.Context()))
	clone.Body = io.NopCloser(bytes.NewReader(body))
	return &read{doctype: s.DocTypes[at], request: clone, central: captured{max: s.MaxBytes}}
}

// argument finds the argument doctype of a call, with the body that it may have.
func (s *shadow) argument(r *http.Request) (doctype string, body []byte) {
	doctype = r.URL.Query().Get("doctype")
	if r.Method != http.MethodPost || r.ContentLength > int64(s.MaxBytes) || r.ContentLength < 0 {
		return doctype, nil
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), errorReader{err}))
	var object struct {
		Doctype string `json:"doctype"`
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		form, _ := url.ParseQuery(string(body))
		object.Doctype = form.Get("doctype")
	} else if json.Unmarshal(body, &object) != nil {
		return doctype, body
	}
	return cmp.Or(object.Doctype, doctype), body
}

// errorReader gives an error, or the end.
type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return 0, io.EOF
}

// captured is an answer that is kept, up to a size.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
	max    int
	over   bool
}

// Header gives the header.
func (c *captured) Header() http.Header {
	if c.header == nil {
		c.header = http.Header{}
	}
	return c.header
}

// WriteHeader keeps the first status.
func (c *captured) WriteHeader(status int) { c.status = cmp.Or(c.status, status) }

// Write keeps what there is room for.
func (c *captured) Write(data []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	if c.over = c.over || c.body.Len()+len(data) > c.max; !c.over {
		c.body.Write(data)
	}
	return len(data), nil
}

// compare asks the Handler in the background, once Central has answered.
func (s *shadow) compare(r *read) {
	if r.central.status != http.StatusOK {
		return
	}
	select {
	case s.slots <- struct{}{}:
	default:
		r.central.over = true
	}
	if r.central.over {
		s.count(func(c *ShadowStats) { c.Skipped++ })
		s.finished()
		return
	}
	go func() {
		defer func() {
			if problem := recover(); problem != nil {
				s.fail(r, "panic", fmt.Sprint(problem))
			}
			<-s.slots
			s.finished()
		}()
		ctx, cancel := context.WithTimeout(r.request.Context(), s.Timeout)
		defer cancel()
		own := captured{max: s.MaxBytes}
		s.Handler.ServeHTTP(&own, r.request.WithContext(ctx))
		if own.status != http.StatusOK || own.over {
			s.fail(r, "status", own.status)
			return
		}
		fields, err := s.differences(r.central.body.Bytes(), own.body.Bytes())
		if err != nil {
			s.fail(r, "error", err.Error())
			return
		}
		s.report(r, fields)
	}()
}

func (s *shadow) finished() {
	if s.done != nil {
		s.done()
	}
}

func (s *shadow) fail(r *read, args ...any) {
	s.count(func(c *ShadowStats) { c.Failed++ })
	s.log.Warn("shadow: no answer to compare", append(args, "doctype", r.doctype, "request_id", r.request.Header.Get("X-Request-Id"))...)
}

// report counts and logs what differs.
func (s *shadow) report(r *read, fields []string) {
	const maxFields = 1000
	s.count(func(c *ShadowStats) {
		c.Compared++
		if len(fields) > 0 {
			c.Differing++
		}
		for _, field := range fields {
			key := r.doctype + "." + field
			if _, known := c.Fields[key]; !known && len(c.Fields) >= maxFields {
				key = "(other)"
			}
			c.Fields[key]++
		}
	})
	if len(fields) > 0 {
		s.log.Warn("shadow: the answers differ", "doctype", r.doctype, "fields", fields, "request_id", r.request.Header.Get("X-Request-Id"))
	}
}

// ofCentral are fields that only a site with a desk keeps.
var ofCentral = []string{"_user_tags", "_comments", "_assign", "_liked_by", "_seen"}

// differences names the fields in which two answers differ.
func (s *shadow) differences(central, own []byte) ([]string, error) {
	var answers [2]any
	for i, body := range [][]byte{central, own} {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		var envelope map[string]any
		if err := decoder.Decode(&envelope); err != nil {
			return nil, fmt.Errorf("an answer is not JSON")
		}
		answers[i] = envelope["data"]
		if answers[i] == nil {
			answers[i] = envelope["message"]
		}
	}
	found := map[string]bool{}
	differ("", answers[0], answers[1], found)
	for field := range found {
		first, _, _ := strings.Cut(field, ".")
		if slices.Contains(s.Ignore, field) || slices.Contains(ofCentral, first) {
			delete(found, field)
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// differ notes the paths at which two values differ. Rows of lists stand at the same path. What is null is as what is absent.
func differ(path string, a, b any, found map[string]bool) {
	switch a := a.(type) {
	case map[string]any:
		other, ok := b.(map[string]any)
		if !ok {
			break
		}
		for _, o := range []map[string]any{a, other} {
			for key := range o {
				differ(strings.TrimPrefix(path+"."+key, "."), a[key], other[key], found)
			}
		}
		return
	case []any:
		other, ok := b.([]any)
		if !ok {
			break
		}
		if !slices.EqualFunc(a, other, func(x, y any) bool { return rowName(x) == rowName(y) }) {
			found[strings.TrimPrefix(path+".(rows)", ".")] = true
			return
		}
		for i := range a {
			differ(path, a[i], other[i], found)
		}
		return
	case json.Number:
		if other, ok := b.(json.Number); ok {
			x, _ := a.Float64()
			y, _ := other.Float64()
			if x == y {
				return
			}
		}
	}
	if a != b {
		found[cmp.Or(path, "(value)")] = true
	}
}

// rowName is that of a row of a list, if it has one.
func rowName(row any) any {
	if object, ok := row.(map[string]any); ok {
		if name, ok := object["name"].(string); ok {
			return name
		}
	}
	return nil
}
