// Package sqlite keeps the data of a frappems service in a SQLite file, without cgo.
//
// The file is in WAL mode with synchronous = FULL: what was committed survives a crash of the program and of the machine.
// One transaction writes at a time and the others wait for it; readers wait for nobody.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/frappems/frappems/store"
	"modernc.org/sqlite"
)

// applicationID marks the header of files that are ours: "frms".
const applicationID = 0x66726d73

// busyTimeout is for how many milliseconds a transaction waits for one of another process.
const busyTimeout = "10000"

// Open opens the file at path, or creates it; its directory must exist. It refuses a file that holds something else, and
// leaves that as it is. The store may be used by many goroutines, and the file by several processes of one machine.
func Open(path string) (store.Store, error) {
	return open(path, ours())
}

// open opens a file with the collation of a driver.
func open(path string, d *collated) (store.Store, error) {
	if path == "" || path == ":memory:" {
		return nil, fmt.Errorf("sqlite: %q names no file; frappems.NewMemoryStore() keeps data in memory", path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("sqlite: the directory of %s: %w", filepath.Base(path), err)
	}
	if err := checkForeign(path, d); err != nil {
		return nil, err
	}
	if err := prepare(path, d); err != nil {
		return nil, fmt.Errorf("sqlite: opening %s: %w", path, err)
	}
	dialect := dialect
	dialect.Type = d.columnType
	dialect.Pick = d.pick
	dialect.Writer = d.writer(path)
	return store.NewSQL(d.readers(path), dialect), nil
}

// readers returns connections that cannot write.
func (d *collated) readers(path string) *sql.DB {
	db := d.pool(path, "_query_only", "1")
	db.SetMaxOpenConns(max(4, 2*runtime.NumCPU()))
	db.SetMaxIdleConns(max(4, 2*runtime.NumCPU()))
	return db
}

// writer returns the one connection that writes.
func (d *collated) writer(path string) *sql.DB {
	db := d.pool(path, "_txlock", "immediate", "_synchronous", "FULL", "_pragma", "analysis_limit(100)")
	db.SetMaxOpenConns(1)
	return db
}

// pool returns connections to a file, with parameters as the driver has them in pairs of name and value.
func (d *collated) pool(path string, parameters ...string) *sql.DB {
	query := url.Values{"_busy_timeout": {busyTimeout}, "_dqs": {"0"}}
	for i := 0; i < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	return sql.OpenDB(connector{name: name.String(), driver: d.driver})
}

// connector opens connections with a driver of our own, so that our collation and functions are in nobody else's.
type connector struct {
	name   string
	driver *sqlite.Driver
}

func (c connector) Driver() driver.Driver { return c.driver }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.driver.Open(c.name)
}

// checkForeign refuses a file that is not ours. It neither locks nor writes the file.
func checkForeign(path string, d *collated) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("sqlite: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("sqlite: %s is not a file", path)
	case info.Size() == 0:
		return nil
	case info.Size() < 512: // which SQLite, whose smallest page that is, would overwrite
		return fmt.Errorf("sqlite: %s is not a SQLite database; it was left as it is", path)
	}
	db := d.pool(path, "mode", "ro", "immutable", "1")
	defer db.Close()
	id, tables, err := identity(db)
	var problem *sqlite.Error
	switch {
	case errors.As(err, &problem) && problem.Code()&0xFF == codeNotADatabase:
		return fmt.Errorf("sqlite: %s is not a SQLite database; it was left as it is", path)
	case err != nil:
		return fmt.Errorf("sqlite: %s: %w", path, err)
	case id != applicationID && (id != 0 || tables > 0):
		return fmt.Errorf("sqlite: %s is a SQLite database of another program (application_id %d, %d tables); it was left as it is", path, id, tables)
	}
	return nil
}

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryRow(query string, args ...any) *sql.Row
}

// identity returns whose file it is and how many tables it has.
func identity(db querier) (id, tables int, err error) {
	if err := db.QueryRow("PRAGMA application_id").Scan(&id); err != nil {
		return 0, 0, err
	}
	err = db.QueryRow("SELECT COUNT(*) FROM sqlite_schema").Scan(&tables)
	return id, tables, err
}

// prepare makes a new file ours, before it gets a write-ahead log, so that the mark is in the file from the first moment;
// and sorts the indexes of an old file anew if text compared differently when it was written.
func prepare(path string, d *collated) error {
	db := d.writer(path)
	defer db.Close()
	switch current, err := d.current(db); {
	case err != nil:
		return err
	case current:
		return enableLog(db)
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	id, tables, err := identity(tx)
	if err != nil {
		return err
	}
	if id != applicationID && tables > 0 {
		return errors.New("the file has become another program's")
	}
	if tables > 0 {
		if _, err := tx.Exec("REINDEX"); err != nil {
			return fmt.Errorf("sorting the indexes anew: %w", err)
		}
	}
	for _, pragma := range []string{fmt.Sprintf("application_id = %d", applicationID), fmt.Sprintf("user_version = %d", d.version)} {
		if _, err := tx.Exec("PRAGMA " + pragma); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return enableLog(db)
}

// current reports whether the file is ours and sorted as it must be.
func (d *collated) current(db querier) (bool, error) {
	id, _, err := identity(db)
	if err != nil {
		return false, err
	}
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return false, err
	}
	if id == applicationID && version > d.version {
		return false, fmt.Errorf("a newer version of frappems wrote the file (format %d, this one knows %d)", version, d.version)
	}
	return id == applicationID && version == d.version, nil
}

// enableLog switches the file to WAL mode, which it then stays in.
func enableLog(db *sql.DB) error {
	var mode string
	if err := db.QueryRow("PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not support a write-ahead log (journal_mode %s)", mode)
	}
	return nil
}
