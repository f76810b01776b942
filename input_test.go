package frappems_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

// wantMessage checks that an error says something to its user.
func (r reply) wantMessage(t *testing.T, status int, code, part string) {
	t.Helper()
	r.want(t, status, code)
	var texts []string
	if err := json.Unmarshal([]byte(r.Messages), &texts); err != nil || len(texts) == 0 {
		t.Errorf("no message: %s", r.body)
		return
	}
	var message struct{ Message string }
	if err := json.Unmarshal([]byte(texts[0]), &message); err != nil || !strings.Contains(message.Message, part) {
		t.Errorf("the message is %q, want one with %q", message.Message, part)
	}
}

// TestInputBodies sends bodies of every kind; nothing is made of those that are refused.
func TestInputBodies(t *testing.T) {
	s := newShop(t)
	deep := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
	for _, test := range []struct{ name, body, code, part string }{
		{"cut off", `{"customer_name": "X"`, "ValidationError", "not valid JSON"}, {"no key", `{"customer_name":}`, "ValidationError", "not valid JSON"},
		{"single quotes", `{'customer_name': 'X'}`, "ValidationError", "not valid JSON"}, {"two objects", `{"customer_name": "X"}{"customer_name": "Y"}`, "ValidationError", "not valid JSON"},
		{"trailing comma", `{"customer_name": "X",}`, "ValidationError", "not valid JSON"}, {"words", "hello", "ValidationError", "not valid JSON"},
		{"byte order mark", "\xef\xbb\xbf{}", "ValidationError", "not valid JSON"}, {"UTF-16", "\xff\xfe{\x00}\x00", "ValidationError", "UTF-8"},
		{"Latin-1", "{\"customer_name\": \"J\xf6rg\"}", "ValidationError", "UTF-8"}, {"NUL", "{\"customer_name\": \"X\x00\"}", "ValidationError", "not valid JSON"},
		{"NaN", `{"customer_name": "X", "credit": NaN}`, "ValidationError", "not valid JSON"}, {"list", `[{"customer_name": "X"}]`, "ValidationError", "must be a JSON object"},
		{"null", `null`, "ValidationError", "must be a JSON object"}, {"text", `"X"`, "ValidationError", "must be a JSON object"}, {"number", `1`, "ValidationError", "must be a JSON object"},
		{"empty", ``, "ValidationError", "Customer Name"}, {"blank", " \n", "ValidationError", "Customer Name"}, {"no fields", `{}`, "ValidationError", "Customer Name"},
		{"deep", `{"customer_name": "X", "extra": ` + deep + `}`, "ValidationError", "not valid JSON"}, {"deep object", strings.Repeat(`{"a":`, 20000), "ValidationError", "not valid JSON"},
		{"deep in an unknown field", `{"customer_name": "X", "zzz": ` + deep + `}`, "ValidationError", "not valid JSON"},
		{"huge exponent", `{"customer_name": "X", "credit": 1e400}`, "DataError", "credit"}, {"too large", `{"customer_name": "X", "credit": 1e12}`, "DataError", "credit"},
		{"too large, as text", `{"customer_name": "X", "credit": "1e400"}`, "DataError", "credit"}, {"too large an Int", `{"customer_name": "X", "visits": 99999999999999999999}`, "CharacterLengthExceededError", "visits"},
		{"too large a Long Int", `{"customer_name": "X", "hits": 9223372036854775808}`, "DataError", "hits"}, {"too large a Long Int, as text", `{"customer_name": "X", "hits": "-99999999999999999999"}`, "DataError", "hits"},
		{"object in Data", `{"customer_name": "X", "secret": {"a": 1}}`, "ValidationError", "cannot be an object"}, {"list in Data", `{"customer_name": "X", "notes": [1]}`, "ValidationError", "cannot be a list"},
		{"object in Int", `{"customer_name": "X", "visits": {"a": 1}}`, "ValidationError", "cannot be an object"}, {"list in Currency", `{"customer_name": "X", "credit": [1]}`, "ValidationError", "cannot be a list"},
		{"list in Check", `{"customer_name": "X", "active": [1]}`, "ValidationError", "cannot be a list"}, {"object in Date", `{"customer_name": "X", "joined": {}}`, "ValidationError", "cannot be an object"},
		{"list in JSON", `{"customer_name": "X", "extra": [1]}`, "ValidationError", "cannot be a list"}, {"broken JSON in JSON", `{"customer_name": "X", "extra": "{oops"}`, "DataError", "extra"},
		{"object as a name", `{"customer_name": {"a": 1}}`, "ValidationError", "object"}, {"list as a link", `{"customer_name": "X", "region": ["North"]}`, "ValidationError", "cannot be a list"},
		{"wrong date", `{"customer_name": "X", "joined": "31.31.2026"}`, "DataError", "joined"}, {"wrong day", `{"customer_name": "X", "joined": "2026-02-30"}`, "DataError", "joined"},
		{"date of zeros", `{"customer_name": "X", "joined": "0000-00-00"}`, "DataError", "joined"}, {"wrong time", `{"customer_name": "X", "opens": "25:00:00"}`, "DataError", "opens"},
		{"wrong datetime", `{"customer_name": "X", "seen": "2026-01-01 99:00"}`, "DataError", "seen"}, {"unknown option", `{"customer_name": "X", "kind": "Alien"}`, "ValidationError", "It should be one of"},
		{"name too long", `{"customer_name": "` + strings.Repeat("é", 141) + `"}`, "CharacterLengthExceededError", "140"}, {"text too long", `{"customer_name": "X", "notes": "` + strings.Repeat("é", 32768) + `"}`, "CharacterLengthExceededError", "65535"},
		{"NUL in the name", `{"customer_name": "X\u0000Y"}`, "NameError", "special characters"}, {"tag in the name", `{"customer_name": "<b>X"}`, "NameError", "special characters"},
		{"docstatus", `{"customer_name": "X", "docstatus": "abc", "joined": "x"}`, "DataError", "joined"}, {"docstatus 9", `{"customer_name": "X", "docstatus": 9}`, "ValidationError", "docstatus"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status := 417
			if test.code == "NameError" {
				status = 409
			}
			s.send("manager@acme", "POST", docPath("Customer"), test.body).wantMessage(t, status, test.code, test.part)
			s.list("manager@acme", "Customer").want(t, 200, `{"data":[]}`)
		})
	}
}

