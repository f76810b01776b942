package timespan

import (
	"testing"
	"time"
)

func TestOf(t *testing.T) {
	now := time.Date(2026, 3, 15, 23, 59, 59, 0, time.UTC) // a Sunday
	for _, tt := range []struct{ operator, name, from, to string }{
		{"timespan", " Today ", "2026-03-15", "2026-03-15"},
		{"timespan", "yesterday", "2026-03-14", "2026-03-14"},
		{"timespan", "tomorrow", "2026-03-16", "2026-03-16"},
		{"timespan", "this week", "2026-03-15", "2026-03-21"},
		{"timespan", "last week", "2026-03-08", "2026-03-14"},
		{"timespan", "next month", "2026-04-01", "2026-04-30"},
		{"timespan", "last month", "2026-02-01", "2026-02-28"},
		{"timespan", "this quarter", "2026-01-01", "2026-03-31"},
		{"timespan", "last quarter", "2025-10-01", "2025-12-31"},
		{"timespan", "last 6 months", "2025-07-01", "2025-12-31"},
		{"timespan", "next 6 months", "2026-04-01", "2026-09-30"},
		{"timespan", "next year", "2027-01-01", "2027-12-31"},
		{"timespan", "last 7 days", "2026-03-08", "2026-03-15"},
		{"timespan", "next 366 days", "2026-03-15", "2027-03-16"},
		{"previous", "3 months", "2025-10-01", "2025-12-31"},
		{"next", "1 week", "2026-03-22", "2026-03-28"},
		{"timespan", "this 6 months", "", ""},
		{"timespan", "last 367 days", "", ""},
		{"timespan", "last 0 days", "", ""},
		{"timespan", "this 7 days", "", ""},
		{"timespan", "some month", "", ""},
		{"timespan", "last", "", ""},
		{"previous", "month", "", ""},
		{"previous", "", "", ""},
	} {
		from, to, ok := Of(tt.operator, tt.name, now)
		if !ok {
			from, to = "", ""
		}
		if from != tt.from || to != tt.to {
			t.Errorf("%s %q: got %s to %s, want %s to %s", tt.operator, tt.name, from, to, tt.from, tt.to)
		}
	}
}
