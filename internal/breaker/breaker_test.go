package breaker

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Breaker
		enter := func(want time.Duration) {
			t.Helper()
			if got := b.Enter(); got != want {
				t.Fatalf("got a wait of %s, want %s", got, want)
			}
		}
		leave := func(o Outcome, want bool) {
			t.Helper()
			if got := b.Leave(o); got != want {
				t.Fatalf("got changed %t, want %t", got, want)
			}
		}
		for range failures - 1 {
			enter(0)
			leave(Failure, false)
		}
		enter(0)
		leave(Success, false) // failures are counted in a row
		for i := range failures {
			enter(0)
			leave(Failure, i == failures-1)
		}
		enter(pause)
		time.Sleep(pause - time.Millisecond) // of the bubble's clock
		enter(time.Millisecond)
		time.Sleep(time.Millisecond)
		enter(0)
		enter(pause) // one is on its way
		leave(Unknown, false)
		enter(0) // it was given up, so the next one may try
		leave(Failure, false)
		enter(pause)
		time.Sleep(pause)
		enter(0)
		leave(Success, true)
		enter(0)
		enter(0)
	})
}
