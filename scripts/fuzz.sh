#!/usr/bin/env bash
# Runs each fuzz test of the module for a while, one after the other, with a line for each.
#
#   scripts/fuzz.sh [PATTERN]   those whose name matches, as in Fuzz(Request|Frame); without it, all
#   FUZZTIME=5s scripts/fuzz.sh how long each runs (a minute)
#
# It goes on after a failure, and ends with exit status 1 where there was one; go test keeps the input that failed in
# the package's testdata/fuzz, to be committed with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."

for_each=${FUZZTIME:-60s} pattern=${1:-.}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

mapfile -t tests < <(
  { git ls-files -z --cached --others --exclude-standard -- '*_test.go' |
    xargs -0 grep -oHE '^func Fuzz[A-Za-z0-9_]*' || true; } |
    while IFS=: read -r file name; do
      name=${name#func }
      if [[ $name =~ $pattern ]]; then echo "./$(dirname "$file") $name"; fi
    done | sort -u
)
if [ ${#tests[@]} -eq 0 ]; then
  echo "fuzz: no fuzz test matches $pattern" >&2
  exit 2
fi

failed=0 done=0
for test in "${tests[@]}"; do
  read -r package name <<< "$test"
  done=$((done + 1))
  echo "fuzz: $done of ${#tests[@]}: $name in $package, for $for_each" >&2
  if ! go test -run '^$' -fuzz "^$name\$" -fuzztime "$for_each" "$package" > "$log" 2>&1; then
    failed=$((failed + 1))
    echo "fuzz: $name in $package FAILED" >&2
    cat "$log" >&2
  fi
done
echo "fuzz: ${#tests[@]} tests, $failed failed" >&2
[ "$failed" -eq 0 ]
