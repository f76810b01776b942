package central

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/frappems/frappems"
)

// digest stands for credentials, which are not kept. It is made with a key of this process.
type digest [sha256.Size]byte

// entry is what Central said of credentials: a user, a refusal, or, without both, that it knows nobody of the kind.
type entry struct {
	user *frappems.User
	err  error
	name string // of the user, where it is known, even if refused

	header, sid digest // of the Authorization header and the session; zero: none
	until       time.Time
	staleUntil  time.Time
	refresh     atomic.Int64 // from when on a request asks again, in Unix nanoseconds
}

// allows says whether the entry lets somebody in.
func (e *entry) allows() bool { return e.user != nil && e.err == nil }

// claimRefresh says whether this request is the one that asks again; if asking fails, another one may after pause.
func (e *entry) claimRefresh(now time.Time, pause time.Duration) bool {
	at := e.refresh.Load()
	return now.UnixNano() >= at && e.refresh.CompareAndSwap(at, now.Add(pause).UnixNano())
}

// cache keeps entries by their credentials, so many and no more. Refusals are kept apart: whoever makes up credentials must not
// drive out those of users.
type cache struct {
	mu         sync.Mutex
	users      *simplelru.LRU[digest, *entry]
	refusals   *simplelru.LRU[digest, *entry]
	parts      map[digest]int                  // how many of users have an Authorization header or a session
	generation uint64                          // counts revocations
	revoked    [maxRevoked]func(e *entry) bool // what the last of them were about
}

// maxRevoked is how many revocations may come while one question is on its way. Who is not signed in can cause some, by sessions
// that are none at requests which are passed on: they must not keep the answers about others from being kept.
const maxRevoked = 1024

func newCache(size int) *cache {
	c := &cache{parts: map[digest]int{}}
	var err, err2 error
	c.users, err = simplelru.NewLRU(size, func(_ digest, e *entry) { c.count(e, -1) })
	c.refusals, err2 = simplelru.NewLRU[digest, *entry](size, nil)
	if err != nil || err2 != nil {
		panic(err) // of a size that is not positive, which Config.Validate refuses
	}
	return c
}

// count changes how many users have the parts of an entry.
func (c *cache) count(e *entry, by int) {
	for _, part := range [...]digest{e.header, e.sid} {
		if c.parts[part] += by; c.parts[part] == 0 {
			delete(c.parts, part)
		}
	}
}

// get returns what is known of credentials, or nil, and the generation that it is of.
func (c *cache) get(key digest) (e *entry, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.users.Get(key); ok {
		return e, c.generation
	}
	e, _ = c.refusals.Get(key)
	return e, c.generation
}

// isRevoked says whether an entry is about something that was revoked since a generation.
func (c *cache) isRevoked(e *entry, generation uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.revokedSince(e, generation)
}

func (c *cache) revokedSince(e *entry, generation uint64) bool {
	if c.generation-generation > maxRevoked {
		return true // it cannot be known any more
	}
	for ; generation < c.generation; generation++ {
		if c.revoked[generation%maxRevoked](e) {
			return true
		}
	}
	return false
}

// put keeps an entry, unless it was revoked since the generation in which it was asked for: it may be older than that.
func (c *cache) put(key digest, e *entry, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.revokedSince(e, generation) {
		return
	}
	if e.allows() {
		c.refusals.Remove(key)
		if !c.users.Contains(key) {
			c.count(e, 1)
		}
		c.users.Add(key, e)
	} else {
		c.users.Remove(key)
		c.refusals.Add(key, e)
	}
}

// drop forgets the entries that match says, and those of them that are being asked about now.
func (c *cache) drop(match func(e *entry) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(match)
	remove(c.users, match)
	remove(c.refusals, match)
}

// dropCredential is drop for an Authorization header or a session. It costs little where no user has it.
func (c *cache) dropCredential(header, sid digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	match := func(e *entry) bool { return e.header == header || e.sid == sid }
	c.note(match)
	c.refusals.Remove(header) // where it came alone
	c.refusals.Remove(sid)
	if c.parts[header]+c.parts[sid] > 0 {
		remove(c.users, match)
	}
}

// note remembers a revocation for what is being asked now.
func (c *cache) note(match func(e *entry) bool) {
	c.revoked[c.generation%maxRevoked] = match
	c.generation++
}

func remove(lru *simplelru.LRU[digest, *entry], match func(e *entry) bool) {
	for _, key := range lru.Keys() {
		if e, _ := lru.Peek(key); match(e) {
			lru.Remove(key)
		}
	}
}
