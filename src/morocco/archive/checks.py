"""What must agree within one run: its record with itself, with its log and with its predictions.

Each check says what contradicts what. None trusts a digest: they hold against an editor who has
put all digests right again.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Sequence

from morocco.formats.log import Sample
from morocco.formats.record import REASONS, Clock, Output, RunRecord, Sampling, Totals
from morocco.suite.model import run_order

KINDS = ("measured", "warmup", "cold", "null")
# Two clocks' readings that are one and the same number, written once as a sum.
SAME_SECONDS = 1e-6
CURVE_ROUNDING = 2e-6  # of the arrivals' curve, six decimals
# Kernel CPU counters tick at 10 ms, and user and system are counted apart from the total.
CPU_SLACK_SECONDS = 0.1
# What the engine itself uses inside the cgroup to set a container up, before the log begins.
SETUP_CPU_SECONDS = 0.5
# Kernel memory counters are brought up to date in batches per core.
RAM_SLACK_BYTES = 32 << 20
CLOCK_STEP_SECONDS = 0.05  # above it the run would be invalid (bench.verdict)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_record(record: RunRecord) -> Iterator[str]:
    """Contradictions within one record."""
    run = record.id
    if record.kind not in KINDS:
        yield f"kind {record.kind!r}"
    if min(run.input_size, run.batch_size, run.index, record.round) < 1:
        yield "sizes, index and round count from 1"
    if record.order != run_order(record.seed, run):
        yield f"order {record.order} is not what seed {record.seed} gives"
    yield from _check_verdict(record)
    yield from _check_input(record)
    if record.kind == "measured" and _batch_argument(record) != str(run.batch_size):
        yield "the container was not given this run's --batch-size"
    clock, totals = record.clock, record.totals
    if clock is not None:
        yield from _check_clock(record, clock)
        if totals is not None:
            yield from _check_totals(record, totals, clock)
        if record.sampling is not None:
            yield from _check_sampling(record.sampling, clock)
    if record.output is not None:
        yield from _check_output(record, record.output)
    yield from _check_noise(record)
    yield from _check_gpu(record)


def _check_input(record: RunRecord) -> Iterator[str]:
    for name, value in (
        ("input.sha256", record.input.sha256),
        ("input.source_sha256", record.input.source_sha256),
        ("spec_sha256", record.spec_sha256),
    ):
        if not _SHA256.fullmatch(value):
            yield f"{name} is no SHA-256"
    if record.input.records != record.id.input_size:
        yield f"input of {record.input.records} records, not {record.id.input_size}"
    if record.input.bytes < 2 * record.input.records or record.input.source_records < 1:
        yield "input of impossible size"


def _check_verdict(record: RunRecord) -> Iterator[str]:
    verdict, ended = record.verdict, record.exit
    if verdict.valid == bool(verdict.reasons):
        yield "the verdict contradicts its reasons"
    for reason in verdict.reasons:
        if reason.code not in REASONS:
            yield f"reason code {reason.code!r}"
    if verdict.valid and (
        ended.code != 0 or ended.oom_killed or ended.timed_out or ended.killed_by_harness
    ):
        yield f"valid, yet the container ended with {ended.code}"
    if verdict.valid and (record.clock is None or record.output is None):
        yield "valid, yet without clock or output"


def _batch_argument(record: RunRecord) -> str | None:
    args = record.options.get("args")
    if not isinstance(args, list | tuple) or "--batch-size" not in args[:-1]:
        return None
    return str(args[list(args).index("--batch-size") + 1])


def _check_clock(record: RunRecord, clock: Clock) -> Iterator[str]:
    if abs(clock.finished_at - clock.started_at - clock.wall_seconds) > SAME_SECONDS:
        yield (
            f"wall time {clock.wall_seconds} s, yet from start to exit it is "
            f"{clock.finished_at - clock.started_at:.6f} s"
        )
    if not 0 < clock.wall_seconds <= clock.harness_seconds + abs(clock.step_seconds) + 0.05:
        yield f"wall time {clock.wall_seconds:g} s, whole job {clock.harness_seconds:g} s"
    if record.verdict.valid and abs(clock.step_seconds) > CLOCK_STEP_SECONDS:
        yield f"valid, yet the clock was stepped by {clock.step_seconds:g} s"


def _check_sampling(sampling: Sampling, clock: Clock) -> Iterator[str]:
    if not 0 <= sampling.longest_gap_seconds <= clock.harness_seconds + 1:
        yield f"sampling gap of {sampling.longest_gap_seconds:g} s in a shorter run"
    if sampling.samples > 1.2 * sampling.rate_hz * clock.harness_seconds + 20:
        yield f"{sampling.samples} samples, more than the rate gives"


def _check_totals(record: RunRecord, totals: Totals, clock: Clock) -> Iterator[str]:
    cores, ram = record.machine.cores, record.machine.ram_bytes
    cpu, user, system = totals.cpu_seconds, totals.cpu_user_seconds, totals.cpu_system_seconds
    if cpu is not None:
        # the engine's set-up in the cgroup counts too, before the start
        most = cores * (clock.wall_seconds + SETUP_CPU_SECONDS)
        if not 0 <= cpu <= most:
            yield f"CPU time {cpu:g} s, above {cores} cores × {clock.wall_seconds:g} s"
        parts = None if user is None or system is None else (user, system)
        slack = CPU_SLACK_SECONDS + 0.05 * cpu
        if parts and (min(parts) < 0 or abs(sum(parts) - cpu) > slack):
            yield f"CPU time {cpu:g} s, yet user {user:g} s and system {system:g} s"
    peaks = {
        name: value
        for name in ("ram_pss_peak_bytes", "ram_anon_peak_bytes", "ram_cgroup_peak_bytes")
        if (value := getattr(totals, name)) is not None
    }
    for name, value in peaks.items():
        if not 0 <= value <= ram:
            yield f"{name} {value} is not within the machine's {ram} bytes"
    anon, top = peaks.get("ram_anon_peak_bytes"), peaks.get("ram_cgroup_peak_bytes")
    if anon is not None and top is not None and anon > 1.05 * top + RAM_SLACK_BYTES:
        yield f"anonymous memory {anon}, above the cgroup's own peak {top}"
    if totals.processes_peak is not None and totals.processes_peak < 1:
        yield "no process"


def _check_output(record: RunRecord, output: Output) -> Iterator[str]:
    if record.verdict.valid and record.kind == "measured":
        if output.lines != record.id.input_size:
            yield f"valid, yet {output.lines} predictions for {record.id.input_size} records"
        if output.predictions_sha256 is None:
            yield "valid, yet without a digest of its predictions"
    for value in (output.sha256, output.predictions_sha256):
        if value is not None and not _SHA256.fullmatch(value):
            yield "a digest of the output is no SHA-256"
    if output.bytes < output.lines or output.lines < 0:
        yield f"{output.lines} lines in {output.bytes} bytes"
    yield from _check_arrivals(record, output)


def _check_arrivals(record: RunRecord, output: Output) -> Iterator[str]:
    arrivals, clock = output.arrivals, record.clock
    if arrivals.distinct_times > max(output.lines, 1) or not 0 <= arrivals.largest_burst <= 1:
        yield "arrivals of impossible shape"
    curve = arrivals.curve
    for (t0, n0), (t1, n1) in itertools.pairwise(curve):
        if t1 < t0 or n1 < n0:
            yield f"arrivals run backwards at {t1:g} s"
            break
    # the last line may lack its end
    if curve and not output.lines - 1 <= curve[-1][1] <= output.lines:
        yield f"{curve[-1][1]} lines arrived, {output.lines} were written"
    if clock is not None and arrivals.last_seconds is not None:
        first = arrivals.first_seconds or 0.0
        # lines are read a moment after they were written
        if not -0.5 <= first <= arrivals.last_seconds <= clock.harness_seconds:
            yield f"predictions from {first:g} to {arrivals.last_seconds:g} s, not within the run"
        ends = (curve[0][0], curve[-1][0]) if curve else (first, arrivals.last_seconds)
        if max(abs(ends[0] - first), abs(ends[1] - arrivals.last_seconds)) > CURVE_ROUNDING:
            yield "the arrivals' curve does not span their first and last time"
    if curve and len(curve) == arrivals.distinct_times and curve[-1][1]:
        counts = [curve[0][1], *(b[1] - a[1] for a, b in itertools.pairwise(curve))]
        if abs(max(counts) / curve[-1][1] - arrivals.largest_burst) > SAME_SECONDS:
            yield f"largest burst {arrivals.largest_burst:g} is not that of the curve"


def _check_noise(record: RunRecord) -> Iterator[str]:
    noise = record.noise
    if noise is None:
        return
    for name in ("steal_share", "psi_some_share"):
        value = getattr(noise, name)
        if value is not None and not 0 <= value <= 1.05:
            yield f"{name} {value:g}"
    cores = noise.foreign_cpu_cores
    if cores is not None and not -0.5 <= cores <= record.machine.cores + 0.5:
        yield f"{cores:g} foreign cores of {record.machine.cores}"


def _check_gpu(record: RunRecord) -> Iterator[str]:
    gpu = record.gpu
    if gpu is None:
        return
    for device in gpu.devices:
        total = device.total_bytes
        for name in ("ram_peak_bytes", "device_used_peak_bytes"):
            value = getattr(device, name)
            if value is not None and (value < 0 or (total is not None and value > total)):
                yield f"GPU {device.index}: {name} {value} of {total} bytes"
        joules, raw = device.energy_joules, device.energy_raw_joules
        if raw is not None and (raw < 0 or (joules is not None and joules > raw)):
            yield f"GPU {device.index}: {joules} J of {raw} J drawn"
    peaks = [device.ram_peak_bytes for device in gpu.devices]
    known = [peak for peak in peaks if peak is not None]
    top = gpu.ram_peak_bytes
    complete = bool(known) and len(known) == len(peaks)
    if top is not None and complete and not max(known) <= top <= sum(known):
        yield f"GPU memory {top}, yet the devices' peaks are {known}"


def check_log(record: RunRecord, samples: Sequence[Sample], data: bytes) -> Iterator[str]:
    """Contradictions between a record and its log."""
    if record.log_sha256 is not None and record.log_sha256 != hashlib.sha256(data).hexdigest():
        yield "the log is not the one that the record was written with"
    clock, totals = record.clock, record.totals
    if clock is None:
        yield "a log of a run that never started"
        return
    for name, seen, said in (
        ("first", samples[0].timestamp, clock.started_at),
        ("last", samples[-1].timestamp, clock.finished_at),
    ):
        if abs(seen - said) > SAME_SECONDS:
            yield f"{name} sample at {seen}, the record's clock says {said}"
    cores = record.machine.cores
    integral = 0.0
    for before, sample in itertools.pairwise(samples):
        used = (sample.cpu_usage or 0.0) * (sample.timestamp - before.timestamp)
        integral += used
        if used > cores * (sample.timestamp - before.timestamp) + CPU_SLACK_SECONDS:
            yield f"{sample.cpu_usage:g} of {cores} cores at {sample.timestamp}"
            break
    cpu = totals.cpu_seconds if totals and totals.cpu_seconds is not None else math.nan
    known = not math.isnan(cpu) and any(sample.cpu_usage is not None for sample in samples)
    if known and not cpu - SETUP_CPU_SECONDS <= integral <= 1.001 * cpu + 0.01:
        yield f"the log's CPU time is {integral:.3f} s, the record's total {cpu:.3f} s"
    yield from _check_log_memory(record, samples)
    if record.sampling is not None:
        most = 1.2 * record.sampling.log_rate_hz * clock.wall_seconds + 5
        if len(samples) > most:
            yield f"{len(samples)} samples, more than {record.sampling.log_rate_hz:g} a second"


def _check_log_memory(record: RunRecord, samples: Sequence[Sample]) -> Iterator[str]:
    totals = record.totals
    ram = max((s.ram for s in samples if s.ram is not None), default=None)
    peaks = (
        [p for p in (totals.ram_pss_peak_bytes, totals.ram_anon_peak_bytes) if p is not None]
        if totals
        else []
    )
    if ram is not None and peaks and ram > max(peaks):
        yield f"{ram} bytes of RAM in the log, the record's peak is {max(peaks)}"
    gpu = max((s.gpu_ram for s in samples if s.gpu_ram is not None), default=None)
    top = record.gpu.ram_peak_bytes if record.gpu else None
    if gpu and (top is None or gpu > top):
        yield f"{gpu} bytes of GPU memory in the log, the record's peak is {top}"


def check_output_bytes(record: RunRecord, data: bytes) -> Iterator[str]:
    """Contradictions between a record and the container's stdout."""
    output = record.output
    if output is None:
        yield "predictions of a run without output"
        return
    lines = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    for name, seen, said in (
        ("bytes", len(data), output.bytes),
        ("lines", lines, output.lines),
        ("SHA-256", hashlib.sha256(data).hexdigest(), output.sha256),
    ):
        if seen != said:
            yield f"predictions have {name} {seen}, the record says {said}"


