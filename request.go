package frappems

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// exchange is one request with its answer: the context that handlers get, and what the log says of it at the end.
type exchange struct {
	context.Context
	app    *App
	answer answer
	parent context.Context // the client's: it ends when the client hangs up
	body   *requestBody    // nil: none
	start  time.Time
	id     string
	method string
	route  string // the pattern that matched
	quiet  bool   // health checks are not worth a line
	inside bool   // counted as in flight

	user    *User
	refused error // why user is Guest in spite of credentials
	code    Code  // of the error that was answered
	gone    bool  // the client hung up

	mu    sync.Mutex
	db    *DB
	dbErr error
}

// requestBody is the body of a request, up to the limit. It notes why it could not be read.
type requestBody struct {
	io.ReadCloser
	whole io.Reader // without the limit
	err   error
}

// Read reads.
func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

type exchangeKey struct{}

// Value finds the exchange itself, beside what the contexts below hold.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// exchangeFrom returns the request that ctx belongs to, or nil.
func exchangeFrom(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// answer is the ResponseWriter that handlers get. It notes what went out.
type answer struct {
	http.ResponseWriter
	status int // 0: nothing yet
	bytes  int64
}

// WriteHeader notes the status.
func (w *answer) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (w *answer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for handlers that ask for an http.Flusher.
func (w *answer) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	http.NewResponseController(w.ResponseWriter).Flush()
}

// ServeHTTP answers a request, in this order: request id, recovery from panics and the log around everything; health
// checks; limits; Config.Auth; what was given to Use, the first outermost; the route. Credentials that were refused are
// answered by the route, so that what Use wraps sees these requests too, as Guest's.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := a.exchange(w, r)
	defer x.end()
	if a.serveHealth(x, r) {
		return
	}
	if !a.enter() {
		x.fail(&x.answer, r, Errorf(UnavailableError, "The service is not running"))
		return
	}
	x.inside = true
	ctx, cancel := context.WithTimeout(r.Context(), a.config.RequestTimeout)
	defer cancel()
	x.Context = ctx
	r = r.WithContext(x)
	if err := x.limit(w, r); err != nil {
		x.fail(&x.answer, r, err)
		return
	}
	x.user, x.refused = a.authenticate(r)
	a.router.handler.ServeHTTP(&x.answer, r)
}

// exchange begins the answer to a request.
func (a *App) exchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{
		Context: r.Context(), app: a, answer: answer{ResponseWriter: w}, parent: r.Context(),
		start: time.Now(), method: r.Method, user: a.guest, id: requestID(r.Header),
	}
	id := []string{x.id}
	h := w.Header()
	h["X-Request-Id"], h["X-Frappe-Request-Id"] = id, id
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	return x
}

// Header values that never change. Nobody appends to them: their capacity is their length.
var (
	noSniff     = []string{"nosniff"}
	noStore     = []string{"no-store"}
	contentJSON = []string{"application/json; charset=utf-8"}
)

// requestID is the client's, where it is one that can be logged and sent on, or a new one.
func requestID(h http.Header) string {
	for _, name := range []string{"X-Request-Id", "X-Frappe-Request-Id"} {
		if id := h.Get(name); id != "" && len(id) <= 128 && strings.Trim(id, idAlphabet) == "" {
			return id
		}
	}
	return rand.Text()
}

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:=+/@-"

// limit refuses what is too large before anything else looks at it, and limits what will be read.
func (x *exchange) limit(w http.ResponseWriter, r *http.Request) error {
	c := &x.app.config
	if r.Body != nil && r.Body != http.NoBody {
		x.body = &requestBody{ReadCloser: http.MaxBytesReader(w, r.Body, c.MaxBodyBytes), whole: r.Body}
		r.Body = x.body
	}
	if len(r.URL.RawQuery) > c.MaxQueryBytes {
		return Errorf(RequestTooLargeError, "The query string is larger than %d bytes", c.MaxQueryBytes)
	}
	if r.ContentLength > c.MaxBodyBytes {
		return &http.MaxBytesError{Limit: c.MaxBodyBytes}
	}
	return nil
}

