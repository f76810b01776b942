# The scripts do the work; without make they can be run directly.

test: ## everything that a change has to pass
	scripts/test.sh

lint: ## only the checks that run no tests
	scripts/lint.sh

fuzz: ## every fuzz target for FUZZTIME (default 5s)
	scripts/fuzz.sh

release-check: ## the modules as a release would publish them, used from outside
	scripts/release-check.sh

soak: ## the same tests for longer: fuzzing and killed writers
	scripts/soak.sh

serve: ## the orders example
	go run ./cmd/frappems serve

.PHONY: test lint fuzz release-check soak serve
