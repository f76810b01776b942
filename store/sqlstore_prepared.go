package store

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// prepared is the statements of a pool that the database keeps parsed: those that come again and again. Without a limit there
// are none.
type prepared struct {
	db      *sql.DB
	dialect *Dialect

	mu    sync.Mutex
	known map[string]*preparedStatement // by text; also those that came once
	count int                           // of those that are prepared
	busy  bool                          // one is being prepared
}

type preparedStatement struct {
	stmt  *sql.Stmt // nil: not prepared
	users int
	used  bool // since room was made for the last time
}

// maxPreparedText is how long a statement may be that is kept: longer ones insert or look for many rows, and come once.
const maxPreparedText = 8 << 10

// take finds a statement to run, which is nil where it runs as text; give ends its use.
func (p *prepared) take(text string) *preparedStatement {
	if p.dialect.Prepared == 0 || len(text) > maxPreparedText {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.known[text]
	switch {
	case s == nil:
		if p.known == nil || len(p.known) >= 10*p.dialect.Prepared {
			p.forget(func(s *preparedStatement) bool { return s.stmt == nil })
		}
		p.known[text] = &preparedStatement{}
	case s.stmt != nil:
		s.used = true
		s.users++
		return s
	case !p.busy && p.room():
		p.busy = true
		go p.prepare(text)
	}
	return nil
}

func (p *prepared) give(s *preparedStatement) {
	p.mu.Lock()
	s.users--
	p.mu.Unlock()
}

// room sees to it that one more can be prepared: those that nobody has used since the last time go.
func (p *prepared) room() bool {
	if p.count < p.dialect.Prepared {
		return true
	}
	p.forget(func(s *preparedStatement) bool {
		idle := s.stmt != nil && s.users == 0 && !s.used
		s.used = false
		return idle
	})
	return p.count < p.dialect.Prepared
}

func (p *prepared) forget(these func(s *preparedStatement) bool) {
	kept := make(map[string]*preparedStatement, len(p.known))
	for text, s := range p.known {
		switch {
		case !these(s):
			kept[text] = s
		case s.stmt != nil:
			p.count--
			go s.stmt.Close()
		}
	}
	p.known = kept
}

// prepare makes a statement ready beside those who run it as text meanwhile: it needs a connection, and who is in a transaction
// has one already.
func (p *prepared) prepare(text string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stmt, err := p.db.PrepareContext(ctx, text)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
	if s := p.known[text]; err == nil && s != nil {
		s.stmt, s.used = stmt, true
		p.count++
	} else if err == nil {
		go stmt.Close()
	}
}

// in returns the statement as one of a transaction, or outside of one where tx is nil.
func (s *preparedStatement) in(ctx context.Context, tx *sql.Tx) *sql.Stmt {
	if tx == nil {
		return s.stmt
	}
	return tx.StmtContext(ctx, s.stmt)
}

// query runs a statement that reads; tx may be nil.
func (p *prepared) query(ctx context.Context, tx *sql.Tx, text string, args []any) (*sql.Rows, error) {
	if s := p.take(text); s != nil {
		defer p.give(s)
		rows, err := s.in(ctx, tx).QueryContext(ctx, args...)
		if err == nil || !p.dialect.Unprepared(err) {
			return rows, err
		}
	}
	if tx != nil {
		return tx.QueryContext(ctx, text, args...)
	}
	return p.db.QueryContext(ctx, text, args...)
}

// exec runs a statement that writes.
func (p *prepared) exec(ctx context.Context, tx *sql.Tx, text string, args []any) (sql.Result, error) {
	if s := p.take(text); s != nil {
		defer p.give(s)
		result, err := s.in(ctx, tx).ExecContext(ctx, args...)
		if err == nil || !p.dialect.Unprepared(err) {
			return result, err
		}
	}
	return tx.ExecContext(ctx, text, args...)
}
