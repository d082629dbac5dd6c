"""A tuning in words: a Markdown table, config lines to paste, a line for the terminal."""

from __future__ import annotations

from morocco.estimate.results import Estimate
from morocco.tasks.registry import TASKS
from morocco.tune.results import MEASURED, BatchPoint, MemoryLine, Tuning

GIB = 2**30
MIB = 2**20
STATUS = {
    "measured": "measured",
    "out_of_memory": "out of memory",
    "failed": "failed",
    "not_tried": "not tried",
}


def config_lines(tuning: Tuning) -> str:
    """YAML to paste into a suite, the findings as comments; no ``loads`` where none is resolved."""
    lines = [f"# {line}" for line in summary(tuning)]
    load = tuning.findings.choice.load
    if load is None:
        return "\n".join([*lines, ""])
    if tuning.family != tuning.model:
        lines.append(f"# found with {tuning.model}; the entry covers all of {tuning.family}'s")
    return "\n".join(
        [
            *lines,
            "models:",
            f"  - name: {tuning.family}",
            "    per_task:",
            f"      {tuning.task}:",
            f"        loads: [{{input_size: {load.input_size}, batch_size: {load.batch_size}}}]",
            "",
        ]
    )


def summary(tuning: Tuning) -> list[str]:
    """What was found, a sentence a line."""
    found = tuning.findings
    choice = found.choice
    head = f"{tuning.model} on {TASKS[tuning.task].title}, {tuning.image}, {tuning.machine}"
    if tuning.simulated:
        head += " (SIMULATED: a test double stood at a boundary)"
    lines = [head, f"init: {estimate_text(found.init_seconds)}"]
    lines.append(choice.reason if choice.load else f"no load to recommend: {choice.reason}")
    lines += [
        f"batch size {point.batch_size}: {STATUS[point.status]}: {point.reason}"
        for point in found.points
        if point.status != MEASURED
    ]
    lines += [line_text(found.gpu_ram), line_text(found.ram), *found.notes]
    return [" ".join(line.split()) for line in lines]


def markdown(tuning: Tuning) -> str:
    """The whole tuning as a page: table of the curve, memory, choice, how it was done."""
    found, settings = tuning.findings, tuning.settings
    gpu = settings.device == "gpu"
    heads = ["batch size", "input size", "rps, records/s [95 %]"]
    heads += ["GPU RAM, GiB [95 %]"] if gpu else []
    heads += ["RAM (PSS), MiB [95 %]", "RAM (anonymous), MiB [95 %]", "runs (left out)", ""]
    rows = [_row(point, gpu, tuning) for point in found.points]
    load = found.choice.load
    if load:
        text = f"**batch size {load.batch_size}, input size {load.input_size}**"
    else:
        text = "**not resolved**"
    aim = (
        "T_N − T_init of max(10 s, T_init / 2)"
        if settings.aim == "seconds"
        else f"speed within ± {100 * settings.max_relative_half_width:.3g} %"
    )
    spent = f"{found.runs} runs, {found.seconds_used:.0f} s of {settings.budget_seconds:.0f} s"
    parts = [
        f"# {tuning.model} on {TASKS[tuning.task].title}: batch size and input size",
        "",
        f"{text}: {found.choice.reason}",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---:|" * (len(heads) - 1) + "---|",
        *("| " + " | ".join(cells) + " |" for cells in rows),
        "",
        f"- init ({settings.init.input_size} record): {estimate_text(found.init_seconds)}",
        f"- {line_text(found.gpu_ram)}",
        f"- {line_text(found.ram)}",
        *(f"- {note}" for note in found.notes),
        f"- aim: {aim}; {settings.repeats} repeats; {spent}",
        f"- image {tuning.image} ({tuning.image_id or 'no id'}), {tuning.runtime}, "
        f"{tuning.machine}" + (", SIMULATED" if tuning.simulated else ""),
        "",
        "```yaml",
        config_lines(tuning).rstrip(),
        "```",
        "",
    ]
    return "\n".join(parts)


def _row(point: BatchPoint, gpu: bool, tuning: Tuning) -> list[str]:
    load = tuning.findings.choice.load
    chosen = load is not None and load.batch_size == point.batch_size
    remark = "chosen" if chosen else "" if point.status == MEASURED else STATUS[point.status]
    if point.reason:
        remark += f": {point.reason}"
    elif point.rps.value is None and point.rps.reason:
        remark = point.rps.reason
    return [
        str(point.batch_size),
        str(point.input_size or "–"),
        _cell(point.rps, 1),
        *([_cell(point.gpu_ram_bytes, GIB)] if gpu else []),
        _cell(point.ram_bytes, MIB),
        _cell(point.ram_anon_bytes, MIB),
        f"{point.runs_accepted} ({point.runs_rejected})",
        remark.replace("|", "\\|").replace("\n", " "),
    ]


def _cell(estimate: Estimate, scale: float) -> str:
    if estimate.low is not None and estimate.high is not None:
        ends = f"[{estimate.low / scale:.4g}, {estimate.high / scale:.4g}]"
    else:
        ends = ""
    if estimate.value is None:
        return f"not resolved {ends}".rstrip() if estimate.status != "absent" else "–"
    return f"{estimate.value / scale:.4g} {ends}".rstrip()


def line_text(line: MemoryLine) -> str:
    """``RAM (anonymous) = 12 [11, 13] MiB + 1.5 [1.4, 1.6] MiB · batch size``"""
    fixed, slope = line.fixed_bytes, line.bytes_per_item
    if fixed.value is None or slope.value is None:
        status = "not resolved" if fixed.status != "absent" else "none"
        return f"{line.quantity} against batch size: {status}: {fixed.reason}"
    unit, scale = ("GiB", GIB) if line.quantity == "GPU RAM" else ("MiB", MIB)
    word = f"{line.quantity} = {_cell(fixed, scale)} {unit}"
    return f"{word} + {_cell(slope, MIB)} MiB · batch size (95 %)"


def estimate_text(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"{estimate.status.replace('_', ' ')}: {estimate.reason}"
    return f"{_cell(estimate, 1)} {estimate.unit} (95 %, n = {estimate.n})"
