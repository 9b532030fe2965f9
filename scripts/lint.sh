#!/usr/bin/env bash
# Every check that needs no test to run: formatting, go vet, a build for arm64, golangci-lint (pinned in tools/golangci, built once), and
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

# No arm64 machine runs the tests, but all programs build for it.
for program in runner probe glovebox; do
  GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -o /dev/null "./cmd/$program"
done

# Lock files name packages and hashes, never the hosts that packages come from.
if git grep -nIE '"resolved": *"' -- '*package-lock.json'; then
  echo "lint: a lock file names where packages come from: install with omit-lockfile-registry-resolved=true" >&2
  exit 1
fi

scripts/setup.sh golangci
bin/golangci-lint run ./...
