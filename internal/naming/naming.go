// Package naming makes names of patterns, as Frappe does. It knows neither documents nor where the numbers come from.
package naming

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/frappems/frappems/internal/message"
)

// Source is what the parts of a pattern stand for.
type Source struct {
	Now time.Time
	// Field gives the text of a field; has is false where there is none of this name.
	Field func(name string) (text string, has bool)
	// Number takes the next number of a series, whose key is the text before it.
	Number func(series string) (int64, error)
}

var seriesPattern = regexp.MustCompile(`^[\pL\pN_\- /.#{}]+$`)

// Series makes a name by a pattern of parts between dots: # for the digits of a number, of which only the first ones count; YY,
// YYYY, MM, DD, WW, timestamp; a field with or without braces; anything else for itself.
func (s *Source) Series(pattern string) (string, error) {
	if !strings.Contains(pattern, ".") || !seriesPattern.MatchString(pattern) {
		return "", message.Invalid("The naming series %s needs a dot before its digits, and may have no special characters except '-', '#', '.', '/', '{' and '}'", message.Bold(pattern))
	}
	name, numbered := "", false
	for part := range strings.SplitSeq(pattern, ".") {
		switch {
		case !strings.HasPrefix(part, "#"):
			name += s.part(part)
		case !numbered:
			numbered = true
			number, err := s.number(name, len(part))
			if err != nil {
				return "", err
			}
			name += number
		}
	}
	return name, nil
}

var (
	bracedWord = regexp.MustCompile(`\{[\pL\pN_]+\}`)
	bracedHash = regexp.MustCompile(`\{#+\}`)
)

// Format makes a name by a text with parts in braces; a number counts per text before it.
func (s *Source) Format(format string) (string, error) {
	at := bracedHash.FindStringIndex(format) // in the pattern, not in the text of a field
	if at == nil {
		return Fill(format, s.part), nil
	}
	series := Fill(format[:at[0]], s.part)
	number, err := s.number(series, at[1]-at[0]-2)
	if err != nil {
		return "", err
	}
	return series + number + Fill(bracedHash.ReplaceAllString(format[at[1]:], ""), s.part), nil
}

// Fill puts texts in the place of words in braces.
func Fill(template string, text func(word string) string) string {
	return bracedWord.ReplaceAllStringFunc(template, func(braced string) string { return text(braced[1 : len(braced)-1]) })
}

func (s *Source) number(series string, digits int) (string, error) {
	number, err := s.Number(series)
	return fmt.Sprintf("%0*d", digits, number), err
}

// timestamp is how Frappe writes a moment.
const timestamp = "2006-01-02 15:04:05.000000"

var layouts = map[string]string{"": "", "YY": "06", "YYYY": "2006", "MM": "01", "DD": "02", "timestamp": timestamp}

// part is the text that one part of a pattern stands for.
func (s *Source) part(part string) string {
	if layout, ok := layouts[part]; ok {
		return s.Now.Format(layout)
	}
	if part == "WW" {
		return consecutiveWeek(s.Now)
	}
	field := strings.ReplaceAll(strings.ReplaceAll(part, "{", ""), "}", "")
	text, has := s.Field(field)
	if !has && field == part {
		return part
	}
	return strings.TrimSpace(text) // a field in braces that is not there is nothing
}

// consecutiveWeek is the ISO week, with 00 for first days of a year that belong to the last year's weeks and 53 for last
// days that belong to the next one's, so that numbers within a year never fall.
func consecutiveWeek(t time.Time) string {
	_, week := t.ISOWeek()
	switch {
	case t.Month() == time.January && week >= 52:
		week = 0
	case t.Month() == time.December && week <= 1:
		week = 53
	}
	return fmt.Sprintf("%02d", week)
}

// Number takes a name of a series apart, into the key of the series and the number. It is not ok where the name does not end with
// a number of the pattern's digits, of which there are five where the pattern says nothing.
func Number(pattern, name string) (series string, number int64, ok bool) {
	width := 5
	if strings.Contains(pattern, "#") {
		pattern = strings.TrimSuffix(pattern, "}")
		width = len(pattern) - len(strings.TrimRight(pattern, "#"))
	}
	cut := len(name) - width
	if pattern == "" || width == 0 || cut < 0 || strings.Trim(name[cut:], "0123456789") != "" {
		return "", 0, false
	}
	number, err := strconv.ParseInt(name[cut:], 10, 64)
	return name[:cut], number, err == nil
}

// Random is Frappe's hash: ten letters and digits in small letters, since names do not tell case apart.
func Random() string {
	var b [7]byte
	rand.Read(b[:]) // never fails
	return strings.ToLower(base32.HexEncoding.EncodeToString(b[:])[:10])
}

// UUID makes a UUID that sorts by time: of version 7 (RFC 9562).
func UUID(now time.Time) string {
	var b [16]byte
	rand.Read(b[:])
	ms := now.UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
