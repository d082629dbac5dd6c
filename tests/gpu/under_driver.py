"""Runs GPU jobs with whatever libnvidia-ml.so.1 the loader finds. JSON jobs in, JSON answers out.

A job: {"script": text with {clock}, "clocks": [s, …], "pids": [[…] a clock], "gpus": [0] or null,
"unseen": [pids that do not exist here], "idle": [watts, bytes] or null, "count": [functions]}.
With "idle_seconds" it only measures the idle baseline.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pynvml

from morocco.sampling.nvml import describe, open_nvml
from morocco.sampling.nvml_types import Absence, Idle, select_devices
from morocco.sampling.nvml_watch import GpuWatch, measure_idle


def answer(job: dict[str, Any]) -> dict[str, Any]:
    path = Path(os.environ["SCRIPTED_NVML"])

    def set_clock(clock: float) -> None:
        path.write_text(job["script"].replace("{clock}", str(clock)))

    clocks = job["clocks"]
    set_clock(clocks[0])
    session = open_nvml()
    if isinstance(session, Absence):
        return {"absence": session}
    with session:
        info = describe(session)
        if isinstance(info, Absence):
            return {"absence": info, "simulated": session.simulated}
        devices = select_devices(info, job.get("gpus"), "test")
        if "idle_seconds" in job:
            return {"idle": measure_idle(session, devices, job["idle_seconds"])}
        idle = job.get("idle")
        watch = GpuWatch(
            session,
            devices,
            {d.key: Idle(idle[0], idle[1], 2.0, "counter") for d in devices} if idle else None,
            exists=lambda pid: pid not in job.get("unseen", ()),
        )
        pids = job.get("pids") or [[]] * len(clocks)
        before = counts(job)
        samples = []
        for clock, own in zip(clocks, pids, strict=True):
            set_clock(clock)
            samples.append(watch.read(frozenset(own)))
        after = counts(job)
        return {
            "info": info,
            "samples": samples,
            "usage": [look.gpu_usage for look in samples],
            "ram": [look.gpu_ram for look in samples],
            "foreign": {str(pid): size for pid, size in watch.foreign.items()},
            "gpu": watch.result(),
            "calls": {name: after[name] - before[name] for name in after},
        }


def counts(job: dict[str, Any]) -> dict[str, int]:
    """How often the driver's functions were called so far; it counts them itself."""
    count = pynvml.nvmlLib.morocco_scripted_calls
    count.restype = ctypes.c_ulonglong
    return {name: count(name.encode()) for name in job.get("count", ())}


if __name__ == "__main__":
    answers = [answer(job) for job in json.load(sys.stdin)]
    sys.stdout.buffer.write(msgspec.json.encode(answers))
