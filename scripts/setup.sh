#!/usr/bin/env bash
# Prepares what Glovebox is built from and tested with. make calls it; it is quiet when there is nothing to do.
#
#   scripts/setup.sh libs      the JavaScript libraries, from npm by lockfile, bundled
#   scripts/setup.sh runc      bin/runc, from its Go module, with libseccomp
#   scripts/setup.sh runsc     bin/runsc (gVisor), from its Go module
#   scripts/setup.sh golangci  bin/golangci-lint, from its Go module
#   scripts/setup.sh sbom      bin/cyclonedx-gomod, which writes a release's SBOM, from its Go module
#   scripts/setup.sh amicontained  bin/amicontained, by whose eyes a test looks at a box, from its Go module (amd64 alone)
#   scripts/setup.sh clients   the TypeScript client, built, what it is tested with, and the official clients of the
#                              Model Context Protocol that the server is tested with, from npm by lockfile
#   scripts/setup.sh compare   besides, the newer Node.js that MemberJunction's service needs, from npm by lockfile
#   scripts/setup.sh docker    a Docker daemon that answers and knows the runtimes: only looks, and says what to
#                              type, unless SETUP_DOCKER=1 lets it install and start one (and install crun)
#
# Everything third-party is pinned and checked against checksums in this repository. Where something is missing that
# it may not install, it says exactly what to type.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

# fresh STAMP FILES... succeeds where the stamp was made from the very same files.
digest() { sha256sum -- "$@" | sha256sum | cut -d ' ' -f 1; }
fresh() { local stamp=$1; shift; [ -r "$stamp" ] && [ "$(cat "$stamp")" = "$(digest "$@")" ]; }
mark() { local stamp=$1; shift; mkdir -p "$(dirname "$stamp")"; digest "$@" > "$stamp"; }

# step TEXT COMMAND... runs a long step: its text at once, its output only where it fails, and how long it took.
step() {
  local text=$1 log start=$SECONDS
  shift
  log=$(mktemp)
  say "$text ..."
  if ! "$@" > "$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "failed: $text"
  fi
  rm -f "$log"
  say "$text: done in $((SECONDS - start)) s"
}

need_go() {
  command -v go >/dev/null || fail "Go 1.26 or later is needed, and there is none: install it, and put its bin directory in PATH"
  local version
  version=$(go env GOVERSION)
  case $version in
    go1.2[6-9]* | go1.[3-9][0-9]* | go[2-9]*) ;;
    *) fail "Go 1.26 or later is needed, and this is $version: install a newer one" ;;
  esac
}

# need_packages COMMAND-OR-TEST PACKAGES... installs Debian packages, as root where apt is there.
need_packages() {
  local why=$1
  shift
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # The lists of a new machine are empty or old: they are fetched before the packages are.
    step "installing $* ($why)" bash -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"' - "$@"
  elif command -v apt-get >/dev/null; then
    fail "$why needs $*. Type: sudo apt-get update && sudo apt-get install -y $*"
  else
    fail "$why needs what Debian calls $*: install your system's packages of that kind"
  fi
}

