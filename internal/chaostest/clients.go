package chaostest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	clientCount = 16
	// docsOfClient is how many documents of a DocType a client makes, before it only changes and reads them.
	docsOfClient = 25
	// patience ends a test in which nothing happens any more.
	patience = 5 * time.Minute
)

// Clients are 16 of them, each of which writes documents of its own and reads everybody's.
type Clients struct {
	t       *testing.T
	http    *http.Client
	secrets []string // that no answer may hold
	cutOff  bool     // the service's process is killed, so that requests may end without an answer
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	changed sync.Cond
	url     string // "" while there is no service
	moves   int    // how often that was said
	ended   bool
	docs    map[string]*document // by tag
	names   map[string]*document // by DocType and name
	named   []*document          // that have a name
	good    [clientCount]int     // answers with what was asked for
	refused [clientCount]int     // answers with 503, or none
}

// document is what is known of one document. Version n is what the nth request to write it said.
type document struct {
	doctype, tag, name string // name is "" until an answer has said it
	deleted            []bool // by version, whether its request deletes the document; version 0 is that it is not there yet
	// possible are the versions that the document may have: the last one that was acknowledged, and those after it of which
	// nobody knows.
	possible []int
}

// Start begins: url is where the service is. No answer may hold one of the secrets. cutOff says that the service may vanish.
func Start(t *testing.T, url string, cutOff bool, secrets ...string) *Clients {
	c := &Clients{t: t, url: url, cutOff: cutOff, docs: map[string]*document{}, names: map[string]*document{},
		http:    &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clientCount}, Timeout: patience},
		secrets: append(secrets, "mysql", "sqlite", "sql:", "dial", "EOF", "i/o", "refused", "goroutine", ".go:", "SELECT", "INSERT", "UPDATE", "`", "tabOrder", "127.0.0.1")}
	c.changed.L = &c.mu
	for i := range clientCount {
		c.running.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 7))
			for c.there() {
				c.act(i, random)
			}
		})
	}
	return c
}

// there waits until there is a service; false at the end.
func (c *Clients) there() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.url == "" && !c.ended {
		c.changed.Wait()
	}
	return !c.ended
}

// Move says where the service is now.
func (c *Clients) Move(url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url, c.moves = url, c.moves+1
	c.changed.Broadcast()
}

// Await waits until each client has had n more good answers.
func (c *Clients) Await(n int) { c.await("good answers", &c.good, n) }

// AwaitCalm is Await where nobody has a reason to be refused.
func (c *Clients) AwaitCalm(n int) {
	c.t.Helper()
	before := c.refusals()
	c.Await(n)
	if more := c.refusals() - before; more > 0 {
		c.t.Errorf("%d requests were refused though nothing is wrong", more)
	}
}

func (c *Clients) refusals() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, refused := range c.refused {
		n += refused
	}
	return n
}

// AwaitRefused waits until each client was refused n more times.
func (c *Clients) AwaitRefused(n int) { c.await("refusals", &c.refused, n) }

func (c *Clients) await(what string, counters *[clientCount]int, n int) {
	c.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		late = true
		c.changed.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	before := *counters
	for i := range counters {
		for counters[i] < before[i]+n {
			if late {
				c.stop()
				c.t.Fatalf("client %d has had %d more %s in %s, want %d", i, counters[i]-before[i], what, patience, n)
			}
			c.changed.Wait()
		}
	}
}

func (c *Clients) stop() {
	c.ended = true
	c.changed.Broadcast()
}

// act does something by chance.
func (c *Clients) act(client int, random *rand.Rand) {
	doctype := []string{"Order", "Order", "Receipt", "Sheet"}[random.IntN(4)]
	tag := fmt.Sprintf("%s-%d-%d", doctype, client, random.IntN(docsOfClient))
	switch random.IntN(10) {
	default:
		c.write(client, c.document(doctype, tag))
	case 4, 5, 6, 7:
		if d := c.anyNamed(random); d != nil {
			c.get(client, d)
		}
	case 8, 9:
		c.list(client, fmt.Sprintf("%s-%d-", doctype, random.IntN(clientCount)), doctype)
	}
}

// document finds one of the client's own, or makes it known.
func (c *Clients) document(doctype, tag string) *document {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.docs[tag]
	if d == nil {
		d = &document{doctype: doctype, tag: tag, deleted: []bool{true}, possible: []int{0}}
		if doctype == "Sheet" {
			d.name = tag
			c.names[doctype+" "+tag], c.named = d, append(c.named, d)
		}
		c.docs[tag] = d
	}
	return d
}

func (c *Clients) anyNamed(random *rand.Rand) *document {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.named) == 0 {
		return nil
	}
	return c.named[random.IntN(len(c.named))]
}

// lines are the rows of a version, and its total. There may be none.
func lines(tag string, version int) (rows []map[string]any, total int) {
	n := (len(tag) + version) % 5
	rows = []map[string]any{}
	for i := range n {
		qty := version*7 + i + 1
		rows, total = append(rows, map[string]any{"version": version, "qty": qty, "word": fmt.Sprintf("%s/%d/%d", tag, version, i)}), total+qty
	}
	return rows, total
}

