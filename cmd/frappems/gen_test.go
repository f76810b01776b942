package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// oddDocTypes have names that Go does not have, has already, or that would make something else of a file.
const oddDocTypes = `[
	{"doctype": "DocType", "name": "Sales Order", "description": "*/ }\nfunc init() { panic(1) } //go:embed x", "fields": [
		{"fieldname": "type", "fieldtype": "Data", "label": "A <b>bold</b> label\u2028and \u0060more\u0060", "description": "line\nfunc init() {}"},
		{"fieldname": "func", "fieldtype": "Int", "label": "Func"}, {"fieldname": "range", "fieldtype": "Check"},
		{"fieldname": "validate", "fieldtype": "Data"}, {"fieldname": "on_submit", "fieldtype": "Data"}, {"fieldname": "is_new", "fieldtype": "Check"},
		{"fieldname": "doc", "fieldtype": "Data"}, {"fieldname": "document", "fieldtype": "Data"}, {"fieldname": "has_value_changed", "fieldtype": "Data"},
		{"fieldname": "before", "fieldtype": "Data"}, {"fieldname": "idx", "fieldtype": "Int"}, {"fieldname": "title", "fieldtype": "Data", "is_virtual": 1},
		{"fieldname": "a_b", "fieldtype": "Data"}, {"fieldname": "aB", "fieldtype": "Data"}, {"fieldname": "2nd_id", "fieldtype": "Data"},
		{"fieldname": "größe", "fieldtype": "Float"}, {"fieldname": "数量", "fieldtype": "Float"}, {"fieldname": "api_url", "fieldtype": "Data"},
		{"fieldname": "took", "fieldtype": "Duration"}, {"fieldname": "big", "fieldtype": "Long Int"}, {"fieldname": "raw", "fieldtype": "JSON"},
		{"fieldname": "status", "fieldtype": "Select", "options": "\nOpen\nopen\n2nd\n>\n<\n数\nTo Bill\nTo-Bill"},
		{"fieldname": "rows", "fieldtype": "Table", "options": "Unit Test"}]},
	{"doctype": "DocType", "name": "Sales_Order", "fields": [{"fieldname": "parent", "fieldtype": "Data"}]},
	{"doctype": "DocType", "name": "Sales Order Controller", "fields": []},
	{"doctype": "DocType", "name": "Sales Order Status", "fields": []},
	{"doctype": "DocType", "name": "Unit Test", "istable": 1, "fields": [{"fieldname": "note", "fieldtype": "Data"}]},
	{"doctype": "DocType", "name": "Port Windows", "fields": []},
	{"doctype": "DocType", "name": "Register", "fields": []},
	{"doctype": "DocType", "name": "Controllers Gen", "fields": []},
	{"doctype": "DocType", "name": "2FA", "fields": []},
	{"doctype": "DocType", "name": "GL Entry", "fields": []},
	{"doctype": "DocType", "name": "客户", "fields": []},
	{"doctype": "DocType", "name": "ग्राहक", "fields": []},
	{"doctype": "DocType", "name": "?!", "fields": []},
	{"doctype": "DocType", "name": "A \u0060quoted\u0060 \"one\"", "fields": [{"fieldname": "q\"q", "fieldtype": "Data"}, {"fieldname": "after", "fieldtype": "Data"}]}]`

