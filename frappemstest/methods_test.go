package frappemstest

import (
	"testing"

	"github.com/frappems/frappems"
)

func TestMethodsOnMemory(t *testing.T) {
	TestMethods(t, func(*testing.T) frappems.Store { return frappems.NewMemoryStore() })
}
