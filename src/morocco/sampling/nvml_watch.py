"""The GPUs of one run, from its idle baseline to its figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import pynvml

from morocco.formats.record import Gpu
from morocco.sampling.nvml import NvmlSession, ask
from morocco.sampling.nvml_energy import measured_watts
from morocco.sampling.nvml_result import finish
from morocco.sampling.nvml_sample import pid_exists, sample
from morocco.sampling.nvml_types import DeviceInfo, GpuSample, Idle

IDLE_STEP_SECONDS = 0.1  # the driver renews its power reading about as often


def measure_idle(
    session: NvmlSession, devices: Sequence[DeviceInfo], seconds: float = 2.0
) -> dict[str, Idle]:
    """Power (W) and memory of each device before the run, by device key; takes ``seconds``.

    By the energy counter, which steps every 20 to 100 ms: 2 s are right to 5 %. Without a counter,
    the mean of the power readings.
    """
    looks = [sample(session, devices, frozenset())]
    end = looks[0].at + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, IDLE_STEP_SECONDS))
        looks.append(sample(session, devices, frozenset()))
    return {
        device.key: measured_watts(
            [look.at for look in looks], [look.devices[place] for look in looks]
        )
        for place, device in enumerate(devices)
    }


class GpuWatch:
    """Collects the samples of one run. ``read`` at the log rate, ``result`` once at the end."""

    def __init__(
        self,
        session: NvmlSession,
        devices: Sequence[DeviceInfo],
        idle: Mapping[str, Idle] | None = None,
        exists: Callable[[int], bool] = pid_exists,
    ) -> None:
        self.devices = tuple(devices)
        self.samples: list[GpuSample] = []
        self.own: set[int] = set()
        self._session = session
        self._idle = dict(idle or {})
        self._exists = exists
        self._started = time.time()

    def read(self, pids: frozenset[int]) -> GpuSample:
        """One look; ``pids`` are the container's host pids now. Never raises."""
        self.own |= pids
        # A process that has just left the cgroup may still hold its memory.
        own = frozenset(self.own)
        look = sample(self._session, self.devices, own, self._idle, self._exists)
        self.samples.append(look)
        return look

    @property
    def foreign(self) -> dict[int, int | None]:
        """{pid: largest bytes seen} of the processes that were never the container's."""
        seen: dict[int, int | None] = {}
        for look in self.samples:
            for device in look.devices:
                for pid, size in device.foreign or ():
                    if pid not in self.own:
                        seen[pid] = max(size or 0, seen.get(pid) or 0) or None
        return seen

    def result(self) -> Gpu:
        """The run's figures; reads accounting peaks where accounting mode is on."""
        peaks = {
            device.key: accounting_peak(self._session, device, self.own, self._started)
            for device in self.devices
        }
        return finish(
            self._session,
            self.devices,
            self.samples,
            idle=self._idle,
            own=self.own,
            accounting=peaks,
        )


def accounting_peak(
    session: NvmlSession, device: DeviceInfo, pids: set[int], since: float
) -> tuple[int | None, str | None]:
    """(bytes, reason code): the driver's own peak of each process, summed.

    Exact for one process; an upper bound for several, whose peaks need not fall together.
    Entries of an earlier process with the same id (it started before ``since``) are left out.
    """
    if not device.accounting:
        return None, device.absent.get("accounting", "accounting_off")
    handle, code = session.handle(device)
    peaks: list[int] = []
    for pid in pids if code is None and device.key not in session.lost else ():
        try:
            stats, refused = ask(pynvml.nvmlDeviceGetAccountingStats, handle, pid)
        except TypeError:  # pynvml's own slip: it puts None into a C field for "not available"
            return None, "memory_not_reported"
        if refused == "not_found":  # never was on this GPU
            continue
        if refused is not None:
            return None, refused
        started = stats.startTime / 1e6
        if started < 1e9 or started >= since - 1:  # below 1e9 the time is no epoch time
            peaks.append(stats.maxMemoryUsage)
    if peaks:
        return sum(peaks), None
    return None, code or ("gpu_lost" if device.key in session.lost else "not_found")
