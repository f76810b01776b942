package frappemstest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/frappems/frappems"
)

// TestIsolation proves that the tenants of a service on one store do not meet. Users of four tenants, whose ids differ in case
// and punctuation only, send random requests over every route, with the same names, unique values and series in all tenants.
// Each tenant also has a service and a store of its own, which no other tenant shares: it gets the tenant's requests too, and
// every answer has to be the same there, byte by byte. So another tenant's document is answered as one that exists nowhere.
// Besides, no answer may hold a text or number that another tenant wrote, unless the request held it; numbers of series have
// no gap; and at the end every document of every tenant is read and compared with what was sent.
//
// How many requests are sent says the environment variable ISOLATION_OPERATIONS (3000 where it is not set), and which ones
// ISOLATION_SEED (1). A failure prints both, with the number of the request.
func TestIsolation(t *testing.T, open func(*testing.T) frappems.Store) {
	t.Helper()
	r := &isolation{T: t, seed: isolationNumber(t, "ISOLATION_SEED", 1), types: isolationDocTypes(),
		now: time.Date(2026, 11, 23, 18, 19, 16, 0, time.UTC), routes: map[string]int{}, owner: map[string]*isolationTenant{}}
	r.random = rand.New(rand.NewPCG(r.seed, 0))
	r.start(open)
	operations := int(isolationNumber(t, "ISOLATION_OPERATIONS", 3000))
	r.seedDocuments()
	for _, o := range isolationDeck(r.random, operations) {
		as := oneOf(r, r.tenants)
		request := o.make(r, as)
		if request == nil { // there is no document yet that it could be about
			request = createRequest(r, as)
		}
		r.send(as, o.name, request)
	}
	r.checkCounts(operations)
	r.checkState()
	t.Logf("seed %d: %d requests, %d of them answered with 2xx", r.seed, r.sent, r.good)
}

func isolationNumber(t *testing.T, variable string, absent uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return absent
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is %q, want a number", variable, text)
	}
	return n
}

// isolation is a run of TestIsolation.
type isolation struct {
	*testing.T
	seed    uint64
	random  *rand.Rand
	types   []*frappems.DocType
	now     time.Time // what all clocks show
	app     *frappems.App
	tenants []*isolationTenant
	owner   map[string]*isolationTenant // by name that was given by chance
	routes  map[string]int              // requests by method and route
	sent    int
	good    int // answered with 2xx
}

// isolationTenant is a tenant with the model of what it has.
type isolationTenant struct {
	id    string
	mark  string // stands in its texts, and in nobody else's
	digit int    // its numbers begin with these six digits
	users []isolationUser
	alone *frappems.App // on a store of its own
	// Names that are given by chance differ between the two services.
	toAlone, fromAlone map[string]string

	docs    map[string][]*isolationDoc // by DocType, in the order in which they were made
	serials map[string]int             // how many names and unique values of a kind were used
	series  map[string]int             // the last number of a series
	forms   map[string]int             // how often a DocType was named in each way
	keyed   []*isolationRequest        // that were sent with an Idempotency-Key
	cursors map[string]string          // the last place in a list that it was told
}

// isolationUser is who sends requests; the API key is "key" with the tenant's and the user's number.
type isolationUser struct{ name, key, role string }

// isolationDoc is a document as it was sent.
type isolationDoc struct {
	doctype, name string
	values        map[string]any
	rows          map[string][]map[string]any
	rowNames      map[string][]any // as JSON has them
	docstatus     int
	modified      string // "" where no answer said it
	isAmended     bool
}

