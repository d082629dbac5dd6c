"""CSV and Markdown of strings that nobody has vetted."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

_BREAKS = re.compile(r"[ \t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")  # thin spaces stay


def csv_table(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """CSV with a header; None is empty, booleans are ``true`` and ``false``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for line in lines:
        writer.writerow([_csv_cell(value) for value in line])
    return out.getvalue()


def pipe_table(head: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int]) -> str:
    """A Markdown table of escaped cells; the columns ``left`` are set left, the rest right."""
    rule = [":---" if i in left else "---:" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def escape_markdown(value: str) -> str:
    """Text that Markdown and the HTML in it leave alone, on one line."""
    value = _BREAKS.sub(" ", value)
    for letter in "\\`*_[]|#":
        value = value.replace(letter, "\\" + letter)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _csv_cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
