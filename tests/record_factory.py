"""Run records for tests: a clean run of a small model, any field changed by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from morocco.formats.names import RunId
from morocco.formats.record import (
    Arrivals,
    Clock,
    Exit,
    Gpu,
    GpuDevice,
    Harness,
    Image,
    Input,
    Machine,
    Output,
    Reason,
    RunRecord,
    Totals,
    Verdict,
)

MACHINE = Machine(
    hostname="bench1",
    cpu="Xeon Gold 6248",
    cores=8,
    ram_bytes=96 * 2**30,
    gpus=(),
    gpu_driver=None,
    kernel="6.1.0",
    engine="20.10.24",
    cgroup_version=2,
    governor="performance",
    python="3.11.2",
)


def make_record(
    index: int = 1,
    wall: float | None = 10.0,
    *,
    size: int = 2000,
    batch: int = 32,
    codes: tuple[str, ...] = (),
    predictions: str | None = "same",
    cpu: float | None = 8.0,
    joules: float | None = None,
    gpu_ram: int | None = None,
    pss: int | None = 300_000_000,
    arrivals: Arrivals | None = None,
    **changes: Any,
) -> RunRecord:
    """``codes``: the verdict's reasons; ``predictions``: stands for the digest of the output."""
    clock = None if wall is None else Clock(1.7e9, 1.7e9 + wall, wall, "engine", wall + 0.2, 0.0)
    gpu = None
    if gpu_ram is not None or joules is not None:
        device = GpuDevice(
            index=0,
            uuid="GPU-1",
            name="V100",
            total_bytes=32 * 2**30,
            ram_peak_bytes=gpu_ram,
            device_used_peak_bytes=gpu_ram,
            utilisation_mean=0.5,
            energy_joules=joules,
            energy_raw_joules=joules,
            idle_watts=30.0,
            power_peak_watts=200.0,
            temperature_peak_celsius=60.0,
            sm_clock_min_mhz=1200.0,
        )
        gpu = Gpu("535.1", gpu_ram, joules, (device,))
    record = RunRecord(
        id=RunId("tfidf", "terra", size, batch, index),
        kind="measured",
        round=1,
        order=index,
        seed=1,
        verdict=Verdict(not codes, tuple(Reason(code, "seen") for code in codes)),
        clock=clock,
        totals=Totals(
            cpu_seconds=cpu,
            cpu_user_seconds=cpu,
            cpu_system_seconds=0.0,
            ram_pss_peak_bytes=pss,
            ram_anon_peak_bytes=pss,
            ram_cgroup_peak_bytes=pss,
            processes_peak=1,
        ),
        sampling=None,
        input=Input(f"input-{size}", size, 100 * size, "split", 307, "inputs/terra.jsonl"),
        output=Output(
            lines=size,
            bytes=20 * size,
            sha256="raw",
            predictions_sha256=predictions,
            stderr_bytes=0,
            arrivals=arrivals or Arrivals(0, None, None, 1.0),
        ),
        exit=Exit(0, False, False, None),
        image=Image("tfidf-terra", "sha256:1", None, 300_000_000),
        runtime="docker",
        options={},
        gpu=gpu,
        noise=None,
        machine=MACHINE,
        harness=Harness("2.0.0", "abc"),
        spec_sha256="spec",
    )
    return replace(record, **changes)


def make_cell(walls: list[float], **changes: Any) -> list[RunRecord]:
    """Repeats of one cell with these wall times, CPU time 0.8 of each."""
    return [
        make_record(k, wall, **{"cpu": 0.8 * wall, **changes}) for k, wall in enumerate(walls, 1)
    ]
