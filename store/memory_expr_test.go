package store

import "testing"

func TestHolds(t *testing.T) {
	number, text, day := &Column{Name: "n", Type: TypeDecimal}, &Column{Name: "t", Type: TypeVarchar, Length: 140}, &Column{Name: "d", Type: TypeDate}
	for _, tt := range []struct {
		name   string
		column *Column
		op     Op
		values []string
		value  string
		want   bool
	}{
		{"numbers are not text", number, OpLess, []string{"10"}, "9", true},
		{"equal numbers", number, OpEqual, []string{"0.000000000"}, "0", true},
		{"text without case", text, OpEqual, []string{"A"}, "a", true},
		{"like", text, OpLike, []string{"%"}, "", true},
		{"not like", text, OpNotLike, []string{"%"}, "", false},
		{"dates", day, OpGreaterEqual, []string{"2026-03-15"}, "2026-03-16", true},
		{"not between", day, OpBetween, []string{"2026-03-01", "2026-03-15"}, "2026-03-16", false},
		{"no values", text, OpEqual, nil, "", false},
		{"no number", number, OpEqual, []string{"x"}, "0", false},
	} {
		c := Cond{Op: tt.op, Expr: Expr{Column: tt.column}, Values: tt.values}
		if got := c.Holds(tt.value); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
