package frappems

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/frappems/frappems/store"
)

// passGates keeps documents of DocTypes that are about to be linked to from being deleted or renamed until the transaction
// ends. The documents themselves are not locked: share locks on them deadlock with hooks that update them.
func (db *DB) passGates(ctx context.Context, targets []*meta) error {
	var doctypes []string
	for _, m := range targets {
		if !slices.Contains(db.taken.gates, m.Name) {
			doctypes = append(doctypes, m.Name)
		}
	}
	db.taken.gates = append(db.taken.gates, doctypes...)
	return db.lockGates(ctx, store.ShareLock, doctypes)
}

// shutGate keeps documents of a DocType from being linked to until the transaction ends. Who links to one already has been
// waited for, so that the next look sees the link.
func (db *DB) shutGate(ctx context.Context, m *meta) error {
	return db.lockGates(ctx, store.UpdateLock, []string{m.Name})
}

// lockGates locks the tenant's rows that stand for DocTypes, and makes those that are missing. A store with one writer needs no
// gates. It is a statement of its own: one that checks links, too, may have read them before it waits for the lock.
func (db *DB) lockGates(ctx context.Context, lock store.Lock, doctypes []string) error {
	if db.app.writers == nil || len(doctypes) == 0 {
		return nil
	}
	name := store.Expr{Column: gateTable.Column("doctype")}
	for range 2 {
		missing := slices.Clone(doctypes)
		q := &store.Query{Tenant: db.tenant, From: gateTable, Columns: []store.Expr{name}, Lock: lock, AnyOrder: true,
			Where: compare(store.OpIn, name, doctypes...), Statement: db.app.statement("gates", strconv.Itoa(4*len(doctypes)+int(lock)))}
		err := db.each(ctx, q, func(row [][]byte) error {
			missing = slices.DeleteFunc(missing, func(doctype string) bool { return doctype == string(row[0]) })
			return nil
		})
		if err != nil || len(missing) == 0 {
			return err
		}
		if err := db.makeGates(ctx, missing); err != nil {
			return err
		}
	}
	return nil
}

// makeGates makes rows that others see before the transaction of db is committed.
func (db *DB) makeGates(ctx context.Context, doctypes []string) error {
	return db.app.aside(ctx, func(ctx context.Context, tx store.Tx) error {
		for _, doctype := range doctypes {
			_, err := tx.Write(ctx, store.Mutation{Kind: store.InsertRows, Tenant: db.tenant, Table: gateTable,
				Columns: gateTable.Columns, Rows: [][]any{{doctype}}})
			if err != nil && !errors.Is(err, store.ErrDuplicateKey) {
				return err
			}
		}
		return nil
	})
}
