package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gen runs the command and returns what it prints.
func runGen(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if code := run(t.Context(), &env{stdout: &out, stderr: &out, getenv: noEnv}, append([]string{"gen"}, args...)); code != want {
		t.Fatalf("gen %s: got exit status %d, want %d: %s", strings.Join(args, " "), code, want, out.String())
	}
	return out.String()
}

// readDir reads the files of a directory.
func readDir(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(data)
	}
	return files
}

// lifeTest leads all DocTypes that structs were generated of through their life, with the structs as controllers.
const lifeTest = `package model

import (
	"os"
	"testing"

	"github.com/frappems/frappems/frappemstest"
)

func TestLife(t *testing.T) { frappemstest.TestControllers(t, os.DirFS(%q), Register) }
`

// testGenerated generates a package of a directory of DocTypes and runs a test in it, as a module of its own.
func testGenerated(t *testing.T, doctypes string) (dir string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if doctypes, err = filepath.Abs(doctypes); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "model")
	runGen(t, 0, "--doctypes", doctypes, "--out", dir)
	before := readDir(t, dir)
	if out := runGen(t, 0, "--doctypes", doctypes, "--out", dir); !strings.Contains(out, " 0 files written, 0 removed") {
		t.Errorf("the second run: got %s, want it to write nothing", out)
	}
	runGen(t, 0, "--doctypes", doctypes, "--out", dir, "--check")
	if !maps.Equal(before, readDir(t, dir)) {
		t.Error("the second run changed files")
	}
	for name, text := range map[string]string{
		"go.mod":       "module example.com/model\n\ngo 1.25\n\nrequire github.com/frappems/frappems v0.1.0\n\nreplace github.com/frappems/frappems => " + root + "\n",
		"life_test.go": fmt.Sprintf(lifeTest, doctypes),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", ".")
	command.Dir, command.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("the generated package: %v\n%s", err, out)
	}
	return dir
}

// Structs for all DocTypes of Frappe compile, are taken as controllers, and change no byte of what clients are answered.
func TestGenerateAllDocTypes(t *testing.T) {
	dir := testGenerated(t, "../../testdata/frappe-doctypes")
	if n := strings.Count(readDir(t, dir)["controllers_gen.go"], "frappems.Controller["); n != 262 {
		t.Errorf("got %d controllers, want one for each of 262 DocTypes", n)
	}
}
