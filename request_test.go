package frappems_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
	"github.com/frappems/frappems/store"
)

// failing is a route that fails with err.
func failing(err error) http.Handler {
	return frappems.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return err })
}

func TestRequestID(t *testing.T) {
	app, log := testApp(t, nil)
	app.Public("GET /", http.NotFoundHandler())
	start(t, app)
	for _, test := range []struct {
		name, header, id string
		kept             bool
	}{
		{"kept", "X-Request-ID", "abc-1.2_3:4=+/@", true},
		{"Frappe's", "X-Frappe-Request-Id", "frappe-1", true},
		{"longest", "X-Request-ID", strings.Repeat("x", 128), true},
		{"too long", "X-Request-ID", strings.Repeat("x", 129), false},
		{"blank", "X-Request-ID", "a b", false},
		{"quote", "X-Request-ID", `a"b`, false},
		{"markup", "X-Request-ID", "<b>", false},
		{"line", "X-Request-ID", "a\nb", false},
		{"not ASCII", "X-Request-ID", "é", false},
		{"none", "X-Request-ID", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set(test.header, test.id)
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			got := w.Header().Get("X-Request-ID")
			if got != w.Header().Get("X-Frappe-Request-Id") || len(got) < 8 || (got == test.id) != test.kept {
				t.Errorf("sent %q, got %q and %q", test.id, got, w.Header().Get("X-Frappe-Request-Id"))
			}
			if !strings.Contains(log.String(), got) {
				t.Error("the id is not in the log")
			}
		})
	}
	if first, second := get(app, "/").Header().Get("X-Request-ID"), get(app, "/").Header().Get("X-Request-ID"); first == second {
		t.Errorf("two requests with the id %q", first)
	}
}

func TestSecurityHeaders(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Public("GET /ok", frappems.JSON(func(context.Context, struct{}) (string, error) { return "<b>", nil }))
	app.Public("GET /plain", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("Content-Type", "text/css")
	}))
	app.Public("GET /error", failing(frappems.Invalid("no")))
	start(t, app)
	want := map[string]string{"Content-Type": "application/json; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
	for path, status := range map[string]int{"/ok": 200, "/error": 417, "/nothing": 404, "/livez": 200, "/api/resource/Hidden": 404} {
		frappemstest.Scenario{Path: path, Status: status, WantHeaders: want}.Run(t, app)
	}
	frappemstest.Scenario{Path: "/plain", Status: 200, WantHeaders: map[string]string{"Cache-Control": "public, max-age=60",
		"Content-Type": "text/css", "X-Content-Type-Options": "nosniff"}}.Run(t, app)
}

