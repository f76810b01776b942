package frappemstest

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
)

func TestReplayOnMemory(t *testing.T) {
	TestReplay(t, ServeStore(func(*testing.T) frappems.Store { return frappems.NewMemoryStore() }))
}

// judgeTests compare verdicts with those that the recording's own replay.py gave when it was run on the same table: for
// each complaint what stands before its colon, or its first words.
var judgeTests = []struct {
	name   string
	in     string
	status int
	got    string
	want   []string
}{
	{"equal", `{"expect": {"status": 200, "json": {"data": {"name": "A", "qty": 5}}}}`, 200, `{"data":{"name":"A","qty":5}}`, nil},
	{"5 is 5.0", `{"expect": {"status": 200, "json": {"data": 5.0}}}`, 200, `{"data":5}`, nil},
	{"1 is not true", `{"expect": {"status": 200, "json": {"data": 1}}}`, 200, `{"data":true}`, []string{".data"}},
	{"0 is not false", `{"expect": {"status": 200, "json": {"data": false}}}`, 200, `{"data":0}`, []string{".data"}},
	{`1 is not "1"`, `{"expect": {"status": 200, "json": {"data": 1}}}`, 200, `{"data":"1"}`, []string{".data"}},
	{"0.1 is 1e-1", `{"expect": {"status": 200, "json": {"data": 0.1}}}`, 200, `{"data":1e-1}`, nil},
	{"a large integer is exact", `{"expect": {"status": 200, "json": {"data": 9007199254740993}}}`, 200, `{"data":9007199254740992}`, []string{".data"}},
	{"a large float is not", `{"expect": {"status": 200, "json": {"data": 9007199254740992.0}}}`, 200, `{"data":9007199254740992}`, nil},
	{"null is not absent", `{"expect": {"status": 200, "json": {"data": {"a": null}}}}`, 200, `{"data":{}}`, []string{".data.a"}},
	{"missing key", `{"expect": {"status": 200, "json": {"data": {"a": 1, "b": 2}}}}`, 200, `{"data":{"a":1}}`, []string{".data.b"}},
	{"further key", `{"expect": {"status": 200, "json": {"data": {"a": 1}}}}`, 200, `{"data":{"a":1,"tenant_id":"x"}}`, []string{".data.tenant_id"}},
	{"ignored keys", `{"expect": {"status": 200, "json": {"data": {"a": 1, "_seen": "x"}}}}`, 200, `{"data":{"a":1,"_assign":null,"__onload":{}},"exc":"[]"}`, nil},
	{"an array for an object", `{"expect": {"status": 200, "json": {"data": 1}}}`, 200, `[1]`, []string{"."}},
	{"an object for a list", `{"expect": {"status": 200, "json": {"data": [1]}}}`, 200, `{"data":{}}`, []string{".data"}},
	{"fewer rows", `{"expect": {"status": 200, "json": {"data": [1, 2]}}}`, 200, `{"data":[1]}`, []string{".data"}},
	{"rows in another order", `{"expect": {"status": 200, "json": {"data": [1, 2]}}}`, 200, `{"data":[2,1]}`, []string{".data[0]", ".data[1]"}},
	{"status", `{"expect": {"status": 200, "json": {"data": "ok"}}}`, 202, `{"data":"ok"}`, []string{"status"}},
	{"status and body", `{"expect": {"status": 200, "json": {"data": "ok"}}}`, 404, `{"exc_type":"DoesNotExistError"}`, []string{"status", ".data", ".exc_type"}},
	{"not JSON", `{"expect": {"status": 200, "json": {"data": "ok"}}}`, 200, `<html>`, []string{".data"}},
	{"no body recorded", `{"expect": {"status": 200}}`, 200, `{}`, []string{""}},
	{"now", `{"expect": {"status": 200, "json": {"data": "{{now}}"}}}`, 200, `{"data":"2026-11-23 18:19:16.499951"}`, nil},
	{"now with T", `{"expect": {"status": 200, "json": {"data": "{{now}}"}}}`, 200, `{"data":"2026-11-23T18:19:16"}`, nil},
	{"a date is not now", `{"expect": {"status": 200, "json": {"data": "{{now}}"}}}`, 200, `{"data":"2026-11-23"}`, []string{".data"}},
	{"null is not now", `{"expect": {"status": 200, "json": {"data": "{{now}}"}}}`, 200, `{"data":null}`, []string{".data"}},
	{"time", `{"expect": {"status": 200, "json": {"data": "{{time}}"}}}`, 200, `{"data":"9:05:07.5"}`, nil},
	{"not a time", `{"expect": {"status": 200, "json": {"data": "{{time}}"}}}`, 200, `{"data":"9h"}`, []string{".data"}},
	{"random", `{"expect": {"status": 200, "json": {"data": "{{random}}"}}}`, 200, `{"data":"k3j2"}`, nil},
	{"random number", `{"expect": {"status": 200, "json": {"data": "{{random}}"}}}`, 200, `{"data":17}`, nil},
	{"empty is not random", `{"expect": {"status": 200, "json": {"data": "{{random}}"}}}`, 200, `{"data":""}`, []string{".data"}},
	{"1.5 is not random", `{"expect": {"status": 200, "json": {"data": "{{random}}"}}}`, 200, `{"data":1.5}`, []string{".data"}},
	{"null is not random", `{"expect": {"status": 200, "json": {"data": "{{random}}"}}}`, 200, `{"data":null}`, []string{".data"}},
	{"saved name", `{"expect": {"status": 200, "json": {"data": ["${order}", "no ${order}", "${count}"]}}}`, 200, `{"data":["SO \"1\"","no SO \"1\"",7]}`, nil},
	{"other name", `{"expect": {"status": 200, "json": {"data": "${order}"}}}`, 200, `{"data":"SO-2"}`, []string{".data"}},
	{"unknown name", `{"expect": {"status": 200, "json": {"data": "${nothing}"}}}`, 200, `{"data":"${nothing}"}`, nil},
	{"error", `{"expect": {"status": 417, "json": {"exc_type": "DataError", "_server_messages": "x"}}}`, 417, `{"exc_type":"DataError","_server_messages":"[\"{\\\"message\\\":\\\"No\\\"}\"]"}`, nil},
	{"other exc_type", `{"expect": {"status": 417, "json": {"exc_type": "DataError"}}}`, 417, `{"exc_type":"ValidationError"}`, []string{"exc_type"}},
	{"no exc_type", `{"expect": {"status": 417, "json": {"exc_type": "DataError"}}}`, 417, `{}`, []string{"exc_type"}},
	{"exc_type where Frappe has none", `{"expect": {"status": 404, "json": {}}}`, 404, `{"exc_type":"DoesNotExistError"}`, []string{"exc_type"}},
	{"no messages", `{"expect": {"status": 417, "json": {"exc_type": "DataError", "_server_messages": "x"}}}`, 417, `{"exc_type":"DataError"}`, []string{"_server_messages"}},
	{"messages that are a list", `{"expect": {"status": 417, "json": {"exc_type": "DataError", "_server_messages": "x"}}}`, 417, `{"exc_type":"DataError","_server_messages":[]}`, []string{"_server_messages"}},
	{"messages without JSON", `{"expect": {"status": 417, "json": {"exc_type": "DataError", "_server_messages": "x"}}}`, 417, `{"exc_type":"DataError","_server_messages":"[\"No\"]"}`, []string{"_server_messages"}},
	{"an empty message", `{"expect": {"status": 417, "json": {"exc_type": "DataError", "_server_messages": "x"}}}`, 417, `{"exc_type":"DataError","_server_messages":"[\"{\\\"message\\\":\\\"\\\"}\"]"}`, []string{"_server_messages"}},
	{"error with other status", `{"expect": {"status": 417, "json": {"exc_type": "DataError"}}}`, 500, `{"exc_type":"DataError"}`, []string{"status"}},
	{"error that is a list", `{"expect": {"status": 417, "json": {"exc_type": "DataError"}}}`, 417, `[]`, nil},
	{"accepted", `{"expect": {"status": 200, "json": {"data": []}}, "accept": [[417, "DataError"], [403, "PermissionError"]]}`, 403, `{"exc_type":"PermissionError"}`, nil},
	{"accepted with another status", `{"expect": {"status": 200, "json": {"data": []}}, "accept": [[417, "DataError"]]}`, 403, `{"exc_type":"DataError"}`, []string{"status", ".data", ".exc_type"}},
	{"Frappe broke, we do it", `{"expect": {"status": 500, "json": {}}}`, 200, `{"data":1}`, nil},
	{"Frappe broke, we say what is wrong", `{"expect": {"status": 500, "json": {}}}`, 417, `{"exc_type":"DataError"}`, nil},
	{"Frappe broke, we say nothing", `{"expect": {"status": 500, "json": {}}}`, 417, `{}`, []string{"status"}},
	{"Frappe broke and so do we", `{"expect": {"status": 500, "json": {}}}`, 500, `{"exc_type":"InternalError"}`, []string{"status"}},
	{"Frappe broke on an attack that we let through", `{"expect": {"status": 500, "json": {}}, "group": "attack"}`, 200, `{"data":[]}`, []string{"status"}},
	{"Frappe broke on an attack that we refuse", `{"expect": {"status": 500, "json": {}}, "group": "attack"}`, 417, `{"exc_type":"DataError"}`, nil},
	{"errors of v2", `{"expect": {"status": 404, "json": {"errors": [{"type": "A"}]}}}`, 404, `{"errors":[{"type":"A","message":"x"}]}`, nil},
	{"other errors of v2", `{"expect": {"status": 404, "json": {"errors": [{"type": "A"}]}}}`, 404, `{"errors":[{"type":"B"}]}`, []string{"errors"}},
	{"unordered", `{"expect": {"status": 200, "json": {"data": [{"name": "A"}, {"name": "B"}]}}, "unordered": true}`, 200, `{"data":[{"name":"B"},{"name":"A"}]}`, nil},
	{"unordered, one twice", `{"expect": {"status": 200, "json": {"data": [{"name": "A"}, {"name": "B"}]}}, "unordered": true}`, 200, `{"data":[{"name":"A"},{"name":"A"}]}`, []string{"no row like"}},
	{"unordered, one more", `{"expect": {"status": 200, "json": {"data": [{"name": "A"}]}}, "unordered": true}`, 200, `{"data":[{"name":"A"},{"name":"B"}]}`, []string{"want 1 rows"}},
	{"unordered, message", `{"expect": {"status": 200, "json": {"message": [{"name": "A"}]}}, "unordered": true}`, 200, `{"message":[{"name":"A"}]}`, nil},
	{"unordered, not an object", `{"expect": {"status": 200, "json": {"data": [{"name": "A"}]}}, "unordered": true}`, 200, `[]`, []string{"want 1 rows"}},
	{"full page", `{"expect": {"status": 200, "json": {"data": [{"name": "A"}, {"name": "B"}]}}, "unordered": true, "query": {"limit": 2}}`, 200, `{"data":[{"name":"C"},{"name":"D"}]}`, nil},
	{"full page, other keys", `{"expect": {"status": 200, "json": {"data": [{"name": "A"}, {"name": "B"}]}}, "unordered": true, "query": {"limit_page_length": "2"}}`, 200, `{"data":[{"name":"C"},{"title":"D"}]}`, []string{"rows have other"}},
	{"page that is not full", `{"expect": {"status": 200, "json": {"data": [{"name": "A"}, {"name": "B"}]}}, "unordered": true, "query": {"limit": 3}}`, 200, `{"data":[{"name":"A"},{"name":"D"}]}`, []string{"no row like"}},
	{"limit in a body", `{"expect": {"status": 200, "json": {"data": [["A"]]}}, "unordered": true, "json": {"limit": 1}}`, 200, `{"data":[["Z"]]}`, nil},
	{"limit 0 is 20", `{"expect": {"status": 200, "json": {"data": [{"name": "A"}]}}, "unordered": true, "query": {"limit": 0}}`, 200, `{"data":[{"name":"Z"}]}`, []string{"no row like"}},
}

