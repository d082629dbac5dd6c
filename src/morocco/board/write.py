"""Everything a board consists of, written to one folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from morocco.board.card import card_rows, write_card
from morocco.board.collect import collect
from morocco.board.draw import (
    compare_picture,
    correction_picture,
    disc_picture,
    memory_picture,
)
from morocco.board.export import csv_text, json_bytes, markdown, tasks_csv_text
from morocco.board.page import page_html
from morocco.board.rows import Board
from morocco.board.table import build_board
from morocco.charts.save import FORMATS, save_chart
from morocco.formats.files import write_bytes, write_text


def write_board(
    folders: Sequence[str | Path],
    out: str | Path,
    title: str = "MOROCCO leaderboard",
    formats: Collection[str] = FORMATS,
    models: Collection[str] | None = None,
) -> Board:
    """Read results folders and write tables, page, model card and charts to ``out``.

    The files are listed in the package's docstring; ``formats`` are those of the charts,
    ``models`` those wanted (default: all that are there).
    """
    out = Path(out)
    found = collect(folders, models)
    board = build_board(found, title)
    write_text(out / "leaderboard.csv", csv_text(board))
    write_text(out / "tasks.csv", tasks_csv_text(board))
    write_bytes(out / "leaderboard.json", json_bytes(board))
    write_text(out / "leaderboard.md", markdown(board))
    write_text(out / "leaderboard.html", page_html(board))
    write_card(card_rows(found), out)
    save_chart(disc_picture(board), out / "disc", formats)
    save_chart(compare_picture(board), out / "compare", formats)
    save_chart(memory_picture(board), out / "memory", formats)
    correction = correction_picture(board)
    if correction is not None:
        save_chart(correction, out / "correction", formats)
    else:
        for name in FORMATS:
            (out / f"correction.{name}").unlink(missing_ok=True)
    return board
