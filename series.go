package frappems

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/frappems/frappems/store"
)

// series hands out the numbers of naming series and of autoincrement names on a store with many writers. A transaction that
// takes its number from the counter's row keeps all others from theirs until it is on disk. So numbers are reserved in blocks,
// by short transactions aside. One that was not used is the next one given, and the rest of a block goes back to the store when
// the App is shut down: in one process no gap is seen.
type series struct {
	app *App

	mu      sync.Mutex // guards what follows, and what is in reservations
	open    map[seriesKey]*reservation
	uses    uint64
	stopped bool
	evicted sync.WaitGroup // reservations whose numbers are going back
}

type seriesKey struct{ tenant, name string }

// reservation is the numbers that this process has of one series.
type reservation struct {
	tenant, name string
	free         []int64 // ascending
	highest      int64   // that was given
	users        int     // transactions that have numbers or wait for them; without any it may be evicted
	waiting      int
	size         int       // of the last block
	at           time.Time // when it was reserved
	used         uint64    // series.uses at the last use
	busy         *seriesWork
}

// seriesWork is what is under way for a reservation in the store: one thing at a time.
type seriesWork struct {
	done chan struct{}
	err  error // once it is done
}

// A block has 1 to maxBlock numbers: twice as many as the last one if that lasted less than a second, one after ten seconds.
const (
	maxBlock        = 100
	maxReservations = 1000
	asideTimeout    = 10 * time.Second
)

// takenNumbers is what a transaction has taken from series and wants to give back to them.
type takenNumbers struct {
	numbers []takenNumber
	count   int      // of all numbers, also of those from the counter's row
	locked  []string // series whose counter's row the transaction has: to reserve numbers aside would wait for itself
	deleted []deletedNumber
	gates   []string // DocTypes whose gates the transaction has passed
	// careful has the names that numbers make looked up: one of them was there already.
	careful bool
}

type takenNumber struct {
	from   *reservation
	number int64
}

// deletedNumber is that of a document that the transaction deletes.
type deletedNumber struct {
	series string
	number int64
}

// take gives the lowest free number, and reserves more where there is none.
func (s *series) take(ctx context.Context, taken *takenNumbers, tenant, name string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.reservation(tenant, name)
	r.users++
	r.waiting++
	defer func() { r.waiting-- }()
	for len(r.free) == 0 {
		if r.busy == nil {
			r.busy = &seriesWork{done: make(chan struct{})}
			go s.reserve(ctx, r)
		}
		if err := s.wait(ctx, r); err != nil {
			r.users--
			return 0, err
		}
	}
	number := r.free[0]
	r.free = r.free[1:]
	r.highest = max(r.highest, number)
	taken.numbers = append(taken.numbers, takenNumber{r, number})
	return number, nil
}

// reservation finds or makes that of a series. Names that the store takes for the same one share it.
func (s *series) reservation(tenant, name string) *reservation {
	key := seriesKey{tenant, store.TextKey(name)}
	r := s.open[key]
	if r == nil {
		s.evict()
		r = &reservation{tenant: tenant, name: name}
		s.open[key] = r
	}
	s.uses++
	r.used = s.uses
	return r
}

// evict gives back the numbers of the series that nobody has used for the longest time, where there are too many.
func (s *series) evict() {
	if len(s.open) < maxReservations || s.stopped {
		return
	}
	var oldest *reservation
	var at seriesKey
	for key, r := range s.open {
		if r.users == 0 && (oldest == nil || r.used < oldest.used) {
			oldest, at = r, key
		}
	}
	if oldest != nil {
		delete(s.open, at)
		s.evicted.Go(func() { s.giveBack(context.Background(), []*reservation{oldest}) })
	}
}

// wait waits until what is under way for a reservation is done.
func (s *series) wait(ctx context.Context, r *reservation) error {
	work := r.busy
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-work.done:
		return work.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reservation) done(err error) {
	r.busy.err = err
	close(r.busy.done)
	r.busy = nil
}

// put adds free numbers.
func (r *reservation) put(numbers ...int64) {
	r.free = append(slices.Clone(r.free), numbers...)
	slices.Sort(r.free)
}

// demand says how many numbers to reserve.
func (r *reservation) demand(now time.Time) int {
	switch idle := now.Sub(r.at); {
	case idle > 10*time.Second:
		r.size = 1
	case idle < time.Second:
		r.size *= 2
	}
	r.at = now
	r.size = min(max(r.size, r.waiting, 1), maxBlock)
	return r.size
}

