package frappemstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frappems/frappems"
)

// TestDocTypes leads every DocType below the root of doctypes, and some that it makes up, of 200 fields of all types and
// six tables, through its life over HTTP. A document with a value in every field is made, read back, found by a filter
// on each of its columns, changed in every field and deleted; child tables in their parents, or one made for them;
// Single DocTypes read, written and read back; virtual ones answered with 404. After that Migrate has nothing to do.
// Each request goes to a service on each of the stores that open opens, and all have to give the same bytes.
func TestDocTypes(t *testing.T, doctypes fs.FS, open ...func(t *testing.T) frappems.Store) {
	t.Helper()
	var services []testedService
	for _, o := range open {
		services = append(services, testedService{o, func(*frappems.App) {}})
	}
	testDocTypes(t, doctypes, services)
}

// TestControllers leads the DocTypes through the same life in a service with the controllers that register registers, and in
// one without. Controllers that change nothing must not be noticed: both services have to give the same bytes.
func TestControllers(t *testing.T, doctypes fs.FS, register func(app *frappems.App)) {
	t.Helper()
	open := func(*testing.T) frappems.Store { return frappems.NewMemoryStore() }
	testDocTypes(t, doctypes, []testedService{{open, func(*frappems.App) {}}, {open, register}})
}

// testedService is how a service is made.
type testedService struct {
	open    func(t *testing.T) frappems.Store
	prepare func(app *frappems.App)
}

func testDocTypes(t *testing.T, doctypes fs.FS, services []testedService) {
	t.Helper()
	types, err := frappems.LoadDocTypes(doctypes)
	if err != nil {
		t.Fatal(err)
	}
	types = append(types, bigDocTypes()...)
	types = append(types, missingParents(types)...)
	slices.SortFunc(types, func(a, b *frappems.DocType) int { return strings.Compare(a.Name, b.Name) })
	d := newDocTypeTest(types)
	for _, s := range services {
		d.services = append(d.services, newDocTypeService(t, types, s))
	}
	for _, m := range types {
		t.Run(m.Name, func(t *testing.T) {
			life := &lifeTest{T: t, docTypeTest: d}
			switch {
			case bool(m.IsVirtual):
				life.testVirtual(m)
			case bool(m.IsSingle):
				life.testSingle(m)
			case !bool(m.IsTable):
				life.testDocument(m)
			}
		})
	}
	t.Run("child tables", func(t *testing.T) {
		for _, m := range types {
			if bool(m.IsTable) && !bool(m.IsVirtual) && !d.filtered[m.Name] {
				t.Errorf("no document had rows of %s", m.Name)
			}
		}
	})
	t.Run("migrate again", func(t *testing.T) {
		for _, s := range d.services {
			if plan, err := s.app.Migrate(t.Context(), false); err != nil || len(plan) > 0 {
				t.Errorf("got %v and the plan %q, want nothing to do", err, plan)
			}
		}
	})
}

// missingParents makes a DocType with a table for each child DocType that no ordinary DocType has one of, since only their
// rows can be listed.
func missingParents(types []*frappems.DocType) []*frappems.DocType {
	used := map[string]bool{}
	for _, m := range types {
		for i := range m.Fields {
			used[m.Fields[i].Options] = used[m.Fields[i].Options] || isTable(&m.Fields[i]) && !bool(m.IsSingle) && !bool(m.IsVirtual)
		}
	}
	var parents []*frappems.DocType
	for _, m := range types {
		if bool(m.IsTable) && !used[m.Name] {
			parents = append(parents, &frappems.DocType{Name: "Parent of " + m.Name,
				Fields: []frappems.Field{{Fieldname: "rows", Fieldtype: "Table", Options: m.Name}}})
		}
	}
	return parents
}

// docTypeTest is services on several stores that get the same requests.
type docTypeTest struct {
	services []*docTypeService
	byName   map[string]*frappems.DocType
	free     []*frappems.DocType       // ordinary ones that can be made without others, as targets of links
	seeds    map[string]string         // names of documents that links lead to; "" while one is being made
	targets  map[string]map[string]any // the same documents, read
	unique   map[string]int            // how many targets of a DocType are used up by unique links
	filtered map[string]bool           // child DocTypes whose columns have been filtered on
	serial   int
}

