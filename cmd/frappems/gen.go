package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/cmd/frappems/internal/gen"
)

// genOptions are the flags of gen.
type genOptions struct {
	doctypes, out, pkg string
	check              bool
}

func parseGen(e *env, args []string) (*genOptions, error) {
	o := &genOptions{}
	set := flag.NewFlagSet("frappems gen", flag.ContinueOnError)
	set.SetOutput(e.stderr)
	set.StringVar(&o.doctypes, "doctypes", "", "`directory` of DocType JSON files")
	set.StringVar(&o.out, "out", "", "`directory` of the Go package that the files are written to")
	set.StringVar(&o.pkg, "package", "", "`name` of the package (default: that of the files in it, or the directory's)")
	set.BoolVar(&o.check, "check", false, "write nothing, and fail if a file is not up to date")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, usageError(err.Error())
	}
	switch {
	case set.NArg() > 0:
		return nil, usageError(fmt.Sprintf("gen takes flags only, not %q", set.Arg(0)))
	case o.doctypes == "" || o.out == "":
		return nil, usageError("gen needs --doctypes and --out")
	}
	return o, nil
}

// generate writes the structs of DocTypes, or says which are stale.
func generate(e *env, args []string) error {
	o, err := parseGen(e, args)
	if err != nil {
		return err
	}
	if info, err := os.Stat(o.doctypes); err != nil || !info.IsDir() {
		return fmt.Errorf("--doctypes: %s is not a directory", o.doctypes)
	}
	types, err := frappems.LoadDocTypes(os.DirFS(o.doctypes))
	if err != nil {
		return err
	}
	if len(types) == 0 {
		return fmt.Errorf("--doctypes: there is no DocType JSON in %s", o.doctypes)
	}
	changes, err := gen.Make(gen.Config{Types: types, Dir: o.out, Package: o.pkg, Generate: o.command()})
	if err != nil {
		return err
	}
	for _, note := range changes.Notes {
		fmt.Fprintln(e.stderr, note)
	}
	stale := changes.Stale()
	if o.check {
		if len(stale) > 0 {
			return fmt.Errorf("%s is not up to date, run go generate there: %s", o.out, strings.Join(stale, ", "))
		}
		return nil
	}
	if err := changes.Apply(); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s: %d files written, %d removed, of %d DocTypes\n", o.out, len(changes.Write), len(changes.Remove), len(types))
	return nil
}

// command is how go generate, in the directory of the package, comes to the same files.
func (o *genOptions) command() string {
	from, err1 := filepath.Abs(o.out)
	to, err2 := filepath.Abs(o.doctypes)
	doctypes, err3 := filepath.Rel(from, to)
	if errors.Join(err1, err2, err3) != nil {
		doctypes = o.doctypes
	}
	command := "go tool frappems gen --doctypes " + quoteArg(filepath.ToSlash(doctypes)) + " --out ."
	if o.pkg != "" {
		command += " --package " + o.pkg
	}
	return command
}

// quoteArg quotes a path with blanks as go generate wants it.
func quoteArg(path string) string {
	if strings.ContainsAny(path, " \t\"") {
		return fmt.Sprintf("%q", path)
	}
	return path
}