func TestGenerateOddNames(t *testing.T) {
	inDir(t, map[string]string{"doctypes/all.json": oddDocTypes})
	out := runGen(t, 0, "--doctypes", "doctypes", "--out", "odd")
	if !strings.Contains(out, "28 files written") {
		t.Errorf("got %s, want 28 files", out)
	}
	files := readDir(t, "odd")
	for file, wants := range map[string][]string{
		"sales_order.go": {"type SalesOrder struct", "\tValidate_ ", "\tOnSubmit_ ", "\tIsNew_ ", "\tDoc_ ", "\tDocument_ ", "\tHasValueChanged_ ", "\tBefore ",
			"\tAB ", "\tAB2 ", "\tX2ndID ", "\tGröße ", "\tX数量 ", "\tAPIURL ", "Took *float64", "Big *int64", "Raw json.RawMessage", "Rows []*UnitTest",
			`SalesOrderStatus2Open    SalesOrderStatus2 = "Open"`, `SalesOrderStatus2Open2   SalesOrderStatus2 = "open"`, `SalesOrderStatus22nd     SalesOrderStatus2 = "2nd"`,
			`SalesOrderStatus2Option4 SalesOrderStatus2 = ">"`, `SalesOrderStatus2ToBill2 SalesOrderStatus2 = "To-Bill"`},
		"sales_order2.go":            {"type SalesOrder2 struct", "\tParent string"},
		"sales_order_controller2.go": {"type SalesOrderController struct"},
		"unit_test_doctype.go":       {"a row of the DocType Unit Test", `doctype:"Unit Test"`},
		"port_windows_doctype.go":    {"type PortWindows struct"},
		"register.go":                {"type Register2 struct"},
		"controllers_gen2.go":        {"type ControllersGen struct"},
		"controllers_gen.go":         {"//go:generate go tool frappems gen --doctypes ../doctypes --out .\n", "Controller[X客户](app)", "Controller[Xगरहक](app)"},
		"2fa.go":                     {"type X2FA struct"},
		"gl_entry.go":                {"type GLEntry struct"},
		"gl_entry_controller.go":     {"func (o *GLEntry) Validate(ctx context.Context, db *frappems.DB) error"},
		"doctype.go":                 {"type X struct"},
		"a_quoted_one.go":            {"type AQuotedOne struct", "has a name that no tag can have", "\tAfter string"},
	} {
		for _, want := range wants {
			if !strings.Contains(files[file], want) && !strings.Contains(spaces.ReplaceAllString(files[file], " "), spaces.ReplaceAllString(want, " ")) {
				t.Errorf("%s: got\n%s\nwant it to have %q", file, files[file], want)
			}
		}
		if strings.Contains(files[file], "\nfunc init") {
			t.Errorf("%s: a description became a function:\n%s", file, files[file])
		}
	}
}

var spaces = regexp.MustCompile(`[ \t]+`)

func TestGeneratedOddNames(t *testing.T) {
	doctypes := t.TempDir()
	if err := os.WriteFile(filepath.Join(doctypes, "all.json"), []byte(oddDocTypes), 0o644); err != nil {
		t.Fatal(err)
	}
	testGenerated(t, doctypes)
}

const (
	bookDocType = `{"doctype": "DocType", "name": "Book", "fields": [{"fieldname": "title", "fieldtype": "Data"},
		{"fieldname": "chapters", "fieldtype": "Table", "options": "Chapter"}]}`
	chapterDocType = `{"doctype": "DocType", "name": "Chapter", "istable": 1, "fields": [{"fieldname": "title", "fieldtype": "Data"}]}`
	shelfDocType   = `{"doctype": "DocType", "name": "Shelf", "fields": []}`
)

