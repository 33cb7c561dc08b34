# `make` shows what there is. Every target installs what it lacks (scripts/install-deps.sh).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# cargo uses all cores by itself, and tests that measure time want the machine for themselves. Only
# `make check` runs parts of it at the same time.
ifndef CHECK_PARTS
.NOTPARALLEL:
endif

# rustup puts cargo here, and a shell that is older than the installation does not know that.
CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(PATH):$(CARGO_HOME)/bin

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BROWSER_TESTS := tests/browser
NODE_MODULES := $(BROWSER_TESTS)/node_modules/.package-lock.json

# The page: what its build leaves, what that is made of except tests (a directory changes when a
# file in it goes), and the tools for it. `cargo build` embeds it if it is there, and otherwise
# builds a server that shows how to build the page.
PAGE := web/dist/index.html
NOT_SOURCES := \( -name node_modules -o -name dist -o -name test \) -prune
PAGE_SOURCES := $(shell find web $(NOT_SOURCES) -o -type f -print; \
	find web/*/* $(NOT_SOURCES) -o -type d -print)
WEB_MODULES := web/node_modules/.package-lock.json

# A virtual environment for the Python tests and linters. The tests' programs run in it, too.
VENV := $(abspath $(TARGET_DIR))/venv
VENV_MARK := $(VENV)/.installed
REQUIREMENTS := python/requirements-test.txt tests/asyncapi/requirements.txt

# Arguments for the server or the bench: make run ARGS="--port 9000"
ARGS ?=
# Seconds for each fuzz target of `make fuzz`.
FUZZ_SECONDS ?= 60

# Seconds that sessions come and go in `make soak`.
SOAK_SECONDS ?= 600

CARGO_DENY_VERSION := 0.20.2

# In CI the lock file holds; a developer who adds a dependency wants it updated.
ifeq ($(CI),true)
CARGO_FLAGS ?= --locked
export NEXTEST_PROFILE ?= ci
endif

.PHONY: help run build page test test-rust test-python test-web test-browser fuzz bench soak
.PHONY: check lint lint-rust lint-web lint-python lint-text unit-rust unit-web unit-python
.PHONY: deny fmt hooks deps deps-build deps-run deps-test deps-lint clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: deps-run $(PAGE) ## build the page and the server, and run it on http://127.0.0.1:8028 (ARGS="…" for the server)
	@cargo build $(CARGO_FLAGS) --release --bin further-link
	@exec "$(TARGET_DIR)/release/further-link" serve $(ARGS)

build: deps-build ## build all Rust code, for debugging
	cargo build $(CARGO_FLAGS) --workspace

page: deps-run $(PAGE) ## build the page, which the next build of the server embeds

# The page first: what is built after it has it.
test: deps-test $(PAGE) test-rust test-python test-web ## run all tests, and each fuzz target for a moment
	@if [ -x fuzz/run.sh ]; then fuzz/run.sh 5; fi
	@$(MAKE) --no-print-directory test-browser

test-rust: deps-test $(VENV_MARK) ## run the Rust tests
	@export FURTHER_LINK_TEST_VENV="$(VENV)"; if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run $(CARGO_FLAGS) --workspace; \
	else \
		cargo test $(CARGO_FLAGS) --workspace --lib --bins --tests; \
	fi
	@cargo test $(CARGO_FLAGS) --workspace --doc

test-python: deps-test $(VENV_MARK) ## check the Python package, and messages against docs/asyncapi.yaml
	@PYTHON="$(VENV)/bin/python" python/check.sh
	@cargo build $(CARGO_FLAGS) --bin further-link
	@FURTHER_LINK_BINARY="$${FURTHER_LINK_BINARY:-$(abspath $(TARGET_DIR))/debug/further-link}" \
		"$(VENV)/bin/python" -m pytest -q tests/asyncapi

$(VENV_MARK): $(REQUIREMENTS) | deps-lint
	@echo "pip: installing what the Python tests need, some 200 MB …"
	@python3 -m venv --clear "$(VENV)"
	@"$(VENV)/bin/python" -m pip install --quiet --disable-pip-version-check $(addprefix -r ,$(REQUIREMENTS))
	@touch $@

test-web: deps-test $(PAGE) ## check the page's code and the client library, and run their tests
	@cargo build $(CARGO_FLAGS) --bin further-link
	@cd web && \
		FURTHER_LINK_BINARY="$${FURTHER_LINK_BINARY:-$(abspath $(TARGET_DIR))/debug/further-link}" \
		npm test --silent

# Half a page is worse than none: the next attempt starts over.
$(PAGE): $(PAGE_SOURCES) $(WEB_MODULES) | deps-run
	@echo "npm: building the page …"
	@cd web && npm run build --silent || { rm -rf dist; exit 1; }
	@touch $@

test-browser: deps-test $(NODE_MODULES) $(PAGE) $(VENV_MARK) ## run the tests that use the page in a browser
	@cargo build $(CARGO_FLAGS) --bin further-link
	@cd $(BROWSER_TESTS) && FURTHER_LINK_TEST_VENV="$(VENV)" \
		FURTHER_LINK_BINARY="$${FURTHER_LINK_BINARY:-$(abspath $(TARGET_DIR))/debug/further-link}" \
		npm test --silent

# npm writes this file last, so it exists only after an installation that succeeded; nothing is to
# be done when it is newer than the lock file.
$(NODE_MODULES): $(BROWSER_TESTS)/package-lock.json | deps-test
	@echo "npm: installing the browser driver …"
	@cd $(BROWSER_TESTS) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB_MODULES): web/package-lock.json | deps-run
	@echo "npm: installing what builds and tests the page …"
	@cd web && npm ci --include=dev --no-audit --no-fund --loglevel=error
	@touch $@

fuzz: deps-test ## fuzz each target (FUZZ_SECONDS=60)
	@if [ -x fuzz/run.sh ]; then fuzz/run.sh $(FUZZ_SECONDS); else echo "there are no fuzz targets"; fi

bench: deps-build ## measure the server and others into bench/RESULTS.md, 10 min (ARGS="--quick", "--help")
	@cargo build $(CARGO_FLAGS) --release --bin further-link
	@cargo build $(CARGO_FLAGS) --release --package further-link-bench
	@exec "$(TARGET_DIR)/release/further-link-bench" $(ARGS)

soak: deps-build ## 200 mixed sessions for SOAK_SECONDS=600, which must leave nothing (ARGS="--seed 1", "--help")
	@cargo build $(CARGO_FLAGS) --release --bin further-link
	@cargo build $(CARGO_FLAGS) --release --package further-link-bench
	@exec "$(TARGET_DIR)/release/further-link-bench" soak --seconds $(SOAK_SECONDS) $(ARGS)

# What is quick enough to run before each commit. The Rust parts wait for each other's lock on
# target/ anyway, so they are one after the other, and the rest runs beside them.
check: deps-lint $(WEB_MODULES) $(VENV_MARK) ## before a commit: format, lints, types and unit tests, in about 40 s
	@start=$$SECONDS; \
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going CHECK_PARTS=1 \
		unit-rust lint-text lint-web unit-web lint-python unit-python || \
	{ echo "make check: failed; each part that did has a line with *** above"; exit 1; }; \
	echo "make check: passed in $$((SECONDS - start)) s"

hooks: ## run `make check` before each commit of this clone
	@scripts/install-hooks.sh

lint: lint-rust lint-web lint-python lint-text ## check format, lints and types of all languages

lint-rust: deps-lint
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	@scripts/check-crate-dependencies.sh

lint-web: $(WEB_MODULES)
	cd web && npm run check --silent

# ruff takes the rules nearest to a file: ruff.toml, python/pyproject.toml,
# tests/asyncapi/ruff.toml.
lint-python: $(VENV_MARK)
	"$(VENV)/bin/python" -m ruff check --cache-dir "$(TARGET_DIR)/ruff" .
	"$(VENV)/bin/python" -m ruff format --cache-dir "$(TARGET_DIR)/ruff" --check .
	cd python && "$(VENV)/bin/python" -m mypy --cache-dir "$(abspath $(TARGET_DIR))/mypy" further_link

lint-text: deps-lint
	@scripts/check-test-groups.sh
	@scripts/check-prose-width.py
	@if command -v shellcheck >/dev/null; then \
		shellcheck $$(git ls-files --cached --others --exclude-standard '*.sh') .ci/run; \
	fi

# Unit tests need no server, no root and no page. Fewer random cases than in `make test`.
unit-rust: lint-rust
	@export PROPTEST_CASES=32; if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run $(CARGO_FLAGS) --workspace --lib --bins --status-level fail; \
	else \
		cargo test $(CARGO_FLAGS) --workspace --lib --bins --quiet; \
	fi

unit-web: $(WEB_MODULES)
	cd web && npm run unit --silent

unit-python: $(VENV_MARK)
	cd python && PYTHONDONTWRITEBYTECODE=1 "$(VENV)/bin/python" -m pytest -q -p no:cacheprovider \
		-m "not slow"

# cargo-deny is built from source once per machine, which takes minutes: not a part of `make lint`.
deny: deps-build ## check licences and duplicates of the dependencies (cargo-deny)
	@if ! cargo deny --version >/dev/null 2>&1; then \
		echo "cargo-deny: building it, which takes some minutes …"; \
		cargo install --quiet --locked cargo-deny@$(CARGO_DENY_VERSION); \
	fi
	cargo deny --workspace check licenses bans sources

fmt: deps-lint $(WEB_MODULES) $(VENV_MARK) ## format the code of all languages
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml
	cd web && npm run format --silent
	"$(VENV)/bin/python" -m ruff check --cache-dir "$(TARGET_DIR)/ruff" --select I --fix .
	"$(VENV)/bin/python" -m ruff format --cache-dir "$(TARGET_DIR)/ruff" .

deps: deps-test deps-lint $(NODE_MODULES) $(WEB_MODULES) $(VENV_MARK) ## only install what running and testing need

deps-build:
	@scripts/install-deps.sh build

deps-run:
	@scripts/install-deps.sh run

deps-test:
	@scripts/install-deps.sh test

deps-lint:
	@scripts/install-deps.sh lint

clean: ## remove what was built
	rm -rf web/dist web/*/dist web/node_modules web/*/node_modules
	rm -rf $(BROWSER_TESTS)/node_modules $(BROWSER_TESTS)/output
	cargo clean
