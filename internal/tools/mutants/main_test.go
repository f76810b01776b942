package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutantsFitTheSources: each replacement's text stands in the sources exactly once, and no two mutants are one.
func TestMutantsFitTheSources(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range mutants() {
		if names[m.name] || len(m.edits) == 0 {
			t.Errorf("%s: it is there twice, or changes nothing", m.name)
		}
		names[m.name] = true
		if _, err := overlayOf(root, t.TempDir(), append(reach(), m.edits...)); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	for _, needed := range []string{"list", "get", "child", "link check", "count", "series", "update", "delete", "unique", "rename"} {
		if !names[needed] {
			t.Errorf("there is no mutant %q", needed)
		}
	}
}

func TestApply(t *testing.T) {
	edit := replacement{"a.go", "old", "new"}
	for source, want := range map[string]string{"an old text": "an new text", "": "", "no such text": "", "old and old": ""} {
		got, err := edit.apply(source)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q and error %v, want %q", source, got, err, want)
		}
	}
}

func TestOverlay(t *testing.T) {
	root, temp := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("one two"), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := overlayOf(root, temp, []replacement{{"a.go", "one", "1"}, {"a.go", "two", "2"}})
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(overlay)
	if err != nil || !strings.Contains(string(list), filepath.Join(root, "a.go")) {
		t.Fatalf("got %s and error %v", list, err)
	}
	files, _ := filepath.Glob(filepath.Join(temp, "*.go"))
	if len(files) != 1 {
		t.Fatalf("got %d files, want one", len(files))
	}
	if got, err := os.ReadFile(files[0]); err != nil || string(got) != "1 2" {
		t.Errorf("got %q and error %v, want both replacements", got, err)
	}
	if got, err := os.ReadFile(filepath.Join(root, "a.go")); err != nil || string(got) != "one two" {
		t.Errorf("got %q and error %v, want the source as it was", got, err)
	}
}

// TestJudge: only a test that found a leak counts, not one that could not be built or failed for another reason.
func TestJudge(t *testing.T) {
	broken := func(check string) string {
		return "x_test.go:1: isolation broken (" + check + "): ISOLATION_SEED=1, request 7, get of tenant acme:\n--- FAIL: TestIsolation (0.1s)\nFAIL"
	}
	for _, c := range []struct {
		name, output string
		clean, ok    bool
		verdict      string
	}{
		{"caught", broken("not as alone"), false, true, "caught: not as alone, request 7, get"},
		{"clean", "--- PASS: TestIsolation (1.00s)\nok", true, true, "passes, as it should"},
		{"not caught", "--- PASS: TestIsolation (1.00s)\nok", false, false, "NOT CAUGHT"},
		{"a fault is no leak", broken("fault"), false, false, "not decided"},
		{"does not build", "x.go:1: undefined: y\nFAIL frappems [build failed]", false, false, "not decided"},
		{"panics", "panic: nil\n--- FAIL: TestIsolation (0.1s)", false, false, "not decided"},
		{"no test", "testing: warning: no tests to run\nPASS", true, false, "not decided"},
		{"clean fails", broken("model"), true, false, "fails: model, request 7, get"},
	} {
		if verdict, err := judge(c.clean, c.output); verdict != c.verdict || (err == nil) != c.ok {
			t.Errorf("%s: got %q and error %v, want %q and an error %t", c.name, verdict, err, c.verdict, !c.ok)
		}
	}
}
