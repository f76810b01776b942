package input

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems/internal/message"
)

// The handlers that the core makes are tested there: see TestJSON.

type order struct {
	ID    string   `json:"id"`
	Count int      `json:"count"`
	Tags  []string `json:"tags"`
	Paid  *bool    `json:"paid"`
	Plain float64
}

func TestDecode(t *testing.T) {
	yes := true
	for _, tt := range []struct {
		name, query, body, kind string
		strict                  bool
		want                    order
		problem, typ            string
	}{
		{name: "nothing"},
		{name: "body", body: `{"id":"a","count":2,"Plain":1.5}`, want: order{ID: "a", Count: 2, Plain: 1.5}},
		{name: "query over body", query: "ID=b&tags=x&tags=y&paid=on", body: `{"id":"a"}`, want: order{ID: "b", Tags: []string{"x", "y"}, Paid: &yes}},
		{name: "form", body: "count=3", kind: "application/x-www-form-urlencoded", want: order{Count: 3}},
		{name: "unknown in the query", query: "utm=1"},
		{name: "unknown in a strict query", query: "utm=1", strict: true, problem: "There is no field <strong>utm</strong>"},
		{name: "unknown in the body", body: `{"<b>":1}`, problem: "There is no field <strong>&lt;b&gt;</strong>"},
		{name: "wrong kind", body: `{"count":"x"}`, problem: "Field <strong>count</strong> is string, want a whole number"},
		{name: "two values", body: `{} {}`, problem: "The body has something after the JSON value"},
		{name: "too early", body: `{"id":`, problem: "The body is not valid JSON: it ends too early"},
		{name: "media type", body: "<a/>", kind: "text/xml", problem: "The body is text/xml, want application/json", typ: "UnsupportedMediaType"},
	} {
		r := httptest.NewRequest("POST", "/?"+tt.query, strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.kind)
		var got order
		err := Decode(r, &got, tt.strict)
		problem := new(message.Error)
		if err != nil && !errors.As(err, &problem) {
			t.Errorf("%s: got the error %v, want one for the client", tt.name, err)
		}
		if problem.Text != tt.problem || problem.Type != tt.typ {
			t.Errorf("%s: got the problem %q of type %q, want %q of type %q", tt.name, problem.Text, problem.Type, tt.problem, tt.typ)
		}
		if tt.problem == "" && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestDecodeArguments(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{`{"id":"7","count":"7","tags":"x","paid":"0"}`, `{"id":"7","count":7,"tags":["x"],"paid":false,"Plain":0}`},
		{`{"id":null,"count":7}`, `{"id":"","count":7,"tags":null,"paid":null,"Plain":0}`},
		{`{"count":"many"}`, "Field <strong>count</strong> is string, want a whole number"},
	} {
		var args map[string]json.RawMessage
		var in order
		if err := json.Unmarshal([]byte(tt.args), &args); err != nil {
			t.Fatal(err)
		}
		var got []byte
		if err := DecodeArguments(args, &in); err != nil {
			got = []byte(err.Error())
		} else {
			got, _ = json.Marshal(in)
		}
		if string(got) != tt.want {
			t.Errorf("%s: got %s, want %s", tt.args, got, tt.want)
		}
	}
}

func TestWildcards(t *testing.T) {
	for in, want := range map[string][]string{"GET /a/{b}/{c...}": {"b", "c"}, "/a/{$}": nil, "": nil} {
		if got := Wildcards(in); !slices.Equal(got, want) {
			t.Errorf("Wildcards(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestField(t *testing.T) {
	for _, tt := range []struct {
		of   any
		name string
		want reflect.Type
	}{
		{order{}, "Count", reflect.TypeFor[int]()},
		{&order{}, "plain", reflect.TypeFor[float64]()},
		{map[string]bool{}, "any", reflect.TypeFor[bool]()},
		{order{}, "nothing", nil},
		{7, "id", nil},
	} {
		if got := Field(reflect.TypeOf(tt.of), tt.name); got != tt.want {
			t.Errorf("Field %s of %T: got %v, want %v", tt.name, tt.of, got, tt.want)
		}
	}
}
