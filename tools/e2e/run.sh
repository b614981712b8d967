#!/usr/bin/env bash
# Makes .venv-e2e in the checkout with Playwright, once, and runs a notebook in JupyterLab in Chromium with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() {
    echo "e2e: $*" >&2
    exit 1
}

# The list goes last into .venv-e2e: an installation that was cut short is done again.
wanted=tools/e2e/requirements.txt
installed=.venv-e2e/requirements.txt
if ! cmp -s "$wanted" "$installed"; then
    echo "e2e: installing Playwright into .venv-e2e"
    "${PYTHON:-python3}" -m venv --clear .venv-e2e || fail "Python's venv does not work: apt install python3-venv, then make e2e again"
    .venv-e2e/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r "$wanted" ||
        fail "Playwright could not be installed into .venv-e2e; again with: make e2e"
    cp "$wanted" "$installed"
fi
exec .venv-e2e/bin/python tools/e2e/lab.py "$@"
