// Command service is the service that is measured: five DocTypes, users of two tenants, everything else as it is by default.
package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/mariadb"
	"github.com/frappems/frappems/adapters/sqlite"
	"github.com/frappems/frappems/bench/internal/observe"
)

//go:embed doctypes
var doctypes embed.FS

const users = `[
	{"user": "manager@example.com", "full_name": "Mona", "api_key": "manager", "api_secret": "managersecret", "tenant": "acme", "roles": ["Shop Manager"]},
	{"user": "manager@example.com", "full_name": "Mona", "api_key": "other", "api_secret": "othersecret", "tenant": "globex", "roles": ["Shop Manager"]}
]`

func main() {
	database := flag.String("database", "", "URL of the database: mysql://… or sqlite:FILE")
	gapless := flag.Bool("gapless", false, "numbers of orders without gaps, even after a crash")
	copies := flag.Int("copies", 0, "how many more DocTypes there are, like Sales Order, to see how long a start takes")
	flag.Parse()
	if err := run(*database, *gapless, *copies); err != nil {
		log.Fatal(err)
	}
}

func run(database string, gapless bool, copies int) error {
	store, err := open(database)
	if err != nil {
		return err
	}
	defer store.Close()
	auth, err := frappems.NewTokens(strings.NewReader(users))
	if err != nil {
		return err
	}
	types, err := frappems.LoadDocTypes(doctypes)
	if err != nil {
		return err
	}
	for _, t := range types {
		for i := range copies {
			if t.Name == "Sales Order" {
				other := *t
				other.Name = fmt.Sprint("Sales Order ", i)
				types = append(types, &other)
			}
		}
	}
	config := frappems.Config{Types: types, Store: store, Auth: auth,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	if gapless {
		config.Gapless = []string{"Sales Order"}
	}
	app, err := frappems.New(config)
	if err != nil {
		return err
	}
	for _, doctype := range []string{"Customer", "Item", "Sales Order", "Territory"} {
		app.Resource(doctype)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := app.Start(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := observe.Announce(listener); err != nil {
		return err
	}
	return app.Serve(ctx, listener)
}

func open(database string) (frappems.Store, error) {
	if file, ok := strings.CutPrefix(database, "sqlite:"); ok {
		return sqlite.Open(file)
	}
	return mariadb.Open(database)
}
