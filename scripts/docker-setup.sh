#!/usr/bin/env bash
# Makes sure that a Docker daemon answers, and that it knows the runtimes that Glovebox can use.
#
#   scripts/docker-setup.sh [--runsc FILE] [--runc FILE] [--crun FILE] [--dir DIR] [--stop]
#
#   --runsc FILE  gVisor's runsc, to be registered as the runtime "runsc"
#   --runc FILE   our own build of runc, to be registered as "runc-glovebox" (Docker keeps "runc" for its own)
#   --crun FILE   crun, to be registered as "crun"; without it, crun is taken from PATH where it is there
#   --dir DIR     where the daemon that this script starts keeps its configuration, log and pid (/run/glovebox-docker)
#   --stop        end the daemon that this script started
#
# It installs and starts something only when SETUP_DOCKER=1 is set; otherwise it says what to type. It is quiet when
# there is nothing to do. A daemon that it did not start, and a daemon.json that was there, are never touched.
#
# Exit status: 0 a daemon answers and knows every runtime named, 1 something failed, 2 usage, 3 something is missing
# and this script may not put it there (it has said what to type).
set -euo pipefail

dir=/run/glovebox-docker
runsc='' runc='' crun=$(command -v crun || true) stop=''
while [ $# -gt 0 ]; do
  case $1 in
    --runsc | --runc | --crun | --dir)
      [ $# -ge 2 ] || { echo "docker-setup: $1 takes a value" >&2; exit 2; }
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    --stop) stop=1; shift ;;
    *) echo "docker-setup: unknown argument $1 (see the head of $0)" >&2; exit 2 ;;
  esac
done

config=$dir/daemon.json pidfile=$dir/dockerd.pid log=$dir/dockerd.log
say() { echo "docker-setup: $*" >&2; }
fail() { say "$*"; exit 1; }
absolute() { # a runtime's path, as the daemon needs it
  [ -z "$1" ] && return
  [ -x "$1" ] || fail "$1 is not an executable file"
  realpath -- "$1"
}
# One assignment a line: set -e sees the last one's failure only.
runsc=$(absolute "$runsc")
runc=$(absolute "$runc")
crun=$(absolute "$crun")

