package frappems_test

import (
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

func TestMemoryStore(t *testing.T) {
	frappemstest.TestStore(t, func(*testing.T) frappems.Store { return frappems.NewMemoryStore() })
}
