package frappems_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/frappems/frappems"
)

// site is a Central Site for tests: a shop, with sessions, that keeps the requests it got and can be made to fail.
type site struct {
	*httptest.Server
	shop *shop

	mu       sync.Mutex
	got      []*http.Request
	sessions map[string]string // user by sid
	logins   int
	fault    http.HandlerFunc // answers in place of the shop, unless it leaves that to it by answering nothing
}

const sitePassword = "Orange-77-Kite"

func newSite(t testing.TB, doctypes string, resources ...string) *site {
	t.Helper()
	s := &site{shop: newService(t, doctypes, resources), sessions: map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP serves the shop to tokens and to sessions, for which it signs in.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // the server notices only then that a client hangs up
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.got = append(s.got, r.Clone(context.Background()))
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		answer := &silent{ResponseWriter: w}
		if fault(answer, r); answer.spoke {
			return
		}
	}
	if r.URL.Path == "/api/method/login" {
		s.login(w, r)
		return
	}
	if cookie, err := r.Cookie("sid"); err == nil {
		s.mu.Lock()
		user := s.sessions[cookie.Value]
		s.mu.Unlock()
		if user != "" {
			r.Header.Set("Authorization", "token "+user+":s")
		}
	}
	s.shop.app.ServeHTTP(w, r)
}

func (s *site) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ Usr, Pwd string }
	json.NewDecoder(r.Body).Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins++
	if in.Pwd != sitePassword {
		w.WriteHeader(401)
		io.WriteString(w, `{"message": "Invalid login credentials", "exception": "frappe.exceptions.AuthenticationError", "exc_type": "AuthenticationError"}`)
		return
	}
	sid := fmt.Sprintf("session-%d", s.logins)
	s.sessions[sid] = in.Usr
	http.SetCookie(w, &http.Cookie{Name: "sid", Value: sid})
	io.WriteString(w, `{"message": "Logged In", "home_page": "/app", "full_name": "Mona"}`)
}

// silent notes whether something was answered.
type silent struct {
	http.ResponseWriter
	spoke bool
}

func (w *silent) WriteHeader(status int) {
	w.spoke = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *silent) Write(p []byte) (int, error) {
	w.spoke = true
	return w.ResponseWriter.Write(p)
}

func (w *silent) Unwrap() http.ResponseWriter {
	w.spoke = true
	return w.ResponseWriter
}

