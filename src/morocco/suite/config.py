"""From a config file to a Suite: every mistake is named with its place before any run starts."""

from __future__ import annotations

import difflib
import functools
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from morocco.errors import MoroccoError
from morocco.suite.model import (
    Limits,
    Load,
    Model,
    ModelTask,
    NoiseBounds,
    SamplingRates,
    Screening,
    Suite,
    Warmup,
)
from morocco.suite.places import Places, read_yaml
from morocco.tasks.registry import TASKS

_UNITS = {
    "B": 1,
    **{f"{prefix}iB": 2 ** (10 * power) for power, prefix in enumerate("KMGT", 1)},
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMGT", 1)},
}


def load_suite(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Suite:
    """Read a suite file; ``overrides`` (as ``snakemake --config``) replace top-level keys."""
    data, places = read_yaml(Path(path))
    if not isinstance(data, dict):
        raise MoroccoError("not a mapping of settings", place=str(path))
    return build_suite({**data, **(overrides or {})}, places)


def build_suite(config: Mapping[str, Any], places: Places | None = None) -> Suite:
    """Check ``config`` against the schema, then everything the schema cannot say.

    All mistakes are collected; the MoroccoError lists each with its place.
    """
    places = places or Places("config", {})
    mistakes = _schema_mistakes(config, places)
    if not mistakes:
        mistakes = _meaning_mistakes(config, places)
    if mistakes:
        count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise MoroccoError(f"{count} in the suite config:\n  " + "\n  ".join(mistakes))
    return _suite(config)


@functools.cache
def _schema() -> dict[str, Any]:
    text = importlib.resources.files("morocco.suite").joinpath("schema.yaml").read_text()
    return yaml.safe_load(text)


def _schema_mistakes(config: Mapping[str, Any], places: Places) -> list[str]:
    import jsonschema

    validator = jsonschema.Draft202012Validator(_schema())
    found = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    return [line for error in found for line in _explain(error, places)]


def _explain(error: Any, places: Places) -> list[str]:
    where = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        lines = []
        for key in error.instance:
            if key in known:
                continue
            close = difflib.get_close_matches(str(key), known, n=1)
            advice = f", did you mean {close[0]!r}?" if close else f", known: {', '.join(known)}"
            lines.append(f"{places.of((*where, key))}: unknown key {key!r}{advice}")
        return lines
    if error.validator == "oneOf":
        message = f"{error.instance!r} does not fit; {_expected(error)}"
    elif error.validator == "pattern":
        message = f"{error.instance!r} is not allowed here ({_pattern_advice(where)})"
    elif error.validator == "required":
        message = error.message.replace("is a required property", "is missing")
    else:
        message = error.message
    return [f"{places.of(where)}: {message}"]


def _expected(error: Any) -> str:
    if "description" in error.schema:
        return f"expected {error.schema['description']}"
    options = [
        part.get("const") or f"a list ({part.get('type')})" for part in error.validator_value
    ]
    return "expected " + " or ".join(map(str, options))


def _pattern_advice(where: tuple[Any, ...]) -> str:
    if where and where[-1] == "name":
        return "a model's name is lower-case letters, digits, '.', '_', '-', without a slash"
    return "see config/README.md for its form"


def _meaning_mistakes(config: Mapping[str, Any], places: Places) -> list[str]:
    mistakes: list[str] = []
    mistakes += _task_mistakes(config.get("tasks", "all"), ("tasks",), places)
    seen: dict[str, int] = {}
    used: set[str] = set()
    for number, model in enumerate(config["models"]):
        where: tuple[Any, ...] = ("models", number)
        name = model["name"]
        if name in seen:
            first = places.of(("models", seen[name]))
            mistakes.append(
                f"{places.of(where)}: two models are named {name!r} (the first at {first})"
            )
        seen.setdefault(name, number)
        mistakes += _source_mistakes(model, where, places)
        mistakes += _task_mistakes(model.get("tasks", "all"), (*where, "tasks"), places)
        mistakes += _task_mistakes(list(model.get("per_task", {})), (*where, "per_task"), places)
        mistakes += _task_mistakes(list(model.get("scores", {})), (*where, "scores"), places)
        if "seq_lens" in model and "--seq-len" in model.get("args", []):
            mistakes.append(f"{places.of(where)}: --seq-len stands in args and in seq_lens")
        used |= set(_tasks(model.get("tasks", config.get("tasks", "all"))))
    names = [name for model in config["models"] for name in _variant_names(model)]
    bases = [model["name"] for model in config["models"]]
    twice = {name for name in names if names.count(name) > 1 and bases.count(name) < 2}
    for name in sorted(twice):
        mistakes.append(f"{places.of(('models',))}: two rows are named {name!r}, by seq_lens")
    if not mistakes:
        mistakes += _data_mistakes(config, sorted(used), places)
    return mistakes


def _source_mistakes(model: Mapping[str, Any], where: tuple[Any, ...], places: Places) -> list[str]:
    runtime = model.get("runtime", "docker")
    sources = [key for key in ("image", "build", "command") if key in model]
    wanted = ["command"] if runtime == "process" else ["image", "build"]
    mistakes = []
    if len([key for key in sources if key in wanted]) != 1 or set(sources) - set(wanted):
        mistakes.append(
            f"{places.of(where)}: model {model['name']!r} with runtime {runtime} needs exactly one "
            f"of {' or '.join(wanted)}, it has {', '.join(sources) or 'none'}"
        )
    build = model.get("build")
    if build and not (Path(build) / "Dockerfile").is_file():
        mistakes.append(f"{places.of((*where, 'build'))}: no Dockerfile in {build!r}")
    image = model.get("image", "")
    if "{" in image.replace("{task}", ""):
        mistakes.append(
            f"{places.of((*where, 'image'))}: {image!r}: the one placeholder is {{task}}"
        )
    if "gpus" in model and model.get("device", "cpu") != "gpu":
        mistakes.append(f"{places.of((*where, 'gpus'))}: gpus needs device: gpu")
    return mistakes


def _task_mistakes(tasks: Any, where: tuple[Any, ...], places: Places) -> list[str]:
    if tasks == "all":
        return []
    known = [task.title for task in TASKS.values()]
    mistakes = []
    for number, name in enumerate(tasks):
        if str(name).lower() in TASKS:
            continue
        close = difflib.get_close_matches(str(name).lower(), TASKS, n=1)
        advice = f"did you mean {TASKS[close[0]].title}?" if close else "one of " + ", ".join(known)
        place = places.of((*where, number)) if isinstance(tasks, list) else places.of(where)
        mistakes.append(f"{place}: unknown task {name!r}, {advice}")
    return mistakes


def _data_mistakes(config: Mapping[str, Any], tasks: Sequence[str], places: Places) -> list[str]:
    root = Path(config.get("data", {}).get("root", "data/sample"))
    place = places.of(("data", "root"))
    if not root.is_dir():
        return [
            f"{place}: data root {str(root)!r} is not a folder (`make data` fetches the archive)"
        ]
    missing = [TASKS[key].eval_file for key in tasks if not (root / TASKS[key].eval_file).is_file()]
    if missing:
        return [f"{place}: data root {str(root)!r} lacks {', '.join(missing)}"]
    return []


def parse_bytes(value: int | str) -> int:
    """``"512MiB"`` -> 536870912."""
    if isinstance(value, int):
        return value
    number, unit = re.fullmatch(r"([0-9.]+) ?([A-Za-z]+)", value).groups()  # type: ignore[union-attr]
    return int(float(number) * _UNITS[unit])


def _tasks(tasks: Any) -> list[str]:
    return list(TASKS) if tasks == "all" else [str(name).lower() for name in tasks]


def _variant_names(model: Mapping[str, Any]) -> list[str]:
    return [f"{model['name']}-s{n}" for n in model.get("seq_lens", ())] or [model["name"]]


def _limits(*parts: Mapping[str, Any]) -> Limits:
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= part
    sizes = ("memory", "stdout", "stderr", "tmpfs", "shm")
    values: dict[str, Any] = {k: parse_bytes(v) if k in sizes else v for k, v in merged.items()}
    return Limits(**values)


def _suite(config: Mapping[str, Any]) -> Suite:
    data = config.get("data", {})
    models = [model for entry in config["models"] for model in _models(config, entry)]
    return Suite(
        results=config.get("results", "results"),
        data_root=data.get("root", "data/sample"),
        official_url=data.get("official_url"),
        official_sha256=data.get("official_sha256"),
        models={model.name: model for model in models},
        seed=config.get("seed", 1),
        warmup=Warmup(**config.get("warmup", {})),
        sampling=SamplingRates(**config.get("sampling", {})),
        noise=NoiseBounds(**config.get("noise", {})),
        screening=Screening(**config.get("screening", {})),
        max_relative_half_width=config.get("max_relative_half_width", 0.05),
        base_image=config.get("base_image"),
        null_runs=config.get("null_runs", 5),
        registry=config.get("registry"),
        published_scores=config.get("published_scores"),
        image_archives=config.get("image_archives", False),
    )


def _models(config: Mapping[str, Any], entry: Mapping[str, Any]) -> list[Model]:
    tasks = _tasks(entry.get("tasks", config.get("tasks", "all")))
    per_task = {key.lower(): value for key, value in entry.get("per_task", {}).items()}
    made = []
    for name, seq_len in zip(_variant_names(entry), entry.get("seq_lens", [None]), strict=True):
        parts = {
            task: _model_task(config, entry, per_task.get(task, {}), task, (name, seq_len))
            for task in tasks
        }
        given = {task.lower(): metrics for task, metrics in entry.get("scores", {}).items()}
        device, runtime = entry.get("device", "cpu"), entry.get("runtime", "docker")
        made.append(Model(name, entry["name"], seq_len, device, runtime, parts, given))
    return made


def _model_task(
    config: Mapping[str, Any],
    entry: Mapping[str, Any],
    override: Mapping[str, Any],
    task: str,
    variant: tuple[str, int | None],
) -> ModelTask:
    name, seq_len = variant

    def setting(key: str, default: Any) -> Any:
        return override.get(key, entry.get(key, config.get(key, default)))

    args = list(override.get("args", entry.get("args", [])))
    if seq_len is not None:
        args += ["--seq-len", str(seq_len)]
    image = override.get("image", entry.get("image"))
    build = None if "image" in override else entry.get("build")
    if build:
        image = f"morocco/{entry['name']}-{task}:latest"
    gpus = entry.get("gpus", "all")
    command = entry.get("command")
    init = Load(setting("init_size", 1), config.get("init_batch_size", 1))
    loads = setting("loads", [{"input_size": 2000, "batch_size": 32}])
    return ModelTask(
        model=name,
        task=task,
        image=image.replace("{task}", task) if image else None,
        build=build,
        build_args={**entry.get("build_args", {}), **override.get("build_args", {})},
        command=tuple(part.replace("{task}", task) for part in command) if command else None,
        args=tuple(part.replace("{task}", task) for part in args),
        env={**entry.get("env", {}), **override.get("env", {})},
        device=entry.get("device", "cpu"),
        gpus=None if gpus == "all" else tuple(gpus),
        runtime=entry.get("runtime", "docker"),
        init=init,
        loads=tuple(Load(load["input_size"], load["batch_size"]) for load in loads),
        repeats=setting("repeats", 5),
        timeout_seconds=float(setting("timeout_seconds", 600)),
        limits=_limits(
            config.get("limits", {}), entry.get("limits", {}), override.get("limits", {})
        ),
    )
