package frappems

import (
	"cmp"
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
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// exchange is one request with its answer: the context that handlers get, and what the log says of it at the end.
type exchange struct {
	context.Context
	app     *App
	request *http.Request // as it came: its context ends when the client hangs up
	answer  answer
	body    *requestBody // nil: none
	start   time.Time
	id      string
	route   string // the pattern that matched
	inside  bool   // counted as in flight
	v2      bool   // asked for by API v2, which has an envelope of its own

	user    *User
	refused error        // why user is Guest in spite of credentials
	code    Code         // of the error that was answered
	open    atomic.Int32 // transactions that were begun with its context

	mu    sync.Mutex
	db    *DB
	dbErr error
}

// requestBody is the body of a request, up to the limit. It notes why it could not be read.
type requestBody struct {
	io.ReadCloser
	err error
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
	w.status = cmp.Or(w.status, http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for handlers that ask for an http.Flusher.
func (w *answer) Flush() {
	w.status = cmp.Or(w.status, http.StatusOK)
	http.NewResponseController(w.ResponseWriter).Flush()
}

// ServeHTTP answers a request, in this order: request id, recovery from panics and the log around everything; health
// checks; limits; Config.Auth; what was given to Use, the first outermost; the route. Credentials that were refused are
// answered by the route, so that what Use wraps sees these requests too, as Guest's.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Context: r.Context(), app: a, request: r, answer: answer{ResponseWriter: w}, start: time.Now(),
		id: requestID(r.Header), user: a.guest}
	defer x.end()
	h, id := w.Header(), []string{x.id}
	h["X-Request-Id"], h["X-Frappe-Request-Id"] = id, id
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	if slices.Contains(healthPaths, r.URL.Path) {
		x.serveHealth()
		return
	}
	if !a.enter() {
		x.fail(&x.answer, Errorf(UnavailableError, "The service is not running"))
		return
	}
	x.inside = true
	r = r.WithContext(x)
	if a.config.Fallback != nil && x.pass(r) {
		return
	}
	a.stats.own.Add(1)
	ctx, cancel := context.WithTimeout(x.Context, a.config.RequestTimeout)
	defer cancel()
	x.Context = ctx
	if err := x.limit(r); err != nil {
		x.fail(&x.answer, err)
		return
	}
	x.user, x.refused = a.authenticate(r)
	a.router.handler.ServeHTTP(&x.answer, r)
}

// Header values that never change. Nobody appends to them: their capacity is their length.
var (
	noSniff     = []string{"nosniff"}
	noStore     = []string{"no-store"}
	contentJSON = []string{"application/json; charset=utf-8"}
)

// requestID is the client's, where it is one that can be logged and sent on, or a new one.
func requestID(h http.Header) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:=+/@-"
	for _, name := range []string{"X-Request-Id", "X-Frappe-Request-Id"} {
		if id := h.Get(name); id != "" && len(id) <= 128 && strings.Trim(id, alphabet) == "" {
			return id
		}
	}
	return rand.Text()
}

// limit refuses what is too large before anything else looks at it, and limits what will be read.
func (x *exchange) limit(r *http.Request) error {
	c := &x.app.config
	if r.Body != nil && r.Body != http.NoBody {
		x.body = &requestBody{ReadCloser: http.MaxBytesReader(x.answer.ResponseWriter, r.Body, c.MaxBodyBytes)}
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
func (x *exchange) serveHealth() {
	x.route = x.request.URL.Path
	status, word := http.StatusOK, "ok"
	if x.route != "/livez" && !x.app.ready(x) {
		status, word = http.StatusServiceUnavailable, "unavailable"
		x.answer.Header().Set("Retry-After", "1")
	}
	x.answer.Header()["Content-Type"] = contentJSON
	x.answer.WriteHeader(status)
	io.WriteString(&x.answer, marshalText(map[string]string{"status": word, "service": x.app.config.Name}))
}

// ready says whether requests are let in and the store answers.
func (a *App) ready(ctx context.Context) bool {
	if !a.isRunning() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := a.store.Ping(ctx)
	if err != nil {
		a.log.WarnContext(ctx, "not ready", "error", err)
	}
	return err == nil
}

// end recovers from a panic and writes the access log. It is deferred.
func (x *exchange) end() {
	problem := recover()
	if x.inside {
		defer x.app.inFlight.Done()
	}
	if problem != nil && problem != http.ErrAbortHandler {
		x.report(slog.LevelError, "panic", "panic", fmt.Sprint(problem), "stack", string(debug.Stack()))
		x.code = InternalError
		// Where a part of the answer is out already, the connection has to break, so that the client does not take it
		// for the whole.
		problem = http.ErrAbortHandler
		if x.answer.status == 0 {
			x.write(&x.answer, &Error{Code: InternalError})
			problem = nil
		}
	}
	x.log()
	if problem != nil {
		panic(problem)
	}
}

// log writes the line of the access log.
func (x *exchange) log() {
	level := slog.LevelInfo
	if slices.Contains(healthPaths, x.route) { // not worth a line
		level = slog.LevelDebug
	}
	if !x.app.log.Enabled(x, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 9),
		slog.String("method", x.request.Method), slog.String("route", x.route),
		slog.Int("status", cmp.Or(x.answer.status, http.StatusOK)),
		slog.Int64("bytes", x.answer.bytes), slog.Duration("duration", time.Since(x.start)),
		slog.String("user", x.user.Name), slog.String("tenant", x.user.Tenant), slog.String("request_id", x.id))
	if x.code != "" {
		attrs = append(attrs, slog.String("exc_type", string(x.code)))
	}
	x.app.log.LogAttrs(x, level, "request", attrs...)
}

// expired says whether the user is Guest because a session is over. What Guest may do goes on then, but for the note of it.
func (x *exchange) expired() bool {
	e, ok := x.refused.(*Error)
	return ok && e.SessionExpired
}

// report logs what went wrong, and in which request.
func (x *exchange) report(level slog.Level, message string, args ...any) {
	x.app.log.Log(x, level, message, append(args, "request_id", x.id, "method", x.request.Method, "route", x.route,
		"user", x.user.Name, "tenant", x.user.Tenant)...)
}

// fail answers with an error: every error of every route goes out here. It does not return where a part of the answer
// is out already: then the connection breaks.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeFrom(r.Context())
	if x == nil { // a handler of ours in a foreign mux
		x = &exchange{Context: r.Context(), app: &App{log: slog.Default()}, request: r,
			id: requestID(r.Header), user: &User{Name: guestName}}
	}
	x.fail(w, err)
}

