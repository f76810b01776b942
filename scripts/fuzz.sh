#!/usr/bin/env bash
# Runs every fuzz target of every module, one after the other, for FUZZTIME each (default 5s).
. "$(dirname "$0")/lib.sh"
need_go
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz DIRECTORY TARGET runs one target. On a busy machine go test may take the end of the time for a failure of a worker
# ("context deadline exceeded"), and then has no input to show: that is no finding.
fuzz() {
	(cd "$1" && go test -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZTIME" .) 2>&1 | tee "$log" && return
	! grep -qE 'Failing input written|panic:|DATA RACE|build failed|setup failed' "$log" && grep -q '^ *context deadline exceeded$' "$log"
}

found=0
failed=
while IFS=: read -r file _ target; do
	target=${target#func }
	target=${target%%(*}
	step "$target in $(dirname "$file") for ${FUZZTIME:=5s}"
	fuzz "$(dirname "$file")" "$target" || failed+=" $target"
	found=$((found + 1))
done < <(grep -rn --include='*_test.go' -E '^func Fuzz[A-Za-z0-9_]*\(' . | sort)
[ "$found" -gt 0 ] || fail "No fuzz target was found."
[ -z "$failed" ] || fail "Of $found fuzz targets these failed, each has written what it found to testdata/fuzz:$failed"
echo "$found fuzz targets"
