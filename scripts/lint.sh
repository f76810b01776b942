#!/usr/bin/env bash
# Checks the source of every module without running it: format, vet, staticcheck, requirements and size.
. "$(dirname "$0")/lib.sh"
need_go
STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.7.0

step "gofmt"
files=$(find . -name '*.go' -not -path './.git/*' -exec gofmt -l {} +)
[ -z "$files" ] || fail "Not formatted by gofmt:" "$files"

for dir in $(modules); do
	step "vet and staticcheck: $dir"
	(cd "$dir" && go vet ./... && go run "$STATICCHECK" ./...)
done

step "go mod tidy: no module requires too much or too little"
# A replacement in go.mod would keep others from installing the command, so it is made in a copy only.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for dir in $(modules); do
	cp "$dir/go.mod" "$tmp/go.mod"
	: >"$tmp/go.sum"
	[ ! -f "$dir/go.sum" ] || cp "$dir/go.sum" "$tmp/go.sum"
	for other in $(modules); do
		path=$(awk '$1 == "module" { print $2 }' "$other/go.mod")
		if [ "$other" != "$dir" ] && grep -q "$path v" "$tmp/go.mod"; then
			go mod edit -replace "$path=$PWD/$other" "$tmp/go.mod"
		fi
	done
	(cd "$dir" && GOWORK=off go mod tidy -diff -modfile="$tmp/go.mod") || fail "$dir: run go mod tidy"
done

step "the core requires nothing but the standard library"
list=$(GOWORK=off go list -m all)
[ "$(printf '%s\n' "$list" | wc -l)" = 1 ] || fail "The core has requirements:" "$list"
echo "$list"

step "the core's size"
go -C internal/tools run ./bounds "$PWD"
