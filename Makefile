# The commands of the project. Each makes the environment it needs; nothing else has to be installed first.

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
MLFLOW := .venv-mlflow
ARM64 := .venv-arm64
AIRFLOW := .venv-airflow
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PACKAGES := shared_features edge_agent ground

# The demo: `make demo`, or on recordings of your own `make demo DATA=folder SET=dataset`. BROKER=mosquitto uses that one.
DATA ?=
SET ?=
BROKER ?= iotcore

# UPDATE=1 with bench-instructions stores new counts.
UPDATE ?=

# The benchmarks: quick ones by default; `make bench BENCH=` runs them at full length (10,000 windows, ten minutes).
BENCH ?= --quick

# The recordings and the length of bench-detection: DATA as above, DETECTION=--quick for a minute instead of minutes.
DETECTION ?=

# bench-latency and bench-footprint run at full length; LONG=--quick shortens them.
LONG ?=

# Seconds of each fuzzer of `make fuzz`; there are fifteen.
FUZZ ?= 45

# Seconds of the soak; nights are longer.
SOAK ?= 1800

# Tests run side by side on that many cores.
WORKERS ?= auto

# What machines `make deb` builds for: amd64 or arm64.
ARCH ?= amd64

.DEFAULT_GOAL := help
# Whatever the list below shows is a command, also where a folder has its name.
.PHONY: $(shell sed -nE 's/^([a-z][a-z0-9-]*):.*[#][#].*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## This list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "expected Python 3.11 or later; pass PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

# torch goes in first and alone, so that nothing else asks for another build of it.
$(VENV)/.ground: $(VENV)/.made constraints.txt $(PACKAGES:%=%/pyproject.toml)
	@echo "installing the ground and its libraries into $(VENV) (once; a few minutes)"
	$(PIP) install -c constraints.txt torch==2.13.0
	$(PIP) install -c constraints.txt setuptools wheel
	$(PIP) install -c constraints.txt --no-build-isolation -e shared_features -e 'edge_agent[ota]' -e 'ground[demo,console]'
	touch $@

$(VENV)/.dev: $(VENV)/.ground requirements-dev.txt
	$(PIP) install -c constraints.txt -r requirements-dev.txt
	touch $@

# The libraries that we are compared with, apart from ours: they need packages that nothing here should find.
$(PEERS)/.made: constraints.txt requirements-peers.txt
	@echo "installing the peers into $(PEERS) (once; a minute)"
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check --quiet install -c constraints.txt -r requirements-peers.txt
	touch $@

setup: $(VENV)/.dev ## Make .venv with everything for development

demo: $(VENV)/.ground ## Recordings -> detector -> signed bundle -> agent on a real broker -> alerts
	$(BIN)/ground demo --data '$(DATA)' --set '$(SET)' --broker $(BROKER)

test: $(VENV)/.dev ## The whole test suite: first what must be alone on the machine, then the rest on WORKERS cores
	$(BIN)/python -m pytest -m alone $$(grep -rlF pytest.mark.alone tests)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not alone' -n $(WORKERS) --dist loadfile

# A server of MLflow, apart from ours: it brings much that nothing here needs.
$(MLFLOW)/.made: requirements-mlflow.txt
	@echo "installing the server of MLflow into $(MLFLOW) (once; a minute)"
	$(PYTHON) -m venv $(MLFLOW)
	$(MLFLOW)/bin/python -m pip --disable-pip-version-check --quiet install -r requirements-mlflow.txt
	touch $@

test-registry-server: $(VENV)/.dev $(MLFLOW)/.made ## The registry on a real MLflow server
	MLFLOW_SERVER=$(CURDIR)/$(MLFLOW)/bin/mlflow $(BIN)/python -m pytest tests/ground/fleet/test_registry_server.py

TREE := .cache/bookworm.tar.zst
$(TREE): tests/systemd/make_tree.sh
	tests/systemd/make_tree.sh $@

test-systemd: $(VENV)/.dev $(TREE) ## The package by its page on a booted Debian (root, or sudo without a password; minutes)
	SYSTEMD_TREE=$(CURDIR)/$(TREE) $(BIN)/python -m pytest tests/systemd

BARE := .cache/bare.tar.zst
$(BARE): tests/bare/make_tree.sh
	tests/bare/make_tree.sh $@

test-bare: $(VENV)/.made $(BARE) ## The README, to the letter, on a bare Debian (root; ten minutes)
	$(BIN)/python tests/bare/follow.py $(BARE)

test-docs: $(VENV)/.dev ## The commands of the tutorial and the how-to pages, as a reader types them (minutes)
	DOCS=full $(BIN)/python -m pytest tests/docs

test-faults: $(VENV)/.dev ## The fault tests in their long forms (minutes; root for network namespaces)
	FAULTS=full $(BIN)/python -m pytest tests/faults

$(VENV)/.notebook: $(VENV)/.dev
	$(PIP) install -c constraints.txt --no-build-isolation -e 'ground[notebook]'
	touch $@

# A library that is not ours, as host and as gateway; it needs paho-mqtt 1, so it has an environment of its own.
.venv-sparkplug/.made: $(VENV)/.made
	$(PYTHON) -m venv .venv-sparkplug
	.venv-sparkplug/bin/python -m pip --disable-pip-version-check --quiet install pysparkplug==0.6.1 protobuf==7.36.2 paho-mqtt==1.6.1
	touch $@

test-notebook: $(VENV)/.notebook ## The tutorial's notebook, executed (a minute)
	NOTEBOOK=full $(BIN)/python -m pytest tests/ground/test_notebook.py

test-interop: $(VENV)/.dev .venv-sparkplug/.made ## Beside other programs: pysparkplug, MLflow's server
	INTEROP=full SPARKPLUG_PEER=$(CURDIR)/.venv-sparkplug/bin/python $(BIN)/python -m pytest tests/ground/bridge tests/ground/scoring

test-console: $(VENV)/.dev ## Every page of the console in Chromium, photographed for the docs (minutes; needs chromium)
	CONSOLE=full SCREENS=docs/img/console $(BIN)/python -m pytest tests/console

pictures: test-console ## The README's pictures of the console, of what test-console photographed
	$(BIN)/python packaging/shrink_pictures.py

test-loop: $(VENV)/.dev ## Drift, retraining, shadow, promotion, update: the whole loop with real parts (minutes)
	LOOP=full $(BIN)/python -m pytest -s tests/e2e/test_loop.py

$(AIRFLOW)/.made: packaging/airflow/constraints.txt
	$(PYTHON) -m venv $(AIRFLOW)
	$(AIRFLOW)/bin/python -m pip --disable-pip-version-check --quiet install -r packaging/airflow/constraints.txt
	touch $@

test-airflow: $(VENV)/.dev $(AIRFLOW)/.made ## The same, with the packaged DAG in a real Airflow for its middle
	LOOP=full AIRFLOW=$(CURDIR)/$(AIRFLOW)/bin/airflow $(BIN)/python -m pytest -s tests/e2e/test_airflow.py tests/e2e/test_loop.py

test-benchmarks: $(VENV)/.dev ## The benchmarks that CI does not run, each in its smallest form (minutes)
	BENCHMARKS=full $(BIN)/python -m pytest tests/e2e/test_benchmarks.py tests/e2e/test_benchmarks_features.py

fuzz: $(VENV)/.dev ## Every byte of a bundle flipped; every reader fuzzed beside a second verifier (FUZZ=seconds each)
	FLIPS=every $(BIN)/python -m pytest tests/security/test_bundle_members.py -k flips_anywhere
	$(BIN)/python -m tests.security.fuzz.campaign all --seconds $(FUZZ)

.venv-numpy-%/.made: $(VENV)/.made
	$(BIN)/python -m venv .venv-numpy-$*
	touch $@

test-numpy: $(VENV)/.dev .venv-numpy-2.3/.made .venv-numpy-newest/.made ## The same feature bits under numpy 2.3 and the newest
	.venv-numpy-2.3/bin/python -m pip --disable-pip-version-check --quiet install 'numpy==2.3.*'
	.venv-numpy-newest/bin/python -m pip --disable-pip-version-check --quiet install --upgrade numpy
	$(BIN)/python -m tests.determinism.elsewhere .venv-numpy-2.3/bin/python .venv-numpy-newest/bin/python

$(ARM64)/.made: packaging/arm64_root.sh packaging/edge.lock | $(VENV)/.dev
	packaging/arm64_root.sh $(ARM64) $(BIN)/python
	touch $@

test-arm64: $(ARM64)/.made ## The same feature bits on emulated arm64 (needs root or sudo, once, for debootstrap)
	$(BIN)/python -m tests.determinism.elsewhere $(ARM64)/python
	$(BIN)/python -m tests.determinism.agent_elsewhere $(ARM64)/python

lint: $(VENV)/.dev ## Style and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(VENV)/.dev ## Static types, strict
	$(BIN)/mypy

bench: $(VENV)/.dev ## Latency and throughput, printed and written to benchmarks/out
	$(BIN)/python -m benchmarks.throughput $(BENCH)
	$(BIN)/python -m benchmarks.latency $(BENCH)

bench-journal: $(VENV)/.dev ## The journal beside sqlite: wear, latency, loss, damage (root counts at the device)
	$(BIN)/python -m benchmarks.journal $(BENCH)

bench-batch: $(VENV)/.dev ## Gate: batch on two cores, reading and writing, a dask cluster; BENCH= for minutes
	$(BIN)/python -m benchmarks.batch $(BENCH)

bench-collector: $(VENV)/.dev ## Results a second that a collector takes with one core; BENCH= for 200,000
	$(BIN)/python -m benchmarks.collector $(BENCH)

bench-fleet: $(VENV)/.dev ## 1,000 agents, one broker, two collectors; what 10,000 aircraft need (BENCH= for the thousand)
	$(BIN)/python -m benchmarks.fleet $(BENCH)

bench-console: $(VENV)/.dev ## Server time of the console's pages, with 10,000 alerts (BENCH= for more rounds)
	$(BIN)/python -m benchmarks.console $(BENCH)

bench-latency: $(VENV)/.dev ## Socket to result, paced (10,000 windows; LONG=--quick for two minutes)
	$(BIN)/python -m benchmarks.latency $(LONG)

.venv-edge/.made: $(VENV)/.dev packaging/edge.lock $(wildcard edge_agent/*.py shared_features/*.py)
	$(BIN)/python packaging/edge_venv.py .venv-edge
	touch $@

bench-footprint: .venv-edge/.made ## Memory, share of a core and cold start of the agent (ten minutes; LONG=--quick for one)
	$(BIN)/python -m benchmarks.footprint --python .venv-edge/bin/python $(LONG)

soak: .venv-edge/.made ## Half an hour at 20 windows/s: growth of memory, threads, descriptors (SOAK=seconds)
	$(BIN)/python -m benchmarks.footprint --python .venv-edge/bin/python --seconds $(SOAK)

bench-features: $(VENV)/.dev ## Cost and memory of feature extraction
	$(BIN)/python -m benchmarks.features $(BENCH)

bench-swap: .venv-edge/.made ## Hot swaps under load: windows lost, latency, memory, install (BENCH= for 100 of 2 MB and 10 of 40 MB)
	$(BIN)/python -m benchmarks.swap --python .venv-edge/bin/python $(BENCH)

bench-shadow: $(VENV)/.dev ## Gate: a shadow adds less than 1 ms to the 99th percentile; BENCH= for 10,000 windows
	$(BIN)/python -m benchmarks.shadow_turns $(BENCH)

bench-peers: $(PEERS)/.made ## The same features by other libraries, checked equal and timed
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(PEERS)/bin/python -m benchmarks.peers $(BENCH)

bench-cli: $(VENV)/.dev ## How long `ground --help` and `edge-agent --help` take, beside a Python that does nothing
	$(BIN)/python -m benchmarks.start_up $(BENCH)

bench-detection: $(VENV)/.dev ## False alarms and detection on recordings (DATA=../shared/data), beside peers
	$(BIN)/python -m benchmarks.detection --data '$(or $(DATA),../shared/data)' --out benchmarks/out/detection.json $(DETECTION)
bench-false-alarms: $(VENV)/.dev ## Gate: 500 simulated fleets against the promise of the threshold
	$(BIN)/python -m benchmarks.false_alarm_simulation --fleets 500

demo-femto: $(VENV)/.ground ## The demo on a public rig, where ../shared/data is
	$(if $(wildcard ../shared/data),$(BIN)/ground demo --data ../shared/data --set femto)

nightly: bench-false-alarms test-faults test-docs test-bare fuzz test-systemd test-loop test-benchmarks docs-console test-interop demo-femto ## What takes too long for every change

bench-plots: $(VENV)/.dev ## Draw docs/reference/img from benchmarks/out
	$(BIN)/python -m benchmarks.plots

bench-instructions: $(VENV)/.dev ## Gate: instructions of the features against the stored counts (UPDATE=1 stores new ones)
	$(BIN)/python -m benchmarks.instructions $(if $(UPDATE),--update)

docs: $(VENV)/.dev ## Build the documentation into site/, warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-console: test-console ## The same with the pictures of the console that test-console took; one that is missing is an error
	PICTURES=all NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

man: $(VENV)/.dev ## Renew the man pages in packaging/man
	$(BIN)/python packaging/make_man.py

reference: $(VENV)/.dev ## Renew what is made from code: docs/reference/cli.md and config.md, completion for bash
	$(BIN)/python packaging/make_reference.py

lock: $(VENV)/.dev ## Renew the edge's hash-locked requirements
	$(BIN)/uv pip compile packaging/edge.in -c constraints.txt --generate-hashes --no-header --universal \
		--python-version 3.11 -o packaging/edge.lock

wheels: $(VENV)/.dev ## Wheels of our packages in dist/, for a machine without the source tree
	$(BIN)/python packaging/make_wheels.py

deb: $(VENV)/.dev ## The Debian package of the agent, in dist/ (ARCH=arm64 for the other one)
	$(BIN)/python packaging/build_deb.py --arch $(ARCH)

clean-env-check: $(VENV)/.dev ## Install the edge wheels alone and show that nothing heavy came with them
	$(BIN)/python packaging/check_edge_alone.py

clean: ## Remove everything that was made
	rm -rf $(VENV) .venv-* demo dist site .cache benchmarks/out
