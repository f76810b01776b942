package store

import (
	"cmp"
	"compress/flate"
	_ "embed"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// collationFile is the table of weights, made by internal/collationgen from a MariaDB server's answers; its format stands there.
//
//go:embed collation.bin
var collationFile string

const (
	spaceWeight         = 0x0209 // pads the shorter text
	supplementaryWeight = 0xFFFD // of every character beyond U+FFFF: all emoji are equal

	formulaEntry  = 0xFFFF // an entry of textWeights: the weights follow the formula for implicit ones
	sequenceEntry = 0x8000 // the bit that marks an entry as an offset into textWeights.sequences
)

// textWeights holds the weights of utf8mb4_unicode_ci (UCA 4.0.0, first level). It is not changed after it was made.
type textWeights struct {
	// entries holds for each code point up to U+FFFF 0 (it weighs nothing), its one weight, or one of the marks above.
	entries [1 << 16]uint16
	// sequences holds the characters of several weights, each as a count and that many weights.
	sequences []uint16
}

// collation returns the table of weights, which the first call unpacks. It is safe for concurrent use.
var collation = sync.OnceValue(func() *textWeights {
	raw, err := io.ReadAll(flate.NewReader(strings.NewReader(collationFile)))
	if err != nil {
		panic("frappems: collation.bin: " + err.Error()) // the file is part of the program
	}
	t := &textWeights{}
	counts, steps := raw[:len(t.entries)], raw[len(t.entries):]
	at, half, weight := 0, len(steps)/2, uint16(0)
	next := func() uint16 {
		weight += uint16(steps[at])<<8 | uint16(steps[half+at])
		at++
		return weight
	}
	for c, count := range counts {
		switch count {
		case 255:
			t.entries[c] = formulaEntry
		case 0:
		case 1:
			t.entries[c] = next()
		default:
			t.entries[c] = sequenceEntry | uint16(len(t.sequences))
			t.sequences = append(t.sequences, uint16(count))
			for range count {
				t.sequences = append(t.sequences, next())
			}
		}
	}
	t.sequences = slices.Clip(t.sequences)
	return t
})

// sequence returns the weights of an entry that is marked as several.
func (t *textWeights) sequence(entry uint16) []uint16 {
	from := t.sequences[entry&^sequenceEntry:]
	return from[1 : 1+from[0]]
}

// implicitWeights returns the two weights of a character that the collation does not list.
func implicitWeights(c rune) (first, second uint16) {
	base := rune(0xFBC0)
	if c >= 0x4E00 && c <= 0x9FA5 { // unified ideographs
		base = 0xFB40
	} else if c >= 0x3400 && c <= 0x4DB5 { // extension A
		base = 0xFB80
	}
	return uint16(base + c>>15), uint16(c&0x7FFF | 0x8000)
}

// weightReader walks over the weights of a text.
type weightReader struct {
	table  *textWeights
	text   string   // what is left to read
	rest   []uint16 // what is left of the last character
	second uint16   // likewise, of an implicit one; 0 if there is none
}

// next returns the next weight, or the weight of a space and false once the text has ended. Bytes that are not UTF-8 are U+FFFD.
func (r *weightReader) next() (weight uint16, ok bool) {
	if len(r.rest) > 0 {
		weight, r.rest = r.rest[0], r.rest[1:]
		return weight, true
	}
	if r.second != 0 {
		weight, r.second = r.second, 0
		return weight, true
	}
	for len(r.text) > 0 {
		c, size := utf8.DecodeRuneInString(r.text)
		r.text = r.text[size:]
		if c > 0xFFFF {
			return supplementaryWeight, true
		}
		switch entry := r.table.entries[c]; {
		case entry == 0:
		case entry == formulaEntry:
			weight, r.second = implicitWeights(c)
			return weight, true
		case entry&sequenceEntry != 0:
			r.rest = r.table.sequence(entry)
			weight, r.rest = r.rest[0], r.rest[1:]
			return weight, true
		default:
			return entry, true
		}
	}
	return spaceWeight, false
}

// CompareText returns -1, 0 or +1 as MariaDB's utf8mb4_unicode_ci orders a before, with or after b: case, most accents and trailing
// blanks do not count. It is what every store sorts and compares text by. It is safe for concurrent use and does not allocate.
func CompareText(a, b string) int {
	if a == b {
		return 0
	}
	table := collation()
	i := 0
	for i < len(a) && i < len(b) && a[i] < utf8.RuneSelf && b[i] < utf8.RuneSelf {
		if x, y := table.entries[a[i]], table.entries[b[i]]; x != y {
			if x == 0 || y == 0 {
				break
			}
			return cmp.Compare(x, y)
		}
		i++
	}
	left, right := weightReader{table: table, text: a[i:]}, weightReader{table: table, text: b[i:]}
	for {
		x, more := left.next()
		y, too := right.next()
		if x != y {
			return cmp.Compare(x, y)
		}
		if !more && !too {
			return 0
		}
	}
}

// TextKey returns bytes that order as CompareText orders texts, and that are equal for equal texts. Since a text goes on as if with
// endless spaces, each space is followed by how the next other weight compares with one: 1 below, 3 above; the end is a space with 2.
// It is safe for concurrent use.
func TextKey(s string) string {
	key := make([]byte, 0, 2*len(s)+3)
	reader, spaces := weightReader{table: collation(), text: s}, 0
	for weight, ok := reader.next(); ok; weight, ok = reader.next() {
		if weight == spaceWeight {
			spaces++
			continue
		}
		side := byte(2 + cmp.Compare(weight, spaceWeight))
		for ; spaces > 0; spaces-- {
			key = append(key, spaceWeight>>8, spaceWeight&0xFF, side)
		}
		key = append(key, byte(weight>>8), byte(weight))
	}
	return string(append(key, spaceWeight>>8, spaceWeight&0xFF, 2))
}

// MatchText reports whether all of s matches a LIKE pattern under utf8mb4_unicode_ci: % is any text, _ any one character, and nothing
// escapes them. Unlike CompareText it goes character by character, so ß is not ss, emoji differ and trailing blanks count. It takes at
// most time in proportion to len(s) times len(pattern). It is safe for concurrent use and does not allocate.
func MatchText(s, pattern string) bool {
	table := collation()
	restart, behind := "", "" // where in s to try what is behind the last %, and that
	for s != "" || pattern != "" {
		if pattern != "" {
			p, width := utf8.DecodeRuneInString(pattern)
			if p == '%' {
				if pattern = pattern[width:]; pattern == "" {
					return true
				}
				restart, behind = s, pattern
				continue
			}
			if s != "" {
				c, size := utf8.DecodeRuneInString(s)
				if p == '_' || c == p || table.alike(c, p) {
					s, pattern = s[size:], pattern[width:]
					continue
				}
			}
		}
		if restart == "" {
			return false
		}
		_, size := utf8.DecodeRuneInString(restart)
		restart = restart[size:]
		s, pattern = restart, behind
	}
	return true
}

// alike reports whether LIKE takes two characters for the same. One that is not listed is like itself only: a compatibility ideograph
// equals the unified one, but is not LIKE it.
func (t *textWeights) alike(a, b rune) bool {
	if a > 0xFFFF || b > 0xFFFF {
		return a == b
	}
	x, y := t.entries[a], t.entries[b]
	if x == formulaEntry || x&y&sequenceEntry == 0 {
		return x == y && x != formulaEntry
	}
	return y != formulaEntry && slices.Equal(t.sequence(x), t.sequence(y))
}
