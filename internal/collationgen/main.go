// Command collationgen makes collation.bin and testdata/collation/pairs.tsv of package store by asking a MariaDB 10.11 server
// for every weight of utf8mb4_unicode_ci and for its answers on random text. Run it from the repository's root:
//
//	go -C internal/collationgen run . -dsn 'root@tcp(127.0.0.1:3306)/' -root ../..
//
// The data is a table of facts about that server; nothing of the server's source is copied. The file is one raw DEFLATE stream: 65,536
// bytes that hold the number of weights of each code point (255: it follows the formula for implicit weights), the high bytes of
// those weights in order of code point, each as a difference to the weight before it, and their low bytes.
package main

import (
	"bytes"
	"compress/flate"
	"database/sql"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	_ "github.com/go-sql-driver/mysql"
)

// implicit marks a code point whose weights the formula gives.
const implicit = 255

// escape is a character that no sample holds, so that a backslash in a pattern is a backslash.
const escape = "\U0010FFFF"

func main() {
	dsn := flag.String("dsn", "root@tcp(127.0.0.1:3306)/", "the MariaDB 10.11 server to ask")
	root := flag.String("root", "../..", "the repository's root")
	pairs := flag.Int("pairs", 3000, "how many rows of pairs.tsv to record")
	seed := flag.Uint64("seed", 1, "seed of the random text")
	flag.Parse()
	if err := run(*dsn, *root, *pairs, *seed); err != nil {
		log.Fatal(err)
	}
}

// run writes both files.
func run(dsn, root string, pairs int, seed uint64) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	weights, err := readWeights(db)
	if err != nil {
		return err
	}
	table, err := encode(weights)
	if err != nil {
		return err
	}
	sample, err := record(db, newWriter(weights, seed), pairs)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "store", "testdata", "collation")
	return errors.Join(
		os.WriteFile(filepath.Join(root, "store", "collation.bin"), table, 0o644),
		os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "pairs.tsv"), sample, 0o644))
}

