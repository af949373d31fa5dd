# Sourced by the other scripts: creates .venv, and installs this checkout into it when its metadata
# have changed. PYTHON chooses the interpreter (3.11 to 3.13).

install() {
    local wanted=".venv/installed-$(printf '%s' "$1" | tr -c 'a-z\n' '_')"
    [ -x .venv/bin/pip ] || "${PYTHON:-python3}" -m venv .venv
    if [ ! -e "$wanted" ] || [ setup.cfg -nt "$wanted" ] || [ pyproject.toml -nt "$wanted" ]; then
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --editable "$1"
        # On all cores; pip compiles on one. Some packages have files that are no Python, or of another version.
        .venv/bin/python -m compileall -q -q -j 0 .venv/lib || true
        touch "$wanted"
    fi
    export PATH="$PWD/.venv/bin:$PATH"
}
