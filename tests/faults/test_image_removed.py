"""Images that were removed since they were measured: built again as they were, or named."""

from __future__ import annotations

import contextlib
import shutil

import docker.errors
import pytest
from calibrated_runs import ROOT
from suite_runs import model

pytestmark = [pytest.mark.engine, pytest.mark.workflow]


def test_a_built_image_that_was_pruned_is_built_again(engine, suite):
    # A folder of its own: one of the same name and contents gives the image of others.
    shutil.copytree(ROOT / "models/calibrated", suite.folder / "to-be-pruned")
    built = {"name": "pruned", "build": "to-be-pruned"}
    suite.write(built, repeats=1)
    tag = "morocco/pruned-terra:latest"
    try:
        done = suite.call("results/cells/pruned.round1.json")
        assert done.returncode == 0, done.stdout
        before = suite.state()
        image = engine.images.get(tag).id
        engine.api.remove_image(tag, force=True)
        lost = "results/logs/pruned/terra/20_4_01.json"
        (suite.folder / lost).unlink()
        done = suite.call(lost, "results/cells/pruned.round1.json")
        assert f"image {tag} was removed: building it again" in done.stdout
        if engine.images.get(tag).id == image:  # the builder's cache had it all
            assert done.returncode == 0, done.stdout
            assert suite.measured_since(before) == {"pruned/terra/20_4_01"}
        else:  # times in its layers: another image, and no cell may mix two
            assert done.returncode != 0
            assert "is not the one that was measured" in done.stdout
            assert set(suite.state()) == set(before) - {lost.removeprefix("results/")}
            done = suite.call(lost, "results/cells/pruned.round1.json")
            assert done.returncode == 0, done.stdout
            ids = {record.image.id for record in suite.records().values()}
            assert ids == {engine.images.get(tag).id}
        records = suite.records()
        assert len(records) == 2
        assert all(record.verdict.valid for record in records.values())
    finally:
        with contextlib.suppress(docker.errors.ImageNotFound):
            engine.api.remove_image(tag, force=True)


def test_an_image_of_others_that_was_removed_is_named_before_any_run(
    engine, suite, calibrated_image
):
    engine.images.get(calibrated_image).tag("morocco/test-theirs", "latest")
    try:
        suite.write(model("theirs") | {"image": "morocco/test-theirs:latest"}, repeats=1)
        assert suite.call("results/cells/theirs.round1.json").returncode == 0
        before = suite.state()
    finally:
        engine.api.remove_image("morocco/test-theirs:latest")
    suite.write(model("theirs") | {"image": "morocco/test-theirs:latest"}, repeats=2)
    done = suite.call("results/cells/theirs.round1.json")
    assert done.returncode != 0
    assert "model theirs: image 'morocco/test-theirs:latest' is not on this engine" in done.stdout
    assert suite.state() == before
