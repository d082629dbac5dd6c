"""Scores known from elsewhere, such as the public board's, from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from morocco.errors import MoroccoError
from morocco.estimate.results import Score
from morocco.estimate.score import given_score
from morocco.tasks.metrics import check_metrics
from morocco.tasks.registry import get_task


def read_published(path: str | Path) -> dict[str, dict[str, Score]]:
    """``{model: {task key: Score marked as given}}`` from ``{model: {task: {metric: value}}}``.

    Tasks by official name in any case, values as fractions (0.52). Raises MoroccoError that names
    file, model and task for an unknown task, a metric that is missing or not the task's, and a
    value out of range.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise MoroccoError(f"cannot be read: {error.strerror}", place=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MoroccoError(f"not valid YAML: {error}", place=str(path)) from error
    if not isinstance(data, dict) or not data:
        raise MoroccoError("not a table of models", place=str(path), hint=_FORM)
    return {str(model): _model(tasks, f"{path}: {model}") for model, tasks in data.items()}


_FORM = "model name: {TERRa: {accuracy: 0.642}, RCB: {f1: 0.367, accuracy: 0.463}}"


def _model(tasks: Any, place: str) -> dict[str, Score]:
    if not isinstance(tasks, dict):
        raise MoroccoError("not a table of tasks", place=place, hint=_FORM)
    scores: dict[str, Score] = {}
    for name, metrics in tasks.items():
        try:
            task = get_task(str(name))
        except MoroccoError as error:
            raise MoroccoError(error.message, place=place, hint=error.hint) from error
        if task.key in scores:
            raise MoroccoError(f"{task.title} stands twice", place=place)
        scores[task.key] = given_score(task, check_metrics(task, metrics, f"{place}: {name}"))
    return scores
