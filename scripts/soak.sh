#!/usr/bin/env bash
# Longer runs of what depends on chance: fuzzing, services and databases that come to harm under their clients, and the users of
# several tenants. CRASHES=1 FUZZTIME=5s ISOLATION_OPERATIONS=3000 is a short one.
. "$(dirname "$0")/lib.sh"
need_go
need_cc
need_mariadb
failed=0
RANDOM_SEED=${RANDOM_SEED:-$RANDOM}
FUZZTIME=${FUZZTIME:-20s} scripts/fuzz.sh || failed=1
CRASHES=${CRASHES:-4} # times that each of these tests runs
dirs=$(grep -rl --include='*_test.go' '^func TestCrash' . | xargs -r dirname | sort -u)
[ -n "$dirs" ] || fail "No test of crashes was found."
for dir in $dirs; do
	step "crashes: $dir"
	go -C "$dir" test -race -count="$CRASHES" -timeout 20m -run '^TestCrash' . || failed=1
done
ISOLATION_OPERATIONS=${ISOLATION_OPERATIONS:-10000}
ISOLATION_SEED=${ISOLATION_SEED:-$RANDOM}
export ISOLATION_OPERATIONS ISOLATION_SEED
dirs=$(grep -rl --include='*_test.go' '^func TestIsolation(' . | xargs -r dirname | sort -u)
[ -n "$dirs" ] || fail "No test of isolation was found."
for dir in $dirs; do
	step "tenants: $ISOLATION_OPERATIONS requests on the store of $dir, seed $ISOLATION_SEED"
	go -C "$dir" test -count=1 -timeout 20m -v -run '^TestIsolation$' . || failed=1
done
step "mutants: leaks between tenants that the tests have to find"
go -C internal/tools run ./mutants "$PWD" || failed=1
step "random statements on all stores, seed $RANDOM_SEED"
go -C internal/differential test -count=1 -timeout 20m -run '^TestStatements$' . -seed "$RANDOM_SEED" -queries "${QUERIES:-10000}" || failed=1
exit "$failed"
