package format

import (
	"errors"
	"strings"
	"testing"

	"github.com/frappems/frappems/internal/message"
)

func TestCheck(t *testing.T) {
	const email, name, phone, other = "InvalidEmailAddressError", "InvalidNameError", "InvalidPhoneNumberError", "ValidationError"
	for _, tt := range []struct{ kind, text, want string }{
		{"Email", "ada@example.com", ""},
		{"Email", "Ada <ada@example.com>, Guest,\nbob+x@mail.example.org", ""},
		{"Email", "ada@example.com, nobody", email},
		{"Email", "ada@localhost", email},
		{"Name", "Ada O'Neill-Müller", ""},
		{"Name", "Ada <b>", name},
		{"Phone", "(030) 123-45", ""},
		{"Phone", "+49 30 12345 ext", phone},
		{"Phone", strings.Repeat("1", 21), phone},
		{International, "+49 30 12345-67", ""},
		{International, "030 1234567", phone},
		{International, "+123456", phone},
		{"URL", "https://example.com/a?b", ""},
		{"URL", "example.com", other},
		{"URL", "javascript://x/%0aalert()", other},
		{"", "anything", ""},
	} {
		err := Check(tt.kind, "field", tt.text)
		problem := new(message.Error)
		if err != nil && !errors.As(err, &problem) || problem.Type != tt.want {
			t.Errorf("%s %q: got %v of type %q, want the type %q", tt.kind, tt.text, err, problem.Type, tt.want)
		}
	}
	if got, want := Check("Name", "", "<b>").Error(), "&lt;b&gt; is not a valid Name"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
