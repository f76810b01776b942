package frappems

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/frappems/frappems/internal/breaker"
)

// centralSite is the connection of a [Central] to its site: what its calls share.
type centralSite struct {
	config  CentralConfig
	base    string // of all URLs
	problem error  // why there is no site
	client  *http.Client
	breaker breaker.Breaker

	// signIn is held by who looks at what follows, and by who signs in: one at a time, however many wait.
	signIn       chan struct{}
	sid          string
	refused      error // by the last sign-in
	refusedUntil time.Time
}

// central makes the client of an App, which without a URL has nothing but the reason.
func (c Config) central() (*Central, error) {
	c.Central.Logger = cmp.Or(c.Central.Logger, c.Logger)
	s, err := newCentralSite(c.Central)
	if c.Central.URL == "" {
		s, err = &centralSite{problem: err}, nil
	}
	return &Central{centralSite: s}, err
}

// close closes connections that nobody uses.
func (s *centralSite) close() {
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
}

// maxCentralTries is how often a call is sent at most.
const maxCentralTries = 3

// refusalTime is how long a password that was refused is not tried again: Frappe locks users out after a few.
const refusalTime = 10 * time.Second

// errCentralTimeout is why a call ended that took longer than CentralConfig.Timeout.
var errCentralTimeout = errors.New("it took longer than CentralConfig.Timeout")

func newCentralSite(c CentralConfig) (*centralSite, error) {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		return nil, errors.New("frappems: Config.Central.URL is not set: there is no Central Site")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("frappems: Config.Central.URL %q: want one such as https://erp.example.com", u.Redacted())
	case (c.APIKey == "") != (c.APISecret == "") || strings.ContainsAny(c.APIKey+c.APISecret, ": \t\r\n"):
		return nil, errors.New("frappems: Config.Central.APIKey and APISecret go together, and have no colons or blanks")
	case (c.User == "") != (c.Password == "") || c.User != "" && c.APIKey != "":
		return nil, errors.New("frappems: Config.Central.User and Password go together, and stand in place of APIKey and APISecret")
	case c.Timeout < 0:
		return nil, errors.New("frappems: Config.Central.Timeout is negative")
	}
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Transport == nil {
		t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxConnsPerHost: 64, MaxIdleConnsPerHost: 64,
			IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 1 << 20,
			DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
		c.Transport = t
	}
	// A redirect is no answer of Frappe's: followed, it would take the credential to wherever it points.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &centralSite{config: c, base: strings.TrimRight(c.URL, "/"), signIn: make(chan struct{}, 1),
		client: &http.Client{Transport: c.Transport, CheckRedirect: stay}}, nil
}

// call sends a request, again where that is safe and helps, and reads the answer.
func (c *Central) call(ctx context.Context, q *centralRequest) error {
	if c.problem != nil {
		return c.problem
	}
	if !q.safe && !c.allowTx && inTransaction(ctx) {
		return ErrCentralInTx
	}
	if err := q.prepare(); err != nil {
		return err
	}
	if q.upload == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.config.Timeout, errCentralTimeout)
		defer cancel()
	}
	for try := 1; ; try++ {
		err := c.attempt(ctx, q)
		if try == maxCentralTries || !q.repeatable(err) || !wait(ctx, err, try) {
			return err
		}
	}
}

// attempt sends a request with the credential that is asked for. A session of the service's that has ended is renewed once.
func (c *Central) attempt(ctx context.Context, q *centralRequest) error {
	if c.asCaller {
		credential, err := callerCredential(ctx)
		if err != nil {
			return err
		}
		return c.send(ctx, q, credential)
	}
	credential, err := c.ownCredential(ctx, "")
	if err == nil {
		err = c.send(ctx, q, credential)
	}
	if stale := credential.sid; stale != "" && signedOut(err) {
		credential, problem := c.ownCredential(ctx, stale)
		switch {
		case problem != nil:
			err = problem
		case q.upload != nil || errors.Is(err, errAsGuest):
			err = &Error{Code: UnavailableError, Message: "The session at the Central Site had ended, please try again", Cause: err}
		default:
			err = c.send(ctx, q, credential)
		}
	}
	if signedOut(err) { // it is not the client's credential that was refused
		return &Error{Code: InternalError, Message: "The Central Site refuses the service's credential", Cause: err}
	}
	return err
}

