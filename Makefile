# Everything a checkout needs. `make` repeated does nothing again: each step leaves a stamp in .venv.

PYTHON ?= python3
VENV := .venv
UV ?= uv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
# The machine's Node if it is recent enough, else the one from the wheel (see $(STAMPS)/node).
NODE_OK := $(shell node -e 'const [a,b]=process.versions.node.split(".");process.exit(a>20||(a==20&&b>=19)?0:1)' 2>/dev/null && echo yes)
FRONTEND := $(wildcard frontend/package.json)
CLIENT := $(wildcard clients/typescript/package.json)
TIMESCALE := $(wildcard tests/timescale/package.json)
CHAIN := $(wildcard tests/chain/package.json)
WEB_SOURCES := $(if $(FRONTEND),$(shell find frontend clients -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null))
UV_FLAGS := --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	--quiet --upgrade --custom-compile-command 'make lock'

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-tokens test lint format docs lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: $(STAMPS)/package $(if $(FRONTEND),$(STAMPS)/frontend) ## Make .venv from the lock files, build the dashboard
	@$(if $(FRONTEND),:,echo "There is no frontend/ here: the dashboard is not built.")

demo: setup ## Run everything against the exchange on localhost
	OUTCRY_SIGN_UP=$${OUTCRY_SIGN_UP:-open} $(BIN)/outcry up --sandbox

demo-tokens: setup $(if $(CHAIN),$(STAMPS)/chain) ## The same, and a chain with a launchpad whose tokens are traded
	OUTCRY_SIGN_UP=$${OUTCRY_SIGN_UP:-open} $(BIN)/outcry up --sandbox --tokens

# Tests start hundreds of processes: without bytecode each would compile all that it imports.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup lint $(if $(CLIENT),$(STAMPS)/client) $(if $(TIMESCALE),$(STAMPS)/timescale) $(if $(CHAIN),$(STAMPS)/chain) ## Lint, then every test
	$(BIN)/pytest -n 3 --dist worksteal
	$(if $(FRONTEND),cd frontend && $(NPM_IN) test -- --passWithNoTests)
	$(if $(CLIENT),cd clients/typescript && $(NPM_IN) test)
	$(if $(FRONTEND),cd clients/widget && $(NPM_IN) test)

lint: $(STAMPS)/package ## ruff, mypy and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(wildcard src tests benchmarks examples)
	$(BIN)/lint-imports

format: $(STAMPS)/package ## Put code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(STAMPS)/package ## Renew what docs/ has from the code
	$(BIN)/outcry config table --into docs/configuration.md

lock: $(STAMPS)/package ## Renew the lock files: newest versions, pinned by hash (needs uv)
	$(UV) pip compile $(UV_FLAGS) pyproject.toml --extra embedded --group dev --group build -o requirements-dev.lock
	$(UV) pip compile $(UV_FLAGS) pyproject.toml --extra embedded -c requirements-dev.lock -o requirements.lock
	$(UV) pip compile $(UV_FLAGS) --group node -o requirements-node.lock

clean: ## Remove what was built here; data directories stay
	rm -rf $(VENV) src/openoutcry/web/static src/openoutcry/web/widget frontend/node_modules \
		clients/*/node_modules clients/typescript/dist dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# npm as seen from two folders down or one: a path from the root works from anywhere.
NPM_IN = $(if $(NODE_OK),npm,PATH="$(CURDIR)/$(BIN):$$PATH" npm)

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/packages: $(STAMPS)/venv requirements.lock requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements.lock -r requirements-dev.lock
	@touch $@

# The build backend is in the lock too, so nothing is fetched unpinned here.
$(STAMPS)/package: $(STAMPS)/packages pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--no-index -e .
	@touch $@

$(STAMPS)/node: $(STAMPS)/venv requirements-node.lock
	@$(if $(NODE_OK),echo "Using Node $$(node --version) of this machine.",\
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-node.lock)
	@touch $@

$(STAMPS)/frontend: $(STAMPS)/node $(WEB_SOURCES)
	cd frontend && $(NPM_IN) ci --no-audit --no-fund && $(NPM_IN) run build
	cd clients/widget && $(NPM_IN) ci --no-audit --no-fund && $(NPM_IN) run build
	@touch $@

$(STAMPS)/client: $(STAMPS)/node $(WEB_SOURCES)
	cd clients/typescript && $(NPM_IN) ci --no-audit --no-fund && $(NPM_IN) run check
	@touch $@

# A TimescaleDB in WebAssembly: the one thing that tests need and nothing else does.
$(STAMPS)/timescale: $(STAMPS)/node tests/timescale/package-lock.json
	cd tests/timescale && $(NPM_IN) ci --ignore-scripts --no-audit --no-fund
	@touch $@

# A development node of an Ethereum chain: for tests of tokens and for their demonstration.
$(STAMPS)/chain: $(STAMPS)/node tests/chain/package-lock.json
	cd tests/chain && $(NPM_IN) ci --ignore-scripts --no-audit --no-fund
	@touch $@
