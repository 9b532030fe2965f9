#!/bin/sh
# Runs in the virtual machine that scripts/vm.sh boots, as root: the checks that /vm/checks names, or all.
cd /vm || exit 1
export PATH=/vm/bin:$PATH HOME=/root GLOVEBOX_RUNTIME_DIR=/vm/bin

# Two accounts without privileges; the first has subordinate ids.
printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\npoor:x:1001:1001::/home/poor:/bin/sh\n' > /etc/passwd
printf 'root:x:0:\nuser:x:1000:\npoor:x:1001:\nstaff:x:50:user\n' > /etc/group
echo user:524288:65536 > /etc/subuid
echo user:524288:65536 > /etc/subgid
for id in 1000 1001; do
  # /run/user is as pam_systemd mounts it.
  mkdir -p /home/$id /run/user/$id
  mount -t tmpfs -o nosuid,nodev,mode=0700,uid=$id,gid=$id tmpfs /run/user/$id
  chown $id:$id /home/$id
done
ln -s /usr/bin/crun /vm/bin/crun

# The cgroups are as systemd leaves them: every process in a group of its own; controllers given on by a few.
cgroups=/sys/fs/cgroup
version1=
[ -e $cgroups/cgroup.procs ] || version1=yes
[ -n "$version1" ] || mkdir $cgroups/init.scope
[ -n "$version1" ] || while read -r pid; do echo "$pid" > $cgroups/init.scope/cgroup.procs; done < $cgroups/cgroup.procs 2>/dev/null
delegate() { # PATH USER CONTROLLERS: PATH is given to the user, with the controllers
  path=$cgroups
  for part in $(echo "$1" | tr / ' '); do
    for controller in $3; do echo "+$controller" > $path/cgroup.subtree_control; done
    path=$path/$part
    mkdir -p $path
  done
  chown "$2:$2" $path $path/cgroup.procs $path/cgroup.threads $path/cgroup.subtree_control
}

# as USER CGROUP COMMAND...: runs it as the user, from within the cgroup, as if the user had logged in.
as() {
  id=$(id -u "$1") account=$1 group=$2
  shift 2
  sh -c "echo \$\$ > $cgroups/$group/cgroup.procs && cd /home/$id && XDG_RUNTIME_DIR=/run/user/$id HOME=/home/$id exec ${become:-su -p $account -s /bin/sh} -c '$*'"
}

failed=
check() {
  name=$1
  shift
  start=$(date +%s)
  echo "=== $name"
  if "$@"; then echo "--- ok $name ($(($(date +%s) - start)) s)"; else
    echo "--- FAILED $name: $? ($(($(date +%s) - start)) s)"
    failed="$failed $name"
  fi
}

[ ! -s slow ] || export GLOVEBOX_TEST_SLACK=30s

demo() { echo "glovebox run --driver oci --runtime $1 --timeout 300s /vm/examples/monthly-sales.js --input /vm/examples/sales.json --verbose"; }
small() { echo "echo return 6*7 | glovebox run --driver oci --timeout 120s --verbose $*"; }
cat > /vm/bin/suite <<'END'
#!/bin/sh
cd /vm || exit 1
pattern=$(cat run)
export GLOVEBOX_REQUIRE=runner,$1
# An emulated processor is too slow for cases that measure it, and for others side by side.
skip=$(cat slow)
exec ./oci.test -test.skip "${skip:-^\$}" ${skip:+-test.parallel 1} -test.v -test.timeout 90m -test.run "${pattern:-^TestConformance\$/^$1\$/^(life|native|hostile|limits|sweep)\$}"
END
chmod +x /vm/bin/suite

# refused TEXT COMMAND...: the command must fail and say the text.
refused() {
  text=$1
  shift
  "$@" > /tmp/said 2>&1 && { cat /tmp/said; return 1; }
  cat /tmp/said
  grep -q -e "$text" /tmp/said
}

slice=user.slice/user-1000.slice/user@1000.service/app.slice
checks=$(cat checks)
# refusals: each thing that a user may lack has its own sentence, which says what to type.
refusals() {
  bad=0
  expect() { refused "$@" || { echo "--- not as it should be: $1"; bad=1; }; }
  crun=$(small --runtime crun)
  expect 'is not delegated to its user: systemd-run --user --scope' as user init.scope "$crun"
  delegate bare.slice/run.scope 1000 "memory pids"
  expect 'was delegated without cpu: as root' as user bare.slice/run.scope "$crun"
  delegate poor.slice/run.scope 1001 "cpu memory pids"
  expect 'poor has no subordinate ids.*usermod --add-subuids' as poor poor.slice/run.scope "$crun"
  good=refused.slice/run.scope
  delegate $good 1000 "cpu memory pids"
  expect 'supplementary groups.*--runtime crun' as user $good "$(small --runtime runc)"
  mkdir -p /tmp/fake && printf '#!/bin/sh\necho runsc version release-20260901.0\n' > /tmp/fake/runsc && chmod 755 /tmp/fake /tmp/fake/runsc
  expect 'no limits on a box.*--runtime crun' as user $good "$(small --runtime /tmp/fake/runsc)"
  chmod u-s /usr/bin/newgidmap
  expect 'newgidmap.*apt-get install uidmap' as user $good "$crun"
  chmod u+s /usr/bin/newgidmap
  sysctl -q user.max_user_namespaces=0
  expect 'sysctl user.max_user_namespaces' as user $good "$crun"
  sysctl -q user.max_user_namespaces=10000
  sysctl -q kernel.unprivileged_userns_clone=0
  expect 'sysctl kernel.unprivileged_userns_clone=1' as user $good "$crun"
  sysctl -q kernel.unprivileged_userns_clone=1
  # With all of it put right there is a box.
  as user $good "$crun" && return $bad
}

