#!/usr/bin/env bash
# Every check that needs no test to run: formatting, go vet, golangci-lint (pinned in tools/golangci, built once), and
# that nothing is in the tree which must not be.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(git ls-files '*.go' | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
  echo "lint: not formatted (gofmt -w):" >&2
  echo "$unformatted" >&2
  exit 1
fi
go vet ./...

# Lock files name packages and hashes, never the hosts that packages come from.
if git grep -nIE '"resolved": *"' -- '*package-lock.json'; then
  echo "lint: a lock file names where packages come from: install with omit-lockfile-registry-resolved=true" >&2
  exit 1
fi

scripts/setup.sh golangci
bin/golangci-lint run ./...
