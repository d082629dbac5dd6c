"""Energy of a device over a stretch of samples. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from morocco.sampling.nvml_types import DeviceSample, Idle


def common_code(looks: Sequence[DeviceSample], name: str) -> str | None:
    """The reason most often given for ``name``."""
    codes = Counter(look.absent[name] for look in looks if name in look.absent)
    return codes.most_common(1)[0][0] if codes else None


def energy(
    times: Sequence[float], looks: Sequence[DeviceSample]
) -> tuple[float | None, float, str | None, str | None]:
    """(J, seconds it covers, source, reason code) between the first and the last reading.

    ``source``: "counter"; "power" where the device has no energy counter: trapezoids under the
    power readings. Then the reason code is the counter's.
    """
    code = common_code(looks, "energy_millijoules")
    counted = [(t, x.energy_millijoules) for t, x in zip(times, looks, strict=True)]
    readings = [(t, mj) for t, mj in counted if mj is not None]
    if readings:
        if len(readings) < 2:
            return None, 0.0, None, "too_few_samples"
        if any(b[1] < a[1] for a, b in pairwise(readings)):
            return None, 0.0, None, "counter_reset"
        (start, first), (end, last) = readings[0], readings[-1]
        return (last - first) / 1000, end - start, "counter", None
    powered = [(t, x.power_milliwatts) for t, x in zip(times, looks, strict=True)]
    powers = [(t, mw) for t, mw in powered if mw is not None]
    if len(powers) < 2:
        return None, 0.0, None, code or "no_samples"
    joules = sum((b[0] - a[0]) * (a[1] + b[1]) / 2000 for a, b in pairwise(powers))
    return joules, powers[-1][0] - powers[0][0], "power", code


def measured_watts(times: Sequence[float], looks: Sequence[DeviceSample]) -> Idle:
    """Idle baseline from samples taken before the run."""
    joules, seconds, source, code = energy(times, looks)
    used = [look.used_bytes for look in looks if look.used_bytes is not None]
    absent = {} if used else {"used_bytes": common_code(looks, "used_bytes") or "no_samples"}
    if joules is None or seconds <= 0:
        absent["watts"] = code or "too_few_samples"
        return Idle(None, max(used, default=None), seconds, None, absent)
    return Idle(joules / seconds, max(used, default=None), seconds, source, absent)


@dataclass(frozen=True)
class NetEnergy:
    raw_joules: float | None
    joules: float | None  # idle baseline subtracted; below 0 where the run is lost in its noise
    idle_watts: float | None
    source: str | None
    absent: dict[str, str] = field(default_factory=dict)


def net_energy(
    times: Sequence[float], looks: Sequence[DeviceSample], idle: Idle | None
) -> NetEnergy:
    """Energy of the run itself; absent for a device that was lost before its end."""
    watts = idle.watts if idle else None
    absent: dict[str, str] = {}
    if watts is None:
        absent["idle_watts"] = (idle.absent.get("watts") if idle else None) or "no_idle_baseline"
    if any("gpu_lost" in look.absent.values() for look in looks):
        absent["energy_raw_joules"] = absent["energy_joules"] = "gpu_lost"
        return NetEnergy(None, None, watts, None, absent)
    raw, seconds, source, code = energy(times, looks)
    if raw is None:
        absent["energy_raw_joules"] = absent["energy_joules"] = code or "no_samples"
        return NetEnergy(None, None, watts, None, absent)
    if code:
        absent["energy_counter"] = code
    if watts is None:
        absent["energy_joules"] = absent["idle_watts"]
        return NetEnergy(raw, None, None, source, absent)
    return NetEnergy(raw, raw - watts * seconds, watts, source, absent)
