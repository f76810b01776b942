package central

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/frappems/frappems"
)

// ProxyConfig says how a [Proxy] reaches the Central Site. Only URL is required.
type ProxyConfig struct {
	// URL is where the Central Site is, such as https://erp.example.com. Required.
	URL string
	// Site is the site's name at Central, where it is not the host in URL. Empty: the host in URL.
	Site string
	// Timeout is how long Central may take to begin its answer, once it has the whole request. Defaults to two minutes, which is
	// how long a Frappe site lets a request run.
	Timeout time.Duration
	// IdleTimeout is how long a client may send nothing of a body that it has begun, or take nothing of an answer. Streams and
	// web sockets may be silent for as long as they like. Defaults to one minute.
	IdleTimeout time.Duration
	// TrustForwarded passes on the X-Forwarded-For, -Host and -Proto of clients, for a service that is reached through a proxy of
	// one's own only. False: they are replaced, since a client could write anything.
	TrustForwarded bool
	// SessionEnded is told the sid of a session of which Central says that it is over, such as after a logout that the Proxy passed
	// on. An Authenticator that remembers it, forgets it by that. It may be called concurrently. Nil: nobody is told.
	SessionEnded func(sid string)
	// Transport sends the requests. Nil: one of its own, which waits for connections for five seconds.
	Transport http.RoundTripper
	// Shadow is how reads are compared before a DocType moves. Zero: not at all.
	Shadow ShadowConfig
	// Logger gets what went wrong. Nil: slog.Default().
	Logger *slog.Logger
}

// Proxy passes requests on to the Central Site as they come and its answers as it gives them: for frappems' Config.Fallback. The
// caller's credentials go along, so it is Central that decides. The name of the host is the site's, and X-Forwarded-Host says
// what it was. An answer has the header X-Served-By: central beside Central's own.
//
// It may be used concurrently.
type Proxy struct {
	config  ProxyConfig
	target  *url.URL
	reverse httputil.ReverseProxy
	via     string  // how it calls itself in the header Via
	shadow  *shadow // nil: nothing is compared
	counts  struct{ passed, failed, loops atomic.Int64 }
}

// ProxyStats counts since the Proxy was made. It is what expvar.Func can publish.
type ProxyStats struct {
	// Passed are the requests that were given to Central.
	Passed int64 `json:"passed"`
	// Failed are those of them that Central did not answer.
	Failed int64 `json:"failed"`
	// Loops are requests that Central itself had sent here. They were refused.
	Loops int64 `json:"loops"`
	// Shadow counts comparisons (see [ShadowConfig]).
	Shadow ShadowStats `json:"shadow"`
}

// NewProxy makes a Proxy. A config that cannot work is a mistake in the program: it panics, and names the field and the line of the
// call. Central is not asked yet.
func NewProxy(c ProxyConfig) *Proxy {
	p, err := newProxy(c)
	if err != nil {
		_, file, line, _ := runtime.Caller(1)
		panic(fmt.Sprintf("central: NewProxy at %s:%d: %v", file, line, err))
	}
	return p
}

func newProxy(c ProxyConfig) (*Proxy, error) {
	target, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		return nil, errors.New("ProxyConfig.URL is required: where the Central Site is, such as https://erp.example.com")
	case err != nil || target.Scheme != "https" && target.Scheme != "http" || target.Host == "" || target.User != nil || target.RawQuery != "":
		return nil, errors.New("ProxyConfig.URL: want one such as https://erp.example.com")
	case c.Timeout < 0 || c.IdleTimeout < 0:
		return nil, errors.New("ProxyConfig.Timeout or IdleTimeout is negative")
	}
	c.Timeout = cmp.Or(c.Timeout, 2*time.Minute)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, time.Minute)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Transport == nil {
		c.Transport = newProxyTransport(c.Timeout)
	}
	sum := sha256.Sum256([]byte(c.URL + "\x00" + c.Site))
	p := &Proxy{config: c, target: target, via: "frappems-" + hex.EncodeToString(sum[:8])}
	if p.shadow, err = newShadow(c.Shadow, c.Logger); err != nil {
		return nil, err
	}
	p.reverse = httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		ModifyResponse: p.mark,
		ErrorHandler:   p.fail,
		FlushInterval:  -1, // at once
		Transport:      c.Transport,
		ErrorLog:       slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	return p, nil
}

// newProxyTransport makes a transport that changes nothing: it neither asks for compression nor undoes it.
func newProxyTransport(timeout time.Duration) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 5 * time.Second
	t.ResponseHeaderTimeout = timeout
	t.DisableCompression = true
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 64
	t.IdleConnTimeout = 30 * time.Second
	return t
}

// Stats returns the counts.
func (p *Proxy) Stats() ProxyStats {
	return ProxyStats{p.counts.passed.Load(), p.counts.failed.Load(), p.counts.loops.Load(), p.shadow.stats()}
}

