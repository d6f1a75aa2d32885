# Everything is said once here; `make` alone lists the commands.
PYTHON ?= python3
BIN := .venv/bin
# One thread a process: the tests and the grader run as many processes as there are cores.
TEST_ENV := OMP_NUM_THREADS=1 DALIB_EDU_PROGRESS=off MPLBACKEND=Agg
TESTS ?= tests
WORKERS ?= 2
# JupyterLab refuses to run as root (in a container, say) unless told so.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help setup lab test demo course bench site clean
help:
	@echo "make setup    make .venv with the course in it, and no more"
	@echo "make lab      set up, then JupyterLab on the students' notebooks (your copies: work/)"
	@echo "make test     set up, then every test"
	@echo "make demo     the instructor's loop: release, a small class, autograde, feedback, grades"
	@echo "make course   rebuild course/release and solutions from course/source"
	@echo "make bench    speed, beside the code that circulates"
	@echo "make site     the walkthroughs and the API as a web site, in build/site/"
	@echo "make clean    remove .venv and what was built (never your notebooks in work/)"

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3,11) <= sys.version_info < (3,14) else "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	@echo "Making .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

.venv/.course: pyproject.toml .venv/.python
	@echo "Installing the course into .venv (the first time this fetches PyTorch, several GB) ..."
	@$(BIN)/python -m pip install --quiet -e '.[course]'
	@touch $@

.venv/.test: .venv/.course
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@

.venv/.site: .venv/.course
	@$(BIN)/python -m pip install --quiet -e '.[site]'
	@touch $@

setup: .venv/.course
	@echo "Ready: . .venv/bin/activate"

lab: .venv/.course
	@$(BIN)/dalib-edu start work
	@echo "Opening JupyterLab on work/ (stop it with Ctrl-C) ..."
	@OMP_WAIT_POLICY=PASSIVE JUPYTER_CONFIG_PATH=$(CURDIR)/course $(BIN)/jupyter lab --notebook-dir=work $(AS_ROOT) $(LAB)

test: .venv/.test
	@echo "Style ..."
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "Tests ($(WORKERS) at a time) ..."
	@$(TEST_ENV) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --durations=10 $(TESTS)

demo: .venv/.course
	@$(BIN)/dalib-edu demo

course: .venv/.course
	@$(BIN)/dalib-edu build

bench: .venv/.course
	@for script in tests/benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

site: .venv/.site
	@$(BIN)/python -m sphinx -q -b html course/site build/site
	@echo "Open build/site/index.html"

clean:
	rm -rf .venv build dist *.egg-info
