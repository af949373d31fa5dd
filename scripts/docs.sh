#!/usr/bin/env bash
# Builds the documentation into docs/_build/html, anew each time, as much of it is generated from the
# code. Warnings, broken internal links and missing anchors are errors.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
install ".[docs]"
python -m sphinx --builder html --fresh-env --fail-on-warning --keep-going --quiet --jobs auto "$@" docs docs/_build/html
echo "docs/_build/html/index.html"
