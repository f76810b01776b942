package plain

import (
	"strconv"
	"strings"
	"time"
)

// Date reads a date as MariaDB does: year, month and day with any usual separator, or eight digits; a time is cut off.
func Date(s string) (string, bool) {
	if isDay(s) {
		return s, true
	}
	text, ok := Datetime(s)
	return text[:min(10, len(text))], ok
}

// Datetime reads a date and time as MariaDB does, and gives it as 2026-03-15 10:20:30.000000; a date alone is its midnight, digits
// past microseconds are cut.
func Datetime(s string) (string, bool) {
	if isMoment(s) {
		return s, true
	}
	day, clock := strings.TrimSpace(s), "00:00:00.000000"
	if at := strings.IndexAny(day, " T"); at >= 0 {
		var ok bool
		if clock, ok = Time(day[at+1:]); !ok {
			return "", false
		}
		day = day[:at]
	}
	if len(day) == 8 && allDigits(day) {
		day = day[:4] + "-" + day[4:6] + "-" + day[6:]
	}
	parts := strings.FieldsFunc(day, func(r rune) bool { return r == '-' || r == '/' || r == '.' })
	if len(parts) != 3 || len(parts[0])%2 == 1 {
		return "", false
	}
	year, ok1 := Digits(parts[0], 4)
	month, ok2 := Digits(parts[1], 2)
	date, ok3 := Digits(parts[2], 2)
	if len(parts[0]) == 2 {
		year += 2000
		if year >= 2070 {
			year -= 100
		}
	}
	t := time.Date(year, time.Month(month), date, 0, 0, 0, 0, time.UTC)
	if !ok1 || !ok2 || !ok3 || year == 0 || t.Year() != year || int(t.Month()) != month || t.Day() != date {
		return "", false
	}
	return t.Format(time.DateOnly) + " " + clock, true
}

// isMoment reports whether s is what Datetime gives, which it nearly always is. The last days of months take the long way.
func isMoment(s string) bool {
	return len(s) == 26 && isDay(s[:10]) && s[10] == ' ' && isForm(s[11:], "00:00:00.000000") && s[11:13] < "24" && s[14] < '6' && s[17] < '6'
}

func isDay(s string) bool {
	return isForm(s, "0000-00-00") && s[:4] > "0000" && s[5:7] > "00" && s[5:7] <= "12" && s[8:] > "00" && s[8:] <= "28"
}

// isForm reports whether s has digits where form has zeros, and is like form elsewhere.
func isForm(s, form string) bool {
	if len(s) != len(form) {
		return false
	}
	for i := range len(form) {
		if c := s[i]; c != form[i] && (form[i] != '0' || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// Time reads a time of day: hours and minutes, and seconds with a fraction where given.
func Time(s string) (string, bool) {
	parts := strings.Split(strings.TrimSpace(s), ":")
	if len(parts) < 2 || len(parts) > 3 {
		return "", false
	}
	text, fraction := []byte("00:00:00.000000"), ""
	for i, part := range parts {
		if i == 2 {
			part, fraction, _ = strings.Cut(part, ".")
		}
		n, ok := Digits(part, 2)
		if last := [3]int{23, 59, 59}[i]; !ok || n > last {
			return "", false
		}
		copy(text[3*i+2-len(part):], part)
	}
	copy(text[len("00:00:00."):], fraction)
	return string(text), allDigits(fraction)
}

// Digits reads a number of at most so many digits and nothing else.
func Digits(s string, most int) (int, bool) {
	if s == "" || len(s) > most || !allDigits(s) {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
