// Package format checks the formats that Frappe's fields of text can have.
package format

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/frappems/frappems/internal/message"
)

var (
	emailPattern = regexp.MustCompile(`(?i)^[a-z0-9!#$%&'*+/=?^_{|}~` + "`" + `-]+(\.[a-z0-9!#$%&'*+/=?^_{|}~` + "`" + `-]+)*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	phonePattern = regexp.MustCompile(`^[0-9 +_\-,.*#()]{1,20}$`)
	namePattern  = regexp.MustCompile(`^[\pL\pN_][\pL\pN_'\-]*([ \pL\pN_][\pL\pN_'\-]+)*$`)
	// Frappe asks a table of all countries' numbers; this asks for the form of one: + and 7 to 15 digits.
	internationalPattern = regexp.MustCompile(`^\+[0-9]([ ().\-]?[0-9]){6,14}$`)
)

// International is the kind of Phone fields: with the country's number.
const International = "International"

// Check says what of a text is not as the options of its Data field ask for: Email (several by commas or lines), Name, Phone,
// International or URL; others ask for nothing. The error is a [message.Error].
func Check(kind, field, text string) error {
	switch kind {
	case "Email":
		for address := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
			address = strings.TrimSpace(address)
			if open := strings.LastIndexByte(address, '<'); open >= 0 && strings.HasSuffix(address, ">") {
				address = address[open+1 : len(address)-1]
			}
			if address != "" && address != "Administrator" && address != "Guest" && !emailPattern.MatchString(address) {
				return problem("InvalidEmailAddressError", "%s is not a valid Email Address", message.Escape(address))
			}
		}
	case "Name":
		if !namePattern.MatchString(text) {
			return problem("InvalidNameError", "%s is not a valid Name", message.Escape(text))
		}
	case "Phone":
		if !phonePattern.MatchString(text) {
			return problem("InvalidPhoneNumberError", "%s is not a valid Phone Number", message.Escape(text))
		}
	case International:
		if !internationalPattern.MatchString(text) {
			return problem("InvalidPhoneNumberError", "Phone Number %s set in field %s is not valid.", message.Escape(text), message.Bold(field))
		}
	case "URL":
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || slices.Contains([]string{"javascript", "data", "vbscript"}, u.Scheme) {
			return problem("ValidationError", "'%s' is not a valid URL", message.Bold(text))
		}
	}
	return nil
}

func problem(kind, format string, args ...any) error {
	return &message.Error{Type: kind, Text: fmt.Sprintf(format, args...)}
}
