// Mutants shows that TestIsolation finds leaks: it runs it on versions of the sources in which one statement does not look at
// the tenant, and fails where a run does not fail. The versions are made of the sources by replacing pieces of text, and go to
// go test by its flag -overlay, so no build but these can hold them.
//
//	go run ./mutants ROOT [NAME]...
//
// With names only those mutants are tried.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// operations of a run, and its seed. A run ends with the first leak, so that only those without one take all of them.
const operations, seed = "2000", "1"

// stores are the directories whose TestIsolation runs, with what their store is called.
var stores = [][2]string{{".", "memory"}, {"adapters/sqlite", "SQLite"}, {"adapters/mariadb", "MariaDB"}}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: mutants ROOT [NAME]...")
		os.Exit(2)
	}
	root, err := filepath.Abs(os.Args[1])
	if err == nil {
		err = run(root, os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run tries mutants on all stores, and before that sources in which nothing is dropped.
func run(root string, names []string) error {
	var problems []error
	for _, name := range names {
		if !slices.ContainsFunc(mutants(), func(m mutant) bool { return m.name == name }) {
			return fmt.Errorf("there is no mutant %q", name)
		}
	}
	for _, m := range append([]mutant{{name: "(none)"}}, mutants()...) {
		if len(names) > 0 && m.edits != nil && !slices.Contains(names, m.name) {
			continue
		}
		for _, store := range stores {
			if m.once && store != stores[0] {
				continue
			}
			output, err := test(root, store[0], m)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			verdict, err := judge(m.edits == nil, output)
			fmt.Printf("%-26s %-8s %s\n", m.name, store[1], verdict)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s on %s: %w", m.name, store[1], err))
			}
		}
	}
	return errors.Join(problems...)
}

// test runs TestIsolation of a directory on a mutant and returns what it printed.
func test(root, dir string, m mutant) (string, error) {
	temp, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	overlay, err := overlayOf(root, temp, append(reach(), m.edits...))
	if err != nil {
		return "", err
	}
	command := exec.Command("go", "test", "-overlay", overlay, "-vet", "off", "-count", "1", "-v", "-run", "^TestIsolation$", ".")
	command.Dir = filepath.Join(root, dir)
	command.Env = append(os.Environ(), "ISOLATION_OPERATIONS="+operations, "ISOLATION_SEED="+seed)
	output, err := command.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return "", err
	}
	return string(output), nil
}

// overlayOf writes the files that are changed to temp, and what go's flag -overlay wants to know of them.
func overlayOf(root, temp string, edits []replacement) (string, error) {
	sources, replace := map[string]string{}, map[string]string{}
	for i, e := range edits {
		path := filepath.Join(root, filepath.FromSlash(e.file))
		if replace[path] == "" {
			data, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			sources[path], replace[path] = string(data), filepath.Join(temp, fmt.Sprintf("%d.go", i))
		}
		var err error
		if sources[path], err = e.apply(sources[path]); err != nil {
			return "", err
		}
	}
	for path, copied := range replace {
		if err := os.WriteFile(copied, []byte(sources[path]), 0o600); err != nil {
			return "", err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(temp, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o600)
}

// apply makes the replacement. Text that is not there, or there twice, is an error: the mutant has to follow the sources.
func (e replacement) apply(source string) (string, error) {
	if n := strings.Count(source, e.old); n != 1 {
		return "", fmt.Errorf("%s has this text %d times, want once; change the mutant in internal/tools/mutants/list.go as the source was changed:\n\t%s", e.file, n, e.old)
	}
	return strings.Replace(source, e.old, e.new, 1), nil
}

var (
	leak        = regexp.MustCompile(`isolation broken \(([^)]*)\): ISOLATION_SEED=\d+, (request \d+, .*) of tenant`)
	passed      = []byte("--- PASS: TestIsolation ")
	isLeak      = map[string]bool{"another tenant's value": true, "not as alone": true, "status": true, "model": true}
	errNoTest   = errors.New("the test neither passed nor failed, its output is above")
	errSurvives = errors.New("TestIsolation does not find it")
)

// judge says in words what a run showed. What is not as it should be is an error: a mutant that passes or fails for another
// reason than a leak, or sources with nothing dropped that fail.
func judge(clean bool, output string) (string, error) {
	found := leak.FindStringSubmatch(output)
	switch {
	case found != nil && clean:
		return "fails: " + found[1] + ", " + found[2], errors.New("it fails though nothing is dropped:\n" + output)
	case found != nil && isLeak[found[1]]:
		return "caught: " + found[1] + ", " + found[2], nil
	case found != nil || !bytes.Contains([]byte(output), passed):
		return "not decided", fmt.Errorf("%w:\n%s", errNoTest, output)
	case clean:
		return "passes, as it should", nil
	}
	return "NOT CAUGHT", errSurvives
}
