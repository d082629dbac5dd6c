"""What else the machine did during a run: foreign CPU load, steal, waiting, swap, throttling."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from morocco.formats.record import Noise, Reason
from morocco.sampling.proc import read_stat
from morocco.suite.model import NoiseBounds

# The engine's daemons carry the run's input and output: their CPU time is the harness's own. What
# their children used is not counted with them: a shim reaps its container, and with it the run's
# CPU time would be taken off twice, and that of the run before, whose shim is just leaving, would
# pass for foreign load.
_ENGINE = frozenset({"dockerd", "containerd", "podman"})
# Foreign CPU time below this is the counters' resolution (10 ms) and the engine's short helpers
# (runc and the like: 0.13 to 0.21 s a run, whatever its length).
_FLOOR_SECONDS = 0.2


@dataclass(frozen=True)
class MachineState:
    """Counters of the whole machine at one moment."""

    moment: float  # monotonic clock, s
    # What is not idle, iowait or steal, on all cores, from whatever zero. The kernel times idleness
    # to the microsecond (NO_HZ); what it calls user and system time many kernels sample by the
    # tick: 0.8 s too much and 0.4 s too little were seen over runs of 2 to 5 s.
    busy_seconds: float
    steal_seconds: float
    engine_seconds: float
    own_seconds: float
    psi_seconds: float | None
    swap_pages: int | None
    thermal_events: int | None
    load: float


def read_machine_state() -> MachineState:
    tick = os.sysconf("SC_CLK_TCK")
    with open("/proc/stat") as file:
        idle, wait, _irq, _softirq, steal = map(int, file.readline().split()[4:9])
    moment = time.monotonic()
    times = os.times()
    return MachineState(
        moment=moment,
        busy_seconds=_cores() * moment - (idle + wait + steal) / tick,
        steal_seconds=steal / tick,
        engine_seconds=_engine_seconds(),
        own_seconds=times.user + times.system + times.children_user + times.children_system,
        psi_seconds=_psi_seconds(),
        swap_pages=_swap_pages(),
        thermal_events=_thermal_events(),
        load=os.getloadavg()[0],
    )


def compare(
    before: MachineState,
    after: MachineState,
    container_cpu_seconds: float | None,
    throttled_seconds: float | None,
    carrier_seconds: float = 0.0,
) -> Noise:
    """Noise between two states; the container's, the engine's and our own CPU time left out.

    ``carrier_seconds``: CPU time of the engine's process that came and went with the container.
    """
    absent: dict[str, str] = {}
    cores = _cores()
    seconds = after.moment - before.moment
    foreign = None
    if container_cpu_seconds is None:
        absent["foreign_cpu_cores"] = "the container's CPU time is not known"
    else:
        engine = after.engine_seconds - before.engine_seconds + carrier_seconds
        own = after.own_seconds - before.own_seconds
        busy = after.busy_seconds - before.busy_seconds
        foreign_seconds = busy - container_cpu_seconds - engine - own
        foreign = max(0.0, foreign_seconds - _FLOOR_SECONDS) / seconds if seconds > 0 else 0.0
    psi = None
    if before.psi_seconds is None or after.psi_seconds is None:
        absent["psi_some_share"] = "no /proc/pressure/cpu on this kernel"
    elif seconds > 0:
        psi = min(1.0, (after.psi_seconds - before.psi_seconds) / seconds)
    swap = None
    if before.swap_pages is None or after.swap_pages is None:
        absent["swap_pages"] = "no swap counters in /proc/vmstat"
    else:
        swap = after.swap_pages - before.swap_pages
    return Noise(
        foreign_cpu_cores=foreign,
        steal_share=(after.steal_seconds - before.steal_seconds) / (seconds * cores)
        if seconds > 0
        else None,
        psi_some_share=psi,
        swap_pages=swap,
        throttled_seconds=throttled_seconds,
        load_before=before.load,
        absent=absent,
        thermal_events=None
        if before.thermal_events is None or after.thermal_events is None
        else after.thermal_events - before.thermal_events,
    )


def judge(noise: Noise, bounds: NoiseBounds) -> list[Reason]:
    """Reasons to call a run disturbed."""
    checks = (
        (
            "foreign_load",
            noise.foreign_cpu_cores,
            bounds.foreign_cores,
            "cores of foreign CPU load",
        ),
        ("steal", noise.steal_share, bounds.steal_share, "of the CPU time stolen"),
        ("pressure", noise.psi_some_share, bounds.psi_share, "of the time tasks waited for a CPU"),
        ("swap", noise.swap_pages, bounds.swap_pages, "pages swapped"),
        ("throttled", noise.thermal_events, 0, "thermal throttling events"),
    )
    return [
        Reason(code, f"{value:.3g} {what}, the bound is {bound:g}")
        for code, value, bound, what in checks
        if value is not None and value > bound
    ]


def _cores() -> int:
    return os.cpu_count() or 1


def _engine_seconds() -> float:
    stats = (read_stat(name) for name in os.listdir("/proc") if name.isdigit())
    return sum(stat.cpu_seconds for stat in stats if stat and stat.name in _ENGINE)


def _psi_seconds() -> float | None:
    try:
        line = Path("/proc/pressure/cpu").read_text().splitlines()[0]
    except (OSError, IndexError):
        return None
    return int(line.rsplit("total=", 1)[1]) / 1e6


def _swap_pages() -> int | None:
    try:
        rows = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
        return int(rows["pswpin"]) + int(rows["pswpout"])
    except (OSError, KeyError):
        return None


def _thermal_events() -> int | None:
    files = list(Path("/sys/devices/system/cpu").glob("cpu*/thermal_throttle/core_throttle_count"))
    try:
        return sum(int(file.read_text()) for file in files) if files else None
    except OSError:
        return None