func (x *exchange) fail(w http.ResponseWriter, err error) {
	e := x.explain(err)
	if e == nil {
		x.answer.status = 499 // for the log: nobody is there to be answered
		x.app.log.Debug("the client hung up", "request_id", x.id, "error", err)
		return
	}
	x.code = e.Code
	switch status := e.Code.Status(); {
	case status == http.StatusServiceUnavailable:
		x.report(slog.LevelWarn, "request failed", "error", err)
	case status >= 500:
		x.report(slog.LevelError, "request failed", "error", err)
	}
	if x.answer.status != 0 {
		x.report(slog.LevelError, "request failed", "error", fmt.Errorf("after a part of the answer: %w", err))
		panic(http.ErrAbortHandler)
	}
	// Many clients look for an answer only after they have sent a body that is too large, so it is read on for a while.
	// One that waits to be asked for its body is not.
	if e.Code == RequestTooLargeError && x.body != nil && x.request.Header.Get("Expect") == "" {
		const enough = 256 << 20
		io.CopyN(io.Discard, x.request.Body, enough)
	}
	x.write(w, e)
}

// explain turns an error into one that the client understands. Nil: there is no client any more.
func (x *exchange) explain(err error) *Error {
	if x.body != nil && x.body.err != nil {
		return explainBody(x.body.err)
	}
	if x.request.Context().Err() != nil && errors.Is(err, context.Canceled) {
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

// envelope is the body of an error, as Frappe's API v1 has it. Exc and Messages are JSON in strings.
type envelope struct {
	Exception string `json:"exception,omitempty"`
	Type      Code   `json:"exc_type"`
	Exc       string `json:"exc,omitempty"`
	Messages  string `json:"_server_messages,omitempty"`
	Expired   int    `json:"session_expired,omitempty"`
}

// write sends an error.
func (x *exchange) write(w http.ResponseWriter, e *Error) {
	body := envelope{Type: e.Code}
	if e.SessionExpired || e.Code == PermissionError && x.user.isGuest() && sidOf(x.request) != "" {
		body.Expired = 1
	}
	status := e.Code.Status()
	if status == http.StatusInternalServerError { // whatever it says is not for the client
		e = &Error{Code: e.Code, Message: "An internal error occurred (request id " + x.id + ")"}
	}
	var messages []string // JSON in JSON in JSON, as Frappe sends them
	for _, message := range e.messages() {
		messages = append(messages, marshalText(message))
	}
	if messages != nil {
		body.Messages = marshalText(messages)
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
	for _, name := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"} {
		h.Del(name)
	}
	switch {
	case status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "token")
	case e.RetryAfter > 0:
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	case status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	if x.v2 {
		io.WriteString(w, marshalText(e.envelopeV2()))
		return
	}
	io.WriteString(w, marshalText(body))
}

// envelopeV2 is the body of an error in API v2: the error, and what else the user is shown.
type envelopeV2 struct {
	Errors   []errorV2 `json:"errors"`
	Messages []Message `json:"messages,omitempty"`
}

type errorV2 struct {
	Type      Code   `json:"type"`
	Message   string `json:"message,omitempty"`
	Title     string `json:"title,omitempty"`
	Indicator string `json:"indicator,omitempty"`
}

func (e *Error) envelopeV2() envelopeV2 {
	one := errorV2{Type: e.Code, Message: e.Message}
	messages := e.messages()
	if len(messages) == 0 {
		return envelopeV2{Errors: []errorV2{one}}
	}
	first := messages[0]
	one.Message, one.Title, one.Indicator = first.Message, first.Title, first.Indicator
	return envelopeV2{Errors: []errorV2{one}, Messages: messages[1:]}
}

// marshalText is a value of ours as JSON.
func marshalText(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return string(text)
}
