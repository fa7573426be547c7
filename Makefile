# make run    serve the example app at HOST:PORT         make quick  the tests that need only Python packages
# make lint   ruff, mypy and the project's own rules     make test   install what all tests need, run them all
# make check  lint and all tests, as CI does             make test-chaos  the long form of the tests of reliability
# make bench  measure against the FastAPI design         make dist   build the sdist and the wheel; dist-check tests them
# make screenshots  the images of docs/images, from a scripted server
# make vendor copy the chat page's libraries from npm into the package, and bundle the page (after each change in ui/)
# make clean  remove what the other targets created (the example app's data in ./instance stays)

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 5000
PYTEST_ARGS ?=
WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
NODE_MODULES := tests/node/node_modules
REACT_MODULES := examples/react-chat/node_modules
VENDOR := flask_assistant_stream/ui/vendor
VENDOR_MODULES := ui_vendor/node_modules
LITELLM := .litellm
TEST_NEEDS := $(VENV)/.dev $(NODE_MODULES)/.stamp $(REACT_MODULES)/.stamp $(VENDOR_MODULES)/.stamp $(LITELLM)/.stamp

.DEFAULT_GOAL := help
.PHONY: help run quick test test-chaos check lint dist dist-check bench screenshots vendor clean node nginx chromium

help:
	@sed -n '1,7s/^# //p' Makefile

run: $(VENV)/.run
	@$(BIN)/python -m flask_assistant_stream --host $(HOST) --port $(PORT)

QUICK := not (node or browser or firefox or nginx or mongodb or postgresql or slow)
SIDE_BY_SIDE = --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

quick: $(VENV)/.dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "$(QUICK)" $(PYTEST_ARGS)

# Most of these tests wait for servers, leases and browsers.
test: WORKERS = 4
test: $(TEST_NEEDS) nginx chromium
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

test-chaos: $(VENV)/.dev $(NODE_MODULES)/.stamp nginx
	ASSISTANT_STREAM_CHAOS=long $(BIN)/python -m pytest tests/chaos $(PYTEST_ARGS)

check: lint test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/python -m tests.lint
	$(BIN)/deptry --no-ansi flask_assistant_stream

dist: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation

# The quick tests pass from the unpacked sdist.
dist-check: dist
	rm -rf build/sdist && mkdir -p build/sdist
	tar -xzf dist/*.tar.gz -C build/sdist --strip-components 1
	cd build/sdist && $(CURDIR)/$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "$(QUICK)" -p no:cacheprovider $(PYTEST_ARGS)

bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks

screenshots: $(VENV)/.dev chromium
	$(BIN)/python -m tests.browser.screenshots docs/images

vendor: $(VENDOR_MODULES)/.stamp
	cp $(VENDOR_MODULES)/marked/lib/marked.esm.js $(VENDOR)/marked.js
	cp $(VENDOR_MODULES)/marked/LICENSE $(VENDOR)/marked.LICENSE
	cp $(VENDOR_MODULES)/dompurify/dist/purify.es.mjs $(VENDOR)/dompurify.js
	cp $(VENDOR_MODULES)/dompurify/LICENSE $(VENDOR)/dompurify.LICENSE
	cp $(VENDOR_MODULES)/@highlightjs/cdn-assets/es/highlight.min.js $(VENDOR)/highlight.js
	cp $(VENDOR_MODULES)/@highlightjs/cdn-assets/LICENSE $(VENDOR)/highlight.LICENSE
	node ui_vendor/build.mjs

clean:
	rm -rf $(VENV) $(LITELLM) $(NODE_MODULES) $(REACT_MODULES) $(VENDOR_MODULES) examples/react-chat/dist
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find flask_assistant_stream tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian ships Python without `venv`; where we may, we add it.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null || { rm -rf $(VENV); \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then $(APT) python3-venv && $(PYTHON) -m venv $(VENV); \
		else echo "This Python has no venv: install it (Debian: apt-get install python3-venv)" >&2; exit 1; fi; }

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[bench]'
	@touch $@

# A gateway that the tests talk through. What it needs is not what we need, so it gets an environment of its own.
$(LITELLM)/.stamp: tests/litellm.txt | $(BIN)/python
	@test -x $(LITELLM)/bin/python || $(BIN)/python -m venv $(LITELLM)
	$(LITELLM)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/litellm.txt
	@touch $@

$(NODE_MODULES)/.stamp: tests/node/package-lock.json | node
	npm ci --prefix tests/node --loglevel=error
	@touch $@

$(REACT_MODULES)/.stamp: examples/react-chat/package-lock.json | node
	npm ci --prefix examples/react-chat --loglevel=error
	@touch $@

$(VENDOR_MODULES)/.stamp: ui_vendor/package-lock.json | node
	npm ci --prefix ui_vendor --loglevel=error
	@touch $@

APT := apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
NODE_OK := command -v npm >/dev/null && node -e 'process.exit(Number(process.versions.node.split(".")[0] < 18))'

node:
	@$(NODE_OK) || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && $(APT) nodejs npm && $(NODE_OK); } || \
		{ echo "The tests decode with real Node clients: install Node 18 or newer, with npm" >&2; exit 1; }

NGINX_OK := PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null

nginx:
	@$(NGINX_OK) || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && $(APT) nginx && $(NGINX_OK); } || \
		{ echo "The tests look at streams through a real nginx: install it" >&2; exit 1; }

CHROMIUM_OK := command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null

chromium:
	@$(CHROMIUM_OK) || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && $(APT) chromium && $(CHROMIUM_OK); } || \
		{ echo "The tests use the chat page in a real Chromium: install it (Debian: apt-get install chromium)" >&2; exit 1; }
