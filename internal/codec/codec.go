// Package codec moves values between documents and the fields of Go structs.
package codec

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/frappems/frappems/internal/value"

	"github.com/frappems/frappems/store"
)

// Codec moves one value between a document and a field of a struct.
type Codec struct {
	Load  func(field reflect.Value, v any)
	Same  func(field reflect.Value, v any) bool // the field holds what Load makes of v
	Value func(field reflect.Value) any
}

// by makes a Codec of how a value in memory becomes one of Go's, and of the two methods of a field that holds one.
func by[T comparable](of func(v any) T, get func(reflect.Value) T, set func(reflect.Value, T)) Codec {
	return Codec{
		func(f reflect.Value, v any) { set(f, of(v)) },
		func(f reflect.Value, v any) bool { return get(f) == of(v) },
		func(f reflect.Value) any { return get(f) },
	}
}

var (
	text    = by(value.Text, reflect.Value.String, reflect.Value.SetString)
	integer = by(value.Int, reflect.Value.Int, reflect.Value.SetInt)
	float   = by(value.Float, reflect.Value.Float, reflect.Value.SetFloat)
	check   = by(
		func(v any) int64 { return int64(value.Bit(value.Int(v) != 0)) },
		func(f reflect.Value) int64 { return int64(value.Bit(f.Bool())) },
		func(f reflect.Value, v int64) { f.SetBool(v != 0) })
	rawJSON = Codec{
		func(f reflect.Value, v any) { f.SetBytes(append([]byte(nil), value.Text(v)...)) },
		func(f reflect.Value, v any) bool { return string(f.Bytes()) == value.Text(v) },
		func(f reflect.Value) any {
			if f.Len() == 0 {
				return nil
			}
			return string(f.Bytes())
		},
	}
)

// Of gives the Codec of a type of field for a column. Where fields of the type cannot hold its values, want names the types that
// can; else it is "".
func Of(t reflect.Type, column *store.Column) (c Codec, want string) {
	if t.Kind() == reflect.Pointer {
		c, want := Of(t.Elem(), column)
		value := func(f reflect.Value) (reflect.Value, bool) { return f.Elem(), !f.IsNil() }
		return c.optional(value, func(f reflect.Value) { f.Set(reflect.New(t.Elem())) }), want
	}
	if t.PkgPath() == "database/sql" && t.Kind() == reflect.Struct && t.NumField() == 2 && t.Field(1).Name == "Valid" {
		c, want := Of(t.Field(0).Type, column)
		value := func(f reflect.Value) (reflect.Value, bool) { return f.Field(0), f.Field(1).Bool() }
		return c.optional(value, func(f reflect.Value) { f.Field(1).SetBool(true) }), want
	}
	switch kind := t.Kind(); column.Type {
	case store.TypeCheck:
		if kind == reflect.Bool {
			return check, ""
		}
		return integer, wantKind(kind, "bool, int or int64", reflect.Int, reflect.Int64)
	case store.TypeInt, store.TypeBigInt:
		if column.Name == "name" {
			return text, wantKind(kind, "string", reflect.String)
		}
		return integer, wantKind(kind, "int or int64", reflect.Int, reflect.Int64)
	case store.TypeDecimal, store.TypeRating:
		return float, wantKind(kind, "float64", reflect.Float64)
	case store.TypeJSON:
		if t == reflect.TypeFor[json.RawMessage]() {
			return rawJSON, ""
		}
		return text, wantKind(kind, "json.RawMessage or string", reflect.String)
	default:
		return text, wantKind(kind, "string", reflect.String)
	}
}

func wantKind(kind reflect.Kind, names string, kinds ...reflect.Kind) string {
	if slices.Contains(kinds, kind) {
		return ""
	}
	return names
}

// optional is the Codec for a pointer, or for a Null of database/sql, that is null where it has no value: value gives it and says
// whether there is one, and fill makes room for one.
func (c Codec) optional(value func(f reflect.Value) (reflect.Value, bool), fill func(f reflect.Value)) Codec {
	return Codec{
		func(f reflect.Value, v any) {
			f.SetZero()
			if v != nil {
				fill(f)
				inner, _ := value(f)
				c.Load(inner, v)
			}
		},
		func(f reflect.Value, v any) bool {
			inner, is := value(f)
			return is == (v != nil) && (!is || c.Same(inner, v))
		},
		func(f reflect.Value) any {
			if inner, is := value(f); is {
				return c.Value(inner)
			}
			return nil
		},
	}
}
