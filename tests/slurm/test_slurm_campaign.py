"""A campaign through a real Slurm: a node drained, a job cancelled in mid-run, then the rest."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slurm_campaign import Campaign, SlurmJob, containers, make_campaign, slurm_jobs

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(600)]


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str], campaign: Campaign) -> Any:
    for _ in range(1200):
        if found := what():
            return found
        if process.poll() is not None:
            raise AssertionError(f"the workflow ended too soon:\n{campaign.log()[-4000:]}")
        time.sleep(0.1)
    raise AssertionError(f"waited 120 s in vain:\n{campaign.log()[-4000:]}")


def scontrol(*words: str) -> None:
    subprocess.run(["scontrol", *words], check=True)


@pytest.fixture(scope="module")
def story(request, slurm, workspace) -> tuple[Campaign, SlurmJob, list[SlurmJob]]:
    """The campaign, the job that was cancelled, and all jobs that Slurm has seen."""
    campaign = make_campaign(workspace / "slurm")
    first = campaign.through_slurm()
    request.addfinalizer(first.kill)

    def running() -> list[SlurmJob]:
        """A run of the slow model whose container is up."""
        jobs = [
            j for j in slurm_jobs() if j.state == "RUNNING" and "bench_wildcards_still" in j.rule
        ]
        return jobs if jobs and any("200_32" in name for name in containers()) else []

    victim = wait_for(running, first, campaign)[0]
    other = {"node1": "node2", "node2": "node1"}[victim.node]
    scontrol("update", f"nodename={other}", "state=drain", "reason=test")
    subprocess.run(["scancel", victim.id], check=True)
    assert first.wait(timeout=300) == 1, campaign.log()[-4000:]
    assert "only what failed is done" in campaign.log()
    assert containers() == []
    scontrol("update", f"nodename={other}", "state=resume")
    second = campaign.through_slurm()
    request.addfinalizer(second.kill)
    assert second.wait(timeout=300) == 0, campaign.log()[-4000:]
    return campaign, victim, slurm_jobs()


def test_the_campaign_ends_in_a_leaderboard(story):
    campaign, _, _ = story
    board = json.loads((campaign.results / "board" / "leaderboard.json").read_text())
    assert {"majority", "still"} <= set(json.dumps(board).split('"'))
    records = [json.loads(path.read_text()) for path in sorted(records_of(campaign.results))]
    assert len(records) == 8
    assert all(record["verdict"]["valid"] for record in records)


def test_a_cancelled_run_leaves_nothing_and_is_measured_again(story):
    campaign, victim, jobs = story
    assert next(job for job in jobs if job.id == victim.id).state == "CANCELLED"
    again = [job for job in jobs if job.rule == victim.rule and job.id != victim.id]
    assert [job.state for job in again] == ["COMPLETED"]
    assert not list((campaign.results / "logs").rglob(".run-*"))


def test_records_name_the_node_and_two_nodes_share_the_work(story):
    campaign, _, jobs = story
    nodes = {
        json.loads(path.read_text())["machine"]["hostname"] for path in records_of(campaign.results)
    }
    assert nodes == {"node1", "node2"}
    assert {job.node for job in jobs if job.measures} == nodes


def test_never_two_measurements_on_one_node_but_two_nodes_at_work_at_once(story):
    _, _, jobs = story
    measured = [job for job in jobs if job.measures and job.start and job.end]
    together = [
        (a, b)
        for a, b in itertools.combinations(measured, 2)
        if a.start < b.end and b.start < a.end
    ]
    assert together
    assert all(a.node != b.node for a, b in together)


def test_another_call_finds_nothing_to_do(story):
    campaign, _, _ = story
    before = len(slurm_jobs())
    assert campaign.through_slurm().wait(timeout=60) == 0
    assert "Nothing to be done" in campaign.log()
    assert len(slurm_jobs()) == before


def test_results_have_the_form_of_a_local_run(story, workspace):
    campaign, _, _ = story
    local = make_campaign(workspace / "local")
    assert local.locally().wait(timeout=300) == 0, local.log()[-4000:]
    assert files_of(local.results) == files_of(campaign.results)
    for path in sorted(records_of(local.results)):
        twin = campaign.results / path.relative_to(local.results)
        assert form(json.loads(twin.read_text())) == form(json.loads(path.read_text()))


def records_of(results: Path) -> list[Path]:
    return list((results / "logs").rglob("*_*_*.json"))


def files_of(results: Path) -> set[str]:
    return {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}


def form(value: Any) -> Any:
    """Keys and kinds of value; what is a list of measurements may have any length."""
    if isinstance(value, dict):
        return {key: form(item) for key, item in value.items() if key != "absent"}
    if isinstance(value, list):
        return "list"
    return (
        "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)
    )
