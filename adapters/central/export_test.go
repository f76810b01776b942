package central

import "time"

// Kept says how many users and refusals are remembered.
func Kept(a *Authenticator) (users, refusals int) {
	a.cache.mu.Lock()
	defer a.cache.mu.Unlock()
	return a.cache.users.Len(), a.cache.refusals.Len()
}

// BreakFor is how long Central is left alone.
const BreakFor time.Duration = breakFor