// start makes the service that the tenants share, and one for each tenant alone.
func (r *isolation) start(open func(*testing.T) frappems.Store) {
	r.Helper()
	var users []map[string]any
	for i, id := range []string{"acme", "ACME", "acme-1", "acme_1"} {
		as := &isolationTenant{id: id, digit: 110000 + 20000*i + r.random.IntN(20000), toAlone: map[string]string{}, fromAlone: map[string]string{},
			docs: map[string][]*isolationDoc{}, serials: map[string]int{}, series: map[string]int{}, forms: map[string]int{}, cursors: map[string]string{}}
		for range 8 {
			as.mark += string("WXYZ"[r.random.IntN(4)]) // letters that no name given by chance has
		}
		as.mark += strconv.Itoa(i)
		for n, role := range []string{"Manager", "Clerk", "Administrator", "Restricted", "Reader", "Nobody"} {
			u := isolationUser{key: fmt.Sprintf("key-%d-%d", i, n), role: role, name: strings.ToLower(role) + "@example.com"}
			entry := map[string]any{"api_key": u.key, "api_secret": "secret", "tenant": id}
			switch role {
			case "Administrator":
				u.name = role
			case "Restricted":
				entry["roles"] = []string{"Manager"}
				entry["restrictions"] = map[string][]string{"Region": {"Alpha 1", "Alpha 2", "Alpha 3 " + as.mark}, "Party": {"Alpha 2", "alpha 4", "Alpha 5 " + as.mark, "Alpha 6"}}
			case "Clerk":
				u.name = "clerk of " + as.mark
				fallthrough
			default:
				entry["roles"] = []string{role}
			}
			entry["user"] = u.name
			users, as.users = append(users, entry), append(as.users, u)
		}
		r.tenants = append(r.tenants, as)
	}
	list, err := json.Marshal(users)
	if err != nil {
		r.Fatal(err)
	}
	r.app = r.serve(list, open(r.T))
	for _, as := range r.tenants {
		as.alone = r.serve(list, frappems.NewMemoryStore())
	}
}

// serve starts a service.
func (r *isolation) serve(users []byte, store frappems.Store) *frappems.App {
	r.Helper()
	r.Cleanup(func() { store.Close() })
	tokens, err := frappems.NewTokens(bytes.NewReader(users))
	if err != nil {
		r.Fatal(err)
	}
	app, err := frappems.New(frappems.Config{Types: r.types, Store: store, Auth: tokens, Logger: slog.New(slog.DiscardHandler),
		EncryptionKey: bytes.Repeat([]byte("k"), 32), Now: func() time.Time { return r.now }})
	if err != nil {
		r.Fatal(err)
	}
	for _, m := range r.types {
		if !m.IsTable {
			app.Resource(m.Name, frappems.ResourceOptions{BasePath: "/desk/" + isolationSlug(m.Name)})
		}
	}
	handleProgram(app)
	if err := app.Start(r.Context()); err != nil {
		r.Fatal(err)
	}
	return app
}

func isolationSlug(doctype string) string {
	return strings.ReplaceAll(strings.ToLower(doctype), " ", "-")
}

// isolationRequest is a request before it is sent, with what has to come of it.
type isolationRequest struct {
	user    isolationUser
	method  string
	route   string   // for the counters
	form    string   // the same
	path    string   // escaped; the rest of it follows from names
	names   []string // segments behind it, as they are
	query   url.Values
	body    map[string]any
	headers map[string]string
	want    int                              // status; 0: the one that the tenant alone gets
	then    func(data map[string]any) string // keeps the model up to date after a 2xx, and says what it did not expect; may be nil
	took    func(value any) string           // the same for an answer that is no object
	next    func(cursor string)              // gets the place of the next page
}

