"""Valid runs whose end a killed workflow did not see: kept, and only them."""

from __future__ import annotations

import dataclasses

import pytest
from calibrated_runs import leftovers, make_job, make_spec

from morocco.bench.keep import confirm, kept_files
from morocco.formats.files import write_json
from morocco.formats.names import run_files
from morocco.formats.record import write_record
from morocco.stages.bench import bench

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_lock", "calibrated_image")]


@pytest.fixture
def stage(engine, tmp_path):
    """stage(spec) -> (record, files): as the rule calls it."""

    def run(spec):
        job = make_job(engine, tmp_path, spec)
        write_json(tmp_path / "input.json", job.input)
        write_json(tmp_path / "image.json", job.image)
        record = bench(
            spec,
            1,
            input_path=str(job.input_path),
            input_json=str(tmp_path / "input.json"),
            image_json=str(tmp_path / "image.json"),
            results=str(tmp_path / "results"),
            client=engine,
        )
        return record, run_files(tmp_path / "results", job.run)

    return run


def delete(files):
    """As Snakemake does with the outputs of a job whose end it did not see."""
    for path in vars(files).values():
        path.unlink()


def test_a_deleted_valid_run_comes_back_as_it_was(stage, engine, tmp_path):
    spec = make_spec()
    record, files = stage(spec)
    before = {path: path.read_bytes() for path in vars(files).values()}
    delete(files)
    assert stage(spec)[0] == record
    assert {path: path.read_bytes() for path in vars(files).values()} == before
    assert leftovers(engine, tmp_path) == []


def test_once_a_call_ended_well_it_is_measured_again(stage, tmp_path):
    record, files = stage(make_spec())
    confirm(tmp_path / "results")
    assert not (tmp_path / "results/unconfirmed").exists()
    assert files.record.exists()
    delete(files)
    assert stage(make_spec())[0].clock != record.clock


def test_a_call_that_ended_without_it_keeps_it(stage, tmp_path):
    record, files = stage(make_spec())
    delete(files)
    confirm(tmp_path / "results")
    assert stage(make_spec())[0] == record


def test_another_config_is_measured_anew(stage):
    record, _ = stage(make_spec())
    other, _ = stage(make_spec(timeout_seconds=50.0))
    assert other.spec_sha256 != record.spec_sha256
    assert other.clock != record.clock


def test_an_invalid_run_is_not_kept(stage, tmp_path):
    record, files = stage(make_spec("--fail", "exit"))
    assert not record.verdict.valid
    assert not kept_files(tmp_path / "results", record.id).record.exists()
    delete(files)
    assert stage(make_spec("--fail", "exit"))[0].clock != record.clock


@pytest.mark.parametrize("name", ["predictions", "log", "record", "stderr"])
def test_what_is_not_whole_is_not_taken(stage, tmp_path, name):
    record, files = stage(make_spec())
    delete(files)
    kept = kept_files(tmp_path / "results", record.id)
    path = getattr(kept, name)
    if name == "stderr":
        path.unlink()
    elif name == "record":
        write_record(path, dataclasses.replace(record, spec_sha256="0" * 64))
    else:
        path.write_bytes(path.read_bytes()[:-1])
    assert stage(make_spec())[0].clock != record.clock
