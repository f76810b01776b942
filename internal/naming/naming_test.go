package naming

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func source() *Source {
	counters := map[string]int64{}
	return &Source{
		Now: time.Date(2026, 3, 15, 10, 20, 30, 0, time.UTC),
		Field: func(name string) (string, bool) {
			text, has := map[string]string{"title": " T ", "empty": ""}[name]
			return text, has
		},
		Number: func(series string) (int64, error) {
			counters[series]++
			return counters[series], nil
		},
	}
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		name          string
		by            func(*Source, string) (string, error)
		in            string
		first, second string // "" is an error
	}{
		{"digits", (*Source).Series, "P-.###", "P-001", "P-002"},
		{"only the first digits", (*Source).Series, "P-.##.-.####", "P-01-", "P-02-"},
		{"dates", (*Source).Series, "YY.-.YYYY.-.MM.-.DD.-.WW.-.#", "26-2026-03-15-11-1", "26-2026-03-15-11-2"},
		{"moment", (*Source).Series, "P.timestamp", "P2026-03-15 10:20:30.000000", "P2026-03-15 10:20:30.000000"},
		{"fields", (*Source).Series, "title.-.{title}.-.empty.-.{none}.-.none", "T-T---none", "T-T---none"},
		{"no dot", (*Source).Series, "P-###", "", ""},
		{"special characters", (*Source).Series, "P*.###", "", ""},
		{"format", (*Source).Format, "V-{title}-{MM}-{##}/{##}", "V-T-03-01/", "V-T-03-02/"},
		{"format without a number", (*Source).Format, "{title} {none}", "T none", "T none"},
	} {
		s := source()
		for _, want := range []string{tt.first, tt.second} {
			if got, err := tt.by(s, tt.in); got != want || (err != nil) != (want == "") {
				t.Errorf("%s: got %q and %v, want %q", tt.name, got, err, want)
			}
		}
	}
}

func TestWithoutNumber(t *testing.T) {
	s, down := source(), errors.New("down")
	s.Number = func(string) (int64, error) { return 0, down }
	for _, by := range []func(*Source, string) (string, error){(*Source).Series, (*Source).Format} {
		if got, err := by(s, "P-.#{#}"); got != "" || err != down {
			t.Errorf("got %q and %v, want the error of Number", got, err)
		}
	}
}

func TestConsecutiveWeek(t *testing.T) {
	for day, want := range map[string]string{"2027-01-01": "00", "2026-12-31": "53", "2024-12-30": "53", "2024-01-01": "01", "2026-07-01": "27"} {
		now, _ := time.Parse(time.DateOnly, day)
		if got := consecutiveWeek(now); got != want {
			t.Errorf("%s: got %s, want %s", day, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		pattern, name, series string
		number                int64
		ok                    bool
	}{
		{"P-.###", "P-012", "P-", 12, true},
		{"A-.YY.-", "A-26-00007", "A-26-", 7, true},
		{"F-{title}-{##}", "F-x-09", "F-x-", 9, true},
		{"P-.###", "P-1012", "P-1", 12, true},
		{"P-.##.-x", "P-01-x", "", 0, false},
		{"P-.##", "P-xx", "", 0, false},
		{"P-.####", "P-1", "", 0, false},
		{"", "P-00001", "", 0, false},
	} {
		series, number, ok := Number(tt.pattern, tt.name)
		if series != tt.series || number != tt.number || ok != tt.ok {
			t.Errorf("%s of %s: got %q, %d, %v, want %q, %d, %v", tt.name, tt.pattern, series, number, ok, tt.series, tt.number, tt.ok)
		}
	}
}

func TestRandom(t *testing.T) {
	now := time.Date(2026, 3, 15, 10, 20, 30, 0, time.UTC)
	if a, b := Random(), Random(); len(a) != 10 || strings.Trim(a, "0123456789abcdefghijklmnopqrstuv") != "" || a == b {
		t.Errorf("got %q and %q, want ten characters each, and not the same", a, b)
	}
	a, b := UUID(now), UUID(now.Add(time.Millisecond))
	if len(a) != 36 || a[14] != '7' || !strings.ContainsRune("89ab", rune(a[19])) || a >= b {
		t.Errorf("got %q and a millisecond later %q, want UUIDs of version 7 in their order", a, b)
	}
}

func FuzzPatterns(f *testing.F) {
	f.Add("P-.YY.-.###")
	f.Add("{title}-{##}")
	f.Fuzz(func(t *testing.T, pattern string) {
		s := source()
		s.Series(pattern)
		name, err := s.Format(pattern)
		if err != nil {
			t.Errorf("Format(%q): got %v, want no error", pattern, err)
		}
		if series, _, ok := Number(pattern, name); ok && !strings.HasPrefix(name, series) {
			t.Errorf("Number(%q, %q): got the series %q", pattern, name, series)
		}
	})
}
