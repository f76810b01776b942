package frappems_test

import (
	"os"
	"testing"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/frappemstest"
)

func TestFrappesDocTypes(t *testing.T) {
	frappemstest.TestDocTypes(t, os.DirFS("testdata/frappe-doctypes"), func(*testing.T) frappems.Store { return frappems.NewMemoryStore() })
}
