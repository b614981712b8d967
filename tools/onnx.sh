#!/usr/bin/env bash
# Makes .venv-onnx, an environment with onnx and onnxruntime, which the tests of ONNX files run; does nothing where it is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=tools/onnx.txt
installed=.venv-onnx/onnx.txt
if cmp -s "$wanted" "$installed"; then
    exit 0
fi
echo "onnx-tools: installing onnxruntime into .venv-onnx"
python3 -m venv .venv-onnx
# The list goes last: an installation that was cut short is done again.
.venv-onnx/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r "$wanted" || {
    echo "onnx-tools: onnxruntime could not be installed into .venv-onnx; again with: make onnx-tools" >&2
    exit 1
}
cp "$wanted" "$installed"
