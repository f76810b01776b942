package message

import (
	"io"
	"strings"
	"testing"
)

func TestEscaped(t *testing.T) {
	long := strings.Repeat("ä", 61)
	for _, tt := range []struct{ name, got, want string }{
		{"Escape", Escape(`<a href="x">&amp;`), `&lt;a href="x"&gt;&amp;amp;`},
		{"Bold", Bold("<b>"), "<strong>&lt;b&gt;</strong>"},
		{"Quote", Quote("a<b"), "'a&lt;b'"},
		{"Quote, 60 characters", Quote(long[:120]), "'" + long[:120] + "'"},
		{"Quote, 61 characters", Quote(long), "'" + long[:120] + "…'"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}

func TestError(t *testing.T) {
	if got, want := Invalid("%d is %s", 1, Bold("a")).Error(), "1 is <strong>a</strong>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e := &Error{Text: "It ends", Cause: io.EOF}
	if got, want := e.Error(), "It ends: EOF"; got != want || e.Unwrap() != io.EOF {
		t.Errorf("got %q and %v, want %q and EOF", got, e.Unwrap(), want)
	}
}