// TestInputKept: what is unusual but right is kept as it was sent.
func TestInputKept(t *testing.T) {
	s := newShop(t)
	for i, test := range []struct{ field, value, want string }{
		{"notes", `"a\u0000b"`, `"a\u0000b"`}, {"notes", `"\ud83d\ude00 \u2028 \\ \" '"`, `"😀 ` + "\u2028" + ` \\ \" '"`}, {"notes", `12.50`, `"12.5"`}, {"notes", `true`, `"1"`}, {"notes", `"  "`, `"  "`},
		{"hits", `9223372036854775807`, `9223372036854775807`}, {"hits", `-9223372036854775808`, `-9223372036854775808`}, {"hits", `"9007199254740993"`, `9007199254740993`},
		{"visits", `2147483647`, `2147483647`}, {"visits", `-2147483647`, `-2147483647`}, {"visits", `"12abc"`, `0`}, {"visits", `"1,000"`, `0`}, {"visits", `3.99`, `3`}, {"visits", `""`, `0`},
		{"credit", `"1,000.5"`, `1000.5`}, {"credit", `0.1234567895`, `0.12345679`}, {"credit", `-0.0`, `0.0`}, {"credit", `999999999999.999`, `999999999999.999`}, {"credit", `1e-9`, `1e-09`},
		{"active", `true`, `1`}, {"active", `5`, `1`}, {"active", `"0"`, `0`}, {"active", `null`, `0`}, {"stars", `7`, `1.0`}, {"stars", `-1`, `0.0`}, {"stars", `0.555`, `0.56`},
		{"joined", `"2026-1-5"`, `"2026-01-05"`}, {"joined", `"20260105"`, `"2026-01-05"`}, {"joined", `"2026-01-05 10:00"`, `"2026-01-05"`}, {"joined", `""`, ``},
		{"seen", `"2026-01-05T10:11:12.123456"`, `"2026-01-05 10:11:12.123456"`}, {"seen", `"2026-01-05"`, `"2026-01-05 00:00:00"`}, {"opens", `"9:05"`, `"9:05:00"`}, {"opens", `"23:59:59.5"`, `"23:59:59.500000"`},
		{"extra", `{"b": [1, "é"],  "a": null}`, `"{\"b\":[1,\"\\u00e9\"],\"a\":null}"`}, {"extra", `"[1, 2]"`, `"[1, 2]"`}, {"secret", `"a"`, `"a"`}, {"zzz", `"unknown"`, ``},
	} {
		name := fmt.Sprintf("C-%02d", i)
		got := s.send("manager@acme", "POST", docPath("Customer"), fmt.Sprintf(`{"customer_name": %q, %q: "first", %q: %s}`, name, test.field, test.field, test.value))
		if got.want(t, 200, ""); got.status != 200 {
			continue
		}
		var stored struct{ Data map[string]json.RawMessage }
		if err := json.Unmarshal([]byte(s.get("manager@acme", "Customer", name).body), &stored); err != nil {
			t.Fatal(err)
		}
		if have := string(stored.Data[test.field]); have != test.want {
			t.Errorf("%s %s: got %s, want %s", test.field, test.value, have, test.want)
		}
	}
}

