package central

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/frappems/frappems"
)

// TestCacheCountsParts wants the counts to be those of the users that are kept, and nothing where there are none: else a revocation
// would pass by what it is about.
func TestCacheCountsParts(t *testing.T) {
	of := func(n int) (d digest) {
		binary.BigEndian.PutUint64(d[:], uint64(n+1))
		return d
	}
	user := &frappems.User{Name: "a"}
	c := newCache(8)
	for step := range 2000 {
		key := of(step * 7 % 13)
		e := &entry{user: user, header: of(1000 + step*7%13%3), sid: of(2000 + step*7%13), until: time.Unix(int64(step), 0)}
		switch step * 31 % 11 {
		case 0:
			e.user = nil // a refusal
			c.put(key, e, c.generation)
		case 1:
			c.dropCredential(e.header, digest{})
		case 2:
			c.dropCredential(digest{}, e.sid)
		case 3:
			c.drop(func(other *entry) bool { return other.header == e.header })
		default:
			c.put(key, e, c.generation)
		}
		want := map[digest]int{}
		for _, e := range c.users.Values() {
			want[e.header]++
			want[e.sid]++
		}
		if len(c.parts) != len(want) {
			t.Fatalf("step %d: got %d parts, want %d", step, len(c.parts), len(want))
		}
		for part, n := range want {
			if c.parts[part] != n {
				t.Fatalf("step %d: got %d users with a part, want %d", step, c.parts[part], n)
			}
		}
	}
	c.drop(func(*entry) bool { return true })
	if len(c.parts) != 0 {
		t.Errorf("got %d parts of no users", len(c.parts))
	}
}
