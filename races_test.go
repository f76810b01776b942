package frappems_test

import (
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

func TestRaces(t *testing.T) {
	frappemstest.TestRaces(t, func(*testing.T) frappems.Store { return frappems.NewMemoryStore() })
}
