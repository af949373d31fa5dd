#!/usr/bin/env bash
# All checks: lint, format, types, imports, tests. Arguments go to pytest: `scripts/test.sh -k search`.
# Installs nothing of the system. The last lines name the tests that were skipped, and why.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
install ".[all,dev]"

ruff check .
ruff format --check .
mypy
lint-imports --no-cache
# Three processes, as waiting for other processes and browsers leaves two cores idle a quarter of the time.
pytest -n 3 --durations 10 -rs "$@"
