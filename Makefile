# Everything runs in a private environment (.venv) made by uv, with the versions in constraints.txt. uv itself is
# installed by pip into .tools, in one exact version: the same set-up everywhere is worth more than the seconds that
# another uv on the PATH would save. `make UV=uv` takes that one where pip cannot fetch any.
.POSIX:
SHELL := /bin/sh
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
TOOL := $(if $(filter .tools/%,$(UV)),.tools/.uv-$(UV_VERSION))
INSTALL := $(UV) pip install --quiet --python .venv/bin/python --constraints constraints.txt --editable '.[all]'
RUN := .venv/bin
FIRST_RUN := PYTHONDONTWRITEBYTECODE= $(RUN)/diversify solve instances/tiny.yaml > /dev/null
# What `make bench` goes up to: all shocks, and shocks of the whole model.
SHOCKS ?= 10000
WHOLE ?= 300
FUTURES ?= 4

.PHONY: solve test docs lint bench bench-questions bench-published cases browser constraints clean
.DEFAULT_GOAL := solve

# Exit code 4 is an answer too: the first years have gaps that no plan closes, and the best plan is printed.
solve: .venv/.ready
	@$(RUN)/diversify solve instances/us-magnets.yaml || test $$? -eq 4

# A file's tests stay together on one core; some go on from each other. They start hundreds of processes, so that bytecode is
# kept whatever the environment says.
test: .venv/.ready-dev browser
	PYTHONDONTWRITEBYTECODE= $(RUN)/pytest --numprocesses auto --dist loadfile

# The manual, in docs/_build: open index.html. A warning is an error. `python -m tests.manual --update` renews outputs.
docs: .venv/.ready-dev
	$(RUN)/sphinx-build -q --fail-on-warning --keep-going --jobs auto docs docs/_build

lint: .venv/.ready-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

bench: .venv/.ready-dev
	$(RUN)/python -m tests.speed --shocks $(SHOCKS) --whole $(WHOLE) --futures $(FUTURES)

# How long what-ifs, budgets, attacks and alternatives take beside `solve`.
bench-questions: .venv/.ready-dev
	$(RUN)/python -m tests.speed.questions $(ARGS)

# Published instances, from the folder that PUBLISHED names, beside ours and HiGHS.
bench-published: .venv/.ready-dev
	$(RUN)/python -m tests.speed.published_table $(ARGS)

# Solves every shipped case under the settings of its file in instances/expected, and checks the figures.
cases: .venv/.ready-dev
	$(RUN)/python -m tests.cases_expected

# The report is tested in a real Chromium: that of the machine, or one that its package manager or playwright brings.
browser: .venv/.ready-dev
	@$(RUN)/python -m tests.browser

clean:
	rm -rf docs/_build .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The newest versions that pyproject.toml allows, for every Python and system. Run the tests before you commit it.
constraints: $(TOOL)
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.12 --all-extras --group dev \
		--no-annotate --no-header --no-emit-index-url --no-emit-find-links pyproject.toml --output-file constraints.txt
	@{ echo '# The versions that were tested, and that make installs; `make constraints` renews them.'; \
		cat constraints.txt; } > constraints.new && mv constraints.new constraints.txt

.tools/.uv-$(UV_VERSION):
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet 'uv==$(UV_VERSION)'
	@rm -f .tools/.uv-* && touch $@

# uv finds a Python of 3.12 or newer, or fetches one.
.venv/.python: | $(TOOL)
	test -x .venv/bin/python || $(UV) venv --quiet --python '>=3.12' .venv
	@touch $@

# The first run keeps the bytecode of all that a solve imports, so that later ones start in half the time even where the
# environment forbids Python to write any.
.venv/.ready: pyproject.toml constraints.txt .venv/.python
	$(INSTALL)
	@$(FIRST_RUN)
	@touch $@

.venv/.ready-dev: pyproject.toml constraints.txt .venv/.python
	$(INSTALL) --group dev
	@$(FIRST_RUN)
	@touch .venv/.ready $@
