#!/usr/bin/env bash
# Installs Debian's or Ubuntu's Slurm and munge for the tests; does nothing where they are.
set -euo pipefail
command -v slurmctld slurmd munged squeue >/dev/null && exit 0
[[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || {
    printf 'slurm: not here\n  -> install slurm-wlm and munge\n' >&2
    exit 3
}
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=300 update
apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends slurm-wlm munge >/dev/null
