package frappems

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/frappems/frappems/internal/plain"
	"github.com/frappems/frappems/internal/timespan"

	"github.com/frappems/frappems/store"
)

// Limits on what one list request may ask for: far above what clients send, far below what hurts a database.
const (
	maxConditions = 1000
	maxValues     = 10000
	maxDepth      = 20
	maxFields     = 500
)

// operators is what clients may write, in the order of Frappe's own message.
var operators = []string{"=", "!=", ">", "<", ">=", "<=", "like", "not like", "in", "not in", "is", "between", "timespan",
	"previous", "next", "ancestors of", "descendants of", "not ancestors of", "not descendants of", "descendants of (inclusive)"}

// filter is one condition as a client wrote it.
type filter struct {
	doctype  string // "" is that of the list
	field    string
	operator string
	value    any // nil, string, bool, int64, float64, []any
}

// parseFilters reads filters or or_filters in every shape that Frappe takes: an object of field and value or field and
// [operator, value]; a list of [field, value], [field, operator, value], [doctype, field, operator, value] (and a fifth,
// which is passed over) or such objects; one such triple alone; a list of names; a name; and conditions nested in lists
// with "and" and "or" between them. Several beside each other are joined by op.
func (b *queryBuilder) parseFilters(raw json.RawMessage, op store.Op) (store.Cond, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	err := decoder.Decode(&v)
	if err == nil && len(bytes.TrimSpace(raw[decoder.InputOffset():])) > 0 {
		err = errors.New("something follows the JSON value")
	}
	if err != nil {
		return store.Cond{}, Errorf(ValidationError, "The filters are not valid JSON: %v", jsonProblem(raw, err))
	}
	switch v := v.(type) {
	case nil:
		return store.Cond{}, nil
	case map[string]any:
		return b.filterObject(v, op)
	case []any:
		return b.filterList(v, op, 0)
	}
	return b.condition(filter{field: "name", operator: "=", value: plainValue(v)})
}

