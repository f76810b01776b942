package mariadb

import (
	"testing"

	"github.com/frappems/frappems/frappemstest"
)

func TestLifecycle(t *testing.T) { frappemstest.TestLifecycle(t, openTemp) }
