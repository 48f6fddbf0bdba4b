# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUNS ?= runs/paper
SECONDS ?= 1200

.PHONY: demo test lint docs paper fuzz clean

demo: $(READY)  ## From nothing to a swung-up pendulum: films, training, control, pictures in demo/
	$(BIN)/paig-control demo out=demo overwrite=true

test: $(READY) lint  ## Lint, types and the whole test suite, on all cores
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## The documentation, in build/docs; warnings are errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

paper: $(READY)  ## PAIG's table and figures anew, in docs/paper; runs that have ended in RUNS are not trained again
	$(BIN)/python benchmarks/paper.py --runs $(RUNS)

fuzz: $(READY)  ## Damaged films, checkpoints, goals, settings and reports for so many SECONDS; what fails is kept in runs/fuzz
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/fuzz.py --seconds $(SECONDS)

clean:  ## Remove the environment and what the commands wrote
	rm -rf $(VENV) demo runs build *.egg-info

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet -c constraints.txt -e ".[dev]"
	touch $(READY)
