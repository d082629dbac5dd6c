"""Progress a person can see: which run of how many, what came out, elapsed and remaining time."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from morocco.formats.record import RunRecord

_STATE = "MOROCCO_PROGRESS"  # path of the campaign's state file, set by the workflow


def open_campaign(folder: Path, total: int) -> None:
    """Note when this call began and how many runs it will measure."""
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "progress.json"
    state.write_text(json.dumps({"begin": time.time(), "total": total}))
    state.with_suffix(".done").write_bytes(b"")
    os.environ[_STATE] = str(state)


def announce(record: RunRecord) -> None:
    """Print one line about a finished run of round 1; silent where no campaign is open."""
    state = os.environ.get(_STATE)
    if not state:
        return
    path = Path(state)
    try:
        with path.with_suffix(".done").open("ab") as file:
            file.write(b".")
            done = file.tell()
        campaign = json.loads(path.read_text())
    except (OSError, ValueError):
        return
    total = max(campaign["total"], done)
    now = time.time()
    first = campaign.get("first", now - (record.clock.harness_seconds if record.clock else 0))
    if "first" not in campaign:  # builds before the first run say nothing about the rest
        path.write_text(json.dumps({**campaign, "first": first}))
    left = (now - first) / done * (total - done)
    print(
        f"run {done}/{total} {describe(record)}"
        f" | elapsed {clock(now - campaign['begin'])}, remaining about {clock(left)}",
        flush=True,
    )


def describe(record: RunRecord) -> str:
    """``tfidf/terra/2000_32_01: 1.50 s, valid``, or why it is not."""
    wall = f"{record.wall_seconds:.2f} s" if record.wall_seconds is not None else "not started"
    verdict = "valid" if record.verdict.valid else "invalid: " + record.verdict.reasons[0].code
    return f"{record.id}: {wall}, {verdict}"


def say(text: str) -> None:
    """A line about a step that is no run."""
    if os.environ.get(_STATE):
        print(text, flush=True)


def clock(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
