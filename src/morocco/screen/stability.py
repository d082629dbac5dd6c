"""Whether repeats of the same input gave the same output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from morocco.formats.record import Reason, RunRecord

CODE = "prediction_unstable"


def unstable(records: Iterable[RunRecord]) -> dict[int, Reason]:
    """Run index -> reason, for every run of a cell whose outputs differ; empty where they agree.

    All runs of the same input are named, not a minority: that three of five agree does not make
    their output the right one, and which run is scored or published would be chance. More runs
    cannot mend it either, so the verdict is the model's and settles the cell. Runs whose output is
    itself invalid have no ``predictions_sha256`` and have their own reasons; runs that the machine
    disturbed do count, as load may change the time but not the answers.
    """
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    for record in records:
        if record.output and record.output.predictions_sha256:
            groups[record.input.sha256][record.id.index] = record.output.predictions_sha256
    found: dict[int, Reason] = {}
    for digests in groups.values():
        kinds = sorted(set(digests.values()))
        if len(kinds) < 2:
            continue
        sides = [[k for k, digest in sorted(digests.items()) if digest == kind] for kind in kinds]
        sides.sort()
        shares = " against ".join("run " + ", ".join(map(str, side)) for side in sides[:4])
        more = f" and {len(sides) - 4} more" if len(sides) > 4 else ""
        detail = f"{len(kinds)} different outputs of {len(digests)} runs: {shares}{more}"
        for index in digests:
            found[index] = Reason(CODE, detail)
    return found
