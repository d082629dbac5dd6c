from dataclasses import replace

import pytest
from synthetic import SERVER, campaign, task_stats

from morocco.board.collect import Collection, Sourced
from morocco.board.rows import Board, Row
from morocco.board.table import build_board
from morocco.estimate.results import TaskStats
from morocco.tasks.registry import TASKS


def board_of(stats: list[TaskStats], source: str = "results") -> Board:
    return build_board(Collection(tuple(Sourced(one, source) for one in stats)))


def model(name: str, rps: float = 100, score: float = 0.5, **changes: object) -> list[TaskStats]:
    return [
        replace(task_stats(name, task, rps=rps, score=score), **changes)  # type: ignore[arg-type]
        for task in TASKS
    ]


@pytest.fixture(scope="module")
def board() -> Board:
    return board_of(campaign())


def row_of(board: Board, name: str) -> Row:
    return next(row for machine in board.machines for row in machine.rows if row.model == name)


def test_a_campaign_makes_one_machine_of_twenty_rows(board: Board) -> None:
    (machine,) = board.machines
    assert len(machine.rows) == 20
    assert machine.tasks == tuple(TASKS)
    assert machine.title == f"{SERVER} (engine docker 20.10.24, driver 535.104)"


def test_rows_stand_best_score_first_and_unscored_last(board: Board) -> None:
    scores = [row.score.value for row in board.machines[0].rows]
    known = [score for score in scores if score is not None]
    assert known == sorted(known, reverse=True)
    assert scores[: len(known)] == known


def test_an_unresolved_or_absent_speed_never_becomes_a_number(board: Board) -> None:
    majority = row_of(board, "majority-class")
    assert (majority.rps.status, majority.rps.value) == ("not_resolved", None)
    assert majority.rps.needed_input_size == 40000
    mt5 = row_of(board, "mt5-large")
    assert (mt5.rps.status, mt5.rps.value) == ("absent", None)
    assert mt5.ranks.rps is None
    assert mt5.pareto is None
    assert (mt5.runs_valid, mt5.runs_invalid) == (85, 5)
    assert mt5.invalid_reasons == {"oom_killed": 5}


def test_what_marks_a_row_is_among_its_warnings(board: Board) -> None:
    assert "imported" in row_of(board, "rugpt3-large").warnings[0]
    assert "plain process" in row_of(board, "fasttext-bilstm").warnings[0]
    assert any("given in the config" in text for text in row_of(board, "labse-en-ru").warnings)


def test_memory_is_gpu_ram_on_a_gpu_and_ram_without(board: Board) -> None:
    gpu, cpu = row_of(board, "rubert"), row_of(board, "tfidf-logistic-regression")
    assert gpu.memory == gpu.gpu_ram
    assert cpu.memory == cpu.ram
    assert cpu.gpu_ram.reason == "no GPU was used"


def test_memory_is_the_largest_of_the_tasks(board: Board) -> None:
    row = row_of(board, "rubert")
    assert row.gpu_ram.value == max(cell.stats.gpu_ram_bytes.value for cell in row.tasks.values())


def test_memory_ranks_do_not_mix_gpu_ram_with_ram(board: Board) -> None:
    rows = board.machines[0].rows
    assert {row.ranks.memory for row in rows if row.device == "gpu"} >= {1}
    assert {row.ranks.memory for row in rows if row.device == "cpu"} >= {1}


def test_models_whose_intervals_overlap_share_a_rank() -> None:
    rows = [*model("a", rps=100), *model("b", rps=101), *model("c", rps=300)]
    board = board_of(rows)
    assert {row.model: row.ranks.rps for row in board.machines[0].rows} == {"a": 2, "b": 2, "c": 1}
    assert {row.tasks["terra"].ranks.rps for row in board.machines[0].rows} == {1, 2}


