#!/usr/bin/env bash
# Makes the archives of a release from what is committed: for each architecture one, with its SBOM and the notices of all that is linked
# in; and their checksums. The same commit and toolchain give the same bytes.
#
#   scripts/release.sh [DIR]    into DIR, by default build/release
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "release: $*" >&2; exit 1; }

[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed: a release is of a commit"
out=$(realpath -m "${1:-build/release}")
version=$(git describe --tags --always)
commit=$(git rev-parse --short=12 HEAD)
time=$(git log -1 --format=%cI)
export GOTOOLCHAIN=local CGO_ENABLED=0

scripts/setup.sh sbom
sbom=$PWD/bin/cyclonedx-gomod
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet --no-hardlinks . "$work/src"
rm -rf "$out"
mkdir -p "$out"
cd "$work/src"
go build -C tools/sbom -trimpath -o "$work/merge" ./merge
for arch in amd64 arm64; do
  # Each embeds its own runner and probe, and none other.
  rm -f internal/runnerimage/dist/runner-linux-* internal/probe/probeimage/dist/probe-linux-*
  make --no-print-directory runner probe GOARCH=$arch
  name=glovebox-$version-linux-$arch
  mkdir -p "$work/$name"
  GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version -X main.commit=$commit" -o "$work/$name/glovebox" ./cmd/glovebox
  for program in glovebox runner probe; do # the last two are in the first
    GOARCH=$arch "$sbom" app -json -licenses -std -noserial -notimestamp -output-version 1.6 -main "cmd/$program" -output "$work/$program.cdx.json" .
  done
  "$work/merge" image/lib/package-lock.json "$work/glovebox.cdx.json" "$work/runner.cdx.json" "$work/probe.cdx.json" > "$work/$name/sbom.cdx.json"
  cp internal/runnerimage/dist/NOTICES.txt LICENSE README.md SECURITY.md RATIONALE.md CHANGELOG.md "$work/$name/"
  cp -r examples deploy docs "$work/$name/"
  tar --create --sort=name --mtime="$time" --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r-w -C "$work" "$name" | gzip --no-name -9 > "$out/$name.tar.gz"
done
cd "$out"
sha256sum -- *.tar.gz > SHA256SUMS

# What this machine can run of it is run, as whoever downloads it does.
host=glovebox-$version-linux-$(go env GOHOSTARCH)
mkdir "$work/try"
sha256sum --check --quiet SHA256SUMS
tar --extract --gzip --file "$host.tar.gz" -C "$work/try"
"$work/try/$host/glovebox" version >&2
"$work/try/$host/glovebox" doctor > /dev/null || [ $? -eq 3 ] || fail "glovebox doctor does not work in $host.tar.gz"
"$work/try/$host/glovebox" version --json | grep -q "\"commit\": \"$commit\"" || fail "$host.tar.gz holds another commit than $commit"
echo "release: $version in $out" >&2
cat SHA256SUMS