// write creates, changes or deletes a document.
func (c *Clients) write(client int, d *document) {
	c.mu.Lock()
	version := len(d.deleted)
	there := slices.ContainsFunc(d.possible, func(v int) bool { return !d.deleted[v] })
	surely := !slices.ContainsFunc(d.possible, func(v int) bool { return d.deleted[v] })
	again := there && d.name == "" // nobody told its name
	remove := there && d.doctype == "Sheet" && version%4 == 0
	if again {
		version--
	} else {
		d.deleted, d.possible = append(d.deleted, remove), append(d.possible, version)
	}
	c.mu.Unlock()
	rows, _ := lines(d.tag, version)
	body, _ := json.Marshal(map[string]any{"tag": d.tag, "version": version, "lines": rows, "name": d.tag}) // of texts and numbers it does not fail
	path, method, want, key := "/api/resource/"+d.doctype, http.MethodPost, http.StatusOK, ""
	switch {
	case remove:
		path, method, body, want = path+"/"+d.name, http.MethodDelete, nil, http.StatusAccepted
	case there && !again:
		body, _ = json.Marshal(map[string]any{"version": version, "lines": rows})
		path, method = path+"/"+d.name, http.MethodPut
	}
	if method == http.MethodPost && d.doctype != "Sheet" { // then it may be sent again, and is done once
		key = d.tag
	}
	answer, ok := c.ask(client, method, path, body, key)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case answer.status == want:
		d.possible = []int{version}
		if !remove {
			c.checkWritten(d, version, answer)
		}
	case answer.status == http.StatusNotFound && there && !surely: // an older request has deleted it, or not created it
		d.deleted[version], d.possible = true, []int{version}
	default:
		c.t.Errorf("%s %s %s: got %d %s", method, path, body, answer.status, answer.body)
	}
}

// checkWritten compares the answer to a write with it, and notes the name.
func (c *Clients) checkWritten(d *document, version int, a answer) {
	name, got, problem := parse(a.data())
	if problem == "" && got != version {
		problem = fmt.Sprintf("it is version %d, want %d", got, version)
	}
	if problem != "" {
		c.t.Errorf("the answer to version %d of %s: %s: %s", version, d.tag, problem, a.body)
		return
	}
	key := d.doctype + " " + name
	if other := c.names[key]; other != nil && other != d || d.name != "" && d.name != name {
		c.t.Errorf("%s is named %s, as %s is, and was named %q", d.tag, name, c.names[key].tag, d.name)
	}
	if d.name == "" {
		d.name, c.names[key], c.named = name, d, append(c.named, d)
	}
}

// parse reads a document: its name and version, and what is wrong with it if it is not whole.
func parse(data map[string]any) (name string, version int, problem string) {
	number, _ := data["version"].(float64)
	tag, _ := data["tag"].(string)
	name, _ = data["name"].(string)
	version = int(number)
	rows, total := lines(tag, version)
	if data["total"] != float64(total) {
		return name, version, fmt.Sprintf("version %d of %s has the total %v, want %d", version, tag, data["total"], total)
	}
	got, isList := data["lines"].([]any)
	if !isList || len(got) != len(rows) {
		return name, version, fmt.Sprintf("version %d of %s has %d rows, want %d", version, tag, len(got), len(rows))
	}
	for i, row := range rows {
		for field, value := range row {
			if fmt.Sprint(got[i].(map[string]any)[field]) != fmt.Sprint(value) {
				return name, version, fmt.Sprintf("row %d of version %d of %s is %v, want %v", i+1, version, tag, got[i], row)
			}
		}
	}
	return name, version, ""
}

// window is what a document can have been while a request went on.
type window struct {
	*document
	versions []int // at its beginning
	sent     int   // how many were known then
}

func (c *Clients) window(d *document) window {
	return window{d, slices.Clone(d.possible), len(d.deleted)}
}

// can says whether a version was possible at any time since, or with any that the document is not there.
func (w window) can(version int) bool {
	return slices.Contains(w.versions, version) && !w.deleted[version] || version >= w.sent && version < len(w.deleted) && !w.deleted[version]
}

func (w window) canBeMissing() bool {
	return slices.ContainsFunc(w.versions, func(v int) bool { return w.deleted[v] }) || slices.Contains(w.deleted[w.sent:], true)
}

// get reads a document, which has to be as it was at some time since the request was sent.
func (c *Clients) get(client int, d *document) {
	c.mu.Lock()
	w := c.window(d)
	c.mu.Unlock()
	answer, ok := c.ask(client, http.MethodGet, "/api/resource/"+d.doctype+"/"+d.name, nil, "")
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if problem := w.differs(answer); problem != "" {
		c.t.Errorf("%s, of which these versions were possible: %v, and those from %d to %d: %s: %s", d.tag, w.versions, w.sent, len(d.deleted)-1, problem, answer.body)
	}
}

