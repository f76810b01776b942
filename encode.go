package frappems

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/frappems/frappems/store"
)

// One encoder writes all JSON of documents: from rows as they come out of a store (appendColumn), which allocates
// nothing, and from documents in memory (appendValue).

// appendColumn writes a value in its column's text form; nil is null.
func appendColumn(out []byte, typ store.ColumnType, text []byte) []byte {
	if text == nil {
		return append(out, "null"...)
	}
	switch typ {
	case store.TypeInt, store.TypeBigInt, store.TypeCheck:
		return append(out, text...)
	case store.TypeDecimal, store.TypeRating:
		return appendDecimal(out, text)
	case store.TypeDatetime, store.TypeTime:
		text = bytes.TrimSuffix(text, []byte(".000000"))
		if typ == store.TypeTime {
			text = bytes.TrimPrefix(text, []byte("0"))
		}
		return append(append(append(out, '"'), text...), '"')
	}
	return appendString(out, text)
}

// appendDecimal writes 12.300000000 as 12.3 and 5 as 5.0: what Python's float prints.
func appendDecimal(out, text []byte) []byte {
	point := bytes.IndexByte(text, '.')
	if point < 0 {
		return append(append(out, text...), ".0"...)
	}
	end := len(text)
	for end > point+2 && text[end-1] == '0' {
		end--
	}
	text = text[:end]
	if len(text) > 16 || bytes.HasPrefix(bytes.TrimPrefix(text, []byte("-")), []byte("0.0000")) {
		f, _ := strconv.ParseFloat(string(text), 64) // which has fewer digits, and an exponent where it is small
		return appendFloat(out, f)
	}
	return append(out, text...)
}

// appendString writes a JSON string. Control characters are escaped, and what could end a script in a page that holds
// the answer; invalid UTF-8 becomes U+FFFD.
func appendString[T string | []byte](out []byte, s T) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			out = append(out, s[start:i]...)
			switch c {
			case '"', '\\':
				out = append(out, '\\', c)
			case '\n':
				out = append(out, '\\', 'n')
			default:
				out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && size == 1 {
			out = append(out, s[start:i]...)
			out = append(out, "\ufffd"...)
			start = i + size
		}
		i += size
	}
	out = append(out, s[start:]...)
	return append(out, '"')
}

// appendValue writes a value in memory.
func appendValue(out []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(out, "null"...)
	case string:
		return appendString(out, v)
	case bool:
		return strconv.AppendBool(out, v)
	case int64:
		return strconv.AppendInt(out, v, 10)
	case float64:
		return appendFloat(out, v)
	case json.RawMessage:
		return append(out, v...)
	}
	return append(out, "null"...)
}

// appendFloat writes a float as Python does: always with a point or an exponent.
func appendFloat(out []byte, f float64) []byte {
	start := len(out)
	if a := max(f, -f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(out, f, 'e', -1, 64)
	}
	out = strconv.AppendFloat(out, f, 'f', -1, 64)
	if !bytes.ContainsRune(out[start:], '.') {
		out = append(out, ".0"...)
	}
	return out
}

// appendDoc writes a document with its rows: without what is null, as /api/resource has it, or with nulls, as frappe.client
// does. Values of a permlevel that the user may not read are null, or 0 in a Check or Int field, as Frappe has it.
func (d *Doc) appendDoc(out []byte, levels func(level int) bool, nulls bool) []byte {
	out = append(out, '{')
	for i := range d.meta.slots {
		s := &d.meta.slots[i]
		if i >= standardSlots && s.field == nil && !d.meta.isParentColumn(s) {
			continue
		}
		v := d.values[i]
		if s.field != nil {
			if !levels(s.level()) {
				v = nil
			}
			v = shownValue(s.field, v)
		}
		if v != nil || nulls {
			out = append(appendValue(append(out, s.key...), v), ',')
		}
	}
	out = append(out, d.meta.key...)
	for i, t := range d.meta.tables {
		if !levels(int(t.field.Permlevel)) {
			continue
		}
		out = append(append(append(out, ','), t.key...), '[')
		for n, row := range d.rows[i] {
			if n > 0 {
				out = append(out, ',')
			}
			out = row.appendDoc(out, levels, nulls)
		}
		out = append(out, ']')
	}
	if d.isNew && bool(d.meta.IsTable) {
		out = append(out, `,"__unsaved":1`...)
	}
	return append(out, '}')
}

