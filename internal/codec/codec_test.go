package codec

import (
	"database/sql"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/frappems/frappems/store"
)

type status string

func pointer[T any](v T) *T { return &v }

func TestCodecs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		typ   store.ColumnType
		in    any
		field any // what Load makes of in
		out   any // what Value makes of that
	}{
		{"text", store.TypeVarchar, "a", "a", "a"},
		{"null as text", store.TypeVarchar, nil, "", ""},
		{"named type", store.TypeVarchar, "a", status("a"), "a"},
		{"date", store.TypeDate, "2026-03-15", "2026-03-15", "2026-03-15"},
		{"check", store.TypeCheck, int64(1), true, int64(1)},
		{"check as a number", store.TypeCheck, int64(1), 1, int64(1)},
		{"null as check", store.TypeCheck, nil, false, int64(0)},
		{"number", store.TypeBigInt, "7", int64(7), int64(7)},
		{"decimal", store.TypeDecimal, 1.5, 1.5, 1.5},
		{"JSON", store.TypeJSON, `{"a":1}`, json.RawMessage(`{"a":1}`), `{"a":1}`},
		{"JSON as text", store.TypeJSON, `{}`, `{}`, `{}`},
		{"pointer", store.TypeVarchar, "a", pointer("a"), "a"},
		{"nil", store.TypeVarchar, nil, (*string)(nil), nil},
		{"pointer to a zero", store.TypeInt, int64(0), pointer(0), int64(0)},
		{"Null", store.TypeDecimal, 1.5, sql.NullFloat64{Float64: 1.5, Valid: true}, 1.5},
		{"Null of null", store.TypeDecimal, nil, sql.NullFloat64{}, nil},
		{"generic Null", store.TypeVarchar, "a", sql.Null[status]{V: "a", Valid: true}, "a"},
	} {
		want := reflect.ValueOf(tt.field)
		c, problem := Of(want.Type(), &store.Column{Name: "c", Type: tt.typ})
		if problem != "" {
			t.Errorf("%s: got the problem %q", tt.name, problem)
			continue
		}
		field := reflect.New(want.Type()).Elem()
		c.Load(field, tt.in)
		if got := field.Interface(); !reflect.DeepEqual(got, tt.field) {
			t.Errorf("%s: got %#v, want %#v", tt.name, got, tt.field)
		}
		if got := c.Value(field); !reflect.DeepEqual(got, tt.out) {
			t.Errorf("%s: got back %#v, want %#v", tt.name, got, tt.out)
		}
		other := any(nil)
		if tt.in == nil {
			other = "8.5"
		}
		if !c.Same(field, tt.in) || c.Same(field, other) {
			t.Errorf("%s: got %v as the same as %v, and %v as %v", tt.name, c.Same(field, tt.in), tt.in, c.Same(field, other), other)
		}
	}
}

func TestWant(t *testing.T) {
	for _, tt := range []struct {
		column store.Column
		field  any
		want   string
	}{
		{store.Column{Type: store.TypeVarchar}, 1, "string"},
		{store.Column{Type: store.TypeInt}, "", "int or int64"},
		{store.Column{Type: store.TypeBigInt, Name: "name"}, 1, "string"},
		{store.Column{Type: store.TypeBigInt, Name: "name"}, "", ""},
		{store.Column{Type: store.TypeCheck}, 1.5, "bool, int or int64"},
		{store.Column{Type: store.TypeRating}, 1, "float64"},
		{store.Column{Type: store.TypeJSON}, []byte{}, "json.RawMessage or string"},
		{store.Column{Type: store.TypeVarchar}, pointer(1), "string"},
		{store.Column{Type: store.TypeVarchar}, sql.NullInt64{}, "string"},
	} {
		if _, got := Of(reflect.TypeOf(tt.field), &tt.column); got != tt.want {
			t.Errorf("%T for %s: got %q, want %q", tt.field, tt.column.Type, got, tt.want)
		}
	}
}
