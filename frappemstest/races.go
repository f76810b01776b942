package frappemstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

// TestRaces checks what many clients at a time can do to the documents of a store, over HTTP. Each subtest calls open for an
// empty store, and closes it. One whose transactions write at a time should have fewer connections than there are clients: 200.
func TestRaces(t *testing.T, open func(t *testing.T) frappems.Store) {
	t.Helper()
	for _, test := range []struct {
		name string
		rule string
		run  func(r *races)
	}{
		{"Links", "no document is left with a link to one that was deleted meanwhile", (*races).testLinks},
		{"Names", "of those who make a document of one name one succeeds, and the others are told that it is there", (*races).testNames},
		{"Unique", "of those who write one unique value one succeeds; without a value all do", (*races).testUnique},
		{"Series", "no number of a series is given twice, and after a clean stop there is no gap", (*races).testSeries},
		{"Gapless", "a gapless series never has a gap", (*races).testGapless},
		{"Versions", "of those who change one version of a document one succeeds", (*races).testVersions},
		{"Updates", "who does not say which version was changed succeeds, and loses nothing that others wrote", (*races).testUpdates},
		{"Deadlocks", "transactions that wait for each other are run again, and no client sees it", (*races).testDeadlocks},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &races{T: t, store: open(t)}
			t.Cleanup(func() { r.store.Close() })
			r.start()
			test.run(r)
			if t.Failed() {
				t.Log("the rule:", test.rule)
			}
		})
	}
}

// raceClients is how many clients there are.
const raceClients = 200

const raceUsers = `[{"user": "ada@example.com", "api_key": "ada", "api_secret": "s", "tenant": "acme", "roles": ["Manager"]}]`

// raceTypes are the DocTypes. A Board has a field for each client.
func raceTypes() string {
	const all = `"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}]`
	fields := []string{`{"fieldname": "count", "fieldtype": "Int"}`}
	for i := range raceClients {
		fields = append(fields, fmt.Sprintf(`{"fieldname": "f%d", "fieldtype": "Check"}`, i))
	}
	order := `"fields": [{"fieldname": "customer", "fieldtype": "Link", "options": "Customer"}, {"fieldname": "day", "fieldtype": "Date"},
		{"fieldname": "code", "fieldtype": "Data", "unique": 1}], ` + all
	return `[{"doctype": "DocType", "name": "Customer", "autoname": "prompt", "fields": [{"fieldname": "count", "fieldtype": "Int"}], ` + all + `},
		{"doctype": "DocType", "name": "Order", "autoname": "O-.#####", ` + order + `},
		{"doctype": "DocType", "name": "Receipt", "autoname": "R-.#####", ` + order + `},
		{"doctype": "DocType", "name": "Board", "autoname": "prompt", "fields": [` + strings.Join(fields, ", ") + `], ` + all + `}]`
}

// races is a service with its clients.
type races struct {
	*testing.T
	store  frappems.Store
	app    *frappems.App
	server *httptest.Server
	client *http.Client
	swap   func(db *frappems.DB, first, second string) error
}

// start starts the service, anew if there was one.
func (r *races) start() {
	r.Helper()
	tokens, err := frappems.NewTokens(strings.NewReader(raceUsers))
	if err != nil {
		r.Fatal(err)
	}
	r.app, err = frappems.New(frappems.Config{Store: r.store, Auth: tokens, Logger: slog.New(slog.DiscardHandler), Gapless: []string{"Receipt"},
		DocTypes: fstest.MapFS{"types.json": {Data: []byte(raceTypes())}}})
	if err != nil {
		r.Fatal(err)
	}
	for _, doctype := range []string{"Customer", "Order", "Receipt", "Board"} {
		r.app.Resource(doctype)
	}
	r.app.Handle("POST /swap/{first}/{second}", frappems.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) error {
		db, err := r.app.DB(q.Context())
		if err != nil {
			return err
		}
		return db.Tx(q.Context(), func(db *frappems.DB) error { return r.swap(db, q.PathValue("first"), q.PathValue("second")) })
	}))
	if err := r.app.Start(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.server = httptest.NewServer(r.app)
	r.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: raceClients}}
	r.Cleanup(func() {
		r.server.Close()
		r.client.CloseIdleConnections()
	})
}

