# Every target makes the environment it needs; none needs root. Start with `make demo`.
.POSIX:
.SUFFIXES:
SHELL = /bin/sh
ARGS =
SECONDS = 120
SEEDS = 0:100
DEMO_DATA = var/demo

help:
	@echo 'make demo              a load-balanced web application on this machine, planned, created, answering'
	@echo 'make demo-down         take it away again, and stop the control plane it started'
	@echo 'make up                the control plane in the foreground; ARGS="--help" shows its options'
	@echo 'make cluster           PostgreSQL, two APIs behind HAProxy, three engines: kill what you like'
	@echo 'make openstack ARGS="stack list"   the stock openstack client, against the demo or `make up`'
	@echo 'make test              set up, then check and run the quick suites'
	@echo 'make check             lint, format, types, import contracts'
	@echo 'make test-clients      the suites that drive the stock OpenStack clients'
	@echo 'make test-openstack    the suites that need the real OpenStack of ../shared/openstack; starts and stops it'
	@echo 'make test-openstack-long  thirty kills, services killed and restarted, a minute of refused connections'
	@echo 'make test-postgres     the suites about stored rows, on a PostgreSQL of their own'
	@echo 'make test-long         the long suites: crashes, kills, whole stories'
	@echo 'make test-storm        a cluster under load: 200 kills, 20 freezes, PostgreSQL restarted five times'
	@echo 'make fuzz              hostile templates for SECONDS=120; what escapes is kept in var/fuzz'
	@echo 'make simulate          whole clusters under seeds, SEEDS=0:100; a seed that fails prints a test'
	@echo 'make bench             the benchmarks; results go to docs/benchmarks.md'
	@echo 'make bench-cluster     several engines on one PostgreSQL: throughput, reading, fail-over'
	@echo 'make bench-openstack   servers on the real OpenStack of ../shared/openstack, beside a plain script'
	@echo 'make docs              write docs/reference/cli.md and lint.md again'
	@echo 'make pictures          draw docs/images from a real run again'
	@echo 'make lock              pin the dependencies again'
	@echo 'make clean             remove environments and caches, keep data'

.venv/.synced: requirements.lock pyproject.toml
	@scripts/setup .venv requirements.lock editable

.venv-clients/.synced: requirements-clients.lock
	@scripts/setup .venv-clients requirements-clients.lock

.venv-previous/.synced: .venv/.synced tests/upgrade/released/commit
	@scripts/previous-release .venv-previous

setup: .venv/.synced

demo: .venv/.synced
	@.venv/bin/mantle demo --data-dir $(DEMO_DATA) $(ARGS)

demo-down: .venv/.synced
	@.venv/bin/mantle demo --down --data-dir $(DEMO_DATA)

up: .venv/.synced
	@.venv/bin/mantle up $(ARGS)

check: .venv/.synced
	@scripts/check

cluster: .venv/.synced
	@.venv/bin/python scripts/cluster.py $(ARGS)

test: check
	@scripts/test $(ARGS)

test-clients: .venv/.synced .venv-clients/.synced
	@.venv/bin/pytest -q -m "clients" $(ARGS)

test-openstack: .venv/.synced .venv-clients/.synced
	@scripts/with-openstack .venv/bin/pytest -q -m "openstack and not slow" --durations 15 $(ARGS)

test-openstack-long: .venv/.synced .venv-clients/.synced
	@scripts/with-openstack .venv/bin/pytest -q -m "openstack and slow" --durations 15 --timeout 1800 $(ARGS)

test-postgres: .venv/.synced
	@.venv/bin/python scripts/test_postgres.py $(ARGS)

test-long: .venv/.synced .venv-previous/.synced
	@.venv/bin/pytest -q -m "slow and not clients and not openstack" --timeout 1800 $(ARGS)

test-storm: .venv/.synced
	@MANTLE_CLUSTER_KILLS=200 MANTLE_CLUSTER_FREEZES=20 MANTLE_CLUSTER_OUTAGES=5 \
		.venv/bin/pytest -q tests/cluster -m slow --timeout 7200 $(ARGS)

fuzz: .venv/.synced
	@SECONDS_TO_FUZZ=$(SECONDS) .venv/bin/python -m fuzz

simulate: .venv/.synced
	@.venv/bin/python -m simulation --seeds $(SEEDS) $(ARGS)

bench: .venv/.synced
	@.venv/bin/python -m benchmarks $(ARGS)

bench-cluster: .venv/.synced
	@.venv/bin/python -m benchmarks.on_cluster

bench-openstack: .venv/.synced
	@scripts/with-openstack .venv/bin/python -m benchmarks.on_openstack $(ARGS)

openstack: .venv-clients/.synced
	@DEMO_DATA=$(DEMO_DATA) scripts/openstack $(ARGS)

docs: .venv/.synced
	@.venv/bin/python scripts/cli_reference.py && .venv/bin/python scripts/lint_reference.py

pictures: .venv/.synced
	@.venv/bin/python scripts/pictures.py

lock:
	@scripts/lock

clean:
	rm -rf .venv .venv-clients .uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.PHONY: help setup demo demo-down up cluster check test test-clients test-openstack test-openstack-long test-long test-storm fuzz simulate bench bench-cluster bench-openstack openstack docs pictures lock clean
