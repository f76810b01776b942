package differential

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/store"
)

var (
	firstSeed = flag.Uint64("seed", 1, "where TestStatements begins")
	queries   = flag.Int("queries", 2000, "how many queries TestStatements runs")
)

// TestStatements runs random statements.
func TestStatements(t *testing.T) {
	const perSchema = 100
	for done := 0; done < *queries; done += perSchema {
		seed := *firstSeed + uint64(done/perSchema)
		g := newGenerator(seed)
		var stores []frappems.Store
		for _, open := range openers {
			kept := open(t)
			if _, err := kept.Migrate(t.Context(), &store.Schema{Tables: g.tables}, true); err != nil {
				t.Fatalf("-seed %d: %v", seed, err)
			}
			stores = append(stores, kept)
		}
		for i := range perSchema {
			if i%10 == 0 {
				g.compareWrites(t, seed, stores)
			}
			q, ordered := g.query()
			compareQuery(t, seed, stores, q, ordered)
		}
		for _, kept := range stores {
			if err := kept.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// compareWrites runs random mutations on all stores.
func (g *generator) compareWrites(t *testing.T, seed uint64, stores []frappems.Store) {
	t.Helper()
	for range 20 {
		m := g.mutation()
		first := ""
		for i, kept := range stores {
			got := outcome(t.Context(), kept, m)
			if i == 0 {
				first = got
			}
			if got != first {
				t.Fatalf("-seed %d: a mutation of kind %d of %s, columns %s, rows %q where %s\nin %s: %s\nin %s: %s", seed, m.Kind, m.Table.Name,
					names(m.Columns), m.Rows, describeCond(&m.Where), storeNames[0], first, storeNames[i], got)
			}
		}
	}
}

// outcome runs a mutation and says how it went.
func outcome(ctx context.Context, kept frappems.Store, m store.Mutation) string {
	tx, err := kept.Begin(ctx)
	if err != nil {
		return err.Error()
	}
	defer tx.Rollback()
	n, err := tx.Write(ctx, m)
	for _, known := range []error{store.ErrDuplicateKey, store.ErrValueOutOfRange} {
		if errors.Is(err, known) {
			return known.Error() // and what came before it is committed
		}
	}
	if err != nil {
		return err.Error()
	}
	if err := tx.Commit(); err != nil {
		return err.Error()
	}
	return fmt.Sprint(n, " rows")
}

// compareQuery runs a query on all stores. MariaDB may choose which row of a group gives a value that the group does not decide
// about: there, only what is decided is compared.
func compareQuery(t *testing.T, seed uint64, stores []frappems.Store, q *store.Query, ordered bool) {
	t.Helper()
	var first [][]any
	for i, kept := range stores {
		got, err := answer(t.Context(), kept, q)
		if err != nil {
			t.Fatalf("-seed %d: %s\n%s: %v", seed, describe(q), storeNames[i], err)
		}
		if i == 0 {
			first = got
		}
		columns, inOrder := exactly(q), ordered
		if storeNames[i] == "MariaDB" {
			var decided bool
			if columns, decided = decides(q); !decided {
				if q.Limit+q.Offset > 0 {
					continue
				}
				inOrder = false
			}
		}
		known := &spellings{}
		if was, is := printed(first, columns, inOrder, known), printed(got, columns, inOrder, known); was != is {
			t.Fatalf("-seed %d: %s\nin %s:%s\nin %s:%s", seed, describe(q), storeNames[0], was, storeNames[i], is)
		}
	}
}

// decided says how much of a value is decided by a query.
type decided uint8

const (
	exact    decided = iota
	spelling         // a text, of which another spelling will do that compares as equal
	free
)

func exactly(q *store.Query) []decided { return make([]decided, len(q.Columns)) }

// decides says it of the columns, and whether the order of the rows is decided.
func decides(q *store.Query) (columns []decided, order bool) {
	columns = exactly(q)
	grouped := len(q.GroupBy) > 0 || slices.ContainsFunc(q.Columns, func(e store.Expr) bool { return e.Func != store.FuncValue && e.Func != store.FuncLiteral })
	if !grouped && !q.Distinct {
		return columns, true
	}
	of := func(e store.Expr) decided {
		switch {
		case e.Column == nil:
			return exact
		case grouped && e.Func == store.FuncValue && !slices.Contains(q.GroupBy, e):
			return free
		case e.Column.Type <= store.TypeJSON && e.Column.Type != store.TypeASCII && (e.Func == store.FuncValue || e.Func == store.FuncMin || e.Func == store.FuncMax):
			return spelling
		}
		return exact
	}
	for i, e := range q.Columns {
		columns[i] = of(e)
	}
	return columns, !slices.ContainsFunc(q.OrderBy, func(o store.Order) bool { return of(o.Expr) == free })
}

// printed are rows as a text.
func printed(rows [][]any, columns []decided, ordered bool, known *spellings) string {
	var lines []string
	for _, row := range rows {
		line := "\n\t"
		for i, v := range row {
			text, ok := v.(string)
			switch {
			case columns[i] == free:
				line += " *"
			case !ok:
				line += " NULL"
			case columns[i] == spelling:
				line += fmt.Sprintf(" ~%q", known.of(text))
			default:
				line += fmt.Sprintf(" %q", text)
			}
		}
		lines = append(lines, line)
	}
	if !ordered {
		slices.Sort(lines)
	}
	return strings.Join(lines, "")
}

// spellings are texts, one for all that compare as equal.
type spellings []string

func (known *spellings) of(text string) string {
	for _, k := range *known {
		if store.CompareText(k, text) == 0 {
			return k
		}
	}
	*known = append(*known, text)
	return text
}

// answer returns the rows of a query: texts, or nil for NULL.
func answer(ctx context.Context, kept frappems.Store, q *store.Query) (list [][]any, err error) {
	rows, err := kept.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Err(), rows.Close()) }()
	values := make([][]byte, len(q.Columns))
	for rows.Next() {
		if err := rows.Scan(values); err != nil {
			return nil, err
		}
		row := make([]any, len(values))
		for i, v := range values {
			if v != nil {
				row[i] = string(v)
			}
		}
		list = append(list, row)
	}
	return list, nil
}
