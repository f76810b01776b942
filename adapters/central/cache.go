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
	generation uint64 // counts revocations
}

func newCache(size int) *cache {
	users, err := simplelru.NewLRU[digest, *entry](size, nil)
	refusals, err2 := simplelru.NewLRU[digest, *entry](size, nil)
	if err != nil || err2 != nil {
		panic(err) // of a size that is not positive, which Config.Validate refuses
	}
	return &cache{users: users, refusals: refusals}
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

// isCurrent says whether nothing was revoked since.
func (c *cache) isCurrent(generation uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return generation == c.generation
}

// put keeps an entry, unless something was revoked since the generation in which it was asked for: it may be older than that.
func (c *cache) put(key digest, e *entry, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	if e.allows() {
		c.refusals.Remove(key)
		c.users.Add(key, e)
	} else {
		c.users.Remove(key)
		c.refusals.Add(key, e)
	}
}

// drop forgets the entries that match says, and what is being asked now.
func (c *cache) drop(match func(e *entry) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for _, lru := range []*simplelru.LRU[digest, *entry]{c.users, c.refusals} {
		for _, key := range lru.Keys() {
			if e, _ := lru.Peek(key); match(e) {
				lru.Remove(key)
			}
		}
	}
}
