package mariadb

import (
	"testing"

	"github.com/frappems/frappems/frappemstest"
)

func TestIsolation(t *testing.T) { frappemstest.TestIsolation(t, openTemp) }