def check_together(records: Sequence[RunRecord]) -> Iterator[tuple[str, str]]:
    """(place, contradiction) between the runs of one model."""
    same: dict[tuple[str, str], dict[object, str]] = {}
    for record in records:
        run = record.id
        cell, size = f"{run.task}/{run.cell.name}", f"{run.task}, {run.input_size} records"
        facts: list[tuple[str, str, object]] = [
            (size, "input", (record.input.sha256, record.input.bytes)),
            (run.task, "split", (record.input.source_sha256, record.input.source_records)),
            (run.task, "image", (record.image.id, record.image.digest)),
            (cell, "specification", record.spec_sha256),
            (run.model, "seed", record.seed),
            (run.model, "machine", record.machine),
            (run.model, "runtime", record.runtime),
        ]
        for place, what, value in facts:
            same.setdefault((place, what), {}).setdefault(value, run.name)
    for (place, what), values in same.items():
        if len(values) > 1:
            yield (
                place,
                f"{len(values)} kinds of {what}, first in runs {', '.join(values.values())}",
            )
    timed = sorted((r.clock.started_at, r.clock.finished_at, str(r.id)) for r in records if r.clock)
    for (_, end, first), (start, _, second) in itertools.pairwise(timed):
        if start < end:
            yield second, f"ran at the same time as {first}, which the machine's lock forbids"
            break
