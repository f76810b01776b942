package store

import (
	"bufio"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// recordedText is one row of testdata/collation/pairs.tsv: what a MariaDB 10.11 server answered.
type recordedText struct {
	a, b    string
	sign    int // of comparing a with b
	pattern string
	like    bool // whether a is LIKE the pattern
}

// recordedTexts reads the recording.
func recordedTexts(t testing.TB) []recordedText {
	t.Helper()
	file, err := os.Open("testdata/collation/pairs.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var rows []recordedText
	for lines := bufio.NewScanner(file); lines.Scan(); {
		row, cells := recordedText{}, strings.Split(lines.Text(), "\t")
		for i, text := range map[int]*string{0: &row.a, 1: &row.b, 3: &row.pattern} {
			if *text, err = strconv.Unquote(cells[i]); err != nil {
				t.Fatalf("row %d: %v", len(rows)+1, err)
			}
		}
		if row.sign, err = strconv.Atoi(cells[2]); err != nil {
			t.Fatalf("row %d: %v", len(rows)+1, err)
		}
		row.like = cells[4] == "1"
		rows = append(rows, row)
	}
	if len(rows) < 1000 {
		t.Fatalf("%d rows were recorded", len(rows))
	}
	return rows
}

// checkText checks one pair of texts against the sign they should have, in both directions and by their keys.
func checkText(t *testing.T, a, b string, sign int) {
	t.Helper()
	if got := CompareText(a, b); got != sign {
		t.Errorf("CompareText(%+q, %+q) = %d, want %d", a, b, got, sign)
	}
	if got := CompareText(b, a); got != -sign {
		t.Errorf("CompareText(%+q, %+q) = %d, want %d", b, a, got, -sign)
	}
	if got := strings.Compare(TextKey(a), TextKey(b)); got != sign {
		t.Errorf("keys of %+q and %+q compare as %d, want %d", a, b, got, sign)
	}
}

func TestTextAsRecorded(t *testing.T) {
	for _, row := range recordedTexts(t) {
		checkText(t, row.a, row.b, row.sign)
		if got := MatchText(row.a, row.pattern); got != row.like {
			t.Errorf("MatchText(%+q, %+q) = %v", row.a, row.pattern, got)
		}
	}
}

func TestCompareText(t *testing.T) {
	tests := []struct {
		name, a, b string
		sign       int
	}{
		{"case", "ACME", "acme", 0},
		{"accent", "Café", "cafe", 0},
		{"combining accent", "Cafe\u0301", "café", 0},
		{"trailing blanks", "acme", "acme  ", 0},
		{"only blanks", "", "   ", 0},
		{"leading blank", " acme", "acme", -1},
		{"sharp s", "Straße", "STRASSE", 0},
		{"ligature", "Œuvre", "oeuvre", 0},
		{"ash is a letter", "æ", "ae", 1},
		{"slashed o is a letter", "ø", "o", 1},
		{"slashed l is a letter", "ł", "l", 1},
		{"emoji", "a😀", "a🎉", 0},
		{"NUL", "a\x00b", "ab", 0},
		{"NUL at the end", "a\x00 ", "a", 0},
		{"zero width joiner", "a\u200db", "ab", 0},
		{"prefix", "acme", "acme 2", -1},
		{"a tab is below the padding", "acme\t", "acme", -1},
		{"a tab behind blanks", "acme  \t", "acme \t", 1},
		{"a tab against text behind blanks", "acme  \t", "acme a", -1},
		{"fewer blanks before text", "acme b", "acme  a", 1},
		{"no-break space is a space", "a\u00a0b", "a b", 0},
		{"digits before letters", "9", "a", -1},
		{"dollar is the last sign", "$", "0", -1},
		{"underscore before hyphen", "SO_1", "SO-1", -1},
		{"kana", "ひ", "ヒ", 0},
		{"ideographs by code point", "一", "丁", -1},
		{"compatibility ideograph", "\uf900", "\u8c48", 0},
		{"Hangul by code point", "가", "각", -1},
		{"letters before Hangul", "я", "가", -1},
		{"not UTF-8", "a\xff", "a\ufffd", 0},
		{"half a character", "a\xe4\xb8", "a\ufffd\ufffd", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkText(t, tt.a, tt.b, tt.sign) })
	}
}

func TestCompareTextOrdersASCII(t *testing.T) {
	const order = " `^_-,;:!?.'\"()[]{}@*/\\&#%+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"
	for i := 1; i < len(order); i++ {
		checkText(t, order[i-1:i], order[i:i+1], -1)
	}
}

func TestMatchText(t *testing.T) {
	tests := []struct {
		name, text, pattern string
		want                bool
	}{
		{"empty", "", "", true},
		{"empty pattern", "a", "", false},
		{"any text", "", "%", true},
		{"any text twice", "", "%%", true},
		{"one character of none", "", "_", false},
		{"one of several bytes", "é", "_", true},
		{"one of four bytes", "😀", "_", true},
		{"a mark is a character", "e\u0301", "_", false},
		{"case", "ACME Ltd", "acme%", true},
		{"accent", "Café", "%FE", true},
		{"middle", "SAL-ORD-2024-00001", "%2024%", true},
		{"suffix", "SAL-ORD-2024-00001", "%-00002", false},
		{"last of several", "ab ab ac", "%ac", true},
		{"overlap", "aab", "%ab", true},
		{"mixed", "abcabd", "%_b_", true},
		{"at least two", "a", "%_%_%", false},
		{"trailing blank of the text", "a ", "a", false},
		{"trailing blank of the pattern", "a", "a ", false},
		{"sharp s is itself", "Straße", "STRAßE", true},
		{"the capital sharp s is younger than the collation", "ß", "ẞ", false},
		{"sharp s is not two", "Straße", "strasse", false},
		{"a sequence is not its first weight", "œ", "o", false},
		{"emoji differ", "😀", "🎉", false},
		{"emoji is itself", "a😀b", "%😀_", true},
		{"weightless characters count", "ab", "a\u200db", false},
		{"weightless characters are alike", "a\x00b", "a\u200db", true},
		{"backslash is literal", `50\`, `50\`, true},
		{"backslash escapes nothing", `50\x`, `50\%`, true},
		{"backslash escapes no underscore", "_", `\_`, false},
		{"percent sign of the text", "50%", "50_", true},
		{"full-width percent sign is text", "％", "x％", false},
		{"compatibility ideograph is itself", "\uf900", "\u8c48", false},
		{"ideograph", "中文", "中_", true},
		{"not UTF-8", "a\xff", "a\ufffd", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := MatchText(tt.text, tt.pattern); got != tt.want {
				t.Errorf("MatchText(%+q, %+q) = %v", tt.text, tt.pattern, got)
			}
		})
	}
}

// TestMatchTextTakesNoExponentialTime would run for years if each % tried every rest of the text for every choice of those before it.
func TestMatchTextTakesNoExponentialTime(t *testing.T) {
	if MatchText(strings.Repeat("a", 10_000), strings.Repeat("%a", 50)+"%b") {
		t.Error("text without a b matches")
	}
}

// TestCompareTextIsAnOrder sorts recorded texts and compares each with every other: a comparison that is not transitive shows as two
// that disagree with their places.
func TestCompareTextIsAnOrder(t *testing.T) {
	var texts []string
	for _, row := range recordedTexts(t)[:400] {
		texts = append(texts, row.a, row.b)
	}
	slices.SortFunc(texts, CompareText)
	for i, a := range texts {
		for _, b := range texts[i:] {
			if CompareText(a, b) > 0 || CompareText(b, a) < 0 || (CompareText(a, b) == 0) != (TextKey(a) == TextKey(b)) {
				t.Fatalf("%+q was sorted before %+q, but they compare as %d and %d", a, b, CompareText(a, b), CompareText(b, a))
			}
		}
	}
}

// TestPaddingIsAnOrder does the same for every short text of blanks and characters around them, where padding matters.
func TestPaddingIsAnOrder(t *testing.T) {
	texts := []string{""}
	for i := 0; len(texts) < 700; i++ {
		for _, c := range []string{" ", "\t", "a", "\x00", "\u00a0"} {
			texts = append(texts, texts[i]+c)
		}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	slices.SortFunc(texts, CompareText)
	for i, a := range texts {
		for _, b := range texts[i:] {
			if got := strings.Compare(TextKey(a), TextKey(b)); got > 0 || got != CompareText(a, b) || got != -CompareText(b, a) {
				t.Fatalf("%+q and %+q: keys compare as %d, texts as %d and %d", a, b, got, CompareText(a, b), CompareText(b, a))
			}
		}
	}
}

func TestCompareTextDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		CompareText("Straße 中 😀", "strasse 中 🎉")
		MatchText("Müller & Söhne GmbH", "%SOHNE%")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCompareText(f *testing.F) {
	for _, row := range recordedTexts(f)[:100] {
		f.Add(row.a, row.b, row.pattern)
	}
	f.Add("a \xff\t", "a\xed\xa0\x80", " ")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		checkText(t, a, b, CompareText(a, b))
		checkText(t, a, a+"  ", 0)
		if CompareText(a, b) <= 0 && CompareText(b, c) <= 0 && CompareText(a, c) > 0 {
			t.Errorf("%+q <= %+q <= %+q is not transitive", a, b, c)
		}
	})
}

func FuzzMatchText(f *testing.F) {
	for _, row := range recordedTexts(f)[:100] {
		f.Add(row.a, row.pattern)
	}
	f.Add("a\xff", "%\xff_")
	f.Fuzz(func(t *testing.T, s, pattern string) {
		if len(s) > 1000 || len(pattern) > 1000 {
			return
		}
		if got, want := MatchText(s, pattern), matchSlowly([]rune(s), []rune(pattern)); got != want {
			t.Errorf("MatchText(%+q, %+q) = %v", s, pattern, got)
		}
	})
}

// matchSlowly is MatchText by the definition of LIKE: reach[i] is whether the pattern so far matches the first i characters.
func matchSlowly(s, pattern []rune) bool {
	reach := make([]bool, len(s)+1)
	reach[0] = true
	for _, p := range pattern {
		if p == '%' {
			for i := range s {
				reach[i+1] = reach[i+1] || reach[i]
			}
			continue
		}
		for i := len(s); i > 0; i-- {
			reach[i] = reach[i-1] && (p == '_' || p == s[i-1] || collation().alike(p, s[i-1]))
		}
		reach[0] = false
	}
	return reach[len(s)]
}

func BenchmarkCompareText(b *testing.B) {
	for _, bm := range []struct{ name, a, b string }{
		{"ASCII", "SAL-ORD-2024-00017", "SAL-ORD-2024-00018"},
		{"ASCII of other case", "Acme Industries Ltd", "ACME INDUSTRIES LTD"},
		{"Latin", "Müller & Söhne GmbH", "Muller & Sohne GmbH"},
		{"Cyrillic", "Общество Ромашка", "общество ромашка"},
		{"Chinese", "北京科技有限公司", "北京科技有限公社"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				CompareText(bm.a, bm.b)
			}
		})
	}
}

func BenchmarkMatchText(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		MatchText("Acme Industries of Northern Ireland Ltd", "%ireland%")
	}
}

func BenchmarkTextKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		TextKey("Müller & Söhne GmbH")
	}
}
