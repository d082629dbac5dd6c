"""What the rules ask of a suite: file names, parameters as stable text, priorities.

Parameters are text because Snakemake compares them: a change in the config touches just the jobs
whose text changes.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from morocco.estimate.published import read_published
from morocco.formats.names import RunId
from morocco.stages.images import BASE, ImageRequest, archive_file
from morocco.stages.settle import CellJob
from morocco.stages.stats import StatsSettings
from morocco.suite.model import Load, Suite, run_order
from morocco.tasks.registry import TASKS

_LEFT_OUT = {"__pycache__", "site"}


def as_text(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


@dataclass(frozen=True)
class Plan:
    """A suite seen from the rules; ``wildcards`` have the names of the output patterns."""

    suite: Suite

    _texts: dict[tuple[str, str, Load], str] = field(default_factory=dict)

    @property
    def results(self) -> str:
        return self.suite.results

    def folder(self, wildcards: Any) -> str:
        """The results folder, as a job's parameter."""
        return self.suite.results

    def records(self, model: str | None = None) -> list[str]:
        """Run records of round 1."""
        logs = f"{self.results}/logs"  # as formats/names.py has it; a Path a run takes seconds here
        return [f"{logs}/{run}.json" for run in self.suite.runs(model)]

    def spec_text(self, model: str, task: str, load: Load) -> str:
        """Made once for the many repeats of a cell."""
        key = (model, task, load)
        if key not in self._texts:
            self._texts[key] = self.suite.spec(model, task, load).json
        return self._texts[key]

    def bench_spec(self, wildcards: Any) -> str:
        load = Load(int(wildcards.input_size), int(wildcards.batch_size))
        return self.spec_text(wildcards.model, wildcards.task, load)

    def init(self, wildcards: Any) -> Load:
        return self.suite.model_task(wildcards.model, wildcards.task).init

    def init_spec(self, wildcards: Any) -> str:
        return self.spec_text(wildcards.model, wildcards.task, self.init(wildcards))

    def input_file(self, task: str, size: int, suffix: str = "jsonl") -> str:
        return f"{self.results}/inputs/{task}/{size}.{suffix}"

    def input_files(self) -> list[str]:
        """A run depends on its data alone; the description beside it is named here."""
        parts = [part for model in self.suite.models.values() for part in model.tasks.values()]
        sizes = {(part.task, load.input_size) for part in parts for load in part.cells}
        return [
            self.input_file(task, size, suffix)
            for task, size in sorted(sizes)
            for suffix in ("jsonl", "json")
        ]

    def image_file(self, model: str, task: str) -> str:
        return f"{self.results}/images/{model}/{task}.json"

    def image_files(self) -> list[str]:
        return [
            self.image_file(m.name, task) for m in self.suite.models.values() for task in m.tasks
        ]

    def cold_files(self, model: str) -> list[str]:
        """Cold starts of a model; none where the suite wants none."""
        wanted = self.suite.warmup.cold_starts > 0
        tasks = self.suite.models[model].tasks if wanted else ()
        return [f"{self.results}/cold/{model}/{task}.json" for task in tasks]

    def archive(self, wildcards: Any) -> list[str]:
        """The archive with a model's images, where the suite asks for archives."""
        if not self.suite.image_archives or self.suite.models[wildcards.model].runtime == "process":
            return []
        return [archive_file(self.results, wildcards.model)]

    def base_archive(self) -> list[str]:
        file = archive_file(self.results, BASE)
        return [file] if file in self.archives() else []

    def archives(self) -> list[str]:
        """Images for other nodes' engines; none unless the suite asks for them."""
        if not self.suite.image_archives:
            return []
        names = [m.name for m in self.suite.models.values() if m.runtime != "process"]
        return [archive_file(self.results, name) for name in names + [BASE] * bool(self.floor())]

    def archived(self, name: str) -> list[str]:
        """Descriptions of the images in one archive."""
        if name == BASE:
            return [self.base_file]
        return [self.image_file(name, task) for task in self.suite.models[name].tasks]

    def priority(self, wildcards: Any) -> int:
        """The seeded shuffle: models and tasks interleave."""
        run = RunId(
            wildcards.model,
            wildcards.task,
            int(wildcards.input_size),
            int(wildcards.batch_size),
            int(wildcards.index),
        )
        return run_order(self.suite.seed, run)

    def cells_text(self, model: str) -> str:
        """The model's cells and what measuring again needs."""
        return as_text(
            [
                CellJob(
                    spec=self.suite.spec(model, task, load),
                    repeats=part.repeats,
                    input_path=self.input_file(task, load.input_size),
                    input_json=self.input_file(task, load.input_size, "json"),
                    image_json=self.image_file(model, task),
                )
                for task, part in self.suite.models[model].tasks.items()
                for load in part.cells
            ]
        )

    def screening_text(self) -> str:
        return as_text(self.suite.screening)

    def given_scores(self, model: str) -> dict[str, dict[str, float]]:
        """Metrics by task known from elsewhere: the config's own, then the published file's."""
        given: dict[str, dict[str, float]] = {}
        if self.suite.published_scores:
            published = read_published(Path(self.suite.published_scores))
            given = {task: score.metrics for task, score in published.get(model, {}).items()}
        return {**given, **self.suite.models[model].scores}

    def stats_text(self, model: str) -> str:
        entry = self.suite.models[model]
        return as_text(
            StatsSettings(
                model=model,
                tasks=tuple(entry.tasks),
                device=entry.device,
                family=entry.family,
                seq_len=entry.seq_len,
                init_sizes={task: part.init.input_size for task, part in entry.tasks.items()},
                max_relative_half_width=self.suite.max_relative_half_width,
                data_root=self.suite.data_root,
                given=self.given_scores(model),
            )
        )

    def image_text(self, wildcards: Any) -> str:
        part = self.suite.model_task(wildcards.model, wildcards.task)
        return as_text(
            ImageRequest(
                model=part.model,
                task=part.task,
                image=part.image,
                build=part.build,
                build_args=part.build_args,
                command=part.command,
            )
        )

    def image_sources(self, wildcards: Any) -> list[str]:
        """Files a built image depends on: its folder and weights, the base, the train split."""
        part = self.suite.model_task(wildcards.model, wildcards.task)
        if part.build is None:
            return []
        train = TASKS["terra" if part.task == "lidirus" else part.task].train_file
        weights = part.build_args.get("WEIGHTS")
        folders = [part.build, *([weights] if weights else [])]
        files = [path for folder in folders for path in folder_files(folder)]
        return [*files, self.base_file, f"{self.suite.data_root}/{train}"]

    @property
    def base_file(self) -> str:
        return f"{self.results}/images/base.json"

    def floor(self) -> list[str]:
        """The null runs need the base image, which only suites with built models have."""
        parts = [part for model in self.suite.models.values() for part in model.tasks.values()]
        wanted = self.suite.null_runs > 0 and any(part.build for part in parts)
        return [f"{self.results}/null/floor.json"] if wanted else []

    def null_spec_text(self) -> str:
        model = next(iter(self.suite.models.values()))
        spec = self.suite.spec(model.name, next(iter(model.tasks)), Load(1, 1))
        return dataclasses.replace(
            spec, model="null", image=None, args=(), env={}, device="cpu", runtime="docker"
        ).json


@functools.cache
def folder_files(folder: str) -> tuple[str, ...]:
    """Files of a build folder, sorted; what building leaves there is left out."""
    return tuple(
        str(path)
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and not _LEFT_OUT & set(path.relative_to(folder).parts)
    )
