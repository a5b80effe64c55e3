# Everything a person does here, in one command each. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
DEMO ?=

.DEFAULT_GOAL := help
.PHONY: help up test soak check format lock schemas bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it by PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "This Python cannot make a virtual environment. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==0.13.9"

$(VENV)/.product: requirements.txt pyproject.toml | $(UV)
	@echo "Installing the product …"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.product
	@echo "Installing what tests and checks need …"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@

up: $(VENV)/.product ## run the whole product here; Ctrl-C ends it (DEMO=1 plays a company)
	@exec $(BIN)/themodel up $(if $(DEMO),--demo,)

test: $(VENV)/.dev ## all tests, on real Kafka and real PostgreSQL
	@$(BIN)/python -m tests.support.machine
	@$(BIN)/python -m pytest -n 3 --max-worker-restart 0 $(ARGS)

check: $(VENV)/.dev ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## rewrite the code in the one format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(UV) ## write the requirement files anew
	@for f in requirements requirements-dev; do $(UV) pip compile --generate-hashes --universal --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q -o $$f.txt $$f.in; done

schemas: $(VENV)/.product ## write the golden schemas of the events; refuses what would break a reader
	@$(BIN)/python -m shared.contracts.evolution

soak: $(VENV)/.dev ## random faults under load: make soak MINUTES=10 SEED=1
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED),)

bench: $(VENV)/.product ## the benchmarks, as ratios in one run; make bench ARGS="figures" makes one of them
	@$(BIN)/python -m deploy.bench $(ARGS)

clean: ## remove what was installed here (your data in .themodel stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
