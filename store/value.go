package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/frappems/frappems/internal/plain"
)

// This file is what all stores share about values: their text forms, their order, and which columns can become which.

const tenantName = "tenant_id"

// tenantColumn is the column that every table has beside its own.
var tenantColumn = &Column{Name: tenantName, Type: TypeASCII, Length: 64, NotNull: true}

// isTenant reports whether the column is the one that holds the tenant.
func (c *Column) isTenant() bool { return strings.EqualFold(c.Name, tenantName) }

// isText reports whether values compare by CompareText.
func (t ColumnType) isText() bool {
	return t == TypeVarchar || t == TypeText || t == TypeLongText || t == TypeJSON
}

// isNumber reports whether values compare as numbers.
func (t ColumnType) isNumber() bool { return t >= TypeInt && t <= TypeRating }

// places returns how many digits a number has after the point.
func (t ColumnType) places() int {
	switch t {
	case TypeDecimal:
		return 9
	case TypeRating:
		return 2
	}
	return 0
}

var errNotSummable = errors.New("frappems: a sum or average of what is not a number")

// summable reports whether the expression's column can be summed.
func (e Expr) summable() bool { return e.Column != nil && e.Column.Type.isNumber() }

var columnTypeNames = [...]string{"Varchar", "ASCII", "Text", "LongText", "JSON", "Int", "BigInt", "Check", "Decimal", "Rating", "Date", "Datetime", "Time"}

// String returns the type's name without "Type".
func (t ColumnType) String() string {
	if int(t) < len(columnTypeNames) {
		return columnTypeNames[t]
	}
	return "ColumnType(" + strconv.Itoa(int(t)) + ")"
}

// kind describes a column's type as errors show it.
func (c *Column) kind() string {
	if c.Type == TypeVarchar || c.Type == TypeASCII {
		return c.Type.String() + "(" + strconv.Itoa(c.Length) + ")"
	}
	return c.Type.String()
}

// normal returns a value's text form as the column prints it, or an error that is an ErrValueOutOfRange: all stores refuse
// the same values.
func (c *Column) normal(s string) (string, error) {
	ok := true
	switch {
	case c.Type.isText():
		ok = utf8.ValidString(s) && c.fits(s)
	case c.Type == TypeASCII:
		ok = len(s) <= c.Length && strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf || r == 0 }) < 0
	case c.Type.isNumber():
		s, ok = c.number(s)
	case c.Type == TypeDate:
		ok = len(s) == 10 && validDate(s)
	case c.Type == TypeDatetime:
		ok = len(s) == 26 && s[10] == ' ' && validDate(s[:10]) && validTime(s[11:])
	case c.Type == TypeTime:
		ok = len(s) == 15 && validTime(s)
	}
	if !ok {
		return "", fmt.Errorf("frappems: column %s: %w: %.40q as %s", c.Name, ErrValueOutOfRange, s, c.kind())
	}
	return s, nil
}

// fits reports whether a text is short enough.
func (c *Column) fits(s string) bool {
	switch c.Type {
	case TypeVarchar:
		return len(s) <= c.Length || utf8.RuneCountInString(s) <= c.Length
	case TypeText:
		return len(s) <= 65535
	}
	return true
}

// printed returns the text form of a number, or "" for what is none.
func (c *Column) printed(s string) string {
	text, _ := plain.Number(s, c.Type.places())
	return text
}

// number returns the text form of a number and whether the column has room for it.
func (c *Column) number(s string) (string, bool) {
	text, ok := plain.Number(s, c.Type.places())
	if !ok {
		return s, false
	}
	var err error
	switch c.Type {
	case TypeInt:
		_, err = strconv.ParseInt(text, 10, 32)
	case TypeBigInt:
		_, err = strconv.ParseInt(text, 10, 64)
	case TypeCheck:
		ok = text == "0" || text == "1"
	case TypeDecimal:
		ok = len(strings.TrimPrefix(text, "-")) <= 12+10
	case TypeRating:
		ok = len(strings.TrimPrefix(text, "-")) <= 1+3
	}
	return text, ok && err == nil
}

// validDate reports whether s is of the form 2026-11-23 and names a day that is not far off.
func validDate(s string) bool {
	month, day := s[5:7], s[8:]
	return shaped(s, "0000-00-00") && month >= "01" && month <= "12" && day >= "01" && day <= "31" &&
		(day != "31" || !strings.Contains("02 04 06 09 11", month)) && (month != "02" || day <= "29")
}

