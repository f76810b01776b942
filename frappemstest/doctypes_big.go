package frappemstest

import (
	"fmt"
	"strings"

	"github.com/frappems/frappems"
)

// valueTypes are all field types of Frappe v15 that have a column.
var valueTypes = []string{"Autocomplete", "Attach", "Attach Image", "Barcode", "Check", "Code", "Color", "Currency", "Data", "Date", "Datetime",
	"Duration", "Dynamic Link", "Float", "Geolocation", "HTML Editor", "Icon", "Int", "JSON", "Link", "Long Int", "Long Text", "Markdown Editor",
	"Password", "Percent", "Phone", "Rating", "Read Only", "Select", "Signature", "Small Text", "Text", "Text Editor", "Time"}

// bigDocTypes makes DocTypes with fields of all types and six tables, one for each way of naming documents. Two are as
// large as those of ERPNext, with 200 fields.
func bigDocTypes() []*frappems.DocType {
	var all, rows []*frappems.DocType
	for i := range 6 {
		row := &frappems.DocType{Name: fmt.Sprint("Big Row ", i+1), IsTable: true, Fields: manyFields(40, i)}
		if i == 5 {
			row.Autoname = "autoincrement"
		}
		rows = append(rows, row)
	}
	for i, autoname := range []string{"hash", "naming_series:", "field:code", "format:BIG-{YYYY}-{code}-{####}", "BIG-.YY.-.{code}.-.#####", "prompt",
		"autoincrement", "UUID"} {
		m := &frappems.DocType{Name: fmt.Sprint("Big ", i+1), Autoname: autoname, IsSubmittable: i%2 == 1, Fields: []frappems.Field{
			{Fieldname: "code", Fieldtype: "Data", Required: true, Unique: true},
			{Fieldname: "naming_series", Fieldtype: "Select", Options: "BIG-.YYYY.-\nLARGE-.MM.-.###"},
			{Fieldname: "idx", Fieldtype: "Int"}, {Fieldname: "parent", Fieldtype: "Data"}, {Fieldname: "parenttype", Fieldtype: "Small Text"},
			{Fieldname: strings.Repeat("long_", 12) + "name", Fieldtype: "Currency"}, {Fieldname: "notes", Fieldtype: "Text Editor"}}}
		for at, row := range rows {
			m.Fields = append(m.Fields, frappems.Field{Fieldname: fmt.Sprint("table_", at+1), Fieldtype: []string{"Table", "Table MultiSelect"}[at%2],
				Options: row.Name, Required: at == 0, Permlevel: 1})
		}
		size := 40
		if i < 2 {
			size = 200
		}
		m.Fields = append(m.Fields, manyFields(size-len(m.Fields), i)...)
		all = append(all, m)
	}
	return append(all, rows...)
}

// manyFields makes fields of all types in turn, with the properties that change what is stored.
func manyFields(count, kind int) []frappems.Field {
	fields := make([]frappems.Field, count)
	for i := range fields {
		f := &fields[i]
		f.Fieldtype = valueTypes[(i+kind)%len(valueTypes)]
		f.Fieldname = fmt.Sprintf("field_%d", i)
		f.Label = fmt.Sprintf("%s %d", f.Fieldtype, i)
		f.ReadOnly, f.SearchIndex = i%3 == 0, i%20 == 6
		f.SetOnlyOnce = i%17 == 5 && f.Fieldtype != "Dynamic Link"
		switch f.Fieldtype {
		case "Select":
			f.Options = "\nOpen\nClosed & done\n\"Quoted\""
		case "Link":
			f.Options = []string{"Big 1", "Big 7", "Elsewhere", "DocType", "Big 8"}[i%5]
		case "Dynamic Link":
			f.Options = "kind"
		case "Data":
			f.Options = []string{"", "Email", "Phone", "URL", "Name"}[i%5]
			f.Unique = i%2 == 1
			if i%3 == 0 {
				f.Length = 200
			}
		case "Int", "Float":
			f.NonNegative, f.Default = i%2 == 0, "7"
			if i%2 == 1 {
				f.Length = 12
			}
		case "Code":
			f.Options = []string{"HTML", "JSON", "Python"}[i%3]
		}
	}
	fields[0] = frappems.Field{Fieldname: "kind", Fieldtype: "Data"}
	fields[1] = frappems.Field{Fieldname: "big", Fieldtype: "Link", Options: "Big 3"}
	fields[2] = frappems.Field{Fieldname: "fetched", Fieldtype: "Data", FetchFrom: "big.code", ReadOnly: true}
	fields[3] = frappems.Field{Fieldname: "filled", Fieldtype: "Small Text", FetchFrom: "big.code", FetchIfEmpty: true}
	fields[4] = frappems.Field{Fieldname: "plain", Fieldtype: "Text", FetchFrom: "big.notes"}
	fields[5] = frappems.Field{Fieldname: "noted", Fieldtype: "Text Editor", FetchFrom: "big.notes"}
	fields[6] = frappems.Field{Fieldname: "linked", Fieldtype: "Link", Options: "Elsewhere", FetchFrom: "big.owner"}
	fields[7] = frappems.Field{Fieldname: "counted", Fieldtype: "Int", FetchFrom: "big.idx"}
	return fields
}