@pytest.mark.parametrize(
    "change",
    [
        {"machine_kind": SERVER},
        {"machine_details": {"engine": "docker 25.0"}},
        {"machine_details": {"engine": "docker 20.10.24", "driver": "535"}},
    ],
)
def test_other_machines_engines_and_drivers_are_ranked_apart(change: dict[str, object]) -> None:
    slow = model("slow", rps=10, machine_details={"engine": "docker 20.10.24"})
    fast = model("fast", rps=1000, **{"machine_details": {"engine": "docker 20.10.24"}, **change})
    board = board_of([*slow, *fast])
    assert len(board.machines) == 2
    assert all(machine.rows[0].ranks.rps == 1 for machine in board.machines)
    assert "2 kinds of machine" in board.notes[0]
    assert len({machine.title for machine in board.machines}) == 2


def test_other_differences_are_shown_not_hidden() -> None:
    one = model("a", machine_details={"kernel": "6.1", "engine": "docker"})
    two = model("b", machine_details={"kernel": "6.5", "engine": "docker"})
    (machine,) = board_of([*one, *two]).machines
    assert machine.notes == ("rows differ in kernel: 6.1, 6.5",)


def test_the_same_cell_from_two_folders_stays_apart_with_the_folder_named() -> None:
    entries = [Sourced(s, "lab/results") for s in model("a", rps=100)]
    entries += [Sourced(s, "home/results") for s in model("a", rps=50)]
    (machine,) = build_board(Collection(tuple(entries))).machines
    assert [row.label for row in machine.rows] == ["a [lab/results]", "a [home/results]"]
    assert all(len(row.tasks) == 9 for row in machine.rows)
    assert [row.ranks.rps for row in machine.rows] == [1, 2]


def test_disjoint_tasks_of_two_folders_make_one_row_that_says_so() -> None:
    stats = model("a")
    entries = [Sourced(s, "one") for s in stats[:4]] + [Sourced(s, "two") for s in stats[4:]]
    (machine,) = build_board(Collection(tuple(entries))).machines
    (row,) = machine.rows
    assert row.rps.value is not None
    assert any("one, two" in text for text in row.warnings)


def test_docker_and_process_runs_of_a_model_are_two_rows() -> None:
    (machine,) = board_of([*model("a"), *model("a", runtime="process")]).machines
    assert sorted(row.runtime for row in machine.rows) == ["docker", "process"]
    assert all(len(row.tasks) == 9 for row in machine.rows)


def test_a_suite_of_few_tasks_has_speed_but_no_overall_score() -> None:
    (machine,) = board_of([task_stats("a", "terra"), task_stats("a", "rcb")]).machines
    (row,) = machine.rows
    assert row.rps.value is not None
    assert row.score.value is None
    assert "7 tasks" in (row.score.reason or "")


def test_a_model_with_fewer_tasks_than_the_others_has_no_mean_speed() -> None:
    (machine,) = board_of([*model("a"), task_stats("b", "terra")]).machines
    partial = next(row for row in machine.rows if row.model == "b")
    assert partial.rps.value is None
    assert "not measured on 8 tasks" in (partial.rps.reason or "")


def test_no_scores_at_all_still_ranks_speed() -> None:
    rows = [replace(s, score=None) for s in [*model("slow", rps=10), *model("fast", rps=1000)]]
    (machine,) = board_of(rows).machines
    assert [row.model for row in machine.rows] == ["fast", "slow"]
    assert [row.ranks.score for row in machine.rows] == [None, None]


def test_an_unknown_machine_of_archives_is_said_to_be_unknown() -> None:
    kind = "not known (imported archive)"
    rows = model("a", origin="imported", machine_kind=kind, machine_details={})
    (machine,) = board_of(rows).machines
    assert any("taken on trust" in note for note in machine.notes)


def test_an_empty_collection_is_an_empty_board() -> None:
    assert build_board(Collection(())).machines == ()


def test_a_model_on_gpu_for_some_tasks_only_has_no_single_memory_figure() -> None:
    stats = [task_stats("a", task, device="cpu" if task < "p" else "gpu") for task in TASKS]
    (row,) = board_of(stats).machines[0].rows
    assert row.device == "both"
    assert row.memory.value is None
    assert row.ranks.memory is None
