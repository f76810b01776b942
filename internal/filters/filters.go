// Package filters reads the filters of Frappe's lists, in every shape that clients send. It knows no fields, and makes nothing of a
// value: both are of the DocType that is listed.
package filters

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/frappems/frappems/internal/message"
)

// Filter is one condition as a client wrote it.
type Filter struct {
	DocType  string // "" is that of the list
	Field    string
	Operator string // one of Frappe's, in small letters
	Value    any    // nil, string, bool, int64, float64, []any, json.RawMessage for an object
}

// Tree is a filter, or several that are joined. The zero value lets everything through.
type Tree struct {
	Filter *Filter // nil: Parts
	Or     bool    // else by and
	Parts  []Tree
}

// operators is what clients may write, in the order of Frappe's own message.
var operators = []string{"=", "!=", ">", "<", ">=", "<=", "like", "not like", "in", "not in", "is", "between", "timespan",
	"previous", "next", "ancestors of", "descendants of", "not ancestors of", "not descendants of", "descendants of (inclusive)"}

// maxDepth is far above what clients send.
const maxDepth = 20

// Parse reads filters or or_filters: an object of field and value or field and [operator, value]; a list of [field, value], [field,
// operator, value], [doctype, field, operator, value] (and a fifth, which is passed over) or such objects; one such triple alone; a
// list of names; a name; and conditions nested in lists with "and" and "or" between them. Several beside each other are joined
// by or, if that is true. JSON is decoded, with numbers as json.Number. isField says of which DocType a list alone may be a filter
// instead of names. What is wrong is a [message.Error].
func Parse(v any, or bool, isField func(name string) bool) (Tree, error) {
	switch v := v.(type) {
	case nil:
		return Tree{}, nil
	case map[string]any:
		return object(v, or)
	case []any:
		if f, operator, ok := triple(v); ok && (isField(f.Field) || len(v) > 2 && isOperator(operator)) {
			return f.tree(operator)
		}
		return list(v, or, 0)
	}
	return Filter{Field: "name", Value: plain(v)}.tree("=")
}

// tree is the filter with an operator.
func (f Filter) tree(operator string) (Tree, error) {
	f.Operator = strings.ToLower(strings.TrimSpace(operator))
	if !isOperator(f.Operator) {
		return Tree{}, message.Invalid("Operator must be one of %s", strings.Join(operators, ", "))
	}
	return Tree{Filter: &f}, nil
}

// object reads {field: value}, in a fixed order, so that one request makes one statement.
func object(object map[string]any, or bool) (Tree, error) {
	all := Tree{Or: or}
	for _, field := range slices.Sorted(maps.Keys(object)) {
		operator, value := "=", object[field]
		if pair, ok := value.([]any); ok {
			if len(pair) != 2 {
				return Tree{}, message.Invalid("A filter on %s must be a value or [operator, value]", message.Bold(field))
			}
			operator, _ = pair[0].(string)
			value = pair[1]
		}
		one, err := Filter{Field: field, Value: plain(value)}.tree(operator)
		if err != nil {
			return Tree{}, err
		}
		all.Parts = append(all.Parts, one)
	}
	return all, nil
}

// list reads a list of filters, of names, or of both with "and" and "or" between them.
func list(items []any, or bool, depth int) (Tree, error) {
	if !slices.ContainsFunc(items, isNested) && len(items) > 0 {
		return Filter{Field: "name", Value: plain(items)}.tree("in")
	}
	all, joined := Tree{Or: or}, false
	for _, item := range items {
		if word, ok := item.(string); ok {
			next := strings.EqualFold(word, "or")
			if !next && !strings.EqualFold(word, "and") {
				return Tree{}, message.Invalid("%s is not a filter", message.Quote(word))
			}
			all, joined = all.joinedBy(next), true
			continue
		}
		one, err := nested(item, depth+1)
		if err != nil {
			return Tree{}, err
		}
		if !joined {
			all = all.joinedBy(or)
		}
		joined = false
		all.Parts = append(all.Parts, one)
	}
	return all, nil
}

// joinedBy is the tree, ready for another part. Left to right without precedence: what came so far becomes the first part of a
// junction of another kind.
func (t Tree) joinedBy(or bool) Tree {
	if t.Or != or && len(t.Parts) > 1 {
		return Tree{Or: or, Parts: []Tree{t}}
	}
	t.Or = or
	return t
}

// nested reads one item of a list.
func nested(item any, depth int) (Tree, error) {
	switch item := item.(type) {
	case []any:
		if len(item) == 0 {
			return Tree{}, message.Invalid("A filter is empty")
		}
		if depth > maxDepth {
			return Tree{}, message.Invalid("The filters are nested deeper than %d levels", maxDepth)
		}
		if f, operator, ok := triple(item); ok {
			return f.tree(operator)
		}
		return list(item, false, depth)
	case map[string]any:
		return object(item, false)
	}
	return Tree{}, message.Invalid("A filter must be a list or an object")
}

// triple recognises [field, value], [field, operator, value] and [doctype, field, operator, value(, hidden)].
func triple(list []any) (f Filter, operator string, ok bool) {
	text := make([]string, 3)
	for i := 0; i < len(list) && i < 3; i++ {
		text[i], _ = list[i].(string)
	}
	switch {
	case len(list) == 3 && text[0] != "" && text[1] != "" && (isOperator(text[1]) || !isNested(list[2])):
		return Filter{Field: text[0], Value: plain(list[2])}, text[1], true
	case (len(list) == 4 || len(list) == 5) && text[0] != "" && text[1] != "" && text[2] != "":
		return Filter{DocType: text[0], Field: text[1], Value: plain(list[3])}, text[2], true
	case len(list) == 2 && text[0] != "" && !isOperator(text[0]) && !isNested(list[1]):
		return Filter{Field: text[0], Value: plain(list[1])}, "=", true
	}
	return Filter{}, "", false
}

func isOperator(word string) bool { return slices.Contains(operators, strings.ToLower(word)) }

func isNested(item any) bool {
	switch item.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

// plain makes a filter's value of what encoding/json gives.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // infinite, where it is too large
		return f
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case map[string]any:
		return json.RawMessage("{}") // no column takes an object
	}
	return v
}