# pod KIND: what docs/operations.md says that a container needs at the least: gVisor three capabilities, and the host's cgroups.
pod() {
  mkdir -p $cgroups/pod.slice
  echo +cpuset > $cgroups/cgroup.subtree_control # as kubelet has it: gVisor turns on all there are, and this would take CAP_SYS_NICE
  [ "$1" = runsc ] && may=+setuid,+setgid,+dac_override ||
    may=+sys_admin,+setuid,+setgid,+setpcap,+chown,+dac_override,+kill,+sys_chroot,+sys_ptrace,+sys_resource,+net_admin # the unit's
  sh -c "echo \$\$ > $cgroups/pod.slice/cgroup.procs && exec /usr/bin/unshare --cgroup /usr/bin/setpriv --bounding-set=-all,$may --no-new-privs --groups 0,50 sh -c 'cat /proc/self/cgroup; grep -E ^Cap.*Eff /proc/self/status; $(small --runtime "$1" --attestation)'"
}

# nothing-left: no box is, whoever made it.
nothing_left() {
  ! find /sys/fs/cgroup -name 'glovebox-*' | grep . && ! ls -d /run/glovebox/boxes/* /run/user/*/glovebox/boxes/* 2>/dev/null && ! ps | grep '[/]runner'
}

# killed: the owner dies, and whoever sweeps is in another delegated cgroup.
killed() {
  first=killed.slice/first.scope second=killed.slice/second.scope
  delegate $first 1000 "cpu memory pids"
  delegate $second 1000 "cpu memory pids"
  echo 'for (;;);' > /tmp/endless.js
  cat > /tmp/kill.sh <<'END'
glovebox run --driver oci --runtime crun --timeout 300s /tmp/endless.js &
until [ -s /run/user/1000/glovebox/oci/*/pid ]; do sleep 1; done
sleep 5
kill -9 $!
END
  as user $first sh /tmp/kill.sh
  find $cgroups/killed.slice -name 'glovebox-*' | grep . || { echo "no box was left behind: nothing is shown"; return 1; }
  as user $second glovebox sweep || return 1
  ! find $cgroups/killed.slice -name 'glovebox-*' | grep . && ! ls -d /run/user/1000/glovebox/oci/*/ 2>/dev/null
}

[ -z "$version1" ] || checks=${checks:-host root-small-runc root-small-crun user-on-v1 nothing-left}
[ -x bin/runc ] || checks=${checks:-host root-small-crun root-demo-crun root-suite-crun user-small user-demo-crun killed nothing-left}
[ -n "$checks" ] || checks="host root-small-runc root-small-crun root-demo-runc root-suite-runc root-suite-crun user-small user-demo-crun user-without-groups-runc refusals killed user-suite-crun nothing-left"
for c in $checks; do
  kind=${c##*-}
  case $c in
    host) check host sh -c 'uname -a; cat /sys/fs/cgroup/cgroup.controllers; grep cgroup /proc/self/mountinfo; glovebox doctor' ;;
    root-small-*) check "$c" sh -c "$(small --runtime "$kind")" ;;
    root-demo-*) check "$c" sh -c "$(demo "$kind")" ;;
    root-suite-*) check "$c" suite "$kind" ;;
    user-on-v1 | pod-*) ;;
    user-*)
      scope=$slice/$c.scope
      delegate "$scope" 1000 "cpu memory pids"
      ;;
  esac
  case $c in
    host | root-*) ;;
    user-on-v1) check "$c" refused 'cgroup version 1 keeps.*systemd.unified_cgroup_hierarchy=1' sh -c "cd / && exec su -p user -s /bin/sh -c 'export XDG_RUNTIME_DIR=/run/user/1000; $(small --runtime crun)'" ;;
    pod-*) check "$c" pod "$kind" ;;
    refusals | killed) check "$c" "$c" ;;
    nothing-left) check "$c" nothing_left ;;
    user-small) check "$c" as user "$scope" "$(small)" ;;
    user-small-*) check "$c" as user "$scope" "$(small --runtime "$kind")" ;;
    user-without-groups-*) # runc leaves a user's to the box: it may do for one who has none
      become="/usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups /bin/sh"
      check "$c" as user "$scope" "$(small --runtime "$kind")"
      become=
      ;;
    user-demo-*) check "$c" as user "$scope" "$(demo "$kind")" ;;
    user-suite-*) check "$c" as user "$scope" suite "$kind" ;;
    *) check "$c" false ;;
  esac
done
if [ -n "$failed" ]; then echo "vm: failed:$failed"; exit 1; fi
echo "vm: all checks passed"
