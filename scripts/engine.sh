#!/usr/bin/env bash
# Makes sure that a container engine answers: does nothing if one does; else starts the one that
# is installed; else, as root on Debian or Ubuntu, installs the distribution's docker.io first.
# Usage: scripts/engine.sh            MOROCCO_STATE: where the log of a dockerd started here lies
set -euo pipefail

state=${MOROCCO_STATE:-/var/lib/morocco}
log=$state/dockerd.log

say() { printf 'engine: %s\n' "$*" >&2; }
die() {
    say "$1"
    shift
    printf '  -> %s\n' "$@" >&2
    exit 3
}

# Prints the address that answered. The same places, in the same order, as morocco.engine.client.
answers() {
    python3 - <<'PY'
import os, socket, sys, urllib.parse

host = os.environ.get("DOCKER_HOST", "")
runtime = os.environ.get("XDG_RUNTIME_DIR", "")
places = [host] if host else ["unix:///var/run/docker.sock"] + [
    f"unix://{path}"
    for path in (
        runtime and f"{runtime}/docker.sock",
        "/run/podman/podman.sock",
        runtime and f"{runtime}/podman/podman.sock",
    )
    if path
]
for place in places:
    url = urllib.parse.urlsplit(place)
    try:
        if url.scheme == "unix":
            link = socket.socket(socket.AF_UNIX)
            link.settimeout(20)
            link.connect(url.path)
        else:
            link = socket.create_connection((url.hostname, url.port or 2375), timeout=20)
            if os.environ.get("DOCKER_TLS_VERIFY"):  # it listens; TLS is the client's business
                print(place)
                sys.exit()
        link.sendall(b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n")
        if b" 200 " in link.recv(64):
            print(place)
            sys.exit()
    except (OSError, ValueError):
        continue
sys.exit(1)
PY
}

# A daemon that is there but may not be spoken to is not a missing one.
refuse_without_permission() {
    local socket=/var/run/docker.sock
    if [[ -S $socket && ! -w $socket ]]; then
        die "a container engine runs, but $(id -un) may not use it" \
            "sudo usermod -aG docker $(id -un), then log in again"
    fi
}

install() {
    command -v apt-get >/dev/null ||
        die "no container engine, and no apt-get to install one with" \
            "install Docker (https://docs.docker.com/engine/install/) and call this again"
    say "installing the distribution's docker.io"
    export DEBIAN_FRONTEND=noninteractive
    local output
    for step in "update" "install -y --no-install-recommends docker.io iptables"; do
        # shellcheck disable=SC2086  # the step is a list of words
        output=$(apt-get -q -o DPkg::Lock::Timeout=300 $step 2>&1) || {
            printf '%s\n' "$output" | tail -n 20 >&2
            die "apt-get ${step%% *} failed" "install docker.io by hand and call this again"
        }
    done
}

# Waits up to 60 s, but not for a daemon that is gone.
wait_for() {
    local pid=$1
    for _ in $(seq 300); do
        answers >/dev/null && return 0
        [[ $pid == 0 ]] || kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.2
    done
    return 1
}

start_by_hand() {
    mkdir -p "$state"
    # A daemon that was killed leaves its pid file; another process may wear that number now.
    local old
    old=$(cat /var/run/docker.pid 2>/dev/null || true)
    if [[ -n $old && $(cat "/proc/$old/comm" 2>/dev/null) != dockerd ]]; then
        rm -f /var/run/docker.pid
    fi
    # The lock's descriptor must not live on in the daemon.
    setsid dockerd "$@" >>"$log" 2>&1 </dev/null 9>&- &
    wait_for $!
}

start() {
    if [[ -d /run/systemd/system ]]; then
        say "starting docker.service"
        systemctl start docker || true
        wait_for 0 && return
        die "docker.service does not answer" "see: journalctl -u docker"
    fi
    say "no init system: starting dockerd by hand, its log is $log"
    start_by_hand && return
    # Runs and builds need no network: an engine without one will do where iptables does not work.
    say "dockerd did not come up: trying without its network"
    start_by_hand --iptables=false --ip6tables=false --bridge=none && return
    tail -n 20 "$log" >&2
    die "dockerd does not start on this machine" "the lines above are the end of $log" \
        "an engine elsewhere will do: set DOCKER_HOST"
}

main() {
    local place
    if place=$(answers); then
        say "$place answers"
        return
    fi
    [[ -z ${DOCKER_HOST:-} ]] ||
        die "nothing answers at DOCKER_HOST=$DOCKER_HOST" "unset it, or start that engine"
    refuse_without_permission
    if [[ $(id -u) != 0 ]]; then
        die "no container engine answers" \
            "install and start one: sudo apt-get install docker.io, or run this script as root"
    fi
    mkdir -p "$state"
    exec 9>"$state/engine.lock"
    flock 9
    if ! place=$(answers); then # another call may have started it meanwhile
        command -v dockerd >/dev/null || install
        answers >/dev/null || start
        place=$(answers)
    fi
    say "$place answers"
}

main "$@"
