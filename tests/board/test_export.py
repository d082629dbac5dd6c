import csv
import io
import json
import re

import pytest
from synthetic import GIB, campaign, task_stats

from morocco.board.collect import Collection, Refused, Sourced
from morocco.board.export import csv_text, json_bytes, markdown, tasks_csv_text
from morocco.board.plain import csv_table, escape_markdown
from morocco.board.rows import Board
from morocco.board.table import build_board
from morocco.formats.files import decode_json
from morocco.tasks.registry import TASKS

HOSTILE = "<img src=x onerror=alert(1)>|`*_[a](javascript:b)"


@pytest.fixture(scope="module")
def board() -> Board:
    entries = tuple(Sourced(stats, "results") for stats in campaign())
    return build_board(Collection(entries, (Refused("results", "fake", "terra", "simulated"),)))


def test_csv_has_every_figure_with_bounds_status_and_reason(board: Board) -> None:
    rows = {row["label"]: row for row in csv.DictReader(io.StringIO(csv_text(board)))}
    assert len(rows) == 20
    rubert = rows["rubert"]
    assert float(rubert["rps_low"]) < float(rubert["rps"]) < float(rubert["rps_high"])
    assert 2.2 * GIB < float(rubert["gpu_ram_bytes"]) < 2.5 * GIB
    assert float(rubert["rps_terra"]) > 0
    majority = rows["majority-class"]
    assert (majority["rps"], majority["rps_status"]) == ("", "not_resolved")
    assert majority["gpu_ram_bytes_reason"] == "no GPU was used"
    assert rows["mt5-large"]["invalid_reasons"] == "oom_killed 5"
    assert rows["mt5-large"]["pareto"] == ""
    assert rows["fred-t5-1.7b"]["pareto"] == "true"


def test_the_long_table_has_a_line_a_model_and_task(board: Board) -> None:
    rows = list(csv.DictReader(io.StringIO(tasks_csv_text(board))))
    assert len(rows) == 180
    terra = next(row for row in rows if row["label"] == "rubert" and row["task"] == "terra")
    assert (terra["input_size"], terra["batch_size"]) == ("2000", "32")
    assert float(terra["cold_start_seconds"]) == 31


def test_json_reads_back_as_the_same_board(board: Board) -> None:
    assert decode_json(json_bytes(board), Board, "board") == board
    assert json.loads(json_bytes(board))["refused"][0]["model"] == "fake"


def test_markdown_prints_intervals_and_words_where_there_is_no_number(board: Board) -> None:
    text = markdown(board)
    lines = {
        line.split(" | ")[1].removesuffix(" ◆"): line
        for line in text.splitlines()
        if line.count(" | ") == 9
    }
    assert "0.533 ± 0.007" in lines["rubert"]
    assert "not resolved (needs ≥ 40\u202f000 records)" in lines["majority-class"]
    assert "rugpt3-large (imported)" in lines
    assert "fasttext-bilstm (process)" in lines
    assert "- mt5-large: invalid runs: oom\\_killed 5" in text
    assert "fake, terra (results): simulated" in text
    for title in (task.title for task in TASKS.values()):
        assert title in text


def test_every_markdown_table_is_rectangular(board: Board) -> None:
    tables = [block for block in markdown(board).split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1


def test_without_scores_the_rank_is_by_speed() -> None:
    stats = [task_stats("a", task, score=None) for task in TASKS]
    text = markdown(build_board(Collection(tuple(Sourced(s, "r") for s in stats))))
    assert "| rank by speed |" in text
    assert "| 1 | a |" in text


def test_hostile_names_are_plain_text_in_markdown() -> None:
    stats = [task_stats(HOSTILE, task) for task in TASKS]
    text = markdown(build_board(Collection(tuple(Sourced(s, "r") for s in stats))))
    assert "<img" not in text
    assert not re.search(r"(?<!\\)\]\(", text)
    for table in (block for block in text.split("\n\n") if block.startswith("|")):
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1


def test_escaped_markdown_is_one_line() -> None:
    assert escape_markdown("a\nb | <b>") == "a b \\| &lt;b&gt;"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_a_spreadsheet_runs_nothing(cell: str) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_table(["a"], [[cell]])))
    assert row["a"].startswith("'")
    assert csv_table(["a"], [[-1.5]]) == "a\n-1.5\n"
