package plain

import "testing"

func TestTimes(t *testing.T) {
	for _, tt := range []struct {
		name string
		read func(string) (string, bool)
		in   string
		want string // "" is refused
	}{
		{"date", Date, "2026-03-15", "2026-03-15"},
		{"date of a moment", Date, "2026-03-15T10:20", "2026-03-15"},
		{"digits", Date, "20260315", "2026-03-15"},
		{"short", Date, "26/3.5", "2026-03-05"},
		{"last century", Date, "70-1-1", "1970-01-01"},
		{"leap year", Date, "2024-02-29", "2024-02-29"},
		{"no leap year", Date, "2023-02-29", ""},
		{"year 0", Date, "0000-01-01", ""},
		{"year of three digits", Date, "202-01-01", ""},
		{"words", Date, "today", ""},
		{"nothing", Date, "", ""},
		{"midnight", Datetime, " 2026-03-15 ", "2026-03-15 00:00:00.000000"},
		{"moment", Datetime, "2026-03-15 1:2:3.4567891", "2026-03-15 01:02:03.456789"},
		{"wrong time", Datetime, "2026-03-15 25:00", ""},
		{"time", Time, "9:05", "09:05:00.000000"},
		{"fraction", Time, "23:59:59.5", "23:59:59.500000"},
		{"seconds", Time, "23:59:60", ""},
		{"hour", Time, "9", ""},
		{"blank", Time, "09: 5", ""},
		{"as it is kept", Datetime, "2026-03-15 10:20:30.000001", "2026-03-15 10:20:30.000001"},
		{"day 30 of February", Datetime, "2026-02-30 10:20:30.000001", ""},
		{"last day", Datetime, "2026-03-31 10:20:30.000001", "2026-03-31 10:20:30.000001"},
		{"minute 60", Datetime, "2026-03-15 10:60:30.000001", ""},
		{"month 13", Date, "2026-13-15", ""},
		{"day 0", Date, "2026-12-00", ""},
		{"letters in the fraction", Time, "09:05:00.x", ""},
	} {
		if got, ok := tt.read(tt.in); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%s: got %q and %v, want %q", tt.name, got, ok, tt.want)
		}
	}
}

func TestDigits(t *testing.T) {
	for in, want := range map[string]int{"007": 7, "1234": -1, "": -1, "-1": -1, "1 ": -1} {
		got, ok := Digits(in, 3)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("Digits(%q, 3): got %d, want %d", in, got, want)
		}
	}
}
