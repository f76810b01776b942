package frappems

import (
	"sync"

	"github.com/frappems/frappems/store"
)

// What one request keeps for the next.

// kept is a map of limited size for concurrent use. The zero value is empty.
type kept[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]*V
}

func (k *kept[K, V]) get(key K) *V {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.m[key]
}

func (k *kept[K, V]) put(key K, v *V) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil || len(k.m) >= maxKept {
		k.m = map[K]*V{}
	}
	k.m[key] = v
}

// So many are kept, of texts so long. The next one makes room by forgetting all others.
const (
	maxKept     = 100
	maxKeptText = 1000
)

// statement finds the statement of queries that differ in values only: what they are for, and their shape.
func (a *App) statement(use, shape string) *store.Statement {
	key := [2]string{use, shape}
	s := a.kept.get(key)
	if s == nil {
		s = new(store.Statement)
		a.kept.put(key, s)
	}
	return s
}

// buffer gives memory for an answer, which goes back by reuse.
func (a *App) buffer() []byte {
	if b, ok := a.buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 4096)
}

// reuse takes the memory of an answer that has been sent, unless it is much.
func (a *App) reuse(out []byte) {
	if cap(out) <= 2*flushAt {
		a.buffers.Put(&out)
	}
}
