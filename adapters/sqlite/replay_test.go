package sqlite

import (
	"testing"

	"github.com/frappems/frappems/frappemstest"
)

// TestReplay sends the traffic that was recorded on a Frappe site to a service on SQLite.
func TestReplay(t *testing.T) {
	frappemstest.TestReplay(t, frappemstest.ServeStore(openTemp))
}
