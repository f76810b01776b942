package value

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want any
		ok   bool
	}{
		{` null `, nil, true},
		{`true`, true, true},
		{`"a\u0020b"`, "a b", true},
		{`9223372036854775807`, int64(9223372036854775807), true},
		{`9223372036854775808`, 9223372036854775808.0, true},
		{`1.0`, 1.0, true},
		{` {"a" : [ 1, "ä😀" ]}`, json.RawMessage(`{"a":[1,"\u00e4\ud83d\ude00"]}`), true},
		{`[]`, json.RawMessage(`[]`), true},
		{``, nil, false},
		{`tru`, nil, false},
		{`x`, 0.0, false},
	} {
		got, err := Decode(json.RawMessage(tt.in))
		if !reflect.DeepEqual(got, tt.want) || (err == nil) != tt.ok {
			t.Errorf("%s: got %#v and %v, want %#v", tt.in, got, err, tt.want)
		}
	}
}

func TestKind(t *testing.T) {
	for in, want := range map[string]string{`[1]`: "a list", `{}`: "an object"} {
		if got := Kind(json.RawMessage(in)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestLocate(t *testing.T) {
	data := []byte("{\n\"a\": 1,\n}")
	var v any
	err := json.Unmarshal(data, &v)
	if got, want := Locate(data, err).Error(), "line 3: "+err.Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if other := errors.New("other"); Locate(data, other) != other {
		t.Errorf("got %v, want the error as it was", Locate(data, other))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"a": ["ä", 1e5, null]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			return
		}
		v, err := Decode(json.RawMessage(text))
		if err != nil {
			return // a number that is too large
		}
		var want, got any
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%s: got %v, which cannot be written: %v", text, v, err)
		}
		json.Unmarshal([]byte(text), &want)
		json.Unmarshal(body, &got)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s", text, body)
		}
	})
}
