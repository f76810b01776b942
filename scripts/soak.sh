#!/usr/bin/env bash
# Longer runs of what depends on chance: fuzzing, and writers that are killed.
. "$(dirname "$0")/lib.sh"
need_go
need_cc
failed=0
FUZZTIME=${FUZZTIME:-30s} scripts/fuzz.sh || failed=1
CRASHES=${CRASHES:-10} # times that each of these tests runs
dirs=$(grep -rl --include='*_test.go' '^func TestCrash' . | xargs -r dirname | sort -u)
[ -n "$dirs" ] || fail "No test of killed writers was found."
for dir in $dirs; do
	step "killed writers: $dir"
	go -C "$dir" test -race -count="$CRASHES" -timeout 20m -run '^TestCrash' . || failed=1
done
exit "$failed"
