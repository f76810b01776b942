// Package mariadb keeps the data of a frappems service in a MariaDB database, 10.6 or newer.
package mariadb

import (
	"context"
	"database/sql"
	"time"

	"github.com/frappems/frappems/store"
)

// asideConnections is how many connections there are, beside those for requests, for short transactions that others wait for.
const asideConnections = 4

// Open returns a store in the database that a URL names, such as mysql://user:password@host:3306/database; the scheme may be
// mariadb as well. These parameters are known, and every other one is refused:
//
//   - tls: true (certificate and host name are checked), skip-verify (neither is) or false, the default
//   - tls-ca: a file of PEM certificates that tls=true trusts in place of the system's
//   - socket: the path of a Unix socket, in place of the host
//   - connections: how many there are at most, by default 8 for each CPU and 4 more; Migrate takes one beside them
//   - connect-timeout: how long a new connection may take, by default 5s
//   - statement-timeout: when the server ends a statement, by default 20s. One that does not answer then either counts as
//     unreachable two seconds later. Locks are waited for half as long. Migrate has no such limit
//   - charset: utf8mb4, which it is in any case
//
// Open does not connect. That a server is missing, too old, or set up so that data would suffer, is an error of Migrate, and so of
// App.Start. The store may be used by many goroutines, and the database by many processes. No error has the password in it.
func Open(database string) (store.Store, error) {
	p, err := parse(database)
	if err != nil {
		return nil, err
	}
	limited, err := p.connector(p.statementTimeout + graceTime)
	if err != nil {
		return nil, err
	}
	patient, err := p.connector(0)
	if err != nil {
		return nil, err
	}
	requests, migrations := sql.OpenDB(limited), sql.OpenDB(patient)
	requests.SetMaxOpenConns(p.connections)
	requests.SetMaxIdleConns(p.connections)
	requests.SetConnMaxLifetime(3 * time.Minute)
	requests.SetConnMaxIdleTime(time.Minute)
	migrations.SetMaxIdleConns(-1)
	dialect := dialect
	dialect.Connections, dialect.ConcurrentWriters, dialect.Migrations = p.connections-asideConnections, true, migrations
	kept := store.NewSQL(requests, dialect)
	return &checkedStore{kept, kept.(store.ConcurrentWriters), requests}, nil
}

// checkedStore looks at the server before it migrates.
type checkedStore struct {
	store.Store
	store.ConcurrentWriters
	db *sql.DB
}

func (s *checkedStore) Migrate(ctx context.Context, want *store.Schema, apply bool) (store.Plan, error) {
	if err := checkServer(ctx, s.db); err != nil {
		return nil, err
	}
	return s.Store.Migrate(ctx, want, apply)
}