// stop shuts the service down as an operator does.
func (r *races) stop() {
	r.Helper()
	r.server.Close()
	if err := r.app.Shutdown(context.Background()); err != nil {
		r.Fatal(err)
	}
}

// raceReply is an answer: its status with exc_type, and the document in it.
type raceReply struct {
	outcome string
	data    map[string]any
}

func (p raceReply) name() string { return fmt.Sprint(p.data["name"]) }

// send sends a request as the user.
func (r *races) send(method, path, body string) raceReply {
	request, err := http.NewRequestWithContext(r.Context(), method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		r.Error(err)
		return raceReply{}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "token ada:s")
	response, err := r.client.Do(request)
	if err != nil {
		r.Error(err)
		return raceReply{}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		r.Error(err)
	}
	var answer struct {
		Data json.RawMessage
		Type string `json:"exc_type"`
	}
	json.Unmarshal(content, &answer)
	reply := raceReply{outcome: strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", answer.Type))}
	json.Unmarshal(answer.Data, &reply.data)
	if response.StatusCode >= 500 {
		r.Errorf("%s %s: %d %s", method, path, response.StatusCode, content)
	}
	return reply
}

func racePath(parts ...string) string {
	path := "/api/resource"
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// together runs f for many clients at once and counts what they are answered.
func (r *races) together(clients int, f func(client int) raceReply) (replies []raceReply, outcomes map[string]int) {
	replies = make([]raceReply, clients)
	begin := make(chan struct{})
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			<-begin
			replies[i] = f(i)
		})
	}
	close(begin)
	group.Wait()
	outcomes = map[string]int{}
	for _, reply := range replies {
		outcomes[reply.outcome]++
	}
	return replies, outcomes
}

// want compares what clients were answered with what they should have been.
func (r *races) want(what string, got map[string]int, want map[string]int) {
	r.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// create makes a document.
func (r *races) create(doctype, body string) raceReply {
	r.Helper()
	reply := r.send("POST", racePath(doctype), body)
	if reply.outcome != "200" {
		r.Fatalf("POST %s %s: %s", doctype, body, reply.outcome)
	}
	return reply
}

// column is one field of all documents.
func (r *races) column(doctype, field string) []string {
	r.Helper()
	db, err := r.app.AsTenant(r.Context(), "acme")
	if err != nil {
		r.Fatal(err)
	}
	rows, err := db.List(r.Context(), doctype, frappems.ListOptions{Fields: []string{field}})
	if err != nil {
		r.Fatal(err)
	}
	var all []string
	for _, row := range rows {
		all = append(all, fmt.Sprint(row[field]))
	}
	slices.Sort(all)
	return all
}

func (r *races) testLinks() {
	const rounds = 60
	deleted, linked := 0, 0
	for round := range rounds {
		customer := fmt.Sprintf("C-%d", round)
		r.create("Customer", `{"name": "`+customer+`"}`)
		_, outcomes := r.together(8, func(client int) raceReply {
			if client == round%8 {
				return r.send("DELETE", racePath("Customer", customer), "")
			}
			return r.send("POST", racePath("Order"), `{"customer": "`+customer+`"}`)
		})
		switch {
		case outcomes["202"] == 1 && outcomes["417 LinkValidationError"] == 7:
			deleted++
		case outcomes["200"] > 0 && outcomes["200"] == 7 && outcomes["417 LinkExistsError"] == 1:
			linked++
		default:
			r.Errorf("round %d: %v: want the customer deleted and no order, or all orders", round, outcomes)
		}
	}
	r.Logf("%d customers deleted before they were linked to, %d not", deleted, linked)
	there := r.column("Customer", "name")
	for _, customer := range slices.Compact(r.column("Order", "customer")) {
		if _, found := slices.BinarySearch(there, customer); !found {
			r.Errorf("there are orders of %s, which is deleted", customer)
		}
	}
}

func (r *races) testNames() {
	for i := range 4 {
		_, outcomes := r.together(raceClients/4, func(int) raceReply {
			return r.send("POST", racePath("Customer"), fmt.Sprintf(`{"name": "C-%d"}`, i))
		})
		r.want("one name", outcomes, map[string]int{"200": 1, "409 DuplicateEntryError": raceClients/4 - 1})
	}
}

func (r *races) testUnique() {
	for _, body := range []string{`{}`, `{"code": null}`, `{"code": ""}`} {
		_, outcomes := r.together(32, func(int) raceReply { return r.send("POST", racePath("Order"), body) })
		r.want("without a value: "+body, outcomes, map[string]int{"200": 32})
	}
	for _, code := range []string{"a", "b", "é"} {
		_, outcomes := r.together(32, func(int) raceReply { return r.send("POST", racePath("Order"), `{"code": "`+code+`"}`) })
		r.want("one value", outcomes, map[string]int{"200": 1, "417 UniqueValidationError": 31})
	}
	replies, _ := r.together(8, func(int) raceReply { return r.send("POST", racePath("Order"), `{}`) })
	_, outcomes := r.together(8, func(client int) raceReply {
		return r.send("PUT", racePath("Order", replies[client].name()), `{"code": "updated"}`)
	})
	r.want("one value by updates", outcomes, map[string]int{"200": 1, "417 UniqueValidationError": 7})
}

var raceNumber = regexp.MustCompile(`[0-9]+$`)

// numbers are those of all documents, which must not repeat.
func (r *races) numbers(doctype string) []int {
	r.Helper()
	var all []int
	for _, name := range r.column(doctype, "name") {
		n := 0
		fmt.Sscanf(raceNumber.FindString(name), "%d", &n)
		all = append(all, n)
	}
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) {
		r.Errorf("%s has a number twice: %v", doctype, all)
	}
	return all
}

