#!/usr/bin/env bash
# Takes the steps of the Dockerfile where there is no Docker engine: every RUN, COPY, ENV, ARG, USER and WORKDIR in roots
# that debootstrap made, as the user that it names. Then starts what the image starts, without network, asks JupyterLab
# with its token, and executes the tour. Needs root, debootstrap and Python 3.
#
#   tools/check-dockerfile.sh [--run] DIR [ARG=VALUE]...
#
# DIR holds the roots, and base, the bare Debian, for the next time; --run starts again what an earlier call left there.
# What a clean root is not: the base images. debootstrap's minimal Debian stands for debian, the same with Debian's C
# compiler and a copy of this machine's Go, of the version wanted, for golang. Variables that say where packages come
# from (GOPROXY, PIP_INDEX_URL, HTTP_PROXY and the like, SSL_CERT_FILE) are taken from the environment; DEBIAN_MIRROR
# is debootstrap's.
set -euo pipefail
self=$(readlink -f "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.."

fail() {
    echo "check-dockerfile: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "expected root, for debootstrap and chroot"
# In namespaces of its own: mounts and processes go when it ends, however it ends.
if [ -z "${CHECK_DOCKERFILE_INSIDE:-}" ]; then
    CHECK_DOCKERFILE_INSIDE=1 exec unshare --mount-proc --propagation private --pid --fork "$self" "$@"
fi
trap "exit 130" INT TERM
only_run=
if [ "${1:-}" = --run ]; then
    only_run=1
    shift
fi
[ $# -ge 1 ] || fail "usage: tools/check-dockerfile.sh [--run] DIR [ARG=VALUE]..."
mkdir -p "$1"
dir=$(readlink -f "$1")
shift

# Build arguments, and what stands for Docker's predefined ones.
declare -A given=() env=() args=() global=()
outside=()
for pair in "$@"; do given[${pair%%=*}]=${pair#*=}; done
for name in GOPROXY GOSUMDB PIP_INDEX_URL; do
    if [ -n "${!name:-}" ]; then given[$name]=${!name}; fi
done
for name in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
    if [ -n "${!name:-}" ]; then outside+=("$name=${!name}"); fi
done
if [ -n "${SSL_CERT_FILE:-}" ]; then
    outside+=(SSL_CERT_FILE=/run/check-ca.crt PIP_CERT=/run/check-ca.crt)
fi

# environment prints what a step sees, NAME=VALUE with a NUL after each.
environment() {
    local name home
    home=$(awk -F: -v id="${user%%:*}" '$1 == id || $3 == id { print $6 }' "$root/etc/passwd")
    printf '%s\0' "HOME=${home:-/}"
    for name in "${!args[@]}"; do printf '%s=%s\0' "$name" "${args[$name]}"; done
    for name in "${!env[@]}"; do printf '%s=%s\0' "$name" "${env[$name]}"; done
}

# expand prints the words of a text, one a line, with variables replaced.
expand() {
    local variables
    mapfile -d '' -t variables < <(environment)
    env -i "${variables[@]}" bash -c 'eval "set -- $1"; printf "%s\n" "$@"' - "$1"
}

# json prints the elements of a list, one a line.
json() { python3 -c 'import json, sys; print(*json.loads(sys.argv[1]), sep="\n")' "$1"; }

# enter runs a command in the root as the user, in the working folder, by way of the launcher where there is one.
enter() {
    local variables
    mapfile -d '' -t variables < <(environment)
    "${launcher[@]}" env -i "${variables[@]}" "${extra[@]}" chroot --userspec="$user" --groups= "$root" \
        /bin/sh -c 'cd "$1" && shift && exec "$@"' - "$work" "$@"
}

# attach mounts what an engine gives a container.
attach() {
    mountpoint -q "$root/proc" && return
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    local file
    for file in resolv.conf hosts; do
        touch "$root/etc/$file"
        mount --bind "/etc/$file" "$root/etc/$file"
    done
}

detach() {
    umount "$root/etc/hosts" "$root/etc/resolv.conf" "$root/proc"
    umount -l "$root/dev"
    rm -f "$root/run/check-ca.crt"
}

# from makes the root of a stage.
from() {
    local image=$1 version
    stage=$2
    root=$dir/$stage
    echo "== FROM $image AS $stage"
    mountpoint -q "$root/proc" && fail "$root is in use"
    rm -rf "$root"
    cp -a --reflink=auto "$dir/base" "$root"
    env=([PATH]=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    args=() user=0:0 work=/
    attach
    if [ -n "${SSL_CERT_FILE:-}" ]; then cp "$SSL_CERT_FILE" "$root/run/check-ca.crt"; fi
    case $image in
    debian:trixie-*) ;;
    golang:*-trixie)
        version=${image#golang:} version=${version%-trixie}
        [ "$(GOTOOLCHAIN=local go env GOVERSION)" = "go$version" ] || fail "$image: this machine has $(GOTOOLCHAIN=local go env GOVERSION)"
        cp -a "$(GOTOOLCHAIN=local go env GOROOT)" "$root/usr/local/go"
        install -d -m 1777 "$root/go" "$root/go/src" "$root/go/bin"
        extra=("${outside[@]}")
        enter env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends ca-certificates gcc g++ libc6-dev make git >/dev/null'
        env+=([GOPATH]=/go [GOTOOLCHAIN]=local)
        env[PATH]=/go/bin:/usr/local/go/bin:${env[PATH]}
        work=/go
        ;;
    *) fail "$image: no clean root is known for it" ;;
    esac
}

# copy does COPY: what a folder holds, or files. Folders made on the way are root's.
copy() {
    local from=$dir/context owner=0:0 target source
    while [[ ${1:-} == --* ]]; do
        case $1 in
        --from=*) from=$dir/${1#*=} ;;
        --chown=*) owner=${1#*=} ;;
        *) fail "COPY $1: not known" ;;
        esac
        shift
    done
    target=${*: -1}
    [[ $target == /* ]] || target=$work/$target
    for source in "${@:1:$#-1}"; do
        source=$from/$source
        if [ -d "$source" ]; then
            mkdir -p "$root/$target"
            tar -C "$source" --numeric-owner --owner="+${owner%:*}" --group="+${owner#*:}" -c . | tar -C "$root/$target" --numeric-owner -xp
        else
            case $target in
            */ | */.) mkdir -p "$root/$target" ;;
            *) [ $# = 2 ] || fail "COPY to $target: expected a / at its end" ;;
            esac
            install -D -o "${owner%:*}" -g "${owner#*:}" -m "$(stat -c %a "$source")" "$source" \
                "$root/$target$(case $target in */ | */.) basename "$source" ;; esac)"
        fi
    done
}

step() {
    local instruction=$1 rest=$2 words word name began=$SECONDS
    case $instruction in
    FROM | COPY | ENV | LABEL | EXPOSE | USER | WORKDIR) mapfile -t words < <(expand "$rest") ;;
    esac
    case $instruction in
    ARG)
        name=${rest%%=*}
        if [ -n "${given[$name]+set}" ]; then
            args[$name]=${given[$name]}
        elif [[ $rest == *=* ]]; then
            args[$name]=${rest#*=}
        fi
        if [ -z "$stage" ]; then global[$name]=${args[$name]:-}; fi
        ;;
    FROM)
        args=()
        for name in "${!global[@]}"; do args[$name]=${global[$name]}; done
        mapfile -t words < <(expand "$rest")
        if [ -n "$stage" ]; then detach; fi
        from "${words[0]}" "${words[2]:-image}"
        ;;
    ENV) for word in "${words[@]}"; do env[${word%%=*}]=${word#*=}; done ;;
    USER) user=${words[0]} ;;
    WORKDIR)
        work=${words[0]}
        mkdir -p "$root/$work"
        ;;
    COPY) copy "${words[@]}" ;;
    RUN)
        echo "-- RUN $(cut -c1-110 <<<"$rest")"
        extra=("${outside[@]}")
        enter /bin/sh -c "$rest" || fail "stage $stage: $rest"
        echo "   $((SECONDS - began)) s"
        ;;
    LABEL | EXPOSE) echo "   $instruction ${words[*]}" ;;
    HEALTHCHECK) mapfile -t health < <(json "${rest#*CMD }") ;;
    ENTRYPOINT) mapfile -t entrypoint < <(json "$rest") ;;
    CMD) mapfile -t command < <(json "$rest") ;;
    *) fail "$instruction: not known" ;;
    esac
}