// fail has a function answer from now on; nil is the shop again.
func (s *site) fail(fault http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// requests gives what was asked since the last time.
func (s *site) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

func (s *site) config() frappems.CentralConfig {
	return frappems.CentralConfig{URL: s.URL, APIKey: "manager@acme", APISecret: "s", Logger: (&logged{}).logger()}
}

func newCentral(t testing.TB, config frappems.CentralConfig) *frappems.Central {
	t.Helper()
	c, err := frappems.NewCentral(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// roundTrip is a Transport made of a function.
type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answerOf makes the answer of a site.
func answerOf(status int, body string, header ...string) *http.Response {
	res := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		res.Header.Add(header[i], header[i+1])
	}
	return res
}

// wantCode fails unless err is of a code.
func wantCode(t testing.TB, err error, code frappems.Code) *frappems.Error {
	t.Helper()
	var e *frappems.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return e
}

const paperDocType = `[{"name": "Paper", "autoname": "prompt", "is_submittable": 1, "fields": [
	{"fieldname": "title", "fieldtype": "Data"}, {"fieldname": "cmd", "fieldtype": "Data"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1, "submit": 1, "cancel": 1}]}]`

func TestCentralDocuments(t *testing.T) {
	s := newSite(t, frappems.ShopDocTypes, frappems.ShopResources...)
	c, ctx := newCentral(t, s.config()), t.Context()
	type item struct {
		Name     string  `json:"name,omitempty"`
		Label    string  `json:"label"`
		Price    float64 `json:"price"`
		NewName  string  `json:"__newname,omitempty"`
		Modified string  `json:"modified,omitempty"`
	}
	for _, name := range []string{"Bolt", "a/b", "50% off?", "Schraube #1", "螺丝 🔩", "with+plus", "a//b", "x/..y"} {
		one := item{NewName: name, Label: "first", Price: 1.5}
		if err := c.Insert(ctx, "Item", &one); err != nil || one.Name != name || one.Modified == "" {
			t.Fatalf("inserting %q: got %+v, %v", name, one, err)
		}
		if err := c.Update(ctx, "Item", name, map[string]any{"price": 2.25}); err != nil {
			t.Fatalf("updating %q: %v", name, err)
		}
		if err := c.SetValue(ctx, "Item", name, map[string]any{"label": "second"}); err != nil {
			t.Fatalf("setting a value of %q: %v", name, err)
		}
		var got item
		if err := c.GetDoc(ctx, "Item", name, &got); err != nil || got.Price != 2.25 || got.Label != "second" {
			t.Fatalf("reading %q: got %+v, %v", name, got, err)
		}
		wantCode(t, c.UpdateDoc(ctx, map[string]any{"doctype": "Item", "name": name, "modified": one.Modified, "label": "third"}), frappems.TimestampMismatchError)
		doc := map[string]any{}
		if err := c.GetDoc(ctx, "Item", name, &doc); err != nil {
			t.Fatal(err)
		}
		doc["label"] = "third"
		if err := c.UpdateDoc(ctx, &doc); err != nil || doc["label"] != "third" {
			t.Fatalf("updating the document %q: got %v, %v", name, doc, err)
		}
		var label string
		if err := c.GetValue(ctx, "Item", name, "label", &label); err != nil || label != "third" {
			t.Fatalf("a value of %q: got %q, %v", name, label, err)
		}
	}
	var list []item
	o := frappems.ListOptions{Fields: []string{"name", "price"}, Filters: map[string]any{"price": []any{">", 2}}, OrderBy: "name desc", Start: 1, Limit: 2}
	if err := c.GetList(ctx, "Item", o, &list); err != nil || len(list) != 2 || list[0].Name != "x/..y" {
		t.Fatalf("got %+v, %v", list, err)
	}
	names := make([]string, 500)
	for i := range names {
		names[i] = fmt.Sprintf("there is none of the name %d", i)
	}
	list = nil
	o = frappems.ListOptions{Fields: []string{"name"}, Filters: [][]any{{"name", "in", append(names, "a/b", "Bolt")}}, OrderBy: "name"}
	if err := c.GetList(ctx, "Item", o, &list); err != nil || len(list) != 2 || list[0].Name != "a/b" {
		t.Fatalf("with filters that are too long for a URL: got %+v, %v", list, err)
	}
	if err := c.Delete(ctx, "Item", "a/b"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c.Delete(ctx, "Item", "a/b"), frappems.DoesNotExistError)
	wantCode(t, c.GetDoc(ctx, "Item", "a/b", &o), frappems.DoesNotExistError)
	wantCode(t, c.GetValue(ctx, "Item", "a/b", "label", new(string)), frappems.DoesNotExistError)
	e := wantCode(t, c.Insert(ctx, "Ticket", map[string]any{"customer": nil}), frappems.MandatoryError)
	if want := "Error: Value missing for Ticket: subject"; e.Message != want || len(e.Messages) != 1 || e.Messages[0].Message != want {
		t.Errorf("got the messages %q and %+v, want %q", e.Message, e.Messages, want)
	}
	var settings struct{ Shop string }
	if err := c.GetDoc(ctx, "Settings", "Settings", &settings); err != nil || settings.Shop != "My Shop" {
		t.Errorf("a Single: got %+v, %v", settings, err)
	}
	var who string
	if err := c.CallSafe(ctx, "frappe.auth.get_logged_user", nil, &who); err != nil || who != "manager@acme" {
		t.Errorf("got %q, %v", who, err)
	}
	if err := c.Call(ctx, "frappe.client.get_count", map[string]any{"doctype": "Item"}, new(struct{})); err == nil || errors.Is(err, frappems.UnavailableError) {
		t.Errorf("an answer of another type: got %v, want an error that says so", err)
	}
}

// TestCentralSubmit also has documents with fields that Frappe looks for a method to call in.
func TestCentralSubmit(t *testing.T) {
	s := newSite(t, paperDocType, "Paper")
	c, ctx := newCentral(t, s.config()), t.Context()
	doc := map[string]any{"__newname": "P1", "title": "one", "cmd": "ping"}
	if err := c.Insert(ctx, "Paper", doc); err != nil {
		t.Fatal(err)
	}
	if err := c.Submit(ctx, "Paper", "P1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Cancel(ctx, "Paper", "P1"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Docstatus  int
		Title, Cmd string
	}
	if err := c.GetDoc(ctx, "Paper", "P1", &got); err != nil || got.Docstatus != 2 || got.Title != "one" || got.Cmd != "ping" {
		t.Errorf("got %+v, %v", got, err)
	}
	s.requests()
	s.fail(func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.FormValue("data"), `{"data":"{\"title\": \"no\"}"}`; got != want {
			t.Errorf("a field named data: got the form's %s, want %s", got, want)
		}
	})
	if err := c.Insert(ctx, "Paper", map[string]any{"data": `{"title": "no"}`}); err == nil {
		t.Error("got no error for a document without a name")
	}
	s.fail(nil)
	s.requests()
	for _, args := range []map[string]any{{"cmd": "frappe.client.delete"}, {"sid": "somebody's"}} {
		wantCode(t, c.Call(ctx, "ping", args, nil), frappems.ValidationError)
		wantCode(t, c.CallSafe(ctx, "ping", args, nil), frappems.ValidationError)
	}
	if got := s.requests(); len(got) != 0 {
		t.Errorf("%d requests were sent with arguments that Frappe takes for something else", len(got))
	}
}

func TestCentralNames(t *testing.T) {
	s := newSite(t, frappems.ShopDocTypes, frappems.ShopResources...)
	c, ctx := newCentral(t, s.config()), t.Context()
	for _, name := range []string{"", ".", "..", "a/../b", "../Customer", "a/.", "nul\x00", "\xff"} {
		for what, err := range map[string]error{
			"GetDoc": c.GetDoc(ctx, "Item", name, new(any)), "Update": c.Update(ctx, "Item", name, struct{}{}), "Delete": c.Delete(ctx, "Item", name),
			"a DocType": c.GetList(ctx, name, frappems.ListOptions{}, new(any)), "Call": c.Call(ctx, name, nil, nil),
		} {
			if !errors.Is(err, frappems.ValidationError) {
				t.Errorf("%s of %q: got %v, want ValidationError", what, name, err)
			}
		}
	}
	for _, doc := range []any{map[string]any{"name": "x"}, map[string]any{"doctype": "Item"}, []string{"x"}, nil} {
		if err := c.UpdateDoc(ctx, doc); err == nil {
			t.Errorf("UpdateDoc of %v: got no error", doc)
		}
	}
	if err := c.Insert(ctx, "Item", []string{"x"}); err == nil {
		t.Error("Insert of a list: got no error")
	}
	if got := s.requests(); len(got) != 0 {
		t.Errorf("got %d requests, want none", len(got))
	}
}

func TestCentralConfig(t *testing.T) {
	const at = "http://127.0.0.1:1"
	for _, test := range []struct {
		name string
		in   frappems.CentralConfig
		want string // in the error
	}{
		{"nothing", frappems.CentralConfig{}, "URL"},
		{"no scheme", frappems.CentralConfig{URL: "erp.example.com"}, "URL"},
		{"another scheme", frappems.CentralConfig{URL: "ftp://erp.example.com"}, "URL"},
		{"no host", frappems.CentralConfig{URL: "https://"}, "URL"},
		{"a password in the URL", frappems.CentralConfig{URL: "https://me:sesame@erp.example.com"}, "URL"},
		{"a query", frappems.CentralConfig{URL: at + "?x=1"}, "URL"},
		{"a key alone", frappems.CentralConfig{URL: at, APIKey: "k"}, "APISecret"},
		{"a secret with a line", frappems.CentralConfig{URL: at, APIKey: "k", APISecret: "s\r\nX-Evil: 1"}, "APISecret"},
		{"a user alone", frappems.CentralConfig{URL: at, User: "u"}, "Password"},
		{"both", frappems.CentralConfig{URL: at, User: "u", Password: "p", APIKey: "k", APISecret: "s"}, "User"},
		{"negative", frappems.CentralConfig{URL: at, Timeout: -1}, "Timeout"},
	} {
		_, err := frappems.NewCentral(test.in)
		if err == nil || !strings.Contains(err.Error(), "Central."+test.want) && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error that names %s", test.name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: the error has the password: %v", test.name, err)
		}
	}
	none := newShop(t)
	if err := none.app.Central().GetDoc(t.Context(), "Item", "x", new(any)); err == nil || !strings.Contains(err.Error(), "Config.Central.URL") {
		t.Errorf("got %v, want an error that names Config.Central.URL", err)
	}
	config := frappems.Config{Store: frappems.NewMemoryStore(), RemoteLinks: frappems.CheckRemoteLinks}
	if _, err := frappems.New(config); err == nil || !strings.Contains(err.Error(), "Config.Central.URL") {
		t.Errorf("CheckRemoteLinks without a Central Site: got %v", err)
	}
	config.Central.URL = at
	if _, err := frappems.New(config); err == nil || !strings.Contains(err.Error(), "APIKey or a User") {
		t.Errorf("CheckRemoteLinks without a user: got %v", err)
	}
	config.Central.URL, config.Central.User, config.Central.Password = "nonsense", "service@example.com", "sesame"
	if _, err := frappems.New(config); err == nil || !strings.Contains(err.Error(), "Config.Central.URL") {
		t.Errorf("got %v", err)
	}
	c := newCentral(t, frappems.CentralConfig{URL: at})
	if err := c.GetDoc(t.Context(), "Item", "x", new(any)); err == nil || !strings.Contains(err.Error(), "AsCaller") {
		t.Errorf("without a credential: got %v", err)
	}
}

