from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import task_stats, write_results

from morocco.board.collect import collect
from morocco.errors import MoroccoError
from morocco.estimate.results import Score
from morocco.formats.files import write_json


def test_estimates_scores_and_image_sizes_of_a_folder(tmp_path: Path) -> None:
    write_results(tmp_path, [task_stats("a", "terra", score=None), task_stats("b", "rcb")])
    write_json(tmp_path / "scores/a/terra.json", Score({"accuracy": 0.6}, 0.6, "measured"))
    write_json(tmp_path / "images/a/terra.json", {"name": "a-terra", "size_bytes": 300})
    found = collect([tmp_path])
    first, second = found.entries
    assert (first.stats.model, first.image_bytes) == ("a", 300)
    assert first.stats.score and first.stats.score.score == 0.6
    assert (second.stats.model, second.image_bytes) == ("b", None)


def test_models_that_left_the_suite_are_left_out(tmp_path: Path) -> None:
    write_results(tmp_path, [task_stats("kept", "terra"), task_stats("gone", "terra")])
    found = collect([tmp_path], models=["kept"])
    assert [entry.stats.model for entry in found.entries] == ["kept"]
    assert len(collect([tmp_path]).entries) == 2


def test_simulated_estimates_are_refused_and_listed(tmp_path: Path) -> None:
    fake = replace(task_stats("fake", "terra"), simulated=True)
    write_results(tmp_path, [fake, task_stats("real", "terra")])
    found = collect([tmp_path])
    assert [entry.stats.model for entry in found.entries] == ["real"]
    (refused,) = found.refused
    assert (refused.model, refused.task) == ("fake", "terra")
    assert "simulated" in refused.why


def test_the_same_estimate_from_two_folders_counts_once(tmp_path: Path) -> None:
    stats = [task_stats("a", "terra")]
    folders = [write_results(tmp_path / name, stats) for name in ("x", "y")]
    assert len(collect(folders).entries) == 1


def test_sources_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    folders = [
        write_results(tmp_path / name / "results", [task_stats(name, "terra")])
        for name in ("lab", "home")
    ]
    assert {entry.source for entry in collect(folders).entries} == {"lab/results", "home/results"}


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"model": 3}', "\x00"])
def test_a_file_that_is_no_estimate_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "stats" / "a" / "terra.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(MoroccoError) as error:
        collect([tmp_path])
    assert str(path) in str(error.value)


def test_a_file_in_the_wrong_place_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "stats" / "other" / "terra.json", task_stats("a", "terra"))
    with pytest.raises(MoroccoError, match="a/terra"):
        collect([tmp_path])


def test_an_unknown_task_is_named(tmp_path: Path) -> None:
    write_results(tmp_path, [replace(task_stats("a", "terra"), task="cola")])
    with pytest.raises(MoroccoError, match="cola"):
        collect([tmp_path])


def test_nothing_twice_and_nothing_empty(tmp_path: Path) -> None:
    write_results(tmp_path, [task_stats("a", "terra")])
    with pytest.raises(MoroccoError, match="twice"):
        collect([tmp_path, tmp_path / "."])
    with pytest.raises(MoroccoError, match="no estimates"):
        collect([tmp_path / "empty"])
    with pytest.raises(MoroccoError, match="no results folder"):
        collect([])
