#!/usr/bin/env bash
# Boots a small virtual machine with cgroup v2 alone, and runs the boxes without a daemon in it: as root, and as a user
# without privileges. It is for hosts that have another layout, and no part of make test.
#
#   scripts/vm.sh [CHECK...]   the checks of scripts/vm/guest.sh to run; without any, all
#
# VM_ARCH=arm64 gives the machine another processor than the host's; VM_CGROUPS=v1 gives it cgroup v1 alone in place of v2.
# VM_RUN is a pattern for the conformance suite's cases (as go test -run takes it), VM_MEMORY the machine's memory in
# MiB. Without KVM the processor is emulated: a check takes minutes.
#
# The kernel and the tools are Debian's packages, fetched by apt, which checks them against the archive's signed lists;
# they are unpacked into bin/vm and never installed.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "vm: $*" >&2; }
fail() { say "$*"; exit 1; }

native=$(dpkg --print-architecture 2>/dev/null) || fail "the machine is made from Debian's packages: run this on Debian or Ubuntu"
arch=${VM_ARCH:-$native}
case $arch in
  amd64) qemu=qemu-system-x86_64 qemu_package=qemu-system-x86 machine=pc console=ttyS0 ;;
  arm64) qemu=qemu-system-aarch64 qemu_package=qemu-system-arm machine=virt console=ttyAMA0 ;;
  *) fail "VM_ARCH is $arch: amd64 and arm64 are known" ;;
esac
cache=$PWD/bin/vm/$arch
packages=(
  busybox-static uidmap crun
  # What crun, runc, newuidmap and newgidmap are linked with.
  libc6 libseccomp2 libyajl2 libsystemd0 libcap2 libgcrypt20 libgpg-error0 liblzma5 libzstd1 liblz4-1
  libaudit1 libcap-ng0 libselinux1 libpcre2-8-0 libsubid4 libsemanage2 libsepol2 libbz2-1.0 libcrypt1 libpam0g
)

missing=()
command -v $qemu >/dev/null || missing+=($qemu_package)
command -v cpio >/dev/null || missing+=(cpio)
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || fail "the machine needs ${missing[*]}. Type: sudo apt-get install -y --no-install-recommends ${missing[*]}"
  say "installing ${missing[*]} ..."
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Packages of another architecture than the host's have lists of their own: the host's apt is not told of it.
foreign_apt() {
  mkdir -p "$cache/apt/state/lists/partial" "$cache/apt/cache/archives/partial"
  : > "$cache/apt/status"
  cat > "$cache/apt/conf" <<END
#clear APT::Architectures;
APT { Architecture "$arch"; Architectures { "$arch"; }; Sandbox::User "root"; };
Dir::State "$cache/apt/state";
Dir::State::status "$cache/apt/status";
Dir::Cache "$cache/apt/cache";
END
  export APT_CONFIG=$cache/apt/conf
  apt-get update -qq
}

