"""The process runtime: same contract, nothing left behind, with a cgroup and without one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from morocco.engine.process import ProcessRun, run_process
from morocco.engine.reap import unique_suffix
from morocco.engine.stream import Feeder, Reader
from morocco.errors import EngineError
from morocco.sampling.cgroup import CgroupParent, make_parent
from morocco.sampling.tree import ProcessTree
from morocco.suite.model import Limits, Load, NoiseBounds, RunSpec, SamplingRates

MIB = 2**20
# A grandchild in a session of its own, with the pipes closed: a process group would not hold it.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        for n in range(3): os.close(n)
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]) or not os.path.getsize(sys.argv[1]): time.sleep(0.01)
"""


def spec(code: str, *args: str, timeout: float = 30, **limits: Any) -> RunSpec:
    return RunSpec(
        model="m",
        task="terra",
        load=Load(3, 2),
        image=None,
        command=(sys.executable, "-I", "-S", "-c", code),
        args=args,
        env={"MODEL_OWN": "yes"},
        device="cpu",
        gpus=None,
        runtime="process",
        timeout_seconds=timeout,
        limits=Limits(**limits),
        sampling=SamplingRates(),
        noise=NoiseBounds(),
        pause_seconds=0,
        seed=0,
    )


@pytest.fixture(params=["cgroup", "tree"])
def cgroup(request: pytest.FixtureRequest) -> Iterator[CgroupParent | None]:
    if request.param == "tree":
        yield None
        return
    parent = make_parent(f"test{time.monotonic_ns()}-{unique_suffix()}")
    if parent is None or not parent.owned:
        pytest.skip("no right to make a cgroup here")
    yield parent
    parent.close()
    assert not any(folder.exists() for folder in parent.folders.values())


@pytest.fixture
def execute(tmp_path: Path, cgroup: CgroupParent | None) -> Callable[..., Any]:
    def run(wanted: RunSpec, lines: bytes = b"", **more: Any) -> tuple[ProcessRun, Reader]:
        (tmp_path / "input").write_bytes(lines)
        limits = wanted.limits
        reader = Reader(tmp_path / "out", tmp_path / "err", limits.stdout, limits.stderr)
        done = run_process(
            wanted,
            cgroup=cgroup,
            scratch=tmp_path,
            environment={"OURS": "1", "MODEL_OWN": "no"},
            feeder=Feeder(tmp_path / "input"),
            reader=reader,
            **more,
        )
        return done, reader

    return run


def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_lines_in_lines_out(execute: Callable[..., Any], tmp_path: Path) -> None:
    code = (
        "import sys, os\nprint(sys.argv[1:], os.environ['OURS'], os.environ['MODEL_OWN'],"
        "'TMPDIR' in os.environ, 'MOROCCO_SECRET' in os.environ)\n"
        "for line in sys.stdin: print(line.strip().upper(), flush=True)\n"
        "print('done', file=sys.stderr)"
    )
    os.environ["MOROCCO_SECRET"] = "not for models"
    try:
        run, reader = execute(spec(code, "--seq-len", "8"), b"abc\n" * 200_000)
    finally:
        del os.environ["MOROCCO_SECRET"]
    outcome = run.outcome
    assert (outcome.exit.code, outcome.exit.error) == (0, None)
    assert outcome.clock_source == "process"
    assert 0 < outcome.finished_at - outcome.started_at < 20
    first, rest = (tmp_path / "out").read_bytes().split(b"\n", 1)
    assert first == b"['--seq-len', '8', '--batch-size', '2'] 1 yes True False"
    assert rest == b"ABC\n" * 200_000
    assert reader.lines == 200_001
    assert (tmp_path / "err").read_bytes() == b"done\n"


@pytest.mark.parametrize(
    ("shell", "status"), [("exit 7", 7), ("kill -TERM $$", 143), ("kill -PIPE $$", 141)]
)
def test_exit_status_as_an_engine_gives_it(
    execute: Callable[..., Any], shell: str, status: int
) -> None:
    run, _ = execute(dataclasses.replace(spec(""), command=("sh", "-c", shell)))
    assert run.outcome.exit.code == status
    assert run.outcome.exit.killed_by_harness is None


def test_a_command_that_is_not_there(execute: Callable[..., Any]) -> None:
    run, _ = execute(dataclasses.replace(spec(""), command=("no-such-command",)))
    assert run.outcome.started_at is None
    assert run.outcome.exit.code is None
    assert run.outcome.exit.error == "No such file or directory: no-such-command"
    assert run.usage is None


def test_a_timeout_ends_the_whole_tree(execute: Callable[..., Any], tmp_path: Path) -> None:
    run, _ = execute(spec(DAEMON + "time.sleep(600)", str(tmp_path / "pid"), timeout=1.5))
    assert run.outcome.exit.timed_out
    assert run.outcome.exit.code == 137
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_a_command_leaves_ends_with_it(execute: Callable[..., Any], tmp_path: Path) -> None:
    run, _ = execute(spec(DAEMON, str(tmp_path / "pid")))
    assert (run.outcome.exit.code, run.outcome.exit.killed_by_harness) == (0, None)
    assert gone(int((tmp_path / "pid").read_text()))


