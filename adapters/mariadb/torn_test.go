package mariadb

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
)

// TestTornRead reads a document, again and again and in all the ways that there are, while others write it and its rows together:
// parent and rows are of one moment.
func TestTornRead(t *testing.T) {
	app := serve(t, openTemp(t), parseTypes(t, `[
		{"doctype": "DocType", "name": "Pair", "autoname": "prompt", "fields": [{"fieldname": "n", "fieldtype": "Int"},
			{"fieldname": "left", "fieldtype": "Table", "options": "Pair Row"}, {"fieldname": "right", "fieldtype": "Table", "options": "Pair Row"}]},
		{"doctype": "DocType", "name": "Pair Row", "istable": 1, "fields": [{"fieldname": "n", "fieldtype": "Int"}]}]`))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A document of n has n in all of its rows, which are new ones, and as many as n says.
	body := func(n int) string {
		rows := "[" + columnsOf(1+n%3, fmt.Sprintf(`{"n": %d}`, n), "") + "]"
		return fmt.Sprintf(`{"name": "it", "n": %d, "left": %s, "right": %s}`, n, rows, rows)
	}
	wantAnswer(t, app, "POST", "Pair", body(0), 200)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	seen := make([]map[int]bool, 4)
	for r := range seen {
		seen[r] = map[int]bool{}
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, answer := ask(app, "GET", "Pair/it", "")
				type row struct{ N int }
				var got struct {
					Data struct {
						N           int
						Left, Right []row
					}
				}
				if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 {
					t.Errorf("got %d %s", status, answer)
					return
				}
				d := got.Data
				seen[r][d.N] = true
				whole := len(d.Left) == 1+d.N%3 && len(d.Right) == len(d.Left)
				for i := range d.Left {
					whole = whole && d.Left[i].N == d.N && d.Right[i].N == d.N
				}
				if !whole {
					t.Errorf("torn: %s", answer)
					return
				}
			}
		})
	}
	const writes = 300
	for n := 1; n <= writes; n++ {
		if status, answer := ask(app, "PUT", "Pair/it", body(n)); status != 200 {
			t.Errorf("got %d %s", status, answer)
			break
		}
	}
	close(stop)
	readers.Wait()
	for r := range seen {
		if len(seen[r]) < 2 {
			t.Errorf("reader %d saw %d states of %d", r, len(seen[r]), writes)
		}
	}
}
