package series

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"

	"github.com/frappems/frappems/store"
)

// Rows are where numbers come from: for each series a row with the last one, and rows with those that came back.
type Rows struct {
	Reader   store.Reader
	Counters *store.Table // as of store.Counter
	Numbers  *store.Table // the key is the columns name and number
	// Aside runs f in a transaction of its own, which does not end with ctx, and again where the store breaks a deadlock.
	Aside func(ctx context.Context, f func(ctx context.Context, tx store.Tx) error) error
	Log   *slog.Logger
}

// reserve takes numbers that came back, or else n new ones.
func (s *Rows) reserve(ctx context.Context, tenant, name string, n int) (numbers []int64, err error) {
	err = s.Aside(ctx, func(ctx context.Context, tx store.Tx) error {
		number := store.Expr{Column: s.Numbers.Column("number")}
		q := &store.Query{Tenant: tenant, From: s.Numbers, Columns: []store.Expr{number}, Where: of(s.Numbers, name),
			OrderBy: []store.Order{{Expr: number}}, Limit: n, Lock: store.UpdateLock}
		if numbers, err = read(ctx, tx, q); err != nil {
			return err
		}
		if len(numbers) == 0 {
			first, err := tx.Next(ctx, store.Counter{Tenant: tenant, Table: s.Counters, Name: name}, n)
			for i := range int64(n) {
				numbers = append(numbers, first+i)
			}
			return err
		}
		taken := store.Cond{Op: store.OpIn, Expr: number}
		for _, n := range numbers {
			taken.Values = append(taken.Values, text(n))
		}
		_, err = tx.Write(ctx, store.Mutation{Kind: store.DeleteRows, Tenant: tenant, Table: s.Numbers,
			Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{of(s.Numbers, name), taken}}})
		return err
	})
	if err != nil {
		return nil, err
	}
	return numbers, nil
}

// state is the last number that was ever reserved, and those from a number on that came back.
func (s *Rows) state(ctx context.Context, tenant, name string, from int64) (last int64, returned []int64, err error) {
	if last, err = s.last(ctx, s.Reader, tenant, name, store.NoLock); err != nil {
		return 0, nil, err
	}
	number := store.Expr{Column: s.Numbers.Column("number")}
	later := store.Cond{Op: store.OpGreaterEqual, Expr: number, Values: []string{text(from)}}
	returned, err = read(ctx, s.Reader, &store.Query{Tenant: tenant, From: s.Numbers, Columns: []store.Expr{number},
		Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{of(s.Numbers, name), later}}})
	return last, returned, err
}

func (s *Rows) last(ctx context.Context, on store.Reader, tenant, name string, lock store.Lock) (int64, error) {
	current, err := read(ctx, on, &store.Query{Tenant: tenant, From: s.Counters, Where: of(s.Counters, name), Lock: lock,
		Columns: []store.Expr{{Column: s.Counters.Column("current")}}})
	if err != nil || len(current) == 0 {
		return 0, err
	}
	return current[0], nil
}

// giveBack takes numbers of series of a tenant, in ascending order: it lowers counters by those at their ends, and keeps the
// others for who comes next.
func (s *Rows) giveBack(ctx context.Context, tenant string, free map[string][]int64) {
	err := s.Aside(ctx, func(ctx context.Context, tx store.Tx) error {
		for _, name := range slices.Sorted(maps.Keys(free)) {
			if err := s.giveBackOne(ctx, tx, tenant, name, free[name]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.Log.WarnContext(ctx, "numbers of naming series could not be given back and leave gaps", "error", err)
	}
}

func (s *Rows) giveBackOne(ctx context.Context, tx store.Tx, tenant, name string, free []int64) error {
	last, err := s.last(ctx, tx, tenant, name, store.UpdateLock)
	if err != nil {
		return err
	}
	before := last
	for len(free) > 0 && free[len(free)-1] == last {
		free, last = free[:len(free)-1], last-1
	}
	var writes []store.Mutation
	if last < before {
		writes = append(writes, store.Mutation{Kind: store.UpdateRows, Tenant: tenant, Table: s.Counters, Where: of(s.Counters, name),
			Columns: []*store.Column{s.Counters.Column("current")}, Rows: [][]any{{text(last)}}})
	}
	insert := store.Mutation{Kind: store.InsertRows, Tenant: tenant, Table: s.Numbers, Columns: s.Numbers.Columns}
	for _, number := range free {
		insert.Rows = append(insert.Rows, []any{name, text(number)})
	}
	_, err = tx.Write(ctx, append(writes, insert)...)
	return err
}

// of is the condition that a row is a series'.
func of(t *store.Table, name string) store.Cond {
	return store.Cond{Op: store.OpEqual, Expr: store.Expr{Column: t.Key[0]}, Values: []string{name}}
}

func text(number int64) string { return strconv.FormatInt(number, 10) }

// read reads one column of numbers.
func read(ctx context.Context, on store.Reader, q *store.Query) (numbers []int64, err error) {
	rows, err := on.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for cell := make([][]byte, 1); rows.Next(); {
		if err := rows.Scan(cell); err != nil {
			return nil, err
		}
		number, err := strconv.ParseInt(string(cell[0]), 10, 64)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, number)
	}
	return numbers, rows.Err()
}
