package sqlite

import (
	"bytes"
	"cmp"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/frappems/frappems/internal/plain"
	"github.com/frappems/frappems/store"
	"modernc.org/sqlite"
)

// collationVersion is raised with every change to how CompareText orders texts, or to what the file holds. A file with an
// older one is sorted anew when it is opened.
const collationVersion = 1

// collated is SQLite with a collation and our functions.
type collated struct {
	driver  *sqlite.Driver
	version int
	compare func(a, b string) int
}

// ours returns the driver that Open uses. It is made once, since what a driver has registered is never freed.
var ours = sync.OnceValue(func() *collated { return newCollated(collationVersion, store.CompareText) })

// collation is the collation's name, which the file's tables state. Its older names stay known, with the new order.
func (d *collated) collation() string { return fmt.Sprintf("frappems_unicode_ci_v%d", d.version) }

func newCollated(version int, compare func(a, b string) int) *collated {
	d := &collated{driver: &sqlite.Driver{}, version: version, compare: compare}
	for v := range version {
		d.driver.MustRegisterCollationUtf8((&collated{version: v + 1}).collation(), compare)
	}
	d.driver.MustRegisterCollationUtf8(numberCollation, plain.Compare)
	// Arguments are SQLite's own bytes (and only thus complete if they contain NUL), so that functions copy what they keep.
	d.driver.MustRegisterFunction("frappems_like", &sqlite.FunctionImpl{NArgs: 3, Deterministic: true, VolatileArgs: true, Scalar: matches})
	for _, f := range []struct {
		name string
		args int32
		make func() aggregateFunction
	}{
		{"frappems_sum", 2, func() aggregateFunction { return &sum{} }},
		{"frappems_avg", 2, func() aggregateFunction { return &sum{average: true} }},
		{"frappems_first", -1, func() aggregateFunction { return &pick{d: d} }},
		{"frappems_min", -1, func() aggregateFunction { return &pick{d: d, side: -1} }},
		{"frappems_max", -1, func() aggregateFunction { return &pick{d: d, side: 1} }},
	} {
		d.driver.MustRegisterFunction(f.name, &sqlite.FunctionImpl{NArgs: f.args, Deterministic: true, VolatileArgs: true,
			MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) { return aggregateOnly{f.make()}, nil }})
	}
	return d
}

// The third argument of frappems_like for values that are no numbers; for those it is how many places they have.
const (
	likeText  = -1
	likeBytes = -2
)

func numberPlaces(c *store.Column) (places int, number bool) {
	switch c.Type {
	case store.TypeInt, store.TypeBigInt, store.TypeCheck:
		return 0, true
	case store.TypeDecimal:
		return 9, true
	case store.TypeRating:
		return 2, true
	}
	return 0, false
}

// like is the Like of the dialect.
func like(column string, c *store.Column) string {
	kind, number := numberPlaces(c)
	switch {
	case number:
	case isText(c):
		kind = likeText
	default:
		kind = likeBytes
	}
	return "frappems_like(" + column + ", ?, " + strconv.Itoa(kind) + ")"
}

// matches is frappems_like(value, pattern, kind).
func matches(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	pattern, ok := args[1].(string)
	kind, _ := args[2].(int64)
	if args[0] == nil || !ok {
		return nil, nil
	}
	text, ok := args[0].(string)
	if !ok {
		text = numberText(args[0], int(max(kind, 0)))
	}
	if kind == likeText {
		return store.MatchText(text, pattern), nil
	}
	return plain.Match(text, pattern), nil
}

// numberText returns the text form of a number with so many places.
func numberText(v driver.Value, places int) string {
	text := ""
	switch v := v.(type) {
	case int64:
		text = strconv.FormatInt(v, 10)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	}
	text, _ = plain.Number(text, places)
	return text
}

// numberCollation orders sums, which are text since SQLite's numbers are not exact. No file states it.
const numberCollation = "frappems_number"

