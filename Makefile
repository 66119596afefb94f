# `make up` and `make test` need nothing but make and Python 3.11 or newer: they make an environment in .venv first.

VENV ?= .venv
BIN := $(VENV)/bin
EXAMPLE ?= examples/quickstart

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore
# uv installs in a fifth of pip's time. It comes from PyPI into the environment; where it cannot be had, pip will do.
UV ?= $(BIN)/uv
export UV_SYSTEM_CERTS = 1
# The tests start Python thousands of times: without bytecode each start would compile everything again.
export PYTHONDONTWRITEBYTECODE =

# Pythons that an environment may be made with, the best first.
PYTHONS ?= python3.13 python3.12 python3.11 python3
# Processes that run tests: one more than processors, since tests wait a good deal, which unit tests do not, and each
# process takes a second or two to find all of them (WORKERS=0: one process, to debug). Nor do they run commands.
WAITING = $(filter-out tests/unit% -%,$(or $(TESTS),tests))
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + $(if $(WAITING),1,0))
# Whether the tests run the installed command in forks of one fork server, as users do, in forks that import all of our
# modules themselves (bare), or each time in a new Python (no).
WARM ?= yes

.PHONY: help up test test-cold lint format types imports schema schema-check openapi openapi-check options man bench ci clean
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

up: $(VENV)/.installed ## install if needed, and run the quickstart; Ctrl-C ends it
	@trap : INT; cd $(EXAMPLE) && PATH="$(abspath $(BIN)):$$PATH" sbxcompose up || [ $$? -eq 130 ]

test: $(VENV)/.installed-dev ## run all tests
	WARM=$(if $(WAITING),$(WARM),no) $(BIN)/python -m pytest --numprocesses=$(WORKERS) --maxprocesses=4 --dist=worksteal $(TESTS)

test-cold: ## run the tests of the command without a fork server
	@$(MAKE) --no-print-directory test WARM=no TESTS='$(or $(TESTS),tests/cli)'

lint: $(VENV)/.installed-dev ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(VENV)/.installed-dev ## format, and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(VENV)/.installed-dev ## check types
	$(BIN)/mypy

imports: $(VENV)/.installed-dev ## check that imports go one way
	$(BIN)/lint-imports

schema: $(VENV)/.installed-dev ## write schemas/sbxcompose.schema.json and the tables of docs/spec.md anew from the models
	$(BIN)/python -m sbxcompose.spec.schema > schemas/sbxcompose.schema.json
	$(BIN)/python -m sbxcompose.spec.reference docs/spec.md

schema-check: $(VENV)/.installed-dev ## check that the schema is the one the models give
	$(BIN)/python -m sbxcompose.spec.schema | diff -u schemas/sbxcompose.schema.json -

openapi: $(VENV)/.installed-dev ## write schemas/openapi.json anew from the host's routes and the wire's messages
	$(BIN)/python -m sbxcompose.host.openapi.document > schemas/openapi.json

openapi-check: $(VENV)/.installed-dev ## check that the OpenAPI document is the one the routes give
	$(BIN)/python -m sbxcompose.host.openapi.document | diff -u schemas/openapi.json -

options: $(VENV)/.installed-dev ## write the table of options for completion anew from the commands
	$(BIN)/python -m sbxcompose.cli.option_table > sbxcompose/cli/options.tsv

man: $(VENV)/.installed-dev ## write the man pages to build/man; the wheel has them in share/man
	$(BIN)/python -m sbxcompose.cli.man build/man

bench: $(VENV)/.installed-dev ## print the figures of benchmarks/ (ARGS="--quick --only startup")
	$(BIN)/python -m benchmarks $(ARGS)

ci: ## all checks and tests, as CI runs them
	bash .ci/run

clean: ## remove environments, caches and builds
	rm -rf .venv .ci-venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .cache

# The first Python that is new enough; a shim that only says "not installed" does not count.
$(VENV)/bin/python:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$($$python --version): making $(VENV)"; \
	    $$python -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "$$python cannot make a virtual environment: is its venv module installed (python3-venv)?" >&2; exit 1; \
	  fi; \
	done; \
	echo "no Python 3.11 or newer; looked for: $(PYTHONS)" >&2; exit 1

# $(call install,WHAT): install it with uv, or with pip, which tells what fails.
define install
{ test -x $(UV) || $(BIN)/pip install --quiet --retries 1 uv; } >/dev/null 2>&1 && \
  $(UV) pip install --quiet --python $(BIN)/python $(1) 2>/dev/null || $(BIN)/pip install --quiet $(1)
endef

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@$(call install,--editable .)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@$(call install,--editable '.[dev]')
	@touch $@ $(VENV)/.installed
