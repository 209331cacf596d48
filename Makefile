# make run    start Greenroom on http://127.0.0.1:8080      (PORT, RTC_PORT, DATA_DIR)
# make test   run every test                                (ARGS="-k name" for some of them)
# make lint   ruff, mypy --strict, and tsc --strict over the types in web/
# make types  declarations (.d.ts) of web/lib, into build/types
# make bench  load tests, written up in bench/RESULTS.md    (ARGS="--runs 1"; python -m bench.run --help)
# make screenshots   the pictures of README, taken anew

PYTHON   ?= python3
VENV     ?= .venv
PORT     ?= 8080
RTC_PORT ?= 40000
DATA_DIR ?= data
BIN      := $(VENV)/bin
NODE     := $(VENV)/node
TSC      := $(NODE)/node_modules/.bin/tsc

.PHONY: run test lint types screenshots bench programs clean

run: $(VENV)/.installed
	@exec $(BIN)/greenroom serve --port $(PORT) --rtc-port $(RTC_PORT) --data-dir "$(DATA_DIR)"

# Dozens of processes of the same source: where the environment says that bytecode is not kept, each would compile it.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.installed-test programs
	@$(MAKE) --silent $(NODE)/.installed || echo "Tests that use packages of npm are skipped." >&2
	$(BIN)/python -m pytest -n 3 $(ARGS)

lint: $(VENV)/.installed-test $(NODE)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(TSC) --project .

types: $(NODE)/.installed
	$(TSC) --project tsconfig.types.json

screenshots: $(VENV)/.installed-test programs
	$(BIN)/python -m tests.support.screenshots docs/images

bench: $(VENV)/.installed
	$(BIN)/python -m bench.run $(ARGS)

programs:
	@sh tests/install_programs.sh

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Greenroom needs Python 3.11 or newer; choose one with make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Editable: a change to the source needs no new installation, a change to pyproject.toml does.
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing Greenroom into $(VENV) (once, about half a minute) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $(VENV)/.installed $@

$(NODE)/.installed: tests/node/package.json | $(BIN)/python
	@sh tests/install_node_packages.sh $(NODE)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
