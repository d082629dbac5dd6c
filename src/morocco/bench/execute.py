"""Execute one job under the sampler, guarded, in a cgroup of its own."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morocco.bench.gpu import IDLE_SECONDS, gpu_result, watch_gpus
from morocco.bench.job import Execution, Job
from morocco.bench.totals import read_totals
from morocco.engine.container import run_container
from morocco.engine.gpu import explain_start_error, hand_over
from morocco.engine.guard import guarded
from morocco.engine.reap import LABEL, OWNER, owner_mark, unique_suffix
from morocco.engine.stream import Feeder, Reader
from morocco.sampling.cgroup import make_parent
from morocco.sampling.noise import MachineState, compare, read_machine_state
from morocco.sampling.sampler import Sampler

if TYPE_CHECKING:
    from morocco.sampling.nvml_watch import GpuWatch


def execute(
    client: Any, job: Job, scratch: Path, reader: Reader, interrupted: Callable[[], str | None]
) -> Execution:
    """Run ``job`` to its end; its container or processes are gone when this returns or raises."""
    idle_seconds = IDLE_SECONDS if job.kind == "measured" else 0.0
    with watch_gpus(job.spec, idle_seconds) as watch:
        if job.spec.runtime == "process":
            from morocco.bench.process import execute_process  # others spare its 20 ms

            return execute_process(job, scratch, reader, interrupted, watch)
        return execute_container(client, job, scratch, reader, interrupted, watch=watch)


def execute_container(
    client: Any,
    job: Job,
    scratch: Path,
    reader: Reader,
    interrupted: Callable[[], str | None],
    *,
    watch: GpuWatch | None,
) -> Execution:
    """Run ``job`` in a container, under a guard, a sampler and a cgroup of its own.

    EngineError where the engine cannot hand over a GPU.
    """
    info = client.info()
    given = hand_over(info, watch.devices if watch else ())
    spec = dataclasses.replace(job.spec, env={**given.environment, **job.spec.env})
    name = f"morocco-{job.run.model}-{job.run.task}-{job.run.name}-{unique_suffix()}"
    cgroup = make_parent(f"{job.run.name}-{unique_suffix()}", info.get("CgroupDriver") == "systemd")
    folders = list(cgroup.folders.values()) if cgroup and cgroup.owned else []
    sampler = Sampler(cgroup, job.spec.sampling, gpu=watch)
    start: list[tuple[float, float]] = []  # monotonic clock, wall clock
    # Read at the start, not before the creation: foreign load then would count as the run's.
    before: list[MachineState] = []

    def on_start() -> None:
        before.append(read_machine_state())
        start.append((time.monotonic(), time.time()))
        sampler.start()

    try:
        with guarded(name, folders, scratch):
            try:
                outcome = run_container(
                    client,
                    spec,
                    job.image.id or job.image.name,
                    name=name,
                    labels={LABEL: str(job.run), OWNER: owner_mark()},
                    cgroup_parent=cgroup.path if cgroup else None,
                    feeder=Feeder(job.input_path),
                    reader=reader,
                    entrypoint=job.entrypoint,
                    device_requests=list(given.device_requests),
                    on_start=on_start,
                    interrupted=interrupted,
                )
            finally:
                sampler.stop()
            monotonic, wall = start[0]
            seconds = time.monotonic() - monotonic
            step = time.time() - wall - seconds
            gpu = gpu_result(watch)
            after = read_machine_state()
            totals = read_totals(cgroup, sampler, outcome.started_at)
            throttled = cgroup.throttled_seconds() if cgroup else None
    finally:
        if cgroup is not None:
            cgroup.close()
    if outcome.started_at is None and (error := explain_start_error(outcome.exit.error or "")):
        raise error
    began = outcome.started_at if outcome.started_at is not None else wall
    return Execution(
        outcome=outcome,
        sampler=sampler,
        totals=totals,
        noise=compare(before[0], after, totals.cpu_seconds, throttled),
        gpu=gpu,
        start_monotonic=monotonic + (began - wall),
        engine=f"docker {info['ServerVersion']}",
        step_seconds=step,
    )
