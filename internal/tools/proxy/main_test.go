package main

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository makes a git repository of the given files.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("git", "-C", dir, "init", "-q").CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	return dir
}

func sources() map[string]string {
	return map[string]string{
		"VERSION":               "0.2.0\n",
		"allmodules":            "# modules\n.            release\nadapters/one release\ncmd/tool     release\ninternal/x\n",
		".gitignore":            "*.db\n",
		"go.mod":                "module example.com/core\n\ngo 1.25\n",
		"core.go":               "package core\n",
		"local.db":              "ignored",
		"internal/y/y.go":       "package y\n",
		"internal/x/go.mod":     "module example.com/core/internal/x\n",
		"internal/x/x.go":       "package x\n",
		"adapters/one/go.mod":   "module example.com/core/adapters/one\n\nrequire example.com/core v0.2.0\n\nreplace example.com/core => ../..\n",
		"adapters/one/one.go":   "package one\n",
		"adapters/one/go.sum":   "",
		"cmd/tool/go.mod":       "module example.com/core/cmd/tool\n\nrequire example.com/core v0.2.0\n",
		"cmd/tool/main.go":      "package main\n\nfunc main() {}\n",
		"cmd/tool/testdata/t.t": "t",
	}
}

func TestRun(t *testing.T) {
	repo, out := repository(t, sources()), t.TempDir()
	if err := run(repo, out); err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string][]string{
		"example.com/core":              {".gitignore", "VERSION", "allmodules", "core.go", "go.mod", "internal/y/y.go"},
		"example.com/core/adapters/one": {"go.mod", "go.sum", "one.go"},
		"example.com/core/cmd/tool":     {"go.mod", "main.go", "testdata/t.t"},
	} {
		archive, err := zip.OpenReader(filepath.Join(out, module, "@v", "v0.2.0.zip"))
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		var got []string
		for _, f := range archive.File {
			got = append(got, strings.TrimPrefix(f.Name, module+"@v0.2.0/"))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", module, got, want)
		}
		for _, name := range []string{"list", "v0.2.0.info", "v0.2.0.mod"} {
			if _, err := os.Stat(filepath.Join(out, module, "@v", name)); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(out, "example.com/core/internal")); err == nil {
		t.Error("a module that is not released was published")
	}
}

func TestRunRefuses(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"another version", "adapters/one/go.mod", "module example.com/core/adapters/one\n\nrequire example.com/core v0.1.0\n", "VERSION says v0.2.0"},
		{"a command with replace", "cmd/tool/go.mod", "module example.com/core/cmd/tool\n\nreplace example.com/core => ../..\n", "go install"},
		{"no version", "VERSION", "next\n", "not a version"},
		{"a module that is not there", "allmodules", ".\nadapters/two release\n", "adapters/two"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := sources()
			files[test.file] = test.text
			err := run(repository(t, files), t.TempDir())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}
