package structtag

import (
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		in      string
		want    []string
		problem string
	}{
		{"", nil, ""},
		{"Data,reqd", []string{"Data", "reqd"}, ""},
		{",non_negative", []string{"", "non_negative"}, ""},
		{"Data,label='Note, for us',reqd", []string{"Data", "label=Note, for us", "reqd"}, ""},
		{"Select:'It''s, well',reqd", []string{"Select:It's, well", "reqd"}, ""},
		{"Data,label=it's", []string{"Data", "label=it's"}, ""},
		{"Data,label='open", nil, "the tag ends within the quotes of label=open"},
		{"label='a'b", nil, "after the quotes of label=a a comma is missing"},
	} {
		got, err := Split(tt.in)
		if problem := text(err); !slices.Equal(got, tt.want) || problem != tt.problem {
			t.Errorf("Split(%q): got %q and %q, want %q and %q", tt.in, got, problem, tt.want, tt.problem)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("Data,label='Note, for us',reqd")
	f.Fuzz(func(t *testing.T, tag string) {
		parts, err := Split(tag)
		if err == nil && !strings.Contains(tag, "'") && strings.Join(parts, ",") != strings.TrimSuffix(tag, ",") {
			t.Errorf("Split(%q): got %q", tag, parts)
		}
	})
}

func TestFill(t *testing.T) {
	type properties struct {
		Name  string   `json:"name"`
		Order int      `json:"order,string"`
		Rows  []string `json:"rows"`
	}
	for _, tt := range []struct {
		parts   []string
		want    string
		problem string
	}{
		{nil, "given", ""},
		{[]string{"name=other"}, "other", ""},
		{[]string{"name"}, "1", ""},
		{[]string{"rows=x"}, "", "there is no property \"rows\""},
		{[]string{""}, "", "there is no property \"\""},
	} {
		var got properties
		err := Fill(&got, map[string]any{"name": "given"}, tt.parts)
		if got.Name != tt.want || !strings.HasPrefix(text(err), tt.problem) || (err == nil) != (tt.problem == "") {
			t.Errorf("Fill %q: got %q and %v, want %q and %q", tt.parts, got.Name, err, tt.want, tt.problem)
		}
	}
}

func TestLabel(t *testing.T) {
	for in, want := range map[string]string{"customer_name": "Customer Name", "_über_uns": "Über Uns", "": ""} {
		if got := Label(in); got != want {
			t.Errorf("Label(%q): got %q, want %q", in, got, want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