// filterObject reads {field: value}, in a fixed order, so that one request makes one statement.
func (b *queryBuilder) filterObject(object map[string]any, op store.Op) (store.Cond, error) {
	all := store.Cond{Op: op}
	for _, field := range slices.Sorted(maps.Keys(object)) {
		f := filter{field: field, operator: "=", value: plainValue(object[field])}
		if pair, ok := object[field].([]any); ok {
			if len(pair) != 2 {
				return store.Cond{}, Errorf(ValidationError, "A filter on %s must be a value or [operator, value]", bold(field))
			}
			operator, isText := pair[0].(string)
			if !isText {
				return store.Cond{}, b.badOperator()
			}
			f.operator, f.value = operator, plainValue(pair[1])
		}
		c, err := b.condition(f)
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

func (b *queryBuilder) filterList(list []any, op store.Op, depth int) (store.Cond, error) {
	if depth > maxDepth {
		return store.Cond{}, Errorf(ValidationError, "The filters are nested deeper than %d levels", maxDepth)
	}
	if f, ok := asFilter(list); ok {
		_, isField := b.meta.slotOf[f.field]
		if depth > 0 || isField || len(list) > 2 && isOperator(f.operator) { // else these are names
			return b.condition(f)
		}
	}
	if !slices.ContainsFunc(list, isNested) && len(list) > 0 {
		return b.condition(filter{field: "name", operator: "in", value: plainValue(list)})
	}
	all := store.Cond{Op: op}
	junction := false
	for _, item := range list {
		if word, ok := item.(string); ok {
			next := map[string]store.Op{"and": store.OpAnd, "or": store.OpOr}[strings.ToLower(word)]
			if next == store.OpTrue {
				return store.Cond{}, Errorf(ValidationError, "%s is not a filter", quoteShort(word))
			}
			// Left to right without precedence: what came so far becomes the first part of the new junction.
			if all.Op != next && len(all.Conds) > 0 {
				all = store.Cond{Op: next, Conds: []store.Cond{simplified(all)}}
			}
			all.Op, junction = next, true
			continue
		}
		c, err := b.filterItem(item, op, depth)
		if err != nil {
			return store.Cond{}, err
		}
		if !junction && all.Op != op {
			all = store.Cond{Op: op, Conds: []store.Cond{simplified(all)}}
		}
		junction = false
		all.Conds = append(all.Conds, c)
	}
	return simplified(all), nil
}

func isNested(item any) bool {
	switch item.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

func (b *queryBuilder) filterItem(item any, op store.Op, depth int) (store.Cond, error) {
	switch item := item.(type) {
	case []any:
		if len(item) == 0 {
			return store.Cond{}, Errorf(ValidationError, "A filter is empty")
		}
		return b.filterList(item, store.OpAnd, depth+1)
	case map[string]any:
		return b.filterObject(item, store.OpAnd)
	}
	return store.Cond{}, Errorf(ValidationError, "A filter must be a list or an object")
}

// asFilter recognises [field, value], [field, operator, value] and [doctype, field, operator, value(, hidden)].
func asFilter(list []any) (filter, bool) {
	text := make([]string, 3)
	for i := 0; i < len(list) && i < 3; i++ {
		text[i], _ = list[i].(string)
	}
	switch {
	case len(list) == 3 && text[0] != "" && text[1] != "" && (isOperator(text[1]) || !isNested(list[2])):
		return filter{field: text[0], operator: text[1], value: plainValue(list[2])}, true
	case (len(list) == 4 || len(list) == 5) && text[0] != "" && text[1] != "" && text[2] != "":
		return filter{doctype: text[0], field: text[1], operator: text[2], value: plainValue(list[3])}, true
	case len(list) == 2 && text[0] != "" && !isOperator(text[0]) && !isNested(list[1]):
		return filter{field: text[0], operator: "=", value: plainValue(list[1])}, true
	}
	return filter{}, false
}

func isOperator(word string) bool { return slices.Contains(operators, strings.ToLower(word)) }

// plainValue makes a filter's value of what encoding/json gives.
func plainValue(v any) any {
	switch v := v.(type) {
	case json.Number:
		value, _ := decodeValue(json.RawMessage(v))
		return value
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainValue(v[i])
		}
		return out
	case map[string]any:
		return json.RawMessage("{}") // no column takes an object
	}
	return v
}

func (b *queryBuilder) badOperator() error {
	return Errorf(ValidationError, "Operator must be one of %s", strings.Join(operators, ", "))
}

// condition makes a Cond of one filter: the field is looked up, the operator is one of ours, the value is bound.
func (b *queryBuilder) condition(f filter) (store.Cond, error) {
	if b.conditions++; b.conditions > maxConditions {
		return store.Cond{}, Errorf(ValidationError, "There are more than %d filters", maxConditions)
	}
	r, err := b.resolveFilter(f)
	if err != nil {
		return store.Cond{}, err
	}
	operator := strings.ToLower(strings.TrimSpace(f.operator))
	if !slices.Contains(operators, operator) {
		return store.Cond{}, b.badOperator()
	}
	if flag, ok := f.value.(bool); ok {
		f.value = int64(boolInt(flag))
	}
	if _, object := f.value.(json.RawMessage); object {
		return store.Cond{}, b.badValue(f)
	}
	switch operator {
	case "in", "not in":
		return b.inCondition(r, f, operator == "not in")
	case "is":
		return b.isCondition(r, f)
	case "between":
		return b.betweenCondition(r, f)
	case "timespan", "previous", "next":
		from, to, ok := timespan.Of(operator, toText(f.value), b.now)
		if !ok {
			return store.Cond{}, b.badValue(f)
		}
		return b.betweenCondition(r, filter{field: f.field, value: []any{from, to}})
	}
	if strings.Contains(operator, " of") {
		return b.treeCondition(r, f, operator)
	}
	return b.compareCondition(r, f, operator)
}

func (b *queryBuilder) badValue(f filter) error {
	return Errorf(DataError, "The value of the filter on %s does not fit: %s", bold(f.field), quoteShort(toText(f.value)))
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
func (b *queryBuilder) compareCondition(r *ref, f filter, operator string) (store.Cond, error) {
	op := compareOps[operator]
	if _, list := f.value.([]any); list {
		return store.Cond{}, b.badValue(f)
	}
	if f.value == nil && isNumeric(r.column.Type) {
		f.value = int64(0)
	}
	if f.value == nil {
		return b.nullCondition(r, op), nil
	}
	var text string
	if op == store.OpLike || op == store.OpNotLike {
		if r.column.Type == store.TypeDecimal || r.column.Type == store.TypeRating {
			return store.Cond{}, b.badValue(f)
		}
		text = toText(f.value)
	} else {
		value, err := b.filterText(r.column, f, f.value)
		if err != nil {
			return store.Cond{}, err
		}
		text = value
	}
	c := store.Cond{Op: op, Expr: r.expr, Values: []string{text}}
	fallback := fallbackOf(r.column.Type)
	direct := (op == store.OpEqual || op == store.OpLike) && !isEmpty(f.value) || (op == store.OpGreater || op == store.OpGreaterEqual) && isMoment(r.column.Type)
	if r.nullable() && !direct && holds(op, r.column.Type, fallback, text) {
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

// holds says whether a constant fulfils a comparison.
func holds(op store.Op, t store.ColumnType, left, right string) bool {
	order := 0
	switch {
	case op == store.OpLike:
		return store.MatchText(left, right)
	case op == store.OpNotLike:
		return !store.MatchText(left, right)
	case isNumeric(t):
		if l, r := toFloat(left), toFloat(right); l < r {
			order = -1
		} else if l > r {
			order = 1
		}
	case isText(t):
		order = store.CompareText(left, right)
	default:
		order = strings.Compare(left, right)
	}
	switch op {
	case store.OpEqual:
		return order == 0
	case store.OpNotEqual:
		return order != 0
	case store.OpLess:
		return order < 0
	case store.OpLessEqual:
		return order <= 0
	case store.OpGreater:
		return order > 0
	}
	return order >= 0
}

func orNull(c store.Cond) store.Cond {
	return store.Cond{Op: store.OpOr, Conds: []store.Cond{c, {Op: store.OpIsNull, Expr: c.Expr}}}
}

// filterText makes the text form of a filter's value for a column. What is not a number counts as 0, as in Frappe; what
// is not a date is refused.
func (b *queryBuilder) filterText(c *store.Column, f filter, v any) (string, error) {
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
	text, err := columnText(c, v)
	if err != nil || text == nil {
		return "", b.badValue(f)
	}
	return *text, nil
}

// inCondition is in and not in: of a list, or of a text with commas.
func (b *queryBuilder) inCondition(r *ref, f filter, not bool) (store.Cond, error) {
	var values []any
	switch v := f.value.(type) {
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
func (b *queryBuilder) isCondition(r *ref, f filter) (store.Cond, error) {
	switch strings.ToLower(toText(f.value)) {
	case "set":
		return r.isSet(), nil
	case "not set":
		return r.isNotSet(), nil
	}
	return store.Cond{}, Errorf(ValidationError, "%s can be 'set' or 'not set', not %s", bold(f.field), quoteShort(toText(f.value)))
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
func (b *queryBuilder) betweenCondition(r *ref, f filter) (store.Cond, error) {
	pair, _ := f.value.([]any)
	if len(pair) > 2 || len(pair) < 2 && !isMoment(r.column.Type) {
		return store.Cond{}, Errorf(ValidationError, "A filter with between on %s needs a list of two values", bold(f.field))
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
