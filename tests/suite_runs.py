"""Tiny suites of calibrated models in folders of their own, and snakemake calls on them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from calibrated_runs import ROOT, SAMPLE, TAG, leftovers

from morocco.engine.reap import LABEL, OWNER
from morocco.formats.record import RunRecord, read_record
from morocco.sampling.noise import compare, read_machine_state

# What other people's work on this machine does is no reason to measure again here.
ANY_NOISE = {"foreign_cores": 99, "steal_share": 1, "psi_share": 1, "swap_pages": 10**9}


def model(name: str, *args: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": TAG, "args": ["--task", "{task}", *args], **more}


@dataclass
class SuiteFolder:
    """A working folder with one suite; each call is a process of its own."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, *models: dict[str, Any], **options: Any) -> None:
        config = {
            "data": {"root": str(SAMPLE)},
            "tasks": ["TERRa"],
            "noise": ANY_NOISE,
            "warmup": {"cold_starts": 0, "pause_seconds": 1e6},
            "screening": {"rounds": 1},
            "null_runs": 0,
            "repeats": 2,
            "loads": [{"input_size": 20, "batch_size": 4}],
            "models": list(models),
            **options,
        }
        (self.folder / "suite.yaml").write_text(yaml.safe_dump(config))

    def command(self, *args: str) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--configfile", "suite.yaml", "--directory", str(self.folder), *args),
        ]

    def _environment(self) -> dict[str, str]:
        own = {
            "MOROCCO_LOCK": str(self.folder / "bench.lock"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self.folder / ".cache"),
        }
        kept = {name: value for name, value in os.environ.items() if "MOROCCO" not in name}
        return {**kept, **own, **self.env}

    def call(self, *args: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """One call to its end; stdout and stderr together."""
        return subprocess.run(
            self.command(*args),
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    @contextlib.contextmanager
    def started(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """A call in the background, in a session of its own; it is ended with the block."""
        with open(self.folder / "call.log", "a") as log:
            process = subprocess.Popen(
                self.command(*args),
                cwd=self.folder,
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "call.log").read_text()

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def records(self, model: str = "*") -> dict[str, RunRecord]:
        """Run id -> record, all of them readable."""
        paths = sorted(self.results.glob(f"logs/{model}/*/*_*_*.json"))
        records = map(read_record, paths)
        return {str(record.id): record for record in records}

    def state(self) -> dict[str, tuple[int, int, bytes]]:
        """Every file of the measured runs: inode, time and bytes, to see what was redone."""
        found = {}
        for path in sorted(self.results.glob("logs/*/*/*_*_*")):
            status = path.stat()
            name = str(path.relative_to(self.results))
            found[name] = (status.st_ino, status.st_mtime_ns, path.read_bytes())
        return found

    def evidence(self) -> dict[str, bytes]:
        """Every record that stands, or will be taken again: Snakemake deletes what it did not
        see end, and its second name is left."""
        found = {}
        for home in (self.results / "unconfirmed", self.results):
            for path in home.glob("logs/*/*/*_*_*.json"):
                found[str(path.relative_to(home))] = path.read_bytes()
        return found

    def measured_since(self, before: dict[str, tuple[int, int, bytes]]) -> set[str]:
        """Ids of runs whose record is new or other than before."""
        after = self.state()
        changed = {name for name in after if before.get(name) != after[name]}
        return {name[5:-5] for name in changed if name.endswith(".json")}

    def whole(self) -> list[str]:
        """What is wrong with the evidence that stands: files missing, or of another run."""
        import hashlib

        from morocco.formats.log import read_log
        from morocco.formats.names import run_files

        wrong = []
        for name, record in self.records().items():
            files = run_files(self.results, record.id)
            missing = [path.name for path in vars(files).values() if not path.exists()]
            if missing:
                wrong.append(f"{name}: no {missing}")
                continue
            if record.output is not None:
                digest = hashlib.sha256(files.predictions.read_bytes()).hexdigest()
                if digest != record.output.sha256:
                    wrong.append(f"{name}: predictions are others")
            if record.clock is not None:
                log = read_log(files.log)
                if log[-1].timestamp != record.clock.finished_at:
                    wrong.append(f"{name}: the log is another run's")
        return wrong

    def left(self, client: Any) -> list[str]:
        return leftovers(client, self.results)


def foreign_cores(seconds: float = 2.0) -> float:
    """Load of other people's on this machine now, in cores: some tests need quiet to disturb."""
    before = read_machine_state()
    time.sleep(seconds)
    return compare(before, read_machine_state(), 0.0, None).foreign_cpu_cores or 0.0


def own_containers(client: Any, model: str) -> list[dict[str, Any]]:
    """Run containers of a model, created or running."""
    entries = client.api.containers(all=True, filters={"label": LABEL})
    return [entry for entry in entries if entry["Labels"][LABEL].startswith(f"{model}/")]


def owner_pid(entry: dict[str, Any]) -> int:
    return int(entry["Labels"][OWNER].partition(":")[0])


def wait_until(what: Callable[[], Any], seconds: float = 60.0, pause: float = 0.02) -> Any:
    """What ``what`` gives, once it is true; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := what():
            return value
        time.sleep(pause)
    raise AssertionError("waited in vain")


def running(client: Any, run: str) -> dict[str, Any] | None:
    """The container of one run, ``model/task/name``, once it runs."""
    filters = {"label": f"{LABEL}={run}", "status": "running"}
    entries = client.api.containers(filters=filters)
    return entries[0] if entries else None


def read_stats(suite: SuiteFolder, name: str, task: str = "terra") -> dict[str, Any]:
    return json.loads((suite.results / f"stats/{name}/{task}.json").read_text())
