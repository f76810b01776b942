package frappems_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frappems/frappems"
)

// named is a service of one DocType with this autoname.
func named(t *testing.T, autoname string, change ...func(*frappems.Config)) *shop {
	return newService(t, fmt.Sprintf(`{"doctype": "DocType", "name": "Paper", "autoname": %q, "is_submittable": 1, "fields": [
		{"fieldname": "title", "fieldtype": "Data", "label": "The Title"}, {"fieldname": "number", "fieldtype": "Int"}, {"fieldname": "share", "fieldtype": "Float"}, {"fieldname": "day", "fieldtype": "Date"},
		{"fieldname": "naming_series", "fieldtype": "Select", "options": "\nA-.###\nB-.YY.-\nC-###"}, {"fieldname": "amended_from", "fieldtype": "Link", "options": "Paper"}],
		"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1, "submit": 1, "cancel": 1, "amend": 1}]}`, autoname), []string{"Paper"}, change...)
}

// TestNaming is every form of autoname, each with two documents.
func TestNaming(t *testing.T) {
	for _, test := range []struct{ autoname, body, first, second string }{
		{"", `{}`, `[0-9a-v]{10}`, `[0-9a-v]{10}`}, {"hash", `{"name": "mine"}`, `[0-9a-v]{10}`, `[0-9a-v]{10}`}, {"UUID", `{}`, `[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`, `0[0-9a-f-]+`},
		{"autoincrement", `{"name": "77"}`, "1", "2"}, {"field:title", `{"title": "  A B ", "name": "x"}`, "A B", "409 DuplicateEntryError"}, {"field:title", `{"name": "x"}`, "417 ValidationError", "417 ValidationError"}, {"field:number", `{"number": 5}`, "5", "409 DuplicateEntryError"},
		{"prompt", `{"name": " mine "}`, "mine", "409 DuplicateEntryError"}, {"Prompt", `{"__newname": "new", "name": "old"}`, "new", "409 DuplicateEntryError"}, {"prompt", `{}`, "417 ValidationError", "417 ValidationError"}, {"prompt", `{"name": ""}`, "417 ValidationError", "417 ValidationError"}, {"prompt", `{"name": 5}`, "409 NameError", "409 NameError"}, {"prompt", `{"name": 0}`, "417 ValidationError", "417 ValidationError"},
		{"prompt", `{"__newname": true}`, "409 NameError", "409 NameError"},
		{"prompt", `{"name": "a<b"}`, "409 NameError", "409 NameError"}, {"prompt", `{"name": "Paper"}`, "409 NameError", "409 NameError"}, {"prompt", `{"name": "New Paper 1"}`, "409 NameError", "409 NameError"}, {"prompt", `{"name": "   "}`, "417 ValidationError", "417 ValidationError"},
		{"P-.#####", `{}`, "P-00001", "P-00002"}, {"P-.##.-x", `{}`, "P-01-x", "P-02-x"}, {"P-.YY.-.YYYY.-.MM.-.DD.-.WW.-.#", `{}`, "P-26-2026-03-15-11-1", "P-26-2026-03-15-11-2"}, {"P-.##.-.##", `{}`, "P-01-", "P-02-"},
		{"P-.title.-.{title}.-.##", `{"title": "T"}`, "P-T-T-01", "P-T-T-02"}, {"P-.number.-.{share}.-.day.-.##", `{"number": 7, "share": 1.5, "day": "2026-01-02"}`, "P-7--2026-01-02-01", "P-7--2026-01-02-02"}, {"P-.{nope}.-.nope.-.##", `{}`, "P--nope-01", "P--nope-02"},
		{"P/.title./.##", `{"title": "a/b"}`, "P/a/b/01", "P/a/b/02"}, {"P-.timestamp.-.#", `{}`, `P-2026-03-15 10:20:30\.[0-9]{6}-1`, `P-2026-03-15 10:20:30\.[0-9]{6}-1`}, {"P-###", `{}`, "417 ValidationError", "417 ValidationError"}, {"P*.###", `{}`, "417 ValidationError", "417 ValidationError"},
		{"naming_series:", `{}`, "A-001", "A-002"}, {"naming_series:", `{"naming_series": "B-.YY.-"}`, "B-26-00001", "B-26-00002"}, {"naming_series:", `{"naming_series": "C-###"}`, "C-###00001", "C-###00002"}, {"naming_series:", `{"naming_series": "Z-.##"}`, "417 ValidationError", "417 ValidationError"},
		{"format:V-{title}-{MM}-{####}", `{"title": "X"}`, "V-X-03-0001", "V-X-03-0002"}, {"format:{##}/{title}", `{"title": "X"}`, "01/X", "02/X"}, {"format:{YYYY}{DD} {WW}", `{}`, "202615 11", "409 DuplicateEntryError"}, {"format:{title}", `{}`, "417 ValidationError", "417 ValidationError"}, {"Format:no braces", `{}`, "no braces", "409 DuplicateEntryError"},
	} {
		s := named(t, test.autoname)
		for i, want := range []string{test.first, test.second} {
			got := s.send("manager@acme", "POST", docPath("Paper"), test.body)
			name := fmt.Sprintf("%d %s", got.status, got.Type)
			if got.status == 200 {
				name = fmt.Sprint(got.data(t)["name"])
			}
			if !regexp.MustCompile("^(?:" + want + ")$").MatchString(name) {
				t.Errorf("%q with %s, document %d: %s, want %s; %s", test.autoname, test.body, i+1, name, want, got.body)
			}
		}
		s.store.CheckAll(t, "acme")
	}
}

