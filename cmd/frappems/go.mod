module github.com/frappems/frappems/cmd/frappems

go 1.25

require (
	github.com/frappems/frappems v0.1.0
	github.com/frappems/frappems/adapters/sqlite v0.1.0
	github.com/frappems/frappems/examples v0.1.0
)

replace (
	github.com/frappems/frappems => ../..
	github.com/frappems/frappems/adapters/sqlite => ../../adapters/sqlite
	github.com/frappems/frappems/examples => ../../examples
)