// signedOut says whether Central refuses a credential.
func signedOut(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.SessionExpired || e.Code == AuthenticationError)
}

// errAsGuest is of a call that was answered, though to nobody's user: it may have done something.
var errAsGuest = errors.New("it was answered as Guest's")

// credential is what a call is signed with.
type credential struct{ authorization, sid, csrf string }

// callerCredential is the one of the request that ctx belongs to.
func callerCredential(ctx context.Context) (credential, error) {
	x := exchangeFrom(ctx)
	if x == nil {
		return credential{}, errors.New("frappems: Central.AsCaller outside a request: there is no caller")
	}
	if x.refused != nil {
		return credential{}, x.refused
	}
	one := credential{authorization: x.request.Header.Get("Authorization")}
	if scheme, _ := credentials(x.request); scheme == "" {
		one = credential{sid: x.request.Header.Get("X-Frappe-SID"), csrf: x.request.Header.Get("X-Frappe-CSRF-Token")}
		if cookie, err := x.request.Cookie("sid"); err == nil && one.sid == "" { // as who signs in by them has it
			one.sid = cookie.Value
		}
	}
	if x.user.isGuest() || one.authorization == "" && (one.sid == "" || one.sid == guestName) {
		return credential{}, Errorf(PermissionError, "You need to be signed in")
	}
	return one, nil
}

// ownCredential is the service's; not the session that is stale.
func (s *centralSite) ownCredential(ctx context.Context, stale string) (credential, error) {
	switch {
	case s.config.APIKey != "":
		return credential{authorization: "token " + s.config.APIKey + ":" + s.config.APISecret}, nil
	case s.config.User == "":
		return credential{}, errors.New("frappems: Config.Central has neither APIKey nor User: only Central.AsCaller can be used")
	}
	select {
	case s.signIn <- struct{}{}:
		defer func() { <-s.signIn }()
	case <-ctx.Done():
		return credential{}, s.unavailable(&outage{error: context.Cause(ctx)})
	}
	if s.sid != "" && s.sid != stale {
		return credential{sid: s.sid}, nil
	}
	s.sid = ""
	if time.Now().Before(s.refusedUntil) {
		return credential{}, s.refused
	}
	q := &centralRequest{verb: http.MethodPost, path: []string{"method", "login"},
		args: map[string]any{"usr": s.config.User, "pwd": s.config.Password}, key: "message"}
	err := q.prepare()
	if err == nil {
		err = s.send(ctx, q, credential{})
	}
	if err == nil && (q.sid == "" || q.sid == guestName) {
		err = Errorf(AuthenticationError, "The sign-in at Central gave no session")
	}
	if errors.Is(err, AuthenticationError) {
		s.refused, s.refusedUntil = err, time.Now().Add(refusalTime)
	}
	if err == nil {
		s.sid = q.sid
	}
	return credential{sid: s.sid}, err
}

// send sends a request once, unless Central has not answered for a while, and reads the answer.
func (s *centralSite) send(ctx context.Context, q *centralRequest, by credential) error {
	r, err := s.newRequest(ctx, q, by)
	if err != nil {
		return fmt.Errorf("frappems: for Central: %w", err)
	}
	if wait := s.breaker.Enter(); wait > 0 {
		return &Error{Code: UnavailableError, Message: centralDown, RetryAfter: wait, Cause: errors.New("Central is not asked: it did not answer")}
	}
	outcome := breaker.Unknown
	defer func() { s.note(outcome, err) }()
	res, err := s.client.Do(r)
	var dial *net.OpError
	switch {
	case err == nil:
		err = q.receive(res)
	case q.upload != nil && q.upload.err != nil:
		return q.upload.err
	default:
		err = &outage{error: err, unsent: errors.As(err, &dial) && dial.Op == "dial"}
	}
	var down *outage
	if !errors.As(err, &down) {
		outcome = breaker.Success
		return err
	}
	if down.alive {
		outcome = breaker.Success
	} else if ctx.Err() == nil || context.Cause(ctx) == errCentralTimeout {
		outcome = breaker.Failure // else it was given up too soon to know
	}
	down.error = fmt.Errorf("%s %s at Central: %w", q.verb, strings.Join(q.path, "/"), down.error)
	return s.unavailable(down)
}

