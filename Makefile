# Everything runs in .venv, which these rules make. Another Python: make test PYTHON=python3.12 VENV=.venv312
PYTHON ?= python3
VENV ?= .venv
# Python keeps what it compiles in .venv: without, every process that starts compiles JAX anew.
export PYTHONDONTWRITEBYTECODE =
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check
OXLINT = oxlint@1.94.0

.PHONY: help train test test-slow check format bench gpu-hlo clean

help:
	@echo "make train      train a CNN on 4,000 real digits, with no download, and test it"
	@echo "make test       run the test suite"
	@echo "make test-slow  run the tests that take longer, too"
	@echo "make bench      measure how long things take, against other libraries too"
	@echo "make gpu-hlo    read what the compiler makes for a GPU, on a machine without one"
	@echo "make check      format, lint and type checks, of the JavaScript too"
	@echo "make format     mend what the format and lint checks can mend"

train: $(VENV)/.installed
	$(VENV)/bin/python -m jcnn train --model conv4 --data mnist5k --epochs 15 --batch-size 64

test: $(VENV)/.tested
	$(VENV)/bin/python -m pytest -n auto --maxprocesses=4 --dist worksteal -m "not slow"

test-slow: $(VENV)/.tested
	XLA_FLAGS= $(VENV)/bin/python -m pytest -n auto --maxprocesses=4 --dist worksteal

check: $(VENV)/.tested
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m mypy
	@if command -v npx >/dev/null; then npx --yes $(OXLINT) --deny-warnings jcnn/explore/page; \
	else echo "no npx: the JavaScript is not checked"; fi

format: $(VENV)/.tested
	$(VENV)/bin/python -m ruff format .
	$(VENV)/bin/python -m ruff check --fix .

bench: $(VENV)/.peers
	$(VENV)/bin/python -m jcnn bench all --out benchmarks/results
	$(VENV)/bin/python -m benchmarks.peers

# What XLA makes of jcnn for an H100, without one. JAX's CUDA wheels take 4 GB in a venv of their own.
gpu-hlo: $(VENV)-cuda/.installed
	JAX_SKIP_CUDA_CONSTRAINTS_CHECK=1 JAX_PLATFORMS=cpu \
	LD_LIBRARY_PATH=$$(find $(VENV)-cuda -path '*nvidia*' -name lib -type d | tr '\n' ':') \
	$(VENV)-cuda/bin/python -m benchmarks.gpu.compiled --out benchmarks/results/gpu/compiled.md

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml
	$(PIP) install --quiet --editable .
	touch $@

$(VENV)-cuda/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-cuda
	$(VENV)-cuda/bin/python -m pip --disable-pip-version-check install --quiet --editable ".[cuda]"
	touch $@

$(VENV)/.tested: $(VENV)/.created pyproject.toml
	$(PIP) install --quiet --no-compile --editable ".[test,check]"
	touch $(VENV)/.installed $@

$(VENV)/.peers: $(VENV)/.created pyproject.toml
	$(PIP) install --quiet --editable ".[peers]"
	touch $(VENV)/.installed $@