// reserve takes numbers that came back, or else a new block. It goes on when those who wait for it give up.
func (s *series) reserve(ctx context.Context, r *reservation) {
	s.mu.Lock()
	count := r.demand(s.app.config.Now())
	if s.stopped {
		count = max(r.waiting, 1)
	}
	s.mu.Unlock()
	var numbers []int64
	err := s.app.aside(ctx, r.tenant, func(ctx context.Context, db *DB) (err error) {
		if numbers, err = r.takeReturned(ctx, db, count); err != nil || len(numbers) > 0 {
			return err
		}
		first, err := db.tx.Next(ctx, r.counter(), count)
		for i := range int64(count) {
			numbers = append(numbers, first+i)
		}
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		r.put(numbers...)
	}
	r.done(err)
}

func (r *reservation) counter() store.Counter {
	return store.Counter{Tenant: r.tenant, Table: counterTable, Name: r.name}
}

// of is the condition that a row of a bookkeeping table is the series'.
func (r *reservation) of(t *store.Table) store.Cond {
	return compare(store.OpEqual, store.Expr{Column: t.Key[0]}, r.name)
}

func (r *reservation) takeReturned(ctx context.Context, db *DB, count int) ([]int64, error) {
	number := store.Expr{Column: numberTable.Column("number")}
	rows, err := db.texts(ctx, &store.Query{Tenant: r.tenant, From: numberTable, Columns: []store.Expr{number}, Where: r.of(numberTable),
		OrderBy: []store.Order{{Expr: number}}, Limit: count, Lock: store.UpdateLock})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var numbers []int64
	var texts []string
	for _, row := range rows {
		numbers, texts = append(numbers, toInt(row[0])), append(texts, row[0])
	}
	_, err = db.tx.Write(ctx, store.Mutation{Kind: store.DeleteRows, Tenant: r.tenant, Table: numberTable,
		Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{r.of(numberTable), compare(store.OpIn, number, texts...)}}})
	return numbers, err
}

// settle ends a transaction's use of its numbers: where it was rolled back they are the next ones given, else they are used.
// Where nobody knows whether it was committed, they count as used.
func (s *series) settle(taken *takenNumbers, rolledBack bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range taken.numbers {
		n.from.users--
		if rolledBack {
			n.from.put(n.number)
		}
	}
	taken.numbers = nil
}

// again says whether a transaction that failed is to be repeated because a number made a name that was there already. Then the
// names are looked up, so that numbers that are names are skipped.
func (t *takenNumbers) again(err error) bool {
	repeat := t.count > 0 && !t.careful && errors.Is(err, DuplicateEntryError) && errors.Is(err, store.ErrDuplicateKey)
	t.careful = t.careful || repeat
	return repeat
}

// forgetAll is forget for each document that a transaction has deleted. What fails leaves a gap.
func (s *series) forgetAll(ctx context.Context, tenant string, deleted []deletedNumber) {
	for _, d := range deleted {
		if err := s.forget(ctx, tenant, d); err != nil {
			s.app.log.WarnContext(ctx, "the number of a deleted document could not be given back", "error", err)
		}
	}
}

// forget makes the number of a deleted document the next one if it was the last of its series: if all behind it are free.
func (s *series) forget(ctx context.Context, tenant string, d deletedNumber) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), asideTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.reservation(tenant, d.series)
	r.users++
	defer func() { r.users-- }()
	for r.busy != nil {
		if s.wait(ctx, r); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if _, free := slices.BinarySearch(r.free, r.highest); r.highest > d.number && !free {
		return nil
	}
	r.busy = &seriesWork{done: make(chan struct{})}
	s.mu.Unlock()
	current, returned, err := r.stored(ctx, newDB(s.app, nil, tenant), d.number)
	s.mu.Lock()
	at, free := slices.BinarySearch(r.free, d.number)
	if err == nil && !free && !slices.Contains(returned, d.number) && current-d.number == int64(len(returned)+len(r.free)-at) {
		r.put(d.number)
	}
	r.done(nil)
	return err
}

