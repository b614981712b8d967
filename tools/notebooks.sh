#!/usr/bin/env bash
# Brings what runs notebooks without a browser: GoNB and goimports into bin, nbconvert into .venv; does nothing where
# they are there already. gopls, for completion, and JupyterLab come with `gonas kernel install` and `gonas lab`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "notebooks: $*" >&2
    exit 1
}

# Go builds only what has changed.
GOFLAGS='' GOWORK=off go build -modfile=notebooks/kernel/tools.mod -trimpath -o bin/ \
    github.com/janpfeifer/gonb golang.org/x/tools/cmd/goimports || fail "GoNB could not be built"

# The list goes last into .venv: an installation that was cut short is done again.
wanted=tools/notebooks.txt
installed=.venv/notebooks.txt
if cmp -s "$wanted" "$installed" && .venv/bin/jupyter-nbconvert --version >/dev/null 2>&1; then
    exit 0
fi
echo "notebooks: installing nbconvert into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r "$wanted" ||
    fail "nbconvert could not be installed into .venv; again with: make notebook-tools"
cp "$wanted" "$installed"
