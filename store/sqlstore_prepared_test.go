package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
)

// preparing is a driver of statements without rows, which notes how they came.
type preparing struct {
	mu     sync.Mutex
	log    []string
	refuse bool // to prepare
	asked  chan struct{}
}

var errUnprepared = errors.New("too many prepared statements")

func (d *preparing) note(how, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, how+" "+text)
}

func (d *preparing) last() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log[len(d.log)-1]
}

func (d *preparing) Connect(context.Context) (driver.Conn, error) { return preparingConn{d}, nil }
func (d *preparing) Driver() driver.Driver                        { return nil }

type preparingConn struct{ *preparing }

func (c preparingConn) Close() error              { return nil }
func (c preparingConn) Begin() (driver.Tx, error) { return c, nil }
func (c preparingConn) Commit() error             { return nil }
func (c preparingConn) Rollback() error           { return nil }
func (c preparingConn) Prepare(text string) (driver.Stmt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse {
		return nil, errUnprepared
	}
	return preparingStmt{c.preparing, text}, nil
}
func (c preparingConn) QueryContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	c.note("text", text)
	return noRows{}, nil
}
func (c preparingConn) ExecContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Result, error) {
	c.note("text", text)
	return driver.RowsAffected(1), nil
}

type preparingStmt struct {
	*preparing
	text string
}

func (s preparingStmt) Close() error {
	s.note("close", s.text)
	s.asked <- struct{}{}
	return nil
}
func (s preparingStmt) NumInput() int { return -1 }
func (s preparingStmt) Exec([]driver.Value) (driver.Result, error) {
	s.note("prepared", s.text)
	return driver.RowsAffected(1), nil
}
func (s preparingStmt) Query([]driver.Value) (driver.Rows, error) {
	s.note("prepared", s.text)
	return noRows{}, nil
}

type noRows struct{}

func (noRows) Columns() []string         { return nil }
func (noRows) Close() error              { return nil }
func (noRows) Next([]driver.Value) error { return io.EOF }

func newPreparing(t *testing.T, most int) (*preparing, *prepared) {
	d := &preparing{asked: make(chan struct{}, 100)}
	db := sql.OpenDB(d)
	t.Cleanup(func() { db.Close() })
	return d, &prepared{db: db, dialect: &Dialect{Prepared: most, Unprepared: func(err error) bool { return errors.Is(err, errUnprepared) }}}
}

// run runs a statement twice and prepares it, which the second time would do beside the test.
func (p *prepared) run(t *testing.T, text string) {
	t.Helper()
	busy := func(b bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy = b
	}
	busy(true)
	defer busy(false)
	for range 2 {
		rows, err := p.query(t.Context(), nil, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	p.mu.Lock()
	wanted := p.known[text].stmt == nil && p.room()
	p.mu.Unlock()
	if wanted {
		p.prepare(text)
	}
}

func TestPrepared(t *testing.T) {
	d, p := newPreparing(t, 2)
	p.run(t, "SELECT 1")
	if got, want := d.last(), "text SELECT 1"; got != want {
		t.Errorf("the second time: got %q, want %q", got, want)
	}
	if _, err := p.query(t.Context(), nil, "SELECT 1", nil); err != nil {
		t.Fatal(err)
	}
	if got, want := d.last(), "prepared SELECT 1"; got != want {
		t.Errorf("the third time: got %q, want %q", got, want)
	}
	tx, err := p.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for range 2 {
		if _, err := p.exec(t.Context(), tx, "DELETE", nil); err != nil {
			t.Fatal(err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, want := range []string{"text SELECT 1", "text SELECT 1", "prepared SELECT 1", "text DELETE", "text DELETE"} {
		if i >= len(d.log) || d.log[i] != want {
			t.Fatalf("got %q, want %q at %d", d.log, want, i)
		}
	}
}

// TestPreparedRefused wants a statement to run as text where a connection cannot prepare it, and other errors to come back.
func TestPreparedRefused(t *testing.T) {
	d, p := newPreparing(t, 2)
	p.run(t, "SELECT 1")
	d.mu.Lock()
	d.refuse = true
	d.mu.Unlock()
	conn, err := p.db.Conn(t.Context()) // so that the next one is new, and has to prepare
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := p.query(t.Context(), nil, "SELECT 1", nil); err != nil {
		t.Fatal(err)
	}
	if got, want := d.last(), "text SELECT 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPreparedRoom wants statements that nobody uses any more to make room, and those that are used to stay.
func TestPreparedRoom(t *testing.T) {
	d, p := newPreparing(t, 2)
	p.run(t, "SELECT 1")
	p.run(t, "SELECT 2")
	p.run(t, "SELECT 3") // finds no room, and asks who is used
	if p.known["SELECT 2"].stmt == nil || p.known["SELECT 3"].stmt != nil {
		t.Error("SELECT 3 has taken the room of SELECT 2, which is in use")
	}
	p.run(t, "SELECT 2")
	for range 2 {
		p.run(t, "SELECT 3")
	}
	<-d.asked // a statement was closed
	for text, want := range map[string]string{"SELECT 1": "text", "SELECT 2": "prepared", "SELECT 3": "prepared"} {
		if _, err := p.query(t.Context(), nil, text, nil); err != nil {
			t.Fatal(err)
		}
		if got := d.last(); got != want+" "+text {
			t.Errorf("got %q, want %q", got, want+" "+text)
		}
	}
	for i := range 100 {
		p.run(t, fmt.Sprint("SELECT ", i+10))
	}
	if p.count > 2 || len(p.known) > 21 {
		t.Errorf("got %d statements that are prepared, and %d known, want at most 2 and 21", p.count, len(p.known))
	}
}