// gaps are the numbers that are missing up to the last one.
func gaps(numbers []int) []int {
	missing, next := []int{}, 1
	for _, n := range numbers {
		for ; next < n; next++ {
			missing = append(missing, next)
		}
		next++
	}
	return missing
}

func (r *races) testSeries() {
	_, outcomes := r.together(raceClients, func(int) raceReply { return r.send("POST", racePath("Order"), `{}`) })
	r.want("all", outcomes, map[string]int{"200": raceClients})
	if missing := gaps(r.numbers("Order")); len(missing) > 0 {
		r.Errorf("without a failure there are gaps: %v", missing)
	}
	_, outcomes = r.together(raceClients, func(client int) raceReply {
		if client%5 == 0 {
			return r.send("POST", racePath("Order"), `{"day": "nonsense"}`)
		}
		return r.send("POST", racePath("Order"), `{}`)
	})
	r.want("a fifth fails", outcomes, map[string]int{"200": raceClients / 5 * 4, "417 DataError": raceClients / 5})
	numbers := r.numbers("Order")
	missing, last := gaps(numbers), numbers[len(numbers)-1]
	r.stop()
	r.start()
	// What the failures left is filled before anything else: then there is no gap.
	for _, want := range append(missing, last+1, last+2) {
		if got := r.create("Order", `{}`).name(); got != fmt.Sprintf("O-%05d", want) {
			r.Fatalf("after the restart the next one is %s, want %d of %v and then %d", got, want, missing, last+1)
		}
	}
}

func (r *races) testGapless() {
	const good = raceClients / 5 * 4
	_, outcomes := r.together(raceClients, func(client int) raceReply {
		switch {
		case client%20 == 1:
			if missing := gaps(r.numbers("Receipt")); len(missing) > 0 {
				r.Errorf("there are gaps meanwhile: %v", missing)
			}
			fallthrough
		default:
			return r.send("POST", racePath("Receipt"), `{}`)
		case client%5 == 0:
			return r.send("POST", racePath("Receipt"), `{"day": "nonsense"}`)
		}
	})
	r.want("a fifth fails", outcomes, map[string]int{"200": good, "417 DataError": raceClients / 5})
	if numbers := r.numbers("Receipt"); len(gaps(numbers)) > 0 || len(numbers) != good {
		r.Errorf("%d numbers with gaps: %v", len(numbers), gaps(numbers))
	}
	r.start() // without a stop, as after a crash
	if got := r.create("Receipt", `{}`).name(); got != fmt.Sprintf("R-%05d", good+1) {
		r.Errorf("after a crash the next one is %s, want %d", got, good+1)
	}
}