// TestInputRows sends what is no list of rows.
func TestInputRows(t *testing.T) {
	s := newShop(t)
	s.create("manager@acme", "Item", `{"name": "Bolt"}`)
	name := s.create("manager@acme", "Order", `{"items": [{"item": "Bolt"}]}`)
	for _, items := range []string{`{"item": "Bolt"}`, `"junk"`, `"[]"`, `[1]`, `["Bolt"]`, `[[]]`, `[{"item": "Bolt"}, 2]`, `1`, `true`} {
		s.send("manager@acme", "POST", docPath("Order"), `{"items": `+items+`}`).wantMessage(t, 417, "ValidationError", "must be a list of rows")
		s.send("manager@acme", "PUT", docPath("Order", name), `{"items": `+items+`}`).wantMessage(t, 417, "ValidationError", "must be a list of rows")
	}
	if rows := s.get("manager@acme", "Order", name).data(t)["items"].([]any); len(rows) != 1 {
		t.Errorf("the rows are %v now", rows)
	}
	s.send("manager@acme", "POST", docPath("Order"), `{"items": [{"item": "Bolt", "qty": {"a": 1}}]}`).wantMessage(t, 417, "ValidationError", "cannot be an object")
	s.send("manager@acme", "POST", docPath("Order"), `{"items": [{"qty": 1}, null]}`).wantMessage(t, 417, "MandatoryError", "Row #1")
}

// TestInputForms sends what is no JSON, or JSON by another name.
func TestInputForms(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, test := range []struct {
		kind, query, body string
		status            int
		want              string // notes
	}{
		{form, "", "customer_name=X&notes=a+b%26", 200, "a b&"}, {form + "; charset=utf-8", "", "customer_name=X&notes=n&visits=3", 200, "n"},
		{form, "", "data=" + `%7B%22customer_name%22%3A+%22X%22%2C+%22notes%22%3A+%22json%22%7D`, 200, "json"}, {form, "", `{"customer_name": "X", "notes": "curl -d"}`, 200, "curl -d"},
		{"text/plain", "", `{"customer_name": "X", "notes": "n"}`, 200, "n"}, {"", "", `{"customer_name": "X", "notes": "n"}`, 200, "n"}, {"application/json; charset=utf-8", "", `{"customer_name": "X", "notes": "n"}`, 200, "n"},
		{"application/json", "", `{"data": {"customer_name": "X", "notes": "in data"}}`, 200, "in data"}, {"application/json", "", `{"data": "{\"customer_name\": \"X\", \"notes\": \"as text\"}"}`, 200, "as text"},
		{form, "?notes=of+the+query", "customer_name=X", 200, "of the query"}, {"", "?customer_name=X&notes=q", "", 200, "q"}, {"application/json", "?notes=q", `{"customer_name": "X", "notes": "b"}`, 200, "b"},
		{form, "", "customer_name=X&notes=%zz", 417, ""}, {form, "", "customer_name=X;notes=y", 417, ""}, {form, "", "customer_name=J%F6rg", 417, ""}, {form, "", "", 417, ""}, {form, "", "=&&=", 417, ""},
		{form, "", "customer_name=X&tenant_id=globex", 403, ""}, {"", "?customer_name=X&tenant_id=globex", "", 403, ""}, {form, "", "data=%5B1%5D", 417, ""},
		{"application/xml", "", "<customer/>", 417, ""}, {"nonsense;;", "", `{"customer_name": "X", "notes": "n"}`, 200, "n"}, {"application/octet-stream", "", "\x00\x01\x02", 417, ""},
	} {
		s := newShop(t)
		header := map[string]string{}
		if test.kind != "" {
			header["Content-Type"] = test.kind
		}
		got := s.sendAs("manager@acme", "POST", docPath("Customer")+test.query, test.body, header)
		if got.status != test.status || test.status == 200 && got.data(t)["notes"] != test.want {
			t.Errorf("%s %s %q: %d %s", test.kind, test.query, test.body, got.status, got.body)
		}
	}
}

