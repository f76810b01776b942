// Package series hands out the numbers of naming series to transactions that write at a time. A number that a transaction takes
// from the counter's row keeps all others from theirs until it is on disk. So numbers are reserved in blocks, beside the
// transactions that use them. One that was not used is the next one given, and the rest of a block goes back at the end: in one
// process no gap is seen.
package series

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/frappems/frappems/store"
)

// A block has 1 to maxBlock numbers: twice as many as the last one if that lasted less than a second, one after ten seconds.
const (
	maxBlock        = 100
	maxReservations = 1000
)

// Pool is the numbers of all series that this process has. Its methods may be called concurrently.
type Pool struct {
	rows *Rows
	now  func() time.Time

	mu      sync.Mutex // guards what follows, and what is in reservations
	open    map[key]*reservation
	uses    uint64
	stopped bool
	evicted sync.WaitGroup // reservations whose numbers are going back
}

type key struct{ tenant, name string }

// reservation is the numbers of one series.
type reservation struct {
	tenant, name string
	free         []int64 // ascending
	highest      int64   // that was given
	users        int     // who have numbers or wait for them; without any it may be evicted
	waiting      int
	size         int       // of the last block
	at           time.Time // when it was reserved
	used         uint64    // Pool.uses at the last use
	busy         *work
}

// work is what is under way for a reservation in the store: one thing at a time.
type work struct {
	done chan struct{}
	err  error // once it is done
}

// Taken is the numbers that a transaction has.
type Taken []taken

type taken struct {
	from   *reservation
	number int64
}

// New makes a pool without numbers; now is the clock.
func New(rows *Rows, now func() time.Time) *Pool {
	return &Pool{rows: rows, now: now, open: map[key]*reservation{}}
}

// Take gives the lowest number of a series that is free, and reserves more where there is none. The transaction's numbers end
// with [Pool.Settle].
func (p *Pool) Take(ctx context.Context, t *Taken, tenant, name string) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.reservation(tenant, name)
	r.users++
	r.waiting++
	defer func() { r.waiting-- }()
	for len(r.free) == 0 {
		if r.busy == nil {
			r.busy = &work{done: make(chan struct{})}
			go p.reserve(ctx, r)
		}
		if err := p.wait(ctx, r); err != nil {
			r.users--
			return 0, err
		}
	}
	number := r.free[0]
	r.free = r.free[1:]
	r.highest = max(r.highest, number)
	*t = append(*t, taken{r, number})
	return number, nil
}

// Settle ends the use of numbers: where the transaction was rolled back they are the next ones given, else they are used. Where
// nobody knows whether it was committed, they count as used.
func (p *Pool) Settle(t *Taken, rolledBack bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range *t {
		n.from.users--
		if rolledBack {
			n.from.put(n.number)
		}
	}
	*t = nil
}

// Forget makes the number of a document that is gone the next one if it was the last of its series: if all behind it are free.
func (p *Pool) Forget(ctx context.Context, tenant, name string, number int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.reservation(tenant, name)
	r.users++
	defer func() { r.users-- }()
	for r.busy != nil {
		if p.wait(ctx, r); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if _, free := slices.BinarySearch(r.free, r.highest); r.highest > number && !free {
		return nil
	}
	r.busy = &work{done: make(chan struct{})}
	p.mu.Unlock()
	last, returned, err := p.rows.state(ctx, tenant, name, number)
	p.mu.Lock()
	at, free := slices.BinarySearch(r.free, number)
	if err == nil && !free && !slices.Contains(returned, number) && last-number == int64(len(returned)+len(r.free)-at) {
		r.put(number)
	}
	r.done(nil)
	return err
}

// Close gives all numbers back. Transactions that end later may leave gaps.
func (p *Pool) Close(ctx context.Context) {
	p.mu.Lock()
	p.stopped = true
	free := map[string]map[string][]int64{}
	for _, r := range p.open {
		for r.busy != nil && ctx.Err() == nil {
			p.wait(ctx, r)
		}
		if len(r.free) > 0 && free[r.tenant] == nil {
			free[r.tenant] = map[string][]int64{}
		}
		if len(r.free) > 0 {
			free[r.tenant][r.name], r.free = r.free, nil
		}
	}
	p.open = map[key]*reservation{}
	p.mu.Unlock()
	for tenant, numbers := range free {
		p.rows.giveBack(ctx, tenant, numbers)
	}
	p.evicted.Wait()
}

// Len is how many series the pool has something of.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// reservation finds or makes that of a series. Names that a store takes for the same one share it.
func (p *Pool) reservation(tenant, name string) *reservation {
	k := key{tenant, store.TextKey(name)}
	r := p.open[k]
	if r == nil {
		p.evict()
		r = &reservation{tenant: tenant, name: name}
		p.open[k] = r
	}
	p.uses++
	r.used = p.uses
	return r
}

// evict gives back the numbers of the series that nobody has used for the longest time, where there are too many.
func (p *Pool) evict() {
	if len(p.open) < maxReservations || p.stopped {
		return
	}
	var oldest *reservation
	var at key
	for k, r := range p.open {
		if r.users == 0 && r.busy == nil && (oldest == nil || r.used < oldest.used) {
			oldest, at = r, k
		}
	}
	if oldest == nil {
		return
	}
	delete(p.open, at)
	if len(oldest.free) > 0 {
		p.evicted.Go(func() {
			p.rows.giveBack(context.Background(), oldest.tenant, map[string][]int64{oldest.name: oldest.free})
		})
	}
}

// reserve gets numbers. It goes on when those who wait for them give up.
func (p *Pool) reserve(ctx context.Context, r *reservation) {
	p.mu.Lock()
	n := r.demand(p.now())
	if p.stopped {
		n = max(r.waiting, 1)
	}
	p.mu.Unlock()
	numbers, err := p.rows.reserve(ctx, r.tenant, r.name, n)
	p.mu.Lock()
	defer p.mu.Unlock()
	r.put(numbers...)
	r.done(err)
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

// wait waits until what is under way for a reservation is done.
func (p *Pool) wait(ctx context.Context, r *reservation) error {
	work := r.busy
	p.mu.Unlock()
	defer p.mu.Lock()
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