// TestNamingWeeks: the week never falls within a year.
func TestNamingWeeks(t *testing.T) {
	for day, want := range map[string]string{"2027-01-01": "00", "2026-12-31": "53", "2024-12-30": "53", "2024-01-01": "01", "2023-01-01": "00", "2026-07-01": "27"} {
		s := named(t, "W.WW.-.#", func(c *frappems.Config) {
			now, _ := time.Parse(time.DateOnly, day)
			c.Now = func() time.Time { return now }
		})
		if got := s.create("manager@acme", "Paper", `{}`); got != "W"+want+"-1" {
			t.Errorf("%s: %s, want week %s", day, got, want)
		}
	}
}

// TestNamingGivesBack: the last number of a series is given again after its document is deleted or was never made.
func TestNamingGivesBack(t *testing.T) {
	for _, test := range []struct{ autoname, body, prefix string }{
		{"P-.###", `{"title": "x"}`, "P-"}, {"naming_series:", `{"naming_series": "A-.###"}`, "A-"}, {"format:F-{title}-{###}", `{"title": "x"}`, "F-x-"},
	} {
		s := named(t, test.autoname)
		remove := func(number string) {
			s.send("manager@acme", "DELETE", docPath("Paper", test.prefix+number), "").want(t, 202, `{"data":"ok"}`)
		}
		next := func(want string) {
			t.Helper()
			if got := s.create("manager@acme", "Paper", test.body); got != test.prefix+want {
				t.Errorf("%s: %s, want %s", test.autoname, got, test.prefix+want)
			}
		}
		next("001")
		next("002")
		next("003")
		remove("002") // not the last one
		next("004")
		remove("004")
		next("004")
		s.send("manager@acme", "POST", docPath("Paper"), strings.Replace(test.body, "{", `{"day": "nonsense", `, 1)).want(t, 417, "DataError")
		next("005")
		remove("005")
		remove("004")
		next("004")
	}
	s := named(t, "autoincrement")
	s.create("manager@acme", "Paper", `{}`, `{}`)
	s.send("manager@acme", "DELETE", docPath("Paper", "2"), "").want(t, 202, `{"data":"ok"}`)
	if got := s.create("manager@acme", "Paper", `{}`); got != "3" {
		t.Errorf("after the deletion of 2 autoincrement gives %s", got)
	}
}

// TestNamingAmended: an amended document has the name of the cancelled one with a number that grows.
func TestNamingAmended(t *testing.T) {
	s := named(t, "naming_series:")
	name := s.create("manager@acme", "Paper", `{}`)
	for _, want := range []string{"A-001-1", "A-001-2", "A-001-3"} {
		s.send("manager@acme", "PUT", docPath("Paper", name), `{"docstatus": 1}`).want(t, 200, "")
		s.send("manager@acme", "PUT", docPath("Paper", name), `{"docstatus": 2}`).want(t, 200, "")
		if name = s.create("manager@acme", "Paper", fmt.Sprintf(`{"amended_from": %q}`, name)); name != want {
			t.Errorf("amended to %s, want %s", name, want)
		}
	}
	if got := s.create("manager@acme", "Paper", `{}`); got != "A-002" {
		t.Errorf("the next one is %s", got)
	}
}

// TestNamingTogether: many who make documents at once get each a number of their own, without gaps.
func TestNamingTogether(t *testing.T) {
	s := named(t, "P-.####")
	var group sync.WaitGroup
	names := make([]string, 160)
	for i := range 16 {
		group.Go(func() {
			for j := range 10 {
				names[10*i+j] = s.create("manager@acme", "Paper", `{}`)
			}
		})
	}
	group.Wait()
	slices.Sort(names)
	for i, name := range names {
		if want := fmt.Sprintf("P-%04d", i+1); name != want {
			t.Fatalf("name %d is %s, want %s", i, name, want)
		}
	}
}
