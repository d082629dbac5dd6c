import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import task_stats, unresolved

from morocco.board.card import (
    HEAD,
    batch_seconds,
    card_cells,
    card_csv,
    card_markdown,
    card_rows,
    write_card,
)
from morocco.board.collect import Collection, Sourced
from morocco.estimate.results import TaskStats

ABOUT = {
    "morocco.parameters": "178000000",
    "morocco.vocabulary": "119547",
    "morocco.weight_bytes": "711000000",
}


def collection(*stats: TaskStats) -> Collection:
    return Collection(tuple(Sourced(one, "results", 1_090_000_000) for one in stats))


def test_a_row_a_batch_size_with_what_the_container_declares() -> None:
    rows = card_rows(collection(replace(task_stats("rubert", "terra"), image_labels=ABOUT)))
    assert [row.batch_size for row in rows] == [1, 8, 32]
    cells = dict(zip(HEAD, card_cells(rows[0]), strict=True))
    assert cells["Parameters"] == "178 M"
    assert cells["Vocabulary"] == "120 K"
    assert cells["Image, MB"] == "1\u202f090"
    assert cells["Weights, MB"] == "711"
    assert cells["Time s GPU"] == "—"


def test_time_is_for_one_batch_and_the_bounds_trade_places() -> None:
    load = task_stats("a", "terra", rps=100, spread=0.25).loads[2]  # batch 32
    seconds = batch_seconds(load)
    assert load.rps.value and load.rps.low and load.rps.high
    assert seconds.value == pytest.approx(32 / load.rps.value)
    assert seconds.low == pytest.approx(32 / load.rps.high)
    assert seconds.high == pytest.approx(32 / load.rps.low)


def test_an_unresolved_speed_gives_no_time() -> None:
    load = replace(task_stats("a", "terra").loads[0], rps=unresolved("records/s", 5000))
    seconds = batch_seconds(load)
    assert (seconds.value, seconds.status, seconds.needed_input_size) == (
        None,
        "not_resolved",
        5000,
    )


def test_cpu_and_gpu_runs_of_one_family_share_a_row() -> None:
    kind = "one machine"
    cpu = replace(task_stats("m-cpu", "terra", kind=kind), family="m")
    gpu = replace(task_stats("m-gpu", "terra", device="gpu", kind=kind), family="m")
    rows = card_rows(collection(cpu, gpu))
    assert [(row.model, row.batch_size) for row in rows] == [("m", 1), ("m", 8), ("m", 32)]
    assert all(row.seconds_cpu and row.seconds_gpu and row.memory_gpu for row in rows)


def test_sequence_lengths_are_rows_of_their_own_in_order() -> None:
    variants = [
        replace(task_stats(f"m-{n}", "terra"), family="m", seq_len=n) for n in (512, 64, 128)
    ]
    rows = card_rows(collection(*variants))
    assert [(row.seq_len, row.batch_size) for row in rows][:4] == [
        (64, 1),
        (64, 8),
        (64, 32),
        (128, 1),
    ]


def test_the_largest_input_stands_for_a_batch_size() -> None:
    stats = task_stats("a", "terra")
    load = stats.loads[2]
    small = replace(load, input_size=100, rps=unresolved("records/s"))
    for loads in ((small, load), (load, small)):
        (row,) = card_rows(collection(replace(stats, loads=loads)))
        assert row.seconds_cpu and row.seconds_cpu.value


@pytest.mark.parametrize("label", ["many", "-5", "1e9", "", "9" * 40, "١٢", "<b>1</b>"])
def test_a_label_that_is_no_number_declares_nothing(label: str) -> None:
    stats = replace(task_stats("a", "terra"), image_labels={"morocco.parameters": label})
    assert card_rows(collection(stats))[0].parameters is None


def test_all_four_files_and_no_markup_from_names(tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    kind = f'"{hostile}'
    rows = card_rows(collection(task_stats(hostile, "terra", kind=kind), task_stats("b", "rcb")))
    paths = write_card(rows, tmp_path)
    assert [path.name for path in paths] == ["card.csv", "card.json", "card.md", "card.html"]
    page = paths[3].read_text()
    assert "<img" not in page
    assert '="card-"' not in page  # nor does a quote end an attribute
    assert page.count("&lt;img src=x") >= 4
    assert "http" not in page.replace("http-equiv", "")
    assert "<img" not in card_markdown(rows, hostile)
    table = list(csv.DictReader(io.StringIO(card_csv(rows))))
    assert len(table) == 6
    assert float(table[0]["seconds_cpu_low"]) < float(table[0]["seconds_cpu"])


def test_an_empty_card_is_written_too(tmp_path: Path) -> None:
    assert all(path.exists() for path in write_card([], tmp_path))
