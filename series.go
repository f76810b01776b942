package frappems

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/frappems/frappems/internal/series"
	"github.com/frappems/frappems/store"
)

// takenNumbers is what a transaction has taken from series, and what it wants to give back to them.
type takenNumbers struct {
	series.Taken
	count   int                       // of all numbers, also of those from the counter's row
	strict  []takenNumber             // from the counter's row, or none: the transaction has the row, and reserving aside would wait for itself
	deleted []takenNumber             // of documents that the transaction deletes
	gates   []string                  // DocTypes whose gates the transaction has passed
	remote  map[remoteKey]*linkTarget // what Central said of links, for all tries; nil is that there is none
	unknown []remoteAsk               // what it has to be asked about before the next try
	asked   int                       // how often it was
	// careful has the names that numbers make looked up: one of them was there already.
	careful bool
}

type takenNumber struct {
	series string
	number int64
}

// again says whether a transaction that failed is to be repeated because a number made a name that was there already. Then the
// names are looked up, so that numbers that are names are skipped.
func (t *takenNumbers) again(err error) bool {
	repeat := t.count > 0 && !t.careful && errors.Is(err, DuplicateEntryError) && errors.Is(err, store.ErrDuplicateKey)
	t.careful = t.careful || repeat
	return repeat
}

// untake gives back what a part of the transaction has taken since the transaction had taken before.
func (db *DB) untake(ctx context.Context, before takenNumbers) error {
	unused := db.taken.Taken[len(before.Taken):]
	db.app.series.Settle(&unused, true)
	for _, t := range slices.Backward(db.taken.strict[len(before.strict):]) {
		if err := db.lowerCounter(ctx, db.tx.Tx, t); err != nil {
			return err
		}
	}
	db.taken.Taken, db.taken.deleted = before.Taken, before.deleted
	return nil
}

// forgetNumbers gives back the numbers of documents that a transaction has deleted. What fails leaves a gap.
func (db *DB) forgetNumbers(ctx context.Context, deleted []takenNumber) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), asideTimeout)
	defer cancel()
	for _, d := range deleted {
		if err := db.app.series.Forget(ctx, db.tenant, d.series, d.number); err != nil {
			db.app.log.WarnContext(ctx, "the number of a deleted document could not be given back", "error", err)
		}
	}
}

// asideTimeout limits what is done beside a request, which does not end with the request.
const asideTimeout = 10 * time.Second

// aside runs f in a short transaction beside one that the caller may have. Where the store breaks a deadlock it runs f again. It
// is for stores that are [store.ConcurrentWriters].
func (a *App) aside(ctx context.Context, f func(ctx context.Context, tx store.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), asideTimeout)
	defer cancel()
	try := func() error {
		tx, err := a.writers.BeginAside(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := f(ctx, tx); err != nil {
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