libs() {
  local sources=(image/lib/package.json image/lib/package-lock.json image/lib/bundle/*.go go.mod) stamp=image/lib/dist/.stamp
  if fresh "$stamp" "${sources[@]}"; then return; fi
  need_go
  command -v npm >/dev/null || fail "npm is needed for the JavaScript libraries. Type: sudo apt-get install -y npm"
  step "fetching the JavaScript libraries by lockfile" npm ci --prefix image/lib --ignore-scripts --no-audit --no-fund
  step "bundling the JavaScript libraries" go run ./image/lib/bundle
  mark "$stamp" "${sources[@]}"
}

# built NAME succeeds where bin/NAME was built from what pins it now.
pins() { printf '%s\n' "runtimes/$1/go.mod" "runtimes/$1/go.sum" scripts/setup.sh; }
built() {
  local sources
  mapfile -t sources < <(pins "$1")
  [ -x "bin/$1" ] && fresh "bin/.$1.stamp" "${sources[@]}"
}

# build_runtime NAME PACKAGE COMMAND... builds bin/NAME from the module that pins it.
build_runtime() {
  local name=$1 package=$2 sources
  shift 2
  if built "$name"; then return; fi
  need_go
  mkdir -p bin
  step "building $name from its Go module (a minute or three)" env "$@" -o "$PWD/bin/$name" "$package"
  mapfile -t sources < <(pins "$name")
  mark "bin/.$name.stamp" "${sources[@]}"
}

runc() {
  if built runc; then return; fi
  command -v pkg-config >/dev/null && pkg-config --exists libseccomp && command -v gcc >/dev/null ||
    need_packages "building runc with seccomp" gcc libc6-dev libseccomp-dev pkg-config
  build_runtime runc github.com/opencontainers/runc \
    CGO_ENABLED=1 go build -C runtimes/runc -trimpath -tags seccomp -ldflags "-s -w"
}

runsc() {
  local version
  version=$(sed -n 's/^.*gvisor\.dev\/gvisor v[0-9.]*-\([0-9]\{8\}\).*$/\1/p' runtimes/runsc/go.mod)
  build_runtime runsc gvisor.dev/gvisor/runsc \
    CGO_ENABLED=0 go build -C runtimes/runsc -trimpath -ldflags "-s -w -X gvisor.dev/gvisor/runsc/version.version=release-$version.0"
}

# tool NAME DIR PACKAGE HOW-LONG builds bin/NAME from the module in tools/DIR that pins it.
tool() {
  local name=$1 dir=$2 package=$3 long=$4
  local stamp=bin/.$name.stamp sources=("tools/$dir/go.mod" "tools/$dir/go.sum")
  if [ -x "bin/$name" ] && fresh "$stamp" "${sources[@]}"; then return; fi
  need_go
  mkdir -p bin
  step "building $name from its Go module ($long)" \
    env CGO_ENABLED=0 go build -C "tools/$dir" -trimpath -ldflags "-s -w" -o "$PWD/bin/$name" "$package"
  mark "$stamp" "${sources[@]}"
}

golangci() { tool golangci-lint golangci github.com/golangci/golangci-lint/v2/cmd/golangci-lint "a few minutes"; }

sbom() { tool cyclonedx-gomod sbom github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod "a minute"; }

amicontained() {
  local stamp=bin/.amicontained.stamp sources=(tools/amicontained/go.mod tools/amicontained/go.sum)
  if [ -x bin/amicontained ] && fresh "$stamp" "${sources[@]}"; then return; fi
  need_go
  [ "$(go env GOARCH)" = amd64 ] || { say "amicontained exists for amd64 alone"; return; }
  mkdir -p bin
  step "building amicontained from its Go module" \
    env CGO_ENABLED=0 go build -C tools/amicontained -trimpath -ldflags "-s -w" -o "$PWD/bin/amicontained" github.com/genuinetools/amicontained
  mark "$stamp" "${sources[@]}"
}

# packages DIR WHAT fetches what a folder's lock file names.
packages() {
  local dir=$1 what=$2
  local sources=("$dir/package.json" "$dir/package-lock.json")
  if fresh "$dir/node_modules/.stamp" "${sources[@]}"; then return; fi
  command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 3) ? 0 : 1)' ||
    fail "$what: npm and Node.js 20.3 or later are needed: install them, and put them in PATH"
  step "fetching $what, by lockfile" npm ci --prefix "$dir" --ignore-scripts --no-audit --no-fund
  mark "$dir/node_modules/.stamp" "${sources[@]}"
}

clients() {
  local dir=clients/typescript
  local sources=("$dir"/src/*.ts "$dir/tsconfig.json" "$dir/package-lock.json")
  packages "$dir" "what the TypeScript client is built with"
  if ! fresh "$dir/dist/.stamp" "${sources[@]}"; then
    step "building the TypeScript client" npm run --silent build --prefix "$dir"
    mark "$dir/dist/.stamp" "${sources[@]}"
  fi
  packages clients/mcp "the official MCP clients"
}

compare() {
  clients
  packages clients/typescript/compare "Node.js"
}

# crun is the system's own, and one runtime more to test with: where it cannot be had, nothing waits for it.
crun() {
  # Not command -v, which would find this function.
  if [ -n "$(type -P crun)" ] || [ "${SETUP_DOCKER:-}" != 1 ]; then return; fi
  (need_packages "testing on crun" crun) || say "going on without crun"
}

docker() {
  local args=()
  crun
  if [ -x bin/runsc ]; then args+=(--runsc bin/runsc); fi
  if [ -x bin/runc ]; then args+=(--runc bin/runc); fi
  scripts/docker-setup.sh "${args[@]}"
}

[ $# -gt 0 ] || fail "what? One or more of: libs runc runsc docker clients compare golangci sbom amicontained"
for what in "$@"; do
  case $what in
    libs | runc | runsc | docker | clients | compare | golangci | sbom | amicontained) "$what" ;;
    *) fail "unknown: $what" ;;
  esac
done
