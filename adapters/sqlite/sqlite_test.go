package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// openTemp opens a new file.
func openTemp(t *testing.T) frappems.Store {
	t.Helper()
	kept, err := Open(filepath.Join(t.TempDir(), "it's a #1 100%25 ?.db"))
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func TestStore(t *testing.T) { frappemstest.TestStore(t, openTemp) }
