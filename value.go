package frappems

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

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
		text, ok = plain.Decimal(f, 9), math.Abs(f) < decimalLimit
	case store.TypeRating:
		f := toFloat(v)
		text, ok = plain.Decimal(f, 2), math.Abs(f) < 10
	case store.TypeDate:
		text, ok = plain.Date(toText(v))
	case store.TypeDatetime:
		text, ok = plain.Datetime(toText(v))
	case store.TypeTime:
		text, ok = plain.Time(toText(v))
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
