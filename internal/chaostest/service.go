// Package chaostest has a service and clients of it that write and read while its database, or its process, comes to harm. Every
// answer is compared with what was sent, and in the end every document.
package chaostest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing/fstest"
	"time"

	"github.com/frappems/frappems"
)

const users = `[{"user": "ada@example.com", "api_key": "ada", "api_secret": "s", "tenant": "acme", "roles": ["Manager"]}]`

// doctypes are Orders, which are named by a series, Receipts, whose series has no gaps, and Sheets, which are named by the client
// and deleted again. A document and all its rows show one version.
const doctypes = `[{"doctype": "DocType", "name": "Line", "istable": 1, "fields": [{"fieldname": "version", "fieldtype": "Int"},
		{"fieldname": "qty", "fieldtype": "Int"}, {"fieldname": "word", "fieldtype": "Data"}]},
	{"doctype": "DocType", "name": "Order", "autoname": "O-.#####", FIELDS},
	{"doctype": "DocType", "name": "Receipt", "autoname": "R-.#####", FIELDS},
	{"doctype": "DocType", "name": "Sheet", "autoname": "prompt", FIELDS}]`

const fields = `"fields": [{"fieldname": "tag", "fieldtype": "Data", "unique": 1}, {"fieldname": "version", "fieldtype": "Int"},
		{"fieldname": "total", "fieldtype": "Int"}, {"fieldname": "lines", "fieldtype": "Table", "options": "Line"}],
	"permissions": [{"role": "Manager", "read": 1, "write": 1, "create": 1, "delete": 1}]`

// NewApp makes the service and starts it. Requests end after timeout; 0 is the service's own limit.
func NewApp(ctx context.Context, kept frappems.Store, timeout time.Duration) (*frappems.App, error) {
	tokens, err := frappems.NewTokens(strings.NewReader(users))
	if err != nil {
		return nil, err
	}
	app, err := frappems.New(frappems.Config{Store: kept, Auth: tokens, Logger: slog.New(slog.DiscardHandler), Gapless: []string{"Receipt"}, RequestTimeout: timeout,
		DocTypes: fstest.MapFS{"types.json": {Data: []byte(strings.ReplaceAll(doctypes, "FIELDS", fields))}}})
	if err != nil {
		return nil, err
	}
	for _, doctype := range []string{"Order", "Receipt", "Sheet"} {
		app.Resource(doctype)
		app.On(doctype, frappems.Validate, func(_ context.Context, _ *frappems.DB, d *frappems.Doc) error {
			total := int64(0)
			for _, line := range d.Get("lines").([]*frappems.Doc) {
				qty, _ := line.Get("qty").(int64)
				total += qty
			}
			return d.Set("total", total)
		})
	}
	return app, app.Start(ctx)
}

// Serve serves a store on a free port of the loopback address, prints its URL, and returns an error only. It is what a process
// does that is to be killed.
func Serve(kept frappems.Store) error {
	app, err := NewApp(context.Background(), kept, 0)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "http://"+listener.Addr().String())
	return app.Serve(context.Background(), listener)
}
