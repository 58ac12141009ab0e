# Everything runs in a private environment (.venv) made by uv; uv itself is taken from the PATH or,
# where there is none, installed by pip into .tools. Nothing has to be installed by hand.
.POSIX:
SHELL := /bin/sh
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := .venv/bin
# What `make bench` goes up to: all shocks, and shocks of the whole model.
SHOCKS ?= 10000
WHOLE ?= 300

.PHONY: solve test lint bench cases browser clean
.DEFAULT_GOAL := solve

solve: .venv/.ready
	$(RUN)/diversify solve instances/us-magnets.yaml

# A file's tests stay together on one core; some go on from each other.
test: .venv/.ready-dev browser
	$(RUN)/pytest --numprocesses auto --dist loadfile

lint: .venv/.ready-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

bench: .venv/.ready-dev
	$(RUN)/python -m tests.speed --shocks $(SHOCKS) --whole $(WHOLE)

# Solves every shipped case under the settings of its file in instances/expected, and checks the figures.
cases: .venv/.ready-dev
	$(RUN)/python -m tests.cases_expected

# The report is tested in a real Chromium: that of the machine, or one that its package manager or playwright brings.
browser: .venv/.ready-dev
	@$(RUN)/python -m tests.browser

clean:
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet 'uv>=0.8'

# `uv sync` finds a Python of 3.12 or newer, or fetches one.
.venv/.ready: pyproject.toml | $(filter .tools/%,$(UV))
	$(UV) sync --quiet --no-dev --inexact
	@touch $@

.venv/.ready-dev: pyproject.toml | $(filter .tools/%,$(UV))
	$(UV) sync --quiet --inexact
	@touch .venv/.ready $@
