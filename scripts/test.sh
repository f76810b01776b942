#!/usr/bin/env bash
# Runs everything that a change has to pass. The tests come last, so that the output ends with go test's own lines.
. "$(dirname "$0")/lib.sh"
need_go
need_cc
need_mariadb
need_wrk
command -v git >/dev/null || install git
command -v curl >/dev/null || install curl # for the recipes in READMEs
scripts/lint.sh
step "a release, as somebody outside gets it"
scripts/release-check.sh
step "fuzz targets"
FUZZTIME=${FUZZTIME:-5s} scripts/fuzz.sh
failed=0
for dir in $(modules); do
	step "tests: $dir"
	go -C "$dir" test -race -count=1 -timeout 20m ./... || failed=1
done
exit "$failed"
