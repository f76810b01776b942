package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	src := `// Package x is measured.
package x

// A is documented.
type A interface {
	B
	M(int) error
}

type B interface{ N(); O() }

// Kinds.
const (
	One = iota
	Two
)

var V, W int

func (A2) Method() {
}

type A2 struct{}

type hidden struct{}

func (hidden) Exported() {}

// F is documented.
func F() int {
	return 1
}
`
	for name, text := range map[string]string{"x.go": src, "x_test.go": "package x\n\nfunc Ignored() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	m, err := measure(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(m.exported, " "); got != "A B One V W A2 F" {
		t.Errorf("exported: got %s", got)
	}
	if got := strings.Join(m.undocumented, " "); got != "B V W A2.Method A2" {
		t.Errorf("undocumented: got %s", got)
	}
	if m.lines != strings.Count(src, "\n") {
		t.Errorf("lines: got %d, want %d", m.lines, strings.Count(src, "\n"))
	}
	if !slices.Contains(m.interfaces, length{"A", 3}) || !slices.Contains(m.interfaces, length{"B", 2}) {
		t.Errorf("interfaces: got %v", m.interfaces)
	}
	if want := []length{{"Method (x.go)", 2}, {"Exported (x.go)", 1}, {"F (x.go)", 3}}; !slices.Equal(m.funcs, want) {
		t.Errorf("functions: got %v, want %v", m.funcs, want)
	}
	if broken := m.report(maxLines); len(broken) != 1 || !strings.Contains(broken[0], "comment") {
		t.Errorf("broken: got %q, want only the missing comments", broken)
	}
}

func TestReportNamesWhatIsBroken(t *testing.T) {
	m := &measures{
		lines:      maxLines + 1,
		files:      []length{{"a.go", maxFile + 1}, {"b.go", maxFile}},
		funcs:      []length{{"F", maxFunc + 1}},
		interfaces: []length{{"I", maxMethods + 1}},
		exported:   make([]string, maxExported+1),
		names:      100, documented: minDocumented - 1,
	}
	if broken := m.report(maxLines); len(broken) != 7 {
		t.Errorf("got %d broken limits, want 7: %q", len(broken), broken)
	}
}