# The packages, once.
fetch() {
  if [ "$arch" != "$native" ]; then foreign_apt; fi
  local kernel
  kernel=$(apt-cache depends "linux-image-cloud-$arch" | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
  [ -n "$kernel" ] || fail "apt knows no linux-image-cloud-$arch. Type: sudo apt-get update"
  say "fetching $kernel and ${#packages[@]} packages more ..."
  rm -rf "$cache/debs" "$cache/system" "$cache/boot"
  mkdir -p "$cache/debs" "$cache/system"
  (cd "$cache/debs" && apt-get download -qq "$kernel" "${packages[@]}" 2>/dev/null) || fail "apt could not fetch them: apt-get update, and try again"
  for deb in "$cache"/debs/*.deb; do dpkg-deb -x "$deb" "$cache/system"; done
  # Of this package two programs: the others would stand before busybox's.
  (cd "$cache/debs" && apt-get download -qq util-linux 2>/dev/null) || fail "apt could not fetch util-linux"
  dpkg-deb --fsys-tarfile "$cache"/debs/util-linux_*.deb | tar -x -C "$cache/system" ./usr/bin/setpriv ./usr/bin/unshare
  mv "$cache/system/boot" "$cache/boot"
  rm -rf "$cache/debs" "$cache/apt" "$cache/system/lib/modules" "$cache/system/usr/share" "$cache"/system/usr/lib/*/gconv
  touch "$cache/system/.done"
}
mkdir -p "$cache"
[ -e "$cache/system/.done" ] || (fetch)

rm -rf "$cache/ours"
mkdir -p "$cache/ours/vm/bin" "$cache/ours/vm/examples"
if [ "$arch" = "$native" ]; then
  for built in glovebox runc; do [ -x bin/$built ] || fail "bin/$built is not there. Type: make build"; done
  cp bin/glovebox bin/runc "$cache/ours/vm/bin/"
  if [ -x bin/runsc ]; then cp bin/runsc "$cache/ours/vm/bin/"; fi # for pod-runsc
else
  # runc needs a C compiler of that architecture: crun has to do.
  say "building for $arch ..."
  runner=internal/runnerimage/dist/runner-linux-$arch
  trap 'rm -f "$runner" "$runner.sha256"' EXIT # else the next build would embed it too
  GOARCH=$arch CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid=" -o "$runner" ./cmd/runner
  chmod 0555 "$runner"
  sha256sum < "$runner" | cut -d ' ' -f 1 > "$runner.sha256"
  GOARCH=$arch CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$cache/ours/vm/bin/glovebox" ./cmd/glovebox
fi

say "compiling the tests ..."
mkdir -p "$cache/vm"
export GOARCH=$arch CGO_ENABLED=0
go test -c -ldflags='-s -w' -o "$cache/vm/oci.test" ./internal/sandbox/oci
go build -trimpath -ldflags='-s -w' -o "$cache/vm/hostile" ./internal/sandbox/drivertest/hostile
go build -trimpath -ldflags='-s -w' -o "$cache/vm/runner" ./internal/sandbox/oci/testdata/runner

# The machine's file system: a layer of Debian's, and one of ours.
cp scripts/vm/init "$cache/ours/init"
cp scripts/vm/guest.sh "$cache/vm/oci.test" "$cache/vm/hostile" "$cache/vm/runner" "$cache/ours/vm/"
cp -r internal/sandbox/oci/testdata "$cache/ours/vm/testdata"
cp scripts/vm/go "$cache/ours/vm/bin/go"
cp examples/monthly-sales.js examples/sales.json "$cache/ours/vm/examples/"
printf '%s\n' "$*" > "$cache/ours/vm/checks"
printf '%s\n' "${VM_RUN:-}" > "$cache/ours/vm/run"
# A machine that is a virtual one itself may have a /dev/kvm that no processor can be made of.
kvm_works() { [ -w /dev/kvm ] && [ "$arch" = "$native" ] && { [ "$arch" != amd64 ] || grep -qwE 'vmx|svm' /proc/cpuinfo; }; }
accel=kvm slow=
if ! kvm_works; then
  accel=tcg,thread=multi slow='///(cpu|all_the_logs)$|////endless_logs$'
fi
printf '%s' "$slow" > "$cache/ours/vm/slow"
pack() { (cd "$1" && find . -print0 | cpio --null --create --format=newc --owner=0:0 --quiet); }
{ pack "$cache/system"; pack "$cache/ours"; } > "$cache/initramfs"

case ${VM_CGROUPS:-v2} in
  v2) cgroups=cgroup_no_v1=all ;;
  v1) cgroups= ;;
  *) fail "VM_CGROUPS is $VM_CGROUPS: v1 and v2 are known" ;;
esac
say "booting $(basename "$cache"/boot/vmlinuz-*) ($accel) ..."
start=$SECONDS
timeout --foreground "${VM_TIMEOUT:-3600}" "$qemu" -machine "$machine" -accel "$accel" -cpu max -smp 2 -m "${VM_MEMORY:-3072}" \
  -nodefaults -no-user-config -no-reboot -display none -serial stdio -monitor none -nic none \
  -kernel "$cache"/boot/vmlinuz-* -initrd "$cache/initramfs" \
  -append "console=$console quiet panic=-1 rdinit=/init no_timer_check $cgroups" </dev/null | sed -u 's/\r$//' | tee "$cache/console.log"
say "the machine ran for $((SECONDS - start)) s; its console is in bin/vm/$arch/console.log"
grep -q '^vm: all checks passed$' "$cache/console.log" || fail "not all checks passed"
