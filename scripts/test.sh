#!/usr/bin/env bash
# Runs the tests, and requires of them everything that set-up could provide: what is here and does not work is a
# failure, never a skip. Arguments go to go test; without any, every package is tested.
set -euo pipefail
cd "$(dirname "$0")/.."

require=libs,runner crun=
if [ "$(id -u)" = 0 ]; then
  if [ -x bin/runc ]; then require+=,runc; fi
  if [ -x bin/runsc ]; then require+=,runsc; fi
  if [ -x bin/amicontained ]; then require+=,amicontained; fi
  # The system's crun counts from the floor of its known holes up.
  version=$(crun --version 2>/dev/null | sed -n '1s/^crun version //p')
  if printf '%s\n' 1.4.4 "${version:-0}" | sort -CV; then
    crun=,crun
  else
    echo "test: no crun of 1.4.4 or later: it is left out (SETUP_DOCKER=1 make test installs it, or apt-get install crun)" >&2
  fi
else
  echo "test: not root: boxes without Docker are left out (run as root to have them tested)" >&2
fi
if timeout 10 docker version >/dev/null 2>&1; then
  require+=,docker
  # A daemon that is not of our making need not know it.
  if ! timeout 10 docker info --format '{{json .Runtimes}}' | grep -q '"crun"'; then crun=; fi
else
  echo "test: no Docker daemon answers: what needs one is left out (SETUP_DOCKER=1 make test installs and starts one)" >&2
fi
if [ -e clients/typescript/node_modules/.stamp ]; then
  require+=,node
else
  echo "test: the TypeScript client is not prepared: its tests are left out (make clients prepares it)" >&2
fi
if [ -e clients/mcp/node_modules/.stamp ]; then
  require+=,mcp
else
  echo "test: the official MCP clients are not prepared: their tests are left out (make clients prepares them)" >&2
fi
if command -v curl >/dev/null; then require+=,curl; fi
require+=$crun
export GLOVEBOX_REQUIRE=${GLOVEBOX_REQUIRE:-$require}
# The runtimes that set-up built come before any that the system has.
export GLOVEBOX_RUNTIME_DIR=${GLOVEBOX_RUNTIME_DIR:-$PWD/bin}
echo "test: requiring $GLOVEBOX_REQUIRE" >&2
if [ $# -gt 0 ]; then exec go test "$@"; fi
# The boxes of a daemon of the soak's own would be left behind to the tests of the Docker driver, which ask the other one: so it comes alone.
alone='^TestSoakOfADaemon$'
go test -timeout 20m -skip "$alone" ./...
go test -timeout 20m -run "$alone" ./tools/soak
go test -C tools/sbom ./merge # a module of its own

# What many use at once is tested once more, with the race detector; it needs a C compiler. (The server that tools/soak drives has it too.)
if ! command -v "${CC:-gcc}" >/dev/null; then
  echo "test: no C compiler: the race detector is left out (apt-get install gcc)" >&2
  exit 0
fi
CGO_ENABLED=1 exec go test -race -short -timeout 20m ./api/client ./controller ./internal/{action,agentrun,execution,kept,ledger,logcontext,mcp,queue,quota,recorder,sandbox,webhook} \
  ./internal/store/... ./internal/trace/...
