"""A run ends with its workflow, and only with one that it can see."""

from __future__ import annotations

import subprocess
import sys

from morocco.bench.interrupt import SUPERVISOR, interruptible, supervisor_gone, supervisor_mark


def dead_mark() -> str:
    """The mark of a process of this machine that has ended."""
    code = "from morocco.bench.interrupt import supervisor_mark; print(supervisor_mark())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_living_workflow_is_not_gone():
    assert not supervisor_gone(supervisor_mark())


def test_a_workflow_that_died_here_ends_the_run(monkeypatch):
    mark = dead_mark()
    assert supervisor_gone(mark)
    monkeypatch.setenv(SUPERVISOR, mark)
    with interruptible() as reason:
        assert reason() == f"the workflow ({mark}) is gone"


def test_a_pid_that_another_process_wears_now_is_gone():
    namespace, owner = supervisor_mark().split("/")
    pid, start, boot = owner.split(":")
    assert supervisor_gone(f"{namespace}/{pid}:{int(start) + 1}:{boot}")


def test_a_workflow_on_another_node_is_not_looked_for(monkeypatch):
    namespace, owner = dead_mark().split("/")
    elsewhere = owner.rpartition(":")[0] + ":another-boot"
    monkeypatch.setenv(SUPERVISOR, f"{namespace}/{elsewhere}")
    with interruptible() as reason:
        assert reason() is None


def test_a_workflow_outside_this_container_is_not_looked_for():
    owner = dead_mark().split("/")[1]
    assert not supervisor_gone(f"pid:[1]/{owner}")