// What people wrote stays; what was generated follows the DocTypes; --check says when it does not, and writes nothing.
func TestGenerateAgain(t *testing.T) {
	inDir(t, map[string]string{"d/book.json": bookDocType, "d/chapter.json": chapterDocType, "d/shelf.json": shelfDocType})
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(name string) {
		t.Helper()
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	wantStale := func(files string) {
		t.Helper()
		before := readDir(t, "out")
		out := runGen(t, 1, "--doctypes", "d", "--out", "out", "--check")
		if !strings.Contains(out, "out is not up to date, run go generate there: "+files+"\n") {
			t.Errorf("got %q, want the stale files %s", out, files)
		}
		if !maps.Equal(before, readDir(t, "out")) {
			t.Error("--check changed files")
		}
	}
	again := func(want string) string {
		t.Helper()
		out := runGen(t, 0, "--doctypes", "d", "--out", "out")
		if !strings.Contains(out, want) {
			t.Errorf("got %s, want %s", out, want)
		}
		runGen(t, 0, "--doctypes", "d", "--out", "out", "--check")
		return out
	}
	again("6 files written, 0 removed, of 3 DocTypes")

	stub := "package out\n\n// mine\n"
	write("out/book_controller.go", stub)
	write("d/book.json", strings.Replace(bookDocType, `"title"`, `"long_title"`, 1))
	wantStale("book.go")
	again("1 files written, 0 removed")
	if files := readDir(t, "out"); files["book_controller.go"] != stub || !strings.Contains(files["book.go"], "LongTitle string") {
		t.Errorf("got %q and %q, want the controller as it was and the struct with its new field", files["book_controller.go"], files["book.go"])
	}

	write("out/book.go", readDir(t, "out")["book.go"]+"\n// changed\n")
	wantStale("book.go")
	again("1 files written, 0 removed")

	remove("out/book_controller.go") // is not missed
	again("0 files written, 0 removed")

	remove("d/shelf.json")
	wantStale("controllers_gen.go, shelf.go")
	if out := again("1 files written, 1 removed"); !strings.Contains(out, "shelf_controller.go is yours, and its DocType is gone: remove it") {
		t.Errorf("got %s, want a note on shelf_controller.go", out)
	}
	if files := readDir(t, "out"); files["shelf_controller.go"] == "" || files["shelf.go"] != "" {
		t.Error("want shelf.go to be removed and shelf_controller.go to stay")
	}

	// A struct by hand is registered, and takes the place of the generated one.
	write("out/hand.go", "package out\n\nimport fr \"github.com/frappems/frappems\"\n\ntype (\n\tHeading struct {\n\t\tfr.Document `doctype:\"Chapter\"`\n\t}\n"+
		"\tother struct{ fr.Document }\n)\n")
	wantStale("book.go, chapter.go, controllers_gen.go")
	again("2 files written, 1 removed")
	files := readDir(t, "out")
	if !strings.Contains(files["book.go"], "Chapters []*Heading") || files["chapter.go"] != "" ||
		!strings.Contains(files["controllers_gen.go"], "\tfrappems.Controller[Book](app)\n\tfrappems.Controller[Heading](app)\n}") {
		t.Errorf("got\n%s\n%s\nwant Heading for the rows", files["book.go"], files["controllers_gen.go"])
	}
}

func TestGenerateMistakes(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "gen needs --doctypes and --out"},
		{"--doctypes d", 2, "gen needs --doctypes and --out"},
		{"--doctypes d --out x more", 2, `not "more"`},
		{"--doctypes missing --out x", 1, "missing is not a directory"},
		{"--doctypes empty --out x", 1, "no DocType JSON in empty"},
		{"--doctypes bad --out x", 1, `bad.json: field "rows"`},
		{"--doctypes d --out other --package mine", 1, "other has package other, want mine"},
		{"--doctypes d --out broken", 1, "broken.go:1:1"},
		{"--doctypes d --out taken", 1, "shelf.go is not generated, and would be overwritten"},
		{"--doctypes d --out twice", 1, "A and B are both of the DocType Shelf"},
		{"--doctypes d --out d/shelf.json", 1, "shelf.json"},
		{"--doctypes d --out x --check", 1, "x is not up to date, run go generate there: controllers_gen.go, shelf.go, shelf_controller.go"},
	} {
		t.Run(test.args, func(t *testing.T) {
			inDir(t, map[string]string{"d/shelf.json": shelfDocType, "empty/readme.txt": "", "other/a.go": "package other\n", "broken/broken.go": "x",
				"taken/shelf.go": "package taken\n",
				"twice/a.go": "package twice\n\nimport \"github.com/frappems/frappems\"\n\ntype A struct {\n\tfrappems.Document `doctype:\"Shelf\"`\n}\n\n" +
					"type B struct {\n\tfrappems.Document `doctype:\"Shelf\"`\n}\n",
				"bad/bad.json": `{"doctype": "DocType", "name": "Bad", "fields": [{"fieldname": "rows", "fieldtype": "Table", "options": "None"}]}`})
			if out := runGen(t, test.code, strings.Fields(test.args)...); !strings.Contains(out, test.want) {
				t.Errorf("got %q, want it to have %q", out, test.want)
			}
			if _, err := os.Stat("x"); err == nil {
				t.Error("files were written")
			}
		})
	}
}

// The structs of the example are those of its DocTypes.
func TestExampleIsGenerated(t *testing.T) {
	runGen(t, 0, "--doctypes", "../../examples/orders/doctypes", "--out", "../../examples/orders/model", "--check")
}
