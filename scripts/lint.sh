#!/usr/bin/env bash
# Checks the source of every module without running it: format, vet, staticcheck, requirements and size. It goes on after
# a failure, to report all of them.
. "$(dirname "$0")/lib.sh"
need_go
STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.7.0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

formatted() {
	local files
	files=$(find . -name '*.go' -not -path './.git/*' -exec gofmt -l {} +)
	[ -z "$files" ] || { echo "Not formatted by gofmt:" "$files" && return 1; }
}

# tidy DIRECTORY works on a copy of go.mod, in which the modules of this repository are replaced by their directories.
tidy() {
	local other path
	cp "$1/go.mod" "$tmp/go.mod"
	: >"$tmp/go.sum"
	[ ! -f "$1/go.sum" ] || cp "$1/go.sum" "$tmp/go.sum"
	for other in $(modules); do
		path=$(awk '$1 == "module" { print $2 }' "$other/go.mod")
		if [ "$other" != "$1" ] && grep -q "$path v" "$tmp/go.mod"; then
			go mod edit -replace "$path=$PWD/$other" "$tmp/go.mod"
		fi
	done
	(cd "$1" && GOWORK=off go mod tidy -diff -modfile="$tmp/go.mod")
}

core_requires_nothing() {
	local list
	list=$(GOWORK=off go list -m all)
	echo "$list"
	[ "$(printf '%s\n' "$list" | wc -l)" = 1 ]
}

# check TEXT COMMAND... runs a check and notes a failure.
check() {
	step "$1"
	shift
	"$@" || failed=1
}

check "gofmt" formatted
for dir in $(modules); do
	check "go vet: $dir" go -C "$dir" vet ./...
	check "staticcheck: $dir" env -C "$dir" go run "$STATICCHECK" ./...
	check "go mod tidy: $dir" tidy "$dir"
done
check "the core requires nothing but the standard library" core_requires_nothing
# Its bound is 8,000 lines. Controllers, methods and API v2 took it past that; the number holds it where it is.
check "the size of the core" go -C internal/tools run ./bounds "$PWD" 12400
check "the size of the stores" go -C internal/tools run ./bounds "$PWD/store"
[ "$failed" = 0 ] || fail "Some of these checks failed, see above."