def test_output_bound(execute: Callable[..., Any]) -> None:
    run, reader = execute(spec("while True: print('x' * 1000)", stdout=100_000))
    assert run.outcome.exit.killed_by_harness == "output_limit"
    assert reader.overflow


def test_an_interrupt_ends_the_run(execute: Callable[..., Any]) -> None:
    run, _ = execute(spec("import time; time.sleep(600)"), interrupted=lambda: "interrupted")
    assert run.outcome.exit.killed_by_harness == "interrupted"


def test_memory_bound(execute: Callable[..., Any], cgroup: CgroupParent | None) -> None:
    code = "x = bytearray(300 * 2**20)\nfor n in range(0, len(x), 4096): x[n] = 1"
    run, reader = execute(spec(code, memory=100 * MIB))
    if cgroup is None:  # the process is refused the memory, and says so itself
        assert (run.outcome.exit.code, run.outcome.exit.oom_killed) == (1, False)
        assert b"MemoryError" in reader.output(0, None).stderr_tail.encode()
    else:
        assert (run.outcome.exit.code, run.outcome.exit.oom_killed) == (137, True)


def test_cpu_totals_count_every_process(
    execute: Callable[..., Any], cgroup: CgroupParent | None
) -> None:
    burn = "import time, os\nt = time.process_time\nwhile t() < 0.2: pass\n"
    code = f"import os\nif os.fork() == 0:\n    {burn.replace(chr(10), chr(10) + '    ')}\n"
    code += f"    os._exit(0)\n{burn}os.wait()"
    run, _ = execute(spec(code, cpus=2))
    total = run.usage.user_seconds + run.usage.system_seconds
    assert 0.4 <= total < 0.8
    if cgroup is not None:
        assert cgroup.cpu_seconds() == pytest.approx(total, abs=0.05)


def test_the_tree_is_seen_while_it_runs(execute: Callable[..., Any]) -> None:
    seen: list[tuple[int, int | None, float | None]] = []
    trees: list[ProcessTree] = []

    def look() -> None:
        time.sleep(0.06)  # the list of processes is renewed each 50 ms
        tree = trees[0]
        seen.append((len(tree.pids()), tree.anon_bytes(), tree.cpu_seconds()))

    code = "import os, time\nx = bytearray(b'1') * (64 * 2**20)\nos.fork()\ntime.sleep(0.6)"
    execute(
        spec(code, cpus=2),
        on_start=lambda keeper: trees.append(ProcessTree(keeper)),
        interrupted=look,
    )
    assert max(count for count, _, _ in seen) == 2
    assert max(size or 0 for _, size, _ in seen) >= 64 * MIB
    cpu = [seconds for _, _, seconds in seen if seconds is not None]
    assert cpu == sorted(cpu)
    assert cpu[-1] > 0


def test_a_keeper_killed_from_outside_is_the_machines_fault(
    execute: Callable[..., Any], tmp_path: Path, cgroup: CgroupParent | None
) -> None:
    keepers: list[int] = []

    def kill() -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            with contextlib.suppress(ProcessLookupError):
                os.kill(keepers[0], signal.SIGKILL)

    code = "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(600)"
    with pytest.raises(EngineError, match="ended too early"):
        execute(spec(code, str(tmp_path / "pid")), on_start=keepers.append, interrupted=kill)
    assert gone(int((tmp_path / "pid").read_text()))


def test_nothing_outlives_a_killed_harness(tmp_path: Path) -> None:
    """SIGKILL the harness in mid-run: the keeper ends the tree, a daemon of it too."""
    harness = tmp_path / "harness.py"
    harness.write_text(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from test_process import DAEMON, spec\n"
        "from morocco.engine.process import run_process\n"
        "from morocco.engine.stream import Feeder, Reader\n"
        f"here = Path({str(tmp_path)!r})\n"
        "(here / 'input').touch()\n"
        "reader = Reader(here / 'out', here / 'err', 10**6, 10**6)\n"
        "run_process(spec(DAEMON + 'time.sleep(600)', str(here / 'pid')), cgroup=None,\n"
        "    scratch=here, environment={}, feeder=Feeder(here / 'input'), reader=reader,\n"
        "    on_start=lambda pid: (here / 'keeper').write_text(str(pid)))\n"
    )
    process = subprocess.Popen([sys.executable, str(harness)])
    try:
        deadline = time.monotonic() + 30
        pid = tmp_path / "pid"
        while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        daemon, keeper = int(pid.read_text()), int((tmp_path / "keeper").read_text())
    finally:
        process.kill()
        process.wait()
    assert gone(daemon)
    assert gone(keeper)
