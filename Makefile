# `make` lists what there is to do. Everything runs in .venv, which is made when it is first needed.
# On Windows, or with conda: see README.md.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PY := .venv/bin/python
INSTALLED := .venv/.installed
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)",.*/\1/p' pyproject.toml)

# `make lab CPU=1` takes PyTorch's own builds without CUDA (about 200 MB instead of 2.7 GB on Linux);
# `make lab WHEELHOUSE=folder` takes everything from a folder that `make wheelhouse` filled, and nothing from the network.
PIP_INSTALL = $(PY) -m pip install -c constraints.txt \
              $(if $(CPU),--extra-index-url https://download.pytorch.org/whl/cpu) \
              $(if $(WHEELHOUSE),--no-index --find-links "$(WHEELHOUSE)")

NBVAL := -p no:python --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg \
         --nbval-cell-timeout 1800
# Labs are executed and compared from nothing, on the default profile, with no network for models.
FROM_NOTHING = runs=$$(mktemp -d); trap 'rm -rf "$$runs"' EXIT; \
               export RLHF_RUNS="$$runs" RLHF_WORK="$$runs/work" RLHF_PROFILE=tiny HF_HUB_OFFLINE=1

# What pytest printed, so that `make test` can end with what was skipped and why.
LOGS := .pytest_cache/logs
COLOR = $(if $(MAKE_TERMOUT),--color=yes)

.PHONY: help
help:  ## List the commands (default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

# ---------------------------------------------------------------------------------------------- using

.PHONY: lab
lab: $(INSTALLED)  ## Open JupyterLab on your copies of the labs, in work/ (ARGS="03", "--fresh 03", "--port 9000")
	@exec $(PY) -m helpers lab $(ARGS)

.PHONY: check-labs
check-labs: $(INSTALLED)  ## Before class: execute every lab and say what came of each (ARGS="03 --profile NAME")
	@$(PY) -m helpers check-labs $(ARGS)

.PHONY: doctor
doctor: $(INSTALLED)  ## Say what this machine can run, and what to do about each problem
	@$(PY) -m helpers doctor

# ---------------------------------------------------------------------------------------------- testing

.PHONY: test
test: lint unit nbval core  ## Everything that CI checks: lint, unit tests, nbval on every lab and on its core path alone
	@echo "Skipped:"; grep -hE '^[^ ]*SKIPPED' $(LOGS)/unit.log $(LOGS)/nbval.log $(LOGS)/core.log || echo "nothing"

.PHONY: lint
lint: $(INSTALLED)  ## Check style, format, spelling, the layers of imports, and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/codespell -D- -D .ci/spelling.txt
	.venv/bin/lint-imports
	.venv/bin/mypy

# A module's tests stay together, since they share what is costly to make; those in a browser, the longest, come first.
# Three processes on two cores: a test that waits, for a browser or a process, leaves its core to another.
.PHONY: unit
unit: $(INSTALLED)  ## Unit tests and those in a browser (quicker: pytest -m "not browser and not slow")
	@mkdir -p $(LOGS)
	$(PY) -m pytest -n 3 --dist loadscope --no-loadscope-reorder --durations=15 $(COLOR) | tee $(LOGS)/unit.log

.PHONY: nbval
nbval: $(INSTALLED)  ## Execute every lab (or LABS=...) and compare what it prints with what is stored
	@mkdir -p $(LOGS)
	@$(FROM_NOTHING); $(PY) -m pytest $(NBVAL) --durations=10 $(COLOR) $(or $(LABS),labs) | tee $(LOGS)/nbval.log

.PHONY: core
core: $(INSTALLED)  ## Execute only the core path of every lab (or LABS="NAME ..."), which stands alone, and compare
	@mkdir -p $(LOGS)
	@$(FROM_NOTHING); $(PY) -m tests.support.core_path "$$runs/core" $(LABS); \
	  $(PY) -m pytest $(NBVAL) -p conftest --rootdir "$$runs/core" --durations=10 $(COLOR) "$$runs/core" | tee $(LOGS)/core.log

.PHONY: soak
soak: $(INSTALLED)  ## Kill processes at hundreds of moments, fill disks, and see that nothing is lost (some minutes)
	$(PY) -m tests.faults --kills 25
	$(PY) -m tests.faults --kills 10 --disk full
	$(PY) -m tests.faults --kills 10 --disk read-only

.PHONY: fuzz
fuzz: $(INSTALLED)  ## Twenty times the fuzzing of CI
	FUZZ=20 $(PY) -m pytest tests/fuzz

.PHONY: audit
audit: $(INSTALLED)  ## Ask for known vulnerabilities of exactly the pinned versions (needs the network)
	$(PY) -m venv .venv/audit && .venv/audit/bin/pip install --quiet pip-audit==2.10.1
	.venv/audit/bin/pip-audit -r constraints.txt --no-deps --disable-pip

.PHONY: bench
bench: $(INSTALLED)  ## Measure what README.md and benchmarks/README.md state; over an hour, with nothing else running
	$(PY) -m benchmarks
	$(PY) benchmarks/ppo.py --json benchmarks/ppo.json
	$(PY) -m benchmarks.scaling --json benchmarks/scaling.json --figure benchmarks/scaling.svg
	$(PY) -m benchmarks.algorithms --json benchmarks/algorithms.json

# ---------------------------------------------------------------------------------------------- changing

.PHONY: notebooks
notebooks: $(INSTALLED)  ## Execute all labs (or LABS=...) anew, each from nothing, and store their normalized outputs
	@for lab in $(or $(LABS),labs/*.ipynb); do $(FROM_NOTHING); $(PY) -m helpers notebooks "$$lab"; rm -rf "$$runs"; done

.PHONY: pictures
pictures: $(INSTALLED)  ## Draw docs/pictures/ again
	$(PY) -m helpers.views.pictures

.PHONY: data
data: $(INSTALLED)  ## Make all of data/ again (takes many minutes; ends in the same bytes)
	$(PY) -m helpers data

.PHONY: format
format: $(INSTALLED)  ## Format all code and notebooks, and mend what ruff can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: clean
clean:  ## Delete caches and the set-up (.venv); what you made in runs/ and work/ stays
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . \( -path ./runs -o -path ./work \) -prune \
	  -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------------------------- set-up

.PHONY: setup
setup: $(INSTALLED)  ## Only install, into .venv

.PHONY: wheelhouse
wheelhouse: $(INSTALLED)  ## Download all wheels into wheelhouse/, for set-ups with no network (ARGS="--system windows")
	@$(PY) -m helpers.classroom.wheelhouse $(if $(CPU),--cpu) $(ARGS)

# The stamp is written last and holds the project's place: an interrupted set-up, new pins or a moved folder
# make it run again.
ifneq ($(shell cat $(INSTALLED) 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif

FAILED = echo "error: the set-up did not end; pip says why, above. No network: run this again when there is one, and it" \
         "goes on from there, or see WHEELHOUSE in docs/class.md. Disk full: it takes 2.5 GB, with CUDA several more." >&2; exit 1

$(INSTALLED): pyproject.toml constraints.txt
	@[ -w . ] || { echo "error: nothing can be written in $$PWD: clone the repository into a folder of yours" >&2; exit 1; }
	@rm -f $@
	@if ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  for python in $(PYTHON) python3.11 python3 python3.12 python3.13; do \
	    if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	      found="$$python"; break; \
	    fi; \
	  done; \
	  if [ -z "$${found:-}" ]; then \
	    echo "error: no Python 3.11, 3.12 or 3.13 found. Install one (https://www.python.org/downloads/," >&2; \
	    echo "or: sudo apt install python3.11-venv), or name yours: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; \
	    exit 1; \
	  fi; \
	  echo "Making .venv with $$("$$found" --version) ..."; \
	  if ! "$$found" -m venv .venv && ! "$$found" -m venv --clear .venv; then \
	    rm -rf .venv; \
	    echo "error: $$found cannot make virtual environments (Debian, Ubuntu: sudo apt install python3-venv)" >&2; \
	    exit 1; \
	  fi; \
	fi
	@for info in .venv/lib/python*/site-packages/*.dist-info; do \
	  [ -e "$$info/INSTALLER" ] || rm -rf "$$info"; \
	done  # a package whose installation was killed: pip would take it for whole
	@echo "Setting up .venv, once: some minutes, as the network is; interrupted, it goes on from where it was."
	@echo "1 of 2: $(TORCH), the largest part ..."
	@$(PIP_INSTALL) '$(TORCH)' || { $(FAILED); }
	@echo "2 of 2: about 140 more packages ..."
	@$(PIP_INSTALL) --editable '.[test]' || { $(FAILED); }
	@mkdir -p .venv/etc/jupyter/labconfig  # JupyterLab's news would call home (for `jupyter lab labs`)
	@echo '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}' \
	  > .venv/etc/jupyter/labconfig/page_config.json
	@pwd -P > $@  # not '$(CURDIR)': the path may hold a quotation mark
	@echo "Set up. What is next starts at once from now on."
