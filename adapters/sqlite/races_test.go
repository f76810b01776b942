package sqlite

import (
	"testing"

	"github.com/frappems/frappems/frappemstest"
)

func TestRaces(t *testing.T) { frappemstest.TestRaces(t, openTemp) }
