package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Decode makes a value of JSON: nil, string, bool, int64 or float64, or json.RawMessage of an object or a list, which is kept as it
// was sent, without blanks.
func Decode(raw json.RawMessage) (any, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil, errors.New("it is empty")
	}
	switch raw[0] {
	case '{', '[':
		return Compact(raw), nil
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case 't', 'f', 'n':
		var b *bool
		if err := json.Unmarshal(raw, &b); err != nil || b == nil {
			return nil, err
		}
		return *b, nil
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, nil
	}
	return strconv.ParseFloat(string(raw), 64)
}

// Compact drops blanks and writes what is not ASCII as escapes, as Python's json.dumps does.
func Compact(raw []byte) json.RawMessage {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return raw
	}
	out := make([]byte, 0, compact.Len())
	for _, r := range compact.String() {
		switch {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case r <= 0xFFFF:
			out = appendEscape(out, r)
		default:
			r -= 0x10000
			out = appendEscape(appendEscape(out, 0xD800+r>>10), 0xDC00+r&0x3FF)
		}
	}
	return out
}

func appendEscape(out []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(out, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// Kind names what Decode does not decode: an object, or a list.
func Kind(raw json.RawMessage) string {
	if len(raw) > 0 && raw[0] == '[' {
		return "a list"
	}
	return "an object"
}

// Locate adds the line to an error of encoding/json.
func Locate(data []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		return fmt.Errorf("line %d: %w", line, err)
	}
	return err
}