func (r *races) testVersions() {
	modified := fmt.Sprint(r.create("Board", `{"name": "B"}`).data["modified"])
	_, outcomes := r.together(raceClients, func(client int) raceReply {
		return r.send("PUT", racePath("Board", "B"), fmt.Sprintf(`{"count": %d, "modified": %q}`, client+1, modified))
	})
	r.want("one version", outcomes, map[string]int{"200": 1, "417 TimestampMismatchError": raceClients - 1})
	r.create("Board", `{"name": "C"}`)
	_, outcomes = r.together(16, func(int) raceReply {
		for {
			was := r.send("GET", racePath("Board", "C"), "")
			body := fmt.Sprintf(`{"count": %v, "modified": %q}`, was.data["count"].(float64)+1, was.data["modified"])
			if reply := r.send("PUT", racePath("Board", "C"), body); reply.outcome != "417 TimestampMismatchError" {
				return reply
			}
		}
	})
	r.want("who tries again", outcomes, map[string]int{"200": 16})
	if got := r.send("GET", racePath("Board", "C"), "").data["count"]; fmt.Sprint(got) != "16" {
		r.Errorf("16 counted to %v", got)
	}
}

func (r *races) testUpdates() {
	r.create("Board", `{"name": "B"}`)
	_, outcomes := r.together(raceClients, func(client int) raceReply {
		return r.send("PUT", racePath("Board", "B"), fmt.Sprintf(`{"f%d": 1}`, client))
	})
	r.want("without a version", outcomes, map[string]int{"200": raceClients})
	board, lost := r.send("GET", racePath("Board", "B"), "").data, 0
	for i := range raceClients {
		if fmt.Sprint(board[fmt.Sprintf("f%d", i)]) != "1" {
			lost++
		}
	}
	if lost > 0 {
		r.Errorf("%d of %d updates are lost", lost, raceClients)
	}
}

func (r *races) testDeadlocks() {
	r.create("Customer", `{"name": "A"}`)
	r.create("Customer", `{"name": "B"}`)
	count := func(db *frappems.DB, name string) (err error) {
		for range 2 { // a save that comes too late has the document locked for the next one
			d, err := db.Get(r.Context(), "Customer", name)
			if err != nil {
				return err
			}
			d.Set("count", d.Get("count").(int64)+1)
			if err = db.Save(r.Context(), d); !errors.Is(err, frappems.TimestampMismatchError) {
				return err
			}
		}
		return err
	}
	_, many := r.store.(store.ConcurrentWriters)
	var tries, waiting atomic.Int64
	both := make(chan struct{})
	r.swap = func(db *frappems.DB, first, second string) error {
		tries.Add(1)
		if err := count(db, first); err != nil {
			return err
		}
		if many { // each has the document that the other wants
			if waiting.Add(1) == 2 {
				close(both)
			}
			<-both
		}
		return count(db, second)
	}
	pairs := []string{"/swap/A/B", "/swap/B/A"}
	_, outcomes := r.together(2, func(client int) raceReply { return r.send("POST", pairs[client], "") })
	r.want("two who wait for each other", outcomes, map[string]int{"200": 2})
	if got := tries.Load(); many && got < 3 {
		r.Errorf("the two transactions were run %d times, so neither was a deadlock's victim", got)
	}
	_, outcomes = r.together(16, func(client int) raceReply { return r.send("POST", pairs[client%2], "") })
	r.want("many who wait for each other", outcomes, map[string]int{"200": 16})
	for _, name := range []string{"A", "B"} {
		if got := r.send("GET", racePath("Customer", name), "").data["count"]; fmt.Sprint(got) != "18" {
			r.Errorf("18 counted %s to %v", name, got)
		}
	}
}