// note counts a call and logs when that changes whether Central is asked.
func (s *centralSite) note(outcome breaker.Outcome, err error) {
	switch changed := s.breaker.Leave(outcome); {
	case changed && outcome == breaker.Failure:
		s.config.Logger.Warn("the Central Site does not answer", "url", s.base, "error", err)
	case changed:
		s.config.Logger.Info("the Central Site answers again", "url", s.base)
	}
}

func (s *centralSite) newRequest(ctx context.Context, q *centralRequest, by credential) (*http.Request, error) {
	var body io.Reader
	if q.upload != nil {
		body = q.upload
	} else if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, q.verb, s.base+q.target, body)
	if err != nil {
		return nil, err
	}
	if q.size > 0 {
		r.ContentLength = q.size
	}
	r.Host = cmp.Or(s.config.Site, r.Host)
	header := map[string]string{"Accept": "application/json", "Content-Type": q.contentType, "Authorization": by.authorization,
		"X-Frappe-CSRF-Token": by.csrf}
	if x := exchangeFrom(ctx); x != nil {
		header["X-Request-Id"] = x.id
		for _, name := range []string{"Traceparent", "Tracestate"} {
			if value := x.request.Header.Get(name); len(value) <= 512 { // as much as a trace has
				header[name] = value
			}
		}
	}
	for name, value := range header {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if by.sid != "" {
		r.AddCookie(&http.Cookie{Name: "sid", Value: by.sid})
	}
	return r, nil
}

// outage is why there is no answer of Frappe's.
type outage struct {
	error
	unsent bool          // Central has nothing of the request
	alive  bool          // it answered, but wants to be asked later
	after  time.Duration // when it wants to be asked; 0: it does not say
}

// centralDown is what clients are told of any outage.
const centralDown = "The Central Site cannot be reached at the moment, please try again"

func (s *centralSite) unavailable(o *outage) error {
	return &Error{Code: UnavailableError, Message: centralDown, RetryAfter: o.after, Cause: o}
}

// Unwrap gives the cause.
func (o *outage) Unwrap() error { return o.error }

// repeatable says whether a request that failed may be sent again.
func (q *centralRequest) repeatable(err error) bool {
	var o *outage
	return errors.As(err, &o) && q.upload == nil && (q.safe || o.unsent)
}

// wait waits before the next try, for a time that is partly a matter of chance; it is false where ctx ends before.
func wait(ctx context.Context, err error, try int) bool {
	var o *outage
	errors.As(err, &o)
	delay := o.after + rand.N(50*time.Millisecond<<(2*try))
	if end, limited := ctx.Deadline(); limited && time.Until(end) <= delay {
		return false
	}
	return sleep(ctx, delay)
}

// receive reads an answer. What is left of it is read too, so that the connection can be used again.
func (q *centralRequest) receive(res *http.Response) error {
	defer func() {
		io.CopyN(io.Discard, res.Body, 64<<10)
		res.Body.Close()
	}()
	for _, cookie := range res.Cookies() {
		if cookie.Name == "sid" {
			q.sid = cookie.Value
		}
	}
	if res.StatusCode < http.StatusMultipleChoices {
		return q.read(res.Body)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxCentralProblem))
	if err != nil {
		return &outage{error: err}
	}
	return centralRefusal(res.StatusCode, res.Header, body)
}

// received decodes a value of an answer where it belongs, without a copy of its bytes.
type received struct {
	into any
	got  bool
	err  error
}

// UnmarshalJSON decodes.
func (v *received) UnmarshalJSON(data []byte) error {
	v.got = true
	if v.into != nil {
		v.err = decodeCentral(data, v.into)
	}
	return nil
}

func decodeCentral(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("frappems: Central's answer does not fit %T: %w", into, err)
	}
	return nil
}

