# Every target makes its own environment first, from any Python >= 3.11. `make` alone prints this list.

VENV   := .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
STAMP  := $(VENV)/.installed
WORKERS ?= 2
OUT    ?= demo
JOBS   ?= steels nims uhcs
RUNS   ?= runs

# One thread a process: the workers are the parallelism, and sums keep their order.
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test test-all check docs bench venv clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(STAMP)  ## 300 microstructures, the whole ladder, a verdict and a report (OUT=demo)
	@$(BIN)/iceframe demo --out $(OUT)

test: check docs  ## format, lint, types, import order, docs, tests: silent when well
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

test-all: check docs  ## the same, and the long tests
	@$(BIN)/python -m pytest -n $(WORKERS)

# A tool's output is shown only when it fails.
check: $(STAMP)
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > $(VENV)/lint-imports.log 2>&1 || { cat $(VENV)/lint-imports.log; exit 1; }

docs: $(STAMP)  ## the documentation, in docs/_build/html; a warning is an error
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

bench: $(STAMP)  ## the main job on real tables and micrographs (JOBS, RUNS); an hour or more, resumable
	@for job in $(JOBS); do $(BIN)/python benchmarks/main_job.py $$job --runs $(RUNS) || exit 1; done

venv: $(STAMP)  ## only the environment, in .venv
	@:

# Made once, and again when what it is made from changes.
$(STAMP): pyproject.toml constraints.txt
	@python=; \
	for candidate in $(PYTHON) python3.11 python3.12 python3.13 python3 python py; do \
	  if $$candidate -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1; \
	  then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "ICEFrame needs Python 3.11 or newer with venv (Debian: python3-venv); none was found. Name one: make venv PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$python --version): a few minutes, once."; \
	$$python -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

clean:  ## remove the environment, caches and built documentation; runs stay
	rm -rf $(VENV) docs/_build build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests docs -name __pycache__ -prune -exec rm -rf {} +
