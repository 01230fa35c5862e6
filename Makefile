# make run: set up and measure.  make test: set up and run the tests.  Both work on a fresh Debian with Python 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
REQUIREMENTS := requirements.txt docker_images/cpu/pytorch_2.13/requirements.txt $(wildcard benchmarks/*/pytorch/requirements.txt)

.PHONY: run setup check test system bench clean

run: setup
	@$(BIN)/python run.py

setup: $(VENV)/.ready

check: setup
	@$(BIN)/python run.py check

test: system $(VENV)/.ready-for-tests
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadgroup

bench: $(VENV)/.ready-for-tests
	@for bench in tests/bench/bench_*.py; do echo "== $$bench"; PYTHONPATH=.:tests/unit:tests/integration:tests/lab $(BIN)/python $$bench || exit 1; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache

# Docker's engine, its registry, Podman and sshd for the integration tests; only root can install them, others use what there is.
system:
	@sh tests/lab/install.sh

$(VENV)/.ready: $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit("Accelmark needs Python 3.10 or newer, this is " + sys.version if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/lab/install.sh venv
	@$(PYTHON) -m venv $(VENV)
	@echo "installing packages into $(VENV), once; this takes minutes"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.ready-for-tests: $(VENV)/.ready requirements-dev.txt
	@$(PIP) -r requirements-dev.txt
	@touch $@
