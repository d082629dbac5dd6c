"""One look at the GPUs: the container's memory on them, and what the devices say of themselves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pynvml

from morocco.sampling.nvml import Getter, NvmlSession
from morocco.sampling.nvml_types import DeviceInfo, DeviceSample, GpuSample, Idle

# A CUDA context alone takes more than 100 MiB, the driver's own ups and downs are a few MiB:
# a device that holds this much more than before the run, and lists no process, hides it.
HIDDEN_BYTES = 64 * 2**20


def _functions(*names: str) -> tuple[Getter, ...]:
    """The client library's functions, newest first; it drops the oldest at times."""
    return tuple(getattr(pynvml, name) for name in names if hasattr(pynvml, name))


def _sm_clock(handle: Any) -> int:
    return pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)


def _temperature(name: str) -> Getter:
    return lambda handle: getattr(pynvml, name)(handle, pynvml.NVML_TEMPERATURE_GPU)


_GETTERS: dict[str, tuple[Getter, ...]] = {
    "used_bytes": _functions("nvmlDeviceGetMemoryInfo"),
    "utilisation": _functions("nvmlDeviceGetUtilizationRates"),
    "energy_millijoules": _functions("nvmlDeviceGetTotalEnergyConsumption"),
    "power_milliwatts": _functions("nvmlDeviceGetPowerUsage"),
    "sm_clock_mhz": (_sm_clock,),
    "throttle": _functions(
        "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"
    ),
    "temperature_celsius": tuple(
        _temperature(name)
        for name in ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature")
        if hasattr(pynvml, name)
    ),
    "compute_processes": _functions(
        "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"
    ),
    "graphics_processes": _functions(
        "nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2"
    ),
}


def pid_exists(pid: int) -> bool:
    """Whether this process can see ``pid`` (in its own process-id namespace)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OverflowError:
        return False
    return True


def sample(
    session: NvmlSession,
    devices: Sequence[DeviceInfo],
    pids: frozenset[int],
    idle: Mapping[str, Idle] | None = None,
    exists: Callable[[int], bool] = pid_exists,
) -> GpuSample:
    """Look at ``devices`` (one host NVML call or two a figure); never raises for what NVML refuses.

    ``pids``: host ids of the container's processes. ``idle`` (by device key) lets a driver that
    hides processes be told from a container that uses no GPU.
    """
    start = time.monotonic()
    looks = tuple(
        _look(session, device, pids, (idle or {}).get(device.key), exists) for device in devices
    )
    return GpuSample(at=start, cost_seconds=time.monotonic() - start, devices=looks)


def merge_processes(lists: Iterable[Iterable[Any]]) -> dict[int, int | None]:
    """{pid: bytes}; a process that is in several lists is counted once, at its largest.

    None where the driver knows the process but not its memory.
    """
    merged: dict[int, int | None] = {}
    for processes in lists:
        for process in processes:
            before, now = merged.get(process.pid), process.usedGpuMemory
            known = [size for size in (before, now) if size is not None]
            merged[process.pid] = max(known, default=None)
    return merged


def _look(
    session: NvmlSession,
    device: DeviceInfo,
    pids: frozenset[int],
    idle: Idle | None,
    exists: Callable[[int], bool],
) -> DeviceSample:
    absent: dict[str, str] = {}

    def get(name: str) -> Any:
        answer, code = session.ask(device, name, _GETTERS[name])
        if code is not None:
            absent[name] = code
        return answer

    memory = get("used_bytes")
    used = None if memory is None else memory.used
    compute, graphics = get("compute_processes"), get("graphics_processes")
    ram: int | None = None
    foreign: tuple[tuple[int, int | None], ...] | None = None
    if compute is None:  # graphics alone would pass for the whole
        absent["ram_bytes"] = absent["foreign"] = absent["compute_processes"]
    else:
        listed = merge_processes((compute, graphics or ()))
        rise = used - idle.used_bytes if idle and idle.used_bytes is not None and used else 0
        ram, foreign, code = split_processes(listed, pids, rise, exists)
        if ram is None:
            absent["ram_bytes"] = str(code)
        if foreign is None:
            absent["foreign"] = str(code)
    utilisation = get("utilisation")
    return DeviceSample(
        ram_bytes=ram,
        used_bytes=used,
        utilisation=None if utilisation is None else utilisation.gpu / 100,
        energy_millijoules=get("energy_millijoules"),
        power_milliwatts=get("power_milliwatts"),
        sm_clock_mhz=get("sm_clock_mhz"),
        throttle=get("throttle"),
        temperature_celsius=get("temperature_celsius"),
        foreign=foreign,
        absent=absent,
    )


def split_processes(
    listed: Mapping[int, int | None],
    pids: frozenset[int],
    rise_bytes: int,
    exists: Callable[[int], bool],
) -> tuple[int | None, tuple[tuple[int, int | None], ...] | None, str | None]:
    """(bytes of ``pids``, the others, reason code) of a device's process list.

    The list is believed only where it can be: a driver that hides processes (seen from within a
    container) lists none while the memory rises, and one that speaks in another process-id
    namespace lists ids that do not exist here. Both would pass for 0 bytes.
    """
    own = [size for pid, size in listed.items() if pid in pids]
    others = [(pid, size) for pid, size in listed.items() if pid not in pids]
    there = tuple((pid, size) for pid, size in others if exists(pid))
    if not listed and rise_bytes > HIDDEN_BYTES:
        return None, None, "processes_hidden"
    # Beside our own, an unknown id is a process that has just ended.
    if pids and not own and len(there) < len(others):
        return None, None, "pid_namespace"
    known = [size for size in own if size is not None]
    if len(known) < len(own):
        return None, there, "memory_not_reported"
    return sum(known), there, None