// TestErrors checks the form of every kind of error.
func TestErrors(t *testing.T) {
	secret := errors.New("secret of db-7")
	app, log := testApp(t, nil)
	tests := []struct {
		err     error
		status  int
		body    string // "": as want
		want    []string
		headers map[string]string
	}{
		{err: frappems.Invalid("an <strong>order</strong>\nis \"bad\""), status: 417,
			body: `{"exception":"frappe.exceptions.ValidationError: an \u003cstrong\u003eorder\u003c/strong\u003e is \"bad\"",` +
				`"exc_type":"ValidationError",` +
				`"exc":"[\"frappe.exceptions.ValidationError: an \\u003cstrong\\u003eorder\\u003c/strong\\u003e is \\\"bad\\\"\"]",` +
				`"_server_messages":"[\"{\\\"message\\\":\\\"an \\\\u003cstrong\\\\u003eorder\\\\u003c/strong\\\\u003e\\\\nis \\\\\\\"bad\\\\\\\"\\\",` +
				`\\\"title\\\":\\\"Message\\\",\\\"indicator\\\":\\\"red\\\",\\\"raise_exception\\\":1}\"]"}`},
		{err: fmt.Errorf("wrapped: %w", frappems.Errorf(frappems.MandatoryError, "customer")), status: 417, want: []string{`"exc_type":"MandatoryError"`}},
		{err: &frappems.Error{Code: frappems.DoesNotExistError}, status: 404, body: `{"exc_type":"DoesNotExistError"}`},
		{err: frappems.Errorf(frappems.DoesNotExistError, "gone"), status: 404,
			body: `{"exc_type":"DoesNotExistError","_server_messages":"[\"{\\\"message\\\":\\\"gone\\\",\\\"title\\\":\\\"Message\\\",\\\"indicator\\\":\\\"red\\\",\\\"raise_exception\\\":1}\"]"}`},
		{err: &frappems.Error{Code: frappems.MethodNotAllowedError}, status: 405, body: `{"exc_type":"MethodNotAllowed"}`},
		{err: &frappems.Error{Code: frappems.AuthenticationError}, status: 401, headers: map[string]string{"WWW-Authenticate": "token"},
			body: `{"exception":"frappe.exceptions.AuthenticationError","exc_type":"AuthenticationError","exc":"[\"frappe.exceptions.AuthenticationError\"]"}`},
		{err: frappems.Errorf(frappems.PermissionError, "no"), status: 403, want: []string{`"exc_type":"PermissionError"`}, headers: map[string]string{"WWW-Authenticate": ""}},
		{err: &frappems.Error{Code: frappems.PermissionError, SessionExpired: true}, status: 403, want: []string{`"session_expired":1`}},
		{err: frappems.Errorf(frappems.DuplicateEntryError, "twice"), status: 409, want: []string{`"exc_type":"DuplicateEntryError"`}},
		{err: &frappems.Error{Code: frappems.UnavailableError, Message: "down", Cause: secret}, status: 503, headers: map[string]string{"Retry-After": "1"}, want: []string{"down"}},
		{err: &frappems.Error{Code: frappems.UnavailableError, RetryAfter: 1500 * time.Millisecond}, status: 503, headers: map[string]string{"Retry-After": "2"}},
		{err: fmt.Errorf("%w: %w", store.ErrUnavailable, secret), status: 503, want: []string{`"exc_type":"ServiceUnavailable"`}},
		{err: secret, status: 500, want: []string{`"exc_type":"InternalError"`, "request id the-id"}},
		{err: frappems.Errorf(frappems.InternalError, "secret of db-7"), status: 500, want: []string{"request id the-id"}},
		{err: context.Canceled, status: 500, want: []string{"InternalError"}}, // it is not the client who went
	}
	for i, test := range tests {
		app.Public(fmt.Sprintf("GET /error/%d", i), failing(test.err))
	}
	start(t, app)
	for i, test := range tests {
		log.reset()
		frappemstest.Scenario{Name: test.err.Error(), Path: fmt.Sprintf("/error/%d", i), Headers: map[string]string{"X-Request-ID": "the-id"},
			Status: test.status, Want: test.want, Not: []string{"db-7"}, WantHeaders: test.headers,
			Check: func(t *testing.T, _ *http.Response, body []byte) {
				if test.body != "" && test.body != string(body) {
					t.Errorf("got  %s\nwant %s", body, test.body)
				}
				if strings.Contains(test.err.Error(), "db-7") && !strings.Contains(log.String(), "db-7") {
					t.Errorf("the cause is not in the log: %s", log)
				}
			}}.Run(t, app)
	}
}

// TestMessagesAreReadAsClientsDo unpacks an error as frappe-ui does.
func TestMessagesAreReadAsClientsDo(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Public("GET /", failing(&frappems.Error{Code: frappems.LinkExistsError, Message: "whole",
		Messages: []frappems.Message{{Message: "first", Title: "One"}, {Message: "second", Title: "Two"}}}))
	start(t, app)
	var body struct {
		Exc      string
		Messages string `json:"_server_messages"`
	}
	if err := json.Unmarshal(get(app, "/").Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	var lines, texts []string
	if err := errors.Join(json.Unmarshal([]byte(body.Exc), &lines), json.Unmarshal([]byte(body.Messages), &texts)); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || lines[0] != "frappe.exceptions.LinkExistsError: whole" || len(texts) != 2 {
		t.Fatalf("got exc %q and messages %q", lines, texts)
	}
	var second frappems.Message
	if err := json.Unmarshal([]byte(texts[1]), &second); err != nil || second.Message != "second" || second.Title != "Two" {
		t.Errorf("got %+v, %v", second, err)
	}
}

func TestSessionExpired(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Handle("GET /mine", failing(frappems.Errorf(frappems.PermissionError, "no")))
	app.Public("GET /broken", failing(frappems.Invalid("no")))
	start(t, app)
	const expired = `"session_expired":1`
	for _, s := range []frappemstest.Scenario{
		{Name: "dead sid", Path: "/mine", Headers: map[string]string{"Cookie": "sid=0123"}, Status: 403, Want: []string{expired}},
		{Name: "no sid", Path: "/mine", Status: 403, Not: []string{expired}},
		{Name: "Guest's sid", Path: "/mine", Headers: map[string]string{"Cookie": "sid=Guest"}, Status: 403, Not: []string{expired}},
		{Name: "signed in otherwise", Path: "/mine", As: "a:secret-a", Headers: map[string]string{"Cookie": "sid=0123", "Sec-Fetch-Site": "same-origin"}, Status: 403, Not: []string{expired}},
		{Name: "another error", Path: "/broken", Headers: map[string]string{"Cookie": "sid=0123"}, Status: 417, Not: []string{expired}},
	} {
		s.Run(t, app)
	}
}

func TestPanics(t *testing.T) {
	app, log := testApp(t, nil)
	app.Public("GET /before", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret of db-7") }))
	app.Public("GET /after", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		panic("secret of db-8")
	}))
	app.Public("GET /late", frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		io.WriteString(w, `{"data":[1,`)
		return errors.New("secret of db-9")
	}))
	app.Public("GET /abort", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	start(t, app)
	server := httptest.NewServer(app)
	defer server.Close()
	frappemstest.Scenario{Path: "/before", Headers: map[string]string{"X-Request-ID": "the-id"}, Status: 500,
		Want: []string{`"exc_type":"InternalError"`, "request id the-id"}, Not: []string{"db-7"}}.Run(t, app)
	if text := log.String(); !strings.Contains(text, "db-7") || !strings.Contains(text, "request_test.go") {
		t.Errorf("the log has no stack: %s", text)
	}
	for _, path := range []string{"/after", "/late", "/abort"} {
		response, err := server.Client().Get(server.URL + path)
		if err == nil {
			_, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the client takes the answer for the whole", path)
		}
	}
	for _, want := range []string{"db-8", "db-9"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s", want)
		}
	}
	if err := app.Shutdown(t.Context()); err != nil { // every request was counted out
		t.Error(err)
	}
}

