# MOROCCO. `make bench` and `make test` set up everything they need; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUITE ?= config/config.yaml
CORES ?= 1
# Another data root than the suite names: make bench DATA=path/to/russian-superglue
DATA ?=
RESULTS = $(shell $(BIN)/python scripts/results_folder.py $(SUITE))
SNAKEMAKE = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES) --configfile $(SUITE) $(if $(DATA),--config "data={root: $(DATA)}")

.PHONY: help bench test test-slurm test-cgroup2 soak retry report data submission images publish lint format env env-dev engine clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15
	@echo "SUITE=config/other.yaml measures another suite than $(SUITE)"

bench: env engine ## measure the suite and print its leaderboard
	@$(SNAKEMAKE) --quiet all
	@$(BIN)/python scripts/show_board.py $(RESULTS)

retry: env engine ## measure again what is recorded as invalid
	@$(BIN)/morocco retry $(RESULTS)
	@$(MAKE) --no-print-directory bench

report: env ## one zip with every chart, table, caption and the workflow's provenance
	@$(SNAKEMAKE) --report $(RESULTS)/report.zip
	@echo "report: $(RESULTS)/report.zip (unpack, open report.html)"

data: env ## fetch and verify the official archive into data/official
	@$(BIN)/python scripts/fetch_data.py --config $(SUITE)

submission: env ## pack MODEL's runs as a submission: make submission MODEL=tfidf
	@test -n "$(MODEL)" || { echo "say which: make submission MODEL=<name>"; exit 2; }
	@$(BIN)/morocco submission $(RESULTS) --model $(MODEL) --config $(SUITE) \
		--out $(RESULTS)/submission-$(MODEL).zip

images: env engine ## build and describe all model images
	@$(SNAKEMAKE) --quiet all -- $(RESULTS)/images/ready

publish: env engine ## push every task image to the suite's registry
	@$(SNAKEMAKE) --quiet all -- publish

test: env-dev engine ## every test, those with a real engine and browser too
	@scripts/test-tools.sh
	$(BIN)/python -m pytest -q -m "not engine and not workflow and not browser and not soak and not slurm" -n 2
	$(BIN)/python -m pytest -q -m "(engine or workflow or browser) and not soak and not slurm" \
		--reruns 2 # they strike at random moments and measure: a busy machine may spoil one

test-slurm: env-dev engine ## a campaign through a real Slurm of two nodes on this machine
	@scripts/slurm-install.sh
	$(BIN)/python -m pytest -q -m slurm tests/slurm --reruns 1

test-cgroup2: env-dev ## totals, failures and attacks in a guest with control groups v2 (root; QEMU)
	scripts/cgroup2-guest.sh

soak: env-dev engine ## fifty kills, then the 540-run campaign with kills injected (an hour)
	$(BIN)/python -m pytest -q -m soak --timeout 3600
	$(BIN)/python -m benchmarks.campaign

lint: env-dev ## format, lint, types, workflow lint, dry-runs of every config
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint
	for suite in config/*.yaml; do $(BIN)/snakemake -n -q --configfile $$suite > /dev/null || exit 1; done

format: env-dev ## format everything
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile workflow/rules

env: $(VENV)/runtime.stamp
env-dev: $(VENV)/dev.stamp

$(VENV)/bin/python:
	@PYTHON=$(PYTHON) scripts/make_venv.sh $(VENV)

$(VENV)/runtime.stamp: envs/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "setting up the environment (about a minute)"
	@$(BIN)/pip install -q --require-hashes --no-deps -r envs/runtime.txt
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/dev.stamp: envs/dev.txt $(VENV)/runtime.stamp
	@$(BIN)/pip install -q --require-hashes --no-deps -r envs/dev.txt
	@touch $@

engine: ## make sure that a container engine answers
	@scripts/engine.sh

clean: ## remove the environment and Snakemake's notes; results stay
	rm -rf $(VENV) .snakemake
