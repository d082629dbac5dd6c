"""The table that model cards print: time and memory by batch size and sequence length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from morocco.board.collect import Collection, Sourced
from morocco.board.numbers import ABSENT_MARK, text
from morocco.board.plain import csv_table, escape_markdown, pipe_table
from morocco.board.rows import machine_title
from morocco.estimate.results import Estimate, LoadStats
from morocco.formats.files import encode_json, write_bytes, write_text
from morocco.tasks.registry import TASKS

MB = 10**6
# Image labels in which a container declares itself, whole numbers.
LABELS = {
    "parameters": "morocco.parameters",
    "vocabulary": "morocco.vocabulary",
    "weight_bytes": "morocco.weight_bytes",
}
HEAD = (
    *("Model", "Task", "Parameters", "Vocabulary", "Image, MB", "Weights, MB"),
    *("Batch size", "Seq len", "Time s CPU", "Time s GPU", "Mem MB CPU", "Mem MB GPU"),
)
LEGEND = (
    "Time: seconds for one batch, batch size / (records/s), start-up subtracted. Mem: MB of 10⁶"
    " bytes; CPU: proportional set size of a run without GPU; GPU: memory of the container's"
    " processes on the GPU. ±, [ ]: 95 % intervals. —: not measured or not declared."
)


@dataclass(frozen=True)
class CardRow:
    """One model on one task at one batch size and sequence length, on one machine."""

    machine: str
    model: str
    task: str
    parameters: int | None
    vocabulary: int | None
    image_bytes: int | None
    weight_bytes: int | None
    batch_size: int
    seq_len: int | None  # None: the container's own
    seconds_cpu: Estimate | None = None  # for one batch
    seconds_gpu: Estimate | None = None
    memory_cpu: Estimate | None = None  # bytes
    memory_gpu: Estimate | None = None


def card_rows(collection: Collection) -> list[CardRow]:
    """Rows by machine, model, task, sequence length and batch size.

    Variants that a sweep made of one model (``family``) stand under its name. CPU and GPU runs of
    one family share a row; where two estimates claim one place (several input sizes, folders), the
    one from the largest input stands.
    """
    rows: dict[tuple[Any, ...], CardRow] = {}
    sizes: dict[tuple[Any, ...], int] = {}
    for entry in collection.entries:
        stats = entry.stats
        for load in stats.loads:
            row = _row(entry, load.batch_size)
            key = (row.machine, row.model, row.task, row.seq_len or 0, row.batch_size)
            place = (*key, stats.device)
            if load.input_size <= sizes.get(place, 0):
                continue
            sizes[place] = load.input_size
            rows[key] = _filled(rows.get(key, row), load, gpu=stats.device == "gpu")
    return [rows[key] for key in sorted(rows)]


def write_card(rows: Sequence[CardRow], out: str | Path, title: str = "Model card") -> list[Path]:
    """Write ``<out>/card.{csv,json,md,html}``."""
    stem = Path(out) / "card"
    paths = {name: stem.with_suffix(f".{name}") for name in ("csv", "json", "md", "html")}
    write_text(paths["csv"], card_csv(rows))
    write_bytes(paths["json"], encode_json(list(rows)))
    write_text(paths["md"], card_markdown(rows, title))
    write_text(paths["html"], card_html(rows, title))
    return list(paths.values())


def card_csv(rows: Sequence[CardRow]) -> str:
    plain = ("machine", "model", "task", "parameters", "vocabulary", "image_bytes", "weight_bytes")
    estimates = ("seconds_cpu", "seconds_gpu", "memory_cpu", "memory_gpu")
    head = [*plain, "batch_size", "seq_len"]
    head += [f"{name}{part}" for name in estimates for part in ("", "_low", "_high", "_status")]
    lines = []
    for row in rows:
        line = [getattr(row, name) for name in (*plain, "batch_size", "seq_len")]
        for name in estimates:
            e: Estimate | None = getattr(row, name)
            line += [e.value, e.low, e.high, e.status] if e else [None, None, None, "absent"]
        lines.append(line)
    return csv_table(head, lines)


def card_markdown(rows: Sequence[CardRow], title: str) -> str:
    parts = [f"# {escape_markdown(title)}"]
    for machine in dict.fromkeys(row.machine for row in rows):
        cells = [
            [escape_markdown(cell) for cell in card_cells(row)]
            for row in rows
            if row.machine == machine
        ]
        parts += [f"## {escape_markdown(machine)}", pipe_table(HEAD, cells, left=(0, 1))]
    return "\n\n".join([*parts, LEGEND]) + "\n"


def card_html(rows: Sequence[CardRow], title: str) -> str:
    """One page by great_tables, grouped by machine; it escapes every string."""
    import polars as pl
    from great_tables import GT

    columns = ("machine", *HEAD)
    data = [
        [row.machine] + [cell.replace(" ± ", "\u00a0±\u00a0") for cell in card_cells(row)]
        for row in rows
    ]
    frame = pl.DataFrame(data, schema=dict.fromkeys(columns, pl.String), orient="row")
    table = (
        GT(frame, groupname_col="machine", id="card")
        .tab_header(title=title)
        .tab_source_note(LEGEND)
        .cols_align("right", columns=list(HEAD[2:]))
        .cols_align("left", columns=list(HEAD[:2]))
        .cols_label({name: name.split()[-1] for name in HEAD[8:]})
        .tab_spanner("Time, s", columns=list(HEAD[8:10]))
        .tab_spanner("Mem, MB", columns=list(HEAD[10:12]))
        .tab_options(table_font_size="14px")
    )
    page: str = table.as_raw_html(make_page=True)
    return page


def card_cells(row: CardRow) -> list[str]:
    """The row as printed, in the order of HEAD."""
    return [
        row.model,
        TASKS[row.task].title,
        _count(row.parameters),
        _count(row.vocabulary),
        _megabytes(row.image_bytes),
        _megabytes(row.weight_bytes),
        str(row.batch_size),
        str(row.seq_len) if row.seq_len else ABSENT_MARK,
        text(row.seconds_cpu).line,
        text(row.seconds_gpu).line,
        text(row.memory_cpu, MB).line,
        text(row.memory_gpu, MB).line,
    ]


def _row(entry: Sourced, batch_size: int) -> CardRow:
    stats = entry.stats

    def declared(name: str) -> int | None:
        return _whole(stats.image_labels.get(LABELS[name]))

    return CardRow(
        machine=machine_title(stats),
        model=stats.family or stats.model,
        task=stats.task,
        parameters=declared("parameters"),
        vocabulary=declared("vocabulary"),
        image_bytes=entry.image_bytes,
        weight_bytes=declared("weight_bytes"),
        batch_size=batch_size,
        seq_len=stats.seq_len,
    )


def _filled(row: CardRow, load: LoadStats, *, gpu: bool) -> CardRow:
    seconds = batch_seconds(load)
    if gpu:
        return replace(row, seconds_gpu=seconds, memory_gpu=load.gpu_ram_bytes)
    return replace(row, seconds_cpu=seconds, memory_cpu=load.ram_bytes)


def batch_seconds(load: LoadStats) -> Estimate:
    """Seconds for one batch: batch size over records/s, the bounds trading places."""
    rps, batch = load.rps, load.batch_size
    if rps.value is None or rps.value <= 0:
        return replace(rps, value=None, low=None, high=None, unit="s")
    return replace(
        rps,
        value=batch / rps.value,
        low=batch / rps.high if rps.high else None,
        high=batch / rps.low if rps.low and rps.low > 0 else None,
        unit="s",
        method=f"batch size / rps; {rps.method}",
    )


def _whole(label: str | None) -> int | None:
    """A label's number; a container may write anything there, and then it declares nothing."""
    if label is None or not label.isascii() or not label.isdigit() or len(label) > 18:
        return None
    return int(label)


def _count(value: int | None) -> str:
    if value is None:
        return ABSENT_MARK
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return str(value)


def _megabytes(value: int | None) -> str:
    return ABSENT_MARK if value is None else f"{value / MB:,.0f}".replace(",", "\u202f")
