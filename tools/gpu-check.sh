#!/usr/bin/env bash
# What a GPU shows in eight minutes: docs/gpu.md. Needs no Go, no compiler and no network: the binaries are built before,
# by `make gpu-check-binaries`, and travel with the checkout.
#
#   tools/gpu-check.sh [--dry] [--out DIR] [--only PART,PART] [--limit SECONDS]
#
# --dry runs small sizes on a CPU; --limit is the largest time of a part. PYTHON is a Python with torch and
# jax-cuda13-pjrt (python3), GPU_CHECK_BIN a folder with the binaries (bin/gpu).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
bin=${GPU_CHECK_BIN:-$root/bin/gpu}
out=
dry=()
more=()
while [ $# -gt 0 ]; do
  case $1 in
    --dry) dry=(-dry); shift ;;
    --out | --only | --limit)
      [ $# -ge 2 ] || { echo "gpu-check: $1 needs a value" >&2; exit 2; }
      case $1 in
        --out) out=$2 ;;
        --only) more+=(-only "$2") ;;
        --limit) more+=(-limit "${2}s") ;;
      esac
      shift 2 ;;
    *) echo "gpu-check: unexpected argument $1; expected --dry, --out DIR, --only PARTS, --limit SECONDS" >&2; exit 2 ;;
  esac
done
out=${out:-$root/runs/gpu-check-$(date +%Y-%m-%d-%H%M%S)}
mkdir -p "$out"

# The binaries travel compressed.
programs=(bench space.test nn.test)
for program in "${programs[@]}"; do
  [ -x "$bin/$program" ] && continue
  mkdir -p "$out/bin"
  for each in "${programs[@]}"; do
    if [ ! -f "$bin/$each.gz" ]; then
      echo "gpu-check: neither $bin/$each nor $each.gz is there; build them on a machine with Go: make gpu-check-binaries" >&2
      exit 1
    fi
    "$python" -c 'import gzip, shutil, sys; shutil.copyfileobj(gzip.open(sys.argv[1]), open(sys.argv[2], "wb"))' "$bin/$each.gz" "$out/bin/$each"
    chmod +x "$out/bin/$each"
  done
  bin=$out/bin
  break
done

# Our plug-in and NVIDIA's libraries lie in Python's packages: their places, a line each.
places='
import glob, importlib.util, os


def folders(package):
    try:
        spec = importlib.util.find_spec(package)
    except ImportError:
        return []
    return list(spec.submodule_search_locations or []) if spec else []


plugins = [os.path.join(d, "xla_cuda_plugin.so") for d in folders("jax_plugins.xla_cuda13")]
print(next(filter(os.path.exists, plugins), ""))
print(":".join(sorted(lib for d in folders("nvidia") for lib in glob.glob(os.path.join(d, "*", "lib")))))
'
# What the user has set goes first.
backend=${GOMLX_BACKEND:-}
if [ ${#dry[@]} -gt 0 ]; then
  backend=${backend:-xla:cpu}
else
  # Set, it would decide over both precisions.
  unset NVIDIA_TF32_OVERRIDE
  plugin= libraries=
  { read -r plugin && read -r libraries; } < <("$python" -c "$places") || true
  if [ -z "$backend" ]; then
    # A bare name has the program search the usual places, PJRT_PLUGIN_LIBRARY_PATH first.
    backend=xla:cuda
    [ -n "${PJRT_PLUGIN_LIBRARY_PATH:-}" ] || [ -z "$plugin" ] || backend=xla:$plugin
  fi
  # The plug-in looks beside itself for the libraries; behind the user's own folders they are found from anywhere.
  [ -z "$libraries" ] || export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries"
fi

exec "$bin/bench" gpu-check ${dry[@]+"${dry[@]}"} -root "$root" -out "$out" -tests "$bin" -python "$python" -backend "$backend" ${more[@]+"${more[@]}"}
