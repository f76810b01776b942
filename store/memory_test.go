package store_test

import (
	"testing"

	"github.com/frappems/frappems/frappemstest"
	"github.com/frappems/frappems/store"
)

func TestMemoryStore(t *testing.T) {
	frappemstest.TestStore(t, func(*testing.T) store.Store { return store.NewMemory() })
}
