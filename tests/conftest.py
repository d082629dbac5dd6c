"""What tests of every folder share: helper modules beside this file, an engine, a known image."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
# A background job of a shell ignores SIGINT, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def engine():
    """A client of the engine; the test is an engine test."""
    from morocco.engine.client import connect

    return connect()


@pytest.fixture(scope="session")
def calibrated_image(engine) -> str:
    """The calibrated model with a file of 320 MiB to map; the tag stays for the next session."""
    from calibrated_runs import build_calibrated

    return build_calibrated(engine)


@pytest.fixture
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine lock of the test's own: it needs no quiet, so it waits for nobody."""
    monkeypatch.setenv("MOROCCO_LOCK", str(tmp_path / "bench.lock"))
    return tmp_path / "bench.lock"


@pytest.fixture
def suite(tmp_path: Path, calibrated_image: str):
    """A working folder for snakemake calls on a suite of calibrated models."""
    from suite_runs import SuiteFolder

    folder = tmp_path / "suite"
    folder.mkdir()
    return SuiteFolder(folder)
