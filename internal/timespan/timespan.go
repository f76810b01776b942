// Package timespan knows the spans of days that Frappe's filters name.
package timespan

import (
	"strconv"
	"strings"
	"time"
)

// Of gives the first and last day of a span, as Frappe's get_timespan_date_range does: with the operator timespan that of a name
// ("last month"), with previous and next that of a length ("1 month"). Weeks begin on Sunday.
func Of(operator, name string, now time.Time) (from, to string, ok bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	if operator != "timespan" {
		unit := map[string]string{"1 week": "week", "1 month": "month", "3 months": "quarter", "6 months": "6 months", "1 year": "year"}[name]
		name = map[string]string{"previous": "last ", "next": "next "}[operator] + unit
	}
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	first, last, ok := spanOf(name, today)
	return first.Format(time.DateOnly), last.Format(time.DateOnly), ok
}

var (
	days  = map[string]int{"yesterday": -1, "today": 0, "tomorrow": 1}
	steps = map[string]int{"last": -1, "this": 0, "next": 1}
)

func spanOf(name string, today time.Time) (first, last time.Time, ok bool) {
	if day, known := days[name]; known {
		day := today.AddDate(0, 0, day)
		return day, day, true
	}
	when, unit, _ := strings.Cut(name, " ")
	step, known := steps[when]
	if count, isDays := strings.CutSuffix(unit, " days"); known && isDays && step != 0 {
		days, err := strconv.Atoi(count)
		other := today.AddDate(0, 0, step*days)
		if step < 0 {
			return other, today, err == nil && days > 0 && days <= 366
		}
		return today, other, err == nil && days > 0 && days <= 366
	}
	first, last, ok = calendarSpan(unit, step, today)
	return first, last, ok && known
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
		month, months = month+time.Month(step), 1
	case "quarter":
		month, months = quarter+time.Month(3*step), 3
	case "6 months": // before this quarter, or after it
		month, months = quarter+3, 6
		if step < 0 {
			month = quarter - 6
		}
	case "year":
		year, month, months = year+step, 1, 12
	}
	first = time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	return first, first.AddDate(0, months, -1), months > 0 && (unit != "6 months" || step != 0)
}
