# JupyterLab with the kernel "Go (gonas)", this module and its compiler, that runs without network:
#
#   docker build -t gonas --build-arg VERSION="$(git describe --tags --always)" --build-arg COMMIT="$(git rev-parse HEAD)" .
#   docker run --rm -p 127.0.0.1:8888:8888 -v gonas-work:/home/gonas/work gonas
#
# It prints the address with its token; -e JUPYTER_TOKEN=… sets one. Mirrors: GOPROXY, GOSUMDB, PIP_INDEX_URL, HTTP_PROXY
# and the like as build arguments. PLUGIN=cuda brings the plug-in for NVIDIA GPUs as well, for --gpus all.
# Without a Docker engine, tools/check-dockerfile.sh takes the same steps.

ARG GO_VERSION=1.26.8
ARG DEBIAN_VERSION=trixie-20261005-slim

# The programs behind the kernel, in a stage of their own: their modules are not needed later.
FROM golang:${GO_VERSION}-trixie AS tools
ARG GOPROXY
ARG GOSUMDB
WORKDIR /tools
COPY notebooks/kernel/tools.mod go.mod
COPY notebooks/kernel/tools.sum go.sum
RUN go build -trimpath -o bin/ tool

FROM golang:${GO_VERSION}-trixie AS build
ARG GOPROXY
ARG GOSUMDB
WORKDIR /opt/gonas
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
ARG COMMIT
# The archives go: what was in them is unpacked beside them.
RUN make build version="$VERSION" commit="$COMMIT" dirty= \
    && find /go/pkg/mod/cache/download -name '*.zip' -delete

# The plug-in and Jupyter. The same Debian as below, since the environment uses its Python.
FROM debian:${DEBIAN_VERSION} AS python
# Debian's mirrors drop a package's version when the next one comes: the date in the tag pins as far as can be.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3-venv \
    && rm -rf /var/lib/apt/lists/*
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/gonas
COPY tools/notebooks.txt tools/
# JupyterLab is LabVersion of notebooks/kernel/jupyter.go; the rest is what pip chose for it and notebooks.txt.
RUN python3 -m venv .venv \
    && .venv/bin/pip install --quiet --no-deps -r tools/notebooks.txt jupyterlab==4.6.6 \
        anyio==4.16.0 argon2-cffi-bindings==26.2.0 argon2-cffi==25.1.0 arrow==1.4.0 asttokens==3.0.2 \
        async-lru==2.4.0 attrs==26.1.0 babel==2.18.0 beautifulsoup4==4.15.0 bleach==6.4.0 certifi==2026.10.19.post1 \
        cffi==2.1.1 charset-normalizer==3.5.2 comm==0.2.3 debugpy==1.8.22 defusedxml==0.7.1 executing==2.3.0 \
        fastjsonschema==2.22.3 fqdn==1.6.0 h11==0.16.0 httpcore==1.0.9 httpx==0.28.1 idna==3.20 ipykernel==7.4.0 \
        ipython==9.18.1 ipython_pygments_lexers==1.1.1 isoduration==20.11.0 jedi==0.20.1 Jinja2==3.1.6 json5==0.17.3 \
        jsonpointer==3.12 jsonschema-specifications==2025.9.1 jsonschema==4.26.0 jupyter-events==0.12.1 \
        jupyter-lsp==2.3.1 jupyter_builder==1.3.0 jupyter_server==2.21.1 jupyter_server_terminals==0.5.4 \
        jupyterlab_pygments==0.3.0 jupyterlab_server==2.28.1 lark==1.3.1 MarkupSafe==3.0.4 matplotlib-inline==0.2.2 \
        mistune==3.4.0 nest-asyncio2==1.7.4 notebook_shim==0.2.4 overrides==7.7.0 packaging==26.3 \
        pandocfilters==1.5.1 parso==0.8.7 pexpect==4.9.0 platformdirs==4.14.8 prometheus_client==0.26.0 \
        prompt_toolkit==3.0.53 psutil==7.2.2 ptyprocess==0.7.0 pure_eval==0.2.4 pycparser==3.12 Pygments==2.21.0 \
        python-dateutil==4.0.0 python-json-logger==4.2.0 PyYAML==6.0.4 pyzmq==27.3.0 referencing==0.37.0 \
        requests==2.34.2 rfc3339-validator==0.1.4 rfc3986-validator==0.1.1 rfc3987-syntax==1.1.0 rpds-py==2026.9.1 \
        Send2Trash==2.2.0 six==1.17.0 soupsieve==4.1.3 stack-data==0.6.3 terminado==0.18.1 tinycss2==1.5.1 \
        tornado==6.6.1 traitlets==5.16.1 typing_extensions==4.16.0 tzdata==2026.6 uri-template==1.3.0 urllib3==2.8.0 \
        wcwidth==0.9.4 webcolors==25.10.0 webencodings==0.6.1 websocket-client==1.9.2 \
    && .venv/bin/pip check
COPY tools/setup.sh tools/
RUN tools/setup.sh
# The same XLA as the plug-in for the processor, of jax 0.11.2; NVIDIA's libraries in the ranges that it names.
ARG PLUGIN=cpu
RUN case "$PLUGIN" in \
        cpu) ;; \
        cuda) .venv/bin/pip install "jax-cuda13-plugin[with-cuda]==0.11.2" ;; \
        *) echo "PLUGIN=$PLUGIN: expected cpu or cuda" >&2; exit 1 ;; \
    esac

FROM debian:${DEBIAN_VERSION}
# Cells are compiled, and the backend has C in it.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev python3 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 --shell /bin/bash gonas \
    && install -d -o gonas -g gonas /home/gonas/go /home/gonas/go/pkg /home/gonas/work
COPY --from=build /usr/local/go /usr/local/go
COPY --from=python /opt/gonas/.venv /opt/gonas/.venv
COPY --from=build --chown=1000:1000 /go/pkg/mod /home/gonas/go/pkg/mod
COPY --from=tools /tools/bin /opt/gonas/bin
COPY --from=build /opt/gonas /opt/gonas
ENV PATH=/opt/gonas/.venv/bin:/opt/gonas/bin:/usr/local/go/bin:$PATH GOTOOLCHAIN=local
USER 1000:1000
WORKDIR /home/gonas/work
# The tour fills Go's cache and that of compiled XLA programs, which serves on processors like this one, and shows that
# cells need no network. Its own runs go: a user's first search is a search.
RUN cp /opt/gonas/notebooks/*.ipynb . \
    && gonas kernel install \
    && GOPROXY=off GONAS_RUNS=/tmp/warm jupyter-nbconvert --execute --to notebook --output-dir /tmp/warm tour.ipynb \
    && rm -rf /tmp/warm

ARG VERSION=unknown
ARG COMMIT
LABEL org.opencontainers.image.title="gonas" \
    org.opencontainers.image.description="Neural architecture search in Go, in JupyterLab" \
    org.opencontainers.image.source="https://github.com/gonas/gonas" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$COMMIT"
EXPOSE 8888
HEALTHCHECK --start-period=60s \
    CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8888/api', timeout=5)"]
# tini ends what kernels leave behind. `gonas lab` writes the kernel anew, for the plug-in that fits this machine.
ENTRYPOINT ["tini", "--"]
CMD ["gonas", "lab", "--no-browser", "/home/gonas/work", "--", "--ip=0.0.0.0"]
