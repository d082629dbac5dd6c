#!/usr/bin/env bash
# Runs engine tests in a guest whose kernel has control groups v2 alone, for machines that have v1.
# Usage: scripts/cgroup2-guest.sh [PYTEST ARGUMENT...]    MOROCCO_GUEST_MIB: its memory, default 6144
# Root on Debian or Ubuntu. The guest is QEMU with the distribution's kernel; it sees this
# machine's files below a layer of its own in memory, so nothing that it writes comes back. With
# /dev/kvm it is about as fast as the machine; emulated, ten to twenty times slower.
set -euo pipefail
cd "$(dirname "$0")/.."
state=${MOROCCO_STATE:-/var/lib/morocco}/guest
memory=${MOROCCO_GUEST_MIB:-6144}
arguments=("$@")
# The test of the log's frame allows the engine's set-up a quarter of a second of CPU time; emulated
# it takes more.
((${#arguments[@]})) ||
    arguments=(tests/bench/test_totals.py tests/bench/test_failure_modes.py tests/attacks -k "not framed")

die() { printf 'guest: %s\n  -> %s\n' "$1" "$2" >&2; exit 3; }
[[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || die "needs root on Debian or Ubuntu" "run it there"
[[ -x .venv/bin/python ]] || die "no environment here" "make env-dev"

packages() {
    command -v qemu-system-x86_64 >/dev/null && command -v busybox >/dev/null && command -v cpio >/dev/null && return
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends qemu-system-x86 busybox-static cpio kmod >/dev/null
}

# The kernel, unpacked and not installed.
kernel() {
    [[ -e $state/vmlinuz ]] && return
    mkdir -p "$state"
    local name version
    name=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
    (cd "$state" && apt-get -qq download "$name" && dpkg-deb -x "$name"_*.deb root && rm -f ./*.deb)
    version=$(basename "$state"/root/lib/modules/*)
    depmod -b "$state/root" "$version"
    cp "$state/root/boot/vmlinuz-$version" "$state/vmlinuz"
}

# What it takes to reach the files of this machine, and an init that runs the tests there.
initramfs() {
    local folder version
    version=$(basename "$state"/root/lib/modules/*)
    folder=$(mktemp -d)
    mkdir -p "$folder"/{bin,dev,proc,sys,lower,over,new,modules}
    cp "$(command -v busybox)" "$folder/bin/busybox"
    local number module
    for module in virtio_pci 9pnet_virtio 9p overlay; do
        modprobe -d "$state/root" -S "$version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
    done | awk '!seen[$0]++' | nl -w 2 -n rz | while read -r number module; do
        cp "$module" "$folder/modules/$number-$(basename "$module")"
    done
    cat >"$folder/init" <<INIT
#!/bin/busybox sh
b=/bin/busybox
\$b mount -t proc proc /proc
\$b mount -t sysfs sys /sys
\$b mount -t devtmpfs dev /dev
for module in /modules/*; do \$b insmod \$module; done
\$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 host /lower || \$b poweroff -f
\$b mount -t tmpfs -o size=80% over /over
\$b mkdir /over/upper /over/work
\$b mount -t overlay -o lowerdir=/lower,upperdir=/over/upper,workdir=/over/work files /new
for place in proc sys dev; do \$b mount --move /\$place /new/\$place; done
\$b mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
for place in run tmp var/lib/docker dev/shm; do \$b mkdir -p /new/\$place; \$b mount -t tmpfs \$place /new/\$place; done
\$b mkdir -p /new/dev/pts
\$b mount -t devpts devpts /new/dev/pts
\$b chroot /new /bin/bash <<'TESTS'
export PATH=$PATH HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 MOROCCO_STATE=/run/morocco
ip link set lo up 2>/dev/null || true
cd $PWD
uname -r; cat /sys/fs/cgroup/cgroup.controllers
scripts/engine.sh && .venv/bin/python -m pytest -p no:cacheprovider -q --timeout 3000 ${arguments[@]@Q}
echo "guest: tests ended with status \$?"
TESTS
\$b poweroff -f
INIT
    chmod +x "$folder/init"
    (cd "$folder" && find . | cpio -o -H newc --quiet | gzip -1) >"$state/initramfs"
    rm -rf "$folder"
}

guest() {
    local machine=(-accel tcg -cpu max)
    grep -qE 'svm|vmx' /proc/cpuinfo && [[ -w /dev/kvm ]] && machine=(-accel kvm -cpu host)
    qemu-system-x86_64 "${machine[@]}" -smp 2 -m "$memory" -nographic -no-reboot -nic none \
        -kernel "$state/vmlinuz" -initrd "$state/initramfs" \
        -append "console=ttyS0 quiet panic=-1" \
        -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap
}

packages
kernel
initramfs
log=$(mktemp)
guest </dev/null | tee "$log"
grep -q "guest: tests ended with status 0" "$log" || die "the tests failed" "see above; $log"
