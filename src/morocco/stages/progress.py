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
    """Print one line about a finished run; silent where no campaign is open."""
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
    elapsed = time.time() - campaign["begin"]
    total = max(campaign["total"], done)
    left = elapsed / done * (total - done)
    wall = f"{record.wall_seconds:.2f} s" if record.wall_seconds is not None else "not started"
    verdict = "valid" if record.verdict.valid else record.verdict.reasons[0].code
    print(
        f"run {done}/{total} {record.id}: {wall}, {verdict}"
        f" | elapsed {clock(elapsed)}, remaining about {clock(left)}",
        flush=True,
    )


def clock(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
