package gen

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

const frappemsPath = "github.com/frappems/frappems"

// pkg is what a directory has already.
type pkg struct {
	pkg       string            // name of the package; "" without Go files
	generated map[string]bool   // files that were generated here
	structs   map[string]string // that people wrote, by DocType
}

// scan reads the Go files of a directory, but for tests and files that are not built.
func scan(dir string) (*pkg, error) {
	p := &pkg{generated: map[string]bool{}, structs: map[string]string{}}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if built, err := build.Default.MatchFile(dir, name); err != nil || !built || entry.IsDir() ||
			!strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		mode := parser.SkipObjectResolution
		if p.generated[name] = bytes.HasPrefix(source, []byte(header)); p.generated[name] {
			mode = parser.PackageClauseOnly
		} else {
			delete(p.generated, name)
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), source, mode)
		if err != nil {
			return nil, err
		}
		p.pkg = file.Name.Name
		if err := p.addStructs(file); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
	}
	return p, nil
}

// addStructs notes the structs of a file that embed a frappems.Document with the name of a DocType.
func (p *pkg) addStructs(file *ast.File) error {
	local := ""
	for _, spec := range file.Imports {
		if path, _ := strconv.Unquote(spec.Path.Value); path == frappemsPath {
			local = "frappems"
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	for _, decl := range file.Decls {
		types, isTypes := decl.(*ast.GenDecl)
		if !isTypes || types.Tok != token.TYPE {
			continue
		}
		for _, spec := range types.Specs {
			spec := spec.(*ast.TypeSpec)
			doctype := embeddedDocType(spec.Type, local)
			if doctype == "" || spec.TypeParams != nil {
				continue
			}
			if other := p.structs[doctype]; other != "" {
				return fmt.Errorf("%s and %s are both of the DocType %s", other, spec.Name.Name, doctype)
			}
			p.structs[doctype] = spec.Name.Name
		}
	}
	return nil
}

// embeddedDocType is the DocType that the Document in a struct names.
func embeddedDocType(expr ast.Expr, local string) string {
	struc, isStruct := expr.(*ast.StructType)
	if !isStruct || local == "" {
		return ""
	}
	for _, field := range struc.Fields.List {
		selector, isSelector := field.Type.(*ast.SelectorExpr)
		if len(field.Names) > 0 || !isSelector || field.Tag == nil || selector.Sel.Name != "Document" {
			continue
		}
		if from, isIdent := selector.X.(*ast.Ident); isIdent && from.Name == local {
			text, _ := strconv.Unquote(field.Tag.Value)
			return reflect.StructTag(text).Get("doctype")
		}
	}
	return ""
}
