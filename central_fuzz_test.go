package frappems

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzCentralRefusal: whatever Central answers, it becomes an error of ours, and what is not for users stays in its cause.
func FuzzCentralRefusal(f *testing.F) {
	for _, body := range []string{
		``, `null`, `[]`, `<html>`, `{"exc_type": "DoesNotExistError"}`, `{"exc_type": 7}`, `{"exc_type": "A b", "exception": "x"}`,
		`{"exc_type": "ValidationError", "exception": "frappe.exceptions.ValidationError: no", "_server_messages": "[\"{\\\"message\\\": \\\"no\\\"}\", \"{\"]"}`,
		`{"exc_type": "PermissionError", "session_expired": 1, "_server_messages": "[[]]"}`, `{"exc_type": "X", "_server_messages": "[\"7\", \"[]\"]"}`,
	} {
		for _, status := range []int{302, 401, 403, 404, 417, 429, 500, 503} {
			f.Add(status, "3", body)
		}
	}
	f.Fuzz(func(t *testing.T, status int, after, body string) {
		err := centralRefusal(status, http.Header{"Retry-After": {after}}, []byte(body))
		var o *outage
		var e *Error
		switch {
		case errors.As(err, &o):
			if o.after < 0 || o.after > time.Hour {
				t.Errorf("got a wait of %s", o.after)
			}
		case !errors.As(err, &e) || e.Code.Status() >= 500 && e.Code != UnavailableError:
			t.Errorf("got %v", err)
		case e.Code == UnavailableError && e.Message != centralDown:
			t.Errorf("got the message %q of an outage", e.Message)
		case len(e.Messages) > 20 || strings.ContainsAny(string(e.Code), " \"<>\n"):
			t.Errorf("got %d messages and the code %q", len(e.Messages), e.Code)
		}
		if e != nil && status == 404 && e.Code != DoesNotExistError && json.Valid([]byte(body)) {
			t.Errorf("got %s for 404", e.Code)
		}
		if len(err.Error()) > 4*len(body)+1000 {
			t.Errorf("got an error of %d bytes for a body of %d", len(err.Error()), len(body))
		}
	})
}

// FuzzCentralRequest: no DocType, name or method leads to another path.
func FuzzCentralRequest(f *testing.F) {
	for _, name := range []string{"x", "..", "a/../b", "%2e%2e", "a?b#c", "ä", "\x00", "a\r\nb", "..;", "/"} {
		f.Add("Item", name)
		f.Add(name, "x")
	}
	f.Fuzz(func(t *testing.T, doctype, name string) {
		q := &centralRequest{verb: http.MethodPut, path: []string{"resource", doctype, name}, args: map[string]any{"name": name, "cmd": doctype}}
		if q.prepare() != nil {
			return
		}
		r, err := http.NewRequest(q.verb, "http://central.invalid"+q.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(r.URL.EscapedPath(), "/")
		if want := "/api/resource/" + doctype + "/" + name; len(parts) != 5 || r.URL.Path != want || r.URL.RawQuery != "" {
			t.Errorf("got %q with the query %q, want %q", r.URL.Path, r.URL.RawQuery, want)
		}
	})
}
