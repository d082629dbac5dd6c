"""The GPUs of one run: nothing is asked of a machine for a cpu model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from morocco.engine.gpu import require_gpu
from morocco.formats.record import Gpu
from morocco.suite.model import RunSpec

if TYPE_CHECKING:
    from morocco.sampling.nvml_watch import GpuWatch

IDLE_SECONDS = 2.0


@contextlib.contextmanager
def watch_gpus(spec: RunSpec, idle_seconds: float = IDLE_SECONDS) -> Iterator[GpuWatch | None]:
    """Open the driver, measure the idle baseline, and give a watch on the run's devices.

    None for a cpu model, without loading a thing. MoroccoError says what to install where the
    driver or one of the model's GPUs is not there. ``idle_seconds`` 0: no baseline (warm-ups).
    """
    if spec.device != "gpu":
        yield None
        return
    from morocco.sampling.nvml import describe, open_nvml
    from morocco.sampling.nvml_types import Absence
    from morocco.sampling.nvml_watch import GpuWatch, measure_idle

    session = open_nvml()
    if isinstance(session, Absence):
        require_gpu(session, {spec.model: spec.gpus})
        return
    with session:
        devices = require_gpu(describe(session), {spec.model: spec.gpus})[spec.model]
        yield GpuWatch(session, devices, measure_idle(session, devices, idle_seconds))


def gpu_result(watch: GpuWatch | None) -> Gpu | None:
    """The run's figures, with a last look that closes its energy; None without GPUs."""
    if watch is None:
        return None
    watch.read(frozenset())
    return watch.result()
