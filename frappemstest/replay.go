package frappemstest

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/frappems/frappems"
)

//go:embed testdata/oracle
var oracle embed.FS

// TestReplay sends recorded REST traffic to a server and reports each answer that a real Frappe v15.44 site gave
// otherwise. The server that newServer starts serves the given DocTypes to the given users (a users file) from an empty
// store; its root URL is returned. The steps depend on those before them, so all are sent, in order. In skip are cases
// that are sent and not judged: ids such as "delete-003" or whole groups such as "rpc".
func TestReplay(t *testing.T, newServer func(t *testing.T, doctypes fs.FS, users []byte) (url string), skip ...string) {
	t.Helper()
	cases, err := loadCases()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range skip {
		if !slices.ContainsFunc(cases, func(c recorded) bool { return c.ID == s || c.Group == s }) {
			t.Fatalf("skip: the recording has no case or group %q", s)
		}
	}
	doctypes, err := fs.Sub(oracle, "testdata/oracle/doctypes")
	if err != nil {
		t.Fatal(err)
	}
	users, err := oracle.ReadFile("testdata/oracle/users.json")
	if err != nil {
		t.Fatal(err)
	}
	r := newReplayer(newServer(t, doctypes, users))
	defer r.client.CloseIdleConnections()
	var groups []string
	good, judged := map[string]int{}, map[string]int{}
	for _, c := range cases {
		diff := r.step(c)
		if !c.Judge || slices.Contains(skip, c.ID) || slices.Contains(skip, c.Group) {
			continue
		}
		if judged[c.Group]++; judged[c.Group] == 1 {
			groups = append(groups, c.Group)
		}
		if len(diff) == 0 {
			good[c.Group]++
			continue
		}
		t.Errorf("%s as %s: %s %s %s\n\t%s", c.ID, c.user(), c.Method, c.Path, c.sent(), strings.Join(diff, "\n\t"))
	}
	for _, g := range groups {
		t.Logf("%-12s %3d of %3d", g, good[g], judged[g])
	}
}

