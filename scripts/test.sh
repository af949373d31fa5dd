#!/usr/bin/env bash
# All checks: lint, format, types, tests. Arguments go to pytest, e.g. `scripts/test.sh -k search`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
install ".[all,dev]"

ruff check .
ruff format --check .
mypy
lint-imports --no-cache
# Two processes, as TensorFlow leaves a core idle at eight units.
pytest -n 2 --durations 10 "$@"
