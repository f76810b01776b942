// Proxy writes a file-system Go module proxy with the modules of this repository as a release would publish them: from
// the files that git knows or would add, at the version of the file VERSION, nested modules left out. It also checks
// what would make a release useless to others: requirements of another version, and replacements in a module with
// commands, which "go install" refuses.
//
//	go run ./proxy REPOSITORY DIR
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: proxy REPOSITORY DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	}
}

func run(repo, out string) error {
	version, err := readVersion(repo)
	if err != nil {
		return err
	}
	dirs, released, err := readModules(repo)
	if err != nil {
		return err
	}
	listed, err := exec.Command("git", "-C", repo, "ls-files", "-coz", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	files := strings.Split(strings.TrimRight(string(listed), "\x00"), "\x00")
	mods := map[string]*modfile.File{} // by directory
	ours := map[string]string{}        // module path to directory
	for _, dir := range released {
		name := filepath.Join(repo, dir, "go.mod")
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if mods[dir], err = modfile.Parse(name, data, nil); err != nil {
			return err
		}
		ours[mods[dir].Module.Mod.Path] = dir
	}
	for _, dir := range released {
		if err := check(mods[dir], ours, version); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, "go.mod"), err)
		}
		content := moduleFiles(repo, dir, files, dirs)
		if err := publish(out, mods[dir], version, content); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		fmt.Printf("%s %s (tag %s), %d files\n", mods[dir].Module.Mod.Path, version, path.Join(filepath.ToSlash(dir), version), len(content))
	}
	return nil
}

// readVersion gives the next version as a tag has it.
func readVersion(repo string) (string, error) {
	data, err := os.ReadFile(filepath.Join(repo, "VERSION"))
	if err != nil {
		return "", err
	}
	version := "v" + strings.TrimSpace(string(data))
	if module.CanonicalVersion(version) != version {
		return "", fmt.Errorf("VERSION: %q is not a version like 1.2.3", strings.TrimSpace(string(data)))
	}
	return version, nil
}

// readModules reads the file allmodules: one directory per line, with the word "release" after it if it is published.
func readModules(repo string) (dirs, released []string, err error) {
	data, err := os.ReadFile(filepath.Join(repo, "allmodules"))
	if err != nil {
		return nil, nil, err
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		dirs = append(dirs, words[0])
		if slices.Contains(words[1:], "release") {
			released = append(released, words[0])
		}
	}
	return dirs, released, nil
}

// check refuses a go.mod that would not work for those who require it.
func check(mod *modfile.File, ours map[string]string, version string) error {
	for _, r := range mod.Require {
		if _, ok := ours[r.Mod.Path]; ok && r.Mod.Version != version {
			return fmt.Errorf("requires %s %s, but VERSION says %s", r.Mod.Path, r.Mod.Version, version)
		}
	}
	if strings.Contains(mod.Module.Mod.Path, "/cmd/") && len(mod.Replace) > 0 {
		return fmt.Errorf("has a replace directive, so that \"go install\" of its commands would fail")
	}
	return nil
}

// moduleFiles are the repository's files that belong to the module in dir and not to one below it.
func moduleFiles(repo, dir string, files, dirs []string) (content []zip.File) {
	for _, name := range files {
		owner := "."
		for _, d := range dirs {
			if strings.HasPrefix(name, d+"/") && len(d) > len(owner) {
				owner = d
			}
		}
		if owner != dir {
			continue
		}
		inside := strings.TrimPrefix(name, dir+"/")
		if info, err := os.Lstat(filepath.Join(repo, name)); err == nil && info.Mode().IsRegular() {
			content = append(content, file{inside, filepath.Join(repo, name)})
		}
	}
	return content
}

// file of a module's zip.
type file struct{ inside, name string }

func (f file) Path() string                 { return f.inside }
func (f file) Lstat() (os.FileInfo, error)  { return os.Lstat(f.name) }
func (f file) Open() (io.ReadCloser, error) { return os.Open(f.name) }

// publish writes what the GOPROXY protocol answers for one version of a module.
func publish(out string, mod *modfile.File, version string, content []zip.File) error {
	escaped, err := module.EscapePath(mod.Module.Mod.Path)
	if err != nil {
		return err
	}
	dir := filepath.Join(out, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	info, err := json.Marshal(map[string]string{"Version": version, "Time": time.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	gomod, err := os.ReadFile(mod.Syntax.Name)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := zip.Create(&archive, module.Version{Path: mod.Module.Mod.Path, Version: version}, content); err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"list": []byte(version + "\n"), version + ".info": info, version + ".mod": gomod, version + ".zip": archive.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}
