"""``morocco bench IMAGE DATA_DIR TASK``: one run, its log to stdout, as the first MOROCCO's."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from morocco.bench.job import Job
from morocco.bench.run import measure
from morocco.engine.images import inspect_image
from morocco.errors import MoroccoError
from morocco.formats.names import RunFiles, RunId
from morocco.formats.record import RunRecord
from morocco.stages.bench import open_engine
from morocco.suite.model import Limits, Load, NoiseBounds, RunSpec, SamplingRates
from morocco.tasks.inputs import make_input
from morocco.tasks.registry import TASKS, get_task


def register(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "bench",
        help="measure one run of an image, log to stdout",
        description="Run IMAGE once on INPUT_SIZE records of TASK and print its log, a JSON line "
        "a sample. The exit status is 1 where the run is invalid; stderr says why.",
    )
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("data_dir", metavar="DATA_DIR", help="as the official archive unpacks")
    parser.add_argument("task", metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--input-size", type=_count, default=10000, help="records (default 10000)")
    parser.add_argument("--batch-size", type=_count, default=128, help="default 128")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--cpus", type=float, default=1.0, help="cores it may use (default 1)")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the run record here")
    parser.add_argument("--predictions", type=Path, metavar="FILE", help="keep the output here")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="morocco-bench-") as folder:
        record, files = bench_once(args, Path(folder))
        sys.stdout.write(files.log.read_text())
        for kept, made in ((args.record, files.record), (args.predictions, files.predictions)):
            if kept is not None:
                kept.write_bytes(made.read_bytes())
    for reason in record.verdict.reasons:
        print(f"morocco: invalid run: {reason.code}: {reason.detail}", file=sys.stderr)
    return 0 if record.verdict.valid else 1


def bench_once(args: argparse.Namespace, folder: Path) -> tuple[RunRecord, RunFiles]:
    task = get_task(args.task)
    source = Path(args.data_dir) / task.eval_file
    if not source.is_file():
        raise MoroccoError(f"no {task.eval_file} there", place=args.data_dir)
    load = Load(args.input_size, args.batch_size)
    spec = RunSpec(
        model="bench",
        task=task.key,
        load=load,
        image=args.image,
        command=None,
        args=(),
        env={},
        device=args.device,
        gpus=None,
        runtime="docker",
        timeout_seconds=args.timeout,
        limits=Limits(cpus=args.cpus),
        sampling=SamplingRates(),
        noise=NoiseBounds(),
        pause_seconds=300.0,
        seed=0,
    )
    client = open_engine(spec)
    image = inspect_image(client, args.image)
    described = make_input(source, args.input_size, folder / "input.jsonl")
    run_id = RunId("bench", task.key, args.input_size, args.batch_size, 1)
    files = RunFiles(*(folder / name for name in ("log", "record", "predictions", "stderr")))
    print(
        f"bench {args.image!r}, input_size={args.input_size}, batch_size={args.batch_size}",
        file=sys.stderr,
    )
    job = Job(spec, run_id, described, folder / "input.jsonl", image)
    return measure(client, job, files), files


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a count from 1 on")
    return value