// render writes the request as it is sent, with other names in place of those that were given by chance.
func (q *isolationRequest) render(names map[string]string) *http.Request {
	other := func(text string) string { return replaceNames(text, names) }
	path, body := q.path, ""
	for _, name := range q.names {
		path += "/" + url.PathEscape(other(name))
	}
	query := url.Values{}
	for key, values := range q.query {
		query[key] = []string{other(values[0])}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if q.body != nil {
		data, _ := json.Marshal(q.body) // of texts, numbers, lists and maps it does not fail
		body = other(string(data))
	}
	request := httptest.NewRequest(q.method, path, strings.NewReader(body))
	if q.user.key != "" {
		request.Header.Set("Authorization", "token "+q.user.key+":secret")
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for key, value := range q.headers {
		request.Header.Set(key, other(value))
	}
	request.Header.Set("X-Request-Id", "isolation")
	return request
}

// String is the request for messages.
func (q *isolationRequest) String() string {
	request := q.render(nil)
	var body bytes.Buffer
	body.ReadFrom(request.Body)
	text := fmt.Sprintf("%s %s as %s (%s) %v %s", request.Method, request.URL, q.user.name, q.user.role, q.headers, body.Bytes())
	if plain, err := url.QueryUnescape(request.URL.RawQuery); err == nil && plain != "" {
		text += "\n?" + plain
	}
	return text
}

// isolationAnswer is an answer; head is the headers as they go out.
type isolationAnswer struct {
	status     int
	head, body string
}

func ask(app *frappems.App, request *http.Request) isolationAnswer {
	recorder := httptest.NewRecorder()
	app.ServeHTTP(recorder, request)
	var head bytes.Buffer
	recorder.Header().Write(&head)
	return isolationAnswer{status: recorder.Code, head: head.String(), body: recorder.Body.String()}
}

// send sends a request to the service of all tenants and to the tenant's own, and checks the answers.
func (r *isolation) send(as *isolationTenant, operation string, q *isolationRequest) (data map[string]any) {
	r.Helper()
	r.sent++
	r.now = r.now.Add(time.Second)
	r.routes[q.method+" "+q.route]++
	if q.form != "" {
		r.routes[q.method+" "+q.form]++
	}
	got := ask(r.app, q.render(nil))
	alone := ask(as.alone, q.render(as.toAlone))
	problem := func(check, format string, args ...any) {
		r.Helper()
		r.Fatalf("isolation broken (%s): ISOLATION_SEED=%d, request %d, %s of tenant %s:\n%s\n%s\ngot %d %s\n%s\nthe tenant alone gets %d %s\n%s", check, r.seed,
			r.sent, operation, as.id, q, fmt.Sprintf(format, args...), got.status, got.body, got.head, alone.status, alone.body, alone.head)
	}
	if got.status >= 500 {
		problem("fault", "the service failed")
	}
	if found := r.foreign(as, q, got); found != "" {
		problem("another tenant's value", "the answer holds %q", found)
	}
	if text := r.differs(as, q, got, alone); text != "" {
		problem("not as alone", "%s", text)
	}
	if q.want != 0 && got.status != q.want {
		problem("status", "want status %d", q.want)
	}
	if got.status/100 != 2 {
		return nil
	}
	r.good++
	var answer struct {
		Data, Message any
		Next          string `json:"next_cursor"`
	}
	if q.method != http.MethodHead && q.method != http.MethodOptions {
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
			problem("fault", "%v", err)
		}
	}
	value := answer.Data
	if value == nil {
		value = answer.Message
	}
	data, _ = value.(map[string]any)
	text := ""
	if q.then != nil {
		text = q.then(data)
	}
	if q.took != nil {
		text += q.took(value)
	}
	if q.next != nil {
		q.next(answer.Next)
	}
	if text != "" {
		problem("model", "%s", text)
	}
	return data
}

// foreign finds in an answer what only another tenant has written, and the request did not hold.
func (r *isolation) foreign(as *isolationTenant, q *isolationRequest, got isolationAnswer) string {
	answer, asked := strings.ToUpper(got.head+readable(got.body)), ""
	for _, other := range r.tenants {
		if other == as {
			continue
		}
		number := strconv.Itoa(other.digit)
		for _, token := range []string{other.mark, number} {
			at := strings.Index(answer, token)
			if at < 0 || token == number && !isNumberAt(answer, at) {
				continue
			}
			if asked == "" {
				asked = strings.ToUpper(q.String())
			}
			if !strings.Contains(asked, token) {
				return token
			}
		}
	}
	return ""
}

// isNumberAt says whether the six digits at a place begin a number of nine or more.
func isNumberAt(text string, at int) bool {
	isDigit := func(i int) bool { return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9' }
	return !isDigit(at-1) && isDigit(at+6) && isDigit(at+7) && isDigit(at+8)
}

var (
	nameByChance = regexp.MustCompile(`\b[0-9a-v]{10}\b`)
	escapedAngle = regexp.MustCompile(`\\+u003[ce]`)
	linkedWith   = regexp.MustCompile(`is linked with .*?/strong`)

	contentLength = regexp.MustCompile(`Content-Length: [0-9]+`)
)

var cursor = regexp.MustCompile(`"next_cursor":"([A-Za-z0-9_-]+)"`)

// readable shows what is in the places of lists that a body holds.
func readable(body string) string {
	return cursor.ReplaceAllStringFunc(body, func(found string) string {
		place, _ := base64.RawURLEncoding.DecodeString(cursor.FindStringSubmatch(found)[1])
		return string(place)
	})
}

func replaceNames(text string, names map[string]string) string {
	if len(names) == 0 {
		return text
	}
	return nameByChance.ReplaceAllStringFunc(text, func(word string) string {
		if other, known := names[word]; known {
			return other
		}
		return word
	})
}

// differs says what an answer has that the tenant's own service did not give. Names that were given by chance may differ: they
// have to be the same ones each time.
func (r *isolation) differs(as *isolationTenant, q *isolationRequest, got, alone isolationAnswer) string {
	if got.status != alone.status {
		return "the status differs"
	}
	texts := [2]string{got.head + readable(got.body), alone.head + readable(alone.body)}
	for i := range texts {
		texts[i] = escapedAngle.ReplaceAllString(texts[i], "<>")
		if linkedWith.MatchString(texts[i]) { // which of several documents is named depends on names by chance
			texts[i] = contentLength.ReplaceAllString(linkedWith.ReplaceAllString(texts[i], "is linked"), "")
		}
	}
	words := [2][]string{nameByChance.FindAllString(texts[0], -1), nameByChance.FindAllString(texts[1], -1)}
	if len(words[0]) != len(words[1]) || nameByChance.ReplaceAllString(texts[0], "*") != nameByChance.ReplaceAllString(texts[1], "*") {
		return "the bytes differ"
	}
	asked := ""
	for i, word := range words[0] {
		other := words[1][i]
		known, isKnown := as.toAlone[word]
		back, isUsed := as.fromAlone[other]
		switch {
		case isKnown && known == other:
		case isKnown || isUsed && back != word:
			return fmt.Sprintf("there is %s in place of another document", word)
		case r.owner[word] != nil && r.owner[word] != as:
			if asked == "" {
				asked = q.String()
			}
			if !strings.Contains(asked, word) {
				return fmt.Sprintf("the document %s is another tenant's", word)
			}
		case word != other:
			as.toAlone[word], as.fromAlone[other], r.owner[word] = other, word, as
		}
	}
	return ""
}

// checkCounts wants that most requests did something, and that each verb of each route was tried often.
func (r *isolation) checkCounts(operations int) {
	r.Helper()
	if 2*r.good < r.sent {
		r.Errorf("%d of %d requests were answered with 2xx, want at least half", r.good, r.sent)
	}
	for _, route := range slices.Sorted(maps.Keys(r.routes)) {
		r.Logf("%5d %s", r.routes[route], route)
	}
	routes := isolationRoutes()
	for _, route := range slices.AppendSeq(routes, maps.Keys(r.routes)) {
		want := 50
		if operations < 10000 { // where chance has more to say
			want = operations / 300
		}
		if operations >= 3000 && r.routes[route] < want {
			r.Errorf("%s: %d requests, want at least %d", route, r.routes[route], want)
		}
	}
}