// TestCentralErrors: what Central answers as a table, with what becomes of it.
func TestCentralErrors(t *testing.T) {
	messages := func(text string) string {
		inner, _ := json.Marshal(map[string]any{"message": text, "title": "Wait", "indicator": "orange", "raise_exception": true})
		list, _ := json.Marshal([]string{string(inner)})
		quoted, _ := json.Marshal(string(list))
		return `"_server_messages": ` + string(quoted)
	}
	for _, test := range []struct {
		name   string
		status int
		body   string
		code   frappems.Code
		want   string // the message; "" is that of an outage
	}{
		{"not found", 404, `{"exc_type": "DoesNotExistError", ` + messages("Item x not found") + `}`, frappems.DoesNotExistError, "Item x not found"},
		{"forbidden", 403, `{"exc_type": "PermissionError", "exception": "frappe.exceptions.PermissionError: no", ` + messages("Not for you") + `}`, frappems.PermissionError, "Not for you"},
		{"no messages", 417, `{"exc_type": "ValidationError", "exception": "frappe.exceptions.ValidationError: Too much: 7"}`, frappems.ValidationError, "Too much: 7"},
		{"an exception of an app's", 417, `{"exc_type": "OverAllowanceError", "exception": "erpnext.x.OverAllowanceError: Too many"}`, "OverAllowanceError", "Too many"},
		{"duplicate", 409, `{"exc_type": "DuplicateEntryError", "exception": "('Item', 'x')"}`, frappems.DuplicateEntryError, ""},
		{"name", 409, `{"exc_type": "NameError", "exception": "a.b: taken"}`, frappems.NameError, "taken"},
		{"a name that is no status", 403, `{"exc_type": "InvalidAuthorizationPrefix", "exception": "x: y"}`, frappems.PermissionError, "y"},
		{"gone", 404, `{"exc_type": "PageDoesNotExistError", "exception": "x: y"}`, frappems.DoesNotExistError, "y"},
		{"CSRF", 400, `{"exc_type": "CSRFTokenError", ` + messages("Invalid Request") + `}`, frappems.ValidationError, "Invalid Request"},
		{"too large", 413, `{"exc_type": "X", ` + messages("Big") + `}`, frappems.RequestTooLargeError, "Big"},
		{"odd fields", 417, `{"exc_type": "ValidationError", "exception": 7, "_server_messages": ["x"], "message": {"a": 1}}`, frappems.ValidationError, ""},
		{"plain text in the messages", 417, `{"exc_type": "ValidationError", "_server_messages": "[\"plain\"]"}`, frappems.ValidationError, "plain"},
		{"the login's", 401, `{"exc_type": "AuthenticationError", "message": "Invalid login credentials"}`, frappems.InternalError, "The Central Site refuses the service's credential"},
		{"a bug there", 500, `{"exc_type": "KeyError", "exception": "KeyError: sesame"}`, frappems.UnavailableError, ""},
		{"maintenance", 503, `{"exc_type": "SessionStopped", "exception": "x: sesame"}`, frappems.UnavailableError, ""},
		{"a page", 500, "<html>sesame</html>", frappems.UnavailableError, ""},
		{"a page for no site", 404, "<html>sesame does not exist</html>", frappems.UnavailableError, ""},
		{"a page that forbids", 403, "<html>sesame</html>", frappems.UnavailableError, ""},
		{"a gateway", 502, "sesame", frappems.UnavailableError, ""},
		{"a redirect", 302, `{"exc_type": "ValidationError"}`, frappems.UnavailableError, ""},
		{"no error of Frappe's", 404, `{"error": "sesame"}`, frappems.UnavailableError, ""},
		{"a login page", 200, "<html>sesame</html>", frappems.UnavailableError, ""},
		{"another object", 200, `{"sesame": 1}`, frappems.UnavailableError, ""},
		{"a list", 200, `["sesame"]`, frappems.UnavailableError, ""},
		{"half a document", 200, `{"data": {"name": "sesame"`, frappems.UnavailableError, ""},
		{"nothing", 200, "", frappems.UnavailableError, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCentral(t, frappems.CentralConfig{URL: "http://central.invalid", APIKey: "k", APISecret: "s", Logger: (&logged{}).logger(),
					Transport: roundTrip(func(*http.Request) (*http.Response, error) { return answerOf(test.status, test.body), nil })})
				doc := map[string]any{}
				e := wantCode(t, c.GetDoc(t.Context(), "Item", "x", &doc), test.code)
				if test.code == frappems.UnavailableError {
					test.want = "The Central Site cannot be reached at the moment, please try again"
				}
				if shown := fmt.Sprint(e.Message, e.Messages); strings.Contains(shown, "sesame") || e.Message != test.want {
					t.Errorf("got the message %q, shown %s, want %q", e.Message, shown, test.want)
				}
				if len(doc) != 0 {
					t.Errorf("got the document %v with the error", doc)
				}
			})
		})
	}
}

