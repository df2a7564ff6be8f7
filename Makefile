# Everything below sets itself up: it needs only Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test test-all lint bench clean

help:
	@echo "make demo      generate, render and view three rare events (out/)"
	@echo "make test      linters, types and the test suite (under 15 minutes on 2 cores)"
	@echo "make test-all  the same with slow tests and oracles"
	@echo "make bench     all benchmarks at full size"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("scenegen needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (torch is large; a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check torch -c constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c constraints.txt
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/python examples/demo.py

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: $(STAMP) lint
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not oracle and not gpu"

test-all: $(STAMP) lint
	@$(BIN)/python -m pytest

bench: $(STAMP)
	@$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) out build dist
