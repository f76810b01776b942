package value

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/frappems/frappems/store"
)

func TestCasts(t *testing.T) {
	for _, tt := range []struct {
		in      any
		integer int64
		float   float64
		text    string
		empty   bool
	}{
		{nil, 0, 0, "", true},
		{"", 0, 0, "", true},
		{"x", 0, 0, "x", false},
		{" 12 ", 12, 12, " 12 ", false},
		{"1,234.5", 0, 1234.5, "1,234.5", false},
		{"-7.9", -7, -7.9, "-7.9", false},
		{"0x10", 0, 0, "0x10", false},
		{"inf", 0, 0, "inf", false},
		{"9223372036854775807", math.MaxInt64, math.MaxInt64, "9223372036854775807", false},
		{"1e999", 0, math.Inf(1), "1e999", false},
		{true, 1, 1, "1", false},
		{false, 0, 0, "0", true},
		{int64(0), 0, 0, "0", true},
		{int64(-5), -5, -5, "-5", false},
		{0.0, 0, 0, "0", true},
		{1e21, math.MaxInt64, 1e21, "1000000000000000000000", false},
		{-1e21, math.MinInt64, -1e21, "-1000000000000000000000", false},
		{math.NaN(), 0, math.NaN(), "NaN", false},
		{json.RawMessage("{}"), 0, 0, "{}", false},
	} {
		if got := Int(tt.in); got != tt.integer {
			t.Errorf("Int(%#v): got %d, want %d", tt.in, got, tt.integer)
		}
		if got := Float(tt.in); got != tt.float && !math.IsNaN(tt.float) {
			t.Errorf("Float(%#v): got %v, want %v", tt.in, got, tt.float)
		}
		if got := Text(tt.in); got != tt.text {
			t.Errorf("Text(%#v): got %q, want %q", tt.in, got, tt.text)
		}
		if got := IsEmpty(tt.in); got != tt.empty {
			t.Errorf("IsEmpty(%#v): got %v, want %v", tt.in, got, tt.empty)
		}
	}
}

func TestCast(t *testing.T) {
	for _, tt := range []struct {
		fieldtype string
		in, want  any
	}{
		{"Check", "2", int64(1)},
		{"Check", nil, int64(0)},
		{"Int", "7.9", int64(7)},
		{"Int", true, true},
		{"Currency", "1,000.5", 1000.5},
		{"Long Int", "7", "7"},
		{"Data", nil, nil},
	} {
		if got := Cast(tt.fieldtype, tt.in); got != tt.want {
			t.Errorf("%s of %#v: got %#v, want %#v", tt.fieldtype, tt.in, got, tt.want)
		}
	}
}

func TestColumns(t *testing.T) {
	for _, tt := range []struct {
		typ    store.ColumnType
		in     any
		text   string // "" is refused
		loaded any
	}{
		{store.TypeInt, "12.7", "12", int64(12)},
		{store.TypeBigInt, "9223372036854775807", "9223372036854775807", int64(math.MaxInt64)},
		{store.TypeBigInt, 1e19, "", nil},
		{store.TypeDecimal, 0.1234567895, "0.123456790", 0.12345679},
		{store.TypeDecimal, DecimalLimit, "", nil},
		{store.TypeRating, 0.6, "0.60", 0.6},
		{store.TypeRating, int64(10), "", nil},
		{store.TypeDate, "20260315", "2026-03-15", "2026-03-15"},
		{store.TypeDatetime, "2026-03-15", "2026-03-15 00:00:00.000000", "2026-03-15 00:00:00"},
		{store.TypeTime, "9:05", "09:05:00.000000", "9:05:00"},
		{store.TypeTime, "later", "", nil},
		{store.TypeJSON, json.RawMessage(`{"a":1}`), `{"a":1}`, `{"a":1}`},
		{store.TypeJSON, json.RawMessage(`[1]`), "", nil},
		{store.TypeJSON, "{", "", nil},
		{store.TypeVarchar, json.RawMessage(`{}`), "", nil},
		{store.TypeVarchar, true, "1", "1"},
	} {
		text, err := ForColumn(&store.Column{Name: "c", Type: tt.typ}, tt.in)
		if (err != nil) != (tt.text == "") || text != tt.text {
			t.Errorf("%s of %#v: got %q and %v, want %q", tt.typ, tt.in, text, err, tt.text)
		}
		if err == nil {
			if got := FromColumn(tt.typ, []byte(text)); !reflect.DeepEqual(got, tt.loaded) {
				t.Errorf("%s %q: got %#v, want %#v", tt.typ, text, got, tt.loaded)
			}
		}
	}
	if got := FromColumn(store.TypeDate, nil); got != nil {
		t.Errorf("NULL: got %#v, want nil", got)
	}
}