// TestCentralTries: who is sent again, when, and who is not.
func TestCentralTries(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	cut := &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	read := func(c *frappems.Central, ctx context.Context) error { return c.GetDoc(ctx, "Item", "x", new(any)) }
	write := func(c *frappems.Central, ctx context.Context) error { return c.Update(ctx, "Item", "x", struct{}{}) }
	good := func() (*http.Response, error) { return answerOf(200, `{"data": {}}`), nil }
	later := func(status int, after string) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			return answerOf(status, `{"exc_type": "RateLimitExceededError"}`, "Retry-After", after), nil
		}
	}
	bad := func(err error) func() (*http.Response, error) {
		return func() (*http.Response, error) { return nil, err }
	}
	for _, test := range []struct {
		name    string
		call    func(c *frappems.Central, ctx context.Context) error
		answers []func() (*http.Response, error)
		want    int // requests
		fails   bool
		least   time.Duration
		most    time.Duration
	}{
		{"a read, refused twice", read, []func() (*http.Response, error){bad(refused), bad(refused), good}, 3, false, 0, time.Second},
		{"a write, refused twice", write, []func() (*http.Response, error){bad(refused), bad(refused), good}, 3, false, 0, time.Second},
		{"a read, cut off", read, []func() (*http.Response, error){bad(cut), good}, 2, false, 0, time.Second},
		{"a write, cut off", write, []func() (*http.Response, error){bad(cut), good}, 1, true, 0, 0},
		{"a write at a gateway", write, []func() (*http.Response, error){later(502, ""), good}, 1, true, 0, 0},
		{"three times", read, []func() (*http.Response, error){bad(cut), bad(cut), bad(cut), good}, 3, true, 0, time.Second},
		{"later", read, []func() (*http.Response, error){later(429, "3"), good}, 2, false, 3 * time.Second, 4 * time.Second},
		{"later, a write", write, []func() (*http.Response, error){later(429, "3"), good}, 1, true, 0, 0},
		{"much later", read, []func() (*http.Response, error){later(503, "11"), good}, 1, true, 0, 0},
		{"a page, then the document", read, []func() (*http.Response, error){func() (*http.Response, error) { return answerOf(504, "<html>"), nil }, good}, 2, false, 0, time.Second},
		{"a bug there", read, []func() (*http.Response, error){later(500, ""), good}, 1, true, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				c := newCentral(t, frappems.CentralConfig{URL: "http://central.invalid", APIKey: "k", APISecret: "s",
					Transport: roundTrip(func(*http.Request) (*http.Response, error) {
						sent++
						return test.answers[sent-1]()
					})})
				start := time.Now()
				err := test.call(c, t.Context())
				took := time.Since(start)
				if sent != test.want || (err != nil) != test.fails || took < test.least || took > test.most {
					t.Errorf("got %d requests and %v after %s, want %d, failing %t, between %s and %s", sent, err, took, test.want, test.fails, test.least, test.most)
				}
				if test.fails {
					e := wantCode(t, err, frappems.UnavailableError)
					if strings.Contains(test.name, "much later") && e.RetryAfter != 11*time.Second {
						t.Errorf("got RetryAfter %s, want that of Central", e.RetryAfter)
					}
				}
			})
		})
	}
}