// aggregate is the Aggregate of the dialect: SQLite's own works with floating point.
func aggregate(f store.Func, column string, c *store.Column) string {
	places, _ := numberPlaces(c)
	name := "frappems_sum("
	if f == store.FuncAvg {
		name = "frappems_avg("
	}
	return name + column + ", " + strconv.Itoa(places) + ") COLLATE " + numberCollation
}

// pick is the Pick of the dialect. Keys that compare byte by byte are passed as blobs.
func (d *collated) pick(f store.Func, column string, c *store.Column, keys []string, of []*store.Column) string {
	name := map[store.Func]string{store.FuncValue: "frappems_first(", store.FuncMin: "frappems_min(", store.FuncMax: "frappems_max("}[f]
	text := name + column
	for i, key := range keys {
		if of[i].Type == store.TypeASCII {
			key = "CAST(" + key + " AS BLOB)"
		}
		text += ", " + key
	}
	text += ")"
	if isText(c) {
		text += " COLLATE " + d.collation()
	}
	return text
}

// aggregateFunction is what makes one value of many.
type aggregateFunction interface {
	step(args []driver.Value)
	value() driver.Value
}

// aggregateOnly makes it one that SQLite can call, but not over a moving window, which no statement of ours has.
type aggregateOnly struct{ aggregateFunction }

func (a aggregateOnly) Step(_ *sqlite.FunctionContext, args []driver.Value) error {
	a.step(args)
	return nil
}

func (a aggregateOnly) WindowInverse(*sqlite.FunctionContext, []driver.Value) error {
	return fmt.Errorf("sqlite: frappems' functions cannot be used over windows")
}

func (a aggregateOnly) WindowValue(*sqlite.FunctionContext) (driver.Value, error) {
	return a.value(), nil
}

func (a aggregateOnly) Final(*sqlite.FunctionContext) {}

// sum is frappems_sum(number, places) and frappems_avg(number, places).
type sum struct {
	average bool
	total   plain.Sum
}

func (s *sum) step(args []driver.Value) {
	if args[0] == nil {
		return
	}
	places, _ := args[1].(int64)
	s.total.Places = int(places)
	s.total.Add(numberText(args[0], int(places)))
}

func (s *sum) value() driver.Value {
	switch {
	case s.total.Count == 0:
		return nil
	case s.average:
		return s.total.Average()
	}
	return s.total.Total()
}

// pick is frappems_first(value, key...), frappems_min(value, key...) and frappems_max(value, key...).
type pick struct {
	d    *collated
	side int            // of the values that are better: -1 lower, 1 higher, 0 none
	best []driver.Value // the arguments so far; nil before the first
}

func (p *pick) step(args []driver.Value) {
	if p.side != 0 && args[0] == nil {
		return
	}
	if p.best != nil && !p.better(args) {
		return
	}
	p.best = append(p.best[:0], args...)
	for i, v := range p.best {
		switch v := v.(type) {
		case string:
			p.best[i] = strings.Clone(v)
		case []byte:
			p.best[i] = bytes.Clone(v)
		}
	}
}

// better reports whether arguments beat the best so far.
func (p *pick) better(args []driver.Value) bool {
	if p.side != 0 {
		if c := p.d.order(args[0], p.best[0]); c != 0 {
			return c == p.side
		}
	}
	for i := 1; i < len(args); i++ {
		if c := p.d.order(args[i], p.best[i]); c != 0 {
			return c < 0
		}
	}
	return false
}

func (p *pick) value() driver.Value {
	if p.best == nil {
		return nil
	}
	return p.best[0]
}

// order compares two values of a column.
func (d *collated) order(a, b driver.Value) int {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case float64:
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := b.(string); ok {
			return d.compare(x, y)
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return bytes.Compare(x, y)
		}
	}
	switch { // the values of one column have one type, or are NULL
	case a == nil && b != nil:
		return -1
	case a != nil && b == nil:
		return 1
	}
	return 0
}