// read reads an answer that is no error.
func (q *centralRequest) read(body io.Reader) error {
	limited := &io.LimitedReader{R: body, N: maxCentralAnswer}
	value := &received{into: q.into}
	var envelope struct {
		Data    *received `json:"data"`
		Message *received `json:"message"`
		Expired flag      `json:"session_expired"`
	}
	if q.key == "data" {
		envelope.Data = value
	} else {
		envelope.Message = value
	}
	err := json.NewDecoder(limited).Decode(&envelope)
	switch {
	case limited.N <= 0:
		return fmt.Errorf("frappems: Central's answer is larger than %d bytes: ask for less at once", maxCentralAnswer)
	case err != nil:
		return &outage{error: fmt.Errorf("its answer cannot be read: %w", err)}
	case bool(envelope.Expired): // Frappe goes on as Guest
		cause := errAsGuest
		if q.safe {
			cause = nil
		}
		return &Error{Code: PermissionError, SessionExpired: true, Message: "Your session has ended, please sign in again", Cause: cause}
	case q.key == "data" && !value.got:
		return &outage{error: errors.New("its answer is none of Frappe's")}
	}
	return value.err
}

// centralRefusal is the error that an answer tells of: by Frappe's code with what it shows to its users, or an outage where it is
// not Frappe that answers.
func centralRefusal(status int, header http.Header, body []byte) error {
	var sent struct {
		Type      string `json:"exc_type"`
		Exception string `json:"exception"`
		Server    string `json:"_server_messages"`
		Message   string `json:"message"`
		Expired   flag   `json:"session_expired"`
	}
	var misfit *json.UnmarshalTypeError // of one of the fields; the others are there
	if err := json.Unmarshal(body, &sent); err != nil && !errors.As(err, &misfit) {
		sent.Type = ""
	}
	what := fmt.Errorf("%d %s: %.200q", status, http.StatusText(status), cmp.Or(sent.Exception, string(body)))
	switch {
	case sent.Type == "" || status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests || status < http.StatusBadRequest:
		return &outage{error: what, alive: status == http.StatusTooManyRequests, after: retryAfter(header.Get("Retry-After"))}
	case status >= http.StatusInternalServerError: // a bug there, which is as good as no answer
		return &Error{Code: UnavailableError, Message: centralDown, Cause: what}
	}
	e := &Error{Code: centralCode(status, sent.Type), Messages: centralMessages(sent.Server), SessionExpired: bool(sent.Expired),
		Cause: fmt.Errorf("Central answered with %d", status)}
	if _, text, ok := strings.Cut(sent.Exception, ": "); ok {
		e.Message = text
	}
	if e.Message = cmp.Or(sent.Message, e.Message); len(e.Messages) > 0 {
		e.Message = e.Messages[0].Message
	}
	return e
}

// centralCode is the code of an error: Frappe's name for it where that goes with the status, else what the status means.
func centralCode(status int, name string) Code {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
	if code := Code(name); len(name) <= 100 && strings.Trim(name, letters) == "" && code.Status() == status {
		return code
	}
	for _, code := range []Code{AuthenticationError, PermissionError, DoesNotExistError, MethodNotAllowedError, DuplicateEntryError,
		PreconditionFailedError, RequestTooLargeError, UnsupportedMediaTypeError} {
		if code.Status() == status {
			return code
		}
	}
	return ValidationError
}

// centralMessages reads _server_messages: JSON of a list of texts, each JSON of a message.
func centralMessages(list string) (messages []Message) {
	var texts []string
	if json.Unmarshal([]byte(list), &texts) != nil {
		return nil
	}
	for _, text := range texts[:min(len(texts), 20)] {
		var m struct {
			Message   string `json:"message"`
			Title     string `json:"title"`
			Indicator string `json:"indicator"`
		}
		var misfit *json.UnmarshalTypeError
		if err := json.Unmarshal([]byte(text), &m); err != nil && !errors.As(err, &misfit) {
			m.Message = text
		}
		if m.Message != "" {
			messages = append(messages, Message{Message: m.Message, Title: cmp.Or(m.Title, "Message"), Indicator: m.Indicator, Raise: 1})
		}
	}
	return messages
}

// retryAfter reads that header: seconds or a date, up to an hour.
func retryAfter(value string) time.Duration {
	after := time.Duration(0)
	if seconds, err := strconv.ParseUint(value, 10, 16); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		after = time.Until(at)
	}
	return max(0, min(after, time.Hour))
}