func newDocTypeTest(types []*frappems.DocType) *docTypeTest {
	d := &docTypeTest{byName: map[string]*frappems.DocType{}, seeds: map[string]string{}, targets: map[string]map[string]any{},
		unique: map[string]int{}, filtered: map[string]bool{}}
	for _, m := range types {
		d.byName[m.Name] = m
	}
	for _, m := range types {
		needs := slices.ContainsFunc(m.Fields, func(f frappems.Field) bool {
			return isTable(&f) && bool(f.Required) || strings.HasSuffix(f.Fieldtype, "Link") && (bool(f.Required) || f.Default != "")
		})
		if isOrdinary(m) && !needs {
			d.free = append(d.free, m)
		}
	}
	return d
}

func isOrdinary(m *frappems.DocType) bool {
	return m != nil && !bool(m.IsTable) && !bool(m.IsSingle) && !bool(m.IsVirtual)
}

func isTable(f *frappems.Field) bool {
	return f.Fieldtype == "Table" || f.Fieldtype == "Table MultiSelect"
}

// docTypeService is a service on one store. Names that it gives by chance are known by placeholders, which are the same in
// all services.
type docTypeService struct {
	app          *frappems.App
	requests     *atomic.Int64
	placeholders map[string]string // by name
	names        map[string]string // by placeholder
}

