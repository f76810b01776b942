package frappems

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/frappems/frappems/internal/fieldtype"
	"github.com/frappems/frappems/internal/value"
)

// DocType describes documents of one kind: Frappe's own DocType, read from the JSON that Frappe exports or written in Go.
// Properties that a service has no use for (icons, views, form layout) are passed over. It is not changed after [New].
type DocType struct {
	Name          string    `json:"name"`
	Autoname      string    `json:"autoname"` // how documents are named; "" is hash (see Frappe's "Naming")
	Fields        []Field   `json:"fields"`
	Permissions   []DocPerm `json:"permissions"` // none: only Administrator may do anything
	IsTable       flag      `json:"istable"`     // rows of other documents
	IsSingle      flag      `json:"issingle"`    // one document of the same name
	IsVirtual     flag      `json:"is_virtual"`  // without a table: answered with 404
	IsSubmittable flag      `json:"is_submittable"`
	AllowRename   flag      `json:"allow_rename"`
	TitleField    string    `json:"title_field"`
	TitleInLinks  flag      `json:"show_title_field_in_link"`
	SearchFields  string    `json:"search_fields"` // by commas: what a user who may only select may read
	SortField     string    `json:"sort_field"`    // of lists without order_by; "" is modified
	SortOrder     string    `json:"sort_order"`    // "" is DESC
	Description   string    `json:"description"`

	file string // where it was read from, for messages
}

// Field is one field of a [DocType], with Frappe's names and meanings; absent properties are zero.
type Field struct {
	Fieldname             string `json:"fieldname"`
	Fieldtype             string `json:"fieldtype"`
	Label                 string `json:"label"`
	Options               string `json:"options"` // of Link and Table a DocType, of Dynamic Link a field, of Select the values by lines, of Data a format
	Default               string `json:"default"` // a value, Today, Now or __user
	FetchFrom             string `json:"fetch_from"`
	FetchIfEmpty          flag   `json:"fetch_if_empty"`
	Required              flag   `json:"reqd"`
	Unique                flag   `json:"unique"`
	ReadOnly              flag   `json:"read_only"`
	SetOnlyOnce           flag   `json:"set_only_once"`
	AllowOnSubmit         flag   `json:"allow_on_submit"`
	NonNegative           flag   `json:"non_negative"`
	NoCopy                flag   `json:"no_copy"`
	SearchIndex           flag   `json:"search_index"`
	InListView            flag   `json:"in_list_view"`
	InStandardFilter      flag   `json:"in_standard_filter"`
	IgnoreUserPermissions flag   `json:"ignore_user_permissions"`
	IgnoreXSSFilter       flag   `json:"ignore_xss_filter"`
	IsVirtual             flag   `json:"is_virtual"` // has no column
	Permlevel             number `json:"permlevel"`
	Length                number `json:"length"` // of text in characters; 0 is the field type's own
	Description           string `json:"description"`
	OldFieldtype          string `json:"oldfieldtype"`
}

// DocPerm is what one role may do at one permlevel.
type DocPerm struct {
	Role      string `json:"role"`
	Permlevel number `json:"permlevel"`
	IfOwner   flag   `json:"if_owner"` // only with documents that the user made
	Select    flag   `json:"select"`   // list names, titles and search fields
	Read      flag   `json:"read"`
	Write     flag   `json:"write"`
	Create    flag   `json:"create"`
	Delete    flag   `json:"delete"`
	Submit    flag   `json:"submit"`
	Cancel    flag   `json:"cancel"`
	Amend     flag   `json:"amend"`
	Report    flag   `json:"report"`
	Print     flag   `json:"print"` // what clients ask for before they offer it, as those below
	Email     flag   `json:"email"`
	Share     flag   `json:"share"`
	Export    flag   `json:"export"`
}

// flag is a 0 or 1 of Frappe's JSON; it takes untyped true and false in Go.
type flag bool

// UnmarshalJSON reads 0, 1, true, false, null and numbers written as strings.
func (f *flag) UnmarshalJSON(data []byte) error {
	var n number
	if err := n.UnmarshalJSON(data); err != nil {
		return err
	}
	*f = n != 0
	return nil
}

// MarshalJSON writes 0 or 1.
func (f flag) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, int64(boolInt(bool(f))), 10), nil
}

// number is an integer that Frappe's JSON may hold as a string, as a bool or not at all.
type number int

// UnmarshalJSON reads integers, integers as strings, booleans, "" and null.
func (n *number) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `" `)
	switch text {
	case "", "null", "false":
		*n = 0
		return nil
	case "true":
		*n = 1
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 || v > 1<<30 {
		return fmt.Errorf("%s is not a number", data)
	}
	*n = number(v)
	return nil
}

// UnmarshalJSON reads a field; default and options may be numbers in exported JSON.
func (f *Field) UnmarshalJSON(data []byte) error {
	type plain Field
	loose := struct {
		*plain
		Default any `json:"default"`
		Options any `json:"options"`
	}{plain: (*plain)(f)}
	if err := json.Unmarshal(data, &loose); err != nil {
		return err
	}
	f.Default, f.Options = looseText(loose.Default), looseText(loose.Options)
	return nil
}

func looseText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.Itoa(boolInt(v))
	}
	return ""
}

// LoadDocTypes reads every .json file below the root of fsys that holds a DocType, or a list of them, as Frappe exports
// them. Files with documents of other kinds, of which an app's folder is full, are passed over. The error names the file.
func LoadDocTypes(fsys fs.FS) ([]*DocType, error) {
	var all []*DocType
	err := fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(file) != ".json" {
			return err
		}
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return err
		}
		found, err := readDocTypes(data)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, d := range found {
			d.file = file
		}
		all = append(all, found...)
		return nil
	})
	return all, err
}

func readDocTypes(data []byte) ([]*DocType, error) {
	var items []json.RawMessage
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		if err := json.Unmarshal(data, &items); err != nil {
			return nil, value.Locate(data, err)
		}
	} else {
		items = []json.RawMessage{data}
	}
	var found []*DocType
	for _, item := range items {
		var kind struct {
			Doctype string          `json:"doctype"`
			Fields  json.RawMessage `json:"fields"`
			Custom  flag            `json:"custom"`
		}
		if err := json.Unmarshal(item, &kind); err != nil {
			return nil, value.Locate(item, err)
		}
		if kind.Doctype != "DocType" && (kind.Doctype != "" || kind.Fields == nil) {
			continue
		}
		d := &DocType{AllowRename: kind.Custom} // the default where a site makes one; files of apps leave out what is 0
		if err := json.Unmarshal(item, d); err != nil {
			return nil, value.Locate(item, err)
		}
		found = append(found, d)
	}
	return found, nil
}

// slug is the name of a DocType in URLs: "Sales Order" is sales-order.
func slug(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

// isTable says whether the field holds rows of a child DocType.
func (f *Field) isTable() bool { return fieldtype.IsTable(f.Fieldtype) }

// hasColumn says whether the field has a value of its own that is kept.
func (f *Field) hasColumn() bool { return !bool(f.IsVirtual) && fieldtype.HasColumn(f.Fieldtype) }
