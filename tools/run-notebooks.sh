#!/usr/bin/env bash
# Executes the notebooks in place, from nothing: no run that was made before is taken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export JUPYTER_DATA_DIR=$work/jupyter GONAS_RUNS=$work/runs
bin/gonas kernel install --no-completion
for notebook in notebooks/*.ipynb; do
    # Times would make every execution a change.
    .venv/bin/jupyter-nbconvert --to notebook --execute --inplace --log-level=WARN --ExecutePreprocessor.timeout=1200 \
        --ExecutePreprocessor.record_timing=False --CoalesceStreamsPreprocessor.enabled=True "$notebook"
    echo "$notebook"
done
