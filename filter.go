package frappems

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/frappems/frappems/internal/filters"
	"github.com/frappems/frappems/internal/plain"
	"github.com/frappems/frappems/internal/timespan"
	"github.com/frappems/frappems/internal/value"

	"github.com/frappems/frappems/store"
)

// Limits on what one list request may ask for: far above what clients send, far below what hurts a database.
const (
	maxConditions = 1000
	maxValues     = 10000
	maxFields     = 500
)

// parseFilters reads filters or or_filters (see [filters.Parse]). Several beside each other are joined by op.
func (b *queryBuilder) parseFilters(raw json.RawMessage, op store.Op) (store.Cond, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	err := decoder.Decode(&v)
	if err == nil && len(bytes.TrimSpace(raw[decoder.InputOffset():])) > 0 {
		err = errors.New("something follows the JSON value")
	}
	if err != nil {
		return store.Cond{}, Errorf(ValidationError, "The filters are not valid JSON: %v", value.Locate(raw, err))
	}
	tree, err := filters.Parse(v, op == store.OpOr, func(name string) bool {
		_, isField := b.meta.slotOf[name]
		return isField
	})
	if err != nil {
		return store.Cond{}, worded(err)
	}
	return b.filters(&tree)
}

// filters makes a Cond of filters.Filters.
func (b *queryBuilder) filters(t *filters.Tree) (store.Cond, error) {
	if t.Filter != nil {
		return b.condition(*t.Filter)
	}
	all := store.Cond{Op: store.OpAnd}
	if t.Or {
		all.Op = store.OpOr
	}
	for i := range t.Parts {
		c, err := b.filters(&t.Parts[i])
		if err != nil {
			return store.Cond{}, err
		}
		all.Conds = append(all.Conds, c)
	}
	return simplified(all), nil
}

// simplified drops a junction of nothing or one, which changes no meaning but that an empty one is always true here.
func simplified(c store.Cond) store.Cond {
	if c.Op == store.OpAnd || c.Op == store.OpOr {
		switch len(c.Conds) {
		case 0:
			return store.Cond{}
		case 1:
			return c.Conds[0]
		}
	}
	return c
}

// condition makes a Cond of one filter: the field is looked up, the operator is one of Frappe's, the value is bound.
func (b *queryBuilder) condition(f filters.Filter) (store.Cond, error) {
	if b.conditions++; b.conditions > maxConditions {
		return store.Cond{}, Errorf(ValidationError, "There are more than %d filters", maxConditions)
	}
	r, err := b.resolveFilter(f)
	if err != nil {
		return store.Cond{}, err
	}
	if flag, ok := f.Value.(bool); ok {
		f.Value = int64(boolInt(flag))
	}
	if _, object := f.Value.(json.RawMessage); object {
		return store.Cond{}, b.badValue(f)
	}
	switch f.Operator {
	case "in", "not in":
		return b.inCondition(r, f, f.Operator == "not in")
	case "is":
		return b.isCondition(r, f)
	case "between":
		return b.betweenCondition(r, f)
	case "timespan", "previous", "next":
		from, to, ok := timespan.Of(f.Operator, toText(f.Value), b.now)
		if !ok {
			return store.Cond{}, b.badValue(f)
		}
		return b.betweenCondition(r, filters.Filter{Field: f.Field, Value: []any{from, to}})
	}
	if strings.Contains(f.Operator, " of") {
		return b.treeCondition(r, f, f.Operator)
	}
	return b.compareCondition(r, f)
}

func (b *queryBuilder) badValue(f filters.Filter) error {
	return Errorf(DataError, "The value of the filter on %s does not fit: %s", bold(f.Field), quoteShort(toText(f.Value)))
}

// nullable says whether the column can hold NULL, which Frappe's filters take for the field type's empty value.
func (r *ref) nullable() bool {
	switch r.name() {
	case "name", "creation", "modified":
		return false
	}
	return !r.column.NotNull || r.expr.Source > 0
}

