package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/examples/orders"
)

// The request to try the example with.
const (
	exampleCredentials = "manager:demo-manager-secret"
	exampleDocType     = "Sales Order"
)

func exampleDocTypes() fs.FS { return orders.DocTypes() }
func exampleUsers() []byte   { return orders.Users() }

// loadSamples creates the example's documents, of each tenant all or none. A tenant that has some is left as it is.
func loadSamples(ctx context.Context, app *frappems.App) error {
	samples, err := orders.Samples()
	if err != nil {
		return err
	}
	byTenant := map[string][]orders.Sample{}
	for _, sample := range samples {
		byTenant[sample.Tenant] = append(byTenant[sample.Tenant], sample)
	}
	for _, tenant := range slices.Sorted(maps.Keys(byTenant)) {
		db, err := app.AsTenant(ctx, tenant)
		if err != nil {
			return err
		}
		n, err := db.Count(ctx, exampleDocType, nil)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if err := db.Tx(ctx, func(db *frappems.DB) error { return create(ctx, db, byTenant[tenant]) }); err != nil {
			return err
		}
	}
	return nil
}

// create creates documents. What is there already under its name stays.
func create(ctx context.Context, db *frappems.DB, samples []orders.Sample) error {
	for i, sample := range samples {
		_, err := db.Insert(ctx, sample.DocType, sample.Values)
		if err != nil && !errors.Is(err, frappems.DuplicateEntryError) {
			return fmt.Errorf("%d of %d, %s: %w", i+1, len(samples), sample.DocType, err)
		}
	}
	return nil
}
