# The scripts do the work; without make they can be run directly.

test: ## everything that a change has to pass
	scripts/test.sh

lint: ## only the checks that run no tests
	scripts/lint.sh

fuzz: ## every fuzz target for FUZZTIME (default 5s)
	scripts/fuzz.sh

mutants: ## leaks between tenants are put into copies of the sources, and the tests have to find them
	go -C internal/tools run ./mutants "$(CURDIR)"

release-check: ## the modules as a release would publish them, used from outside
	scripts/release-check.sh

bench: ## the service against handlers written by hand: 22 minutes; ARGS are its flags
	scripts/bench.sh $(ARGS)

soak: ## the same tests for longer: fuzzing, killed writers and tenants
	scripts/soak.sh

serve: ## the orders example
	go run ./cmd/frappems serve

.PHONY: test lint fuzz mutants release-check bench soak serve
