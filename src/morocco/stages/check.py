"""Stage: does a container keep the contract of a measured model? For its author, in a minute.

Every run is made as a measured one is: no network, read-only root, a user without a name, bounds
on everything. A container that passes here is one whose runs can be valid.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from morocco.bench.job import Job
from morocco.bench.run import measure
from morocco.engine.container import run_container
from morocco.engine.guard import guarded
from morocco.engine.images import inspect_image
from morocco.engine.reap import LABEL, OWNER, owner_mark, unique_suffix
from morocco.engine.stream import Channel, Feeder, Reader
from morocco.errors import MoroccoError
from morocco.formats.names import RunFiles, RunId
from morocco.formats.record import Image, Input, RunRecord
from morocco.stages.advice import ADVICE, advice_for
from morocco.stages.bench import open_engine
from morocco.suite.model import Limits, Load, NoiseBounds, RunSpec, SamplingRates
from morocco.tasks.inputs import make_input
from morocco.tasks.registry import Task

RECORDS = 24  # enough for a full and a partial batch of 16 and for labels of every kind
BATCH = 16
# Whatever else the machine does: the contract is checked here, not the speed.
_ANY_NOISE = NoiseBounds(foreign_cores=1e9, steal_share=1, psi_share=1, swap_pages=10**12)
# Beyond the first run's own time: for a model to answer what it has been given.
_STREAM_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Finding:
    """One point of the contract. ``passed`` None: could not be looked at."""

    name: str
    asked: str
    passed: bool | None
    seen: str
    advice: str | None = None
    required: bool = True


@dataclass(frozen=True)
class CheckReport:
    image: str
    task: str
    passed: bool  # every required point
    seconds: float
    findings: tuple[Finding, ...]


ASKED = {
    "start": "the container starts",
    "exit": "ends by itself with status 0 when stdin ends",
    "predictions": "one valid prediction for each record",
    "sandbox": "needs no network, no root, no write to its own files",
    "batches": "takes --batch-size, and predictions do not depend on it",
    "order": "predictions do not depend on the order of records",
    "repeat": "the same input gives the same predictions again",
    "streaming": "answers a batch before it has seen the next",
}
_OPTIONAL = {"streaming"}


@dataclass
class _Session:
    """One container under check: its runs and what they showed."""

    client: Any
    task: Task
    image: Image
    spec: RunSpec
    folder: Path
    source: Path
    tell: Callable[[str], None]
    findings: dict[str, Finding] = field(default_factory=dict)

    def note(self, name: str, passed: bool | None, seen: str, advice: str | None = None) -> None:
        required = name not in _OPTIONAL
        self.findings[name] = Finding(name, ASKED[name], passed, seen, advice, required)

    def run(self, what: str, size: int, batch: int, lines: list[bytes], **limits: Any) -> RunRecord:
        self.tell(what)
        number = sum(1 for _ in self.folder.glob("*.jsonl")) + 1
        path = self.folder / f"{number}.jsonl"
        path.write_bytes(b"".join(lines))
        given = Input("", len(lines), path.stat().st_size, "", size, str(path))
        spec = dataclasses.replace(
            self.spec,
            load=Load(size, batch),
            limits=dataclasses.replace(self.spec.limits, **limits),
        )
        # "warmup": no warm-up before it; the files are this check's own.
        run = RunId("check", self.task.key, size, batch, number)
        job = Job(spec, run, given, path, self.image, kind="warmup")
        names = ("log", "record", "predictions", "stderr")
        files = RunFiles(*(self.folder / f"{number}.{name}" for name in names))
        return measure(self.client, job, files)


def check_container(
    image: str,
    task: Task,
    data_root: str | Path,
    *,
    timeout_seconds: float = 60.0,
    limits: Limits | None = None,
    args: tuple[str, ...] = (),
    tell: Callable[[str], None] = lambda what: None,
) -> CheckReport:
    """Run ``image`` some seven times on a few records of ``task`` and judge what it does.

    ``tell`` is called before each run. MoroccoError where the image or the data is missing,
    EngineError where the engine fails: neither says anything about the container.
    """
    begin = time.monotonic()
    source = Path(data_root) / task.eval_file
    if not source.is_file():
        raise MoroccoError(f"no {task.eval_file} there", place=str(data_root))
    spec = _spec(image, task, timeout_seconds, limits or Limits(), args)
    client = open_engine(spec)
    with tempfile.TemporaryDirectory(prefix="morocco-check-") as name:
        session = _Session(
            client, task, inspect_image(client, image), spec, Path(name), source, tell
        )
        _check(session)
    findings = tuple(
        session.findings.get(name)
        or Finding(name, asked, None, "not looked at: a point above failed", None)
        for name, asked in ASKED.items()
    )
    passed = all(finding.passed for finding in findings if finding.required)
    return CheckReport(image, task.key, passed, time.monotonic() - begin, findings)


def _spec(
    image: str, task: Task, timeout_seconds: float, limits: Limits, args: tuple[str, ...]
) -> RunSpec:
    return RunSpec(
        model="check",
        task=task.key,
        load=Load(1, 1),
        image=image,
        command=None,
        args=args,
        env={},
        device="cpu",
        gpus=None,
        runtime="docker",
        timeout_seconds=timeout_seconds,
        limits=limits,
        sampling=SamplingRates(),
        noise=_ANY_NOISE,
        pause_seconds=1.0,
        seed=0,
    )


def _check(session: _Session) -> None:
    whole = session.folder / "all"
    make_input(session.source, RECORDS, whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    first = session.run("one record", 1, 1, lines[:1])
    if not _judge_run(session, first, "1 record"):
        return
    many = session.run(f"{RECORDS} records, a batch each", RECORDS, 1, lines)
    if not _judge_run(session, many, f"{RECORDS} records"):
        return
    session.note("sandbox", True, "worked without any of them")
    batched = session.run(f"{RECORDS} records in batches of {BATCH}", RECORDS, BATCH, lines)
    _compare(
        session,
        "batches",
        many,
        batched,
        f"with --batch-size 1 and {BATCH}",
        "padding leaks into the result: mask it; and switch dropout off (model.eval())",
    )
    turned = session.run("the same in reverse order", RECORDS, 1, lines[::-1])
    _compare(
        session,
        "order",
        many,
        turned,
        "in reverse order",
        "answer each record from its own text alone, and carry its idx along with it",
    )
    again = session.run("the same again", RECORDS, 1, lines)
    _compare(
        session,
        "repeat",
        many,
        again,
        "the second time",
        "seed every random choice, decode greedily, and do not use the time or the process id",
    )
    session.tell("does it stream?")
    wall = first.wall_seconds or 0.0
    if _streams(session, lines, wall + _STREAM_PATIENCE_SECONDS):
        session.note("streaming", True, "the first answer came before the rest was fed")
    else:
        session.note(
            "streaming",
            False,
            "nothing came before stdin had ended",
            "read --batch-size lines at a time and flush after each batch (print(…, flush=True)): "
            "then speed is known from a single run too, and memory does not grow with the input",
        )


def _judge_run(session: _Session, record: RunRecord, on: str) -> bool:
    """Note what one run shows of start, exit and predictions; False ends the check."""
    model = [r for r in record.verdict.reasons if r.code in ADVICE]
    if not model:
        wall = f" in {record.wall_seconds:.1f} s" if record.wall_seconds is not None else ""
        session.note("start", True, "started")
        session.note("exit", True, f"status 0{wall} on {on}")
        session.note("predictions", True, f"{on}, all answered well")
        return True
    reason = model[0]
    started = reason.code != "start_failed"
    session.note(
        "start", started, "started" if started else reason.detail, advice_for(model, record)
    )
    if not started:
        return False
    session.findings["start"] = dataclasses.replace(session.findings["start"], advice=None)
    seen = f"on {on}: " + "; ".join(f"{r.detail}" for r in model)
    if reason.code.startswith("prediction_"):
        session.note("exit", True, f"status 0 on {on}")
        session.note("predictions", False, seen, advice_for(model, record))
        return False
    tail = record.output.stderr_tail.strip().splitlines()[-5:] if record.output else []
    seen += "".join(f"\n| {line}" for line in tail)
    session.note("exit", False, seen, advice_for(model, record))
    if reason.code == "exit_code" and _works_as_root(session):
        session.note(
            "sandbox",
            False,
            "works as root (user 0), not as user 65534",
            "make its files readable to all (chmod -R a+rX) and write to /tmp alone",
        )
    return False


def _works_as_root(session: _Session) -> bool:
    first = (session.folder / "1.jsonl").read_bytes().splitlines(keepends=True)
    record = session.run("the same as root", 1, 1, first[:1], user="0:0")
    return not any(reason.code in ADVICE for reason in record.verdict.reasons)


def _compare(
    session: _Session, name: str, one: RunRecord, other: RunRecord, how: str, advice: str
) -> None:
    faults = [reason for reason in other.verdict.reasons if reason.code in ADVICE]
    if faults:
        seen = f"{how}: " + "; ".join(reason.detail for reason in faults)
        session.note(name, False, seen, advice_for(faults, other))
        return
    assert one.output and other.output
    same = one.output.predictions_sha256 == other.output.predictions_sha256
    seen = f"{'the same' if same else 'other'} predictions {how}"
    session.note(name, same, seen, None if same else advice)


@dataclass
class _HeldFeeder(Feeder):
    """Feeds one batch, waits for an answer, then feeds the rest."""

    reader: Reader
    patience_seconds: float
    answered: bool = False

    def _feed(self, channel: Channel) -> None:
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            channel.write(file.readline())
            deadline = time.monotonic() + self.patience_seconds
            while not self.reader.lines and time.monotonic() < deadline:
                time.sleep(0.01)
            self.answered = self.reader.lines > 0
            channel.write(file.read())
            channel.end_input()


def _streams(session: _Session, lines: list[bytes], patience_seconds: float) -> bool:
    path = session.folder / "held"
    path.write_bytes(b"".join(lines))
    limits = session.spec.limits
    reader = Reader(
        session.folder / "held.out", session.folder / "held.err", limits.stdout, limits.stderr
    )
    feeder = _HeldFeeder(path, reader, patience_seconds)
    name = f"morocco-check-{unique_suffix()}"
    with guarded(name, []):
        run_container(
            session.client,
            dataclasses.replace(
                session.spec, timeout_seconds=session.spec.timeout_seconds + patience_seconds
            ),
            session.image.id or session.image.name,
            name=name,
            labels={LABEL: "check", OWNER: owner_mark()},
            cgroup_parent=None,
            feeder=feeder,
            reader=reader,
        )
    return feeder.answered
