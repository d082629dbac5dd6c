"""From a run's GPU samples to the figures of its record. Pure: no driver is asked here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from statistics import fmean
from typing import TypeVar

from morocco.formats.record import Gpu, GpuDevice, Reason
from morocco.sampling.nvml import NvmlSession
from morocco.sampling.nvml_energy import common_code, net_energy
from morocco.sampling.nvml_types import DeviceInfo, DeviceSample, GpuSample, Idle

N = TypeVar("N", int, float)

# Bits of nvmlClocksEventReasons, by NVML's names. GPU_IDLE is no throttling.
GPU_IDLE = 0x1
THROTTLE_NAMES = {
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
    0x200: "board_limit",
    0x400: "reliability",
}
# Heat, or a power supply that fails: the run is slower than the device is. The power cap and set
# clocks are the device's own specification and hold for every run alike.
DISTURBING = 0x8 | 0x20 | 0x40 | 0x80

# device key -> (accounting peak in bytes, reason code)
Peaks = Mapping[str, tuple[int | None, str | None]]


def throttle_names(bits: int) -> tuple[str, ...]:
    return tuple(
        THROTTLE_NAMES.get(1 << n, f"bit_{n}") for n in range(1, bits.bit_length()) if bits & 1 << n
    )


def finish(
    session: NvmlSession,
    devices: Sequence[DeviceInfo],
    samples: Sequence[GpuSample],
    *,
    idle: Mapping[str, Idle],
    own: AbstractSet[int] = frozenset(),
    accounting: Peaks | None = None,
) -> Gpu:
    """A run's figures. ``own``: every pid that was the container's at some time of the run.

    A figure stands if one sample gave it; ``missed`` counts the samples that did not. A memory peak
    of 0 stands only if no sample missed it. The lowest clock is that of samples in which the GPU
    was not idle. ``reasons`` are what makes the run invalid: gpu_lost, foreign_gpu, throttled.
    """
    times = [look.at for look in samples]
    reasons: list[Reason] = []
    done: list[GpuDevice] = []
    for place, device in enumerate(devices):
        looks = [look.devices[place] for look in samples]
        peak = (accounting or {}).get(device.key, (None, "accounting_off"))
        base = idle.get(device.key)
        done.append(_device(device, times, looks, idle=base, own=own, accounting=peak))
        reasons += _reasons(device, looks, own, session.lost.get(device.key))
    absent = dict(session.absent)
    totals = [look.gpu_ram for look in samples if look.gpu_ram is not None]
    ram = max(totals, default=None)
    if not totals or (ram == 0 and len(totals) < len(samples)):
        codes = [device.absent.get("ram_peak_bytes") for device in done]
        # Else it is known on each device, but never on all of them at one moment.
        ram, absent["ram_peak_bytes"] = None, next(filter(None, codes), "never_together")
    joules = [x.energy_joules for x in done if x.energy_joules is not None]
    if not done or len(joules) < len(done):
        codes = [device.absent.get("energy_joules") for device in done]
        absent["energy_joules"] = next(filter(None, codes), "no_samples")
    costs = [look.cost_seconds for look in samples]
    return Gpu(
        driver=session.driver,
        ram_peak_bytes=ram,
        energy_joules=None if "energy_joules" in absent else sum(joules),
        devices=tuple(done),
        simulated=session.simulated,
        absent=absent,
        reasons=tuple(reasons),
        nvml=session.nvml,
        samples=len(samples),
        sample_seconds_mean=fmean(costs) if costs else None,
        sample_seconds_max=max(costs, default=None),
    )


def _device(
    device: DeviceInfo,
    times: Sequence[float],
    looks: Sequence[DeviceSample],
    *,
    idle: Idle | None,
    own: AbstractSet[int],
    accounting: tuple[int | None, str | None],
) -> GpuDevice:
    net = net_energy(times, looks, idle)
    absent, missed = {**device.absent, **net.absent}, dict[str, int]()

    def fold(
        field: str, name: str, values: Sequence[N | None], of: Callable[[Sequence[N]], N]
    ) -> N | None:
        known = [value for value in values if value is not None]
        if known and len(known) < len(values):
            missed[field] = len(values) - len(known)
        if known:
            return of(known)
        lacks(field, common_code(looks, name))
        return None

    def lacks(field: str, code: str | None) -> None:
        absent[field] = code or "no_samples"

    ram = fold("ram_peak_bytes", "ram_bytes", [x.ram_bytes for x in looks], max)
    if ram == 0 and missed.pop("ram_peak_bytes", 0):
        ram = None
        lacks("ram_peak_bytes", common_code(looks, "ram_bytes"))
    if code := common_code(looks, "graphics_processes"):
        absent["graphics_processes"] = code
    others = [_others(look, own) for look in looks]
    sizes = [_sum(size for _, size in o) if o is not None else None for o in others]
    foreign = fold("foreign_processes", "foreign", [_len(o) for o in others], max)
    foreign_ram = max((size for size in sizes if size is not None), default=None)
    if foreign is not None and any(s is None and o for s, o in zip(sizes, others, strict=True)):
        foreign_ram = None
        lacks("foreign_ram_peak_bytes", "memory_not_reported")
    bits = [look.throttle for look in looks if look.throttle is not None]
    if not bits:
        lacks("throttle_reasons", common_code(looks, "throttle"))
    busy = [x.sm_clock_mhz for x in looks if not (x.throttle or 0) & GPU_IDLE]
    clocks = [clock for clock in busy if clock is not None]
    if not clocks:
        idled = any(x.sm_clock_mhz is not None for x in looks)
        lacks("sm_clock_min_mhz", "always_idle" if idled else common_code(looks, "sm_clock_mhz"))
    power = fold("power_peak_watts", "power_milliwatts", [x.power_milliwatts for x in looks], max)
    heat = [x.temperature_celsius for x in looks]
    used = [x.used_bytes for x in looks]
    share = [x.utilisation for x in looks]
    if accounting[0] is None:
        lacks("accounting_peak_bytes", accounting[1])
    return GpuDevice(
        index=device.index,
        uuid=device.uuid,
        name=device.name,
        total_bytes=device.total_bytes,
        ram_peak_bytes=ram,
        device_used_peak_bytes=fold("device_used_peak_bytes", "used_bytes", used, max),
        utilisation_mean=fold("utilisation_mean", "utilisation", share, fmean),
        energy_joules=net.joules,
        energy_raw_joules=net.raw_joules,
        idle_watts=net.idle_watts,
        power_peak_watts=None if power is None else power / 1000,
        temperature_peak_celsius=fold("temperature_peak_celsius", "temperature_celsius", heat, max),
        sm_clock_min_mhz=min(clocks, default=None),
        throttle_reasons=throttle_names(_union(bits)),
        foreign_processes=foreign,
        absent=absent,
        mig=device.mig,
        energy_source=net.source,
        accounting_peak_bytes=accounting[0],
        foreign_ram_peak_bytes=foreign_ram,
        idle_used_bytes=idle.used_bytes if idle else None,
        missed=missed,
    )


def _reasons(
    device: DeviceInfo,
    looks: Sequence[DeviceSample],
    own: AbstractSet[int],
    lost: str | None,
) -> list[Reason]:
    name = f"GPU {device.key}"
    reasons: list[Reason] = []
    gone = sum("gpu_lost" in look.absent.values() for look in looks)
    if lost or gone:
        kept = len(looks) - gone
        reasons.append(
            Reason("gpu_lost", f"{name} ({device.uuid}): {kept} of {len(looks)} samples, {lost}")
        )
    others: dict[int, int] = {}
    for look in looks:
        for pid, size in _others(look, own) or ():
            others[pid] = max(size or 0, others.get(pid, 0))
    if others:
        mib = round(sum(others.values()) / 2**20)
        pids = ", ".join(map(str, sorted(others)[:5]))
        reasons.append(
            Reason("foreign_gpu", f"{name}: {len(others)} other processes ({pids}), {mib} MiB")
        )
    hot = [look.throttle & DISTURBING for look in looks if look.throttle]
    if any(hot):
        names = ", ".join(throttle_names(_union(hot)))
        share = f"{sum(map(bool, hot))} of {len(looks)} samples"
        reasons.append(Reason("throttled", f"{name}: {names} in {share}"))
    return reasons


def _others(look: DeviceSample, own: AbstractSet[int]) -> list[tuple[int, int | None]] | None:
    """Processes that were never the container's, a child first seen a sample later included."""
    if look.foreign is None:
        return None
    return [(pid, size) for pid, size in look.foreign if pid not in own]


def _sum(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else sum(size or 0 for size in known)


def _len(processes: Sequence[object] | None) -> int | None:
    return None if processes is None else len(processes)


def _union(bits: Iterable[int]) -> int:
    every = 0
    for value in bits:
        every |= value
    return every
