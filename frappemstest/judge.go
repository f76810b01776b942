package frappemstest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	stamp     = regexp.MustCompile(`^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?$`)
	timeOfDay = regexp.MustCompile(`^\d{1,2}:\d\d:\d{1,2}(\.\d+)?$`)
	// ignored keys are debugging aids and what Frappe's desk keeps beside a document.
	ignored = []string{"_user_tags", "_comments", "_assign", "_liked_by", "_seen", "exc", "exception", "_debug_messages", "_error_message"}
)

// judge says what is wrong with an answer; nothing means that it matches. Where Frappe itself broke (500) the answer is
// what was asked for, or a 4xx with an exc_type (always a 4xx in the groups invalid and attack).
func (r *replayer) judge(c recorded, status int, got any) []string {
	object, _ := got.(map[string]any)
	if object != nil && accepted(c.Accept, status, object["exc_type"]) {
		return nil
	}
	want := c.Expect.Status
	if want >= 500 {
		if status >= 200 && status < 300 && c.Group != "invalid" && c.Group != "attack" {
			return nil
		}
		if status >= 400 && status < 500 && (truthy(object["exc_type"]) || truthy(object["errors"])) {
			return nil
		}
		return []string{fmt.Sprintf("status: want 4xx with exc_type (Frappe breaks here), got %d", status)}
	}
	var out []string
	if status != want {
		out = append(out, fmt.Sprintf("status: want %d, got %d", want, status))
	}
	var body any
	if c.Expect.JSON != nil {
		var err error
		if body, err = decode(c.Expect.JSON); err != nil {
			return []string{"the recording: " + err.Error()}
		}
	}
	if want >= 400 {
		return append(out, judgeError(body, object)...)
	}
	if c.Unordered {
		return append(out, r.judgeRows(c, body, object)...)
	}
	return append(out, r.differences(body, got, "")...)
}

func accepted(accept [][2]any, status int, excType any) bool {
	return slices.ContainsFunc(accept, func(a [2]any) bool { return a[0] == float64(status) && a[1] == excType })
}

// judgeError compares the kinds of errors and looks for messages to the user where Frappe sent some.
func judgeError(want any, got map[string]any) (out []string) {
	body, _ := want.(map[string]any)
	if body == nil || got == nil {
		return nil
	}
	if list, ok := body["errors"]; ok {
		if w, g := errorTypes(list), errorTypes(got["errors"]); w != g {
			return []string{fmt.Sprintf("errors: want types %s, got %s", w, g)}
		}
		return nil
	}
	if body["exc_type"] != got["exc_type"] {
		out = append(out, fmt.Sprintf("exc_type: want %v, got %v", body["exc_type"], got["exc_type"]))
	}
	if _, ok := body["_server_messages"]; ok && !areMessages(got["_server_messages"]) {
		out = append(out, "_server_messages: want a JSON list of JSON objects with a message")
	}
	return out
}

func errorTypes(v any) string {
	types := []any{}
	list, _ := v.([]any)
	for _, e := range list {
		object, _ := e.(map[string]any)
		types = append(types, object["type"])
	}
	return string(marshal(types))
}

// areMessages says whether v is a JSON list, as text, of JSON objects, as texts again, which have a message.
func areMessages(v any) bool {
	text, ok := v.(string)
	if !ok {
		return false
	}
	var list []string
	if json.Unmarshal([]byte(text), &list) != nil {
		return false
	}
	return !slices.ContainsFunc(list, func(m string) bool {
		var object map[string]any
		return json.Unmarshal([]byte(m), &object) != nil || !truthy(object["message"])
	})
}