// TestCentralBreaker: a Central that does not answer is left alone, and asked again without a restart.
func TestCentralBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, sent := false, 0
		var log logged
		c := newCentral(t, frappems.CentralConfig{URL: "http://central.invalid", APIKey: "k", APISecret: "s", Logger: log.logger(),
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if sent++; up {
					return answerOf(200, `{"message": "pong"}`), nil
				}
				<-r.Context().Done() // it hangs
				return nil, r.Context().Err()
			})})
		ping := func(ctx context.Context) (time.Duration, error) {
			start := time.Now()
			err := c.CallSafe(ctx, "ping", nil, nil)
			return time.Since(start), err
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		for range 20 { // callers without patience say nothing of Central
			ping(short)
		}
		cancel()
		sent = 0
		for range 5 {
			if took, err := ping(t.Context()); took != 10*time.Second || !errors.Is(err, frappems.UnavailableError) {
				t.Fatalf("got %v after %s, want UnavailableError after 10 seconds", err, took)
			}
		}
		for range 100 {
			took, err := ping(t.Context())
			if e := wantCode(t, err, frappems.UnavailableError); took != 0 || e.RetryAfter != 2*time.Second {
				t.Fatalf("got %v after %s, to be repeated after %s, want at once and 2 seconds", err, took, e.RetryAfter)
			}
		}
		if sent != 5 {
			t.Errorf("got %d requests, want 5", sent)
		}
		up = true
		time.Sleep(2 * time.Second)
		for range 3 {
			if _, err := ping(t.Context()); err != nil {
				t.Fatalf("got %v after Central came back", err)
			}
		}
		if text := log.String(); strings.Count(text, "does not answer") != 1 || strings.Count(text, "answers again") != 1 {
			t.Errorf("got the log %s, want one line for each change", text)
		}
	})
}

// TestCentralSession: one sign-in however many wait for it, and one more when the session has ended.
func TestCentralSession(t *testing.T) {
	s := newSite(t, frappems.ShopDocTypes, frappems.ShopResources...)
	config := s.config()
	config.APIKey, config.APISecret, config.User, config.Password = "", "", "manager@acme", sitePassword
	c := newCentral(t, config)
	all := func() {
		t.Helper()
		errs := make(chan error)
		for range 50 {
			go func() {
				var who string
				err := c.CallSafe(t.Context(), "frappe.auth.get_logged_user", nil, &who)
				if err == nil && who != "manager@acme" {
					err = fmt.Errorf("got %q", who)
				}
				errs <- err
			}()
		}
		for range 50 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	}
	for logins := 1; logins <= 2; logins++ {
		all()
		all()
		if s.logins != logins {
			t.Fatalf("got %d sign-ins, want %d", s.logins, logins)
		}
		s.mu.Lock()
		clear(s.sessions)
		s.mu.Unlock()
	}
	// What guests may call is answered to a session that has ended, as Guest's. A read is repeated, a write is not.
	asGuest := func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie("sid"); err == nil && s.sessions[cookie.Value] == "" {
			io.WriteString(w, `{"session_expired": 1, "message": "Guest"}`)
		}
	}
	s.fail(asGuest)
	var who string
	if err := c.CallSafe(t.Context(), "frappe.auth.get_logged_user", nil, &who); err != nil || who != "manager@acme" {
		t.Errorf("got %q, %v", who, err)
	}
	clear(s.sessions)
	wantCode(t, c.Call(t.Context(), "ping", nil, nil), frappems.UnavailableError)
	if err := c.Call(t.Context(), "ping", nil, nil); err != nil || s.logins != 4 {
		t.Errorf("got %v and %d sign-ins, want 4", err, s.logins)
	}
	s.fail(nil)

	config.Password = "wrong-password"
	c = newCentral(t, config)
	before := s.logins
	for range 20 {
		err := c.GetDoc(t.Context(), "Item", "x", new(any))
		wantCode(t, err, frappems.InternalError)
		if !errors.Is(err, frappems.AuthenticationError) || strings.Contains(err.Error(), config.Password) {
			t.Errorf("got %v", err)
		}
	}
	if s.logins != before+1 {
		t.Errorf("got %d sign-ins with a wrong password, want one", s.logins-before)
	}
}

