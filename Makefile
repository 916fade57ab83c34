# Every command of this project; `make` alone prints them.
# Needs Python 3.11 or newer and GNU make. uv is used where it is on PATH.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo check test simulate test-models test-connected services-up services-down services-status services-reset bench bench-connected bench-models docs schemas policies

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
N ?= 3000
LOOPS ?= 0
SERVICES := "$(PYTHON)" -m scripts.services
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)

ifdef UV
MAKE_VENV = uv venv --quiet --allow-existing --no-python-downloads --python "$(PYTHON)" $(VENV)
INSTALL = uv pip install --quiet --python $(BIN)/python --editable
else
MAKE_VENV = "$(PYTHON)" -m venv $(VENV)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable
endif

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## make .venv with everything that check, test and bench need

demo: $(VENV)/.core ## show the life of a memory, in under a minute, with no service and no key
	@$(BIN)/memos-gov demo

check: $(VENV)/.dev ## lint, format, types, layers, Rego, and that generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@rm -rf $(VENV)/schemas
	$(BIN)/python -m memos_gov.schema_files $(VENV)/schemas
	@diff -r schemas $(VENV)/schemas || { echo "error: schemas/ is not current; write it with: make schemas" >&2; exit 1; }
	$(BIN)/python scripts/policies.py check

test: $(VENV)/.dev ## run every test that needs no server
	$(BIN)/pytest -q

simulate: $(VENV)/.dev ## run N histories of log and processes in virtual time, from seeds (N=3000)
	$(BIN)/python -m tests.simulation $(N)

test-models: $(VENV)/.models ## run the tests that need the extra `models`, which is installed first (gigabytes, once)
	MEMOS_GOV_REQUIRE_MODELS=1 $(BIN)/pytest -q -m "models and not connected"
	$(BIN)/python scripts/akin.py check

test-connected: $(VENV)/.dev ## run the tests that need Kafka, Postgres, OPA and Weaviate, started where they are not up; LOOPS=1 kills them, too
	@$(SERVICES) up --use-existing
	MEMOS_GOV_TEST_LOOPS=$(LOOPS) $(BIN)/pytest -q -m "connected$(if $(filter 0,$(LOOPS)), and not slow)"

services-up: ## start Kafka, Postgres, OPA and Weaviate on this machine; got or built once, into the cache
	@$(SERVICES) up

services-down: ## stop them; their data stay
	@$(SERVICES) down

services-status: ## say how they stand; exit status 3 where one is not ready
	@$(SERVICES) status

services-reset: ## stop them and remove their data, after a question
	@$(SERVICES) reset

bench: $(VENV)/.dev ## measure, print the figures and write bench/results/
	$(BIN)/python -m bench

bench-connected: $(VENV)/.dev ## measure the set-up on Kafka, Postgres, OPA and Weaviate; start them where they are not up
	@$(SERVICES) up --use-existing
	$(BIN)/python -m bench postgres connected weaviate

bench-models: $(VENV)/.models ## measure the time to first token from KV caches; prepares the demo's base model
	$(BIN)/python -m bench activation

docs: $(VENV)/.dev ## draw docs/demo.svg from a real run of the demo
	$(BIN)/python scripts/picture.py docs/demo.svg

schemas: $(VENV)/.dev ## write schemas/ from the models
	$(BIN)/python -m memos_gov.schema_files schemas

policies: $(VENV)/.dev ## compile policies/ to the bundle that is committed and packaged
	$(BIN)/python scripts/policies.py build

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit("error: Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@$(MAKE_VENV)

$(VENV)/.core: pyproject.toml | $(BIN)/python
	@$(INSTALL) .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@$(INSTALL) '.[dev,server]'
	@touch $(VENV)/.core $@

$(VENV)/.models: $(VENV)/.dev
	@$(INSTALL) '.[dev,server,models]'
	@touch $@