func TestInputMultipart(t *testing.T) {
	s := newShop(t)
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	w.WriteField("customer_name", "Multi")
	w.WriteField("notes", "part")
	file, _ := w.CreateFormFile("secret", "x.txt")
	file.Write(bytes.Repeat([]byte("x"), 3<<20))
	w.Close()
	header := map[string]string{"Content-Type": w.FormDataContentType()}
	got := s.sendAs("manager@acme", "POST", docPath("Customer"), body.String(), header)
	if got.want(t, 200, ""); got.data(t)["notes"] != "part" || got.data(t)["secret"] != nil {
		t.Errorf("got %s", got.body)
	}
	s.sendAs("manager@acme", "POST", docPath("Customer"), body.String()[:body.Len()/2], header).want(t, 417, "ValidationError")
	s.sendAs("manager@acme", "POST", docPath("Customer"), "x", map[string]string{"Content-Type": "multipart/form-data"}).want(t, 417, "ValidationError")
	s.sendAs("manager@acme", "POST", docPath("Customer"), "--b\r\n"+strings.Repeat("a", 1<<16), map[string]string{"Content-Type": "multipart/form-data; boundary=b"}).want(t, 417, "ValidationError")
}

// TestInputLarge sends a document of 100 MiB, which is never held as a whole.
func TestInputLarge(t *testing.T) {
	s := newShop(t)
	for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"} {
		for _, length := range []int64{-1, 100 << 20} {
			if length > 0 && kind != "application/json" {
				continue
			}
			start := `{"customer_name": "`
			if strings.HasPrefix(kind, "multipart") {
				start = "--b\r\nContent-Disposition: form-data; name=\"customer_name\"\r\n\r\n"
			}
			r := httptest.NewRequest("POST", docPath("Customer"), io.MultiReader(strings.NewReader(start), io.LimitReader(letters{}, 100<<20)))
			r.ContentLength = length
			r.Header.Set("Content-Type", kind)
			r.Header.Set("Authorization", "token manager@acme:s")
			w := httptest.NewRecorder()
			s.app.ServeHTTP(w, r)
			if w.Code != 413 || !strings.Contains(w.Body.String(), `"exc_type":"RequestTooLargeError"`) {
				t.Errorf("%s of length %d: %d %s", kind, length, w.Code, w.Body)
			}
		}
	}
	s.list("manager@acme", "Customer").want(t, 200, `{"data":[]}`)
}

