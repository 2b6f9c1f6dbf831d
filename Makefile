# Every target sets up .venv by itself; all it needs is Python 3.11 or newer, with another one: make PYTHON=python3.12 ...
PYTHON ?= python3
BIN := .venv/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-adapters test-clients check bench docs deep lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.ready  ## see a refund denied, and the record of it
	@$(BIN)/python -m toolguard demo

test: .venv/.ready  ## run the tests
	$(BIN)/python -m pytest tests

check: .venv/.ready  ## format, lint, types, layers, dead code, spelling, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy toolguard
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture
	$(BIN)/typos
	$(BIN)/deptry toolguard

bench: .venv/.ready  ## measure, as ratios within one run
	@$(BIN)/python -m bench

docs: .venv/.ready  ## build the documentation
	@$(BIN)/python docs/build.py

deep: .venv/.ready test-adapters  ## run the long searches, and the tests of every framework
	$(BIN)/python -m pytest -m deep tests

# One environment for each framework, because they exclude each other. What they leave open when they end is theirs.
ADAPTERS := anthropic claude-agent-sdk fastmcp langchain mcp openai openai-agents pydantic-ai

test-adapters: $(ADAPTERS:%=.venv-adapters/%/.ready)  ## run the tests of the framework adapters, each against its framework
	@set -e; for name in $(ADAPTERS); do echo "== $$name"; \
		PYTHONPATH=tests/adapters .venv-adapters/$$name/bin/python -m pytest -q -p no:cacheprovider -p proven \
		-W ignore::ResourceWarning -W ignore::pytest.PytestUnraisableExceptionWarning \
		tests/adapters/test_$$(echo $$name | tr - _).py; done

CLIENTS := .venv-adapters/clients/node_modules/.bin

test-clients: .venv/.ready $(CLIENTS)/claude  ## run coding agents themselves with the hook that is installed (needs npm)
	TOOLGUARD_CLIENTS=$(CURDIR)/$(CLIENTS) $(BIN)/python -m pytest -q tests/adapters/test_clients.py

$(CLIENTS)/claude:
	@mkdir -p .venv-adapters/clients
	@cd .venv-adapters/clients && npm install --no-fund --no-audit --silent \
		@anthropic-ai/claude-code @openai/codex @google/gemini-cli @github/copilot

.venv-adapters/%/.ready: pyproject.toml
	@$(PYTHON) -m venv .venv-adapters/$*
	@.venv-adapters/$*/bin/pip install -qq pytest
	@.venv-adapters/$*/bin/pip install -qq -e '.[$*]'
	@touch $@

lock:  ## pin the newest versions of all dependencies (run it with the oldest supported Python)
	@test -x .venv-lock/bin/python || $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/pip install -qq --upgrade pip-tools
	.venv-lock/bin/pip-compile --quiet --upgrade --extra dev --no-strip-extras --allow-unsafe --generate-hashes \
		--no-header --no-annotate --no-emit-options --output-file requirements.lock pyproject.toml

clean:  ## remove the environment, caches and builds
	rm -rf .venv .venv-adapters .venv-lock build dist htmlcov site .coverage .coverage.* *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "toolguard needs Python 3.11 or newer: make PYTHON=...")'
	@echo "setting up .venv"
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq -r requirements.lock
	@$(BIN)/pip install -qq --no-deps --no-build-isolation -e .
	@touch $@