func TestAccessLog(t *testing.T) {
	app, log := testApp(t, nil)
	app.Handle("GET /orders/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "four") }), frappems.NoTenant())
	app.Resource("Sales Order", frappems.ResourceOptions{Handlers: map[string]http.Handler{"get": http.NotFoundHandler()}})
	start(t, app)
	for _, test := range []struct {
		s    frappemstest.Scenario
		want []string
	}{
		{frappemstest.Scenario{Path: "/orders/7?secret=q-7", As: "a:secret-a", Status: 200},
			[]string{"level=INFO", "method=GET", `route="GET /orders/{id}"`, "status=200", "bytes=4", "user=ada@example.com", "tenant=acme", "request_id="}},
		{frappemstest.Scenario{Path: "/orders/7", Status: 403}, []string{"status=403", "user=Guest", "exc_type=PermissionError"}},
		{frappemstest.Scenario{Path: "/api/resource/Sales%20Order/n-7", As: "a:secret-a", Status: 404}, []string{`route="/api/resource/Sales Order/{name}"`, "status=404"}},
		{frappemstest.Scenario{Path: "/livez", Status: 200}, []string{"level=DEBUG", "route=/livez"}},
		{frappemstest.Scenario{Path: "/nothing-7", Status: 404}, []string{"status=404", "exc_type=DoesNotExistError"}},
	} {
		log.reset()
		test.s.Run(t, app)
		text := log.String()
		for _, want := range append(test.want, "msg=request", "duration=") {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the log has no %q: %s", test.s.Path, want, text)
			}
		}
		for _, not := range []string{"q-7", "secret-a", "n-7", "nothing-7"} {
			if strings.Contains(text, not) {
				t.Errorf("%s: the log has %q: %s", test.s.Path, not, text)
			}
		}
	}
}

// readAll is a route that reads the whole body.
var readAll = frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return frappems.Invalid("no JSON: %v", err) // a handler may not know better
	}
	fmt.Fprintf(w, "%d bytes", len(body))
	return nil
})

func TestLimits(t *testing.T) {
	app, _ := testApp(t, func(c *frappems.Config) { c.MaxBodyBytes, c.MaxQueryBytes = 1000, 50 })
	app.Public("/", readAll)
	start(t, app)
	for _, s := range []frappemstest.Scenario{
		{Name: "body at the limit", Path: "/", Body: strings.Repeat("x", 1000), Status: 200, Want: []string{"1000 bytes"}},
		{Name: "body over the limit", Path: "/", Body: strings.Repeat("x", 1001), Status: 413, Want: []string{"RequestTooLargeError", "1000 bytes"}},
		{Name: "query at the limit", Path: "/?" + strings.Repeat("q", 50), Status: 200},
		{Name: "query over the limit", Path: "/?" + strings.Repeat("q", 51), Status: 413, Want: []string{"RequestTooLargeError", "50 bytes"}},
	} {
		s.Run(t, app)
	}
}

// endless is a body of n bytes that counts what was read.
type endless struct {
	left int64
	read *atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	e.left -= n
	e.read.Add(n)
	return int(n), nil
}

