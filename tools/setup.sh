#!/usr/bin/env bash
# Makes .venv in the checkout with the XLA plug-in for the processor; does nothing where it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

package=lammps-jax-pjrt-cpu
release=0.11.2 # keep equal to PluginPackageVersion in backend/install.go

if compgen -G ".venv/lib/python3*/site-packages/lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so" >/dev/null &&
    compgen -G ".venv/lib/python3*/site-packages/lammps_jax_pjrt_cpu-$release.dist-info" >/dev/null; then
    exit 0
fi

fail() {
    echo "setup: $*" >&2
    exit 1
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "$python is missing: apt install python3 python3-venv, then make again"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Python's venv is missing: apt install python3-venv, then make again"

# A half-made environment, of a setup that was cut short, has no pip that runs.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "setup: making .venv"
    "$python" -m venv --clear .venv
fi
echo "setup: installing $package $release into .venv"
# Without dependencies: the plug-in stands by itself, jax is not used.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps "$package==$release" ||
    fail "the plug-in could not be installed; everything but speed works without it: GOMLX_BACKEND=go bin/gonas …"
