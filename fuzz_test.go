package frappems

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/frappems/frappems/internal/plain"
	"github.com/frappems/frappems/internal/value"

	"github.com/frappems/frappems/store"
)

// fuzzed is a service that fuzz targets send requests to.
type fuzzed struct {
	t     *testing.F
	app   *App
	store *Recording
}

// fuzzTime is the clock of fuzzed services, which stands still.
var fuzzTime = time.Date(2026, 3, 15, 10, 20, 30, 0, time.UTC)

func newFuzzed(f *testing.F) *fuzzed {
	s := &fuzzed{t: f, store: NewRecording()}
	var err error
	s.app, err = New(Config{Store: s.store, Logger: slog.New(slog.DiscardHandler), DocTypes: fstest.MapFS{"types.json": {Data: []byte(ShopDocTypes)}},
		Auth: everybody{}, Now: func() time.Time { return fuzzTime }})
	if err != nil {
		f.Fatal(err)
	}
	for _, doctype := range ShopResources {
		s.app.Resource(doctype)
	}
	if err := s.app.Start(context.Background()); err != nil {
		f.Fatal(err)
	}
	for _, body := range []string{`Region {"title": "North", "lft": 1, "rgt": 4}`, `Item {"name": "Bolt", "label": "b"}`, `Customer {"customer_name": "Ada", "region": "North", "tax_id": "T", "pin": "1234", "secret": "s"}`,
		`Order {"customer": "Ada", "items": [{"item": "Bolt"}]}`, `Ticket {"subject": "x"}`} {
		doctype, body, _ := strings.Cut(body, " ")
		if w := s.send("POST", "/api/resource/"+doctype, body); w.Code != 200 {
			f.Fatal(w.Body)
		}
	}
	s.store.Take()
	return s
}

// everybody is an Authenticator of one user, by the header X-Role.
type everybody struct{}

func (everybody) Authenticate(r *http.Request) (*User, error) {
	role := cmp.Or(r.Header.Get("X-Role"), "Manager")
	return &User{Name: role + "@example.com", Roles: []string{role, "All", "Guest"}, Tenant: "acme"}, nil
}

func (s *fuzzed) send(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	s.app.ServeHTTP(w, r)
	return w
}

// check wants an answer that is JSON and no 500, and statements that are made of nothing but the schema and our own words.
func (s *fuzzed) check(t *testing.T, w *httptest.ResponseRecorder, input string) {
	t.Helper()
	if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
		t.Errorf("%q: %d %s", input, w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), "1234") && !strings.Contains(input, "1234") {
		t.Errorf("%q: the password is in %s", input, w.Body)
	}
	s.store.CheckAll(t, "acme")
}

// list sends a list's parameter as those who may read everything and as those who may read little.
func (s *fuzzed) list(t *testing.T, parameter, value string) {
	t.Helper()
	for _, role := range []string{"Manager", "Clerk", "Viewer"} {
		for _, doctype := range []string{"Customer", "Order"} {
			r := httptest.NewRequest("GET", "/api/resource/"+doctype+"?"+url.Values{parameter: {value}}.Encode(), nil)
			r.Header.Set("X-Role", role)
			w := httptest.NewRecorder()
			s.app.ServeHTTP(w, r)
			s.check(t, w, value)
		}
	}
}

func seeds(f *testing.F, list ...string) {
	for _, seed := range list {
		f.Add(seed)
	}
}

