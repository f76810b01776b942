module github.com/frappems/frappems/adapters/central

go 1.25.0

require github.com/frappems/frappems v0.1.0

replace github.com/frappems/frappems => ../..
