# Every target makes its own virtual environment where there is none. Needs Python >= 3.11, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
RESULTS := results

# where an environment forbids bytecode, every process would compile all that it imports
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test tests test-fast test-long test-studies lint fuzz bench peer-sbml study-inconsistency study-learning study-coverage study-calibration study-decisions docs test-app test-wheel clean

demo: $(VENV)/.installed
	$(BIN)/graycell demo --out $(RESULTS)/demo

# the whole: linters, types, and every test but the studies and long fits; the types beside the tests, on what they leave
# idle of two cores
test: $(VENV)/.installed-dev
	$(MAKE) -j 2 lint tests

tests: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

# what compiles no ODE, in a minute
test-fast: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q -m "not slow and not ode"

# whole pages, processes, long fits: what other tests look at in the small
test-long: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q -m long

# the claims of the studies, computed anew, their figures and tables, and what takes long with the CHO cell
test-studies: $(VENV)/.installed-study $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -m "slow or not slow" tests/studies
	$(BIN)/python -m pytest -q -m slow --ignore=tests/studies

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/pyright --pythonpath $(BIN)/python

# 20 000 broken files, some minutes; the tests break 400
fuzz: $(VENV)/.installed-dev
	$(BIN)/python tests/fuzzing.py --files 20000 --out $(RESULTS)/fuzz

# BEFORE=PATH names another checkout of graycell, whose commands are timed beside these
# an environment of its own: a peer (cobra) holds pandas below the version that the tests use
bench: $(BENCH_VENV)/.installed
	$(BENCH_VENV)/bin/python benchmarks/flux_layer.py --out $(RESULTS)/bench
	$(BENCH_VENV)/bin/python benchmarks/trajectory.py --out $(RESULTS)/bench
	$(BENCH_VENV)/bin/python benchmarks/thousand_runs.py --out $(RESULTS)/bench
	$(BENCH_VENV)/bin/python benchmarks/depletion.py --out $(RESULTS)/bench
	$(BENCH_VENV)/bin/python benchmarks/library.py --out $(RESULTS)/bench
	$(BENCH_VENV)/bin/python benchmarks/to_the_touch.py --out $(RESULTS)/bench $(if $(BEFORE),--before $(BEFORE))
	$(BENCH_VENV)/bin/python benchmarks/workers.py --out $(RESULTS)/bench

# the time courses of the SBML Test Suite, where its folder is there; a quarter of an hour on two cores
SBML_SUITE ?= ../shared/peers/sbml-semantic
peer-sbml: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/peer_sbml.py --suite $(SBML_SUITE) --out $(RESULTS)/peer-sbml

# numbers, figures and tables of docs/inconsistency.md
study-inconsistency: $(VENV)/.installed-study
	$(BIN)/python studies/inconsistency.py

# figures and tables from docs/learning.json; RETRAIN=1 first trains, for hours, what results/learning does not hold yet
study-learning: $(VENV)/.installed-study
	$(BIN)/python studies/learning.py $(if $(RETRAIN),--retrain)

# table of docs/predict.md from docs/coverage.json; RETRAIN=1 first computes what results/coverage does not hold yet
study-coverage: $(VENV)/.installed-study
	$(BIN)/python studies/coverage_study.py $(if $(RETRAIN),--retrain)

# table of docs/uncertainty.md from docs/calibration.json; RETRAIN=1 first computes it anew, in some ten minutes
study-calibration: $(VENV)/.installed-study
	$(BIN)/python studies/calibration_study.py $(if $(RETRAIN),--retrain)

# tables of docs/decide.md and docs/campaigns.md from docs/decisions.json; RETRAIN=1 first computes them anew, in hours;
# ONLY=feeds, runs, following, daily or clones: one of them; ONLY=alpha-sum-3: a seed of the clones again, in two minutes
study-decisions: $(VENV)/.installed-study
	$(BIN)/python studies/decision_study.py $(if $(RETRAIN),--retrain) $(if $(ONLY),--only $(ONLY))

# these pages, with a reference of names and commands, as a site that opens without a network: results/site/index.html
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# the app in a real browser, which must be there: CHROMIUM=/usr/bin/chromium; SCREENSHOTS=folder keeps pictures
test-app: $(VENV)/.installed-dev
	$(BIN)/python -m pip install -q -e '.[dev,browser]'
	$(BIN)/python -m pytest -q -m slow tests/app

# wheel and sdist, built, installed into empty environments and used there
test-wheel: | $(VENV)/bin/python
	$(BIN)/python -m pip install -q build
	$(BIN)/python packaging/wheel_test.py

clean:
	rm -rf $(VENV) $(BENCH_VENV) $(RESULTS) .pytest_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e .
	touch $@

# without bytecode: Python writes that of what is used, when it is used
$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --no-compile -e '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-study: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e '.[study]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e '.[docs]'
	touch $@ $(VENV)/.installed

$(BENCH_VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -q -e '.[bench]'
	touch $@
