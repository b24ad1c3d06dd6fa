# Everything runs from .venv/, which the first target that needs it makes.
# Stamp files inside .venv/ remember what is installed; they are redone when the pins change.

PYTHON      ?= python3
# Once CUDA's PyTorch was chosen, later targets keep it without the switch (0 goes back).
TORCH_CUDA  ?= $(if $(wildcard .venv/.torch-cuda),1,0)
# Address of a package index for PyTorch alone; empty: the index pip is configured with.
TORCH_INDEX ?=
ARGS        ?=
# Test files that run side by side; each wants a core and up to 2 GB of memory.
JOBS        ?= 2

PY      := .venv/bin/python
PIP     := $(PY) -m pip -qq --disable-pip-version-check
TORCH   := $(shell sed -n 's/^torch==//p' constraints.txt)
FLAVOUR := $(if $(filter-out 0,$(TORCH_CUDA)),cuda,cpu)
# Only Linux has CPU and CUDA builds of the same version; elsewhere there is one to take.
BUILD_Linux_cpu  := torch==$(TORCH)+cpu
BUILD_Linux_cuda := torch==$(TORCH),!=$(TORCH)+cpu
BUILD := $(or $(BUILD_$(shell uname -s)_$(FLAVOUR)),torch==$(TORCH))

TORCH_STAMP := .venv/.torch-$(FLAVOUR)
APP_STAMP   := .venv/.app
DEV_STAMP   := .venv/.dev

.DELETE_ON_ERROR:
.PHONY: help setup chat test test-slow lint types bench clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(DEV_STAMP) ## make .venv/ with parsechat and the developers' tools (TORCH_CUDA=1: for NVIDIA GPUs)
	@echo "Ready: .venv/bin/parsechat --help"

chat: $(APP_STAMP) ## open the web chat on http://127.0.0.1:8000
	@.venv/bin/parsechat chat $(ARGS)

test: $(DEV_STAMP) ## run the tests (ARGS="-k name" chooses)
	@$(PY) -m pytest -m "not slow" -n $(JOBS) --dist loadfile $(ARGS)

test-slow: $(DEV_STAMP) ## run the tests that take minutes
	@$(PY) -m pytest -m slow $(ARGS)

lint: $(DEV_STAMP) ## check style, format and who may import whom
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports

types: $(DEV_STAMP) ## check types
	@.venv/bin/mypy

bench: $(DEV_STAMP) ## measure how long things take
	@$(PY) -m tests.bench $(ARGS)

clean: ## remove .venv/ and all caches
	@rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up ---------------------------------------------------------------------------------

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "parsechat needs Python 3.11 or newer; name one that you have: make setup PYTHON=python3.12" >&2; exit 1; }
	@echo "Making .venv/ ..."
	@$(PYTHON) -m venv --clear .venv

# PyTorch comes first and by itself: left to the resolver, it is gigabytes of CUDA on any Linux.
$(TORCH_STAMP): constraints.txt | $(PY)
	@echo "Installing PyTorch $(TORCH) ($(FLAVOUR)) ..."
	@$(PIP) install --upgrade pip
	@$(PIP) install "$(BUILD)" -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)") || { \
	  echo "No PyTorch $(TORCH) for $(FLAVOUR) in your package index. Either name PyTorch's own index (pytorch.org, 'Get started')" >&2; \
	  echo "with 'make setup TORCH_INDEX=ADDRESS', or take the large CUDA build with 'make setup TORCH_CUDA=1'." >&2; exit 1; }
	@rm -f .venv/.torch-* && touch $@

$(APP_STAMP): pyproject.toml constraints.txt $(TORCH_STAMP)
	@echo "Installing parsechat (a minute or two) ..."
	@$(PIP) install -e ".[torch,app]" -c constraints.txt
	@touch $@

# `make chat` stops short of this: people who only use parsechat need no test tools.
$(DEV_STAMP): $(APP_STAMP)
	@echo "Installing the developers' tools ..."
	@$(PIP) install --group dev -c constraints.txt
	@touch $@