// ServeHTTP passes a request on.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, via := range r.Header.Values("Via") {
		if strings.Contains(via, p.via) {
			p.counts.loops.Add(1)
			p.config.Logger.ErrorContext(r.Context(), "the Central Site sends requests to this service that it has from it", "via", via)
			p.answer(w, r, &frappems.Error{Code: frappems.UnavailableError, RetryAfter: time.Minute,
				Message: "The Central Site passes this request on to the service that passed it on"})
			return
		}
	}
	p.counts.passed.Add(1)
	// What the service set is its own: the answer is Central's. The request id is kept where Central gives none.
	id := w.Header().Get("X-Request-Id")
	clear(w.Header())
	conn := http.NewResponseController(w)
	conn.SetWriteDeadline(time.Time{}) // where it is not supported there is none
	compared := p.shadow.read(r)
	passed := r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
	if r.Body != nil && r.Body != http.NoBody {
		passed.Body = &patientBody{ReadCloser: newUploadBody(r), conn: conn, idle: p.config.IdleTimeout}
	} else {
		conn.SetReadDeadline(time.Time{})
	}
	answer := &patientWriter{ResponseWriter: w, conn: conn, idle: p.config.IdleTimeout}
	if compared != nil {
		compared.request.Header.Set("X-Request-Id", id)
		answer.copied = &compared.central
	}
	p.reverse.ServeHTTP(answer, passed)
	if compared != nil {
		p.shadow.compare(compared)
	}
}

type requestIDKey struct{}

// rewrite makes the request to Central.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	r.SetURL(p.target)
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.Out.Host = cmp.Or(p.config.Site, p.target.Host)
	if p.config.TrustForwarded {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			if values := r.In.Header[name]; values != nil {
				r.Out.Header[name] = values
			}
		}
	}
	host, proto := r.Out.Header["X-Forwarded-Host"], r.Out.Header["X-Forwarded-Proto"]
	r.SetXForwarded() // adds to X-Forwarded-For
	if host != nil {
		r.Out.Header["X-Forwarded-Host"] = host
	}
	if proto != nil {
		r.Out.Header["X-Forwarded-Proto"] = proto
	}
	// Clients in a browser send the name of the host that they see, which Central does not know as a site.
	r.Out.Header.Set("X-Frappe-Site-Name", cmp.Or(p.config.Site, p.target.Hostname()))
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values := r.Out.Header[name]; values != nil { // net/http sends a request with these again, written so; Frappe knows nothing of them
			delete(r.Out.Header, name)
			r.Out.Header[strings.ToLower(name)] = values
		}
	}
	r.Out.Header.Del("X-Internal-Token") // a secret of the services, which means nothing to Central
	r.Out.Header.Add("Via", fmt.Sprintf("%d.%d %s", r.In.ProtoMajor, r.In.ProtoMinor, p.via))
	if id, _ := r.In.Context().Value(requestIDKey{}).(string); id != "" {
		r.Out.Header.Set("X-Request-Id", id)
	}
}

// mark says in an answer who gave it.
func (p *Proxy) mark(response *http.Response) error {
	response.Header.Set("X-Served-By", "central")
	if id, _ := response.Request.Context().Value(requestIDKey{}).(string); id != "" && response.Header.Get("X-Request-Id") == "" {
		response.Header.Set("X-Request-Id", id)
	}
	sid, err := response.Request.Cookie("sid")
	if err == nil && sid.Value != "" && p.config.SessionEnded != nil {
		for _, cookie := range response.Cookies() {
			if cookie.Name == "sid" && cookie.Value == "Guest" { // else Central says the session again
				p.config.SessionEnded(sid.Value)
			}
		}
	}
	return nil
}

// fail answers where Central did not.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	if e := (*frappems.Error)(nil); errors.As(err, &e) { // what was sent on is not for Central
		p.answer(w, r, e)
		return
	}
	if r.Context().Err() == nil {
		p.counts.failed.Add(1)
	}
	p.answer(w, r, &frappems.Error{Code: frappems.UnavailableError, RetryAfter: 5 * time.Second,
		Message: "The Central Site cannot be reached at the moment, please try again", Cause: err})
}

// answer is an error of the service's own.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("X-Served-By", "central")
	frappems.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(w, r)
}

// patientBody is a body that may take as long as something of it comes. The server's own limit is for whole requests.
type patientBody struct {
	io.ReadCloser
	conn *http.ResponseController
	idle time.Duration
}

// Read reads.
func (b *patientBody) Read(data []byte) (int, error) {
	b.conn.SetReadDeadline(time.Now().Add(b.idle))
	n, err := b.ReadCloser.Read(data)
	if err == io.EOF {
		b.conn.SetReadDeadline(time.Time{}) // the server goes on looking whether the client is still there
	}
	return n, err
}

// patientWriter is an answer that may take as long as something of it is taken.
type patientWriter struct {
	http.ResponseWriter
	conn   *http.ResponseController
	idle   time.Duration
	copied *captured // nil: nobody wants a copy
}

// WriteHeader writes.
func (w *patientWriter) WriteHeader(status int) {
	if w.copied != nil && status >= 200 {
		w.copied.WriteHeader(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes.
func (w *patientWriter) Write(data []byte) (int, error) {
	if w.copied != nil {
		w.copied.Write(data)
	}
	w.conn.SetWriteDeadline(time.Now().Add(w.idle))
	return w.ResponseWriter.Write(data)
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
