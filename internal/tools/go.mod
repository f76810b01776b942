module github.com/frappems/frappems/internal/tools

go 1.25.0

require (
	github.com/frappems/frappems v0.1.0
	golang.org/x/mod v0.34.0
)

replace github.com/frappems/frappems => ../..