# build takes every step and writes down what the image would say of itself.
build() {
    local instruction rest
    if [ ! -d "$dir/base" ]; then
        echo "== debootstrap"
        debootstrap --variant=minbase trixie "$dir/base.part" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >/dev/null
        mv "$dir/base.part" "$dir/base"
    fi
    # The context, less what .dockerignore names: at the top, or anywhere after **/.
    rm -rf "$dir/context"
    mkdir "$dir/context"
    tar -c --anchored --exclude-from=<(sed -n '/^#/d; /^\*\*\//d; s#^#./#p' .dockerignore) \
        --no-anchored --exclude-from=<(sed -n 's#^\*\*/##p' .dockerignore) . | tar -C "$dir/context" -x
    while read -r -u 3 instruction rest; do
        step "$instruction" "$rest" </dev/null
    done 3< <(awk '/^[[:space:]]*(#|$)/ { next } sub(/\\$/, "") { printf "%s", $0; next } { print }' Dockerfile)
    detach
    args=() extra=()
    declare -p root stage user work env args health entrypoint command >"$dir/image.sh"
}

# try starts the image in a network namespace of its own, which has nothing but itself.
try() {
    local log=$dir/lab.log began token
    attach
    extra=()
    ip link set lo up
    began=$SECONDS
    # As process 1, like in a container.
    launcher=(unshare --pid --fork)
    enter "${entrypoint[@]}" "${command[@]}" >"$log" 2>&1 &
    launcher=()
    until enter "${health[@]}" 2>/dev/null; do
        [ $((SECONDS - began)) -lt 60 ] || fail "JupyterLab does not answer: $(tail -5 "$log")"
        kill -0 "$(jobs -p)" 2>/dev/null || fail "JupyterLab ended: $(tail -5 "$log")"
        sleep 0.2
    done
    echo "JupyterLab answers after $((SECONDS - began)) s"
    token=$(grep -o 'token=[0-9a-f]*' "$log" | head -1)
    [ -n "$token" ] || fail "no token in $log"
    enter python3 - "${token#token=}" <<'PYTHON'
import json, sys, urllib.error, urllib.request
def get(path, token):
    headers = {"Authorization": "token " + token} if token else {}
    return json.load(urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8888/api/" + path, headers=headers)))
try:
    get("kernelspecs", "")
    sys.exit("without the token: answered")
except urllib.error.HTTPError as e:
    print("without the token:", e.code)
spec = get("kernelspecs", sys.argv[1])["kernelspecs"]["gonas"]["spec"]
print("kernel:", spec["display_name"], spec["env"].get("GOMLX_BACKEND"))
print("notebooks:", *[f["name"] for f in get("contents", sys.argv[1])["content"]])
PYTHON
    enter id
    enter gonas doctor
    extra=(GOPROXY=off GONAS_RUNS=/tmp/check)
    enter jupyter-nbconvert --execute --to notebook --output-dir /tmp/check --log-level=WARN tour.ipynb
    enter python3 - <<'PYTHON'
import datetime, json, sys
at = datetime.datetime.fromisoformat
book = json.load(open("/tmp/check/tour.ipynb"))
for i, cell in enumerate(c for c in book["cells"] if c["cell_type"] == "code"):
    time = cell["metadata"]["execution"]
    took = at(time["shell.execute_reply"]) - at(time["iopub.execute_input"])
    print("cell %d: %5.1f s, %d outputs" % (i, took.total_seconds(), len(cell["outputs"])))
    if any(o["output_type"] == "error" for o in cell["outputs"]):
        sys.exit("cell %d: an error" % i)
PYTHON
    enter rm -rf /tmp/check
    local folder
    for folder in / /opt/gonas/.venv /home/gonas/go /home/gonas/.cache /usr/local/go; do
        echo "$(du -xsh "$root$folder" | cut -f1) $folder"
    done
    echo "check-dockerfile: all steps taken, all answers as expected"
}

stage='' root=/ user=0:0 work=/ extra=() launcher=() health=() entrypoint=() command=()
if [ "${CHECK_DOCKERFILE_INSIDE:-}" = try ]; then
    # shellcheck source=/dev/null
    . <(sed 's/^declare -- //; s/^declare -a /declare -ga /; s/^declare -A /declare -gA /' "$dir/image.sh")
    try
    exit
fi
if [ -z "$only_run" ]; then build; fi
CHECK_DOCKERFILE_INSIDE=try exec unshare --net "$self" "$dir"