func TestJudge(t *testing.T) {
	for _, test := range judgeTests {
		t.Run(test.name, func(t *testing.T) {
			c := recorded{Group: "list"}
			if err := json.Unmarshal([]byte(test.in), &c); err != nil {
				t.Fatal(err)
			}
			got, err := decode([]byte(test.got))
			if err != nil {
				got = map[string]any{"__not_json__": test.got}
			}
			r := newReplayer("")
			r.names["order"], r.names["count"] = `SO "1"`, json.Number("7")
			diff := r.judge(c, test.status, got)
			if len(diff) != len(test.want) {
				t.Fatalf("got %q, want complaints about %q", diff, test.want)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(diff[i], want) {
					t.Errorf("got %q, want a complaint about %q", diff[i], want)
				}
			}
		})
	}
}

// TestReplayOfTheRecording lets a server answer with the recorded answers themselves: then everything matches. One that
// answers nothing but an empty object matches almost nowhere, and with one value changed only that step fails.
func TestReplayOfTheRecording(t *testing.T) {
	cases, err := loadCases()
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 342 {
		t.Fatalf("got %d cases, want 342", len(cases))
	}
	tests := []struct {
		name   string
		answer func(c recorded, body string) (int, string)
		want   func(failed []string, judged int) bool
	}{
		{"the recording", func(c recorded, body string) (int, string) {
			return c.Expect.Status, body
		}, func(failed []string, _ int) bool { return len(failed) == 0 }},
		{"an empty object", func(recorded, string) (int, string) {
			return http.StatusOK, "{}"
		}, func(failed []string, judged int) bool { return len(failed) > judged*9/10 }},
		{"one value changed", func(c recorded, body string) (int, string) {
			if c.ID == "insert-005" {
				body = strings.Replace(body, "5000.0", "5000.1", 1)
			}
			return c.Expect.Status, body
		}, func(failed []string, _ int) bool { return slices.Equal(failed, []string{"insert-005"}) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			failed, judged := replayAgainst(t, cases, test.answer)
			if !test.want(failed, judged) {
				t.Errorf("%d of %d steps failed: %s", len(failed), judged, failed)
			}
		})
	}
}