func newDocTypeService(t *testing.T, types []*frappems.DocType, s testedService) *docTypeService {
	t.Helper()
	store := s.open(t)
	t.Cleanup(func() { store.Close() })
	tokens, err := frappems.NewTokens(strings.NewReader(`[{"user": "Administrator", "api_key": "key", "api_secret": "secret"}]`))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 23, 18, 19, 16, 0, time.UTC)
	requests := &atomic.Int64{} // the clock stands still within one: a store may have a transaction tried again
	app, err := frappems.New(frappems.Config{Types: types, Store: store, Auth: tokens, Logger: slog.New(slog.DiscardHandler),
		EncryptionKey: bytes.Repeat([]byte("k"), 32),
		Now:           func() time.Time { return begin.Add(time.Duration(requests.Load()) * time.Microsecond) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range types {
		if !bool(m.IsTable) && !bool(m.IsVirtual) {
			app.Resource(m.Name)
		}
	}
	s.prepare(app)
	checkFirstPlan(t, app, types)
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &docTypeService{app: app, requests: requests, placeholders: map[string]string{}, names: map[string]string{}}
}

// checkFirstPlan wants a table for each DocType but Single and virtual ones.
func checkFirstPlan(t *testing.T, app *frappems.App, types []*frappems.DocType) {
	t.Helper()
	plan, err := app.Migrate(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(plan, "\n") + "\n"
	has := func(m *frappems.DocType) bool {
		return slices.ContainsFunc([]string{"`", `"`, "\n"}, func(end string) bool { return strings.Contains(all, "tab"+m.Name+end) })
	}
	for _, m := range types {
		if want := !bool(m.IsSingle) && !bool(m.IsVirtual); has(m) != want {
			t.Errorf("%s: got a table %t, want %t", m.Name, has(m), want)
		}
	}
}

var (
	randomName  = regexp.MustCompile(`"name":"([0-9a-v]{10}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"`)
	randomWord  = regexp.MustCompile(`\b([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-v]{10})\b`)
	placeholder = regexp.MustCompile(`randomname[0-9]{6}`)
)

// ask sends a request in which names are placeholders, and gives the answer with placeholders.
func (s *docTypeService) ask(method, path string, body []byte) (int, string) {
	name := func(p string) string { return s.names[p] }
	request := httptest.NewRequest(method, placeholder.ReplaceAllStringFunc(path, name),
		strings.NewReader(placeholder.ReplaceAllStringFunc(string(body), name)))
	request.Header.Set("Authorization", "token key:secret")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	recorder := httptest.NewRecorder()
	s.requests.Add(1)
	s.app.ServeHTTP(recorder, request)
	answer := recorder.Body.String()
	for _, found := range randomName.FindAllStringSubmatch(answer, -1) {
		if s.placeholders[found[1]] == "" {
			p := fmt.Sprintf("randomname%06d", len(s.names))
			s.placeholders[found[1]], s.names[p] = p, found[1]
		}
	}
	return recorder.Code, randomWord.ReplaceAllStringFunc(answer, func(word string) string {
		if p := s.placeholders[word]; p != "" {
			return p
		}
		return word
	})
}

// lifeTest is the life of one DocType's documents.
type lifeTest struct {
	*testing.T
	*docTypeTest
}

// ask sends a request to all services and wants equal answers.
func (l *lifeTest) ask(method, path string, body any) (int, string) {
	l.Helper()
	var sent []byte
	if body != nil {
		sent, _ = json.Marshal(body) // of texts and numbers it does not fail
	}
	status, answer := l.services[0].ask(method, path, sent)
	for _, other := range l.services[1:] {
		if s, a := other.ask(method, path, sent); s != status || a != answer {
			l.Errorf("%s %s %s: two stores differ\n%d %s\n%d %s", method, path, sent, status, answer, s, a)
		}
	}
	return status, answer
}

// data sends a request and reads what the answer holds under data.
func (l *lifeTest) data(to any, status int, method, path string, body any) {
	l.Helper()
	got, answer := l.ask(method, path, body)
	if got != status {
		sent, _ := json.Marshal(body)
		l.Fatalf("%s %s: got %d %s\nwant %d; sent was %s", method, path, got, answer, status, sent)
	}
	envelope := struct{ Data any }{to}
	decoder := json.NewDecoder(strings.NewReader(answer))
	decoder.UseNumber()
	if err := decoder.Decode(&envelope); err != nil {
		l.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
}

func resourcePath(doctype string, name ...string) string {
	path := "/api/resource/" + url.PathEscape(doctype)
	for _, n := range name {
		path += "/" + url.PathEscape(n)
	}
	return path
}

func (l *lifeTest) testVirtual(m *frappems.DocType) {
	path, body := resourcePath(m.Name), map[string]any{"name": "x"}
	for _, r := range []struct {
		method, path string
		body         any
	}{{"GET", path, nil}, {"POST", path, body}, {"GET", path + "/x", nil}, {"PUT", path + "/x", body}, {"DELETE", path + "/x", nil}} {
		if status, answer := l.ask(r.method, r.path, r.body); status != http.StatusNotFound {
			l.Errorf("%s %s: got %d %s, want 404", r.method, r.path, status, answer)
		}
	}
}

func (l *lifeTest) testSingle(m *frappems.DocType) {
	path := resourcePath(m.Name, m.Name)
	got := map[string]any{}
	l.data(&got, 200, "GET", path, nil)
	l.wantDefaults(&sentDoc{meta: m}, got)
	d := l.fill(m, nil)
	for _, first := range []bool{true, false} {
		if !first {
			d = l.fill(m, d)
		}
		l.data(&got, 200, "PUT", path, d.body())
		d.name = m.Name
		l.compare(d, got, "what PUT answers")
		l.data(&got, 200, "GET", path, nil)
		l.compare(d, got, "what GET answers")
		d.keepRows(got)
	}
}

// wantDefaults checks what the fields that were not sent have.
func (l *lifeTest) wantDefaults(d *sentDoc, got map[string]any) {
	l.Helper()
	for i := range d.meta.Fields {
		f := &d.meta.Fields[i]
		want := f.Default
		switch first, _, _ := strings.Cut(f.Options, "\n"); {
		case d.values[f.Fieldname] != nil || !hasColumn(f) || f.FetchFrom != "" || f.Fieldtype == "Time":
			continue
		case slices.Contains(numericTypes, f.Fieldtype) && f.Fieldtype != "Duration" && f.Fieldtype != "Long Int":
			want = max(want, "0")
		case f.Fieldtype == "Select" && want == "":
			want = first
		case f.Default == "__user":
			want = "Administrator"
		case f.Default == "Today":
			want = "2026-11-23"
		}
		if g := canonical(f, got[f.Fieldname]); g != want && !(want == "" && g == "null") && !(strings.EqualFold(want, "now") && strings.HasPrefix(g, "2026-11-23 ")) {
			l.Errorf("%s: got the default %q, want %q", f.Fieldname, g, want)
		}
	}
}

func (l *lifeTest) testDocument(m *frappems.DocType) {
	d := l.bare(m)
	l.insert(d)
	l.wantDefaults(d, l.read(d))
	d = l.fill(m, nil)
	l.insert(d)
	stored := l.read(d)
	l.compare(d, stored, "what GET answers")
	l.findAll(d, stored)
	d.keepRows(stored)
	d = l.fill(m, d)
	got := map[string]any{}
	path := resourcePath(m.Name, d.name)
	l.data(&got, 200, "PUT", path, d.body())
	l.compare(d, got, "what PUT answers")
	l.compare(d, l.read(d), "what GET answers after PUT")
	var ok string
	if l.data(&ok, 202, "DELETE", path, nil); ok != "ok" {
		l.Errorf("DELETE: got %q, want ok", ok)
	}
	if status, answer := l.ask("GET", path, nil); status != http.StatusNotFound {
		l.Errorf("GET after DELETE: got %d %s, want 404", status, answer)
	}
	for i := range m.Fields {
		if f := &m.Fields[i]; l.writable(f) && isTable(f) {
			l.noRows(f.Options, d)
		}
	}
}

// noRows wants that no row of a document is left.
func (l *lifeTest) noRows(child string, d *sentDoc) {
	l.Helper()
	for _, s := range l.services {
		db, err := s.app.AsTenant(l.Context(), "default")
		if err != nil {
			l.Fatal(err)
		}
		name := placeholder.ReplaceAllStringFunc(d.name, func(p string) string { return s.names[p] })
		n, err := db.Count(l.Context(), child, map[string]any{"parent": name, "parenttype": d.meta.Name})
		if err != nil || n > 0 {
			l.Errorf("got %d rows of %s and error %v after DELETE, want none", n, child, err)
		}
	}
}

// insert makes a document and checks its name.
func (l *lifeTest) insert(d *sentDoc) {
	l.Helper()
	got := map[string]any{}
	l.data(&got, 200, "POST", resourcePath(d.meta.Name), d.body())
	d.name = canonical(nil, got["name"])
	want := d.name
	if field, ok := strings.CutPrefix(d.meta.Autoname, "field:"); ok {
		want = l.want(d, fieldOf(d.meta, field))
	} else if strings.EqualFold(d.meta.Autoname, "prompt") {
		want = d.values["name"].(string)
	}
	if d.name == "" || d.name != want {
		l.Errorf("POST: got the name %q, want %q", d.name, want)
	}
	l.compare(d, got, "what POST answers")
}

func (l *lifeTest) read(d *sentDoc) map[string]any {
	l.Helper()
	got := map[string]any{}
	l.data(&got, 200, "GET", resourcePath(d.meta.Name, d.name), nil)
	return got
}

// compare wants in a document what was sent, and what is fetched.
func (l *lifeTest) compare(d *sentDoc, got map[string]any, where string) {
	l.Helper()
	for _, field := range slices.Sorted(maps.Keys(d.values)) {
		f := fieldOf(d.meta, field)
		if f == nil {
			continue // name
		}
		if g, w := canonical(f, got[field]), l.want(d, f); g != w {
			l.Errorf("%s: %s %s (%s): got %q, want %q", where, d.meta.Name, field, f.Fieldtype, g, w)
		}
	}
	for field, rows := range d.rows {
		list, _ := got[field].([]any)
		if len(list) != len(rows) {
			l.Errorf("%s: %s: got %d rows, want %d", where, field, len(list), len(rows))
			continue
		}
		for i, row := range rows {
			item := list[i].(map[string]any)
			l.compare(row, item, fmt.Sprintf("%s: %s row %d", where, field, i+1))
			place := fmt.Sprint(item["idx"], item["parent"], item["parentfield"], item["parenttype"])
			if want := fmt.Sprint(i+1, d.name, field, d.meta.Name); place != want {
				l.Errorf("%s: %s: got idx, parent, parentfield and parenttype %q, want %q", where, field, place, want)
			}
		}
	}
}

// findAll filters on each column of a document and of its first rows.
func (l *lifeTest) findAll(d *sentDoc, stored map[string]any) {
	columns := slices.Clone(standardFields)
	for i := range d.meta.Fields {
		f := &d.meta.Fields[i]
		if l.writable(f) && isTable(f) && !l.filtered[f.Options] {
			l.filtered[f.Options] = true
			row := stored[f.Fieldname].([]any)[0].(map[string]any)
			for _, field := range slices.Concat(standardFields, rowFields, l.byName[f.Options].Fields) {
				l.find(d, f.Options, &field, row[field.Fieldname])
			}
		} else if hasColumn(f) {
			columns = slices.DeleteFunc(columns, func(c frappems.Field) bool { return c.Fieldname == f.Fieldname })
			columns = append(columns, *f)
		}
	}
	for _, field := range columns {
		l.find(d, "", &field, stored[field.Fieldname])
	}
	all := []map[string]any{}
	l.data(&all, 200, "GET", listPath(d.meta.Name, "*", [][]any{{"name", "=", d.name}}, ""), nil)
	for _, field := range columns {
		if got, want := canonical(&field, all[0][field.Fieldname]), canonical(&field, stored[field.Fieldname]); got != want {
			l.Errorf("a list of all fields: %s: got %q, want %q", field.Fieldname, got, want)
		}
	}
}

// find lists documents by all filters on one column that d, or its first row in a child table, fulfils, and by one that it
// does not.
func (l *lifeTest) find(d *sentDoc, child string, f *frappems.Field, value any) {
	if !hasColumn(f) {
		return
	}
	own := func(filter ...any) []any {
		if child != "" {
			filter = append([]any{child}, filter...)
		}
		return filter
	}
	field, order := f.Fieldname, f.Fieldname+" desc, creation asc"
	if f.Fieldtype == "Password" {
		if status, answer := l.ask("GET", listPath(d.meta.Name, "name", [][]any{own(field, "=", value)}, ""), nil); status != http.StatusExpectationFailed {
			l.Errorf("a filter on the password %s: got %d %s, want 417", field, status, answer)
		}
		return
	}
	if child != "" || field == "name" || strings.HasSuffix(f.Fieldtype, "Link") {
		order = "creation asc" // not by names that chance gave
	}
	filters := [][]any{own(field, "is", "not set")} // of what was fetched from an empty field
	if value != nil {
		filters = [][]any{own(field, "=", value), own(field, "in", []any{value})}
		if canonical(f, value) != "0" {
			filters = append(filters, own(field, "is", "set"))
		}
		if isRanged(f) {
			filters = append(filters, own(field, ">=", value), own(field, "between", []any{value, value}))
		} else if text, ok := value.(string); ok { // else it is a number for a name
			filters = append(filters, own(field, "like", likePattern(text)))
		}
	}
	l.wantFound(true, d, listPath(d.meta.Name, "name", filters, order))
	if value != nil && child == "" {
		l.wantFound(false, d, listPath(d.meta.Name, "name", [][]any{own(field, "!=", value)}, order))
	}
}

// wantFound says whether d has to be in a list.
func (l *lifeTest) wantFound(want bool, d *sentDoc, path string) {
	l.Helper()
	var list []map[string]any
	l.data(&list, 200, "GET", path, nil)
	found := slices.ContainsFunc(list, func(item map[string]any) bool { return canonical(nil, item["name"]) == d.name })
	if plain, _ := url.QueryUnescape(path); found != want {
		l.Errorf("%s: got %v, with %s %t, want %t", plain, list, d.name, found, want)
	}
}

func listPath(doctype, field string, filters [][]any, order string) string {
	list, _ := json.Marshal(filters)
	return resourcePath(doctype) + "?" + url.Values{"fields": {`["` + field + `"]`}, "filters": {string(list)}, "order_by": {order},
		"limit_page_length": {"0"}}.Encode()
}
