package frappems

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/frappems/frappems/internal/plain"

	"github.com/frappems/frappems/store"
)

// The values of a document in memory are what Frappe's Python keeps there: nil, string, bool, int64, float64, or
// json.RawMessage where a client sent an object or a list. Numbers are cast when a document is saved; text, dates and
// durations stay as they were sent until they are read back. A store gets and gives the text forms of [Column].

// toInt is Frappe's cint: what is not a number is 0.
func toInt(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case bool:
		return int64(boolInt(v))
	}
	f := toFloat(v)
	if s, ok := v.(string); ok {
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
			return n
		}
		if strings.Contains(s, ",") {
			f = 0 // cint, unlike flt, does not know thousands separators
		}
	}
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// toFloat is Frappe's flt: commas are passed over, and what is not a number is 0.
func toFloat(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case bool:
		return float64(boolInt(v))
	case string:
		s := strings.TrimSpace(strings.ReplaceAll(v, ",", ""))
		if strings.Trim(s, "0123456789+-.eE") != "" {
			return 0 // neither Go's hexadecimal floats nor "inf" and "nan"
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !math.IsInf(f, 0) {
			return 0
		}
		return f
	}
	return 0
}

// toText is Frappe's cstr.
func toText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.Itoa(boolInt(v))
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.RawMessage:
		return string(v)
	}
	return ""
}

// isEmpty says whether Python holds the value for false.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	}
	return false
}

// castNumber is what Frappe makes of a value of a numeric field when it saves; others stay as they are.
func (f *Field) castNumber(v any) any {
	switch f.Fieldtype {
	case "Check":
		return int64(boolInt(toInt(v) != 0))
	case "Int":
		switch v.(type) {
		case int64, bool: // Python's True is an int
			return v
		}
		return toInt(v)
	case "Float", "Currency", "Percent":
		return toFloat(v)
	}
	return v
}

// decimalLimit is where a decimal(21,9) ends.
const decimalLimit = 1e12

// columnText gives the text form of a value for a column, nil for NULL. The error is for the user.
func columnText(c *store.Column, v any) (*string, error) {
	if v == nil {
		return nil, nil
	}
	// A list is refused in a JSON field too, as recorded (update-023); an object is not.
	if raw, ok := v.(json.RawMessage); ok && (c.Type != store.TypeJSON || jsonKind(raw) == "a list") {
		return nil, Errorf(ValidationError, "Value for %s cannot be %s", bold(c.Name), jsonKind(raw))
	}
	text, ok := "", true
	switch c.Type {
	case store.TypeInt, store.TypeBigInt, store.TypeCheck:
		text = strconv.FormatInt(toInt(v), 10)
		ok = math.Abs(toFloat(v)) < 1<<63 || toText(v) == text
	case store.TypeDecimal:
		f := toFloat(v)
		text, ok = decimalText(f, 9), math.Abs(f) < decimalLimit
	case store.TypeRating:
		f := toFloat(v)
		text, ok = decimalText(f, 2), math.Abs(f) < 10
	case store.TypeDate:
		text, ok = dateText(toText(v))
	case store.TypeDatetime:
		text, ok = datetimeText(toText(v))
	case store.TypeTime:
		text, ok = timeText(toText(v))
	case store.TypeJSON:
		text = toText(v)
		ok = json.Valid([]byte(text))
	default:
		text = toText(v)
	}
	if !ok {
		return nil, Errorf(DataError, "%s is not a valid value for %s", quoteShort(toText(v)), bold(c.Name))
	}
	return &text, nil
}

func jsonKind(raw json.RawMessage) string {
	if len(raw) > 0 && raw[0] == '[' {
		return "a list"
	}
	return "an object"
}

// decimalText prints a float as MariaDB prints it back from a column with so many places: of the shortest decimal that
// is the float, rounded half away from zero, as its own conversion does. What is not finite gives "".
func decimalText(f float64, places int) string {
	text, _ := plain.Number(strconv.FormatFloat(f, 'f', -1, 64), places)
	return text
}

// dateText reads a date as MariaDB does: year, month and day with any usual separator, or eight digits; a time is cut off.
func dateText(s string) (string, bool) {
	text, ok := datetimeText(s)
	if !ok {
		return "", false
	}
	return text[:10], true
}

// datetimeText reads a date and time as MariaDB does; a date alone is its midnight, digits past microseconds are cut.
func datetimeText(s string) (string, bool) {
	s = strings.TrimSpace(s)
	at := strings.IndexAny(s, " T")
	day, clock := s, "00:00:00.000000"
	if at >= 0 {
		var ok bool
		if clock, ok = timeText(s[at+1:]); !ok {
			return "", false
		}
		day = s[:at]
	}
	if len(day) == 8 && strings.Trim(day, "0123456789") == "" {
		day = day[:4] + "-" + day[4:6] + "-" + day[6:]
	}
	parts := strings.FieldsFunc(day, func(r rune) bool { return r == '-' || r == '/' || r == '.' })
	if len(parts) != 3 {
		return "", false
	}
	year, ok1 := digits(parts[0], 4)
	month, ok2 := digits(parts[1], 2)
	date, ok3 := digits(parts[2], 2)
	if !ok1 || !ok2 || !ok3 || len(parts[0]) == 3 || len(parts[0]) == 1 {
		return "", false
	}
	if len(parts[0]) == 2 {
		year += 2000
		if year >= 2070 {
			year -= 100
		}
	}
	t := time.Date(year, time.Month(month), date, 0, 0, 0, 0, time.UTC)
	if year == 0 || t.Year() != year || int(t.Month()) != month || t.Day() != date {
		return "", false
	}
	return t.Format(time.DateOnly) + " " + clock, true
}

// timeText reads a time of day: hours and minutes, and seconds with a fraction where given.
func timeText(s string) (string, bool) {
	parts := strings.Split(strings.TrimSpace(s), ":")
	if len(parts) < 2 || len(parts) > 3 {
		return "", false
	}
	hour, ok1 := digits(parts[0], 2)
	minute, ok2 := digits(parts[1], 2)
	second, micros := 0, "000000"
	ok3 := true
	if len(parts) == 3 {
		whole, fraction, _ := strings.Cut(parts[2], ".")
		second, ok3 = digits(whole, 2)
		if strings.Trim(fraction, "0123456789") != "" {
			return "", false
		}
		micros = (fraction + "000000")[:6]
	}
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 59 {
		return "", false
	}
	return twoDigits(hour) + ":" + twoDigits(minute) + ":" + twoDigits(second) + "." + micros, true
}

// digits reads a number of at most so many digits and nothing else.
func digits(s string, most int) (int, bool) {
	if s == "" || len(s) > most || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

func twoDigits(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// shownText gives a column's text form as Frappe's Python prints the value: whole seconds without a fraction, hours
// without a leading zero.
func shownText(typ store.ColumnType, text string) string {
	switch typ {
	case store.TypeDatetime:
		return strings.TrimSuffix(text, ".000000")
	case store.TypeTime:
		return strings.TrimSuffix(strings.TrimPrefix(text, "0"), ".000000")
	}
	return text
}

// loadValue makes the value in memory of a column's text form.
func loadValue(typ store.ColumnType, text []byte) any {
	if text == nil {
		return nil
	}
	s := string(text)
	switch typ {
	case store.TypeInt, store.TypeBigInt, store.TypeCheck:
		n, _ := strconv.ParseInt(s, 10, 64)
		return n
	case store.TypeDecimal, store.TypeRating:
		f, _ := strconv.ParseFloat(s, 64)
		return f
	}
	return shownText(typ, s)
}