// letters is a body without end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestInputParameters: what cannot be used, or is a known parameter misspelt, is refused with a hint.
func TestInputParameters(t *testing.T) {
	s := newShop(t)
	for _, test := range []struct{ name, value, code, part string }{
		{"filter", `{"name": "x"}`, "ValidationError", "did you mean <strong>filters</strong>"}, {"feilds", `["name"]`, "ValidationError", "did you mean <strong>fields</strong>"},
		{"field", `["name"]`, "ValidationError", "fields"}, {"Filters", "{}", "ValidationError", "filters"}, {"or_filter", "[]", "ValidationError", "or_filters"}, {"orderby", "name", "ValidationError", "order_by"},
		{"order by", "name", "ValidationError", "order_by"}, {"limits", "1", "ValidationError", "limit"}, {"limit_page_lenght", "1", "ValidationError", "limit_page_length"}, {"limitstart", "1", "ValidationError", "limit_start"},
		{"groupby", "name", "ValidationError", "group_by"}, {"as_dicts", "1", "ValidationError", "as_dict"},
		{"limit", "abc", "DataError", "limit"}, {"limit", "-1", "DataError", "limit"}, {"limit", "1.5", "DataError", "limit"}, {"limit", "1e3", "DataError", "limit"}, {"limit", "99999999999999999999", "DataError", "limit"},
		{"limit_start", "-5", "DataError", "limit_start"}, {"limit_page_length", "ten", "DataError", "limit_page_length"}, {"limit", "1001", "ValidationError", "1000 rows"}, {"as_dict", "perhaps", "DataError", "as_dict"},
		{"fields", "{}", "ValidationError", "JSON list"}, {"fields", "[1]", "DataError", "A field must be a text"}, {"fields", "[[]]", "DataError", "A field must be a text"}, {"fields", "1", "ValidationError", "JSON list"}, {"fields", "name", "ValidationError", "JSON list"},
		{"fields", `["name"`, "ValidationError", "JSON list"}, {"fields", `["name"] x`, "ValidationError", "JSON list"}, {"fields", `["nope"]`, "DataError", "Field not permitted in query: nope"}, {"fields", `["` + strings.Repeat("name\",\"", 600) + `name"]`, "ValidationError", "more than 500"},
		{"filters", "{bad", "ValidationError", "not valid JSON"}, {"filters", `{"name": "x"}]`, "ValidationError", "not valid JSON"}, {"filters", `[["name", "=", "x"]] or 1`, "ValidationError", "not valid JSON"},
		{"filters", strings.Repeat("[", 20000), "ValidationError", "not valid JSON"}, {"filters", strings.Repeat("[", 30) + `"name","=","x"` + strings.Repeat("]", 30), "ValidationError", "nested deeper"},
		{"filters", `[` + strings.Repeat(`["name","a"],`, 2000) + `["name","a"]]`, "ValidationError", "more than 1000 filters"}, {"filters", `{"name": ["in", [` + strings.Repeat("1,", 10001) + `1]]}`, "ValidationError", "more than 10000 values"},
		{"filters", `{"name": {"a": 1}}`, "DataError", "does not fit"}, {"filters", `{"name": ["=", {"a": 1}]}`, "DataError", "does not fit"}, {"filters", `{"name": ["=", ["a"]]}`, "DataError", "does not fit"}, {"filters", `{"name": ["=", "a", "b"]}`, "ValidationError", "must be a value or"},
		{"filters", `{"name": []}`, "ValidationError", "must be a value or"}, {"filters", `{"name": [1, 2]}`, "ValidationError", "Operator must be one of"}, {"filters", `[[]]`, "ValidationError", "empty"}, {"filters", `[["name", "~~", "x"]]`, "ValidationError", "Operator must be one of"},
		{"filters", `[["name"]]`, "", ""}, {"filters", `[[1, 2, 3]]`, "", ""}, {"filters", `["name", "=", "x", "y", "z", "w"]`, "", ""},
		{"filters", `{"joined": "nonsense"}`, "DataError", "does not fit"}, {"filters", `{"joined": ["between", ["x", "y"]]}`, "DataError", "does not fit"}, {"filters", `{"credit": ["between", [1]]}`, "ValidationError", "two values"},
		{"filters", `{"credit": ["between", [1, 2, 3]]}`, "ValidationError", "two values"}, {"filters", `{"joined": ["timespan", "someday"]}`, "DataError", "does not fit"}, {"filters", `{"name": ["is", "maybe"]}`, "ValidationError", "can be"},
		{"filters", `{"credit": ["like", "1%"]}`, "DataError", "does not fit"}, {"filters", `{"extra": {"a": 1}}`, "DataError", "does not fit"}, {"filters", `[["Nope", "name", "=", "x"]]`, "DoesNotExistError", "Nope"}, {"filters", `[["Vault", "name", "=", "x"]]`, "DataError", "not a child table"},
		{"filters", `{"credit": 1e400}`, "DataError", "does not fit"}, {"filters", `{"visits": 1e400}`, "DataError", "does not fit"}, {"filters", `{"hits": ["in", [1, -1e999]]}`, "DataError", "does not fit"}, {"filters", `{"visits": "1e999"}`, "DataError", "does not fit"},
		{"order_by", ",", "DataError", "empty part"}, {"order_by", "name,,kind", "DataError", "empty part"}, {"order_by", "name asc desc", "DataError", "not permitted"}, {"group_by", ",", "DataError", "not permitted"}, {"group_by", "count(name)", "DataError", "takes fields"},
	} {
		status := 417
		if test.code == "DoesNotExistError" {
			status = 404
		}
		got := s.list("manager@acme", "Customer", test.name, test.value)
		switch {
		case test.code != "":
			got.wantMessage(t, status, test.code, test.part)
		case got.status >= 500:
			t.Errorf("%s=%s: %d %s", test.name, test.value, got.status, got.body)
		}
		if t.Failed() {
			t.Fatalf("%s=%.200s", test.name, test.value)
		}
	}
}

