package differential

import (
	"bytes"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// TestTraffic sends Frappe's recorded traffic to services on all stores at once. Their answers have to be those that were
// recorded, and the same bytes.
func TestTraffic(t *testing.T) {
	frappemstest.TestReplay(t, func(t *testing.T, doctypes fs.FS, users []byte) string {
		t.Helper()
		c := &comparer{t: t}
		for _, open := range openers {
			c.services = append(c.services, newService(t, open(t), doctypes, users))
		}
		server := httptest.NewServer(c)
		t.Cleanup(server.Close)
		return server.URL
	})
}

// comparer is a handler that asks all services, and wants one answer. It is asked for one request at a time.
type comparer struct {
	t        *testing.T
	services []*service
	requests int
}

// service is one on a store. Names that it gives by chance are known by those that the first one has given.
type service struct {
	app   *frappems.App
	clock *atomic.Int64
	names map[string]string // by those of the first service
}

func newService(t *testing.T, kept frappems.Store, doctypes fs.FS, users []byte) *service {
	t.Helper()
	t.Cleanup(func() { kept.Close() })
	tokens, err := frappems.NewTokens(bytes.NewReader(users))
	if err != nil {
		t.Fatal(err)
	}
	s := &service{clock: &atomic.Int64{}, names: map[string]string{}}
	begin := time.Now().UTC().Truncate(time.Second) // the recording asks for names with the year of today
	s.app, err = frappems.New(frappems.Config{DocTypes: doctypes, Store: kept, Auth: tokens, Tenant: "default", Logger: slog.New(slog.DiscardHandler),
		EncryptionKey: bytes.Repeat([]byte("k"), 32),
		Now:           func() time.Time { return begin.Add(time.Duration(s.clock.Load()) * time.Microsecond) }})
	if err != nil {
		t.Fatal(err)
	}
	types, err := frappems.LoadDocTypes(doctypes)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range types {
		if !m.IsTable {
			s.app.Resource(m.Name)
		}
	}
	if err := s.app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// ServeHTTP passes on what the first service answers.
func (c *comparer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	c.requests++
	first := c.services[0].ask(r, body, c.requests)
	for i, s := range c.services[1:] {
		got := s.ask(r, body, c.requests)
		if s.learn(first.Body.String(), got.Body.String()); first.Code != got.Code || first.Body.String() != s.translated(got.Body.String(), true) {
			c.t.Errorf("%s %s %s:\n%s: %d %s\n%s: %d %s", r.Method, r.URL, body, storeNames[0], first.Code, first.Body, storeNames[i+1], got.Code, got.Body)
		}
	}
	maps.Copy(w.Header(), first.Header())
	w.WriteHeader(first.Code)
	w.Write(first.Body.Bytes())
}

// ask sends a request with the service's own names in it.
func (s *service) ask(r *http.Request, body []byte, number int) *httptest.ResponseRecorder {
	s.clock.Store(int64(number))
	request := httptest.NewRequest(r.Method, s.translated(r.URL.RequestURI(), false), strings.NewReader(s.translated(string(body), false)))
	request.Header, request.Host = r.Header.Clone(), r.Host
	recorder := httptest.NewRecorder()
	s.app.ServeHTTP(recorder, request)
	return recorder
}

// chance is what a name given by chance looks like.
var chance = regexp.MustCompile(`\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-v]{10})\b`)

// learn takes the names in which two answers differ, if they differ in nothing else.
func (s *service) learn(first, got string) {
	if chance.ReplaceAllString(first, "") != chance.ReplaceAllString(got, "") {
		return
	}
	mine := chance.FindAllString(got, -1)
	for i, name := range chance.FindAllString(first, -1) {
		if name != mine[i] && s.names[name] == "" {
			s.names[name] = mine[i]
		}
	}
}

// translated puts the service's names in place of the first one's, or the other way.
func (s *service) translated(text string, back bool) string {
	for first, mine := range s.names {
		if back {
			first, mine = mine, first
		}
		text = strings.ReplaceAll(text, first, mine)
	}
	return text
}