// serveHealth answers /livez (the process lives), /readyz and /health (it can serve). Nothing in the answers is secret.
func (a *App) serveHealth(x *exchange, r *http.Request) bool {
	switch r.URL.Path {
	case "/livez", "/readyz", "/health":
	default:
		return false
	}
	x.route, x.quiet = r.URL.Path, true
	status, word := http.StatusOK, "ok"
	if r.URL.Path != "/livez" && !a.ready(r.Context()) {
		status, word = http.StatusServiceUnavailable, "unavailable"
		x.answer.Header().Set("Retry-After", "1")
	}
	x.answer.Header()["Content-Type"] = contentJSON
	x.answer.WriteHeader(status)
	body, _ := json.Marshal(map[string]string{"status": word, "service": a.config.Name})
	x.answer.Write(body)
	return true
}

// ready says whether requests are let in and the store answers.
func (a *App) ready(ctx context.Context) bool {
	if !a.isRunning() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := a.store.Ping(ctx); err != nil {
		a.log.WarnContext(ctx, "not ready", "error", err)
		return false
	}
	return true
}

// end recovers from a panic and writes the access log. It is deferred.
func (x *exchange) end() {
	problem := recover()
	if x.inside {
		defer x.app.inFlight.Done()
	}
	if problem != nil && problem != http.ErrAbortHandler {
		problem = x.panicked(problem)
	}
	x.log()
	if problem != nil {
		panic(problem)
	}
}

// panicked answers a panic with 500. Where a part of the answer is out already, the connection has to break, so that
// the client does not take it for the whole: it returns what to panic with then.
func (x *exchange) panicked(problem any) (again any) {
	x.app.log.Error("panic", "panic", fmt.Sprint(problem), "stack", string(debug.Stack()),
		"request_id", x.id, "method", x.method, "route", x.route, "user", x.user.Name, "tenant", x.user.Tenant)
	x.code = InternalError
	if x.answer.status != 0 {
		return http.ErrAbortHandler
	}
	x.write(&x.answer, &Error{Code: InternalError}, false)
	return nil
}

// log writes the line of the access log.
func (x *exchange) log() {
	level := slog.LevelInfo
	if x.quiet {
		level = slog.LevelDebug
	}
	if !x.app.log.Enabled(x, level) {
		return
	}
	status := x.answer.status
	if status == 0 {
		status = http.StatusOK
	}
	if x.gone {
		status = 499 // nobody was there to be answered
	}
	attrs := append(make([]slog.Attr, 0, 9),
		slog.String("method", x.method), slog.String("route", x.route), slog.Int("status", status),
		slog.Int64("bytes", x.answer.bytes), slog.Duration("duration", time.Since(x.start)),
		slog.String("user", x.user.Name), slog.String("tenant", x.user.Tenant), slog.String("request_id", x.id))
	if x.code != "" {
		attrs = append(attrs, slog.String("exc_type", string(x.code)))
	}
	x.app.log.LogAttrs(x, level, "request", attrs...)
}

// fail answers with an error: every error of every route goes out here. It does not return where a part of the answer
// is out already: then the connection breaks.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeFrom(r.Context())
	if x == nil { // a handler of ours in a foreign mux
		x = &exchange{Context: r.Context(), parent: r.Context(), method: r.Method, user: &User{Name: guestName}, id: requestID(r.Header),
			app: &App{log: slog.Default()}}
	}
	x.fail(w, r, err)
}

