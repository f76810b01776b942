package central

// ShadowConfig is how reads are compared.
type ShadowConfig struct{}

// ShadowStats counts comparisons.
type ShadowStats struct{}

type shadow struct{}

func newShadow(ShadowConfig) shadow { return shadow{} }

func (s *shadow) stats() ShadowStats { return ShadowStats{} }
