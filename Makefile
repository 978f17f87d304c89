# Each target sets up what it needs in .venv, with Python 3.11 or 3.12 and the pinned packages of constraints/.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := .venv
SERVERLESS := .venv-serverless
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

.PHONY: help
help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 18

.PHONY: demo
demo: $(VENV)/.app ## swap the sample video: out/demo/demo.mp4 and a before/after picture
	$(BIN)/python -m ugclab demo --out out/demo

.PHONY: app
app: $(VENV)/.ui ## open the page on http://127.0.0.1:7860, with a worker of its own
	$(BIN)/python app.py

.PHONY: test
test: $(VENV)/.dev models ## the quick tests
	$(PYTEST) -m "not slow and not gpu and not network and not serverless" -rs

.PHONY: test-heavy
test-heavy: $(VENV)/.heavy models rclone ## the slow tests, and those that need a GPU where there is one
	$(PYTEST) -m "(slow or gpu) and not serverless" -rs
	$(MAKE) test-serverless

.PHONY: test-serverless
test-serverless: $(SERVERLESS)/.ready models rclone ## the tests of the door for Runpod, in .venv-serverless: gradio and runpod cannot share one
	$(SERVERLESS)/bin/python -m pytest --numprocesses logical --maxprocesses 4 --dist load -m serverless -rs tests/entrypoints/serverless

.PHONY: check
check: $(VENV)/.dev ## format, lint, types, and the quick tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

.PHONY: image-lint
image-lint: $(VENV)/.dev ## lint the Dockerfile and check what it names; no Docker is needed
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m pytest tests/test_images.py -rs

.PHONY: bench
bench: $(VENV)/.dev models ## measure stitching against a plain transcode
	mkdir -p out
	$(BIN)/python -m benchmarks.stitch --results out/stitch.json

SCENARIOS ?= segment-5s ugc-30s
ENGINE ?= mesh
REPEAT ?= 5
OUT := out/bench
.PHONY: bench-run
bench-run: $(VENV)/.dev models ## measure SCENARIOS with ENGINE, REPEAT times, into OUT
	$(BIN)/ugclab bench run $(SCENARIOS) --engine $(ENGINE) --repeat $(REPEAT) --out $(OUT)

BASE := benchmarks/results/bench-cpu.json
NEW := out/bench/bench.json
LIMIT := 10%
COMMENT := out/bench/comment.md
.PHONY: bench-compare
bench-compare: $(VENV)/.dev ## say whether NEW is slower than BASE by more than LIMIT; writes COMMENT
	$(BIN)/ugclab bench compare $(BASE) $(NEW) --max-regression $(LIMIT) --markdown $(COMMENT)

.PHONY: docs
docs: $(VENV)/.dev models ## write what is generated: docs/cli.md, the README's table and picture
	$(BIN)/python -m ugclab demo --out out/demo
	$(BIN)/python -m tests.test_docs

.PHONY: clean
clean: ## remove everything that was made here; model files in the cache stay
	rm -rf $(VENV) $(SERVERLESS) out build dist .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: models
models: $(VENV)/.dev
	@$(BIN)/python -m ugclab models pull --quiet || echo "the tests that need model files will skip, and say so"

.PHONY: rclone
rclone: $(VENV)/.dev
	@$(BIN)/python -m tests.storage.rclone || echo "the tests against a real S3 server will skip, and say so"

$(VENV)/.python:
	@for name in python3.11 python3.12 python3; do \
	  if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then found=$$name; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "Python 3.11 or 3.12 is needed: apt-get install python3.11 python3.11-venv" >&2; exit 1; \
	fi; \
	if ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
	  version=$$($$found -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "$$found cannot make environments: apt-get install python$$version-venv" >&2; exit 1; \
	fi; \
	rm -rf $(VENV); $$found -m venv $(VENV)
	@touch $@

$(VENV)/.app: $(VENV)/.python pyproject.toml constraints/app.txt
	$(PIP) --constraint constraints/app.txt --editable .
	@touch $@

$(VENV)/.ui: $(VENV)/.python pyproject.toml constraints/app.txt
	$(PIP) --constraint constraints/app.txt --editable '.[ui]'
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml constraints/dev.txt
	$(PIP) --constraint constraints/dev.txt --editable '.[dev,ui,sample,bench,quality,wan,inswapper,notebooks,airtable]'
	@touch $@

# torch and diffusers, for counting and timing Wan's work. PyPI's torch for Linux brings CUDA along, gigabytes of it: where
# there is no GPU, PIP_EXTRA_INDEX_URL with PyTorch's index of CPU builds spares that.
$(VENV)/.heavy: $(VENV)/.dev
	$(PIP) --constraint constraints/dev.txt --editable '.[calibrate,animate]'
	@touch $@

# Every package is named in constraints/serverless.txt, those of the tests too: nothing is left to resolve, which takes a minute.
$(SERVERLESS)/.ready: $(VENV)/.python pyproject.toml constraints/serverless.txt
	rm -rf $(SERVERLESS); $(BIN)/python -m venv $(SERVERLESS)
	$(SERVERLESS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement constraints/serverless.txt
	$(SERVERLESS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(SERVERLESS)/bin/python -m pip check --quiet
	@touch $@
