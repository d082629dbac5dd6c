"""What measuring costs: harness against plain docker run, sampler, and a job of the workflow.

python -m benchmarks.overhead                       about 6 minutes on a quiet machine
python -m benchmarks.overhead --quick               about 1 minute
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.containers import ROOT, Bed, Unit, measure_once, prepare
from benchmarks.pages import command_line, machine_line, share, table, write_page
from benchmarks.workflow_cost import WorkflowCost, workflow_cost
from morocco.engine.client import connect
from morocco.estimate.intervals import mean_interval
from morocco.formats.record import RunRecord

SEED = 20210121


@dataclass(frozen=True)
class Pairs:
    """Seconds of the same container and input by both ways, run by run."""

    what: str
    plain: list[float]
    harness: list[float]


def compare_with_plain(bed: Bed, unit: Unit, what: str, count: int) -> Pairs:
    """``count`` pairs, which of the two goes first drawn anew; the harness's client is open."""
    client = connect()
    size = unit.sizes[0]
    pairs = Pairs(what, [], [])
    rng = random.Random(SEED)
    for index in range(count + 1):
        times = {}
        for way in rng.sample(("plain", "harness"), 2):
            begin = time.perf_counter()
            if way == "plain":
                plain_run(bed, unit, size)
            else:
                measure_once(bed, unit, size, index + 1, client=client)
            times[way] = time.perf_counter() - begin
        if index:  # the first pair warms both
            pairs.plain.append(times["plain"])
            pairs.harness.append(times["harness"])
    return pairs


def plain_run(bed: Bed, unit: Unit, size: int) -> None:
    """What a person types, with the same bounds on the container."""
    docker = shutil.which("docker") or "/usr/bin/docker"
    command = [docker, "run", "--rm", "-i", "--network", "none", "--cpus", "1", bed.image.name]
    batch = "1" if size == 1 else "32"
    with open(bed.inputs[size].path, "rb") as file:
        subprocess.run(
            [*command, *unit.args, "--batch-size", batch],
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )


def sampler_runs(bed: Bed, quick: bool) -> dict[tuple[str, float], list[RunRecord]]:
    """Runs of a small and a 1 GiB container, short and long."""
    client = connect()
    found: dict[tuple[str, float], list[RunRecord]] = {}
    for (name, mib), seconds in itertools.product(
        (("small", 0), ("1 GiB", 1024)), (3.0,) if quick else (3.0, 20.0)
    ):
        args = ("--init", f"{seconds:g}", "--memory", str(mib))
        unit = Unit(f"sampler-{mib}-{seconds:g}s", args, (1,))
        found[name, seconds] = [
            measure_once(bed, unit, 1, index, client=client)
            for index in range(1, 2 if quick else 4)
        ]
        print(f"sampler: {name}, {seconds:g} s done", file=sys.stderr)
    return found


def make_page(
    pairs: Sequence[Pairs],
    sampled: dict[tuple[str, float], list[RunRecord]],
    workflow: WorkflowCost,
    head: str,
) -> str:
    parts = [
        "# Overhead",
        head,
        "## Harness against plain docker run",
        harness_table(pairs),
        "Seconds from the call to its end: the container's creation and removal on both sides; on "
        "the harness's its sampling, its checks and the files that it writes. Pairs in one "
        "session, their order drawn anew each time. Wanted: at most 0.3 s more.",
        "## Sampler",
        sampler_table(sampled),
        "CPU time of the sampling thread: cgroup counters at 100 Hz, PSS at 1 Hz or more, the log "
        "at 10 Hz. Wanted: at most 2 % of a core.",
        "## A job of the workflow",
        workflow_table(workflow),
        f"One `snakemake --cores 1` of {workflow.jobs} measured runs, images and inputs there. "
        "Between two containers lie the scheduler, a new Python process with its imports, the "
        "container's creation and removal, the checks and the files.",
    ]
    return "\n\n".join(parts)


def harness_table(pairs: Sequence[Pairs]) -> str:
    rows = []
    for pair in pairs:
        added = [h - p for h, p in zip(pair.harness, pair.plain, strict=True)]
        interval = mean_interval(added)
        shown = "–"
        if interval:
            shown = f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
        plain, harness = statistics.median(pair.plain), statistics.median(pair.harness)
        ratio = statistics.median(h / p for h, p in zip(pair.harness, pair.plain, strict=True))
        rows.append((pair.what, len(added), f"{plain:.3f}", f"{harness:.3f}", f"{ratio:.3f}",
                     shown))  # fmt: skip
    header = ("container", "pairs", "docker run, s", "harness, s", "ratio (median)",
              "harness adds, s [95 %]")  # fmt: skip
    return table(header, rows)


def sampler_table(sampled: dict[tuple[str, float], list[RunRecord]]) -> str:
    rows = []
    for (name, seconds), records in sampled.items():
        looks = [(r.sampling, r.clock) for r in records]
        shares = [s.sampler_cpu_seconds / c.wall_seconds for s, c in looks if s and c]
        samples = [s for s, _ in looks if s]
        rows.append(
            (
                f"{name}, {seconds:g} s",
                len(shares),
                share(statistics.median(shares), 2),
                share(max(shares), 2),
                f"{statistics.median(s.samples for s in samples):.0f}",
                f"{statistics.median(s.pss_samples for s in samples):.0f}",
                f"{1000 * max(s.longest_gap_seconds for s in samples):.0f}",
            )
        )
    header = ("container", "runs", "share of a core (median)", "worst", "samples", "looks at PSS",
              "longest gap, ms")  # fmt: skip
    return table(header, rows)


def workflow_table(cost: WorkflowCost) -> str:
    rows = [
        ("a bare shell job of Snakemake", f"{cost.shell_seconds:.3f}", "1"),
        (
            "a measured run, container's own time left out (median)",
            f"{cost.between_seconds:.3f}",
            f"{cost.between_seconds / cost.shell_seconds:.1f}",
        ),
        (
            "  of it within the harness (create, attach, remove, check, write)",
            f"{cost.harness_seconds:.3f}",
            f"{cost.harness_seconds / cost.shell_seconds:.1f}",
        ),
        ("share of the time spent inside containers", share(cost.inside_share), ""),
        ("runs' own length", f"{cost.run_seconds:.2f}", ""),
    ]
    return table(("what", "s", "in shell jobs"), rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter, about a minute")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the page here")
    args = parser.parse_args()
    count = 4 if args.quick else 15
    sizes = (1, 2000)
    with tempfile.TemporaryDirectory(prefix="morocco-overhead-") as folder:
        bed = prepare(Path(folder), sizes)
        units = [
            (Unit("plain-1", ("--init", "0.5"), (1,)), "init 0.5 s, 1 record"),
            (Unit("plain-2000", ("--init", "0.5", "--seconds", "0.001"), (2000,)),
             "init 0.5 s, 2000 records of 1 ms"),
        ]  # fmt: skip
        pairs = []
        for unit, what in units:
            pairs.append(compare_with_plain(bed, unit, what, count))
            print(f"pairs: {what} done", file=sys.stderr)
        sampled = sampler_runs(bed, args.quick)
    workflow = workflow_cost(ROOT, runs=8 if args.quick else 20)
    head = f"{machine_line()}\n{command_line('benchmarks.overhead')}\n"
    write_page(args.out, make_page(pairs, sampled, workflow, head))
    return 0


if __name__ == "__main__":
    sys.exit(main())
