package mariadb

import (
	"os"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

// TestFrappesDocTypes sends the same requests to a store in memory and to MariaDB, and wants the same bytes.
func TestFrappesDocTypes(t *testing.T) {
	memory := func(*testing.T) frappems.Store { return frappems.NewMemoryStore() }
	frappemstest.TestDocTypes(t, os.DirFS("../../testdata/frappe-doctypes"), memory, openTemp)
}
