package frappems

import (
	"encoding/json"

	"github.com/frappems/frappems/internal/value"

	"github.com/frappems/frappems/store"
)

// Short names for what is done with values everywhere.

func toInt(v any) int64     { return value.Int(v) }
func toFloat(v any) float64 { return value.Float(v) }
func toText(v any) string   { return value.Text(v) }
func isEmpty(v any) bool    { return value.IsEmpty(v) }
func boolInt(b bool) int    { return value.Bit(b) }

func shownText(typ store.ColumnType, text string) string { return value.Shown(typ, text) }
func loadValue(typ store.ColumnType, text []byte) any    { return value.FromColumn(typ, text) }

// columnText is value.ForColumn.
func columnText(c *store.Column, v any) (string, error) {
	text, err := value.ForColumn(c, v)
	return text, worded(err)
}

func decodeValue(raw json.RawMessage) (any, error) { return value.Decode(raw) }

// castNumber is what Frappe makes of a value of a numeric field when it saves; others stay as they are.
func (f *Field) castNumber(v any) any { return value.Cast(f.Fieldtype, v) }