func TestHugeBodies(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Public("POST /", readAll)
	start(t, app)
	server := httptest.NewServer(app)
	defer server.Close()
	const size = 100 << 20
	for _, declared := range []int64{size, -1} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		request, err := http.NewRequest("POST", server.URL, io.NopCloser(&endless{size, new(atomic.Int64)}))
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = declared
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatalf("declared %d: %v", declared, err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		runtime.ReadMemStats(&after)
		if response.StatusCode != 413 || err != nil || !strings.Contains(string(body), `"exc_type":"RequestTooLargeError"`) {
			t.Errorf("declared %d: got %d %s %v", declared, response.StatusCode, body, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > size {
			t.Errorf("declared %d: %d MiB were allocated", declared, used>>20)
		}
	}
}

func TestDrainEnds(t *testing.T) {
	app, _ := testApp(t, nil)
	app.Public("POST /", readAll)
	start(t, app)
	for name, expect := range map[string]string{"sending": "", "waiting": "100-continue"} {
		read := &atomic.Int64{}
		r := httptest.NewRequest("POST", "/", &endless{1 << 40, read})
		r.ContentLength = 1 << 40
		if expect != "" {
			r.Header.Set("Expect", expect)
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if got := read.Load(); w.Code != 413 || got > 300<<20 || (got > 200<<20) != (expect == "") {
			t.Errorf("%s: got %d after %d bytes were read", name, w.Code, got)
		}
	}
}

// brokenBody fails with err after some bytes.
type brokenBody struct{ err error }

func (b brokenBody) Read(p []byte) (int, error) { return copy(p, `{"a":`), b.err }
func (b brokenBody) Close() error               { return nil }

func TestBodiesThatBreak(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int // 200: no answer
		want   string
	}{
		{io.ErrUnexpectedEOF, 200, "hung up"},
		{&net.OpError{Op: "read", Err: errors.New("connection reset")}, 200, "hung up"},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, 417, "took too long"},
		{errors.New("malformed chunk"), 417, "cannot be read"},
	} {
		t.Run(test.err.Error(), func(t *testing.T) {
			app, log := testApp(t, nil)
			app.Public("POST /", readAll)
			start(t, app)
			w := httptest.NewRecorder()
			app.ServeHTTP(w, httptest.NewRequest("POST", "/", brokenBody{test.err}))
			if w.Code != test.status || (w.Body.Len() == 0) != (test.status == 200) {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if !strings.Contains(w.Body.String()+log.String(), test.want) || strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("body %s, log %s", w.Body, log)
			}
		})
	}
}

func TestClientHangsUp(t *testing.T) {
	app, log := testApp(t, nil)
	begun, ended := make(chan struct{}), make(chan struct{})
	app.Public("GET /slow", frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		close(begun)
		<-r.Context().Done()
		defer close(ended)
		return fmt.Errorf("query: %w", r.Context().Err())
	}))
	start(t, app)
	server := httptest.NewServer(app)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	conn.Close()
	<-ended
	server.Close()
	if err := app.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	text := log.String()
	if !strings.Contains(text, "hung up") || !strings.Contains(text, "status=499") || strings.Contains(text, "level=ERROR") {
		t.Errorf("the log: %s", text)
	}
}

func TestClientStopsSending(t *testing.T) {
	app, log := testApp(t, nil)
	app.Public("POST /", readAll)
	start(t, app)
	server := httptest.NewServer(app)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"half\":")
	conn.(*net.TCPConn).CloseWrite()
	bufio.NewReader(conn).ReadString('\n')
	conn.Close()
	server.Close()
	if err := app.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, "status=499") || strings.Contains(text, "level=ERROR") {
		t.Errorf("the log: %s", text)
	}
}

func TestRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, log := testApp(t, func(c *frappems.Config) { c.RequestTimeout = 30 * time.Second })
		app.Public("GET /slow", frappems.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return fmt.Errorf("query: %w", r.Context().Err())
		}))
		start(t, app)
		began := time.Now()
		w := get(app, "/slow")
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("it took %s", took)
		}
		if w.Code != 503 || !strings.Contains(w.Body.String(), "took too long") || w.Header().Get("Retry-After") != "1" {
			t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
		}
		if !strings.Contains(log.String(), "duration=30s") {
			t.Errorf("the log: %s", log)
		}
	})
}

func TestWriterReachesTheServers(t *testing.T) {
	app, log := testApp(t, nil)
	app.Public("GET /", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no http.Flusher")
		}
		if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
			t.Errorf("ResponseController: %v", err)
		}
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
		w.(http.Flusher).Flush()
	}))
	start(t, app)
	server := httptest.NewServer(app)
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	server.Close()
	if response.StatusCode != http.StatusTeapot || !strings.Contains(log.String(), "status=418") {
		t.Errorf("got %d, and the log %s", response.StatusCode, log)
	}
}