// TestCentralHost: the site is asked for by its name, under a path, and a redirect gets nothing.
func TestCentralHost(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	c := newCentral(t, frappems.CentralConfig{URL: s.URL + "/erp/", Site: "central.localhost", APIKey: "k", APISecret: "s", Logger: (&logged{}).logger()})
	wantCode(t, c.Update(t.Context(), "Sales Order", "a/b%", map[string]any{"x": 1}), frappems.UnavailableError)
	if got.Host != "central.localhost" || got.RequestURI != "/erp/api/resource/Sales%20Order/a%2Fb%25" || got.Header.Get("Authorization") != "token k:s" {
		t.Errorf("got %s %s %v", got.Host, got.RequestURI, got.Header)
	}
}

// TestCentralAsCaller: an App in front of the site, with handlers that ask it.
func TestCentralAsCaller(t *testing.T) {
	s := newSite(t, frappems.ShopDocTypes, frappems.ShopResources...)
	s.sessions["abc"], s.sessions["xyz"] = "clerk@acme", "manager@acme"
	whoAt := func(c func() *frappems.Central) http.Handler {
		return frappems.JSON(func(ctx context.Context, _ struct{}) (answer map[string]string, err error) {
			var who string
			err = c().CallSafe(ctx, "frappe.auth.get_logged_user", nil, &who)
			return map[string]string{"who": who}, err
		})
	}
	front := newUnstarted(t, frappems.ShopDocTypes, func(c *frappems.Config) {
		tokens := c.Auth
		c.Central = s.config()
		c.Auth = frappems.Chain(tokens, authFunc(func(r *http.Request) (*frappems.User, error) {
			sid := r.Header.Get("X-Frappe-SID")
			if cookie, err := r.Cookie("sid"); err == nil && sid == "" {
				sid = cookie.Value
			}
			if sid == "abc" || sid == "dead" {
				return &frappems.User{Name: "clerk@acme", Roles: []string{"All"}, Tenant: "acme"}, nil
			}
			return nil, nil
		}))
	})
	front.app.Public("GET /caller", whoAt(func() *frappems.Central { return front.app.Central().AsCaller() }))
	front.app.Public("GET /service", whoAt(func() *frappems.Central { return front.app.Central() }))
	front.start()
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, test := range []struct {
		name   string
		path   string
		header map[string]string
		status int
		want   string // in the answer
		sent   int
	}{
		{"token", "/caller", map[string]string{"Authorization": "token viewer@acme:s"}, 200, `"viewer@acme"`, 1},
		{"another tenant's", "/caller", map[string]string{"Authorization": "token viewer@globex:s"}, 200, `"viewer@globex"`, 1},
		{"the cookie", "/caller", map[string]string{"Cookie": "sid=abc; user_id=x", "X-Frappe-CSRF-Token": "csrf"}, 200, `"clerk@acme"`, 1},
		{"the header", "/caller", map[string]string{"X-Frappe-SID": "abc"}, 200, `"clerk@acme"`, 1},
		{"the header and somebody else's cookie", "/caller", map[string]string{"X-Frappe-SID": "abc", "Cookie": "sid=xyz"}, 200, `"clerk@acme"`, 1},
		{"token and cookie", "/caller", map[string]string{"Authorization": "token viewer@acme:s", "Cookie": "sid=abc"}, 200, `"viewer@acme"`, 1},
		{"a session that is dead there", "/caller", map[string]string{"Cookie": "sid=dead"}, 403, `"session_expired":1`, 1},
		{"nobody", "/caller", nil, 403, "You need to be signed in", 0},
		{"guest's session", "/caller", map[string]string{"Cookie": "sid=Guest"}, 403, "You need to be signed in", 0},
		{"refused here", "/caller", map[string]string{"Authorization": "token viewer@acme:wrong"}, 401, "AuthenticationError", 0},
		{"the service", "/service", map[string]string{"Authorization": "token viewer@acme:s"}, 200, `"manager@acme"`, 1},
		{"the service for nobody", "/service", nil, 200, `"manager@acme"`, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.requests()
			header := map[string]string{"X-Request-Id": "my-request", "Traceparent": trace, "Tracestate": "a=b"}
			maps.Copy(header, test.header)
			got := front.sendAs("", "GET", test.path, "", header)
			if got.status != test.status || !strings.Contains(got.body, test.want) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, test.status, test.want)
			}
			sent := s.requests()
			if len(sent) != test.sent {
				t.Fatalf("got %d requests at Central, want %d", len(sent), test.sent)
			}
			for _, r := range sent {
				if h := r.Header; h.Get("X-Request-Id") != "my-request" || h.Get("Traceparent") != trace || h.Get("Tracestate") != "a=b" {
					t.Errorf("got the header %v", h)
				}
				if csrf := test.header["X-Frappe-CSRF-Token"]; r.Header.Get("X-Frappe-CSRF-Token") != csrf {
					t.Errorf("got the CSRF token %q, want %q", r.Header.Get("X-Frappe-CSRF-Token"), csrf)
				}
			}
		})
	}
	s.requests()
	if err := front.app.Central().AsCaller().GetDoc(t.Context(), "Item", "x", new(any)); err == nil || len(s.requests()) != 0 {
		t.Errorf("outside a request: got %v, want an error", err)
	}
}

