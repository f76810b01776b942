module github.com/frappems/frappems/adapters/central

go 1.25.0

require (
	github.com/frappems/frappems v0.1.0
	github.com/go-jose/go-jose/v4 v4.1.9
	github.com/hashicorp/golang-lru/v2 v2.0.7
	github.com/sony/gobreaker/v2 v2.4.0
	golang.org/x/sync v0.22.0
)

replace github.com/frappems/frappems => ../..
