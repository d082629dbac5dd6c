"""Ten thousand hostile inputs: nothing but a MoroccoError or a verdict comes out."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from factories import make_results
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morocco.archive.anomalies import REASONS
from morocco.archive.import_table import as_markdown, as_text
from morocco.archive.imported import import_archive
from morocco.archive.legacy import read_legacy
from morocco.archive.manifest import MANIFEST, Manifest, digest, seal_of
from morocco.archive.safe_zip import Limits, open_archive
from morocco.archive.submission import pack_submission, zip_bytes
from morocco.archive.verify import VERDICTS, verify_archive
from morocco.cli.verify import as_text as verdict_text
from morocco.errors import MoroccoError
from morocco.formats.files import decode_json, encode_json

pytestmark = pytest.mark.slow

SMALL = Limits(unpacked_bytes=8 << 20)


def fuzz(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Seeds:
    folder: Path
    submission: bytes
    members: dict[str, bytes]
    manifest: Manifest
    logs: bytes  # an archive of the first layout

    def verify(self, data: bytes) -> None:
        path = self.folder / "fuzzed.zip"
        path.write_bytes(data)
        result = verify_archive(path)
        assert result.verdict in VERDICTS
        assert verdict_text(result)
        assert encode_json(result)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    folder = tmp_path_factory.mktemp("fuzz")
    cells = ((1, 1), (20, 4))
    results = make_results(folder / "r", tasks=("parus",), cells=cells, repeats=2, speed=100)
    pack_submission(results, "tiny", folder / "s.zip", incomplete=True)
    with open_archive(folder / "s.zip") as archive:
        members = dict(archive)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as logs:
        for name, data in members.items():
            if name.startswith("logs/"):
                logs.writestr(name, data)
    manifest = decode_json(members[MANIFEST], Manifest, MANIFEST)
    return Seeds(folder, (folder / "s.zip").read_bytes(), members, manifest, buffer.getvalue())


# (where as a share of the length, how, with what)
MUTATIONS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["flip", "cut", "insert", "delete", "repeat", "zero"]),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=4,
)


def mutate(data: bytes, mutations: list[tuple[float, str, bytes]]) -> bytes:
    for share, how, text in mutations:
        at = int(share * len(data))
        end = at + len(text)
        if how == "flip":
            data = data[:at] + bytes([(data[at] if data else 0) ^ (text[0] or 1)]) + data[at + 1 :]
        elif how == "cut":
            data = data[:at]
        elif how == "insert":
            data = data[:at] + text + data[at:]
        elif how == "delete":
            data = data[:at] + data[end:]
        elif how == "repeat":
            data = data[:at] + data[at:end] * 3 + data[end:]
        else:
            data = data[:at] + bytes(len(text)) + data[end:]
        if not data:
            return data
    return data


@fuzz(2500)
@given(MUTATIONS, st.booleans())
def test_bytes_of_the_archive(seeds: Seeds, changes: Any, legacy: bool) -> None:
    seeds.verify(mutate(seeds.logs if legacy else seeds.submission, changes))


@fuzz(3000)
@given(st.binary(max_size=300), st.sampled_from([b"", b"PK\3\4", b"PK\5\6" + bytes(18)]))
def test_bytes_of_nothing(seeds: Seeds, data: bytes, end: bytes) -> None:
    seeds.verify(data + end)


@fuzz(1200)
@given(MUTATIONS, st.integers(0, 10**6))
def test_bytes_of_a_member(seeds: Seeds, changes: Any, pick: int) -> None:
    """Inside an archive that is otherwise whole, all digests put right."""
    names = sorted(set(seeds.members) - {MANIFEST})
    name = names[pick % len(names)]
    seeds.verify(_forged(seeds, name, mutate(seeds.members[name], changes)))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**19), 10**19),
    st.sampled_from([0, -1, 1, 2, 10**9, 10**17, 2**63]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e-308, 1e17, 1e300]),
    st.text(max_size=8),
    st.lists(st.integers(-2, 2), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(-2, 2), max_size=2),
)


@fuzz(1800)
@given(st.integers(0, 10**9), st.integers(0, 10**9), VALUES)
def test_values_in_a_member(seeds: Seeds, pick: int, place: int, value: Any) -> None:
    """One JSON value replaced by another of any type, the manifest's own included."""
    names = sorted(name for name in seeds.members if name.endswith(".json"))
    name = names[pick % len(names)]
    tree = msgspec.json.decode(seeds.members[name])
    places = list(_places(tree))
    holder, key = places[place % len(places)]
    holder[key] = value
    seeds.verify(_forged(seeds, name, encode_json(tree)))


NUMBERS = st.one_of(
    st.none(),
    st.floats(-10, 1e12, allow_nan=False),
    st.integers(-10, 10**12),
    st.sampled_from(["1", True, [], 0, 1e17]),
)
FIELDS = st.sampled_from(["timestamp", "cpu_usage", "ram", "gpu_usage", "gpu_ram", "other"])


@fuzz(1000)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), FIELDS, NUMBERS, st.integers(1, 80)), max_size=4),
    st.booleans(),
    st.booleans(),
)
def test_samples_of_archived_logs(seeds: Seeds, edits: Any, shift: bool, skip: bool) -> None:
    """Logs of the first layout with fields replaced over stretches of samples, then imported."""
    names = sorted(name for name in seeds.members if name.startswith("logs/"))
    logs = {n: [msgspec.json.decode(x) for x in seeds.members[n].splitlines()] for n in names}
    for pick, field, value, length in edits:
        samples = logs[names[pick % len(names)]]
        at = pick % len(samples)
        for sample in samples[at : at + length]:
            add = shift and isinstance(value, int | float) and isinstance(sample.get(field), float)
            sample[field] = sample[field] + value if add else value
    path = seeds.folder / "logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, samples in logs.items():
            archive.writestr(name, b"".join(msgspec.json.encode(s) + b"\n" for s in samples))
    try:
        read = read_legacy(path, skip_broken=skip)
    except MoroccoError as error:
        assert "logs.zip" in str(error)
        return
    imported = import_archive(read, "tiny")
    assert as_text(imported, read)
    assert as_markdown(imported, "tiny")
    assert {a.code for found in imported.anomalies.values() for a in found} <= set(REASONS)
    for stats in imported.stats:
        assert stats.rps.value is None or stats.rps.low <= stats.rps.value <= stats.rps.high
        assert encode_json(stats)


@fuzz(1000)
@given(MUTATIONS)
def test_reader_alone(seeds: Seeds, changes: Any) -> None:
    path = seeds.folder / "reader.zip"
    path.write_bytes(mutate(seeds.logs, changes))
    try:
        with open_archive(path, SMALL) as archive:
            assert sum(len(data) for data in archive.values()) <= SMALL.unpacked_bytes
    except MoroccoError as error:
        assert "reader.zip" in str(error)


def _places(tree: Any) -> Any:
    """(container, key) of every value inside a JSON tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _forged(seeds: Seeds, name: str, data: bytes) -> bytes:
    members = {**seeds.members, name: data}
    if name == MANIFEST:
        return zip_bytes(members, seeds.manifest.seal)
    digests = {**seeds.manifest.members, name: digest(data)}
    seal = seal_of(seeds.manifest.model, digests)
    members[MANIFEST] = encode_json(replace(seeds.manifest, members=digests, seal=seal))
    return zip_bytes(members, seal)
