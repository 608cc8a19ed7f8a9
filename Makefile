# edgec: `make demo` and `make test` set up what they need on a fresh Debian machine by themselves.

export PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Two workers suit two cores and more; tests of one file stay together, as they share what they compiled.
PYTEST_ARGS ?= -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench sweep fuzz wheel clean tools board-tools venv

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

demo: venv board-tools ## compile, build, verify and measure the bundled digits model on an emulated Cortex-M4
	@$(BIN)/python examples/digits/demo.py build/digits

# pytest stays last: its closing line is the result of the whole run.
test: lint tools ## lint, then all tests that take seconds
	@$(BIN)/pytest $(PYTEST_ARGS)

lint: venv ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: venv tools ## measure the models of ../shared (if there) and write the figures into README.md
	$(BIN)/python examples/figures.py

sweep: venv tools ## the slow tests: more random graphs, more samples
	@$(BIN)/pytest $(PYTEST_ARGS) -m slow

fuzz: venv tools ## the serial harness under libFuzzer and sanitizers, SECONDS=60; findings in build/fuzz
	@$(BIN)/python -m tests.fuzz.serial

wheel: venv ## dist/*.whl and dist/*.tar.gz
	$(BIN)/python -m build

clean: ## remove everything that was made
	rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv: $(VENV)/.stamp

$(VENV)/.stamp: pyproject.toml .ci/tools
	@bash .ci/tools python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

tools:
	@bash .ci/tools all

board-tools:
	@bash .ci/tools board
