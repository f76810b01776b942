package gen

import (
	"bytes"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/frappems/frappems"
)

// names are those that are taken.
type names map[string]bool

// unique takes a name, or one with the first number that makes it a new one.
func (n names) unique(name string) string {
	unique := name
	for i := 2; n[unique]; i++ {
		unique = name + strconv.Itoa(i)
	}
	n[unique] = true
	return unique
}

// uniqueFile takes a file's name, and that of the controller beside it.
func (n names) uniqueFile(base string) string {
	unique := base
	for i := 2; n[unique] || n[unique+"_controller"]; i++ {
		unique = base + strconv.Itoa(i)
	}
	n[unique], n[unique+"_controller"] = true, true
	return unique
}

// escaped takes a field's name; one that Document or the lifecycle has gets an underscore.
func (n names) escaped(name string) string {
	if n[name] && reservedFields()[name] {
		name += "_"
	}
	return n.unique(name)
}

// standardFields are those that a Document holds.
var standardFields = map[string]bool{"name": true, "owner": true, "creation": true, "modified": true, "modified_by": true,
	"docstatus": true, "idx": true}

// lifecycleNames are the methods that a controller can have.
var lifecycleNames = []frappems.Event{frappems.BeforeInsert, frappems.BeforeNaming, frappems.Autoname, frappems.BeforeValidate,
	frappems.Validate, frappems.BeforeSave, frappems.BeforeUpdate, frappems.AfterInsert, frappems.AfterUpdate, frappems.OnUpdate,
	frappems.BeforeSubmit, frappems.OnSubmit, frappems.BeforeCancel, frappems.OnCancel, frappems.BeforeUpdateAfterSubmit,
	frappems.OnUpdateAfterSubmit, frappems.BeforeDelete, frappems.OnTrash, frappems.AfterDelete, frappems.OnChange,
	frappems.BeforeRename, frappems.AfterRename}

// reservedFields are the names that no field of a struct can have: those of Document, of its fields and methods, and of the
// methods of the lifecycle.
func reservedFields() names {
	reserved := names{"Document": true}
	document := reflect.TypeFor[frappems.Document]()
	for i := range document.NumField() {
		reserved[document.Field(i).Name] = true
	}
	for i := range reflect.PointerTo(document).NumMethod() {
		reserved[reflect.PointerTo(document).Method(i).Name] = true
	}
	for _, event := range lifecycleNames {
		reserved[exported(string(event))] = true
	}
	return reserved
}

// initialisms are words of field names that Go writes in capitals.
var initialisms = strings.Fields("api ascii cpu css dns eof guid html http https id ip json rpc sla smtp sql ssh tcp tls ttl udp ui uid " +
	"uuid uri url utf8 vm xml xsrf xss")

// exported makes an exported Go name of any text: the letters and digits of its words. One that does not begin with a letter
// that has a capital gets an X before it, as do digits.
func exported(text string) string {
	var out strings.Builder
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }) {
		if slices.Contains(initialisms, word) {
			out.WriteString(strings.ToUpper(word))
			continue
		}
		word = strings.Map(func(r rune) rune {
			if unicode.IsMark(r) { // accents of their own and vowel signs are in no Go name
				return -1
			}
			return r
		}, word)
		first, size := utf8.DecodeRuneInString(word)
		out.WriteString(string(unicode.ToUpper(first)) + word[size:])
	}
	if first, _ := utf8.DecodeRuneInString(out.String()); !unicode.IsUpper(first) {
		return "X" + out.String()
	}
	return out.String()
}

// digitPrefix is the X that a constant does not need after the name of its type.
func digitPrefix(option string) string {
	if first, _ := utf8.DecodeRuneInString(option); unicode.IsDigit(first) {
		return "X"
	}
	return ""
}

// platforms are words that make a file one of a platform, or a test, at the end of its name.
var platforms = strings.Fields("test aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris " +
	"wasip1 windows zos 386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc " +
	"ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm")

// fileBase makes the name of a file of a DocType's: "Sales Order" is sales_order.
func fileBase(doctype string) string {
	words := strings.FieldsFunc(strings.ToLower(doctype), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 || len(words) > 1 && slices.Contains(platforms, words[len(words)-1]) {
		words = append(words, "doctype")
	}
	return strings.Join(words, "_")
}

// packageName makes one of a directory's name.
func packageName(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	name := strings.Map(func(r rune) rune {
		if r = unicode.ToLower(r); r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, filepath.Base(dir))
	if !token.IsIdentifier(name) {
		return "doctypes"
	}
	return name
}

// tag makes a struct tag of one key.
func tag(key, value string) string {
	text := key + ":" + strconv.Quote(value)
	if strings.Contains(text, "`") {
		return strconv.Quote(text)
	}
	return "`" + text + "`"
}

var markup = regexp.MustCompile(`<[^>]*>`)

// comment writes text as a comment of lines that are not too long: without markup, and what is not printable.
func comment(out *bytes.Buffer, indent, text string) {
	text = markup.ReplaceAllString(text, " ")
	line := ""
	for _, word := range strings.Fields(text) {
		word = strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return -1
		}, word)
		if line != "" && utf8.RuneCountInString(line+" "+word) > 100 {
			out.WriteString(indent + "//" + line + "\n")
			line = ""
		}
		line += " " + word
	}
	out.WriteString(indent + "//" + line + "\n")
}
