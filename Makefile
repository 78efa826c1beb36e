# Every command of this repository. Requires git, make and Python >= 3.10; the rest is installed from PyPI into this folder.
PYTHON ?= python3
UV ?= .uv/bin/uv
# Files are readable by their owner only, because Meltano writes settings and credentials to files while it runs.
# `exec`: SIGTERM to make reaches the program.
RUN = umask 077 && exec $(UV) run --no-sync

# Use the installed Python, never download one.
export UV_PYTHON_DOWNLOADS = never
export UV_PYTHON = $(PYTHON)
# Meltano starts in 1.0 s instead of 2.4 s on machines that write no bytecode. Not a setting of pyproject.toml, because
# each `uv run` would compile and report it.
export UV_COMPILE_BYTECODE = 1

TAPS = $(patsubst %/pyproject.toml,%,$(wildcard tap-*/pyproject.toml))

.DEFAULT_GOAL := help
.PHONY: help setup env own environment plugins loaders stand-ins demo tables query transform report dbt-docs orchestration orchestrate sync backfill \
  orchestration-machines orchestration-test-environment orchestration-lint orchestration-test screenshots check test test-all lint format \
  generate new-tap types unit meltano-test extended pythons reliability benchmarks pins clean \
  changed dependencies checks workflows site-environment site site-serve audit release image

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: environment plugins ## install the environment, the taps and the embedded loader

env: ## create .env for your settings from .env.example, readable by you only
	@if [ -e .env ] || [ -L .env ]; then \
	  echo ".env is there already and left as it is; .env.example lists what can be set."; \
	  case "$$(ls -ldL .env)" in ????------*) ;; *) echo "Other users of this machine can read it: chmod 600 .env";; esac; \
	else \
	  umask 077 && cp .env.example .env && \
	  echo "Made .env, which nobody else can read. Fill in the credentials and the first day of the vendors that you use," && \
	  echo "then: .venv/bin/meltano run tap-ispot target-duckdb (after make setup)"; \
	fi

own: ## create own.meltano.yml for your own streams, reports and settings, which git pull never touches
	@if [ -e own.meltano.yml ]; then echo "own.meltano.yml is there already and left as it is."; else \
	  umask 077 && cp own.meltano.example.yml own.meltano.yml && echo "Made own.meltano.yml, the environment \`own\`."; fi
	@if grep -qs '^MELTANO_DEFAULT_ENVIRONMENT=' .env; then grep '^MELTANO_DEFAULT_ENVIRONMENT=' .env; else \
	  umask 077 && printf '\nMELTANO_DEFAULT_ENVIRONMENT=own\n' >> .env && echo "Added MELTANO_DEFAULT_ENVIRONMENT=own to .env."; fi

environment: $(UV)
	@$(UV) sync --quiet --all-packages

plugins: environment
	@$(RUN) python scripts/install_plugins.py $(TAPS) target-duckdb dbt-duckdb report

loaders: environment ## install the other loaders (PostgreSQL, Snowflake, S3, JSON lines) with their dbt, and the mapper
	@$(RUN) python scripts/install_plugins.py

stand-ins: environment ## install servers for loader tests: PostgreSQL (Debian's package), fakesnow, moto
	@set -e; for one in postgres snowflake s3; do $(UV) run --no-sync python -m stand_ins.$$one install; done

demo: setup ## run all taps against simulated vendors, through Meltano, into DuckDB, twice; writes output/demo.html
	@$(RUN) python scripts/demo.py

tables: environment ## list your tables with rows and days: make tables [DEMO=1] [ZONE=America/New_York]
	@$(RUN) python scripts/query.py --tables $(QUERY)

query: environment ## query your tables: make query SQL="select ..." or FILE=examples/NAME.sql [DEMO=1] [ZONE=...] [CSV=1]
	@$(RUN) python scripts/query.py $(if $(FILE),--file $(FILE)) $(QUERY)

# SQL reaches the program as an environment variable, so that its quotes stay.
QUERY = $(if $(DEMO),--demo) $(if $(ZONE),--zone $(ZONE)) $(if $(CSV),--csv)

transform: setup ## build the marts from the tables: make transform [WAREHOUSE=postgres]; see docs/transform.md
	@$(RUN) meltano invoke dbt-$(or $(WAREHOUSE),duckdb):build

report: setup ## draw the marts as one page, output/report.html: make report [WAREHOUSE=postgres]; see docs/report.md
	@$(RUN) meltano invoke report:$(or $(WAREHOUSE),duckdb)

dbt-docs: setup ## write the documentation of all models and columns to transform/target/static_index.html
	@$(RUN) meltano invoke dbt-$(or $(WAREHOUSE),duckdb):docs

ORCHESTRATION = .venvs/orchestration/bin/python

