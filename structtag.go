package frappems

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/frappems/frappems/internal/structtag"
)

// DocTypeOf makes a DocType of a Go struct that embeds a [Document], for Config.Types: where there is no JSON of it. Tags say
// what the Go type does not:
//
//	type Ticket struct {
//		frappems.Document `doctype:"Ticket" frappe:"autoname=TICKET-.#####,title_field=subject"`
//
//		Subject  string    `json:"subject" frappe:"Data,reqd"`
//		Customer string    `json:"customer" frappe:"Link:Customer,reqd,search_index"`
//		Status   string    `json:"status" frappe:"Select:Open\nClosed,default=Open,in_list_view"`
//		Note     string    `json:"note" frappe:"Small Text,permlevel=1,label='Note, for us'"`
//		Hours    float64   `json:"hours" frappe:",non_negative"`
//		Steps    []*Step   `json:"steps"` // whose Document has frappe:"istable"
//	}
//
// The tag frappe of a field has its fieldtype, after a colon its options, and by commas properties by the names that they have
// in the JSON of a DocType: alone they are 1. Without a fieldtype it is Data of a string, Check of a bool, Int, Float, JSON, or
// Table of a slice, whose options are the DocType of its structs. The label is made of the name where none is given. A
// Document's tag has properties of the DocType. A value that begins with a single quote ends with one, and two stand for one
// in it. Without permissions only Administrator may do anything with the documents.
//
// It panics, naming the line, where a tag cannot be read. [New] checks what becomes of it.
func DocTypeOf[T any](permissions ...DocPerm) *DocType {
	d, err := docTypeOf(reflect.TypeFor[T]())
	if err != nil {
		panic(fmt.Sprintf("frappems: %s: DocTypeOf[%s]: %v", caller(1), reflect.TypeFor[T](), err))
	}
	d.Permissions = permissions
	return d
}

func docTypeOf(t reflect.Type) (*DocType, error) {
	name, tag, err := documentTag(t)
	if err != nil {
		return nil, err
	}
	d := &DocType{}
	parts, err := structtag.Split(tag)
	if err == nil {
		err = structtag.Fill(d, map[string]any{"name": name}, parts)
	}
	if err != nil {
		return nil, fmt.Errorf("frappems.Document: %w", err)
	}
	for _, f := range structFields(t, nil, false) {
		if isDocument(f) {
			continue
		}
		field, err := fieldOf(f)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		d.Fields = append(d.Fields, *field)
	}
	return d, nil
}

// fieldOf makes a field of a struct's.
func fieldOf(f reflect.StructField) (*Field, error) {
	parts, err := structtag.Split(f.Tag.Get("frappe"))
	if err != nil {
		return nil, err
	}
	kind, options := "", ""
	if len(parts) > 0 {
		kind, options, _ = strings.Cut(parts[0], ":")
		parts = parts[1:]
	}
	if kind == "" {
		kind, options = fieldTypeOf(f.Type)
	}
	field, name := &Field{}, jsonName(f)
	return field, structtag.Fill(field, map[string]any{"fieldname": name, "fieldtype": kind, "options": options, "label": structtag.Label(name)}, parts)
}

// fieldTypeOf is the field type of a Go type, with the options of a table.
func fieldTypeOf(t reflect.Type) (kind, options string) {
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		return "JSON", ""
	case t.Kind() == reflect.Pointer:
		return fieldTypeOf(t.Elem())
	case t.Kind() == reflect.Struct && t.PkgPath() == "database/sql":
		return fieldTypeOf(t.Field(0).Type)
	case t.Kind() == reflect.Slice:
		options, _, _ = documentTag(rowType(t))
		return "Table", options
	}
	return map[reflect.Kind]string{reflect.String: "Data", reflect.Bool: "Check", reflect.Int: "Int", reflect.Int64: "Int",
		reflect.Float64: "Float"}[t.Kind()], ""
}
