package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/frappems/frappems/adapters/mariadb"
	"github.com/frappems/frappems/adapters/sqlite"
	"github.com/frappems/frappems/internal/mariadbtest"
	"github.com/frappems/frappems/store"
)

//go:embed handwritten/schema.sql
var handwrittenSchema string

// The servers that can be measured. Gapless is the service with numbers without gaps, of which only creating tells something;
// yardstick is a program from elsewhere, which knows some of the operations. Twenty is the service with 20 DocTypes, of which the
// start is measured.
const (
	handwritten = "handwritten"
	service     = "service"
	gapless     = "gapless"
	onSQLite    = "sqlite"
	yardstick   = "yardstick"
	twenty      = "twenty"
)

var servers = []string{handwritten, service, gapless, onSQLite, yardstick, twenty}

// only says what is measured of a server that is not there for everything.
var only = map[string][]string{gapless: {"create"}, yardstick: {"ping", "list20", "get", "create"}, twenty: {}}

// lab is where measurements take place: servers with their databases.
type lab struct {
	options options
	dir     string
	script  string
	db      *mariadbtest.Server
	tables  []*table
	servers map[string]*server
	resting map[string]float64 // MiB before the first request
}

func newLab(ctx context.Context, o options) (_ *lab, err error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		return nil, errors.New("bench: wrk is missing: install it (on Debian: apt-get install wrk)")
	}
	l := &lab{options: o, tables: dataset(o.orders), servers: map[string]*server{}, resting: map[string]float64{}}
	if l.dir, err = os.MkdirTemp("", "frappems-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	l.script = filepath.Join(l.dir, "load.lua")
	if err := os.WriteFile(l.script, script, 0o644); err != nil {
		return nil, err
	}
	if err := build(ctx, ".", l.dir+"/", "./service", "./handwritten"); err != nil {
		return nil, err
	}
	if l.db, err = mariadbtest.Start("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=512M", "--max-connections=300"); err != nil {
		return nil, err
	}
	for _, name := range o.servers {
		if err := l.start(ctx, name); err != nil {
			return nil, fmt.Errorf("bench: %s: %w", name, err)
		}
	}
	return l, nil
}

func build(ctx context.Context, dir, out string, packages ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", out}, packages...)...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("bench: go build: %w: %s", err, text)
	}
	return nil
}

func (l *lab) close() {
	for _, s := range l.servers {
		if err := s.stop(); err != nil {
			log.Print(err)
		}
	}
	if l.db != nil {
		l.db.Close()
	}
	os.RemoveAll(l.dir)
}

// start starts a server on a database that is filled.
func (l *lab) start(ctx context.Context, name string) (err error) {
	program := filepath.Join(l.dir, "service")
	var s *server
	switch name {
	case handwritten:
		if err := l.fill(ctx, name, handwrittenSchema); err != nil {
			return err
		}
		s, err = startServer(ctx, "", filepath.Join(l.dir, "handwritten"), "-dsn", l.dsn(name))
	case yardstick:
		if s, err = l.startYardstick(ctx); s == nil {
			return err
		}
	case gapless:
		if l.servers[service] == nil {
			return errors.New("it works on the database of the service, which is not measured")
		}
		s, err = startServer(ctx, "", program, "-database", l.db.URL(service), "-gapless")
	case twenty:
		var db *sql.DB
		if db, err = l.createDatabase(ctx, name); err != nil {
			return err
		}
		db.Close()
		for range 2 { // the first time makes the tables
			if s != nil {
				s.stop()
			}
			if s, err = startServer(ctx, "", program, "-database", l.db.URL(name), "-copies", "15"); err != nil {
				return err
			}
		}
	default:
		database := l.db.URL(name)
		if name == onSQLite {
			database = "sqlite:" + filepath.Join(l.dir, "bench.db")
		}
		if err := l.fillService(ctx, name, database); err != nil {
			return err
		}
		s, err = startServer(ctx, "", program, "-database", database)
	}
	if err != nil {
		return err
	}
	l.servers[name] = s
	l.resting[name], _, err = s.memory()
	return err
}

// startYardstick builds and starts the program from elsewhere; nil is none.
func (l *lab) startYardstick(ctx context.Context) (*server, error) {
	dir := l.options.yardstick
	schema, err := os.ReadFile(filepath.Join(dir, "..", "schema.sql"))
	if dir == "" || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Outside of any module it is built in this one, which has the same driver.
	program, err := filepath.Abs(filepath.Join(dir, "main.go"))
	if err != nil {
		return nil, err
	}
	if err := build(ctx, ".", filepath.Join(l.dir, yardstick), program); err != nil {
		return nil, err
	}
	if err := l.fill(ctx, yardstick, string(schema)); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().String()
	listener.Close()
	return startServer(ctx, "http://"+addr, filepath.Join(l.dir, yardstick), "-dsn", l.dsn(yardstick), "-addr", addr)
}