// TestCentralInTx: a write to Central waits for the commit, wherever the transaction was begun.
func TestCentralInTx(t *testing.T) {
	s := newSite(t, frappems.ShopDocTypes, frappems.ShopResources...)
	var mu sync.Mutex
	got := map[string]error{}
	var front *shop
	try := func(ctx context.Context, place string) {
		mu.Lock()
		defer mu.Unlock()
		c := front.app.Central()
		got[place] = c.Insert(ctx, "Region", map[string]any{"title": place})
		if err := c.GetDoc(ctx, "Region", "Nowhere", new(any)); !errors.Is(err, frappems.DoesNotExistError) {
			t.Errorf("%s: a read: got %v, want DoesNotExistError", place, err)
		}
		if err := c.AllowInTx().Insert(ctx, "Region", map[string]any{"title": place + ", allowed"}); err != nil {
			t.Errorf("%s: a write that is allowed: got %v", place, err)
		}
	}
	front = newUnstarted(t, frappems.ShopDocTypes, func(c *frappems.Config) { c.Central = s.config() })
	front.app.Resource("Item")
	front.app.On("Item", frappems.Validate, func(ctx context.Context, db *frappems.DB, d *frappems.Doc) error {
		name := d.Name()
		try(ctx, "hook of "+name)
		db.AfterCommit(ctx, func(ctx context.Context) { try(ctx, "after the commit of "+name) })
		return nil
	})
	insert := func(ctx context.Context, db *frappems.DB, name string) error {
		_, err := db.Insert(ctx, "Item", map[string]any{"__newname": name})
		return err
	}
	front.app.Handle("POST /plain", frappems.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		ctx := r.Context()
		try(ctx, "plain handler")
		db, err := front.app.DB(ctx)
		if err != nil {
			return err
		}
		err = db.Tx(ctx, func(db *frappems.DB) error {
			try(ctx, "Tx of a handler")
			return insert(ctx, db, "Bolt")
		})
		try(ctx, "behind the Tx of a handler")
		other, err2 := front.app.AsTenant(ctx, "globex")
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		return other.Tx(ctx, func(*frappems.DB) error {
			try(ctx, "Tx of AsTenant")
			return nil
		})
	}))
	front.app.Handle("POST /typed", frappems.JSON(func(ctx context.Context, _ struct{}) (any, error) {
		try(ctx, "typed handler")
		return nil, nil
	}))
	front.app.Method("close", frappems.AllowSignedIn(), frappems.JSON(func(ctx context.Context, _ struct{}) (any, error) {
		try(ctx, "method")
		return nil, nil
	}))
	front.app.Method("look", frappems.AllowSignedIn(), frappems.JSON(func(ctx context.Context, _ struct{}) (any, error) {
		try(ctx, "safe method")
		return nil, nil
	}), frappems.Safe())
	front.start()
	front.send("manager@acme", "POST", "/plain", "{}").want(t, 200, "")
	front.send("manager@acme", "POST", "/typed", "{}").want(t, 200, "")
	front.send("manager@acme", "POST", "/api/method/close", "{}").want(t, 200, "")
	front.send("manager@acme", "POST", "/api/method/look", "{}").want(t, 200, "")
	front.create("manager@acme", "Item", `{"__newname": "Nut"}`)
	db, err := front.app.AsTenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := insert(t.Context(), db, "Washer"); err != nil {
		t.Fatal(err)
	}
	inTx := []string{"Tx of a handler", "hook of Bolt", "Tx of AsTenant", "typed handler", "method", "hook of Nut", "hook of Washer"}
	outside := []string{"plain handler", "behind the Tx of a handler", "after the commit of Bolt", "safe method", "after the commit of Nut", "after the commit of Washer"}
	for _, place := range inTx {
		if err := got[place]; !errors.Is(err, frappems.ErrCentralInTx) {
			t.Errorf("%s: got %v, want ErrCentralInTx", place, err)
		}
	}
	for _, place := range outside {
		if err, tried := got[place]; err != nil || !tried {
			t.Errorf("%s: got %v, tried %t, want a write", place, err, tried)
		}
	}
	if len(got) != len(inTx)+len(outside) {
		t.Errorf("got %v", slices.Sorted(maps.Keys(got)))
	}
}