# A daemon that hangs must not hang us.
answers() { command -v docker >/dev/null && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
# A daemon that was killed and that nobody has reaped yet (a zombie, Z) is no daemon.
ours() { [ -r "$pidfile" ] && [[ $(cat "/proc/$(cat "$pidfile")/stat" 2>/dev/null) == *" (dockerd) "[!Z]* ]]; }

# What gVisor is to be started with:
#   --network=none      Docker's network namespace is empty, and an older runsc refuses to start on it otherwise
#   --platform=systrap  needs no KVM
#   --oci-seccomp       without it runsc drops the seccomp profile of a container in silence
#   --directfs=false    without it gVisor's kernel has root's id and capabilities on the host, to open files by itself
runsc_args=(--network=none --platform=systrap --oci-seccomp --directfs=false)

# runtimes_json prints the "runtimes" object of a daemon.json.
runtimes_json() {
  local comma='' args
  printf -v args '"%s", ' "${runsc_args[@]}"
  printf '{'
  if [ -n "$runsc" ]; then
    printf '\n    "runsc": {"path": "%s", "runtimeArgs": [%s]}' "$runsc" "${args%, }"
    comma=,
  fi
  if [ -n "$runc" ]; then printf '%s\n    "runc-glovebox": {"path": "%s"}' "$comma" "$runc"; comma=,; fi
  if [ -n "$crun" ]; then printf '%s\n    "crun": {"path": "%s"}' "$comma" "$crun"; fi
  printf '\n  }'
}

# missing prints the names of the runtimes that the daemon lacks, or has at a place where nothing is any more. crun
# unasked is a bonus, not a need.
missing() {
  local known name path
  known=$(timeout 10 docker info --format '{{range $name, $r := .Runtimes}}{{$name}}={{$r.Path}}{{"\n"}}{{end}}')
  for name in ${runsc:+runsc} ${runc:+runc-glovebox}; do
    if ! path=$(grep -m1 "^$name=" <<<"$known"); then echo "$name"; continue; fi
    path=${path#*=}
    # A daemon elsewhere has its files elsewhere too.
    if [ -S /var/run/docker.sock ] && [ -z "${DOCKER_HOST:-}" ] && [[ $path == /* ]] && ! [ -e "$path" ]; then echo "$name"; fi
  done
}

# registered is for a daemon of ours: it has the runtimes at the places that we were given, with their arguments.
registered() {
  local known
  known=$(timeout 10 docker info --format '{{range $name, $r := .Runtimes}}{{$name}}={{$r.Path}}{{range $r.Args}} {{.}}{{end}}{{"\n"}}{{end}}')
  { [ -z "$runsc" ] || grep -qxF "runsc=$runsc ${runsc_args[*]}" <<<"$known"; } && { [ -z "$runc" ] || grep -qxF "runc-glovebox=$runc" <<<"$known"; }
}

write_config() { # $1 is the file
  # Boxes have no network: with no bridge the daemon leaves the host's firewall and interfaces alone.
  local body
  body=$(printf '{\n  "bridge": "none",\n  "iptables": false,\n  "ip6tables": false,\n  "runtimes": %s\n}' "$(runtimes_json)")
  [ -f "$1" ] && [ "$body" = "$(cat "$1")" ] && return 1 # nothing new
  printf '%s\n' "$body" >"$1.new"
  mv -- "$1.new" "$1"
}

# wait_for runs a command until it succeeds, telling every ten seconds that it still waits.
wait_for() { # $1 seconds, $2 what for, $3... command
  local deadline=$((SECONDS + $1)) told=$((SECONDS + 10)) what=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    if [ $SECONDS -ge $told ]; then say "still waiting for $what"; told=$((SECONDS + 10)); fi
    sleep 0.2
  done
}

if [ -n "$stop" ]; then
  ours || exit 0
  pid=$(cat "$pidfile")
  kill "$pid"
  gone() { ! [ -d "/proc/$pid" ]; }
  wait_for 60 'the daemon to end' gone || fail "dockerd ($pid) does not end; its log is $log"
  rm -f -- "$pidfile" "$config"
  exit 0
fi

may=${SETUP_DOCKER:-}
again="SETUP_DOCKER=1 $0${runsc:+ --runsc $runsc}${runc:+ --runc $runc}"

if answers; then
  lacks=$(missing | paste -sd' ')
  # Ours learns of new runtimes, and of new places of old ones, without a restart.
  if ours && [ "$may" = 1 ] && write_config "$config"; then
    kill -HUP "$(cat "$pidfile")"
    wait_for 20 'the daemon to take in its runtimes' registered || fail "dockerd did not take in $config; its log is $log"
    exit 0
  fi
  [ -z "$lacks" ] && exit 0
  if ours; then
    say "the Docker daemon has no working runtime(s) $lacks. To register them, type: $again"
  else
    say "the Docker daemon has no working runtime(s) $lacks, and it is not for this script to change it."
    say "To register them, merge this into /etc/docker/daemon.json and type: sudo kill -HUP \$(pidof dockerd)"
    printf '{\n  "runtimes": %s\n}\n' "$(runtimes_json)" >&2
  fi
  exit 3
fi

if command -v dockerd >/dev/null; then
  needs=started
else
  needs='installed and started'
fi
if [ "$may" != 1 ]; then
  say "no Docker daemon answers. To have one $needs, type: sudo $again"
  exit 3
fi
if [ "$(id -u)" != 0 ]; then
  say "a Docker daemon must be $needs, which only root may do. Type: sudo $again"
  exit 3
fi

if [ "$needs" != started ]; then
  if ! command -v apt-get >/dev/null; then
    say 'only Debian and Ubuntu are known here. Install Docker Engine by hand, and start it.'
    exit 3
  fi
  say 'installing Docker Engine (docker.io, by apt-get): a minute or two'
  mkdir -p -- "$dir"
  export DEBIAN_FRONTEND=noninteractive
  {
    apt-get install -y --no-install-recommends docker.io ||
      { apt-get update && apt-get install -y --no-install-recommends docker.io; }
  } >"$dir/apt.log" 2>&1 || fail "apt-get install docker.io failed; its output is in $dir/apt.log"
  # The package may have started it.
  if answers; then exec "$0" ${runsc:+--runsc "$runsc"} ${runc:+--runc "$runc"} ${crun:+--crun "$crun"} --dir "$dir"; fi
fi

mkdir -p -m 0700 -- "$dir"
write_config "$config" || true
say "starting dockerd (log $log)"
# A configuration of the machine's own stays in force: ours would hide it.
args=(--config-file "$config")
if [ -f /etc/docker/daemon.json ]; then
  say 'there is an /etc/docker/daemon.json: it is used as it is, and this script registers nothing'
  args=()
fi
# A daemon that was killed leaves its pid file, and dockerd will not start beside one.
ours || rm -f -- "$pidfile"
# So does its containerd, which dockerd takes for running as long as a process of that number is there.
containerd=/var/run/docker/containerd/containerd.pid
if [ -r "$containerd" ] && [[ $(cat "/proc/$(cat "$containerd")/stat" 2>/dev/null) != *" (containerd) "[!Z]* ]]; then
  rm -f -- "$containerd"
fi
setsid -f dockerd "${args[@]}" --pidfile "$pidfile" </dev/null >"$log" 2>&1
wait_for 60 dockerd answers || { tail -n 20 -- "$log" >&2; fail "dockerd did not answer within a minute; its log is $log"; }
lacks=$(missing | paste -sd' ')
if [ -n "$lacks" ]; then
  say "the daemon does not know the runtime(s) $lacks; merge this into /etc/docker/daemon.json and type: kill -HUP $(cat "$pidfile")"
  printf '{\n  "runtimes": %s\n}\n' "$(runtimes_json)" >&2
  exit 3
fi