// TestInputStrict: with Config.StrictQuery a parameter that nobody knows is refused; without it is passed over.
func TestInputStrict(t *testing.T) {
	strict := newShop(t, func(c *frappems.Config) { c.StrictQuery = true })
	loose := newShop(t)
	for _, name := range []string{"unknown_param", "_", "status", "sid"} {
		strict.list("manager@acme", "Customer", name, "1").wantMessage(t, 417, "ValidationError", name)
		loose.list("manager@acme", "Customer", name, "1").want(t, 200, `{"data":[]}`)
	}
	for _, name := range []string{"debug", "parent", "distinct", "doctype"} {
		strict.list("manager@acme", "Customer", name, "1").want(t, 200, `{"data":[]}`)
	}
	loose.send("manager@acme", "GET", docPath("Customer")+"?limit=%zz", "").wantMessage(t, 417, "ValidationError", "query string")
	loose.send("manager@acme", "GET", docPath("Customer")+"?limit=1;fields=x", "").wantMessage(t, 417, "ValidationError", "query string")
	loose.send("manager@acme", "GET", docPath("Customer")+"?filters="+strings.Repeat("a", 1<<18), "").wantMessage(t, 413, "RequestTooLargeError", "query string")
}

// TestInputPaths asks for names that no document has, and that are no names.
func TestInputPaths(t *testing.T) {
	s := newShop(t)
	for _, path := range []string{"Customer/a%00b", "Customer/%FF", "Customer/%C3%28", "Customer/" + strings.Repeat("a", 600), "Customer/..", "Customer/%2e%2e", "Customer/..%2f..%2fetc%2fpasswd", "Customer/%252e", "Customer/.", "Customer/%0d%0aX-A:1",
		"Customer/ ", "Customer/%20", "Customer/'", "Customer/\"", "Customer/%3Cscript%3E", "../Customer/x", "Customer%00/x", "Customer%FF/x", "%2e%2e/x", "/x", "Nope/x", "Nope", "customers/x", "CUSTOMER/x", "Order Line/x", "User/Administrator", "DocType/Customer", "__passwords/x", "tabCustomer/x"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			got := s.send("manager@acme", method, "/api/resource/"+strings.ReplaceAll(path, " ", "%20"), "")
			if got.status != 404 && !(method != "GET" && got.status == 405) {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			}
			if strings.Contains(got.body, "<script") {
				t.Errorf("%s %s: %s", method, path, got.body)
			}
		}
	}
}

// TestInputHangUp: a client that goes away in the middle of a body has made nothing, and one that goes away in the middle
// of a list holds nothing up.
func TestInputHangUp(t *testing.T) {
	s := newShop(t, func(c *frappems.Config) { c.MaxBodyBytes = 1 << 20 })
	for i := range 40 {
		s.create("manager@acme", "Customer", fmt.Sprintf(`{"customer_name": "C%d", "notes": %q}`, i, strings.Repeat("n", 60000)))
	}
	served := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { recover(); served <- true }()
		s.app.ServeHTTP(w, r)
	}))
	defer server.Close()
	begin := func(request string) *bufio.Reader {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, strings.Replace(request, "\n", " HTTP/1.1\r\nHost: x\r\nAuthorization: token manager@acme:s\r\nContent-Type: application/json\r\n", 1))
		answer := bufio.NewReader(io.LimitReader(conn, 1000))
		if strings.HasPrefix(request, "GET") {
			if _, err := io.ReadFull(answer, make([]byte, 500)); err != nil {
				t.Error(err)
			}
		}
		return answer
	}
	begin("POST /api/resource/Customer\nContent-Length: 200\r\n\r\n{\"customer_name\": \"Half\", \"notes\": \"")
	<-served
	begin("PUT /api/resource/Customer/C0\nTransfer-Encoding: chunked\r\n\r\n20\r\n{\"notes\": \"half\", \"credit\": 1234")
	<-served
	begin("GET /api/resource/Customer?fields=[%22*%22]&limit=40\n\r\n")
	<-served
	s.get("manager@acme", "Customer", "Half").want(t, 404, "DoesNotExistError")
	if got := s.get("manager@acme", "Customer", "C0"); strings.Contains(got.body, "half") {
		t.Error("half a body was taken for the whole")
	}
	s.create("manager@acme", "Customer", `{"customer_name": "After"}`) // no transaction is left open
}
