#!/usr/bin/env bash
# Runs every fuzz target of every module, one after the other, for FUZZTIME each (default 5s).
. "$(dirname "$0")/lib.sh"
need_go
found=0
failed=
while IFS=: read -r file _ target; do
	target=${target#func }
	target=${target%%(*}
	step "$target in $(dirname "$file") for ${FUZZTIME:=5s}"
	(cd "$(dirname "$file")" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" .) || failed+=" $target"
	found=$((found + 1))
done < <(grep -rn --include='*_test.go' -E '^func Fuzz[A-Za-z0-9_]*\(' . | sort)
[ "$found" -gt 0 ] || fail "No fuzz target was found."
[ -z "$failed" ] || fail "Of $found fuzz targets these failed, each has written what it found to testdata/fuzz:$failed"
echo "$found fuzz targets"
