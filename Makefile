# Two commands: `make demo` and `make test`. Each sets up all that it needs.

PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.installed
OTHERS := .works-with
GPU := .gpu

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all works-with gpu bench lint format lock site clean

help:
	@echo "make demo      install, show what padding does, train a small padding sweep, write a report (no GPU, data or account)"
	@echo "make test      install, lint, and run the tests"
	@echo "make test-all  the slow tests too"
	@echo "make works-with  only the tests with models of other packages, installed into $(OTHERS)"
	@echo "make gpu       on a machine with a CUDA GPU: its tests, speed and CIFAR-10, in 25 minutes, into runs/gpu"
	@echo "make bench     the tables of docs/speed.md on this CPU, in at most 30 minutes, into runs/bench"
	@echo "make install   only create $(VENV) from requirements.lock"
	@echo "make format    let ruff rewrite the code's layout"
	@echo "make lock      resolve pyproject.toml anew and rewrite requirements.lock"
	@echo "make site      the documentation as a site, in site/"
	@echo "make clean     remove $(VENV), $(OTHERS) and $(GPU); runs/ and data/ stay"

$(READY): requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not on PATH; install Python 3.11 or say make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check --no-deps --requirement requirements.lock
	@touch $(READY)

install: $(READY)

DEMO_SCHEMES := zero partial reflect replicate circular mean

demo: $(READY)
	@$(RUN) -m datamodules.samples.imagenet
	@$(RUN) main.py location --schemes zero partial reflect circular valid full --seeds 2 --output runs/demo/location
	@$(RUN) main.py geometry resnet18 --schemes $(DEMO_SCHEMES) --sizes 128 --output runs/demo/geometry
	@$(RUN) main.py border-error resnet18 --schemes $(DEMO_SCHEMES) --images data/sample_imagenet/val --count 40 --size 64 --output runs/demo/border-error
	@WANDB_MODE=offline $(RUN) main.py sweep sweeps/demo.yaml
	@$(RUN) main.py report runs/demo --complete
	@echo
	@echo "Next, with the environment active (. $(VENV)/bin/activate):"
	@echo "  wandb leet runs/demo/*-seed0-*/wandb        the same curves in the terminal"
	@echo "  python main.py validate --help              a checkpoint under another padding scheme (README: Cross test)"
	@echo "  sweeps/cifar10_laptop.yaml                  four schemes, two networks on real images (docs/data.md says how to get them)"
	@echo "Open the report: $(CURDIR)/runs/demo/report/report.html"

# Beside each other: mypy has one core's work.
test: $(READY)
	@$(MAKE) --no-print-directory -j 2 lint works-with
	$(RUN) -m pytest -n 2 --dist worksteal -m "not slow"

test-all: lint works-with
	PYTHONPATH=$(OTHERS) $(RUN) -m pytest -n 2 --dist worksteal -m slow tests/padding/works_with
	$(RUN) -m pytest -n 2 --dist worksteal

$(OTHERS)/.installed: requirements-works-with.lock | $(READY)
	$(RUN) -m pip install --disable-pip-version-check --quiet --no-deps --upgrade --target $(OTHERS) --requirement requirements-works-with.lock
	@touch $(OTHERS)/.installed

works-with: $(OTHERS)/.installed
	PYTHONPATH=$(OTHERS) $(RUN) -m pytest -n 2 -m "not slow" tests/padding/works_with

# With the torch and torchvision of $(PYTHON) where it has them (2.6 or later), else with those of requirements.lock.
$(GPU)/.installed: requirements.lock
	@test -x $(GPU)/bin/python || $(PYTHON) -m venv --system-site-packages $(GPU)
	@if $(GPU)/bin/python -c "import torch, torchvision" 2>/dev/null; \
		then grep -vE '^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z-]+)==' requirements.lock; \
		else cat requirements.lock; fi > $(GPU)/requirements.txt
	$(GPU)/bin/python -m pip install --disable-pip-version-check --no-deps --requirement $(GPU)/requirements.txt
	@touch $(GPU)/.installed

gpu: $(GPU)/.installed
	$(GPU)/bin/python -m benchmarks.gpu --minutes 25 --output runs/gpu

bench: $(READY)
	OMP_NUM_THREADS=1 $(RUN) -m benchmarks --minutes 30 --output runs/bench

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: $(READY)
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build

lock:
	sh scripts/lock.sh $(PYTHON)

clean:
	rm -rf $(VENV) $(OTHERS) $(GPU)
