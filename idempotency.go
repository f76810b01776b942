package frappems

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/frappems/frappems/store"
)

// A POST with the header Idempotency-Key, of 1 to 140 characters, is done once, however often it is sent: a create, a
// method or a document's method. The key belongs to its user and tenant. Who sends the same request again gets the answer of
// the first, with the header Idempotent-Replayed; another request with the same key is refused with 422. The answer is
// written in the transaction of what it tells, so one is never there without the other; a request that failed has left
// nothing, and is done anew. Two at the same time are done one after the other. Answers are kept for 24 hours.
const (
	idempotencyHeader = "Idempotency-Key"
	idempotencyTime   = 24 * time.Hour
)

// keptAnswer is an answer as it is kept for its key.
type keptAnswer struct {
	Request string // its hash
	Status  int
	Header  http.Header
	Body    string
}

// atomically serves a request in one transaction, which App.DB gives meanwhile. The answer waits for the commit. Users without
// a tenant, whom some methods let in, have no transaction.
func (a *App) atomically(w http.ResponseWriter, r *http.Request, serve func(w http.ResponseWriter) error) error {
	x := exchangeFrom(r.Context())
	outer, err := a.DB(r.Context())
	key := r.Header.Get(idempotencyHeader)
	if r.Method != http.MethodPost {
		key = ""
	}
	if key != "" && (len(key) > 140 || x.user.isGuest()) {
		return Errorf(IdempotencyKeyError, "An Idempotency-Key has 1 to 140 characters, and is for users who have signed in")
	}
	if err != nil {
		return serve(w)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var answer buffer
	err = outer.Tx(r.Context(), func(db *DB) error {
		answer = buffer{}
		r.Body = io.NopCloser(bytes.NewReader(body)) // for each try
		x.use(db)
		defer x.use(outer) // for what runs after the commit
		if key != "" {
			return db.once(r, key, body, &answer, serve)
		}
		return finished(&answer, serve)
	})
	if err != nil && !errors.Is(err, errAnswered) {
		return err
	}
	answer.sendTo(w)
	return nil
}

// use makes db the one that App.DB gives.
func (x *exchange) use(db *DB) {
	x.mu.Lock()
	x.db = db
	x.mu.Unlock()
}

// writesBeside says whether the request has a transaction open on another DB than db.
func (x *exchange) writesBeside(db *DB) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.app == db.app && x.db != nil && x.db != db && x.db.InTx()
}

// finished serves into a buffer; an answer that is an error is one.
func finished(answer *buffer, serve func(w http.ResponseWriter) error) error {
	if err := serve(answer); err != nil {
		return err
	}
	if answer.status >= http.StatusBadRequest {
		return errAnswered
	}
	return nil
}

// once serves a request if its key is new, or gives the answer that was kept for it.
func (db *DB) once(r *http.Request, key string, body []byte, answer *buffer, serve func(w http.ResponseWriter) error) error {
	t := idempotencyTable
	place := compare(store.OpEqual, store.Expr{Column: t.Key[0]}, hash(db.user.Name, key))
	request := hash(r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), string(body))
	now := db.app.now()
	_, err := db.tx.Write(r.Context(),
		store.Mutation{Kind: store.DeleteRows, Tenant: db.tenant, Table: t, Where: compare(store.OpLess,
			store.Expr{Column: t.Columns[2]}, now.Add(-idempotencyTime).UTC().Format(timestampLayout))},
		store.Mutation{Kind: store.InsertRows, Tenant: db.tenant, Table: t, Columns: t.Columns,
			Rows: [][]any{{place.Values[0], "", now.UTC().Format(timestampLayout)}}})
	if errors.Is(err, store.ErrDuplicateKey) {
		return db.replay(r, place, request, answer)
	}
	if err != nil {
		return err
	}
	if err := finished(answer, serve); err != nil {
		return err
	}
	row := marshalText(keptAnswer{request, answer.status, answer.header, answer.body.String()})
	_, err = db.tx.Write(r.Context(), store.Mutation{Kind: store.UpdateRows, Tenant: db.tenant, Table: t,
		Columns: t.Columns[1:2], Where: place, Rows: [][]any{{row}}})
	return err
}

// replay gives the answer that was kept, if it is that of the same request.
func (db *DB) replay(r *http.Request, place store.Cond, request string, answer *buffer) error {
	rows, err := db.texts(r.Context(), &store.Query{Tenant: db.tenant, From: idempotencyTable, Where: place,
		Columns: []store.Expr{{Column: idempotencyTable.Columns[1]}}})
	if err != nil {
		return err
	}
	if len(rows) == 0 { // gone since
		return store.ErrDeadlock
	}
	var before keptAnswer
	if err := json.Unmarshal([]byte(rows[0][0]), &before); err != nil {
		return err
	}
	if before.Request != request {
		return Errorf(IdempotencyKeyError, "This Idempotency-Key was used for another request")
	}
	answer.header, answer.status = before.Header, before.Status
	answer.Header().Set("Idempotent-Replayed", "true")
	answer.body.WriteString(before.Body)
	return nil
}

// hash is that of several texts, in hex.
func hash(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		h.Write(jsonText(text))
	}
	return hex.EncodeToString(h.Sum(nil))
}