// ServeStore makes a newServer for [TestReplay] of a store: a service on a new one, with its default configuration.
func ServeStore(open func(t *testing.T) frappems.Store) func(t *testing.T, doctypes fs.FS, users []byte) (url string) {
	return func(t *testing.T, doctypes fs.FS, users []byte) string {
		t.Helper()
		tokens, err := frappems.NewTokens(bytes.NewReader(users))
		if err != nil {
			t.Fatal(err)
		}
		types, err := frappems.LoadDocTypes(doctypes)
		if err != nil {
			t.Fatal(err)
		}
		store := open(t)
		t.Cleanup(func() { store.Close() })
		app, err := frappems.New(frappems.Config{
			Types: types, Store: store, Auth: tokens, Tenant: "default", Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range types {
			if !d.IsTable {
				app.Resource(d.Name)
			}
		}
		if err := app.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(app)
		t.Cleanup(server.Close) // before the store's
		return server.URL
	}
}

// recorded is one request with the answer of a Frappe site: a line of cases.jsonl.
type recorded struct {
	ID, Group, As string
	Method, Path  string
	RawPath       bool `json:"raw_path"` // Path is escaped already
	Query, Form   map[string]json.RawMessage
	JSON          json.RawMessage
	Body          *string // sent as it is
	Headers       map[string]string
	Save          map[string]string // places in the answer whose values later steps use
	Accept        [][2]any          // stricter answers that are right too: status and exc_type
	Unordered     bool              // a list without order_by
	Judge         bool              // false: the step only sets the scene
	Expect        struct {
		Status int
		JSON   json.RawMessage
	}
}

func loadCases() ([]recorded, error) {
	data, err := oracle.ReadFile("testdata/oracle/cases.jsonl")
	if err != nil {
		return nil, err
	}
	var cases []recorded
	for line := range bytes.Lines(data) {
		c := recorded{Judge: true}
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("cases.jsonl:%d: %w", len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func (c recorded) user() string {
	if c.As == "" {
		return "guest"
	}
	return c.As
}

// sent is what the request brings along, for messages.
func (c recorded) sent() string {
	switch {
	case len(c.Query) > 0:
		return brief(c.Query, 150)
	case len(c.JSON) > 0:
		return brief(c.JSON, 150)
	case len(c.Form) > 0:
		return brief(c.Form, 150)
	}
	return ""
}

// replayer sends cases and judges answers. It is not safe for concurrent use.
type replayer struct {
	base   string
	names  map[string]any // what ${…} in a case stands for
	client *http.Client
}

func newReplayer(base string) *replayer {
	now := time.Now().UTC()
	names := map[string]any{}
	for name, layout := range map[string]string{"today": time.DateOnly, "year": "2006", "month": "01", "yy": "06"} {
		names[name] = now.Format(layout)
	}
	return &replayer{base: strings.TrimRight(base, "/"), names: names, client: &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// step sends a case, remembers what later ones need, and says what is wrong with the answer.
func (r *replayer) step(c recorded) []string {
	status, got, err := r.send(c)
	var diff []string
	if err != nil {
		got, diff = map[string]any{}, []string{"no answer: " + err.Error()}
	} else {
		diff = r.judge(c, status, got)
	}
	for name, where := range c.Save {
		if v, ok := pick(got, where); ok {
			r.names[name] = v
		} else if _, ok := r.names[name]; !ok {
			r.names[name] = "missing-" + name
		}
	}
	return diff
}

func (r *replayer) send(c recorded) (status int, answer any, err error) {
	req, err := r.request(c)
	if err != nil {
		return 0, nil, err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err
	}
	answer, err = decode(raw)
	if err != nil {
		answer = map[string]any{"__not_json__": string(raw[:min(len(raw), 200)])}
	}
	return res.StatusCode, answer, nil
}

func (r *replayer) request(c recorded) (*http.Request, error) {
	target := r.base + quotePath(r.renderString(c.Path), c.RawPath)
	if len(c.Query) > 0 {
		target += "?" + r.encode(c.Query)
	}
	var body io.Reader
	contentType := "application/json"
	switch {
	case c.JSON != nil:
		body = bytes.NewReader(r.render(c.JSON))
	case c.Form != nil:
		body, contentType = strings.NewReader(r.encode(c.Form)), "application/x-www-form-urlencoded"
	case c.Body != nil:
		body = strings.NewReader(*c.Body)
	default:
		contentType = ""
	}
	req, err := http.NewRequest(c.Method, target, body)
	if err != nil {
		return nil, err
	}
	req.Host = "central.localhost"
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for name, value := range c.Headers {
		req.Header.Set(name, r.renderString(value))
	}
	if c.As != "" {
		req.Header.Set("Authorization", "token "+c.As+":"+c.As+"secret")
	}
	return req, nil
}

// encode is a query or form: strings as they are, anything else as JSON.
func (r *replayer) encode(params map[string]json.RawMessage) string {
	values := url.Values{}
	for key, raw := range params {
		raw = r.render(raw)
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		values.Set(key, text)
	}
	return values.Encode()
}

// quotePath escapes a path as urllib.parse.quote does with "/" and ":" (and "%" if it is escaped already) as safe.
func quotePath(path string, raw bool) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_.-~/:", c) >= 0, raw && c == '%':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

var (
	wholeName = regexp.MustCompile(`"\$\{(\w+)\}"`)
	partName  = regexp.MustCompile(`\$\{(\w+)\}`)
)

// render puts saved names into JSON text: a string that is nothing but a name becomes the value, of any type.
func (r *replayer) render(raw []byte) []byte {
	raw = wholeName.ReplaceAllFunc(raw, func(m []byte) []byte {
		if v, ok := r.names[string(m[3:len(m)-2])]; ok {
			return marshal(v)
		}
		return m
	})
	return partName.ReplaceAllFunc(raw, func(m []byte) []byte {
		if v, ok := r.names[string(m[2:len(m)-1])]; ok {
			text := marshal(fmt.Sprint(v))
			return text[1 : len(text)-1]
		}
		return m
	})
}

// renderString puts saved names into a string that is not JSON.
func (r *replayer) renderString(s string) string {
	return partName.ReplaceAllStringFunc(s, func(m string) string {
		if v, ok := r.names[m[2:len(m)-1]]; ok {
			return fmt.Sprint(v)
		}
		return m
	})
}

// marshal is JSON for values that came out of JSON.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// brief is JSON cut off for a message.
func brief(v any, n int) string {
	text := []rune(string(marshal(v)))
	return string(text[:min(len(text), n)])
}

// decode reads one JSON value and keeps numbers as they are written.
func decode(raw []byte) (v any, err error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

// pick follows a path such as "data.items.0.name".
func pick(v any, dotted string) (any, bool) {
	for part := range strings.SplitSeq(dotted, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[part]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
