"""The nine Russian SuperGLUE tasks: names, folders, label sets, metrics."""

from __future__ import annotations

from dataclasses import dataclass

from morocco.errors import MoroccoError


@dataclass(frozen=True)
class Task:
    """One task. ``key`` names files and images, ``title`` is the official spelling and folder."""

    key: str
    title: str
    labels: tuple[str | bool | int, ...]  # empty: free text (RuCoS) or nested (MuSeRC)
    metrics: tuple[str, ...]  # official, in the official order; the score is their mean
    eval_split: str = "val"

    @property
    def eval_file(self) -> str:
        """Path of the measured split inside a data root, as in the official archive."""
        return f"{self.title}/{self.title if self.key == 'lidirus' else self.eval_split}.jsonl"

    @property
    def train_file(self) -> str | None:
        """LiDiRus is a diagnostic set without a train split: TERRa's classifier serves it."""
        return None if self.key == "lidirus" else f"{self.title}/train.jsonl"


_ALL = (
    Task("danetqa", "DaNetQA", (True, False), ("accuracy",)),
    Task("lidirus", "LiDiRus", ("entailment", "not_entailment"), ("mcc",)),
    Task("muserc", "MuSeRC", (), ("f1a", "em")),
    Task("parus", "PARus", (0, 1), ("accuracy",)),
    Task("rcb", "RCB", ("entailment", "contradiction", "neutral"), ("f1", "accuracy")),
    Task("rucos", "RuCoS", (), ("f1", "em")),
    Task("russe", "RUSSE", (True, False), ("accuracy",)),
    Task("rwsd", "RWSD", (True, False), ("accuracy",)),
    Task("terra", "TERRa", ("entailment", "not_entailment"), ("accuracy",)),
)
TASKS: dict[str, Task] = {task.key: task for task in _ALL}


def get_task(name: str) -> Task:
    """Find a task by key or title, in any case."""
    task = TASKS.get(name.lower())
    if task is None:
        raise MoroccoError(
            f"unknown task {name!r}", hint=f"one of {', '.join(t.title for t in _ALL)}"
        )
    return task