// stored is the last number that was reserved by anybody, and those from a number on that came back.
func (r *reservation) stored(ctx context.Context, db *DB, from int64) (current int64, returned []int64, err error) {
	current, err = r.current(ctx, db, store.NoLock)
	if err != nil {
		return 0, nil, err
	}
	number := store.Expr{Column: numberTable.Column("number")}
	rows, err := db.texts(ctx, &store.Query{Tenant: r.tenant, From: numberTable, Columns: []store.Expr{number},
		Where: store.Cond{Op: store.OpAnd, Conds: []store.Cond{r.of(numberTable),
			compare(store.OpGreaterEqual, number, strconv.FormatInt(from, 10))}}})
	for _, row := range rows {
		returned = append(returned, toInt(row[0]))
	}
	return current, returned, err
}

func (r *reservation) current(ctx context.Context, db *DB, lock store.Lock) (int64, error) {
	rows, err := db.texts(ctx, &store.Query{Tenant: r.tenant, From: counterTable, Where: r.of(counterTable), Lock: lock,
		Columns: []store.Expr{{Column: counterTable.Column("current")}}})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return toInt(rows[0][0]), nil
}

// close gives all numbers back. Transactions that are still open then may leave gaps.
func (s *series) close(ctx context.Context) {
	s.mu.Lock()
	s.stopped = true
	byTenant := map[string][]*reservation{}
	for _, r := range s.open {
		for r.busy != nil {
			if s.wait(ctx, r); ctx.Err() != nil {
				break
			}
		}
		byTenant[r.tenant] = append(byTenant[r.tenant], r)
	}
	s.open = map[seriesKey]*reservation{}
	s.mu.Unlock()
	for _, reservations := range byTenant {
		s.giveBack(ctx, reservations)
	}
	s.evicted.Wait()
}

// giveBack returns what is free in reservations of one tenant, which nobody has any more, to the store.
func (s *series) giveBack(ctx context.Context, reservations []*reservation) {
	s.mu.Lock()
	reservations = slices.DeleteFunc(reservations, func(r *reservation) bool { return len(r.free) == 0 })
	free := map[*reservation][]int64{}
	for _, r := range reservations {
		free[r], r.free = r.free, nil
	}
	s.mu.Unlock()
	if len(reservations) == 0 {
		return
	}
	slices.SortFunc(reservations, func(a, b *reservation) int { return cmp.Compare(a.name, b.name) })
	err := s.app.aside(ctx, reservations[0].tenant, func(ctx context.Context, db *DB) error {
		for _, r := range reservations {
			if err := r.giveBack(ctx, db, free[r]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.app.log.WarnContext(ctx, "numbers of naming series could not be given back and leave gaps", "error", err)
	}
}

// giveBack lowers the counter by the numbers at its end, and keeps the others for who comes next.
func (r *reservation) giveBack(ctx context.Context, db *DB, free []int64) error {
	before, err := r.current(ctx, db, store.UpdateLock)
	if err != nil {
		return err
	}
	current := before
	for len(free) > 0 && free[len(free)-1] == current {
		free = free[:len(free)-1]
		current--
	}
	var writes []store.Mutation
	if current < before {
		writes = append(writes, store.Mutation{Kind: store.UpdateRows, Tenant: r.tenant, Table: counterTable, Where: r.of(counterTable),
			Columns: []*store.Column{counterTable.Column("current")}, Rows: [][]any{{strconv.FormatInt(current, 10)}}})
	}
	if len(free) > 0 {
		insert := store.Mutation{Kind: store.InsertRows, Tenant: r.tenant, Table: numberTable, Columns: numberTable.Columns}
		for _, number := range free {
			insert.Rows = append(insert.Rows, []any{r.name, strconv.FormatInt(number, 10)})
		}
		writes = append(writes, insert)
	}
	_, err = db.tx.Write(ctx, writes...)
	return err
}

// aside runs f in a short transaction beside one that the caller may have. Where the store breaks a deadlock it runs f again. It
// does not end with ctx, but after asideTimeout. It is for stores that are [store.ConcurrentWriters].
func (a *App) aside(ctx context.Context, tenant string, f func(ctx context.Context, db *DB) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), asideTimeout)
	defer cancel()
	try := func() error {
		tx, err := a.writers.BeginAside(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		db := newDB(a, nil, tenant)
		db.tx = tx
		if err := f(ctx, db); err != nil {
			return err
		}
		return tx.Commit()
	}
	err := try()
	for n := 0; n < maxTries && errors.Is(err, store.ErrDeadlock) && pause(ctx, n); n++ {
		err = try()
	}
	if ctx.Err() != nil && err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}
