# `make serve` and `make test` need Python 3.11 or later and nothing else; what they install stays in .venv.
PYTHON ?= $(firstword $(foreach name,python3.14 python3.13 python3.12 python3.11 python3 python,$(shell $(name) -c "import sys; print('$(name)' if sys.version_info >= (3, 11) else '')" 2>/dev/null)))
BIN := .venv/bin

.PHONY: serve test lint types sdks peers vendor screenshots docs lowest bench bench-growth bench-detection clean

serve: .venv/serve.stamp
	@$(BIN)/qwenmock serve

test: lint types
	$(BIN)/python -m pytest -n auto --dist loadgroup

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/test.stamp
	$(BIN)/pyright

# The npm clients that tests/sdks runs; without them those tests are skipped.
sdks:
	cd tests/sdks && npm install --no-audit --no-fund --no-package-lock

# The oldest versions that pyproject.toml allows must do. Not every Python has wheels of them: the oldest one has.
lowest: .venv-lowest/stamp
	.venv-lowest/bin/python -m pytest -n auto --dist loadgroup tests/mockserver tests/pytest_plugin tests/schemas \
		tests/test_reliability.py tests/test_data_drives.py

.venv-lowest/stamp: pyproject.toml
	$(or $(shell command -v python3.11),$(PYTHON)) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	sed -n -e '/^dependencies/,/^]/s/.*"\([a-z0-9-]*\)>=\([0-9.]*\).*/\1==\2/p' \
		-e 's/^redis = .*>=\([0-9.]*\).*/redis==\1/p' pyproject.toml > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet --constraint .venv-lowest/constraints.txt --editable . --group dev
	@touch $@

# The README's two pictures.
screenshots: .venv/test.stamp
	$(BIN)/python docs/screenshots.py

docs: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --group docs
	$(BIN)/python -m mkdocs build --strict --quiet --site-dir build/site
	@echo "build/site/index.html"

# Other people's tools, which tests and benchmarks hold ours against; what needs one that is missing is left out.
peers: .venv-bench/bin/schemathesis
	cd benchmarks/peers && npm install --no-audit --no-fund --no-package-lock

# Beside the peers that npm and java allow; wrk is Debian's package of that name.
bench: .venv/test.stamp
	-$(MAKE) peers
	$(BIN)/python -m benchmarks

bench-growth: .venv/test.stamp
	$(BIN)/python -m benchmarks.growth

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

# Schemathesis has a virtual environment of its own: it is a peer, not a dependency.
bench-detection: .venv/test.stamp .venv-bench/bin/schemathesis
	$(BIN)/python -m benchmarks.detection

.venv-bench/bin/schemathesis: | .venv/bin/python
	$(BIN)/python -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --editable . "schemathesis>=4.32" mockserver-client pytest-asyncio pytest-base-url \
		pytest-playwright

clean:
	rm -rf .venv .venv-bench .venv-lowest build dist .pytest_cache .ruff_cache .hypothesis

# The three files that the pages are built on, from their npm packages; see mockserver/control/static/vendor/README.md.
VENDOR := mockserver/control/static/vendor
vendor:
	mkdir -p build/vendor && cd build/vendor && npm pack --silent preact@10.29.8 htm@3.1.1
	for package in preact-10.29.8 htm-3.1.1; do \
		mkdir -p build/vendor/$$package && tar -xzf build/vendor/$$package.tgz -C build/vendor/$$package; done
	sed '/sourceMappingURL/d' build/vendor/preact-*/package/dist/preact.module.js > $(VENDOR)/preact.js
	sed '/sourceMappingURL/d; s#from"preact"#from"./preact.js"#g' \
		build/vendor/preact-*/package/hooks/dist/hooks.module.js > $(VENDOR)/hooks.js
	sed '/sourceMappingURL/d' build/vendor/htm-*/package/dist/htm.module.js > $(VENDOR)/htm.js