// replayAgainst sends all cases to a server that answers each by what answer makes of the recorded body, with the marks
// for times and random names filled in. It returns the ids of the judged steps that failed.
func replayAgainst(t *testing.T, cases []recorded, answer func(recorded, string) (int, string)) (failed []string, judged int) {
	t.Helper()
	var current recorded
	var r *replayer
	fill := strings.NewReplacer("{{now}}", "2026-11-23 18:19:16.499951", "{{time}}", "9:05:00", "{{random}}", "k3j2h1g0f9")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		recorded, body := current, fill.Replace(string(r.render(current.Expect.JSON)))
		if recorded.Expect.Status >= 500 { // where Frappe broke, its own answer is not what is wanted
			recorded.Expect.Status, body = http.StatusExpectationFailed, `{"exc_type": "DataError"}`
		}
		status, body := answer(recorded, body)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	defer server.Close()
	r = newReplayer(server.URL)
	for _, current = range cases {
		diff := r.step(current)
		if !current.Judge {
			continue
		}
		if judged++; len(diff) > 0 {
			failed = append(failed, current.ID)
		}
	}
	return failed, judged
}

func TestRequest(t *testing.T) {
	r := newReplayer("http://localhost/")
	r.names["so"] = "SO/1 %"
	tests := []struct{ name, in, url, body, contentType string }{
		{"path", `{"path": "/api/resource/Customer/Björk & Söhne (O'Neil)"}`, "/api/resource/Customer/Bj%C3%B6rk%20%26%20S%C3%B6hne%20%28O%27Neil%29", "", ""},
		{"saved name", `{"path": "/api/resource/Sales Order/${so}"}`, "/api/resource/Sales%20Order/SO/1%20%25", "", ""},
		{"escaped path", `{"path": "/a%2Fb%25", "raw_path": true}`, "/a%2Fb%25", "", ""},
		{"query", `{"path": "/x/", "query": {"limit": 2, "filters": [["a", "=", "${so}"]], "order_by": "name asc"}}`,
			"/x/?filters=%5B%5B%22a%22%2C+%22%3D%22%2C+%22SO%2F1+%25%22%5D%5D&limit=2&order_by=name+asc", "", ""},
		{"JSON", `{"path": "/x", "method": "POST", "json": {"b": "${so}", "a": "no ${so}", "c": 0.10}}`, "/x", `{"b": "SO/1 %", "a": "no SO/1 %", "c": 0.10}`, "application/json"},
		{"form", `{"path": "/x", "method": "POST", "form": {"data": {"a": 1}}}`, "/x", "data=%7B%22a%22%3A+1%7D", "application/x-www-form-urlencoded"},
		{"body", `{"path": "/x", "method": "POST", "body": "{not json"}`, "/x", "{not json", "application/json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c recorded
			if err := json.Unmarshal([]byte(test.in), &c); err != nil {
				t.Fatal(err)
			}
			c.As = "clerk"
			req, err := r.request(c)
			if err != nil {
				t.Fatal(err)
			}
			var body strings.Builder
			if req.Body != nil {
				if err := req.Write(&body); err != nil {
					t.Fatal(err)
				}
			}
			_, sent, _ := strings.Cut(body.String(), "\r\n\r\n")
			if got := req.URL.RequestURI(); got != test.url {
				t.Errorf("url: got %s, want %s", got, test.url)
			}
			if sent != test.body || req.Header.Get("Content-Type") != test.contentType {
				t.Errorf("body: got %s (%s), want %s (%s)", sent, req.Header.Get("Content-Type"), test.body, test.contentType)
			}
			if got := req.Header.Get("Authorization"); got != "token clerk:clerksecret" {
				t.Errorf("authorization: got %q", got)
			}
		})
	}
}

