# Every target sets .venv up first, from requirements/dev.txt; the second time that costs nothing.

# Choose on the command line, not in the environment: make export MODEL=my.keras OUT=bundle ARGS="--seed 7"
MODEL =
OUT = artifacts
ARGS =
# The Python that .venv is made with; empty: the first of python3, python3.13, python3.12 and python3.11 that suits.
PYTHON ?=

BIN := .venv/bin
READY := .venv/.ready

# Something else's packages must not come before the ones in .venv.
unexport PYTHONPATH PYTHONHOME

# Quotes a value for the shell.
quote = '$(subst ','\'',$(1))'

.DEFAULT_GOAL := help
.PHONY: help export verify test test-slow lint format types check zoo zoo-large bench lock clean FORCE

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1:/p' Makefile | awk -F: '{ printf "  make %-10s %s\n", $$1, substr($$0, length($$1) + 2) }'
	@echo
	@echo '  MODEL=my.keras or package.module:function   the model of `make export`; none: the XOR network'
	@echo '  OUT=directory                               the bundle of `make export` and `make verify`; none: artifacts'
	@echo '  ARGS="..."                                  more arguments for the program behind a target'
	@echo '  PYTHON=python3.12                           the Python that .venv is made with (3.11 to 3.13)'

export: $(READY) ## train (or load MODEL), check, export and verify, into OUT
	@$(BIN)/xorexport export $(if $(MODEL),$(call quote,$(MODEL))) -o $(call quote,$(OUT)) $(ARGS)

verify: $(READY) ## verify the bundle in OUT on every engine
	@$(BIN)/xorexport verify $(call quote,$(OUT)) $(ARGS)

test: $(READY) ## run the tests, but the slow ones, in two processes
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile $(ARGS)

test-slow: $(READY) ## run the slow tests (minutes)
	@$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(READY) ## check the code's style and the import boundary
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(READY) ## rewrite the code in that style
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types: $(READY) ## check the types
	@$(BIN)/python -m mypy

check: lint types test ## lint, types and test

zoo: $(READY) ## export and verify a zoo of models, each in a process of its own (ARGS="--help" says what else)
	@PYTHONPATH=tests $(BIN)/python -m zoo $(ARGS)

zoo-large: $(READY) ## export and verify a model of 2.5 GB (20 GB of memory, 15 GB of disk, minutes)
	@PYTHONPATH=tests $(BIN)/python -m zoo.large $(ARGS)

bench: $(READY) ## measure the speed, as ratios within one run
	@$(BIN)/python -m benchmarks $(ARGS)

# pyproject.toml and requirements/*.in are the sources. Locked versions stay unless ARGS=--upgrade. One version for
# every Python (`fewest`), so that all of them test the same.
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links
lock: $(READY) ## write requirements/*.txt again (ARGS=--upgrade for newer versions)
	@$(COMPILE) pyproject.toml --group dev requirements/tensorflow.in requirements/dev.in \
		--excludes requirements/excluded.in -o requirements/dev.txt $(ARGS)
	@$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/base.txt
	@echo uv | $(COMPILE) - -c requirements/dev.txt -o requirements/uv.txt

clean: ## remove .venv and caches; never a bundle
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A clone that was moved or copied, or a .venv whose Python is gone, is set up anew.
ifneq "$(shell test -x $(BIN)/python && cat $(READY) 2>/dev/null)" "$(CURDIR)"
$(READY): FORCE
endif
$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml tools/setup
	@PYTHON=$(call quote,$(PYTHON)) tools/setup
