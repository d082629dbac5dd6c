"""What a reader must know about a row of figures: what was seen, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from morocco.estimate.results import NOT_RESOLVED, LoadStats
from morocco.estimate.speed import linearity_warning, streaming_warning
from morocco.formats.names import RunId
from morocco.formats.record import DISTURBED_REASONS, MODEL_REASONS, REASONS, RunRecord


def load_warnings(loads: Sequence[LoadStats], chosen: LoadStats | None) -> Iterator[str]:
    """Speeds that are not resolved, not linear in the size, or contradicted by the stream."""
    for load in loads:
        if load.rps.status == NOT_RESOLVED:
            yield f"rps at {_name(load)} is not resolved: {load.rps.reason}"
    if chosen is None:
        return
    shorter = [
        load
        for load in loads
        if load.batch_size == chosen.batch_size and load.input_size < chosen.input_size
    ]
    if shorter:
        half = min(shorter, key=lambda load: abs(load.input_size - chosen.input_size / 2))
        bent = linearity_warning(half.rps, chosen.rps, half.input_size, chosen.input_size)
        if bent:
            yield bent
    apart = streaming_warning(chosen.rps, chosen.rps_streaming)
    if apart:
        yield apart


def run_warnings(
    measured: Sequence[RunRecord],
    accepted: Sequence[RunRecord],
    rejected: Mapping[RunId, Sequence[str]],
) -> Iterator[str]:
    """Runs that do not count, and conditions that differ among those that do."""
    if rejected:
        yield _rejected(len(measured), rejected)
    cold = sum(not record.warmed for record in accepted)
    if cold:
        yield (
            f"{cold} accepted runs followed a pause without a warm-up run: their files may have "
            f"been read from disk; turn warm-ups on, or shorten the pause that asks for one"
        )
    for what, values in (
        ("images", {record.image.id for record in accepted}),
        ("harness versions", {record.harness.commit for record in accepted}),
    ):
        if len(values) > 1:
            names = ", ".join(sorted(str(value)[:19] for value in values))
            yield f"runs of {len(values)} {what} are mixed ({names}); measure them anew together"
    inputs: dict[int, set[str]] = {}
    for record in accepted:
        inputs.setdefault(record.id.input_size, set()).add(record.input.sha256)
    for size, digests in sorted(inputs.items()):
        if len(digests) > 1:
            yield f"runs of {size} records had {len(digests)} different inputs; measure them anew"


def _rejected(total: int, rejected: Mapping[RunId, Sequence[str]]) -> str:
    counts = Counter(code for codes in rejected.values() for code in codes)
    listed = ", ".join(
        f"{REASONS.get(code, code)} ({code}: {count})" for code, count in counts.most_common()
    )
    example = min(rejected)
    if counts.keys() & MODEL_REASONS:
        advice = f"see the stderr beside the record of {example}, then `make retry`"
    elif counts.keys() & DISTURBED_REASONS:
        advice = "measure on a quieter machine"
    else:
        advice = f"see the record of {example}"
    return f"{len(rejected)} of {total} runs do not count: {listed or 'not accepted'}; {advice}"


def _name(load: LoadStats) -> str:
    return f"{load.input_size} records, batch size {load.batch_size}"
