// Package value is the values that documents have in memory: what Frappe's Python keeps there. They are nil, string, bool, int64,
// float64, or json.RawMessage where a client sent an object or a list. Numbers are cast when a document is saved; text, dates and
// durations stay as they were sent until they are read back. A store gets and gives text forms.
package value

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/frappems/frappems/internal/message"
	"github.com/frappems/frappems/internal/plain"

	"github.com/frappems/frappems/store"
)

// Int is Frappe's cint: what is not a number is 0.
func Int(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case bool:
		return int64(Bit(v))
	}
	f := Float(v)
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

// Float is Frappe's flt: commas are passed over, and what is not a number is 0.
func Float(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case bool:
		return float64(Bit(v))
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

// Text is Frappe's cstr.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.Itoa(Bit(v))
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.RawMessage:
		return string(v)
	}
	return ""
}

// IsEmpty says whether Python holds the value for false.
func IsEmpty(v any) bool {
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

// Cast is what Frappe makes of a value of a numeric field type when it saves; those of others stay as they are.
func Cast(fieldtype string, v any) any {
	switch fieldtype {
	case "Check":
		return int64(Bit(Int(v) != 0))
	case "Int":
		switch v.(type) {
		case int64, bool: // Python's True is an int
			return v
		}
		return Int(v)
	case "Float", "Currency", "Percent":
		return Float(v)
	}
	return v
}

// DecimalLimit is where a decimal column, of 21 digits with 9 places, ends.
const DecimalLimit = 1e12

// ForColumn gives the text form of a value, which is not nil, for a column. The error is a [message.Error].
func ForColumn(c *store.Column, v any) (string, error) {
	// A list is refused in a JSON field too, as recorded (update-023); an object is not.
	if raw, ok := v.(json.RawMessage); ok && (c.Type != store.TypeJSON || Kind(raw) == "a list") {
		return "", message.Invalid("Value for %s cannot be %s", message.Bold(c.Name), Kind(raw))
	}
	text, ok := "", true
	switch c.Type {
	case store.TypeInt, store.TypeBigInt, store.TypeCheck:
		text = strconv.FormatInt(Int(v), 10)
		ok = math.Abs(Float(v)) < 1<<63 || Text(v) == text
	case store.TypeDecimal:
		f := Float(v)
		text, ok = plain.Decimal(f, 9), math.Abs(f) < DecimalLimit
	case store.TypeRating:
		f := Float(v)
		text, ok = plain.Decimal(f, 2), math.Abs(f) < 10
	case store.TypeDate:
		text, ok = plain.Date(Text(v))
	case store.TypeDatetime:
		text, ok = plain.Datetime(Text(v))
	case store.TypeTime:
		text, ok = plain.Time(Text(v))
	case store.TypeJSON:
		text = Text(v)
		ok = json.Valid([]byte(text))
	default:
		text = Text(v)
	}
	if !ok {
		return "", &message.Error{Type: "DataError", Text: message.Quote(Text(v)) + " is not a valid value for " + message.Bold(c.Name)}
	}
	return text, nil
}

// Shown gives a column's text form as Frappe's Python prints the value: whole seconds without a fraction, hours
// without a leading zero.
func Shown(typ store.ColumnType, text string) string {
	switch typ {
	case store.TypeDatetime:
		return strings.TrimSuffix(text, ".000000")
	case store.TypeTime:
		return strings.TrimSuffix(strings.TrimPrefix(text, "0"), ".000000")
	}
	return text
}

// FromColumn makes the value of a column's text form; nil is NULL.
func FromColumn(typ store.ColumnType, text []byte) any {
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
	return Shown(typ, s)
}

// Bit is a bool as Frappe writes it.
func Bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