// judgeRows compares a list asked for without order_by, whose order Frappe leaves to the database: the same rows in any
// order; of a page that is full, which rows are on it is open too, and only their shape is compared.
func (r *replayer) judgeRows(c recorded, want any, got map[string]any) []string {
	body, _ := want.(map[string]any)
	key := "message"
	if _, ok := body["data"]; ok {
		key = "data"
	}
	wantRows, _ := body[key].([]any)
	gotRows, ok := got[key].([]any)
	if !ok || len(gotRows) != len(wantRows) {
		return []string{fmt.Sprintf("want %d rows in any order, got %s", len(wantRows), brief(got[key], 80))}
	}
	if limit, err := strconv.Atoi(c.limit()); err == nil && limit > 0 && limit <= len(wantRows) {
		if !slices.Equal(shapes(wantRows), shapes(gotRows)) {
			return []string{"rows have other keys"}
		}
		return nil
	}
	rest := slices.Clone(gotRows)
	for _, w := range wantRows {
		i := slices.IndexFunc(rest, func(g any) bool { return len(r.differences(w, g, "")) == 0 })
		if i < 0 {
			return []string{"no row like " + brief(w, 120)}
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return nil
}

// limit is the page length that a case asks for, as text.
func (c recorded) limit() string {
	asked := map[string]any{}
	for key, raw := range c.Query {
		asked[key], _ = decode(raw)
	}
	if body, err := decode(c.JSON); err == nil {
		object, _ := body.(map[string]any)
		for key, v := range object {
			asked[key] = v
		}
	}
	for _, key := range []string{"limit", "limit_page_length"} {
		if truthy(asked[key]) {
			return fmt.Sprint(asked[key])
		}
	}
	return "20"
}

// shapes are the different sets of keys among rows.
func shapes(rows []any) []string {
	var out []string
	for _, row := range rows {
		shape := fmt.Sprintf("%T", row)
		if object, ok := row.(map[string]any); ok {
			shape = strings.Join(sortedKeys(object), "\x00")
		}
		out = append(out, shape)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// differences has one line for each place where got is not what was recorded.
func (r *replayer) differences(want, got any, path string) []string {
	switch want := want.(type) {
	case map[string]any:
		return r.objectDifferences(want, got, path)
	case []any:
		list, ok := got.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s: want a list, got %s", path, brief(got, 80))}
		}
		if len(want) != len(list) {
			return []string{fmt.Sprintf("%s: want %d entries, got %d", path, len(want), len(list))}
		}
		var out []string
		for i := range want {
			out = append(out, r.differences(want[i], list[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
		return out
	case string:
		if form, ok := forms[want]; ok {
			if form.match(got) {
				return nil
			}
			return []string{fmt.Sprintf("%s: want %s, got %s", path, form.name, brief(got, 60))}
		}
	}
	rendered, err := decode(r.render(marshal(want)))
	if err == nil && equal(rendered, got) {
		return nil
	}
	return []string{fmt.Sprintf("%s: want %s, got %s", path, brief(rendered, 80), brief(got, 80))}
}

func (r *replayer) objectDifferences(want map[string]any, got any, path string) (out []string) {
	object, ok := got.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s: want an object, got %s", cmp.Or(path, "."), brief(got, 80))}
	}
	keys := slices.Concat(sortedKeys(want), sortedKeys(object))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if slices.Contains(ignored, key) || strings.HasPrefix(key, "__") {
			continue
		}
		at := path + "." + key
		w, inWant := want[key]
		g, inGot := object[key]
		switch {
		case !inGot:
			out = append(out, fmt.Sprintf("%s: missing (want %s)", at, brief(w, 60)))
		case !inWant:
			out = append(out, fmt.Sprintf("%s: not in Frappe's answer (got %s)", at, brief(g, 60)))
		default:
			out = append(out, r.differences(w, g, at)...)
		}
	}
	return out
}

// forms are the marks in recorded answers for values that are different each time.
var forms = map[string]struct {
	name  string
	match func(got any) bool
}{
	"{{now}}":  {"a date and time", func(got any) bool { s, ok := got.(string); return ok && stamp.MatchString(s) }},
	"{{time}}": {"a time of day", func(got any) bool { s, ok := got.(string); return ok && timeOfDay.MatchString(s) }},
	"{{random}}": {"a generated name", func(got any) bool {
		switch got := got.(type) {
		case string:
			return got != ""
		case json.Number:
			return !strings.ContainsAny(got.String(), ".eE")
		case bool:
			return true
		}
		return false
	}},
}

// equal compares values as decode gives them: numbers by value, so that 5 is 5.0.
func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		n, ok := b.(json.Number)
		return ok && sameNumber(a.String(), n.String())
	case []any:
		list, ok := b.([]any)
		return ok && slices.EqualFunc(a, list, equal)
	case map[string]any:
		object, ok := b.(map[string]any)
		if !ok || len(a) != len(object) {
			return false
		}
		for key, v := range a {
			if other, ok := object[key]; !ok || !equal(v, other) {
				return false
			}
		}
		return true
	}
	return a == b
}

// sameNumber compares as Python does: integers exactly, anything with a point or an exponent as a float64.
func sameNumber(a, b string) bool {
	x, y := exact(a), exact(b)
	if x == nil || y == nil { // beyond float64
		return a == b
	}
	return x.Cmp(y) == 0
}

func exact(s string) *big.Rat {
	if !strings.ContainsAny(s, ".eE") {
		n, _ := new(big.Rat).SetString(s)
		return n
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	return new(big.Rat).SetFloat64(f)
}

// truthy is Python's idea of true.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case float64:
		return v != 0
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}