var compareOps = map[string]store.Op{"=": store.OpEqual, "!=": store.OpNotEqual, ">": store.OpGreater, "<": store.OpLess, ">=": store.OpGreaterEqual, "<=": store.OpLessEqual,
	"like": store.OpLike, "not like": store.OpNotLike}

// compareCondition is one of = != < > <= >= like: Frappe puts a fallback in place of NULL, so a row without a value is
// found where the fallback fulfils the condition. (The column is never wrapped in a function, so that an index serves.)
func (b *queryBuilder) compareCondition(r *ref, f filters.Filter) (store.Cond, error) {
	op := compareOps[f.Operator]
	if _, list := f.Value.([]any); list {
		return store.Cond{}, b.badValue(f)
	}
	if f.Value == nil && isNumeric(r.column.Type) {
		f.Value = int64(0)
	}
	if f.Value == nil {
		return b.nullCondition(r, op), nil
	}
	text := toText(f.Value)
	if op != store.OpLike && op != store.OpNotLike {
		var err error
		if text, err = b.filterText(r.column, f, f.Value); err != nil {
			return store.Cond{}, err
		}
	} else if r.column.Type == store.TypeDecimal || r.column.Type == store.TypeRating {
		return store.Cond{}, b.badValue(f)
	}
	c := store.Cond{Op: op, Expr: r.expr, Values: []string{text}}
	direct := (op == store.OpEqual || op == store.OpLike) && !isEmpty(f.Value) || (op == store.OpGreater || op == store.OpGreaterEqual) && isMoment(r.column.Type)
	if r.nullable() && !direct && c.Holds(fallbackOf(r.column.Type)) {
		return orNull(c), nil
	}
	return c, nil
}

// nullCondition compares with null: = finds what is empty, but for Link and Data fields and names nothing at all (as
// recorded: Frappe compares them with two quotes); != finds what is set.
func (b *queryBuilder) nullCondition(r *ref, op store.Op) store.Cond {
	kind := ""
	if f := r.field(); f != nil {
		kind = f.Fieldtype
	}
	switch {
	case op == store.OpEqual && (kind == "Link" || kind == "Data" || r.name() == "name"):
		return store.Cond{Op: store.OpIn, Expr: r.expr}
	case op == store.OpNotEqual:
		return r.isSet()
	default:
		return r.isNotSet()
	}
}

func isText(t store.ColumnType) bool {
	return t == store.TypeVarchar || t == store.TypeText || t == store.TypeLongText || t == store.TypeJSON || t == store.TypeASCII
}

func isMoment(t store.ColumnType) bool { return t == store.TypeDate || t == store.TypeDatetime }

func isNumeric(t store.ColumnType) bool {
	return t == store.TypeInt || t == store.TypeBigInt || t == store.TypeCheck || t == store.TypeDecimal || t == store.TypeRating
}

// fallbackOf is what Frappe's filters put in place of NULL.
func fallbackOf(t store.ColumnType) string {
	switch t {
	case store.TypeDate:
		return "0001-01-01"
	case store.TypeDatetime:
		return "0001-01-01 00:00:00.000000"
	case store.TypeTime:
		return "00:00:00.000000"
	}
	if isNumeric(t) {
		return "0"
	}
	return ""
}

func orNull(c store.Cond) store.Cond {
	return store.Cond{Op: store.OpOr, Conds: []store.Cond{c, {Op: store.OpIsNull, Expr: c.Expr}}}
}

// filterText makes the text form of a filter's value for a column. What is not a number counts as 0, as in Frappe; what
// is not a date is refused.
func (b *queryBuilder) filterText(c *store.Column, f filters.Filter, v any) (string, error) {
	if b.values++; b.values > maxValues {
		return "", Errorf(ValidationError, "The filters have more than %d values", maxValues)
	}
	if isNumeric(c.Type) {
		whole, ok := v.(int64)
		if s, isText := v.(string); isText {
			n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			whole, ok = n, err == nil
		}
		text := plain.Decimal(toFloat(v), 9)
		if ok {
			text = toText(whole) // a float does not hold all of them
		}
		if text == "" {
			return "", b.badValue(f)
		}
		return text, nil
	}
	if c.Type == store.TypeJSON {
		return toText(v), nil
	}
	if isEmpty(v) && isMoment(c.Type) {
		return fallbackOf(c.Type), nil
	}
	if v == nil {
		return "", b.badValue(f)
	}
	text, err := columnText(c, v)
	if err != nil {
		return "", b.badValue(f)
	}
	return text, nil
}