func FuzzFilters(f *testing.F) {
	s := newFuzzed(f)
	seeds(f, `{"name": "x"}`, `[["name", "=", "x"]]`, `[["Customer", "name", "like", "%a%"]]`, `{"credit": [">", 1e400]}`, `{"visits": ["in", [1, "a", null]]}`, `[["joined", "between", ["2026-01-01", ""]]]`, `{"joined": ["timespan", "last 7 days"]}`,
		`[["name", "=", "x"], "or", [["kind", "is", "set"], "and", {"region.lead": "y"}]]`, `{"name": ["descendants of", "North"]}`, `{"region": ["not ancestors of", "North"]}`, "{\"`tabOrder Line`.`item`\": \"x\"}", `{"name`+"`"+`=1 -- ": 1}`, `[["Order Line", "qty", ">", 0]]`, `["Ada", "Bob"]`, `null`, `"x"`, `[[]]`,
		`{"item": 5}`, `{"tenant_id": 1}`, `{"extra": {"a": 1}}`, `{"opens": "25:00"}`, `{"stars": -0.0}`, `{"hits": 99999999999999999999}`, `{"pin": "1"}`, `{"secret": ["like", "s%"]}`)
	f.Fuzz(func(t *testing.T, value string) {
		s.list(t, "filters", value)
		s.list(t, "or_filters", value)
		// The same text as a value and as a field of a filter.
		for _, filters := range []any{map[string]any{value: "x"}, map[string]any{"notes": value}, map[string]any{"credit": []any{"=", value}}, []any{[]any{"joined", value, value}}, []any{[]any{value, "name", "=", "x"}}, map[string]any{"visits": []any{"in", value}}} {
			text, _ := json.Marshal(filters)
			s.list(t, "filters", string(text))
		}
	})
}

func FuzzFields(f *testing.F) {
	s := newFuzzed(f)
	seeds(f, `["name"]`, `["*"]`, `"*"`, `["name as x"]`, `["count(*) as n", "sum(credit)"]`, `["region.lead"]`, `["items.item", "items.cost"]`, "[\"`tabCustomer`.`name`\"]", `["name", "(select 1)"]`, `["sleep(1) as s"]`, `["count(distinct kind)"]`, `["pin", "secret"]`, `[null, "", 1]`, `["info", "items"]`, `["_user_tags"]`,
		`["name as tenant_id", "tenant_id"]`, `["max(name"]`)
	f.Fuzz(func(t *testing.T, value string) {
		s.list(t, "fields", value)
		text, _ := json.Marshal([]string{"name", value, "name as " + value, "count(" + value + ")"})
		s.list(t, "fields", string(text))
		text, _ = json.Marshal([]string{value})
		s.list(t, "fields", string(text))
	})
}

func FuzzOrderBy(f *testing.F) {
	s := newFuzzed(f)
	seeds(f, "name", "name desc, kind asc", "`tabCustomer`.`name` desc", "region.lead", "items.idx", "count(name) desc", "name; drop table x", "sleep(1)", "(select 1)", "name sideways", ",", "secret", "tenant_id", "name`", "1")
	f.Fuzz(func(t *testing.T, value string) {
		s.list(t, "order_by", value)
		s.list(t, "order_by", "name, "+value+" desc")
	})
}

func FuzzGroupBy(f *testing.F) {
	s := newFuzzed(f)
	seeds(f, "kind", "kind, region", "`tabCustomer`.`kind`", "region.lead", "items.item", "count(name)", "sleep(2)", "secret", "tenant_id", ",", "name with rollup", "1")
	f.Fuzz(func(t *testing.T, value string) {
		s.list(t, "group_by", value)
		s.list(t, "group_by", "kind, "+value)
	})
}