// zeros is a file of so many bytes, which is not in memory.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestCentralUpload(t *testing.T) {
	type upload struct {
		fields url.Values
		name   string
		length int64 // of the request
		sum    [32]byte
	}
	var got upload
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = upload{fields: url.Values{}, length: r.ContentLength}
		form, err := r.MultipartReader()
		for err == nil {
			part, next := form.NextPart()
			if next != nil {
				break
			}
			if part.FileName() == "" {
				value, _ := io.ReadAll(part)
				got.fields.Set(part.FormName(), string(value))
				continue
			}
			got.name = part.FileName()
			sum := sha256.New()
			if _, err = io.Copy(sum, part); err == nil {
				got.sum = [32]byte(sum.Sum(nil))
			}
		}
		io.WriteString(w, `{"message": {"name": "f1", "file_name": "b.bin", "file_url": "/private/files/b.bin", "is_private": 1, "folder": "Home"}}`)
	}))
	defer s.Close()
	c := newCentral(t, frappems.CentralConfig{URL: s.URL, APIKey: "k", APISecret: "s", Logger: (&logged{}).logger()})
	file := frappems.CentralFile{FileName: `b".bin`, IsPrivate: true, AttachedToDoctype: "Item", AttachedToName: "a/b"}
	if err := c.Upload(t.Context(), &file, strings.NewReader("small")); err != nil {
		t.Fatal(err)
	}
	fields := url.Values{"is_private": {"1"}, "doctype": {"Item"}, "docname": {"a/b"}}
	if file.Name != "f1" || file.FileURL != "/private/files/b.bin" || got.name != `b".bin` || got.fields.Encode() != fields.Encode() ||
		got.length < 100 || got.sum != sha256.Sum256([]byte("small")) {
		t.Errorf("got %+v at Central and %+v", got, file)
	}

	const size = 100 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := c.Upload(t.Context(), &file, zeros(size)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	sum := sha256.New()
	io.Copy(sum, zeros(size))
	if got.sum != [32]byte(sum.Sum(nil)) {
		t.Error("the large file came otherwise than it was sent")
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("got %d bytes allocated for an upload of %d, want few", grown, size)
	}
	broken := errors.New("the disk is gone")
	if err := c.Upload(t.Context(), &file, io.MultiReader(zeros(1000), errReader{broken})); !errors.Is(err, broken) || errors.Is(err, frappems.UnavailableError) {
		t.Errorf("content that cannot be read: got %v, want its error", err)
	}
}

type errReader struct{ error }

func (r errReader) Read([]byte) (int, error) { return 0, r.error }

// TestCentralFaults: connections that break, over the network. Nothing of a fault stays behind.
func TestCentralFaults(t *testing.T) {
	s := newSite(t, frappems.ShopDocTypes, frappems.ShopResources...)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			io.WriteString(conn, text)
			conn.Close()
		}
	}
	config := s.config()
	config.Timeout = 300 * time.Millisecond
	for name, fault := range map[string]http.HandlerFunc{
		"closed at once":   raw(""),
		"half a header":    raw("HTTP/1.1 200 OK\r\nContent-Le"),
		"half an answer":   raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"data\": {\"na"),
		"half a refusal":   raw("HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{\"exc_type\": \"DoesNotExistError\""),
		"another protocol": raw("220 mail.example.com ESMTP\r\n"),
		"hanging":          func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"dripping": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, " ")
				http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(10 * time.Millisecond):
				}
			}
		},
		"down": nil,
	} {
		t.Run(name, func(t *testing.T) {
			s.fail(fault)
			config := config
			if fault == nil {
				config.URL = "http://" + closed.Addr().String()
			}
			config.Transport = &http.Transport{}
			c := newCentral(t, config)
			doc := map[string]any{}
			wantCode(t, c.GetDoc(t.Context(), "Item", "x", &doc), frappems.UnavailableError)
			wantCode(t, c.Insert(t.Context(), "Item", &doc), frappems.UnavailableError)
			config.Transport.(*http.Transport).CloseIdleConnections()
		})
	}
	s.fail(nil)
}

// TestCentralFlat: a Central that fails for long leaves neither goroutines nor memory behind, and is used again when it is back.
func TestCentralFlat(t *testing.T) {
	s := newSite(t, frappems.ShopDocTypes, frappems.ShopResources...)
	c := newCentral(t, s.config())
	round := func() {
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				for range 50 {
					c.GetDoc(t.Context(), "Item", "x", new(map[string]any))
				}
			})
		}
		calls.Wait()
	}
	s.fail(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, strings.Repeat("garbage ", 1000), http.StatusBadGateway)
	})
	round()
	heap, routines := settled()
	for range 5 {
		round()
	}
	if h, r := settled(); h > heap+4<<20 || r > routines+10 {
		t.Errorf("got %d bytes and %d goroutines, first %d and %d", h, r, heap, routines)
	}
	s.fail(nil)
	for range 3 {
		var e *frappems.Error
		err := c.GetDoc(t.Context(), "Item", "x", new(map[string]any))
		if errors.Is(err, frappems.DoesNotExistError) {
			return
		}
		if errors.As(err, &e) {
			<-time.After(e.RetryAfter) // as a client would
		}
	}
	t.Error("Central is back, and not used again")
}

func settled() (heap uint64, routines int) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, runtime.NumGoroutine()
}

// TestCentralLimits: answers are read up to a limit, also those that are errors.
func TestCentralLimits(t *testing.T) {
	answer := func(status int, body io.Reader) *frappems.Central {
		return newCentral(t, frappems.CentralConfig{URL: "http://central.invalid", APIKey: "k", APISecret: "s", Logger: (&logged{}).logger(),
			Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(body)}, nil
			})})
	}
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	endless := func(start string) io.Reader {
		readers := []io.Reader{strings.NewReader(start)}
		for range 80 {
			readers = append(readers, bytes.NewReader(blanks))
		}
		return io.MultiReader(readers...)
	}
	err := answer(200, endless(`{"data": `)).Insert(t.Context(), "Item", struct{}{})
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v, want an error that it is too large", err)
	}
	wantCode(t, answer(404, endless(`{"exc_type": "DoesNotExistError", `)).Delete(t.Context(), "Item", "x"), frappems.UnavailableError)
}
