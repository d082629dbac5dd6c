"""The first tool's ``bench``: a real image, the log on stdout."""

from pathlib import Path

import pytest

from morocco.cli.main import main
from morocco.engine.base import ensure_base_image
from morocco.engine.client import connect
from morocco.engine.images import build_model
from morocco.formats.log import decode_log
from morocco.formats.record import read_record

ROOT = Path(__file__).resolve().parents[2]
TAG = "morocco/test-bench-command:latest"


@pytest.fixture(scope="module")
def image():
    client = connect()
    base = ensure_base_image(client)
    build_model(ROOT / "models/majority", "terra", ROOT / "data/sample", TAG, base, {})
    yield TAG
    client.api.remove_image(TAG)


@pytest.mark.engine
def test_log_goes_to_stdout_and_the_record_where_it_is_wanted(image, tmp_path, capsys):
    path = tmp_path / "record.json"
    arguments = ["--input-size", "500", "--batch-size", "16", "--record", str(path)]
    code = main(["bench", image, str(ROOT / "data/sample"), "terra", *arguments])
    out, err = capsys.readouterr()
    record = read_record(path)
    assert code == (0 if record.verdict.valid else 1)
    samples = decode_log(out.encode(), "stdout")
    assert samples[0].timestamp == record.clock.started_at
    assert samples[-1].timestamp == record.clock.finished_at
    assert record.output.lines == 500
    assert "input_size=500" in err


@pytest.mark.engine
def test_a_missing_image_is_named(capsys):
    assert main(["bench", "no/such-image", str(ROOT / "data/sample"), "terra"]) == 2
    assert "no/such-image" in capsys.readouterr().err


def test_unknown_task_and_missing_data_are_named(tmp_path, capsys):
    assert main(["bench", "x", str(tmp_path), "terra"]) == 2
    assert "TERRa/val.jsonl" in capsys.readouterr().err
    assert main(["bench", "x", str(tmp_path), "tera"]) == 2
    assert "unknown task 'tera'" in capsys.readouterr().err
