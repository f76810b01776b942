// Package breaker keeps calls from a server that does not answer. It is for the clients of this project.
package breaker

import (
	"sync"
	"time"
)

// After failures calls in a row have failed, none is let through for a pause; then one at a time, until one has succeeded.
const (
	failures = 5
	pause    = 2 * time.Second
)

// Outcome is how a call ended.
type Outcome int

// Success and Failure say whether the server answered. Unknown is for a call that was given up: it says neither.
const (
	Unknown Outcome = iota
	Success
	Failure
)

// Breaker counts what became of calls to one server. The zero value lets calls through. It may be used concurrently.
type Breaker struct {
	mu      sync.Mutex
	failed  int       // in a row
	until   time.Time // when a call may be let through again
	probing bool      // one is
}

// Enter asks whether a call may be made. It may if wait is zero, and [Breaker.Leave] has to follow; else wait is when to ask again.
func (b *Breaker) Enter() (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed < failures {
		return 0
	}
	if wait = time.Until(b.until); wait > 0 {
		return wait
	}
	if b.probing {
		return pause
	}
	b.probing = true
	return 0
}

// Leave notes how a call ended, and says whether that changed anything: a failure that the last of several was, or the first
// success after it.
func (b *Breaker) Leave(o Outcome) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	switch o {
	case Success:
		changed = b.failed >= failures
		b.failed = 0
	case Failure:
		b.failed++
		b.until = time.Now().Add(pause)
		changed = b.failed == failures
	}
	return changed
}
