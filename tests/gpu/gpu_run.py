"""One whole run of a GPU model without an engine, with whatever driver the loader finds.

Arguments: folder for everything; "cgroup", "tree", or "docker" for a run in a container.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from morocco.bench import process
from morocco.bench.job import Job
from morocco.bench.run import measure
from morocco.bench.warm import note_run
from morocco.engine.base import LOCAL_BASE
from morocco.engine.client import connect
from morocco.formats.names import RunId, run_files
from morocco.formats.record import Image, Input
from morocco.suite.model import Limits, Load, NoiseBounds, RunSpec, SamplingRates

# Says its process id to the driver, "uses the GPU" for a while, then answers.
MODEL = """
import json, os, sys, time
lines = [json.loads(line) for line in sys.stdin]
open(os.environ["PID_FILE"], "w").write(str(os.getpid()))
time.sleep(0.5)
for line in lines:
    print(json.dumps({"idx": line["idx"], "label": "entailment"}), flush=True)
open(os.environ["PID_FILE"], "w").write("")
"""


def main(folder: Path, counters: str) -> None:
    if counters == "tree":
        process.own_cgroup = lambda job: None  # as for a user who may not make one
    docker = counters == "docker"
    note_run(LOCAL_BASE if docker else str(folder))  # no warm-up
    lines = [f'{{"premise": "a", "hypothesis": "b", "idx": {n}}}\n' for n in range(3)]
    data = "".join(lines).encode()
    path = folder / "input.jsonl"
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    spec = RunSpec(
        model="encoder",
        task="terra",
        load=Load(3, 2),
        image=LOCAL_BASE if docker else None,
        command=None if docker else (sys.executable, "-I", "-S", "-c", MODEL),
        args=(),
        env={"PID_FILE": str(folder / "pids")},
        device="gpu",
        gpus=(0,),
        runtime="docker" if docker else "process",
        timeout_seconds=30,
        limits=Limits(cpus=1),
        sampling=SamplingRates(log_hz=50),
        noise=NoiseBounds(foreign_cores=99, steal_share=1, psi_share=1, swap_pages=10**9),
        pause_seconds=300,
        seed=1,
    )
    run = RunId("encoder", "terra", 3, 2, 1)
    image = Image(name=str(folder), id=LOCAL_BASE if docker else None, digest=None, size_bytes=None)
    given = Input(digest, 3, len(data), digest, 3, str(path))
    job = Job(spec, run, given, path, image, entrypoint=("true",) if docker else None)
    measure(connect() if docker else None, job, run_files(folder / "results", run))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