func (x *exchange) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := x.explain(err)
	if e == nil {
		x.gone = true
		x.app.log.Debug("the client hung up", "request_id", x.id, "error", err)
		return
	}
	x.code = e.Code
	switch status := e.Code.Status(); {
	case status == http.StatusServiceUnavailable:
		x.logError(slog.LevelWarn, err)
	case status >= 500:
		x.logError(slog.LevelError, err)
	}
	if x.answer.status != 0 {
		x.logError(slog.LevelError, fmt.Errorf("after a part of the answer: %w", err))
		panic(http.ErrAbortHandler)
	}
	if e.Code == RequestTooLargeError {
		x.drain(r)
	}
	sid, _ := r.Cookie("sid")
	dead := sid != nil && sid.Value != "" && sid.Value != guestName && x.user.isGuest()
	x.write(w, e, e.SessionExpired || dead && e.Code == PermissionError)
}

func (x *exchange) logError(level slog.Level, err error) {
	x.app.log.Log(x, level, "request failed", "error", err, "request_id", x.id, "method", x.method, "route", x.route,
		"user", x.user.Name, "tenant", x.user.Tenant)
}

// explain turns an error into one that the client understands. Nil: there is no client any more.
func (x *exchange) explain(err error) *Error {
	if x.body != nil && x.body.err != nil {
		return explainBody(x.body.err)
	}
	if x.parent.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	e := asError(err)
	if e.Code == InternalError && errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: UnavailableError, Message: "The request took too long", Cause: err}
	}
	return e
}

// explainBody is explain for a request whose body could not be read: whatever came of that, this is why.
func explainBody(err error) *Error {
	var tooBig *http.MaxBytesError
	var network *net.OpError
	switch {
	case errors.As(err, &tooBig):
		return asError(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Code: ValidationError, Message: "The request body took too long to arrive", Cause: err}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return nil
	}
	return &Error{Code: ValidationError, Message: "The request body cannot be read", Cause: err}
}

// drain reads on for a while where the client is still sending a body that is too large: many look for an answer only
// after that. One that waits to be asked for its body is not.
func (x *exchange) drain(r *http.Request) {
	const enough = 256 << 20
	if x.body != nil && r.Header.Get("Expect") == "" {
		io.CopyN(io.Discard, x.body.whole, enough)
	}
}

// envelope is the body of an error, as Frappe's API v1 has it. Exc and Messages are JSON in strings.
type envelope struct {
	Exception string `json:"exception,omitempty"`
	Type      Code   `json:"exc_type"`
	Exc       string `json:"exc,omitempty"`
	Messages  string `json:"_server_messages,omitempty"`
	Expired   int    `json:"session_expired,omitempty"`
}

// write sends an error.
func (x *exchange) write(w http.ResponseWriter, e *Error, expired bool) {
	status := e.Code.Status()
	if status == http.StatusInternalServerError { // whatever it says is not for the client
		e = &Error{Code: e.Code, Message: "An internal error occurred (request id " + x.id + ")"}
	}
	body := envelope{Type: e.Code, Messages: serverMessages(e.messages())}
	if expired {
		body.Expired = 1
	}
	if status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
		body.Exception = "frappe.exceptions." + string(e.Code)
		if e.Message != "" {
			body.Exception += ": " + strings.Join(strings.Fields(e.Message), " ")
		}
		body.Exc = marshalText([]string{body.Exception})
	}
	h := w.Header()
	h["Content-Type"] = contentJSON
	h["Cache-Control"] = noStore
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	h.Del("Etag")
	h.Del("Last-Modified")
	switch {
	case status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "token")
	case e.RetryAfter > 0:
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	case status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	io.WriteString(w, marshalText(body))
}

// serverMessages is the list of messages as Frappe sends it: JSON of JSON of each.
func serverMessages(messages []Message) string {
	if len(messages) == 0 {
		return ""
	}
	texts := make([]string, len(messages))
	for i, m := range messages {
		texts[i] = marshalText(m)
	}
	return marshalText(texts)
}

// marshalText is a value of ours as JSON.
func marshalText(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return string(text)
}