orchestration: setup ## install Dagster, in a separate environment
	@test -x $(ORCHESTRATION) || $(UV) --no-config venv --quiet .venvs/orchestration
	@$(UV) --no-config pip install --quiet --compile-bytecode --python $(ORCHESTRATION) --requirements orchestration/requirements.txt
	@$(UV) --no-config pip install --quiet --no-deps --python $(ORCHESTRATION) --editable orchestration
	@$(MAKE) -s $(MODELS) || echo "the dbt models cannot be parsed and are left as they were; loads run without them" >&2

MODELS = transform/target/dagster/manifest.json
$(MODELS): $(wildcard transform/*.yml transform/*/*.sql transform/*/*/*.sql transform/models/*/*.yml transform/models/*/*/*)
	@$(RUN) meltano --log-level=warning --environment=prod invoke --no-install dbt-duckdb parse --project-dir transform --profiles-dir transform \
	  --target-path target/dagster --quiet --no-partial-parse

orchestration-machines: orchestration ## also what workers on several machines need (Celery, PostgreSQL)
	@$(UV) --no-config pip install --quiet --compile-bytecode --python $(ORCHESTRATION) --requirements orchestration/requirements-machines.txt

orchestrate: orchestration ## Dagster's page and daemon, for your accounts: make orchestrate [DEMO=1: simulated vendors]
	@$(RUN) python scripts/orchestrate.py $(if $(DEMO),--demo)

sync: orchestration ## new data of all accounts in parallel: make sync [LOADER=target-postgres] [ONLY="tap-ispot tap-magnite"]
	@umask 077 && exec $(ORCHESTRATION) -m adtech_orchestration.headless sync $(if $(LOADER),--loader $(LOADER)) $(if $(ONLY),--only $(ONLY))

backfill: orchestration ## past months: make backfill TAP=tap-ispot FROM=2022-01 TO=2024-12 [LOADER=...] [AGAIN=1]
	$(if $(and $(TAP),$(FROM),$(TO)),,$(error TAP, FROM and TO are needed: make backfill TAP=tap-ispot FROM=2022-01 TO=2024-12))
	@umask 077 && exec $(ORCHESTRATION) -m adtech_orchestration.headless backfill $(TAP) --from $(FROM) --to $(TO) \
	  $(if $(LOADER),--loader $(LOADER)) $(if $(AGAIN),--again)

orchestration-test-environment: orchestration
	@$(RUN) python scripts/install_plugins.py target-postgres
	@set -e; for one in postgres redis chromium; do $(UV) run --no-sync python -m stand_ins.$$one install; done
	@$(UV) --no-config pip install --quiet --compile-bytecode --python $(ORCHESTRATION) --requirements orchestration/requirements-test.txt

# A worker per core and test file. The long tests are in separate files.
orchestration-test: orchestration-test-environment orchestration-lint ## types and tests of the Dagster code location, with two Celery workers
	@cd orchestration && ../$(ORCHESTRATION) -m mypy && umask 077 && ../$(ORCHESTRATION) -m pytest -n auto --dist loadfile

orchestration-lint: orchestration-test-environment
	@.venvs/orchestration/bin/kubernetes-validate --strict --quiet orchestration/machines/kubernetes.yaml

screenshots: orchestration-test-environment site-environment ## the pictures of docs/orchestration.md, and of the site
	@cd orchestration && SCREENSHOTS=$(CURDIR)/docs ../$(ORCHESTRATION) -m pytest -q tests/test_screenshots.py
	@export SCREENSHOTS=$(CURDIR)/docs && $(RUN) pytest -q -n0 tests/test_site.py -k pictures

check: environment lint types ## for daily work: lint, types, and the tests of what changed since main
	@$(RUN) python scripts/check_changes.py

changed: environment ## as on a pull request: the tests of changed packages, or of all if shared code changed
	@$(RUN) python scripts/check_changes.py --pull-request

test: lint types unit meltano-test ## everything on this Python, with Meltano into DuckDB and PostgreSQL

test-all: test orchestration-test extended pythons ## also Dagster, every loader, a short fault matrix, and other Pythons

lint: environment ## ruff: style and findings
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

format: environment ## format the sources
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

generate: environment ## parts of READMEs, plugins/, hub/, docs/tables, docs/assumptions.md, examples, dbt's staging models, from the taps
	@$(RUN) python scripts/generate.py

TEMPLATE = .venvs/template/bin/copier

new-tap: environment $(TEMPLATE) ## a new tap with a simulator and tests: make new-tap NAME=tap-x [LABEL="X Ads"] [API_URL=...] [DOCS_URL=...]
	@$(RUN) python scripts/new_tap.py $(NAME) $(if $(LABEL),--label "$(LABEL)") $(if $(API_URL),--api-url $(API_URL)) $(if $(DOCS_URL),--docs-url $(DOCS_URL))
	@$(UV) sync --quiet --all-packages
	@$(RUN) python scripts/generate.py
	@echo "Made $(NAME). Next: replace its example streams by the vendor's, see CONTRIBUTING.md."

$(TEMPLATE): template/requirements.txt | $(UV)
	@$(UV) --no-config venv --quiet --clear .venvs/template
	@$(UV) --no-config pip install --quiet --python .venvs/template/bin/python --requirements template/requirements.txt
	@touch $@

types: environment ## mypy, strict
	@$(RUN) mypy

unit: environment ## the tests of every package, without Meltano
	@$(RUN) pytest -n auto -m "not meltano and not extended"

# One worker per test file: a file's tests share its database server.
meltano-test: setup $(TEMPLATE) ## the tests that run Meltano into DuckDB and PostgreSQL, or install a package
	@$(RUN) python scripts/install_plugins.py target-postgres dbt-postgres meltano-map-transformer
	@set -e; for one in postgres chromium; do $(UV) run --no-sync python -m stand_ins.$$one install; done
	@$(RUN) pytest -n auto --dist loadfile -m "meltano and not extended"

extended: workflows setup loaders stand-ins ## the other loaders (Snowflake, S3, JSON lines), a short fault matrix, and `make workflows`
	@! $(UV) python find '$(SITE_PYTHON)' >/dev/null || $(MAKE) -s site-environment
	@$(RUN) pytest -n auto --dist loadfile -m extended

pythons: environment ## the tests without Meltano on the oldest and newest supported Python, if installed
	@$(RUN) python scripts/other_pythons.py $(UV)

dependencies: environment ## the tests without Meltano with other dependencies: make dependencies SET=lowest|newest|prerelease
	@$(RUN) python scripts/dependencies.py "$(SET)" $(UV)

CHECKS = .venvs/checks/bin

checks: $(UV)
	@test -x $(CHECKS)/python || $(UV) --no-config venv --quiet .venvs/checks
	@$(UV) --no-config pip install --quiet --require-hashes --python $(CHECKS)/python --requirements .github/checks.txt

workflows: checks ## linters of .github/ and the Dockerfile: actionlint, zizmor, hadolint
	@PATH="$(CURDIR)/$(CHECKS):$$PATH" && actionlint && zizmor --quiet --offline --persona pedantic . && hadolint Dockerfile

SITE = .venvs/site
SITE_PYTHON = >=3.11

site-environment: environment
	@test -x $(SITE)/bin/python || $(UV) --no-config venv --quiet --python '$(SITE_PYTHON)' $(SITE)
	@$(UV) --no-config pip install --quiet --no-deps --require-hashes --python $(SITE)/bin/python --requirements docs/site/requirements.txt

site: site-environment ## the documentation site, checked for broken links, in site/; open site/index.html
	@$(RUN) python scripts/site_pages.py
	@$(SITE)/bin/zensical build --clean --strict --config-file output/site/mkdocs.yml
	@rm -rf site && mv output/site/html site

site-serve: site-environment ## write documentation: serves the site on this machine, and follows changes
	@$(RUN) python scripts/site_pages.py --serve $(SITE)/bin/zensical

audit: checks ## known vulnerabilities of the pinned dependencies, from the package index
	@$(UV) export --quiet --all-packages --no-emit-workspace --no-header --output-file .venvs/audit.txt
	@$(CHECKS)/pip-audit --strict --disable-pip --require-hashes --requirement .venvs/audit.txt

release: environment ## check, build and try one package: make release TAG=tap-ispot-v1.2.3
	@$(RUN) python scripts/release.py build "$(TAG)" $(UV)
	@$(RUN) pytest -q tests/test_install_alone.py

image: ## build the container images and start each, if Docker is there
	docker build --target tap --build-arg TAP=tap-ispot --tag tap-ispot .
	docker run --rm tap-ispot --version
	docker build --tag adtech-taps .
	docker run --rm adtech-taps --version
	docker build --target orchestration --tag adtech-orchestration .
	docker run --rm adtech-orchestration celery --version

reliability: environment ## the fault matrix: every tap, every fault; writes docs/reliability.md
	@$(RUN) python benchmarks/reliability.py

benchmarks: environment ## speed and memory, compared with other programs: an hour; writes docs/performance.md
	@$(RUN) python benchmarks/speed.py

COMPILE = $(UV) --no-config pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate --no-header orchestration/pyproject.toml

pins: $(UV) ## update and pin the dependencies
	@rm -f uv.lock; sed -i '/# pins: begin/,/# pins: end/{/# pins:/!d}' pyproject.toml
	@$(UV) run python scripts/pins.py $(UV)
	@$(COMPILE) --output-file orchestration/requirements.txt
	@$(COMPILE) --extra machines --output-file orchestration/requirements-machines.txt
	@$(COMPILE) --extra machines --extra test --output-file orchestration/requirements-test.txt

clean: ## remove environments, plugins and the demo, but not your tables, logs and bookmarks
	rm -rf .venv .venvs .uv uv.lock dist site output/site output/demo output/demo.duckdb* output/demo.html transform/target transform/logs
	cd .meltano 2>/dev/null && rm -rf extractors loaders mappers utilities installed run || true

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "fetching uv from PyPI into .uv"
	@$(PYTHON) -m venv .uv
	@.uv/bin/pip install -qq --disable-pip-version-check uv==0.13.9
