# Floorwalker: `make help` lists the targets.

PORT ?= 8080
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable
SAY_COMPILED = $(BIN)/python -c 'from service.compiled import search_path; \
	print("The domain is compiled." if search_path() else "The domain is not compiled (no C compiler?): it runs as Python, slower.")'
# only a SECONDS given on the command line counts: shells have a variable of that name, too
DEMO_SECONDS := $(if $(filter command line,$(origin SECONDS)),--seconds $(SECONDS))
# these wait for brokers more than they compute, each with an embedded one of its own: a file beside another
WAITING := $(wildcard tests/integration)
# Apache Kafka and browsers want the machine for themselves: these run one after the other
SERIAL := $(wildcard tests/kafka tests/browser)

.DEFAULT_GOAL := help
.PHONY: help install compiled demo test test-quick test-plain test-long crash lint bench mutation alert-figures january-alerts scrape-figures load fuzz dashboards grafana-schema screenshots topology kafka-jars lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Create .venv with the command .venv/bin/floorwalker

compiled: $(VENV)/.installed ## Compile the hot part of the domain anew, after its sources have changed (needs a C compiler)
	$(PIP_INSTALL) . --no-deps
	@$(SAY_COMPILED)

demo: $(VENV)/.installed-embedded ## Run broker, worker, API and a simulated floor until Ctrl-C [PORT=8080] [SECONDS=60]
	@exec $(BIN)/floorwalker demo --port $(PORT) $(DEMO_SECONDS)

topology: $(VENV)/.installed-dev ## Run all of deploy/compose.yaml without containers until Ctrl-C
	@exec $(BIN)/python -m deploy.topology $(DEMO_SECONDS)

test: lint test-quick test-plain ## Check style, types and imports, then run all tests: quick ones, then those with brokers
	$(BIN)/python -m pytest -n 2 --dist loadfile $(WAITING)
	$(BIN)/python -m pytest $(SERIAL)

test-quick: $(VENV)/.installed-dev compiled ## Run the tests that need neither broker nor browser
	$(BIN)/python -m pytest -n 2 $(addprefix --ignore=,$(WAITING) $(SERIAL)) tests

test-plain: $(VENV)/.installed-dev ## Run the tests of the domain as Python, not compiled
	FLOORWALKER_COMPILED=0 $(BIN)/python -m pytest -n 2 tests/unit/domain tests/property tests/pitfalls tests/golden

test-long: $(VENV)/.installed-dev ## Try the laws on a hundred times as many logs, others every time (an hour or two)
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -n 2 tests/property

load: $(VENV)/.installed-dev ## Measure overload, a large recovery and a simulated week on Apache Kafka: some minutes
	$(BIN)/python -m pytest -m load -s tests

fuzz: $(VENV)/.installed-fuzz ## Let atheris look for input that decoders fail on [SECONDS=60] [TARGETS="event state"]
	$(BIN)/python -m tests.fuzz.run $(or $(if $(filter command line,$(origin SECONDS)),$(SECONDS)),60) $(TARGETS)

crash: $(VENV)/.installed-dev ## Run the long tests of failures and print their table: some minutes
	$(BIN)/python -m pytest -m crash -s tests

lint: $(VENV)/.installed-dev ## Check style, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev compiled ## Measure throughput, latency, scrape and query on this machine
	@exec $(BIN)/floorwalker bench

mutation: $(VENV)/.installed-dev ## Put faults into the domain one by one and see whether its tests notice [MODULES="kpis view:120"]
	FLOORWALKER_COMPILED=0 $(BIN)/python -m tests.mutation.run $(MODULES)

alert-figures: $(VENV)/.installed-dev ## Judge the shipped alert rules on labelled simulated days (two at a time, half a minute each) [DAYS=200] [SEED=1000] [KEEP=FOLDER]
	$(BIN)/python -m tests.evaluation.alerts $(or $(DAYS),200) $(or $(SEED),1000) $(KEEP)

january-alerts: $(VENV)/.installed-dev ## Play a month of a real centre and judge each alert by its records (a quarter of an hour) FOLDER=...
	$(BIN)/python -m tests.evaluation.january $(FOLDER)

scrape-figures: $(VENV)/.installed-dev ## Measure /metrics of 5,000 queues and 10,000 agents
	$(BIN)/python -m tests.evaluation.scrape

dashboards: $(VENV)/.installed-dev ## Write the Grafana dashboards from the KPI registry
	$(BIN)/python -m grafana.build

grafana-schema: $(VENV)/.installed-dev ## Make the schema that the dashboards are tested by from Grafana's types (needs npm)
	$(BIN)/python -m tests.grafana.make_schema

screenshots: $(VENV)/.installed-dev ## Take the pictures of the README from a running demo (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots

kafka-jars: $(VENV)/.installed-dev ## Have Maven fetch the jars of Apache Kafka for the tests (needs Java 17 and Maven)
	$(BIN)/python -m deploy.topology.apache_kafka

lock: $(VENV)/.installed-dev ## Bring requirements.lock up to date with pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra embedded --extra dev --extra fuzz --universal --python-version 3.11 --quiet \
		--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
		--output-file requirements.lock

clean: ## Remove everything that was made here
	rm -rf $(VENV) build dist *.egg-info service/domain/_compiled deploy/kafka/target bench-results fuzz-found
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find service streams api grafana floorwalker_client tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: a target is installed anew only when what is declared or locked has changed. The install is editable, so
# changed sources need none: what was compiled of older ones is not used (service/compiled.py).
$(VENV)/bin/python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Floorwalker needs Python 3.11" \
		"or newer, and $(or $(PYTHON),python3) is: $$($(or $(PYTHON),python3) --version 2>/dev/null || echo missing): install one," \
		"or name it with make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP_INSTALL) .
	@$(SAY_COMPILED)
	@touch $@

$(VENV)/.installed-embedded: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP_INSTALL) '.[embedded]'
	@$(SAY_COMPILED)
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP_INSTALL) '.[embedded,dev]'
	@$(SAY_COMPILED)
	@touch $@ $(VENV)/.installed-embedded $(VENV)/.installed

$(VENV)/.installed-fuzz: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP_INSTALL) '.[embedded,dev,fuzz]'
	@$(SAY_COMPILED)
	@touch $@ $(VENV)/.installed-dev $(VENV)/.installed-embedded $(VENV)/.installed
