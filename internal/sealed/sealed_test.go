package sealed

import (
	"strings"
	"testing"
)

const place = "acme/User/ada/password"

var key = []byte("0123456789abcdef0123456789abcdef")

func TestSealed(t *testing.T) {
	for _, text := range []string{"", "secret", "pässword" + strings.Repeat("x", 1000)} {
		a, err1 := Seal(key, text, place)
		b, err2 := Seal(key, text, place)
		if err1 != nil || err2 != nil || a == b || !strings.HasPrefix(a, "v1:") || text != "" && strings.Contains(a, text) {
			t.Errorf("%q: got %q and %q (%v, %v), want two different seals", text, a, b, err1, err2)
		}
		if got, err := Open(key, a, place); got != text || err != nil {
			t.Errorf("got %q and %v, want %q", got, err, text)
		}
	}
}

func TestOpen(t *testing.T) {
	const sealed = "v1:Vz4N9PmJ82IfcqmqI2BwaAb1uUQCaDPpyvd4EophXUA/oQ=="
	if got, err := Open(key, sealed, place); got != "geheim" || err != nil {
		t.Errorf("what an older version sealed: got %q and %v, want geheim", got, err)
	}
	for _, tt := range []struct {
		name          string
		key           []byte
		sealed, place string
	}{
		{"another place", key, sealed, "globex/User/ada/password"},
		{"another key", []byte("0123456789abcdef0123456789abcdeF"), sealed, place},
		{"a key too short", key[:7], sealed, place},
		{"changed", key, strings.Replace(sealed, "V", "W", 1), place},
		{"too short", key, "v1:Vz4N", place},
		{"nothing", key, "", place},
		{"no base64", key, "v1:%", place},
	} {
		if got, err := Open(tt.key, tt.sealed, tt.place); got != "" || err == nil {
			t.Errorf("%s: got %q and %v, want an error", tt.name, got, err)
		}
	}
	if got, err := Seal(key[:7], "x", place); got != "" || err == nil {
		t.Errorf("sealed with a key too short: got %q and %v, want an error", got, err)
	}
}
