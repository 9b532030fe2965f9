# Two commands matter: `make demo` shows a script in a sealed container, `make test` runs every test. Both do all the
# set-up that is missing. `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
export GOTOOLCHAIN := local
export CGO_ENABLED := 0

GOARCH := $(shell go env GOARCH)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
DIST := internal/runnerimage/dist
PROBE := internal/probe/probeimage/dist/probe-linux-$(GOARCH)
# The runner's bytes, and the probe's, depend on their source alone: no path, no build id, no time, no state of the checkout.
RUNNER_FLAGS := -trimpath -buildvcs=false -ldflags "-s -w -buildid="
PREFIX := /usr/local
LINK := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

.PHONY: help build demo test quick libs runner probe audit runc runsc gvisor amicontained image lint generate soak fuzz clean docker clients compare bench vm install release

help: ## list what there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 12

build: runner probe runc ## bin/glovebox with the runner and the probe inside, and bin/runc beside it
	@go build -trimpath -buildvcs=false -ldflags "$(LINK)" -o bin/glovebox ./cmd/glovebox

demo: build ## run examples/monthly-sales.js in a real container
	@bin/glovebox run examples/monthly-sales.js --input examples/sales.json --verbose

test: build gvisor docker clients amicontained ## every test, in real containers on all that set-up could provide
	@scripts/test.sh

quick: ## the tests that need no container
	@go test ./...

libs: ## the JavaScript libraries, from npm by lockfile, bundled
	@scripts/setup.sh libs

runner: libs ## the runner for this architecture, to be embedded
	@go build $(RUNNER_FLAGS) -o $(DIST)/runner-linux-$(GOARCH) ./cmd/runner && chmod 0555 $(DIST)/runner-linux-$(GOARCH)
	@sha256sum < $(DIST)/runner-linux-$(GOARCH) | cut -d ' ' -f 1 > $(DIST)/runner-linux-$(GOARCH).sha256
	@cp image/lib/dist/manifest.json $(DIST)/libraries.json
	@GOARCH= go run ./internal/runnerimage/notices image/lib/dist/NOTICES.txt ./cmd/glovebox ./cmd/runner ./cmd/probe > $(DIST)/NOTICES.txt

probe: ## the audit's probe for this architecture, to be embedded
	@go build $(RUNNER_FLAGS) -o $(PROBE) ./cmd/probe && chmod 0555 $(PROBE)

audit: build gvisor docker ## try the isolation on every driver and runtime of this host, with every control
	@GLOVEBOX_RUNTIME_DIR=$(CURDIR)/bin bin/glovebox audit --controls

runc: ## bin/runc, from its Go module
	@scripts/setup.sh runc

runsc gvisor: ## bin/runsc (gVisor), from its Go module
	@scripts/setup.sh runsc

amicontained: ## bin/amicontained, which looks at a box in a test, from its Go module
	@scripts/setup.sh amicontained

docker: ## look for a Docker daemon (SETUP_DOCKER=1 lets it install and start one)
	@scripts/setup.sh docker || echo "make: going on without Docker" >&2

image: runner ## the runner's image from Dockerfile.runner, as glovebox-runner:local
	@docker build --quiet --tag glovebox-runner:local --build-arg ARCH=$(GOARCH) --file Dockerfile.runner $(DIST)

lint: ## formatting, go vet, staticcheck's and golangci-lint's checks
	@scripts/lint.sh

clients: ## the TypeScript client, what it is tested with, and the official MCP clients
	@scripts/setup.sh clients || echo "make: going on without the TypeScript client or the MCP clients" >&2

compare: build ## ask MemberJunction's service and ours the same things, and write docs/memberjunction.md
	@scripts/compare.sh docs/memberjunction.md

bench: build ## measure Glovebox beside its peers: one table in build/bench, and in docs/bench.md (BENCH="--only cold" for a part)
	@scripts/bench.sh --out build/bench $(or $(BENCH),--markdown docs/bench.md)

generate: clients ## everything that is generated and committed
	@go generate ./...

soak: build gvisor docker ## 50 tenants and faults (SOAK="--duration 1h" for longer), then 2,000 runs on each runtime, looking for a stray kill
	@go run ./tools/soak $(SOAK)
	@GLOVEBOX_SOAK=2000 scripts/test.sh -v -run 'TestConformance/.*/soak' -timeout 120m ./internal/sandbox/oci
	@GLOVEBOX_SOAK=2000 scripts/test.sh -v -run 'TestDriver.*/soak' -timeout 120m ./internal/sandbox/docker

install: ## what is built of glovebox, runc and runsc, into $(DESTDIR)$(PREFIX)/bin
	@[ -x bin/glovebox ] || { echo "make: bin/glovebox is not there. Type: make build" >&2; exit 1; }
	@install -d "$(DESTDIR)$(PREFIX)/bin"
	@install -m 0755 bin/glovebox $(wildcard bin/runc bin/runsc) "$(DESTDIR)$(PREFIX)/bin/"

release: ## archives of this commit for amd64 and arm64, with checksums, SBOM and notices, in build/release
	@scripts/release.sh

vm: build ## boxes without a daemon on cgroup v2, with root and without, in a virtual machine (Debian and Ubuntu)
	@scripts/vm.sh

fuzz: ## each fuzz test for a minute
	@scripts/fuzz.sh

clean: ## remove what was built
	@rm -rf clients/typescript/{build,dist,node_modules,compare/node_modules} clients/mcp/node_modules
	@rm -rf bin image/lib/node_modules image/lib/dist/* $(DIST)/runner-linux-* $(DIST)/libraries.json $(DIST)/NOTICES.txt $(PROBE)
	@git checkout -q -- image/lib/dist/PLACEHOLDER
