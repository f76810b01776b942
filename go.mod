module github.com/frappems/frappems

go 1.25
