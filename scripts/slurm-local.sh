#!/usr/bin/env bash
# A Slurm of several nodes on this one machine, loopback only, no accounting database: for tests.
# Usage: scripts/slurm-local.sh start FOLDER [NODES]
#        scripts/slurm-local.sh stop FOLDER
# Runs as root. /etc/slurm/slurm.conf becomes a link into FOLDER until it stops (Snakemake's plugin
# hides SLURM_CONF from the jobs); where there is such a file already, nothing is done. Each node is a slurmd of its own; measurements of one node share a machine lock,
# those of two do not, as on two machines.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
action=${1:?usage: slurm-local.sh start|stop FOLDER [NODES]}
folder=$(realpath -m "${2:?usage: slurm-local.sh start|stop FOLDER [NODES]}")
nodes=${3:-1}
conf=$folder/slurm.conf
system=/etc/slurm/slurm.conf

die() { printf 'slurm: %s\n  -> %s\n' "$1" "$2" >&2; exit 3; }

start() {
    [[ $(id -u) == 0 ]] || die "a Slurm of one's own needs root" "use a cluster's: docs/slurm.md"
    command -v slurmctld slurmd munged squeue >/dev/null || "$here/slurm-install.sh"
    mkdir -p "$folder/state"
    chmod 755 "$folder"
    configure
    mkdir -p "${system%/*}"
    [[ -e $system ]] && die "$system is there: this machine belongs to a Slurm" "use that one"
    ln -sfn "$conf" "$system"
    # Its own munged beside one that the system may have.
    [[ -e $folder/munge.key ]] || head -c 1024 /dev/urandom >"$folder/munge.key"
    chmod 400 "$folder/munge.key"
    # --force: root, and a folder that is not munge's own, are what we want here.
    munged --force --num-threads=2 --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
        --seed-file="$folder/munged.seed" 2>>"$folder/munged.err"
    slurmctld -c
    for number in $(seq "$nodes"); do
        slurmd -N "node$number"
    done
    for _ in $(seq 100); do
        [[ $(sinfo -h -t idle -o %D 2>/dev/null) == "$nodes" ]] && return
        sleep 0.2
    done
    sinfo -N >&2 || true
    tail -n 20 "$folder"/*.log >&2
    stop
    die "its $nodes nodes are not idle after 20 s" "the lines above are the ends of its logs"
}

configure() {
    local host
    host=$(hostname)
    # NodeHostname: all slurmd are on this host. Ports: beside those of a Slurm that is here.
    cat >"$conf" <<EOF
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17817
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=10
MinJobAge=300
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
StateSaveLocation=$folder/state
SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdSpoolDir=$folder/spool.%n
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmdLogFile=$folder/slurmd.%n.log
SlurmdParameters=config_overrides
TaskProlog=$folder/task-prolog
EOF
    for number in $(seq "$nodes"); do
        mkdir -p "$folder/spool.node$number"
        echo "NodeName=node$number NodeAddr=127.0.0.1 NodeHostname=$host Port=$((17820 + number)) CPUs=2 RealMemory=2000" >>"$conf"
    done
    echo "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP" >>"$conf"
    cat >"$folder/task-prolog" <<EOF
#!/bin/sh
echo "export MOROCCO_LOCK=$folder/\$SLURMD_NODENAME.lock"
EOF
    chmod +x "$folder/task-prolog"
}

stop() {
    scancel --user=root 2>/dev/null || true
    for pid_file in "$folder"/slurmd.*.pid "$folder/slurmctld.pid" "$folder/munged.pid"; do
        end "$pid_file"
    done
    [[ $(readlink "$system") == "$conf" ]] && rm -f "$system"
    return 0
}

# Ends one daemon of ours and waits until it is gone.
end() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) =~ ^(slurmd|slurmctld|munged) ]] || return 0
    kill "$pid"
    for _ in $(seq 50); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
}

case $action in
start) start ;;
stop) stop ;;
*) die "unknown action $action" "start or stop" ;;
esac
