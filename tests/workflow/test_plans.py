"""What is known before any run: the plan without an engine, mistakes with their place."""

from __future__ import annotations

import pytest
from calibrated_runs import ROOT, SAMPLE
from suite_runs import SuiteFolder, model

pytestmark = pytest.mark.workflow
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


@pytest.fixture
def plain(tmp_path):
    return SuiteFolder(tmp_path, NO_ENGINE)


def jobs(text: str) -> dict[str, int]:
    """Rule -> count, from the table of jobs."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def test_a_matrix_of_540_runs_is_planned_without_an_engine(plain):
    plain.write(*(model(f"m{n}") for n in range(6)), tasks="all", repeats=5)
    done = plain.call("-n")
    assert done.returncode == 0, done.stdout
    assert jobs(done.stdout)["bench"] == 540
    assert not plain.results.exists()


@pytest.mark.parametrize(
    "config",
    sorted(path.name for path in (ROOT / "config").glob("*.yaml") if "models:" in path.read_text()),
)
def test_every_config_that_comes_with_it_can_be_planned(plain, config):
    (plain.folder / "data").symlink_to(SAMPLE.parent)
    (plain.folder / "models").symlink_to(ROOT / "models")
    (plain.folder / "config").symlink_to(ROOT / "config")
    (plain.folder / "suite.yaml").write_text((ROOT / "config" / config).read_text())
    done = plain.call("-n")
    assert done.returncode == 0, done.stdout
    assert jobs(done.stdout)["bench"] >= 9


def test_a_mistake_in_the_config_is_named_with_its_line_and_nothing_is_run(plain):
    plain.write(model("one"), repeets=3)
    line = 1 + next(
        number
        for number, text in enumerate((plain.folder / "suite.yaml").read_text().splitlines())
        if text.startswith("repeets")
    )
    done = plain.call()
    assert done.returncode != 0
    assert (
        f"suite.yaml:{line} repeets: unknown key 'repeets', did you mean 'repeats'?" in done.stdout
    )
    assert "Traceback" not in done.stdout
    assert not plain.results.exists()


@pytest.mark.engine
def test_a_missing_image_is_named_before_any_run(suite):
    suite.write(model("good"), {"name": "lost", "image": "no/such-image-{task}"})
    done = suite.call()
    assert done.returncode != 0
    assert "model lost: image 'no/such-image-terra' is not on this engine" in done.stdout
    assert "docker pull no/such-image-terra" in done.stdout
    assert suite.records() == {}
    assert not (suite.results / "images/good").exists()
