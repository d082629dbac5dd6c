"""Faults of the engine, on one of these tests' own: nothing is invented, the next call goes on."""

from __future__ import annotations

import dataclasses
import signal
import threading
import time

import pytest
from calibrated_runs import SMALL, leftovers, make_job, make_spec
from suite_runs import model, own_containers, wait_until

from morocco.bench.run import measure
from morocco.bench.warm import note_run
from morocco.engine.client import connect
from morocco.engine.images import inspect_image
from morocco.errors import EngineError
from morocco.formats.names import run_files

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_lock")]


@pytest.fixture
def own(second_engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", second_engine.host)
    if not second_engine.answers():
        second_engine.start()
    return second_engine


def job_on(client, folder, *args):
    spec = dataclasses.replace(make_spec(*args), image=SMALL)
    job = make_job(client, folder, spec)
    note_run(job.image.id)
    return job, run_files(folder, job.run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_engine_restarted_in_mid_run(own, tmp_path, number):
    client = connect()
    job, files = job_on(client, tmp_path, "--init", "2")

    def restart():
        wait_until(lambda: own_containers(own.client(), "calibrated"))
        time.sleep(0.5)
        own.stop(number)
        own.start()

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        record = measure(client, job, files)
    except EngineError as error:
        assert "calibrated/terra" in str(error)
        assert not files.record.exists()
        assert not files.predictions.exists()
    else:
        # The engine ended the container in good order and could tell of it.
        assert not record.verdict.valid
    thread.join()
    client = connect()
    wait_until(lambda: not own_containers(client, "calibrated"), 60)
    wait_until(lambda: not leftovers(client, tmp_path), 60)
    again = measure(client, job, files)
    assert again.verdict.valid
    assert leftovers(client, tmp_path) == []


def test_an_engine_gone_for_good_and_back_later(own, tmp_path):
    """The guard goes on trying for two minutes; later the next call's reaper does it."""
    client = connect()
    job, files = job_on(client, tmp_path, "--init", "2")
    thread = threading.Thread(
        target=lambda: (
            wait_until(lambda: own_containers(own.client(), "calibrated")),
            own.stop(signal.SIGKILL),
        )
    )
    thread.start()
    with pytest.raises(EngineError):
        measure(client, job, files)
    thread.join()
    with pytest.raises(EngineError, match="no container engine answers") as caught:
        connect()
    assert "docker version" in str(caught.value)
    assert not files.record.exists()
    own.start()
    client = connect()
    wait_until(lambda: not own_containers(client, "calibrated"), 60)
    wait_until(lambda: not leftovers(client, tmp_path), 60)
    assert measure(client, job, files).verdict.valid


def test_an_image_deleted_under_it(own, tmp_path):
    client = connect()
    job, files = job_on(client, tmp_path)
    client.images.remove(SMALL, force=True)
    try:
        with pytest.raises(EngineError, match="No such image"):
            measure(client, job, files)
        assert not files.record.exists()
        assert leftovers(client, tmp_path) == []
    finally:
        main = connect_to_main()
        client.images.load(b"".join(main.images.get(SMALL).save(named=SMALL)))
    assert inspect_image(client, SMALL).id == job.image.id
    assert measure(client, job, files).verdict.valid


def connect_to_main():
    import docker

    return docker.DockerClient()


@pytest.mark.workflow
def test_without_an_engine_a_call_says_so_and_loses_nothing(suite, engine):
    suite.write(model("one"), repeats=1)
    suite.env["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    done = suite.call()
    assert done.returncode != 0
    assert "no container engine answers at unix:///nowhere/docker.sock" in done.stdout
    assert "scripts/engine.sh" in done.stdout
    assert suite.records() == {}
    del suite.env["DOCKER_HOST"]
    done = suite.call("results/stats/one")
    assert done.returncode == 0, done.stdout
    assert len(suite.records()) == 2
    before = suite.state()
    # A finished suite needs no engine.
    suite.env["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    done = suite.call("results/stats/one")
    assert "Nothing to be done" in done.stdout
    assert suite.state() == before
