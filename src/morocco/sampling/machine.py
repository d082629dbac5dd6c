"""What machine this is: the part of a record that says which numbers may be compared."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import socket
from pathlib import Path

from morocco import __version__
from morocco.formats.record import Harness, Machine
from morocco.sampling.cgroup import detect_layout


def describe_machine(
    engine: str | None, gpus: tuple[str, ...] = (), gpu_driver: str | None = None
) -> Machine:
    layout = detect_layout()
    return Machine(
        # The name Slurm knows the node by, where it runs us: what can be drained, and asked for.
        hostname=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        ram_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpus=gpus,
        gpu_driver=gpu_driver,
        kernel=platform.release(),
        engine=engine,
        cgroup_version=layout.version if layout else None,
        governor=_governor(),
        python=platform.python_version(),
    )


def driver_gpus() -> tuple[tuple[str, ...], str | None]:
    """(names of all GPUs, driver version); ((), None) where there is no NVIDIA driver.

    Looks for the driver's library before it loads what speaks to it, which takes 25 ms.
    """
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return (), None
    from morocco.sampling.nvml import machine_gpus

    return machine_gpus()


@functools.cache
def describe_harness() -> Harness:
    return Harness(version=__version__, commit=_commit(Path(__file__).parent))


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def _governor() -> str | None:
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return None


def _commit(folder: Path) -> str | None:
    """Commit of the checkout that measures, with "+" where tracked files were changed."""
    import subprocess

    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