// validTime reports whether s is of the form 09:05:00.000000.
func validTime(s string) bool {
	return shaped(s, "00:00:00.000000") && s[:2] <= "23" && s[3:5] <= "59" && s[6:8] <= "59"
}

// shaped reports whether s has a digit wherever shape has one and is equal to it elsewhere.
func shaped(s, shape string) bool {
	if len(s) != len(shape) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if shape[i] == '0' && (s[i] < '0' || s[i] > '9') || shape[i] != '0' && s[i] != shape[i] {
			return false
		}
	}
	return true
}

// wanted returns the text form of a value that a condition compares the column with: numbers are rounded to 9 places.
func (c *Column) wanted(s string) (string, error) {
	if !c.Type.isNumber() {
		return s, nil
	}
	text, ok := plain.Number(s, 9)
	if !ok {
		return "", fmt.Errorf("frappems: column %s is compared with %.40q, which is not a number", c.Name, s)
	}
	return strings.TrimSuffix(text, ".000000000"), nil
}

// wantedAll is wanted for several values.
func (c *Column) wantedAll(values []string) ([]string, error) {
	if !c.Type.isNumber() {
		return values, nil
	}
	texts := make([]string, len(values))
	for i, v := range values {
		var err error
		if texts[i], err = c.wanted(v); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// compare returns -1, 0 or +1 as the column orders a before, with or after b.
func (c *Column) compare(a, b string) int {
	switch {
	case c.Type.isText():
		return CompareText(a, b)
	case c.Type.isNumber():
		return plain.Compare(a, b)
	}
	return strings.Compare(a, b)
}

// like reports whether a text form matches a LIKE pattern.
func (c *Column) like(s, pattern string) bool {
	if c.Type.isText() {
		return MatchText(s, pattern)
	}
	return plain.Match(s, pattern)
}

// widens says what has to happen so that a column of a database can be used as another: nothing, or the database's type
// must be widened. The error names what to do where neither helps.
func (t *Table) widens(have, want *Column) (change bool, err error) {
	rank := func(c *Column) int {
		switch c.Type {
		case TypeVarchar:
			return min(c.Length, 16383)
		case TypeText:
			return 1 << 16
		case TypeLongText, TypeJSON:
			return 1 << 17
		case TypeASCII:
			return c.Length
		}
		return int(c.Type)
	}
	switch {
	case have.Type == want.Type, have.Type.isText() && want.Type.isText():
		return rank(have) < rank(want), nil
	case (have.Type == TypeCheck || have.Type == TypeInt) && want.Type == TypeBigInt, have.Type == TypeCheck && want.Type == TypeInt:
		return true, nil
	case have.Type == TypeBigInt && (want.Type == TypeInt || want.Type == TypeCheck), have.Type == TypeInt && want.Type == TypeCheck:
		return false, nil
	}
	return false, fmt.Errorf("frappems: table %s, column %s: the database has %s, but %s is needed, and its values cannot be converted "+
		"without loss: rename or convert the column by hand, or give the field another name", t.Name, want.Name, have.kind(), want.kind())
}

// inserted returns the text form that a row gets in a column which an insert does not name; nil is NULL.
func (c *Column) inserted() (cell, error) {
	if c.Default != "" {
		text, err := c.normal(c.Default)
		return cell{s: text}, err
	}
	if c.NotNull {
		return cell{}, fmt.Errorf("frappems: column %s: %w: it needs a value and has no default", c.Name, ErrValueOutOfRange)
	}
	return cell{null: true}, nil
}

// cell is one value of a row.
type cell struct {
	s    string // text form
	null bool
}

// compareCells compares two values of a column; NULL is lowest.
func (c *Column) compareCells(a, b cell) int {
	switch {
	case a.null && b.null:
		return 0
	case a.null:
		return -1
	case b.null:
		return 1
	}
	return c.compare(a.s, b.s)
}

// appendKey appends bytes that order as the column's values do, are equal for equal ones, and end by themselves.
func (c *Column) appendKey(key []byte, v cell) []byte {
	if v.null {
		return append(key, 0)
	}
	switch {
	case c.Type.isText():
		return append(append(key, 1), TextKey(v.s)...)
	case c.Type.isNumber():
		return plain.AppendKey(key, v.s)
	}
	return append(append(append(key, 1), v.s...), 0)
}
