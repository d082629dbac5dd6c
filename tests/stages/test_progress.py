"""The line that a person sees after each run."""

import pytest
from record_factory import make_record

from morocco.stages.progress import announce, clock, open_campaign


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    monkeypatch.setenv("MOROCCO_PROGRESS", "")  # restored afterwards
    open_campaign(tmp_path, 3)


def test_counts_up_and_names_the_run(campaign, capsys):
    record = make_record(wall=1.5)
    announce(record)
    announce(record)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"run 1/3 {record.id}: 1.50 s, valid | elapsed 0:0")
    assert second.startswith("run 2/3")


def test_more_runs_than_planned_do_not_break_it(campaign, capsys):
    for _ in range(4):
        announce(make_record())
    assert "run 4/4" in capsys.readouterr().out


def test_silent_outside_a_campaign(monkeypatch, capsys):
    monkeypatch.delenv("MOROCCO_PROGRESS", raising=False)
    announce(make_record())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3723, "1:02:03")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text
