package plain

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		in     string
		places int
		want   string // "" is not a number
	}{
		{"12.3", 9, "12.300000000"}, {"12.300000000", 9, "12.300000000"}, {"-0", 0, "0"}, {"-0.0000000001", 9, "0.000000000"},
		{"0.0000000005", 9, "0.000000001"}, {"-0.0000000005", 9, "-0.000000001"}, {"9.9999999999", 9, "10.000000000"},
		{"007", 0, "7"}, {"+7", 0, "7"}, {".5", 1, "0.5"}, {"5.", 1, "5.0"}, {"0.5", 0, "1"}, {"-0.000", 3, "0.000"}, {"12", 0, "12"},
		{"1.", 0, "1"}, {"", 0, ""}, {".", 0, ""}, {"-", 0, ""}, {"1e5", 0, ""}, {" 1", 0, ""}, {"1.2.3", 2, ""}, {"--1", 0, ""}, {"+-1", 0, ""},
	} {
		got, ok := Number(c.in, c.places)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Number(%q, %d) = %q, %v; want %q", c.in, c.places, got, ok, c.want)
		}
	}
}

func TestCompareAndKey(t *testing.T) {
	number := func(r *rand.Rand) string {
		digits := strings.Repeat("9", r.IntN(20)) + "1"
		n, _ := new(big.Int).SetString(digits, 10)
		n.Sub(n, big.NewInt(r.Int64N(1<<40)))
		if r.IntN(2) == 0 {
			n.Neg(n)
		}
		return placeInt(n, 9)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		a, b := number(r), number(r)
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if got, want := Compare(a, b), x.Cmp(y); got != want {
			t.Fatalf("Compare(%s, %s) = %d, want %d", a, b, got, want)
		}
		if got, want := strings.Compare(string(AppendKey(nil, a)), string(AppendKey(nil, b))), x.Cmp(y); got != want {
			t.Fatalf("the keys of %s and %s compare as %d, want %d", a, b, got, want)
		}
	}
	if Compare("1", "1.000") != 0 || Compare("1.5", "1.50") != 0 || Compare("1", "1.001") != -1 || Compare("-1", "-1.1") != 1 {
		t.Error("numbers with different places compare wrongly")
	}
}

func TestSum(t *testing.T) {
	for _, c := range []struct {
		places         int
		in             string
		total, average string
	}{
		{0, "1 2 2", "5", "1.6667"}, {0, "2 3", "5", "2.5000"}, {0, "-2 0 0", "-2", "-0.6667"},
		{9, "0.000000001 0.000000002 0.000000002", "0.000000005", "0.0000000016667"}, {2, "0.25 0.50 0.50", "1.25", "0.416667"},
		{0, "1" + strings.Repeat(" 0", 31), "1", "0.0313"}, {0, "-1" + strings.Repeat(" 0", 31), "-1", "-0.0313"},
		{0, "9223372036854775807 9223372036854775807", "18446744073709551614", "9223372036854775807.0000"},
	} {
		sum := Sum{Places: c.places}
		for _, n := range strings.Fields(c.in) {
			sum.Add(n)
		}
		if sum.Total() != c.total || sum.Average() != c.average {
			t.Errorf("of %s: sum %s, average %s; want %s, %s", c.in, sum.Total(), sum.Average(), c.total, c.average)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		s, pattern string
		want       bool
	}{
		{"", "", true}, {"", "%", true}, {"", "_", false}, {"a", "", false}, {"abc", "a%c", true}, {"abc", "a%b", false}, {"abc", "%b%", true},
		{"aXbXc", "a%X_", true}, {"A", "a", false}, {"12.300000000", "12.3%", true}, {"a%", "a%%", true}, {"abcabd", "%ab_", true}, {"ab", "%_%_%_%", false},
	} {
		if got := Match(c.s, c.pattern); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.s, c.pattern, got)
		}
	}
}
