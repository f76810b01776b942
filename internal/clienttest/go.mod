module github.com/frappems/frappems/internal/clienttest

go 1.25

require github.com/frappems/frappems v0.1.0

replace github.com/frappems/frappems => ../..
