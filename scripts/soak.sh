#!/usr/bin/env bash
# Longer runs of what depends on chance: fuzzing, and writers that are killed.
. "$(dirname "$0")/lib.sh"
need_go
need_cc
FUZZTIME=${FUZZTIME:-60s} scripts/fuzz.sh
step "killed writers"
(cd adapters/sqlite && FRAPPEMS_KILLS=${FRAPPEMS_KILLS:-100} go test -race -count=1 -timeout 20m -run Crash .)
