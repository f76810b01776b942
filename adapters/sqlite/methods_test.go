package sqlite

import (
	"testing"

	"github.com/frappems/frappems/frappemstest"
)

func TestMethods(t *testing.T) { frappemstest.TestMethods(t, openTemp) }
