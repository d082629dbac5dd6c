"""An engine of these tests' own, with the calibrated image loaded into it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import own_engine
import pytest
from calibrated_runs import SMALL, build_calibrated


@pytest.fixture(scope="module")
def second_engine(engine):
    """May be killed and started at will: nobody else's containers are in it."""
    if why := own_engine.missing():
        pytest.skip(why)
    # A short path: a socket's may not be longer than 107 bytes.
    own = own_engine.OwnEngine(Path(tempfile.mkdtemp(prefix="mo-engine-")))
    try:
        own.start()
        build_calibrated(engine, SMALL, mapped_mib=1)
        own.client().images.load(b"".join(engine.images.get(SMALL).save(named=SMALL)))
        yield own
    finally:
        own.end()
