# Two targets do everything: `make repro`, the main job, and `make test`. Both install what they need into the
# checkout by themselves; nothing is installed for other users and nothing outside the checkout but Go's and our caches.

version := $(shell git describe --tags --always 2>/dev/null || echo unknown)
commit  := $(shell git rev-parse HEAD 2>/dev/null)
dirty   := $(shell test -z "$$(git status --porcelain --untracked-files=no 2>/dev/null)" || echo true)
go_sum  := $(shell (sha256sum go.sum || shasum -a 256 go.sum) 2>/dev/null | cut -d' ' -f1)

# A go.work above the checkout is not ours.
export GOWORK := off

# The tests of all packages share the cache of compiled programs in the user's cache folder; GONAS_CACHE_DIR moves it.
test_flags ?= -timeout 14m

.PHONY: all setup notebook-tools onnx-tools notebooks build repro test e2e golden bench gpu-check-binaries lint clean

all: setup build

setup:
	@tools/setup.sh

# What runs notebooks without a browser; `gonas lab` brings JupyterLab.
notebook-tools: setup
	@tools/notebooks.sh

build:
	go build -trimpath -buildvcs=false -ldflags '-X main.version=$(version) -X main.commit=$(commit) -X main.dirty=$(dirty) -X main.goSum=$(go_sum)' -o bin/gonas ./cmd/gonas

# The main job: searches on real images, what came out beside what the papers say, figures, and a page that shows it all.
# Two runs at once leave less of two processors idle.
repro: setup build
	bin/gonas repro run --profile quick --jobs 2
	bin/gonas plot all --from runs/repro-quick >/dev/null
	bin/gonas repro report runs/repro-quick

# Executes the notebooks anew, as they are stored.
notebooks: build notebook-tools
	@tools/run-notebooks.sh

# What reads ONNX files beside us, for their tests.
onnx-tools:
	@tools/onnx.sh

test: setup notebook-tools onnx-tools
	go test $(test_flags) ./...

# A notebook in JupyterLab in Chromium (Debian: apt install chromium), with screenshots in runs/e2e or E2E_OUT;
# NOTEBOOK=notebooks/fairdarts.ipynb takes another.
e2e: notebook-tools build
	@tools/e2e/run.sh $(NOTEBOOK)

# The numbers of the official code and of torch, test by test.
golden: setup
	go test $(test_flags) -count=1 -v -run 'Golden|AgainstTorch' ./nas/...

# One search step beside PyTorch, which gets an environment of its own (5 GB).
bench: setup build
	go run ./benchmarks/run

# The binaries of tools/gpu-check.sh, which a machine with a GPU and without Go runs: docs/gpu.md. 30 MB, compressed.
gpu-check-binaries:
	rm -rf bin/gpu
	mkdir -p bin/gpu
	go build -trimpath -buildvcs=false -ldflags '-s -w' -o bin/gpu/bench ./benchmarks/run
	go test -c -trimpath -ldflags '-s -w' -o bin/gpu/space.test ./nas/space
	go test -c -trimpath -ldflags '-s -w' -o bin/gpu/nn.test ./nas/nn
	gzip -9 bin/gpu/*

lint:
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...

clean:
	rm -rf bin