// ask evaluates expr, which may name a, b and p, for every row in one statement for each thousand.
func ask(db *sql.DB, expr string, rows [][3]string) ([]string, error) {
	answers := make([]string, len(rows))
	for start := 0; start < len(rows); start += 1000 {
		var stmt strings.Builder
		stmt.WriteString("WITH r (id, a, b, p) AS (VALUES ")
		for i, r := range rows[start:min(start+1000, len(rows))] {
			if i > 0 {
				stmt.WriteByte(',')
			}
			fmt.Fprintf(&stmt, "(%d,x'%x',x'%x',x'%x')", start+i, r[0], r[1], r[2])
		}
		stmt.WriteString("), t AS (SELECT id")
		for _, column := range []string{"a", "b", "p"} {
			fmt.Fprintf(&stmt, ", CONVERT(%s USING utf8mb4) COLLATE utf8mb4_unicode_ci AS %s", column, column)
		}
		fmt.Fprintf(&stmt, " FROM r) SELECT id, %s FROM t", expr)
		if err := collect(db, stmt.String(), answers); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// collect runs one statement of ask and puts each answer in its place.
func collect(db *sql.DB, stmt string, answers []string) error {
	rows, err := db.Query(stmt)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var answer string
		if err := rows.Scan(&id, &answer); err != nil {
			return err
		}
		answers[id] = answer
	}
	return rows.Err()
}

// readWeights returns the weights of each code point of the Basic Multilingual Plane. Surrogates have none: no valid text holds one.
func readWeights(db *sql.DB) ([][]uint16, error) {
	rows := make([][3]string, 1<<16)
	for c := range rows {
		rows[c][0] = string(rune(c))
	}
	answers, err := ask(db, "HEX(WEIGHT_STRING(a))", rows)
	if err != nil {
		return nil, err
	}
	weights := make([][]uint16, 1<<16)
	for c, answer := range answers {
		raw, err := hex.DecodeString(answer)
		if err != nil {
			return nil, err
		}
		for i := 0; i < len(raw); i += 2 {
			weights[c] = append(weights[c], uint16(raw[i])<<8|uint16(raw[i+1]))
		}
	}
	return weights, nil
}

// formula returns the implicit weights of a code point.
func formula(c int) []uint16 {
	base := 0xFBC0
	switch {
	case c >= 0x4E00 && c <= 0x9FA5:
		base = 0xFB40
	case c >= 0x3400 && c <= 0x4DB5:
		base = 0xFB80
	}
	return []uint16{uint16(base + c>>15), uint16(c&0x7FFF | 0x8000)}
}

// encode packs the weights that do not follow the formula.
func encode(weights [][]uint16) ([]byte, error) {
	counts, high, low := make([]byte, len(weights)), []byte{}, []byte{}
	var last uint16
	for c, ws := range weights {
		if surrogate := c >= 0xD800 && c < 0xE000; surrogate || slices.Equal(ws, formula(c)) {
			counts[c] = implicit
			continue
		}
		counts[c] = byte(len(ws))
		for _, w := range ws {
			high, low, last = append(high, byte((w-last)>>8)), append(low, byte(w-last)), w
		}
	}
	var packed bytes.Buffer
	out, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = out.Write(slices.Concat(counts, high, low))
	err = errors.Join(err, out.Close())
	return packed.Bytes(), err
}

// record asks the server about n random rows and returns them as lines: a, b, the sign of comparing them, a pattern, and whether a is LIKE it.
func record(db *sql.DB, w *writer, n int) ([]byte, error) {
	rows := make([][3]string, n)
	for i := range rows {
		rows[i] = w.row()
	}
	answers, err := ask(db, fmt.Sprintf("CONCAT(STRCMP(a, b), ' ', a LIKE p ESCAPE CONVERT(x'%x' USING utf8mb4))", escape), rows)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for i, r := range rows {
		sign, like, _ := strings.Cut(answers[i], " ")
		fmt.Fprintf(&out, "%s\t%s\t%s\t%s\t%s\n", strconv.QuoteToASCII(r[0]), strconv.QuoteToASCII(r[1]), sign, strconv.QuoteToASCII(r[2]), like)
	}
	return out.Bytes(), nil
}

// blocks are the ranges that random text is drawn from; the first ones more often.
var blocks = [][2]rune{
	{' ', '~'}, {'a', 'f'}, {0, ' '}, {0xA0, 0x24F}, {0x300, 0x33F}, {0x370, 0x3FF}, {0x400, 0x4FF}, {0x590, 0x6FF}, {0x900, 0xDFF}, {0xE00, 0xEFF},
	{0x1100, 0x11FF}, {0x1E00, 0x1FFF}, {0x2000, 0x206F}, {0x2100, 0x22FF}, {0x2E80, 0x2FDF}, {0x3000, 0x33FF}, {0x3400, 0x9FFF}, {0xAC00, 0xD7AF},
	{0xE000, 0xE0FF}, {0xF900, 0xFAFF}, {0xFB00, 0xFDFF}, {0xFE00, 0xFFFF}, {0x10000, 0x1037F}, {0x1F300, 0x1FAFF}, {0x20000, 0x2A6DF}, {0xE0100, 0xE01EF},
}

// writer draws random text. The pairs it makes are close to each other, since the answer for unlike text hangs on one character.
type writer struct {
	rand *rand.Rand
	same map[string][]rune // the characters of each weight
	key  map[rune]string
}

// newWriter returns a writer that knows which characters weigh the same.
func newWriter(weights [][]uint16, seed uint64) *writer {
	w := &writer{rand.New(rand.NewPCG(seed, 0)), map[string][]rune{}, map[rune]string{}}
	for c, ws := range weights {
		if c >= 0xD800 && c < 0xE000 {
			continue
		}
		key := fmt.Sprint(ws)
		w.same[key], w.key[rune(c)] = append(w.same[key], rune(c)), key
	}
	return w
}

// row returns two texts and a pattern for the first.
func (w *writer) row() [3]string {
	a := w.text()
	b := w.text()
	if w.rand.IntN(8) > 0 {
		b = w.mutate(a)
	}
	return [3]string{string(a), string(b), string(w.pattern(a))}
}

// text returns up to eight characters of at most two blocks.
func (w *writer) text() []rune {
	two := [2][2]rune{w.block(), w.block()}
	text := make([]rune, w.rand.IntN(9))
	for i := range text {
		b := two[w.rand.IntN(2)]
		text[i] = b[0] + w.rand.Int32N(b[1]-b[0]+1)
	}
	return text
}

func (w *writer) block() [2]rune {
	return blocks[min(w.rand.IntN(len(blocks)), w.rand.IntN(len(blocks)))]
}

// twin returns a character of the same weights, or a neighbour.
func (w *writer) twin(c rune) rune {
	if same := w.same[w.key[c]]; len(same) > 1 && w.rand.IntN(5) > 0 {
		return same[w.rand.IntN(len(same))]
	}
	if c > 0 && c != 0xE000 && w.rand.IntN(4) == 0 {
		return c - 1
	}
	return c
}

// mutate changes a text in few places, mostly such that the server may still call it equal.
func (w *writer) mutate(text []rune) []rune {
	var out []rune
	for _, c := range text {
		switch w.rand.IntN(12) {
		case 0:
			ignorable := w.same[fmt.Sprint([]uint16(nil))]
			out = append(out, c, ignorable[w.rand.IntN(len(ignorable))])
		case 1:
			out = append(out, c, []rune(" \tes")[w.rand.IntN(4)])
		case 2, 3, 4, 5, 6:
			out = append(out, w.twin(c))
		default:
			out = append(out, c)
		}
	}
	for w.rand.IntN(3) == 0 {
		out = append(out, []rune("   \t\x00\u00a0\n!")[w.rand.IntN(8)])
	}
	return out
}

// pattern makes a LIKE pattern from a text that it often matches.
func (w *writer) pattern(text []rune) []rune {
	var out []rune
	for i := 0; i < len(text); i++ {
		switch w.rand.IntN(8) {
		case 0:
			out = append(out, '_')
		case 1:
			out = append(out, '%')
			i = max(0, i+w.rand.IntN(3)-1)
		case 2, 3, 4:
			out = append(out, w.twin(text[i]))
		default:
			out = append(out, text[i])
		}
	}
	if w.rand.IntN(3) == 0 {
		out = append(out, []rune("%% \\_")[w.rand.IntN(5)])
	}
	return out
}
