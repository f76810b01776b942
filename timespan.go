package frappems

import (
	"strconv"
	"strings"
	"time"
)

// timespan gives the first and last day of a named span, as Frappe's get_timespan_date_range does; weeks begin on Sunday.
// previous and next take a length ("1 month") instead of a name.
func timespan(operator, name string, now time.Time) (from, to string, ok bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	if operator != "timespan" {
		unit, known := map[string]string{"1 week": "week", "1 month": "month", "3 months": "quarter", "6 months": "6 months", "1 year": "year"}[name]
		if !known {
			return "", "", false
		}
		name = map[string]string{"previous": "last ", "next": "next "}[operator] + unit
	}
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	first, last, ok := spanOf(name, today)
	return first.Format(time.DateOnly), last.Format(time.DateOnly), ok
}

func spanOf(name string, today time.Time) (first, last time.Time, ok bool) {
	switch name {
	case "today":
		return today, today, true
	case "yesterday":
		return today.AddDate(0, 0, -1), today.AddDate(0, 0, -1), true
	case "tomorrow":
		return today.AddDate(0, 0, 1), today.AddDate(0, 0, 1), true
	}
	when, unit, found := strings.Cut(name, " ")
	step, known := map[string]int{"last": -1, "this": 0, "next": 1}[when]
	if !found || !known {
		return first, last, false
	}
	if count, isDays := strings.CutSuffix(unit, " days"); isDays && step != 0 {
		days, err := strconv.Atoi(count)
		if err != nil || days <= 0 || days > 366 {
			return first, last, false
		}
		if other := today.AddDate(0, 0, step*days); step < 0 {
			return other, today, true
		} else {
			return today, other, true
		}
	}
	return calendarSpan(unit, step, today)
}

// calendarSpan is a whole week, month, quarter, half year or year: that of today, the one before or the one after.
func calendarSpan(unit string, step int, today time.Time) (first, last time.Time, ok bool) {
	year, month := today.Year(), today.Month()
	quarter := (month-1)/3*3 + 1
	months := 0
	switch unit {
	case "week":
		first = today.AddDate(0, 0, 7*step-int(today.Weekday()))
		return first, first.AddDate(0, 0, 6), true
	case "month":
		first, months = time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).AddDate(0, step, 0), 1
	case "quarter":
		first, months = time.Date(year, quarter, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 3*step, 0), 3
	case "6 months":
		back := 3
		if step < 0 {
			back = -6
		}
		first, months = time.Date(year, quarter, 1, 0, 0, 0, 0, time.UTC).AddDate(0, back, 0), 6
	case "year":
		first, months = time.Date(year+step, 1, 1, 0, 0, 0, 0, time.UTC), 12
	default:
		return first, last, false
	}
	return first, first.AddDate(0, months, -1), unit != "6 months" || step != 0
}
