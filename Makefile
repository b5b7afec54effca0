# `make run` and `make test` each work alone on a machine with Python 3.11+ and make.
#
#   make run                           a street clip; poses, overlay and contact sheet land under runs/
#   make run SOURCE=webcam:0 VIEW=1    a camera, with the 3D viewer in the browser
#   make run ARGS="--max-frames 50"    any flag of `bodystream run`
#   make test                          lint, types, tests; make test ARGS="tests/pipeline -k tracker"
#   make test-all                      the same with torch and what else training needs
#   make bench, make doctor            how fast; what is installed and what limits it
#   make soak                          an hour on live cameras: latency, memory (docs/live.md); ARGS="--minutes 3"
#   make chaos                         300 faults against a running pipeline (half an hour); make chaos ARGS="--seed 7"

SOURCE ?=
VIEW ?=
ARGS ?=
# Where `bodystream view` and other programs can listen; empty: nowhere.
PUBLISH ?= tcp://127.0.0.1:5555
# Extras that the tests install. With plain `test` what needs torch is skipped, with the reason.
TEST_EXTRAS ?= test
# Installed before everything else where an extra needs it, so that no dependency chooses another build.
TORCH ?= torch==2.13.0

supported = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(supported)' 2>/dev/null && echo $$p && break; done))

VENV := .venv
PY := $(VENV)/bin/python
comma := ,
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
RUN_STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-$(subst $(comma),-,$(TEST_EXTRAS))
extras := $(subst $(comma), ,$(TEST_EXTRAS))

.PHONY: run test test-all lint bench doctor soak chaos clean
.DEFAULT_GOAL := run

run: $(RUN_STAMP)
	@source="$(SOURCE)"; $(PY) run_stream.py --source "$${source:-$$($(PY) -m pipeline.demo_clip)}" \
		--out "runs/$$(date +%Y%m%d-%H%M%S)" $(if $(PUBLISH),--publish "$(PUBLISH)") \
		$(if $(filter-out 0,$(VIEW)),--view) $(ARGS)

test: lint
	@$(PY) -m pytest -q $(ARGS)

test-all:
	@$(MAKE) --no-print-directory test TEST_EXTRAS=test,train,cuda,tensorrt,modelopt,surface,parquet

lint: $(TEST_STAMP)
	@$(PY) -m ruff check --quiet
	@$(PY) -m ruff format --check --quiet
	@$(PY) -m mypy --no-error-summary

bench: $(RUN_STAMP)
	@$(PY) -m pipeline.bench $(ARGS)

doctor: $(RUN_STAMP)
	@$(PY) -m pipeline.doctor $(ARGS)

soak: $(RUN_STAMP)
	@$(PY) -m pipeline.soak $(ARGS)

chaos: $(RUN_STAMP)
	@$(PY) -m pipeline.chaos --report docs/reliability.md $(ARGS)

$(RUN_STAMP): pyproject.toml | $(PY)
	@echo "Installing into $(VENV) ..."
	@$(PIP) -e .
	@touch $@

$(TEST_STAMP): pyproject.toml | $(PY)
	@echo "Installing with extras $(TEST_EXTRAS) into $(VENV) ..."
	@$(if $(filter train torch,$(extras)),$(PIP) "$(TORCH)")
	@$(PIP) -e ".[$(TEST_EXTRAS)]"
	@touch $@

$(PY):
	@test -n "$(PYTHON)" || { echo "bodystream needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c '$(supported)' || { echo "$(PYTHON) is too old: bodystream needs Python 3.11 or newer; name another: make PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "could not make $(VENV); on Debian and Ubuntu: apt install python3-venv"; exit 1; }

clean:
	rm -rf $(VENV) build dist runs *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
