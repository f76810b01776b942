// Bounds measures the package in a directory against the limits that keep the core small enough to be read in an
// afternoon, and fails when one is broken. LINES, where it is given, is what a package that is past the limit of lines may have
// until it is smaller: it holds what is there, and is lowered with it.
//
//	go run ./bounds DIR [LINES]
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	maxLines      = 8000 // of all files without tests
	maxFile       = 600
	maxFunc       = 60
	maxMeanFunc   = 15
	maxExported   = 150 // top-level names; a group of constants is one
	maxMethods    = 5   // of an interface
	minDocumented = 95  // percent of the exported names and methods
)

func main() {
	limit := maxLines
	if len(os.Args) == 3 {
		limit, _ = strconv.Atoi(os.Args[2])
	}
	if len(os.Args) < 2 || len(os.Args) > 3 || limit <= 0 {
		fmt.Fprintln(os.Stderr, "usage: bounds DIR [LINES]")
		os.Exit(2)
	}
	m, err := measure(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bounds:", err)
		os.Exit(2)
	}
	broken := m.report(limit)
	for _, b := range broken {
		fmt.Fprintln(os.Stderr, "bounds:", b)
	}
	if len(broken) > 0 {
		os.Exit(1)
	}
}

// length of something, with the place where it stands.
type length struct {
	what  string
	lines int
}

type measures struct {
	lines        int
	files, funcs []length
	exported     []string // top-level names
	documented   int      // of names
	names        int      // exported top-level names and methods of exported types
	undocumented []string
	interfaces   []length // methods of each
	fset         *token.FileSet
	types        map[string]*ast.InterfaceType
}

// measure reads the non-test files of one directory.
func measure(dir string) (*measures, error) {
	m := &measures{fset: token.NewFileSet(), types: map[string]*ast.InterfaceType{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(m.fset, path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		lines := m.fset.File(file.Pos()).LineCount()
		m.lines += lines
		m.files = append(m.files, length{filepath.Base(path), lines})
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no Go files in %s", dir)
	}
	for _, file := range files {
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				m.function(decl)
			case *ast.GenDecl:
				m.declaration(decl)
			}
		}
	}
	for name, iface := range m.types {
		m.interfaces = append(m.interfaces, length{name, m.methods(iface)})
	}
	return m, nil
}

func (m *measures) function(decl *ast.FuncDecl) {
	first, last := m.fset.Position(decl.Pos()), m.fset.Position(decl.End())
	m.funcs = append(m.funcs, length{fmt.Sprintf("%s (%s)", decl.Name.Name, filepath.Base(first.Filename)), last.Line - first.Line + 1})
	if !decl.Name.IsExported() {
		return
	}
	name := decl.Name.Name
	if decl.Recv == nil {
		m.exported = append(m.exported, name)
	} else {
		receiver := receiverType(decl.Recv.List[0].Type)
		if !ast.IsExported(receiver) {
			return
		}
		name = receiver + "." + name
	}
	m.name(name, decl.Doc != nil)
}

func receiverType(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return receiverType(e.X)
	case *ast.IndexExpr:
		return receiverType(e.X)
	case *ast.IndexListExpr:
		return receiverType(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// declaration counts types, variables and constants. A group of constants counts as one name, that of the first.
func (m *measures) declaration(decl *ast.GenDecl) {
	group := ""
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if iface, ok := spec.Type.(*ast.InterfaceType); ok {
				m.types[spec.Name.Name] = iface
			}
			if spec.Name.IsExported() {
				m.exported = append(m.exported, spec.Name.Name)
				m.name(spec.Name.Name, spec.Doc != nil || decl.Doc != nil)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if !name.IsExported() || group != "" && decl.Tok == token.CONST {
					continue
				}
				group = name.Name
				m.exported = append(m.exported, name.Name)
				m.name(name.Name, decl.Doc != nil || spec.Doc != nil || spec.Comment != nil)
			}
		}
	}
}

func (m *measures) name(name string, documented bool) {
	m.names++
	if documented {
		m.documented++
	} else {
		m.undocumented = append(m.undocumented, name)
	}
}

// methods counts those of embedded interfaces of the package too.
func (m *measures) methods(iface *ast.InterfaceType) int {
	n := 0
	for _, field := range iface.Methods.List {
		switch t := field.Type.(type) {
		case *ast.FuncType:
			n += len(field.Names)
		case *ast.Ident:
			if embedded, ok := m.types[t.Name]; ok {
				n += m.methods(embedded)
			}
		}
	}
	return n
}

// report prints the figures and returns the limits that are broken.
func (m *measures) report(lines int) (broken []string) {
	check := func(what string, limit int, all ...length) {
		longest := slices.MaxFunc(all, func(a, b length) int { return a.lines - b.lines })
		fmt.Printf("%-40s %6d  (at most %d) %s\n", what, longest.lines, limit, longest.what)
		for _, l := range all {
			if l.lines > limit {
				broken = append(broken, strings.TrimSpace(fmt.Sprintf("%s: %d, at most %d %s", what, l.lines, limit, l.what)))
			}
		}
	}
	total := 0
	for _, f := range m.funcs {
		total += f.lines
	}
	check("lines without tests", lines, length{lines: m.lines})
	check("lines of a file", maxFile, m.files...)
	check("lines of a function", maxFunc, append(m.funcs, length{})...)
	check("methods of an interface", maxMethods, append(m.interfaces, length{})...)
	check("exported top-level names", maxExported, length{lines: len(m.exported)})
	mean := float64(total) / float64(max(len(m.funcs), 1))
	fmt.Printf("%-40s %6.1f  (at most %d)\n", "mean lines of a function", mean, maxMeanFunc)
	if mean > maxMeanFunc {
		broken = append(broken, fmt.Sprintf("mean lines of a function: %.1f, at most %d", mean, maxMeanFunc))
	}
	percent := 100 * float64(m.documented) / float64(max(m.names, 1))
	fmt.Printf("%-40s %6.1f  (at least %d)\n", "percent of exported names with a comment", percent, minDocumented)
	if percent < minDocumented {
		broken = append(broken, fmt.Sprintf("percent of exported names with a comment: %.1f, at least %d; without: %s",
			percent, minDocumented, strings.Join(m.undocumented, ", ")))
	}
	return broken
}