func (w window) differs(a answer) string {
	if a.status == http.StatusNotFound {
		if w.canBeMissing() {
			return ""
		}
		return "it is not found"
	}
	data := a.data()
	name, version, problem := parse(data)
	switch {
	case a.status != http.StatusOK:
		return fmt.Sprint("the status is ", a.status)
	case problem != "":
		return problem
	case name != w.name || data["tag"] != w.tag:
		return "it is another document"
	case !w.can(version):
		return fmt.Sprint("it is version ", version)
	}
	return ""
}

// list reads the documents whose tags begin with a text: each that is there, as it was at some time.
func (c *Clients) list(client int, prefix, doctype string) {
	c.mu.Lock()
	windows := map[string]window{}
	for tag, d := range c.docs {
		if strings.HasPrefix(tag, prefix) {
			windows[tag] = c.window(d)
		}
	}
	c.mu.Unlock()
	query := url.Values{"fields": {`["name","tag","version","total"]`}, "filters": {`[["tag","like","` + prefix + `%"]]`}, "limit": {"0"}}
	answer, ok := c.ask(client, http.MethodGet, "/api/resource/"+doctype+"?"+query.Encode(), nil, "")
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var list struct{ Data []map[string]any }
	if err := json.Unmarshal([]byte(answer.body), &list); err != nil || answer.status != http.StatusOK {
		c.t.Errorf("the list of %s: %d, %v: %s", prefix, answer.status, err, answer.body)
		return
	}
	found := map[string]bool{}
	for _, row := range list.Data {
		tag, _ := row["tag"].(string)
		version, _ := row["version"].(float64)
		w, known := windows[tag]
		if !known && c.docs[tag] != nil {
			w = window{document: c.docs[tag]}
		}
		if w.document == nil || found[tag] || !w.can(int(version)) {
			c.t.Errorf("the list of %s has %v: twice: %t, known: %t", prefix, row, found[tag], w.document != nil)
			continue
		}
		if _, total := lines(tag, int(version)); row["total"] != float64(total) {
			c.t.Errorf("the list of %s has %v, want the total %d", prefix, row, total)
		}
		found[tag] = true
	}
	for tag, w := range windows {
		if !found[tag] && !w.canBeMissing() {
			c.t.Errorf("the list of %s has no %s, of which these versions were possible: %v", prefix, tag, w.versions)
		}
	}
}

// answer is what a client got.
type answer struct {
	status int
	body   string
}

func (a answer) data() map[string]any {
	var content struct{ Data map[string]any }
	json.Unmarshal([]byte(a.body), &content)
	return content.Data
}

// ask sends a request. It returns false where the service could not serve it, which it has to say as it should.
func (c *Clients) ask(client int, method, path string, body []byte, key string) (answer, bool) {
	c.mu.Lock()
	base, moves := c.url, c.moves
	c.mu.Unlock()
	head, got, err := c.send(method, base+path, body, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	switch {
	case err != nil && c.cutOff:
		c.refused[client]++
		if c.moves == moves {
			c.url = ""
		}
		return answer{}, false
	case err != nil:
		c.t.Errorf("%s %s: %v", method, path, err)
		c.stop()
		return answer{}, false
	}
	for _, secret := range c.secrets { // documents are compared as a whole, and have names by chance
		if got.status >= 300 && strings.Contains(head+got.body, secret) {
			c.t.Errorf("%s %s: the answer holds %q: %d %s\n%s", method, path, secret, got.status, head, got.body)
		}
	}
	if got.status != http.StatusServiceUnavailable {
		c.good[client]++
		return got, true
	}
	c.refused[client]++
	if !strings.Contains(head, "Retry-After: 1\r\n") || !isRefusal(got.body) {
		c.t.Errorf("%s %s is refused with\n%s\n%s", method, path, head, got.body)
	}
	return got, false
}

// isRefusal says whether a body has nothing but what a client may know.
func isRefusal(body string) bool {
	var all map[string]string
	if json.Unmarshal([]byte(body), &all) != nil {
		return false
	}
	for _, message := range []string{"The service is busy, please try again", "The request took too long"} {
		text := "frappe.exceptions.ServiceUnavailable: " + message
		if all["exception"] == text && all["exc_type"] == "ServiceUnavailable" && all["exc"] == `["`+text+`"]` && strings.Count(all["_server_messages"], message) == 1 && len(all) == 4 {
			return true
		}
	}
	return false
}

// send returns the header as it came, and the answer.
func (c *Clients) send(method, url string, body []byte, key string) (head string, got answer, err error) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return "", got, err
	}
	request.Header.Set("Authorization", "token ada:s")
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return "", got, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	response.Header.Del("X-Request-Id") // which is a matter of chance
	response.Header.Del("X-Frappe-Request-Id")
	var lines bytes.Buffer
	response.Header.Write(&lines)
	return lines.String(), answer{response.StatusCode, string(content)}, err
}