func FuzzBody(f *testing.F) {
	s := newFuzzed(f)
	seeds(f, `{"customer_name": "X", "credit": 1e400}`, `{"customer_name": "X", "visits": [1]}`, `{"name": "Ada", "doctype": "Vault", "owner": "x"}`, `{"items": [{"item": "Bolt", "qty": -0.0, "name": "x"}]}`, `{"data": {"customer_name": "Y"}}`, `{"data": "{\"customer_name\": \"Z\"}"}`, `{"tenant_id": "globex"}`,
		`{"customer_name`+"`"+` -- ": "X"}`, `{"customer_name": "<script>"}`, `{"joined": "2026-02-30", "seen": "x", "opens": "1:2:3"}`, `customer_name=X&notes=%zz`, `[]`, `{`, "\xff", `{"docstatus": 1}`, `{"modified": "x"}`, `{"extra": {"a": [1]}}`, `{"pin": "new"}`, `{"hits": "9e99"}`, `{"region": "Nope"}`, `{"items": null, "hidden": [{}]}`, `{"customer_name": "\u0000"}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, step := range [][2]string{{"POST", "Customer"}, {"POST", "Order"}, {"POST", "Ticket"}, {"PUT", "Customer/Ada"}, {"PUT", "Order/SO-2026-0001"}, {"PUT", "Settings/Settings"}} {
			w := s.send(step[0], "/api/resource/"+step[1], body)
			s.check(t, w, body)
			if step[0] == "POST" && w.Code == 200 { // what was made can be read and deleted
				var made struct{ Data struct{ Name any } }
				json.Unmarshal(w.Body.Bytes(), &made)
				path := "/api/resource/" + step[1] + "/" + url.PathEscape(fmt.Sprint(made.Data.Name))
				if got := s.send("GET", path, ""); got.Code != 200 {
					t.Errorf("%q was made, but: %d %s", made.Data.Name, got.Code, got.Body)
				}
				if got := s.send("DELETE", path, ""); got.Code != 202 {
					t.Errorf("%q was made, but: %d %s", made.Data.Name, got.Code, got.Body)
				}
			}
		}
		text, _ := json.Marshal(map[string]any{"customer_name": "F", "notes": body, "tax_id": body, "joined": body, "visits": body, "credit": body, body: body})
		s.check(t, s.send("POST", "/api/resource/Customer", string(text)), body)
		s.send("DELETE", "/api/resource/Customer/F", "")
		s.store.CheckAll(t, "acme")
	})
}

func FuzzDocTypeJSON(f *testing.F) {
	seeds(f, `{"name": "Paper", "autoname": "field:title", "fields": [{"fieldname": "title", "fieldtype": "Data", "unique": 1}, {"fieldname": "x`+"`"+`y", "fieldtype": "Int"}], "permissions": [{"role": "All", "read": 1, "write": 1, "create": 1, "delete": 1}]}`,
		`[{"name": "Row", "istable": 1, "fields": [{"fieldname": "a", "fieldtype": "Link", "options": "Paper"}]}, {"name": "Paper", "fields": [{"fieldname": "rows", "fieldtype": "Table", "options": "Row"}]}]`, `{"name": "S", "issingle": 1, "fields": []}`, `{"name": "Paper", "autoname": "P-.YYYY.-.#", "sort_field": "idx desc, name", "fields": [{"fieldname": "idx", "fieldtype": "Int"}, {"fieldname": "parent", "fieldtype": "Data"}]}`,
		`{"doctype": "DocType", "name": "😀", "fields": [{"fieldname": "naïve field", "fieldtype": "Currency", "default": "1e400", "length": 5}]}`, `{"name": "T", "fields": [{"fieldname": "tenant_id", "fieldtype": "Int"}]}`, `{"name": "P", "autoname": "format:{a}-{##}", "fields": [{"fieldname": "a", "fieldtype": "Password", "reqd": "1", "default": 7}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		store := NewRecording()
		app, err := New(Config{Store: store, Logger: slog.New(slog.DiscardHandler), DocTypes: fstest.MapFS{"x.json": {Data: []byte(text)}}, Auth: everybody{}, Now: func() time.Time { return fuzzTime }})
		if err != nil {
			if !strings.Contains(err.Error(), "x.json") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		for _, name := range app.registry.names {
			if m := app.registry.byName[name]; !m.IsTable && !m.IsVirtual {
				app.Resource(name)
			}
		}
		if err := app.Start(context.Background()); err != nil {
			return // two tables whose names differ in case, say
		}
		s := &fuzzed{app: app, store: store}
		for m := range app.router.resources {
			path := "/api/resource/" + url.PathEscape(m.Name)
			s.check(t, s.send("GET", path+"?fields="+url.QueryEscape(`["*"]`)+"&limit=0", ""), text)
			for _, body := range []string{`{"name": "x"}`, `{"name": "x", "title": "t", "a": "1"}`} {
				w := s.send("POST", path, body)
				s.check(t, w, text)
			}
			s.check(t, s.send("GET", path+"/x", ""), text)
			s.check(t, s.send("DELETE", path+"/x", ""), text)
		}
	})
}

// FuzzNumbers compares the text forms of numbers with math/big's, and reads them back.
func FuzzNumbers(f *testing.F) {
	for _, seed := range []float64{0, math.Copysign(0, -1), 1, -1.5, 0.1234567895, 0.000000001, 4e-10, 5e-10, -5e-10, 999999999999.9999, 123456789.987654321, 1e-300, 0.0049999, 2.675} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		if math.IsNaN(v) || math.Abs(v) >= value.DecimalLimit {
			return
		}
		for places, c := range map[int]*store.Column{9: {Type: store.TypeDecimal}, 2: {Type: store.TypeRating}} {
			if places == 2 && math.Abs(v) >= 9.99 {
				continue
			}
			text := plain.Decimal(v, places)
			exact, _ := new(big.Rat).SetString(toText(v))
			if want := exact.FloatString(places); text != want && text != strings.TrimPrefix(want, "-") {
				t.Errorf("%v with %d places is %s, want %s", v, places, text, want)
			}
			back := loadValue(c.Type, []byte(text)).(float64)
			if again := plain.Decimal(back, places); again != text {
				t.Errorf("%v is %s, and read back %s", v, text, again)
			}
			var shown float64
			if err := json.Unmarshal(appendDecimal(nil, []byte(text)), &shown); err != nil || shown != back {
				t.Errorf("%s is shown as %s: %v", text, appendDecimal(nil, []byte(text)), err)
			}
		}
	})
}

// FuzzTimes compares the text forms of dates and times with package time's, and reads them back.
func FuzzTimes(f *testing.F) {
	seeds(f, "2026-03-15", "2026-03-15 10:20:30", "2026-03-15T10:20:30.123456", "20260315", "26-3-5 1:2", "2024/02/29 23:59:59.9999999", "2023-02-29", "0000-00-00", "9999-12-31 23:59:59.999999", "10:20", "24:00", "1:2:3.4", "", " 2026-01-01 ", "70-01-01", "2026-01-01 ", "2026-1-1T1:1")
	f.Fuzz(func(t *testing.T, s string) {
		if text, ok := plain.Datetime(s); ok {
			at, err := time.Parse(timestampLayout, text)
			if err != nil || at.Format(timestampLayout) != text {
				t.Errorf("%q is %q: %v", s, text, err)
			}
			if again, ok := plain.Datetime(shownText(store.TypeDatetime, text)); !ok || again != text {
				t.Errorf("%q is %q, and what is shown of it %q", s, text, again)
			}
			if day, ok := plain.Date(s); !ok || day != text[:10] {
				t.Errorf("%q as a date is %q", s, day)
			}
		} else if at, err := time.Parse(time.DateTime, s); err == nil && at.Year() > 0 {
			t.Errorf("%q is refused", s)
		}
		if text, ok := plain.Time(s); ok {
			if at, err := time.Parse("15:04:05.000000", text); err != nil || at.Format("15:04:05.000000") != text {
				t.Errorf("%q is %q: %v", s, text, err)
			}
			if again, ok := plain.Time(shownText(store.TypeTime, text)); !ok || again != text {
				t.Errorf("%q is %q, and what is shown of it %q", s, text, again)
			}
		} else if _, err := time.Parse("15:04:05", s); err == nil {
			t.Errorf("%q is refused", s)
		}
	})
}

// FuzzStrings compares the encoder's strings with those of encoding/json.
func FuzzStrings(f *testing.F) {
	seeds(f, "", "a", "\x00\n\"\\<>&", "\xff\xc3", "😀\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		out := appendString(nil, s)
		if err := json.Unmarshal(out, &got); err != nil || got != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Errorf("%q is %s: %v", s, out, err)
		}
		if strings.ContainsAny(string(out), "<>&\x00\n") {
			t.Errorf("%q is %s", s, out)
		}
	})
}
