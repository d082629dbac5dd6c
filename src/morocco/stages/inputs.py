"""Stage: the input of a task at one size, as a file of its own with its hash."""

from __future__ import annotations

from pathlib import Path

from morocco.formats.files import write_json
from morocco.formats.record import Input
from morocco.tasks.inputs import make_input
from morocco.tasks.registry import get_task


def prepare_input(data_root: str, task: str, size: int, target: str, description: str) -> Input:
    """Cycle the task's measured split to ``size`` records; ``description`` gets its hashes."""
    made = make_input(Path(data_root) / get_task(task).eval_file, size, Path(target))
    write_json(description, made)
    return made
