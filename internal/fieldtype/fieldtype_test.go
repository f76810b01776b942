package fieldtype

import (
	"reflect"
	"testing"

	"github.com/frappems/frappems/store"
)

func TestColumn(t *testing.T) {
	for _, tt := range []struct {
		name, fieldtype string
		length          int
		fallback        string
		want            *store.Column
	}{
		{"title", "Data", 0, "x", &store.Column{Type: store.TypeVarchar, Length: 140}},
		{"title", "Select", 20, "", &store.Column{Type: store.TypeVarchar, Length: 20}},
		{"note", "Small Text", 20, "", &store.Column{Type: store.TypeText}},
		{"count", "Int", 0, "7", &store.Column{Type: store.TypeInt, NotNull: true, Default: "7"}},
		{"count", "Int", 12, "many", &store.Column{Type: store.TypeBigInt, NotNull: true, Default: "0"}},
		{"price", "Currency", 0, "1.5", &store.Column{Type: store.TypeDecimal, NotNull: true, Default: "1.500000000"}},
		{"stars", "Rating", 0, "100", &store.Column{Type: store.TypeRating, NotNull: true, Default: "0"}},
		{"days", "Duration", 0, "", &store.Column{Type: store.TypeDecimal}},
		{"tenant_id", "Data", 20, "", &store.Column{Type: store.TypeASCII, Length: 64}},
		{"items", "Table", 0, "", nil},
		{"x", "Nonsense", 0, "", nil},
	} {
		if tt.want != nil {
			tt.want.Name = tt.name
		}
		if got := Column(tt.name, tt.fieldtype, tt.length, tt.fallback); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s %s: got %+v, want %+v", tt.fieldtype, tt.name, got, tt.want)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, tt := range []struct {
		name                         string
		known, column, table, number bool
	}{
		{"Data", true, true, false, false},
		{"Check", true, true, false, true},
		{"Long Int", true, true, false, false},
		{"Table MultiSelect", true, false, true, false},
		{"Section Break", true, false, false, false},
		{"data", false, false, false, false},
		{"", false, false, false, false},
	} {
		got := [4]bool{Known(tt.name), HasColumn(tt.name), IsTable(tt.name), IsNumber(tt.name)}
		if want := [4]bool{tt.known, tt.column, tt.table, tt.number}; got != want {
			t.Errorf("%q: got %v, want %v", tt.name, got, want)
		}
	}
}
