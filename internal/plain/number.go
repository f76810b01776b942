// Package plain works on the text forms of values that no collation compares: decimal numbers, exactly and without floating
// point, and bytes. It is for this project's stores.
//
// A number is in normal form if it is an optional minus, digits without needless leading zeros, and, where it has
// places, a point and exactly that many digits. There is no negative zero.
package plain

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// Number returns a number such as "-12.5" in normal form with so many places, rounded half away from zero. It reports
// false for what is not a number: an exponent, blanks and a lone sign or point are not.
func Number(s string, places int) (string, bool) {
	if isNumber(s, places) {
		return s, true
	}
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(digits, "+")
	}
	whole, fraction, point := strings.Cut(digits, ".")
	if !allDigits(whole) || !allDigits(fraction) || whole+fraction == "" || point && fraction == "" && whole == "" {
		return "", false
	}
	up := len(fraction) > places && fraction[places] >= '5'
	if len(fraction) > places {
		fraction = fraction[:places]
	}
	scaled := []byte(whole + fraction + strings.Repeat("0", places-len(fraction)))
	if up {
		scaled = increment(scaled)
	}
	return place(string(scaled), places, negative), true
}

// Decimal prints a float as MariaDB prints it back from a column with so many places: of the shortest decimal that is the float,
// rounded half away from zero, as its own conversion does. What is not finite gives "".
func Decimal(f float64, places int) string {
	text, _ := Number(strconv.FormatFloat(f, 'f', -1, 64), places)
	return text
}

// isNumber reports whether s is in normal form already, which it nearly always is.
func isNumber(s string, places int) bool {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	return len(fraction) == places && whole != "" && len(digits) == len(whole)+places+min(places, 1) &&
		(whole[0] != '0' || len(whole) == 1) && allDigits(whole) && allDigits(fraction) &&
		(!negative || strings.Trim(digits, "0.") != "")
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// increment adds one to a number of digits.
func increment(digits []byte) []byte {
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i] < '9' {
			digits[i]++
			return digits
		}
		digits[i] = '0'
	}
	return append([]byte{'1'}, digits...)
}

// place puts the point before the last places digits and writes the normal form.
func place(digits string, places int, negative bool) string {
	digits = strings.TrimLeft(digits, "0")
	negative = negative && digits != ""
	if short := places + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	text := digits[:len(digits)-places]
	if places > 0 {
		text += "." + digits[len(digits)-places:]
	}
	if negative {
		text = "-" + text
	}
	return text
}

// Compare returns -1, 0 or +1 as a is less than, equal to or greater than b. Both are in normal form, but may differ in
// their number of places. It does not allocate.
func Compare(a, b string) int {
	a, left := strings.CutPrefix(a, "-")
	b, right := strings.CutPrefix(b, "-")
	switch {
	case left && right:
		return compareDigits(b, a)
	case left:
		return -1
	case right:
		return 1
	}
	return compareDigits(a, b)
}

// compareDigits compares numbers without a sign.
func compareDigits(a, b string) int {
	x, xs, _ := strings.Cut(a, ".")
	y, ys, _ := strings.Cut(b, ".")
	if len(x) != len(y) {
		return cmp.Compare(len(x), len(y))
	}
	if c := strings.Compare(x, y); c != 0 {
		return c
	}
	for len(xs) < len(ys) && ys[len(ys)-1] == '0' {
		ys = ys[:len(ys)-1]
	}
	for len(ys) < len(xs) && xs[len(xs)-1] == '0' {
		xs = xs[:len(xs)-1]
	}
	return strings.Compare(xs, ys)
}

// AppendKey appends bytes that order as Compare orders numbers of the same number of places; no key is the beginning of another.
func AppendKey(key []byte, s string) []byte {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	sign, mask := byte(2), byte(0)
	if negative {
		sign, mask = 1, 0xFF
	}
	key = append(key, sign, byte(len(whole))^mask)
	for _, part := range [2]string{whole, fraction} {
		for i := 0; i < len(part); i++ {
			key = append(key, part[i]^mask)
		}
	}
	return key
}

// Sum adds numbers of the same number of places. The zero Sum is ready to use for numbers without places.
type Sum struct {
	Places int // of each number
	Count  int64
	total  big.Int
	next   big.Int
}

// Add adds a number in normal form. What is not a number counts as 0.
func (s *Sum) Add(number string) {
	s.Count++
	if digits := strings.Replace(number, ".", "", 1); digits != "" {
		if _, ok := s.next.SetString(digits, 10); ok {
			s.total.Add(&s.total, &s.next)
		}
	}
}

// Total returns the sum in normal form, with as many places as the numbers.
func (s *Sum) Total() string { return placeInt(&s.total, s.Places) }

// Average returns the sum divided by the count, with four places more than the numbers, rounded half away from zero. The
// count must not be 0.
func (s *Sum) Average() string {
	scaled := new(big.Int).Mul(new(big.Int).Abs(&s.total), big.NewInt(2*10000))
	count := big.NewInt(s.Count)
	scaled.Add(scaled, count).Quo(scaled, count.Lsh(count, 1)) // floor((2x + n) / 2n): x / n rounded half up
	if s.total.Sign() < 0 {
		scaled.Neg(scaled)
	}
	return placeInt(scaled, s.Places+4)
}

func placeInt(n *big.Int, places int) string {
	return place(new(big.Int).Abs(n).String(), places, n.Sign() < 0)
}