// inCondition is in and not in: of a list, or of a text with commas.
func (b *queryBuilder) inCondition(r *ref, f filters.Filter, not bool) (store.Cond, error) {
	var values []any
	switch v := f.Value.(type) {
	case []any:
		values = v
	case string:
		for part := range strings.SplitSeq(v, ",") {
			values = append(values, part)
		}
	case nil:
	default:
		values = []any{v}
	}
	empty := len(values) == 0
	c := store.Cond{Op: store.OpIn, Expr: r.expr, Values: make([]string, 0, len(values))}
	if not {
		c.Op = store.OpNotIn
	}
	for _, v := range values {
		if s, ok := v.(string); ok {
			v = strings.TrimSpace(s)
		}
		if v == nil || v == "" {
			empty = true
			if !isText(r.column.Type) && !isNumeric(r.column.Type) {
				continue
			}
			v = ""
		}
		text, err := b.filterText(r.column, f, v)
		if err != nil {
			return store.Cond{}, err
		}
		c.Values = append(c.Values, text)
	}
	if len(values) == 0 && isText(r.column.Type) {
		c.Values = []string{""}
	}
	if r.nullable() && empty != not {
		return orNull(c), nil
	}
	return c, nil
}

// isCondition is "is set" and "is not set".
func (b *queryBuilder) isCondition(r *ref, f filters.Filter) (store.Cond, error) {
	switch strings.ToLower(toText(f.Value)) {
	case "set":
		return r.isSet(), nil
	case "not set":
		return r.isNotSet(), nil
	}
	return store.Cond{}, Errorf(ValidationError, "%s can be 'set' or 'not set', not %s", bold(f.Field), quoteShort(toText(f.Value)))
}

// isSet: neither NULL nor the empty value, which numbers have in 0.
func (r *ref) isSet() store.Cond {
	if !isText(r.column.Type) && !isNumeric(r.column.Type) {
		return store.Cond{Op: store.OpIsNotNull, Expr: r.expr}
	}
	return compare(store.OpNotEqual, r.expr, fallbackOf(r.column.Type))
}

// isNotSet: NULL or the empty text. A number that is 0 is neither set nor not set, as MariaDB compares it with an empty text.
func (r *ref) isNotSet() store.Cond {
	if !isText(r.column.Type) {
		return store.Cond{Op: store.OpIsNull, Expr: r.expr}
	}
	return orNull(compare(store.OpEqual, r.expr, ""))
}

// betweenCondition is between two values; dates on a Datetime are whole days, and a missing end is today's.
func (b *queryBuilder) betweenCondition(r *ref, f filters.Filter) (store.Cond, error) {
	pair, _ := f.Value.([]any)
	if len(pair) > 2 || len(pair) < 2 && !isMoment(r.column.Type) {
		return store.Cond{}, Errorf(ValidationError, "A filter with between on %s needs a list of two values", bold(f.Field))
	}
	c := store.Cond{Op: store.OpBetween, Expr: r.expr, Values: make([]string, 2)}
	for i := range c.Values {
		v := any(b.now.Format("2006-01-02"))
		if i < len(pair) && !isEmpty(pair[i]) || !isMoment(r.column.Type) {
			v = pair[i]
		}
		if s, ok := v.(string); ok && r.column.Type == store.TypeDatetime && i == 1 && !strings.ContainsAny(strings.TrimSpace(s), " T") {
			v = s + " 23:59:59.999999"
		}
		text, err := b.filterText(r.column, f, v)
		if err != nil {
			return store.Cond{}, err
		}
		c.Values[i] = text
	}
	return c, nil
}
