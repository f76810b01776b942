module github.com/frappems/frappems/internal/tools

go 1.25.0

require golang.org/x/mod v0.34.0
