package filters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// text shows a tree: [a = 1 & (b > 2 | c is set)].
func (t Tree) text() string {
	if t.Filter != nil {
		f := t.Filter
		return strings.TrimPrefix(f.DocType+"."+f.Field, ".") + fmt.Sprintf(" %s %v", f.Operator, f.Value)
	}
	var parts []string
	for _, part := range t.Parts {
		parts = append(parts, part.text())
	}
	if t.Or {
		return "(" + strings.Join(parts, " | ") + ")"
	}
	return "(" + strings.Join(parts, " & ") + ")"
}

func parse(t testing.TB, text string, or bool) (Tree, error) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Skip(err)
	}
	return Parse(v, or, func(name string) bool { return name == "a" || name == "b" })
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		or       bool
		want     string
	}{
		{"null", `null`, false, "()"},
		{"empty list", `[]`, false, "()"},
		{"empty object", `{}`, true, "()"},
		{"name", `"x"`, false, "name = x"},
		{"number", `7`, false, "name = 7"},
		{"names", `["x", "y"]`, false, "name in [x y]"},
		{"field and value alone", `["a", "x"]`, false, "a = x"},
		{"object", `{"b": [" LIKE ", "x%"], "a": 1.5}`, false, "(a = 1.5 & b like x%)"},
		{"object by or", `{"b": null, "a": true}`, true, "(a = true | b = <nil>)"},
		{"triple alone", `["x", ">", 1]`, false, "x > 1"},
		{"with a DocType", `[["D", "a", "in", [1, "2"]], ["D", "a", "is", "set", false]]`, false, "(D.a in [1 2] & D.a is set)"},
		{"pair in a list", `[["x", "y"]]`, false, "(x = y)"},
		{"or between", `[["x", "=", 1], "or", ["y", "=", 2], "and", ["z", "=", 3]]`, false, "((x = 1 | y = 2) & z = 3)"},
		{"nothing between", `[["x", "=", 1], "or", ["y", "=", 2], ["z", "=", 3]]`, false, "((x = 1 | y = 2) & z = 3)"},
		{"nested", `[["x", "=", 1], [["y", "=", 2], "or", {"z": 3}]]`, false, "(x = 1 & (y = 2 | (z = 3)))"},
		{"value that is an object", `{"a": {"x": 1}}`, false, "(a = [123 125])"},
		{"huge number", `{"a": 1e999}`, false, "(a = +Inf)"},
		{"unknown operator", `["a", "~", 1]`, false, "Operator must be one of =, !=, >"},
		{"operator that is no text", `{"a": [1, 2]}`, false, "Operator must be one of =, !=, >"},
		{"list of three in an object", `{"<a>": [1, 2, 3]}`, false, "A filter on <strong>&lt;a&gt;</strong> must be"},
		{"word between", `[["x", "=", 1], "xor", ["y", "=", 2]]`, false, "'xor' is not a filter"},
		{"empty filter", `[[]]`, false, "A filter is empty"},
		{"number in a list", `[1, {}]`, false, "A filter must be a list or an object"},
		{"deep", strings.Repeat("[", 22) + `["x"]` + strings.Repeat("]", 22), false, "The filters are nested deeper"},
	} {
		tree, err := parse(t, tt.in, tt.or)
		got := tree.text()
		if err != nil {
			got = err.Error()[:min(len(tt.want), len(err.Error()))]
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`[["D", "a", "in", [1, "2"]], "or", {"b": ["like", "x"]}]`, true)
	f.Fuzz(func(t *testing.T, text string, or bool) {
		tree, err := parse(t, text, or)
		var check func(Tree)
		check = func(tree Tree) {
			if tree.Filter != nil && !isOperator(tree.Filter.Operator) {
				t.Errorf("%s: got the operator %q", text, tree.Filter.Operator)
			}
			for _, part := range tree.Parts {
				check(part)
			}
		}
		if check(tree); err != nil && (tree.Filter != nil || tree.Parts != nil) {
			t.Errorf("%s: got %s with %v", text, tree.text(), err)
		}
	})
}
