"""Execute one job under the sampler, guarded, in a cgroup of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morocco.bench.gpu import IDLE_SECONDS, watch_gpus
from morocco.bench.job import Execution, Job
from morocco.bench.observe import Begin, observed
from morocco.bench.totals import read_totals
from morocco.engine.container import Outcome, run_container
from morocco.engine.gpu import explain_start_error, hand_over
from morocco.engine.reap import LABEL, OWNER, owner_mark, unique_suffix
from morocco.engine.stream import Feeder, Reader
from morocco.sampling.cgroup import make_parent

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
        return execute_container(client, job, reader, interrupted, watch=watch)


def execute_container(
    client: Any,
    job: Job,
    reader: Reader,
    interrupted: Callable[[], str | None],
    *,
    watch: GpuWatch | None,
) -> Execution:
    """Run ``job`` in a container. EngineError where the engine cannot hand over a GPU."""
    info = client.info()
    given = hand_over(info, watch.devices if watch else ())
    spec = dataclasses.replace(job.spec, env={**given.environment, **job.spec.env})
    name = f"morocco-{job.run.model}-{job.run.task}-{job.run.name}-{unique_suffix()}"
    cgroup = make_parent(f"{job.run.name}-{unique_suffix()}", info.get("CgroupDriver") == "systemd")

    def run(begin: Begin) -> Outcome:
        return run_container(
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
            on_start=lambda: begin(None),
            interrupted=interrupted,
        )

    execution = observed(
        job,
        cgroup,
        run,
        lambda sampler, started_at: read_totals(cgroup, sampler, started_at),
        container=name,
        watch=watch,
    )
    outcome = execution.outcome
    if outcome.started_at is None and (error := explain_start_error(outcome.exit.error or "")):
        raise error
    return dataclasses.replace(execution, engine=f"docker {info['ServerVersion']}")
