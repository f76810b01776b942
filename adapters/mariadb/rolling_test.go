package mariadb

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/frappems/frappems"
)

// What an older and a newer version of a service know: the newer has fields of all kinds that are stored as numbers or texts,
// a child table, a longer field, a wider one, and one that needs a value.
const (
	olderTypes = `[{"doctype": "DocType", "name": "Sale", "autoname": "naming_series:", "fields": [{"fieldname": "naming_series", "fieldtype": "Data", "default": "SALE-"},
		{"fieldname": "title", "fieldtype": "Data"}, {"fieldname": "short", "fieldtype": "Data", "length": 20}, {"fieldname": "amount", "fieldtype": "Int"}, {"fieldname": "gone", "fieldtype": "Currency"}]}]`
	newerTypes = `[{"doctype": "DocType", "name": "Sale", "autoname": "naming_series:", "fields": [{"fieldname": "naming_series", "fieldtype": "Data", "default": "SALE-"},
		{"fieldname": "title", "fieldtype": "Data", "search_index": 1}, {"fieldname": "short", "fieldtype": "Data", "length": 200}, {"fieldname": "amount", "fieldtype": "Int", "length": 15},
		{"fieldname": "kind", "fieldtype": "Select", "options": "\nA\nB", "default": "A"}, {"fieldname": "priority", "fieldtype": "Int", "default": "5"}, {"fieldname": "open", "fieldtype": "Check", "default": "1"},
		{"fieldname": "rate", "fieldtype": "Currency"}, {"fieldname": "stars", "fieldtype": "Rating"}, {"fieldname": "due", "fieldtype": "Date"}, {"fieldname": "note", "fieldtype": "Long Text"},
		{"fieldname": "code", "fieldtype": "Data", "unique": 1}, {"fieldname": "needed", "fieldtype": "Data", "reqd": 1}, {"fieldname": "lines", "fieldtype": "Table", "options": "Sale Line"}]},
		{"doctype": "DocType", "name": "Sale Line", "istable": 1, "fields": [{"fieldname": "what", "fieldtype": "Data"}]}]`
)

// TestRollingChange serves one database by an older and a newer version of a service at once, while requests to the older
// one go on over the newer one's start, and then by an older one that starts last.
func TestRollingChange(t *testing.T) {
	url := newDatabase(t)
	older := serve(t, open(t, url), parseTypes(t, olderTypes))
	if err := older.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, older, "POST", "Sale", `{"title": "first", "amount": 1, "gone": 2.5}`, 200, `"name":"SALE-00001"`)
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for c := range 4 {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if status, answer := ask(older, "POST", "Sale", fmt.Sprintf(`{"title": "busy %d", "short": "%d", "amount": 1, "gone": 1}`, c, n)); status != 200 {
					t.Errorf("the older version, while the newer starts: %d %s", status, answer)
					return
				}
			}
		})
	}
	newer := serve(t, open(t, url), parseTypes(t, newerTypes))
	err := newer.Start(t.Context())
	close(stop)
	clients.Wait()
	if err != nil {
		t.Fatal(err)
	}
	later := serve(t, open(t, url), parseTypes(t, olderTypes))
	if err := later.Start(t.Context()); err != nil {
		t.Fatalf("an older version after the newer: %v", err)
	}
	for _, app := range []*frappems.App{newer, later} {
		if plan, err := app.Migrate(t.Context(), false); len(plan) > 0 || err != nil {
			t.Errorf("with both versions running %q is missing, %v", plan, err)
		}
	}
	wantAnswer(t, newer, "GET", "Sale/SALE-00001", "", 200, `"title":"first"`, `"amount":1,"priority":5,"open":1,"rate":0.0,"stars":0.0,"doctype"`, `"lines":[]`)
	for code, app := range map[string]*frappems.App{"older": older, "later": later} {
		long := strings.Repeat("x", 150)
		made := created(t, func() (int, string) {
			return ask(newer, "POST", "Sale", fmt.Sprintf(`{"title": "new", "short": %q, "amount": 9000000000, "needed": "n", "code": %q, "lines": [{"what": "w"}]}`, long, code))
		})
		wantAnswer(t, app, "GET", "Sale/"+made, "", 200, `"short":"`+long+`"`, `"amount":9000000000`, `"gone":0.0`)
		wantAnswer(t, app, "PUT", "Sale/"+made, `{"title": "changed by the old"}`, 417, "CharacterLengthExceededError") // of what it would save
		wantAnswer(t, app, "PUT", "Sale/"+made, `{"title": "changed by the old", "short": "s", "amount": 2}`, 200, `"title":"changed by the old"`)
		wantAnswer(t, newer, "GET", "Sale/"+made, "", 200, `"title":"changed by the old"`, `"what":"w"`, `"code":"`+code+`"`, `"needed":"n"`)
		made = created(t, func() (int, string) { return ask(app, "POST", "Sale", `{"title": "old", "gone": 1.5}`) })
		wantAnswer(t, newer, "GET", "Sale/"+made, "", 200, `"priority":5`, `"open":1`, `"lines":[]`)
		wantAnswer(t, newer, "PUT", "Sale/"+made, `{"needed": "now", "lines": [{"what": "late"}]}`, 200, `"what":"late"`)
		wantAnswer(t, app, "GET", "Sale/"+made, "", 200, `"gone":1.5`)
		wantAnswer(t, newer, "DELETE", "Sale/"+made, "", 202)
	}
}

// created returns the name of a document that a request has made.
func created(t *testing.T, send func() (int, string)) string {
	t.Helper()
	status, answer := send()
	var got struct{ Data struct{ Name string } }
	if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 || got.Data.Name == "" {
		t.Fatalf("got %d %s", status, answer)
	}
	return got.Data.Name
}
