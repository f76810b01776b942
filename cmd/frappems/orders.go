package main

import (
	"context"
	"fmt"
	"io/fs"

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

// loadSamples creates the example's documents.
func loadSamples(ctx context.Context, app *frappems.App) error {
	samples, err := orders.Samples()
	if err != nil {
		return err
	}
	handles := map[string]*frappems.DB{}
	for i, sample := range samples {
		db := handles[sample.Tenant]
		if db == nil {
			if db, err = app.AsTenant(ctx, sample.Tenant); err != nil {
				return err
			}
			handles[sample.Tenant] = db
		}
		if _, err := db.Insert(ctx, sample.DocType, sample.Values); err != nil {
			return fmt.Errorf("%d of %d, %s: %w", i+1, len(samples), sample.DocType, err)
		}
	}
	return nil
}
