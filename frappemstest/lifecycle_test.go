package frappemstest

import (
	"testing"

	"github.com/frappems/frappems"
)

func TestLifecycleOnMemory(t *testing.T) {
	TestLifecycle(t, func(*testing.T) frappems.Store { return frappems.NewMemoryStore() })
}
