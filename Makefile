PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
TESTS ?= tests
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help client demo test test-fast families check format proof traps mutants lock prices prove-setup clean engines test-engines goldens chaos bench-start bench-api bench-warehouse bench-vault bench-ledger bench-scheduler bench-ingest bench-llm

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

INSTALL := scripts/venv.sh scripts/install.sh scripts/uv.sh requirements-uv.txt

.venv/run.stamp: requirements.txt $(INSTALL)
	@sh scripts/venv.sh "$(PYTHON)" .venv requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt $(INSTALL) .venv/run.stamp
	@sh scripts/venv.sh "$(PYTHON)" .venv requirements-dev.txt
	@touch $@

LEDGER ?= sqlite
WAREHOUSE ?= duckdb
DEMO = $(BIN)/python -m src.cli.main demo --port $(PORT) $(if $(filter 1,$(EXIT)),--exit)

ifeq ($(LEDGER) $(WAREHOUSE),sqlite duckdb)
demo: .venv/run.stamp ## Start the service on the sandbox, load three months of a bill, keep serving (PORT=8000, EXIT=1 stops after the work)
	@$(DEMO)
else
demo: .venv/dev.stamp engines ## The same on other engines: LEDGER=postgresql|bigquery-emulator WAREHOUSE=bigquery-emulator
	@$(BIN)/python -m tests.engines $(LEDGER) $(WAREHOUSE) --keep -- $(DEMO) --on-engines --var var/$(LEDGER)-$(WAREHOUSE)
endif

# a worker that may not keep what it has compiled compiles every test and every program anew
RUN = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test: .venv/dev.stamp ## Run the tests
	$(RUN) -m "not proof" $(TESTS)

test-fast: .venv/dev.stamp ## Run the tests that start no process, need no engine and load no whole bill: run them all the time
	$(RUN) -p no:schemathesis -m "not proof and not process and not engine and not bill" $(TESTS)

families: .venv/dev.stamp ## Run the tests, and print what each family of them takes and proves
	$(RUN) -m "not proof" -p tests.families $(TESTS)

check: .venv/dev.stamp ## Format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

format: .venv/dev.stamp ## Rewrite files in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proof: .venv/dev.stamp ## Run the long proofs (50 kills of onboarding, 100 of runs, 50 organisations at once)
	$(BIN)/python -m pytest -m proof -p no:randomly -s $(TESTS)

bench-start: .venv/dev.stamp ## Start-up time and idle memory beside a bare uvicorn hello
	$(BIN)/python -m bench.bench_start

bench-api: .venv/dev.stamp ## Requests through the whole stack beside a bare FastAPI route
	$(BIN)/python -m bench.bench_api

bench-warehouse: .venv/dev.stamp ## A publication of 2 million wide rows beside the same statements in bare DuckDB
	$(BIN)/python -m bench.bench_warehouse

.venv-engines/stamp: requirements-engines.txt requirements-analyzer.txt scripts/engines.sh $(INSTALL) .venv/dev.stamp
	@sh scripts/engines.sh $(BIN)/python
	@touch $@

engines: .venv-engines/stamp ## Install PostgreSQL, the BigQuery emulator and Google's SQL analyzer for tests and demos

test-engines: .venv/dev.stamp engines ## Contract suites on all engines, and the list of declared gaps
	CI=true $(BIN)/python -m pytest -m "not proof" -n $(WORKERS) --dist worksteal -rx tests/contract tests/engines

goldens: .venv/dev.stamp engines ## Ask GoogleSQL's own evaluator the golden questions anew
	$(BIN)/python -m tests.engines.analyzer

MINUTES ?= 5
chaos: .venv/dev.stamp engines ## Two API processes and three workers on PostgreSQL, killed at random (MINUTES=5)
	$(BIN)/python -m tests.chaos --minutes $(MINUTES)

traps: .venv/dev.stamp ## Every planted trap of a bill and of use: its right answer, ours, and what a usual shortcut says
	@$(BIN)/python -m tests.traps

mutants: .venv/dev.stamp ## Plant defects in a copy, one at a time: each must turn its tests red (ONLY=word, WORKERS=2)
	@$(BIN)/python -m tests.mutants --workers $(WORKERS) $(if $(ONLY),--only "$(ONLY)")

bench-vault: .venv/dev.stamp ## Sealing a credential beside bare AES-GCM
	$(BIN)/python -m bench.bench_vault

.venv-bench/stamp: requirements-bench.txt $(INSTALL)
	@sh scripts/venv.sh "$(PYTHON)" .venv-bench requirements-bench.txt
	@touch $@

.venv-client/stamp: requirements-client.txt $(INSTALL)
	@sh scripts/venv.sh "$(PYTHON)" .venv-client requirements-client.txt
	@touch $@

client: .venv-client/stamp ## Install the generator that tests make a client of the API with

bench-ledger: .venv/dev.stamp .venv-bench/stamp engines ## A run's way through the queue beside bare SQLite, bare PostgreSQL and procrastinate
	$(BIN)/python -m bench.bench_ledger --procrastinate .venv-bench/bin/python

bench-scheduler: .venv/dev.stamp engines ## Triggers over 1,000 to 10,000 due configurations, and how soon single runs begin beside 10,000 of one organisation
	$(BIN)/python -m bench.bench_scheduler $(if $(QUICK),--quick)

bench-ingest: .venv/dev.stamp .venv-bench/stamp ## A month of nested billing rows beside bare DuckDB and dlt
	$(BIN)/python -m bench.bench_ingest --dlt .venv-bench/bin/python

bench-llm: .venv/dev.stamp .venv-bench/stamp ## Usage of language models read from pages and priced, beside bare work, litellm and genai-prices
	$(BIN)/python -m bench.bench_llm --packages .venv-bench/bin/python

lock: .venv/dev.stamp ## Resolve requirements*.in anew into locked files with hashes
	@sh scripts/lock.sh $(BIN)/python

prices: .venv/dev.stamp ## List where the seeds of prices differ from the package genai-prices, and nobody has judged it (ALL=1 lists what was judged too)
	@$(BIN)/python -m scripts.compare_prices $(if $(ALL),--all)

prove-setup: .venv/run.stamp ## Show that the locked packages install on an old pip, and by uv, where newer releases are offered too
	@$(BIN)/python scripts/prove_setup.py

clean: ## Remove the virtual environments and caches (var/ with the demo's data stays)
	rm -rf .venv .venv-uv .venv-uv.* .venv-bench .venv-client .venv-engines .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
