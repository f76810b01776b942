module github.com/frappems/frappems/internal/sanitizetest

go 1.25

require (
	github.com/frappems/frappems v0.1.0
	golang.org/x/net v0.49.0
)

replace github.com/frappems/frappems => ../..
