package frappems

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/frappems/frappems/store"
)

// remoteKey names a document at the Central Site as a tenant may link to it, with the fields that are fetched from it.
type remoteKey struct{ tenant, doctype, fields, name string }

// remoteAsk is what Central has to be asked for.
type remoteAsk struct {
	remoteKey
	text string // the name as it was sent
}

// remoteLinks is what Central said lately of documents that are linked to.
type remoteLinks struct {
	mu    sync.Mutex
	known map[remoteKey]remoteAnswer
}

type remoteAnswer struct {
	target *linkTarget // nil: there is none
	until  time.Time
}

const (
	maxRemoteLinks    = 10_000
	remoteTime        = time.Minute     // how long a document is taken to be there
	remoteMissingTime = 5 * time.Second // how long it is taken not to be
	maxRemoteAsks     = 8               // how often a transaction is begun again to ask Central
)

// errAskCentral ends a try of a transaction that has to ask Central first.
var errAskCentral = errors.New("frappems: Central has to be asked for links, and then the transaction begun again")

func (r *remoteLinks) get(key remoteKey, now time.Time) (*linkTarget, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer, known := r.known[key]
	return answer.target, known && now.Before(answer.until)
}

func (r *remoteLinks) put(key remoteKey, target *linkTarget, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxRemoteLinks {
		maps.DeleteFunc(r.known, func(_ remoteKey, a remoteAnswer) bool { return !now.Before(a.until) })
	}
	if r.known == nil || len(r.known) >= maxRemoteLinks {
		r.known = map[remoteKey]remoteAnswer{}
	}
	lasts := remoteTime
	if target == nil {
		lasts = remoteMissingTime
	}
	r.known[key] = remoteAnswer{target, now.Add(lasts)}
}

// remoteKey is that of a link to a DocType which is not here.
func (db *DB) remoteKey(c *linkCheck) remoteKey {
	var fields []string
	for _, f := range c.link.fetches {
		fields = append(fields, f.from)
	}
	return remoteKey{db.tenant, c.remote, strings.Join(fields, ","), store.TextKey(c.name)}
}

// knowRemote sees to it that db.taken.remote has what Central says of links. A transaction that has to ask for it is rolled back,
// and begun again with the answer: nobody waits for Central behind what it has locked.
func (db *DB) knowRemote(ctx context.Context, checks []linkCheck) error {
	for i := range checks {
		c := &checks[i]
		if c.target != nil {
			continue
		}
		key := db.remoteKey(c)
		if _, known := db.taken.remote[key]; known {
			continue
		}
		if target, known := db.app.remote.get(key, db.app.config.Now()); known {
			db.taken.learn(key, target)
			continue
		}
		db.taken.unknown = append(db.taken.unknown, remoteAsk{key, c.name})
	}
	if db.taken.unknown == nil {
		return nil
	}
	if db.taken.asked < maxRemoteAsks {
		db.tx.broken = errAskCentral
		return errAskCentral
	}
	return db.askCentral(ctx, db.taken)
}

func (t *takenNumbers) learn(key remoteKey, target *linkTarget) {
	if t.remote == nil {
		t.remote = map[remoteKey]*linkTarget{}
	}
	t.remote[key] = target
}

// askCentral asks for all that is unknown, once for each DocType.
func (db *DB) askCentral(ctx context.Context, t *takenNumbers) error {
	asks := map[string][]remoteAsk{}
	for _, ask := range t.unknown {
		asks[ask.doctype] = append(asks[ask.doctype], ask)
	}
	t.unknown, t.asked = nil, t.asked+1
	for _, doctype := range slices.Sorted(maps.Keys(asks)) {
		found, err := db.atCentral(ctx, doctype, asks[doctype])
		if err != nil {
			return err
		}
		for _, ask := range asks[doctype] {
			db.app.remote.put(ask.remoteKey, found[ask.name], db.app.config.Now())
			t.learn(ask.remoteKey, found[ask.name])
		}
	}
	return nil
}

// atCentral finds documents of one DocType, by the keys of their names. A DocType that Central does not have has none; whatever else
// goes wrong is an error, and nothing is let in.
func (db *DB) atCentral(ctx context.Context, doctype string, asks []remoteAsk) (map[string]*linkTarget, error) {
	if checkName(doctype, 61) != nil || strings.ContainsAny(doctype, "/.") { // the client of a Dynamic Link can say anything
		return nil, nil
	}
	names, fields := []string{}, []string{"name", "docstatus"}
	for _, ask := range asks {
		if !slices.Contains(names, ask.text) {
			names = append(names, ask.text)
		}
		for from := range strings.SplitSeq(ask.fields, ",") {
			if from != "" && !slices.Contains(fields, from) {
				fields = append(fields, from)
			}
		}
	}
	filters := [][]any{{"name", "in", names}}
	if narrow := db.app.config.Central.LinkFilter; narrow != nil {
		filters = append(filters, narrow(db.tenant, doctype)...)
	}
	var rows []map[string]json.RawMessage
	err := db.app.central.GetList(ctx, doctype, ListOptions{Fields: fields, Filters: filters}, &rows)
	switch {
	case errors.Is(err, DoesNotExistError):
		return nil, nil
	case errors.Is(err, UnavailableError):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("frappems: links to %s at Central: %v", doctype, err) // of the service's user, not of the client
	}
	found := make(map[string]*linkTarget, len(rows))
	for _, row := range rows {
		t := &linkTarget{name: argumentText(row["name"]), docstatus: argumentText(row["docstatus"]), values: map[string]any{}}
		for _, from := range fields {
			if raw, sent := row[from]; sent {
				if t.values[from], err = decodeValue(raw); err != nil {
					return nil, err
				}
			}
		}
		found[store.TextKey(t.name)] = t
	}
	return found, nil
}
