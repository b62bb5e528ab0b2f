# Everything happens in .venv, which these targets make themselves: the machine needs make and Python 3.11 or newer.
# Another interpreter: make test PYTHON=python3.13. Another port: make demo PORT=9000. Part of the comparison:
# make bench BENCH='--quick --only hits,304'.

PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

# A machine's python3 is often older than the newest Python on it.
ifndef PYTHON
PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo $$name; break; }; done)
endif

.DEFAULT_GOAL := help
.PHONY: help demo test coverage soak bench lint format lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.run ## Build the example shop and serve it on PORT (8000)
	@cd examples/shop && ../../$(BIN)/millpond build
	@token=$${SHOP_ADMIN_TOKEN:-$$($(BIN)/python -c 'import secrets; print(secrets.token_hex(8))')}; \
	    at=http://127.0.0.1:$(PORT)/api; printf '%s\n' "" \
	    "Try it in another terminal; examples/shop/README.md has more:" "" \
	    "  curl -i $$at/products/oak-chair   # HIT" \
	    "  curl -X PUT $$at/products/oak-chair -H 'x-admin-token: $$token' --json '{\"price_cents\": 13900}'" \
	    "  curl -i $$at/products/oak-chair   # the new price: MISS, then HIT again" \
	    "  curl -i $$at/stock                # HIT; older than 5 s: STALE once, then HIT again" \
	    "  curl -i '$$at/search?q=oak'       # live: run for each request" "" && \
	    cd examples/shop && SHOP_ADMIN_TOKEN=$$token exec ../../$(BIN)/millpond start --port $(PORT)

# The tests start hundreds of commands: without bytecode each would compile all of Millpond again.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.dev ## Run the tests; COVERAGE=1 measures what they run, for `make coverage`
	$(if $(COVERAGE),$(BIN)/coverage erase)
	$(BIN)/python $(if $(COVERAGE),-m coverage run) -m pytest -n 2 --dist loadfile
	$(if $(COVERAGE),$(BIN)/coverage combine --quiet)

coverage: $(VENV)/.dev ## List the lines and branches that `make test COVERAGE=1` has not run; fails below the floor
	$(BIN)/coverage report

soak: $(VENV)/.dev ## Run the long forms of tests: about an hour
	$(BIN)/python bench/soak.py

# All of it, or with BENCH a part: only all of it goes into the documentation.
bench: $(VENV)/.dev ## Compare with nginx, Varnish, Next.js, Nitro, FastAPI and Litestar, and write docs/performance.md
	$(BIN)/python bench/compare --install $(or $(BENCH),--json bench/results/latest.json --docs)

lint: $(VENV)/.dev ## Check style, types and the arrows between the rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.12
	$(BIN)/mypy --python-version 3.14
	MYPYPATH=bench/compare $(BIN)/mypy --no-error-summary bench/compare/*.py bench/compare/peers/*.py
	for example in starter shop components; do (cd examples/$$example && ../../$(BIN)/mypy --no-error-summary .) || exit 1; done
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Rewrite the code in the house's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(VENV)/.python ## Resolve the locked requirements again, to the newest versions that fit
	@test -x $(VENV)-lock/bin/uv || { $(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet uv; }
	$(UV_COMPILE) pyproject.toml requirements.in --output-file requirements.lock
	$(UV_COMPILE) pyproject.toml requirements.in --group test --group lint \
	    --constraints requirements.lock --output-file requirements-dev.lock

UV_COMPILE = $(VENV)-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

clean: ## Remove the virtual environments, what tools cached, and what the demo built
	rm -rf $(VENV) $(VENV)-lock .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	rm -rf examples/shop/.millpond examples/shop/*.db
	rm -f .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: made again only when what they stand for has changed.
$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo "Millpond needs Python 3.11 or newer, and none was found. Install one, or name it:" \
	    "make test PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "Millpond needs Python 3.11 or newer; $(PYTHON) is" \
	    "$$($(PYTHON) --version 2>&1 | head -n 1). Name another: make test PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian and Ubuntu:" \
	    "apt install python3-venv" >&2; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
