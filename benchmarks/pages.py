"""Markdown pages of benchmark results: tables with units, the machine and the command line."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from morocco.engine.client import connect
from morocco.sampling.machine import describe_machine


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; every column but the first is right-aligned."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" + "---:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def machine_line() -> str:
    machine = describe_machine(None)
    engine = connect().version()["Version"]
    return (
        f"Machine: {machine.kind}; Linux {machine.kernel}, Docker {engine}, "
        f"cgroup v{machine.cgroup_version}, Python {machine.python}."
    )


def command_line(module: str) -> str:
    return f"Command: `python -m {module}{''.join(' ' + shlex.quote(a) for a in sys.argv[1:])}`"


def write_page(out: Path | None, text: str) -> None:
    """Print the page, and keep it where a file was named."""
    print(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text.rstrip() + "\n")
        print(f"-> {out}", file=sys.stderr)


def percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{100 * value:+.{digits}f} %"


def share(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"
