package frappems_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/frappems/frappems"
)

// TestDocTypeErrors: what is wrong with DocTypes is told with file, field and reason, before anything is served.
func TestDocTypeErrors(t *testing.T) {
	fields := func(list string) string { return `{"doctype": "DocType", "name": "Paper", "fields": [` + list + `]}` }
	many := func(n int, field string) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"fieldname": "f%d", %s}`, i, field))
		}
		return fields(strings.Join(list, ","))
	}
	for _, test := range []struct {
		json string
		want []string
	}{
		{"{\n\"name\": \"Paper\",\n}", []string{"a/x.json", "line 3"}}, {`[{"name": "Paper", "fields": []}`, []string{"a/x.json", "line 1"}}, {`"Paper"`, []string{"a/x.json"}}, {"", []string{"a/x.json"}},
		{`{"doctype": "DocType", "fields": []}`, []string{"a/x.json", "name", "missing"}}, {`{"doctype": "DocType", "name": " Paper", "fields": []}`, []string{"a/x.json", "blank"}}, {`{"doctype": "DocType", "name": "Pa\u0000per"}`, []string{"a/x.json", "not printable"}},
		{`{"doctype": "DocType", "name": "` + strings.Repeat("x", 62) + `"}`, []string{"a/x.json", "longer than 61"}}, {`{"doctype": "DocType", "name": "Paper", "fields": {}}`, []string{"a/x.json", "fields"}},
		{fields(`{"fieldname": "a", "fieldtype": "Datum"}`), []string{"a/x.json", `"a"`, `unknown field type "Datum"`}}, {fields(`{"fieldname": "a"}`), []string{"a/x.json", `"a"`, "unknown field type"}}, {fields(`{"fieldtype": "Data", "label": "No Name"}`), []string{"a/x.json", "No Name", "missing"}},
		{fields(`{"fieldname": "a", "fieldtype": "Data"}, {"fieldname": "a", "fieldtype": "Int"}`), []string{"a/x.json", `"a"`, "two fields"}}, {fields(`{"fieldname": "a\u200bb", "fieldtype": "Data"}`), []string{"a/x.json", "not printable"}}, {fields(`{"fieldname": "doctype", "fieldtype": "Data"}`), []string{"a/x.json", `"doctype"`, "taken"}},
		{fields(`{"fieldname": "t", "fieldtype": "Table"}`), []string{"a/x.json", `"t"`, "child DocType"}}, {fields(`{"fieldname": "t", "fieldtype": "Table", "options": "Nope"}`), []string{"a/x.json", `"t"`, `"Nope"`}}, {fields(`{"fieldname": "t", "fieldtype": "Table MultiSelect", "options": "Paper"}`), []string{"a/x.json", `"t"`, "child DocType"}},
		{fields(`{"fieldname": "l", "fieldtype": "Link"}`), []string{"a/x.json", `"l"`, "DocType in options"}}, {fields(`{"fieldname": "d", "fieldtype": "Dynamic Link", "options": "nope"}`), []string{"a/x.json", `"d"`, `"nope"`}}, {`{"name": "Paper", "autoname": "field:titel", "fields": [{"fieldname": "title", "fieldtype": "Data"}]}`, []string{"a/x.json", "autoname", `"titel"`}}, {fields(`{"fieldname": "a", "fieldtype": "Data", "permlevel": "high"}`), []string{"a/x.json", "not a number"}},
		{fields(`{"fieldname": "a", "fieldtype": "Data", "reqd": -1}`), []string{"a/x.json", "not a number"}}, {many(120, `"fieldtype": "Data"`), []string{"a/x.json", "65535"}}, {many(220, `"fieldtype": "Long Text"`), []string{"a/x.json", "8126"}}, {fields(`{"fieldname": "a", "fieldtype": "Data", "length": 20000}`), []string{"a/x.json", "65535"}},
		{`[` + fields(``) + `,` + fields(``) + `]`, []string{"a/x.json", "twice"}}, {`[{"name": "Sales Order", "fields": []}, {"name": "sales-order", "fields": []}]`, []string{"a/x.json", "same URL", "/sales-order"}},
	} {
		_, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), DocTypes: fstest.MapFS{"a/x.json": {Data: []byte(test.json)}}})
		if err == nil {
			t.Errorf("%.200s: no error", test.json)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%.200s: %v, which has no %q", test.json, err, want)
			}
		}
	}
	// Other documents, of which an app's folder is full, are passed over.
	others := fstest.MapFS{"report.json": {Data: []byte(`{"doctype": "Report", "name": "R"}`)}, "b/list.json": {Data: []byte(`[{"doctype": "Role", "name": "X"}, ` + fields(``) + `]`)}, "README.md": {Data: []byte("{")}}
	if all, err := frappems.LoadDocTypes(others); err != nil || len(all) != 1 || all[0].Name != "Paper" {
		t.Errorf("got %d DocTypes, %v", len(all), err)
	}
}

// TestDocTypeRules is what the properties of fields ask of documents.
func TestDocTypeRules(t *testing.T) {
	s := newService(t, `[{"name": "Row", "istable": 1, "fields": [{"fieldname": "what", "fieldtype": "Data", "label": "What", "reqd": 1}, {"fieldname": "size", "fieldtype": "Int", "default": "4", "non_negative": 1}]},
		{"name": "Base", "autoname": "prompt", "fields": [{"fieldname": "color", "fieldtype": "Data"}]},
		{"name": "Sheet", "autoname": "prompt", "fields": [
		{"fieldname": "mail", "fieldtype": "Data", "options": "Email"}, {"fieldname": "tel", "fieldtype": "Data", "options": "Phone"}, {"fieldname": "web", "fieldtype": "Data", "options": "URL"}, {"fieldname": "who", "fieldtype": "Data", "options": "Name"}, {"fieldname": "cell", "fieldtype": "Phone"},
		{"fieldname": "once", "fieldtype": "Data", "set_only_once": 1}, {"fieldname": "code", "fieldtype": "Data", "unique": 1, "label": "Code"}, {"fieldname": "many", "fieldtype": "Int", "non_negative": 1}, {"fieldname": "short", "fieldtype": "Data", "length": 3},
		{"fieldname": "day", "fieldtype": "Date", "default": "Today"}, {"fieldname": "at", "fieldtype": "Datetime", "default": "Now"}, {"fieldname": "by", "fieldtype": "Data", "default": "__user"}, {"fieldname": "pick", "fieldtype": "Select", "options": "One\nTwo"}, {"fieldname": "none", "fieldtype": "Select", "options": "\nOne"},
		{"fieldname": "rate", "fieldtype": "Float", "default": "2.5"}, {"fieldname": "on", "fieldtype": "Check", "default": "1"}, {"fieldname": "base", "fieldtype": "Link", "options": "Base", "label": "Base"}, {"fieldname": "color", "fieldtype": "Data", "fetch_from": "base.color"},
		{"fieldname": "tint", "fieldtype": "Data", "fetch_from": "base.color", "fetch_if_empty": 1}, {"fieldname": "rows", "fieldtype": "Table", "options": "Row", "label": "Rows"}, {"fieldname": "text", "fieldtype": "Text Editor"}],
		"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}]}]`, []string{"Sheet"})
	d := s.send("manager@acme", "POST", docPath("Sheet"), `{"name": "S"}`).data(t)
	for field, want := range map[string]any{"day": "2026-03-15", "by": "manager@acme", "pick": "One", "none": "", "rate": 2.5, "on": 1.0, "many": 0.0, "mail": nil} {
		if d[field] != want {
			t.Errorf("the default of %s is %v, want %v", field, d[field], want)
		}
	}
	if at := fmt.Sprint(d["at"]); !strings.HasPrefix(at, "2026-03-15 10:20:30") {
		t.Errorf("the default of at is %s", at)
	}
	for i, test := range []struct{ body, code, part string }{
		{`{"mail": "a@b.example, \"C D\" <c@d.example>"}`, "", ""}, {`{"mail": "nonsense"}`, "InvalidEmailAddressError", "nonsense"}, {`{"mail": "a@b"}`, "InvalidEmailAddressError", "a@b"}, {`{"mail": "a@b.example\nc@"}`, "InvalidEmailAddressError", "c@"},
		{`{"tel": "+49 (30) 1-2#3"}`, "", ""}, {`{"tel": "abc"}`, "InvalidPhoneNumberError", "abc"}, {`{"tel": "123456789012345678901"}`, "InvalidPhoneNumberError", "123"}, {`{"web": "https://a.example/x?y"}`, "", ""}, {`{"web": "javascript:alert(1)"}`, "ValidationError", "not a valid URL"}, {`{"web": "a b"}`, "ValidationError", "not a valid URL"},
		{`{"who": "Anna-Lena O'Neil"}`, "", ""}, {`{"who": "<b>"}`, "InvalidNameError", "not a valid Name"}, {`{"cell": "+49-3012345678"}`, "", ""}, {`{"cell": "12"}`, "InvalidPhoneNumberError", "cell"}, {`{"many": -1}`, "NonNegativeError", "negative"}, {`{"short": "abcd"}`, "CharacterLengthExceededError", "max characters allowed is 3"},
		{`{"pick": "Three"}`, "ValidationError", "One\", \"Two"}, {`{"pick": " Two "}`, "", ""}, {`{"code": "K"}`, "", ""}, {`{"code": "k "}`, "UniqueValidationError", "Code must be unique"}, {`{"code": ""}`, "", ""}, {`{"code": "  "}`, "", ""}, {`{"code": null}`, "", ""},
		{`{"base": "Nope"}`, "LinkValidationError", "Could not find Base: Nope"}, {`{"rows": [{"what": "a"}, {"size": 1}]}`, "MandatoryError", "Row #2"}, {`{"rows": [{"what": "a", "size": -1}]}`, "NonNegativeError", "Row #1"}, {`{"rows": [{"what": "<b></b>"}]}`, "MandatoryError", "What"},
	} {
		got := s.send("manager@acme", "POST", docPath("Sheet"), fmt.Sprintf(`{"name": "T%d", %s`, i, test.body[1:]))
		if test.code == "" {
			got.want(t, 200, "")
		} else {
			got.wantMessage(t, 417, test.code, test.part)
		}
	}
	s.create("manager@acme", "Sheet", `{"name": "O", "once": "first"}`)
	s.send("manager@acme", "PUT", docPath("Sheet", "O"), `{"once": "second"}`).wantMessage(t, 417, "CannotChangeConstantError", "once")
	s.send("manager@acme", "PUT", docPath("Sheet", "O"), `{"once": "first", "many": 1}`).want(t, 200, "")
	s.send("manager@acme", "PUT", docPath("Sheet", "O"), `{"code": "K"}`).want(t, 417, "UniqueValidationError")
}

// TestDocTypeStale: who sends the modified of an older state is refused, who sends none is not.
func TestDocTypeStale(t *testing.T) {
	s := newShop(t)
	s.create("manager@acme", "Item", `{"name": "Bolt"}`)
	first := s.get("manager@acme", "Item", "Bolt").data(t)["modified"].(string)
	second := s.send("manager@acme", "PUT", docPath("Item", "Bolt"), fmt.Sprintf(`{"label": "a", "modified": %q}`, first)).data(t)["modified"].(string)
	if second == first {
		t.Fatal("modified has not changed")
	}
	for _, stale := range []string{first, "1999-01-01 00:00:00", "nonsense", "2026-03-15"} {
		s.send("clerk@acme", "PUT", docPath("Item", "Bolt"), fmt.Sprintf(`{"label": "b", "modified": %q}`, stale)).wantMessage(t, 417, "TimestampMismatchError", "Item Bolt")
	}
	if got := s.get("manager@acme", "Item", "Bolt").data(t); got["label"] != "a" || got["modified"] != second {
		t.Errorf("a stale PUT made it %v", got)
	}
	s.send("clerk@acme", "PUT", docPath("Item", "Bolt"), `{"label": "c"}`).want(t, 200, "")
	s.send("manager@acme", "PUT", docPath("Item", "Bolt"), fmt.Sprintf(`{"modified": %q}`, second)).want(t, 417, "TimestampMismatchError")
}

// TestDocTypeRows: rows are replaced by those that are sent, kept by their names and numbered anew.
func TestDocTypeRows(t *testing.T) {
	s := newShop(t)
	s.create("manager@acme", "Item", `{"name": "Bolt"}`, `{"name": "Nut"}`)
	order := s.create("manager@acme", "Order", `{"items": [{"item": "Bolt", "note": "a"}, {"item": "Nut", "note": "b", "idx": 9}, {"item": "Bolt", "note": "c"}]}`)
	type row struct{ name, owner, text string }
	rows := func() (list []row) {
		for i, r := range s.get("manager@acme", "Order", order).data(t)["items"].([]any) {
			r := r.(map[string]any)
			if r["idx"] != float64(i+1) || r["parent"] != order || r["parenttype"] != "Order" || r["parentfield"] != "items" || r["doctype"] != "Order Line" {
				t.Errorf("row %d is %v", i+1, r)
			}
			list = append(list, row{r["name"].(string), r["owner"].(string), fmt.Sprint(r["item"], r["note"], r["qty"])})
		}
		return list
	}
	put := func(items string) reply {
		return s.send("clerk@acme", "PUT", docPath("Order", order), `{"items": [`+items+`]}`)
	}
	old := rows()
	put(fmt.Sprintf(`{"name": %q, "item": "Bolt", "note": "c2"}, {"item": "Nut", "note": "new"}, {"name": %q, "item": "Bolt"}`, old[2].name, old[0].name)).want(t, 200, "")
	now := rows()
	if len(now) != 3 || now[0].name != old[2].name || now[2].name != old[0].name || now[1].owner != "clerk@acme" || now[0].owner != "manager@acme" || now[0].text != "Boltc20" {
		t.Errorf("rows %v became %v", old, now)
	}
	put(fmt.Sprintf(`{"name": %q, "item": "Bolt"}, {"name": %q, "item": "Nut"}`, now[0].name, now[0].name)).want(t, 417, "ValidationError")
	put(`{"item": "Nope"}`).want(t, 417, "LinkValidationError")
	if got := rows(); fmt.Sprint(got) != fmt.Sprint(now) {
		t.Errorf("what was refused made them %v", got)
	}
	s.send("clerk@acme", "PUT", docPath("Order", order), `{"total": 3}`).want(t, 200, "")
	if got := rows(); fmt.Sprint(got) != fmt.Sprint(now) {
		t.Errorf("a PUT without rows made them %v", got)
	}
	for _, none := range []string{`[]`, `null`} {
		put(`{"item": "Bolt"}`).want(t, 200, "")
		s.send("clerk@acme", "PUT", docPath("Order", order), `{"items": `+none+`}`).want(t, 200, "")
		if got := rows(); len(got) != 0 {
			t.Errorf("after %s there are %v", none, got)
		}
	}
	put(`{"item": "Bolt"}`).want(t, 200, "")
	s.send("manager@acme", "DELETE", docPath("Order", order), "").want(t, 202, `{"data":"ok"}`)
	s.send("manager@acme", "DELETE", docPath("Item", "Bolt"), "").want(t, 202, `{"data":"ok"}`) // its rows hold nothing any more
}

// TestIndexesAreMakeable: names and lengths of fields never make an index that no database could have.
func TestIndexesAreMakeable(t *testing.T) {
	long := strings.Repeat("x", 60)
	field := func(name, more string) string {
		return `{"fieldname": "` + name + `", "fieldtype": "Data", ` + more + `}`
	}
	var many []string
	for i := range 70 {
		many = append(many, field(fmt.Sprint("f", i), `"search_index": 1`))
	}
	for name, fields := range map[string]string{
		"long name":     field(long, `"search_index": 1`),
		"same names":    field("a", `"search_index": 1`) + "," + field("a_modified", `"unique": 1`),
		"primary":       field("primary", `"unique": 1`),
		"tenant":        field("tenant_id", `"search_index": 1`),
		"too many":      strings.Join(many, ","),
		"long column":   field("a", `"search_index": 1, "length": 700`) + "," + field("b", `"length": 700`),
		"long and many": field("a", `"search_index": 1`) + "," + field("b", `"length": 1000`) + "," + field("c", `"label": "C"`),
	} {
		text := `{"doctype": "DocType", "name": "Paper", "sort_field": "b desc, c desc, modified desc", "fields": [` + fields + `]}`
		app, err := frappems.New(frappems.Config{DocTypes: fstest.MapFS{"x.json": {Data: []byte(text)}}, Store: frappems.NewMemoryStore()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if _, err := app.Migrate(t.Context(), true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	text := `{"doctype": "DocType", "name": "Paper", "fields": [` + field("a", `"unique": 1, "length": 800`) + `]}`
	_, err := frappems.New(frappems.Config{DocTypes: fstest.MapFS{"x.json": {Data: []byte(text)}}, Store: frappems.NewMemoryStore()})
	if err == nil || !strings.Contains(err.Error(), "3072") || !strings.Contains(err.Error(), "x.json") {
		t.Errorf("a unique field that is too long for an index: %v", err)
	}
}
