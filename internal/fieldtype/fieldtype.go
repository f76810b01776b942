// Package fieldtype knows the field types of Frappe v15, and what columns their values are kept in.
package fieldtype

import (
	"cmp"
	"slices"

	"github.com/frappems/frappems/internal/value"

	"github.com/frappems/frappems/store"
)

// all is every type whose fields have a value (frappe/model/__init__.py and its type_map for MariaDB).
var all = map[string]store.ColumnType{
	"Autocomplete":    store.TypeVarchar,
	"Attach":          store.TypeText,
	"Attach Image":    store.TypeText,
	"Barcode":         store.TypeLongText,
	"Check":           store.TypeCheck,
	"Code":            store.TypeLongText,
	"Color":           store.TypeVarchar,
	"Currency":        store.TypeDecimal,
	"Data":            store.TypeVarchar,
	"Date":            store.TypeDate,
	"Datetime":        store.TypeDatetime,
	"Duration":        store.TypeDecimal,
	"Dynamic Link":    store.TypeVarchar,
	"Float":           store.TypeDecimal,
	"Geolocation":     store.TypeLongText,
	"HTML Editor":     store.TypeLongText,
	"Icon":            store.TypeVarchar,
	"Int":             store.TypeInt,
	"JSON":            store.TypeJSON,
	"Link":            store.TypeVarchar,
	"Long Int":        store.TypeBigInt,
	"Long Text":       store.TypeLongText,
	"Markdown Editor": store.TypeLongText,
	"Password":        store.TypeText,
	"Percent":         store.TypeDecimal,
	"Phone":           store.TypeVarchar,
	"Rating":          store.TypeRating,
	"Read Only":       store.TypeVarchar,
	"Select":          store.TypeVarchar,
	"Signature":       store.TypeLongText,
	"Small Text":      store.TypeText,
	"Text":            store.TypeText,
	"Text Editor":     store.TypeLongText,
	"Time":            store.TypeTime,
}

// The others: what only shows something, and rows of child DocTypes.
var withoutColumn = []string{"Button", "Column Break", "Fold", "HTML", "Heading", "Image", "Section Break", "Tab Break", "Table", "Table MultiSelect"}

// Known says whether there is such a type.
func Known(name string) bool { return HasColumn(name) || slices.Contains(withoutColumn, name) }

// HasColumn says whether fields of the type have a value.
func HasColumn(name string) bool {
	_, has := all[name]
	return has
}

// IsTable says whether fields of the type hold rows of a child DocType.
func IsTable(name string) bool { return name == "Table" || name == "Table MultiSelect" }

// IsNumber says whether fields of the type have a column that is a number and never NULL.
func IsNumber(name string) bool {
	return slices.Contains([]string{"Check", "Int", "Float", "Currency", "Percent", "Rating"}, name)
}

// Column makes the column of a field, or nil where it has none. A length of 0 is the type's own. fallback is the value of rows that
// are there when the column comes, where that cannot be NULL.
func Column(name, fieldtype string, length int, fallback string) *store.Column {
	typ, has := all[fieldtype]
	if !has {
		return nil
	}
	c := &store.Column{Name: name, Type: typ}
	switch {
	case name == "tenant_id": // it is the column that the store keeps, and compares as that
		c.Type, c.Length = store.TypeASCII, 64
	case typ == store.TypeVarchar:
		c.Length = cmp.Or(max(length, 0), 140)
	case typ == store.TypeInt && length > 11:
		c.Type = store.TypeBigInt
	}
	if IsNumber(fieldtype) {
		c.NotNull, c.Default = true, "0"
		if text, err := value.ForColumn(c, value.Cast(fieldtype, fallback)); err == nil {
			c.Default = text
		}
	}
	return c
}