// TestScenes: the steps of the recording that only set the scene, of which no more than the status was kept, have that status here
// too, where Frappe did not break and did not let through what it should not.
func TestScenes(t *testing.T) {
	stricter := []string{ // than Frappe: links to nothing, a series that is not offered, and what was to be deleted after them
		"invalid-014", "invalid-015", "invalid-017", "invalid-022", "invalid-023",
		"restriction-001", "restriction-002"} // User Permissions are of the user here, and no documents
	cases, err := loadCases()
	if err != nil {
		t.Fatal(err)
	}
	doctypes, err := fs.Sub(oracle, "testdata/oracle/doctypes")
	if err != nil {
		t.Fatal(err)
	}
	users, err := oracle.ReadFile("testdata/oracle/users.json")
	if err != nil {
		t.Fatal(err)
	}
	r := newReplayer(ServeStore(func(*testing.T) frappems.Store { return frappems.NewMemoryStore() })(t, doctypes, users))
	defer r.client.CloseIdleConnections()
	judged := 0
	for _, c := range cases {
		if !c.Judge {
			c.Expect.JSON = nil
			if c.Expect.Status >= 500 || slices.Contains(stricter, c.ID) {
				r.step(c)
				continue
			}
			judged++
		}
		if diff := r.step(c); !c.Judge && len(diff) > 0 && strings.HasPrefix(diff[0], "status") {
			t.Errorf("%s as %s: %s %s %s\n\t%s", c.ID, c.user(), c.Method, c.Path, c.sent(), diff[0])
		}
	}
	if judged < 50 {
		t.Errorf("only %d steps were judged", judged)
	}
}
