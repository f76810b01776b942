// Package message words what users are told of their input, in Frappe's form: names and values are escaped as text, since
// clients show messages as HTML.
package message

import (
	"fmt"
	"strings"
)

// Error is what is wrong with an input, for its sender to read.
type Error struct {
	Type  string // of Frappe's exceptions; "" is ValidationError
	Text  string
	Cause error // for the log
}

// Error is the text, with the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Text + ": " + e.Cause.Error()
	}
	return e.Text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Invalid makes an Error of the type ValidationError.
func Invalid(format string, args ...any) *Error { return &Error{Text: fmt.Sprintf(format, args...)} }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// Escape makes HTML of a text.
func Escape(s string) string { return escaper.Replace(s) }

// Bold is how Frappe's messages set off a name.
func Bold(s string) string { return "<strong>" + Escape(s) + "</strong>" }

// Quote quotes a value that a client sent; a long one is cut.
func Quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return "'" + Escape(s) + "'"
}
