package frappemstest

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/frappems/frappems"
)

// TestMethods asks a service on a store for what depends on how the store compares, orders and locks: requests with one
// Idempotency-Key at the same time, pages after a row in every order, rows beside a list, and operations on many documents.
func TestMethods(t *testing.T, open func(t *testing.T) frappems.Store) {
	t.Helper()
	l := newLifecycleTest(t, open(t))
	for _, doctype := range []string{"Party", "Deal", "Ledger"} {
		l.app.Resource(doctype)
	}
	l.start()
	t.Run("one key at the same time", func(t *testing.T) { l.testOneKey(t) })
	t.Run("pages after a row", func(t *testing.T) { l.testPages(t) })
	t.Run("rows beside a list", func(t *testing.T) { l.testExpanded(t) })
	t.Run("many documents", func(t *testing.T) { l.testMany(t) })
}

// ask sends a request as Administrator, and wants a status.
func (l *lifecycleTest) ask(t *testing.T, status int, method, path, key, body string) string {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "token a:s")
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	l.app.ServeHTTP(w, r)
	if w.Code != status {
		t.Errorf("%s %s %s: %d %s, want %d", method, path, body, w.Code, w.Body, status)
	}
	return w.Body.String()
}

// testOneKey: of many requests with one key one is done. All get its answer, also when the first that had begun fails.
func (l *lifecycleTest) testOneKey(t *testing.T) {
	for round := range 5 {
		answers := make([]string, 12)
		var wait sync.WaitGroup
		for i := range answers {
			wait.Go(func() {
				answers[i] = l.ask(t, 200, "POST", "/api/resource/Deal", fmt.Sprint("key ", round), `{"clicks": 1}`)
			})
		}
		wait.Wait()
		for _, answer := range answers {
			if answer != answers[0] {
				t.Errorf("two answers: %s and %s", answers[0], answer)
			}
		}
		if n, err := l.db.Count(l.Context(), "Deal", nil); err != nil || n != round+1 {
			t.Errorf("%d documents after %d keys (%v)", n, round+1, err)
		}
	}
	l.ask(t, 422, "POST", "/api/resource/Deal", "key 0", `{"clicks": 2}`)
	l.ask(t, 409, "POST", "/api/resource/Ledger", "failed", `{"name": "L"}`)
	l.ask(t, 200, "POST", "/api/resource/Ledger", "failed", `{"name": "L2"}`)
}

// listed is a list as it is answered.
type listed struct {
	Data []map[string]any
	Next *string `json:"next_cursor"`
}

func (l *lifecycleTest) list(t *testing.T, doctype string, query url.Values) (list listed, names string) {
	t.Helper()
	body := l.ask(t, 200, "GET", "/api/resource/"+doctype+"?"+query.Encode(), "", "")
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	for _, row := range list.Data {
		names += fmt.Sprint(row["name"], "\n")
	}
	return list, names
}

// testPages: pages one after the other are the whole list, in every order, with texts that compare as equal or oddly, and with
// values that are empty.
func (l *lifecycleTest) testPages(t *testing.T) {
	for i, title := range []string{"b", "B2", "ä", "Z", "_x", "a b", "a-b", "ß", "ss t", "😀1", "ﬁ", "0", "-1", "É", "e2"} {
		l.insert("Party", map[string]any{"title": title})
		fields := map[string]any{"saves": i % 3}
		if i%4 > 0 {
			fields["party"] = title
		}
		l.insert("Deal", fields)
	}
	for _, test := range []struct{ doctype, order string }{
		{"Party", "name"}, {"Party", "name desc"}, {"Party", "modified"}, {"Party", "creation desc, title"}, {"Party", "pin, title desc"},
		{"Deal", "party"}, {"Deal", "party desc"}, {"Deal", "saves desc, party asc"}, {"Deal", "saves, party desc, clicks"}, {"Deal", ""},
	} {
		query := url.Values{"order_by": {test.order}, "limit": {"0"}}
		_, whole := l.list(t, test.doctype, query)
		for _, limit := range []string{"1", "4", "100"} {
			query.Set("limit", limit)
			query.Set("after", "")
			pages := ""
			for range 30 {
				list, names := l.list(t, test.doctype, query)
				if pages += names; list.Next == nil {
					break
				}
				query.Set("after", *list.Next)
			}
			if pages != whole {
				t.Errorf("%s by %q in pages of %s:\n%s\nwant\n%s", test.doctype, test.order, limit, pages, whole)
			}
			query.Del("after")
		}
	}
}

// testExpanded: the rows that a list has of its documents are those of the documents.
func (l *lifecycleTest) testExpanded(t *testing.T) {
	for i := range 4 {
		var lines []map[string]any
		for n := range i {
			lines = append(lines, map[string]any{"qty": n * i, "party": "b"})
		}
		l.insert("Deal", map[string]any{"lines": lines, "clicks": 77})
	}
	list, _ := l.list(t, "Deal", url.Values{"expand_children": {"lines"}, "filters": {`{"clicks": 77}`}, "order_by": {"name"}})
	if len(list.Data) != 4 {
		t.Fatalf("%d documents", len(list.Data))
	}
	for i, d := range list.Data {
		var document struct{ Data map[string]any }
		body := l.ask(t, 200, "GET", "/api/resource/Deal/"+fmt.Sprint(d["name"]), "", "")
		if err := json.Unmarshal([]byte(body), &document); err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(document.Data["lines"])
		if got, _ := json.Marshal(d["lines"]); string(got) != string(want) || len(d["lines"].([]any)) != i {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// testMany: insert_many makes all or none; what is done one by one fails one by one.
func (l *lifecycleTest) testMany(t *testing.T) {
	l.ask(t, 409, "POST", "/api/method/frappe.client.insert_many", "", `{"docs": [{"doctype": "Ledger", "name": "M1"}, {"doctype": "Ledger", "name": "L"}]}`)
	l.ask(t, 404, "GET", "/api/resource/Ledger/M1", "", "")
	got := l.ask(t, 200, "POST", "/api/v2/document/Ledger/bulk_update", "", `{"docs": [{"name": "none"}, {"name": "L", "entries": 5}]}`)
	if !strings.Contains(got, `"updated":["L"]`) || !strings.Contains(got, `"failure_count":1`) {
		t.Errorf("bulk_update: %s", got)
	}
	if got := l.ask(t, 200, "GET", "/api/method/frappe.client.get_value?doctype=Ledger&fieldname=entries&filters=L", "", ""); got != `{"message":{"entries":5}}` {
		t.Errorf("get_value: %s", got)
	}
	got = l.ask(t, 200, "POST", "/api/v2/document/Ledger/bulk_delete", "", `{"names": ["none", "L2"]}`)
	if !strings.Contains(got, `"deleted":["L2"]`) || !strings.Contains(got, `"failure_count":1`) {
		t.Errorf("bulk_delete: %s", got)
	}
}
