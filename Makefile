# Everything a newcomer runs, from a fresh clone with Python 3.11, pip and make. The same commands run in CI.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
IN_VENV := $(VENV)/bin/python
# Debian keeps ensurepip in a package of its own; where the virtual environment came without pip, the machine's pip fills it.
PIP = $$($(IN_VENV) -m pip --version >/dev/null 2>&1 && echo "$(IN_VENV) -m pip" || echo "$(PYTHON) -m pip --python $(IN_VENV)")
INSTALL = $(PIP) --disable-pip-version-check install --quiet --require-hashes
# Editable, from what the lock has already installed: no network, nothing unpinned.
INSTALL_PACELINE = $(PIP) --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .

RUNNABLE := $(VENV)/.runnable
TESTABLE := $(VENV)/.testable

PACELINE_ENV ?= development
WORKERS_OF_TESTS ?= 2
# Servers are real and machines are shared: one may be held up for longer than a test has patience. What fails has a
# second try, and is named at the end as RERUN, for somebody to find out why.
SECOND_TRY := --reruns 1 --reruns-delay 2 -r fER
SUITE ?= socket
SECONDS ?= 60
PORT_OF_CONFORMANCE = $(or $(PORT),3000)

.PHONY: help run test unit journeys ledger programs fuzz schemathesis java lint format bench generate conformance-server lock clean
.DEFAULT_GOAL := help

help:
	@echo "make run        the gateway, its page and a demo fleet on http://127.0.0.1:8080 (PORT=... for another)"
	@echo "make test       every test: unit tests, then journeys with real clients, servers and a browser"
	@echo "make unit       the unit tests alone"
	@echo "make journeys   the journeys alone"
	@echo "make fuzz       let strangers in for a minute (SECONDS=... for longer, SEED=... to repeat a run)"
	@echo "make schemathesis  ask the REST side for everything that it describes (REQUESTS=10000 SEED=1)"
	@echo "make ledger     break everything for SEED=1 MINUTES=5 RUNS=1, and prove that nothing was lost"
	@echo "make java       run the official Java client through two gaps (needs a JDK and Maven)"
	@echo "make lint       formatting, rules, types and the arrows between packages"
	@echo "make format     let the tools format and fix what they can"
	@echo "make bench      measure on this machine"
	@echo "make generate   write the documents that follow from protocol/"
	@echo "make conformance-server SUITE=engine|socket PORT=3000"
	@echo "                the server that the official conformance suites run against"
	@echo "make lock       resolve the dependencies anew"
	@echo "make clean      remove what the above has made"

# ---- what is installed ----------------------------------------------------------------------------

$(IN_VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Paceline needs Python 3.11 or newer, and '$(PYTHON)' is not. Try: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)

$(RUNNABLE): requirements.lock requirements-build.lock pyproject.toml | $(IN_VENV)
	@echo "Installing Paceline into $(VENV) ..."
	@$(INSTALL) -r requirements.lock -r requirements-build.lock
	@$(INSTALL_PACELINE)
	@touch $@

$(TESTABLE): requirements-dev.lock $(RUNNABLE)
	@echo "Installing what the tests need into $(VENV) ..."
	@$(INSTALL) -r requirements-dev.lock
	@touch $@

# Node, databases, balancers and Chromium: found on the machine, else fetched; the page: built. Quick when all is there.
programs: $(TESTABLE)
	@$(IN_VENV) -m tests.toolbox.install

# ---- what is run ----------------------------------------------------------------------------------

run: $(RUNNABLE)
	@$(IN_VENV) -m gateway.web.building --if-possible
	@PACELINE_ENV=$(PACELINE_ENV) exec $(VENV)/bin/paceline serve --demo

test: unit journeys

unit: programs
	$(IN_VENV) -m pytest -m "not journey" -n $(WORKERS_OF_TESTS) $(SECOND_TRY) $(ARGS)

# One after the other: a journey measures time and kills servers, and its neighbours would notice.
journeys: programs
	$(IN_VENV) -m pytest -m journey $(SECOND_TRY) $(ARGS)

# Atheris sees which lines an input reaches; there is no wheel of it for every Python and machine.
fuzz: programs
	@$(INSTALL) -r tests/fuzz/atheris.lock 2>/dev/null || echo "No Atheris for this Python: seeded damage alone."
	@$(IN_VENV) -m tests.fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# Every operation of the OpenAPI document, as every caller, until there were so many requests.
schemathesis: programs
	@$(IN_VENV) -m tests.openapi --requests $(or $(REQUESTS),10000) --seed $(or $(SEED),1)

# Faults at random times, from a seed; what members and publishers saw is judged, and told in tables.
ledger: programs
	@$(IN_VENV) -m tests.journeys.ledger --seed $(or $(SEED),1) --minutes $(or $(MINUTES),5) --runs $(or $(RUNS),1)

# The official Java client, which no test can count on: it needs a JDK, Maven, and a repository to fetch from.
java: programs
	@$(IN_VENV) -m tests.toolbox.java_client

lint: $(TESTABLE)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(TESTABLE)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(RUNNABLE)
	$(IN_VENV) -m loadtest bench

generate: $(TESTABLE)
	$(IN_VENV) -m protocol.generate

conformance-server: $(TESTABLE)
	@exec $(IN_VENV) -m tests.conformance.server --suite $(SUITE) --port $(PORT_OF_CONFORMANCE)

# uv resolves for every platform at once; pip installs. The files name no package index.
UV = $(VENV)/bin/uv
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --universal --generate-hashes \
	--python-version 3.11 --no-emit-index-url $(UPGRADE)
lock: $(IN_VENV)
	@$(PIP) --disable-pip-version-check install --quiet uv
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group build -c requirements.lock -o requirements-build.lock
	$(COMPILE) pyproject.toml --extra otel --group build --group dev -c requirements.lock -c requirements-build.lock -o requirements-dev.lock
	$(COMPILE) --group node -o gateway/web/node.lock
	$(COMPILE) --group redis --no-deps -o tests/toolbox/redis.lock
	$(COMPILE) --group fastapi -o loadtest/peers/fastapi/requirements.lock
	$(COMPILE) --group fuzz --no-deps -o tests/fuzz/atheris.lock

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist reports \
		tests/clients/node_modules node_modules gateway/web/built protocol/typescript/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
