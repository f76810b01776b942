package clienttest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

const oracle = "../../frappemstest/testdata/oracle"

// run runs a program, whose failure fails the test with what it printed.
func run(t *testing.T, dir string, env []string, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// need fails the test where a program is missing.
func need(t *testing.T, program, what string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is missing (%v): install %s; the tests drive a service with the clients that people use", program, err, what)
	}
}

// serve starts a service of the DocTypes and users of the recorded traffic, on an empty store.
func serve(t *testing.T) (url string) {
	t.Helper()
	users, err := os.ReadFile(filepath.Join(oracle, "users.json"))
	if err != nil {
		t.Fatal(err)
	}
	memory := frappemstest.ServeStore(func(*testing.T) frappems.Store { return frappems.NewMemoryStore() })
	return memory(t, os.DirFS(filepath.Join(oracle, "doctypes")), users)
}

func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFrappeJSSDK drives a service with the npm package frappe-js-sdk.
func TestFrappeJSSDK(t *testing.T) {
	need(t, "node", "Node.js 18 or newer")
	need(t, "npm", "npm, which comes with Node.js")
	dir := t.TempDir()
	manifest, err := os.ReadFile(script(t, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, nil, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--silent")
	run(t, dir, []string{"NODE_PATH=" + filepath.Join(dir, "node_modules")}, "node", script(t, "client.js"), serve(t))
}

// TestFrappeClient drives a service with the PyPI package frappe-client.
func TestFrappeClient(t *testing.T) {
	need(t, "python3", "Python 3.9 or newer")
	dir := t.TempDir()
	run(t, dir, nil, "python3", "-m", "venv", dir)
	python := filepath.Join(dir, "bin", "python")
	run(t, dir, nil, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r", script(t, "requirements.txt"))
	run(t, dir, nil, python, script(t, "client.py"), serve(t))
}
