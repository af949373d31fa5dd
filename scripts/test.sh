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
# Two processes, as TensorFlow leaves a core idle at eight units.
pytest -n 2 --durations 10 -rs "$@"