func (l *lab) dsn(database string) string {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName, c.InterpolateParams, c.Collation = "root", "tcp", l.db.Addr(), database, true, "utf8mb4_unicode_ci"
	return c.FormatDSN()
}

// createDatabase makes a database with the collation that Frappe's have.
func (l *lab) createDatabase(ctx context.Context, name string) (*sql.DB, error) {
	db, err := sql.Open("mysql", l.dsn(""))
	if err == nil {
		_, err = db.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return nil, err
	}
	return sql.Open("mysql", l.dsn(name))
}

// fill makes a database of a schema without tenants.
func (l *lab) fill(ctx context.Context, name, schema string) error {
	db, err := l.createDatabase(ctx, name)
	if err != nil {
		return err
	}
	defer db.Close()
	for statement := range strings.SplitSeq(schema, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if err := seedTables(ctx, db, l.tables); err != nil {
		return err
	}
	return l.analyze(ctx, db)
}

// analyze has the server count what is in the tables, as it does by itself after a while.
func (l *lab) analyze(ctx context.Context, db *sql.DB) error {
	for _, t := range l.tables {
		if _, err := db.ExecContext(ctx, "ANALYZE TABLE `"+t.name+"`"); err != nil {
			return err
		}
	}
	return nil
}

// fillService has a service make its tables, and fills them for two tenants.
func (l *lab) fillService(ctx context.Context, name, database string) error {
	open := func() (store.Store, error) { return mariadb.Open(database) }
	analyze := func() error { return nil }
	if file, ok := strings.CutPrefix(database, "sqlite:"); ok {
		open = func() (store.Store, error) { return sqlite.Open(file) }
	} else {
		db, err := l.createDatabase(ctx, name)
		if err != nil {
			return err
		}
		defer db.Close()
		analyze = func() error { return l.analyze(ctx, db) }
	}
	first, err := startServer(ctx, "", filepath.Join(l.dir, "service"), "-database", database)
	if err != nil {
		return err
	}
	if err := first.stop(); err != nil {
		return err
	}
	s, err := open()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := seedStore(ctx, s, l.tables, "acme", "globex"); err != nil {
		return err
	}
	return analyze()
}

// run measures everything, in rounds in which the servers take turns at being first.
func (l *lab) run(ctx context.Context) (*report, error) {
	r := newReport(ctx, l)
	for round := range l.options.rounds {
		for _, operation := range l.options.operations {
			for _, connections := range l.options.connections {
				for i := range l.options.servers {
					name := l.options.servers[(i+round)%len(l.options.servers)]
					s := l.servers[name]
					if s == nil || only[name] != nil && !slices.Contains(only[name], operation) {
						continue
					}
					m, err := l.measure(ctx, s, operation, connections)
					if err != nil {
						return nil, err
					}
					m.Server, m.Round = name, round
					r.Samples = append(r.Samples, m)
				}
			}
		}
		log.Printf("round %d of %d", round+1, l.options.rounds)
	}
	for name, s := range l.servers {
		_, peak, err := s.memory()
		if err != nil {
			return nil, err
		}
		r.Memory[name] = memory{Start: s.start.Seconds() * 1000, Rest: l.resting[name], Peak: peak}
	}
	r.medians()
	return r, nil
}

// profile writes profiles of the service for each operation, at the first number of connections.
func (l *lab) profile(ctx context.Context) error {
	s := l.servers[service]
	if s == nil {
		return errors.New("bench: profiles are those of the service, which is not among the servers")
	}
	for _, operation := range l.options.operations {
		done := make(chan error, 1)
		go func() {
			done <- l.save(ctx, s.inside+fmt.Sprintf("/debug/pprof/profile?seconds=%d", l.options.seconds), operation+".cpu.pprof")
		}()
		m, err := l.measure(ctx, s, operation, l.options.connections[0])
		if err := errors.Join(err, <-done); err != nil {
			return err
		}
		fmt.Printf("%s: %.0f requests/s, %.0f µs and %.0f allocations each\n", operation, m.Rate, m.CPU, m.Allocs)
		if err := l.save(ctx, s.inside+"/debug/pprof/allocs", operation+".allocs.pprof"); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) save(ctx context.Context, url, file string) error {
	body, err := get(ctx, url)
	if err != nil {
		return err
	}
	defer body.Close()
	out, err := os.Create(filepath.Join(l.options.out, file))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, body)
	return errors.Join(err, out.Close())
}