// piece is the JSON of a row of a document, without its end.
type piece struct {
	part, idx int
	name      string
	json      []byte
}

// appendDocument reads a document and writes it as appendDoc does, without making a Doc of it. It also says when the document was
// modified.
func (db *DB) appendDocument(ctx context.Context, out []byte, m *meta, name string, levels func(level int) bool) (
	json []byte, modified string, err error) {
	pieces := make([]piece, 0, 8)
	buffer := db.app.buffer()
	defer func() { db.app.reuse(buffer) }()
	err = db.readDocument(ctx, m, name, func(part int, row [][]byte, at []int) error {
		of := m
		p := piece{part: part}
		if part > 0 {
			of = m.tables[part-1].child
			p.idx, _ = strconv.Atoi(string(row[at[slotIdx]]))
			p.name = string(row[at[slotName]])
		} else {
			modified = string(row[at[slotModified]])
		}
		start := len(buffer)
		buffer = of.appendRow(buffer, row, at, levels)
		p.json = buffer[start:]
		pieces = append(pieces, p)
		return nil
	})
	slices.SortFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(a.part, b.part), cmp.Compare(a.idx, b.idx), cmp.Compare(a.name, b.name))
	})
	next := 0
	if err == nil {
		out, next = append(out, pieces[0].json...), 1
	}
	for i, t := range m.tables {
		shown := levels(int(t.field.Permlevel))
		if shown {
			out = append(append(append(out, ','), t.key...), '[')
		}
		for first := next; next < len(pieces) && pieces[next].part == i+1; next++ {
			if shown && next > first {
				out = append(out, ',')
			}
			if shown {
				out = append(append(out, pieces[next].json...), '}')
			}
		}
		if shown {
			out = append(out, ']')
		}
	}
	return append(out, '}'), modified, err
}

// appendRow writes the values of a row, which has them at the places given by slot, without the brace at the end.
func (m *meta) appendRow(out []byte, row [][]byte, at []int, levels func(level int) bool) []byte {
	out = append(out, '{')
	for i := range m.slots {
		s := &m.slots[i]
		if i >= standardSlots && s.field == nil && !m.isParentColumn(s) {
			continue
		}
		text := row[at[i]]
		if s.field != nil {
			if !levels(s.level()) {
				text = nil
			}
			if text == nil {
				text = s.zero
			}
			if len(text) == 0 && bool(s.field.Unique) {
				text = nil
			}
		}
		if text != nil {
			out = append(appendColumn(append(out, s.key...), s.column.Type, text), ',')
		}
	}
	return append(out, m.key...)
}

func (m *meta) isParentColumn(s *slot) bool {
	return bool(m.IsTable) && (s.name == "parent" || s.name == "parentfield" || s.name == "parenttype")
}

// shownValue is what Frappe's as_dict makes of a value: numbers of the field's type, and no empty dates or unique texts.
func shownValue(f *Field, v any) any {
	switch f.Fieldtype {
	case "Check", "Int", "Float", "Currency", "Percent":
		return f.castNumber(v)
	case "Date", "Datetime", "Time":
		if v == "" {
			return nil
		}
	case "JSON":
		if raw, ok := v.(json.RawMessage); ok && len(raw) > 0 && raw[0] == '{' {
			return string(raw)
		}
	}
	if bool(f.Unique) && toText(v) == "" {
		return nil
	}
	return v
}

func jsonText(s string) []byte { return appendString(nil, s) }
