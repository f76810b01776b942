package chaostest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Finish ends the clients, and wants every document that was acknowledged: whole, once, and as it was written last. What was not
// acknowledged is there whole, or not at all. It returns how many requests were answered well and how many refused.
func (c *Clients) Finish() (good, refused int) {
	c.t.Helper()
	c.mu.Lock()
	c.stop()
	c.mu.Unlock()
	c.running.Wait()
	for i := range clientCount {
		good, refused = good+c.good[i], refused+c.refused[i]
	}
	named := map[*document]string{} // what the service calls them
	for _, doctype := range []string{"Order", "Receipt", "Sheet"} {
		c.checkNames(doctype, named)
	}
	for _, d := range c.docs {
		w := c.window(d)
		name := named[d]
		switch {
		case name == "" && !w.canBeMissing():
			c.t.Errorf("%s was acknowledged as %s, and is lost", d.tag, d.name)
		case name == "":
		case d.name != "" && d.name != name:
			c.t.Errorf("%s was acknowledged as %s, and is %s", d.tag, d.name, name)
		default:
			d.name = name
			c.get(0, d)
		}
	}
	c.http.CloseIdleConnections()
	return good, refused
}

// checkNames reads which documents there are. Each has to be known, and the numbers of a series without gaps have none.
func (c *Clients) checkNames(doctype string, named map[*document]string) {
	c.t.Helper()
	query := url.Values{"fields": {`["name","tag"]`}, "limit": {"0"}}
	got, ok := c.ask(0, http.MethodGet, "/api/resource/"+doctype+"?"+query.Encode(), nil, "")
	var list struct{ Data []struct{ Name, Tag string } }
	if err := json.Unmarshal([]byte(got.body), &list); err != nil || !ok || got.status != http.StatusOK {
		c.t.Fatalf("the list of %s: %d, %v: %s", doctype, got.status, err, got.body)
	}
	var numbers []int
	for _, row := range list.Data {
		d := c.docs[row.Tag]
		if d == nil || named[d] != "" {
			c.t.Errorf("%s %s with the tag %q is unknown, or there twice", doctype, row.Name, row.Tag)
			continue
		}
		named[d] = row.Name
		n, _ := strconv.Atoi(strings.TrimPrefix(row.Name, "R-"))
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if doctype == "Receipt" && len(numbers) > 0 && (numbers[0] != 1 || numbers[len(numbers)-1] != len(numbers)) {
		c.t.Errorf("the series without gaps has them: %s", fmt.Sprint(numbers))
	}
	if len(numbers) == 0 {
		c.t.Errorf("there is no %s", doctype)
	}
}
