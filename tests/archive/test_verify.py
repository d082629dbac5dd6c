"""What verify accepts, what it finds, and what it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from factories import make_results
from submission_example import Example

from morocco.archive.manifest import MANIFEST, digest, seal_of
from morocco.archive.reading import read_stats
from morocco.archive.submission import pack_submission, zip_bytes
from morocco.archive.verify import Verification, verify_archive
from morocco.cli.main import main
from morocco.errors import MoroccoError
from morocco.estimate.results import TaskStats
from morocco.formats.files import encode_json
from morocco.formats.record import RunRecord
from morocco.tasks.inputs import make_input
from morocco.tasks.registry import TASKS

RUN = "records/parus/300_32_02.json"
SHARED = Path(__file__).resolve().parents[3] / "shared"


def codes(result: Verification, level: str = "error") -> set[str]:
    return {finding.code for finding in result.findings if finding.level == level}


def forge(example: Example, path: Path, **members: bytes) -> Verification:
    """Members replaced and every digest put right again: only contradictions can tell."""
    changed = {name.replace("__", "/"): data for name, data in members.items()}
    digests = {**example.manifest.members, **{n: digest(d) for n, d in changed.items()}}
    seal = seal_of(example.manifest.model, digests)
    manifest = replace(example.manifest, members=digests, seal=seal)
    everything = {**example.members, **changed, MANIFEST: encode_json(manifest)}
    path.write_bytes(zip_bytes(everything, seal))
    return verify_archive(path)


def edit(example: Example, name: str, *keys: str | int, value: object) -> bytes:
    tree = msgspec.json.decode(example.members[name])
    inner = tree
    for key in keys[:-1]:
        inner = inner[key]
    assert inner[keys[-1]] != value
    inner[keys[-1]] = value
    return encode_json(tree)


def test_a_submission_is_accepted_and_its_speeds_recomputed(example: Example) -> None:
    result = verify_archive(example.archive)
    assert (result.verdict, result.findings) == ("accepted", ())
    assert (result.kind, result.model, result.runs) == ("submission", "tiny", 54)
    assert {stats.task for stats in result.stats} == set(TASKS)
    assert all(abs((stats.rps.value or 0) - 200) < 10 for stats in result.stats)


def test_the_published_seal(example: Example) -> None:
    seal = example.manifest.seal
    assert verify_archive(example.archive, seal=seal).verdict == "accepted"
    other = verify_archive(example.archive, seal="0" * 64)
    assert (other.verdict, codes(other)) == ("rejected", {"seal"})


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("clock", "wall_seconds"), 0.5, "from start to exit it is"),
        (("clock", "finished_at"), 1_760_009_999.0, "last sample at|from start to exit"),
        (("totals", "cpu_seconds"), 99.0, "cores ×"),
        (("totals", "ram_pss_peak_bytes"), 1 << 40, "not within the machine"),
        (("totals", "ram_pss_peak_bytes"), 1 << 20, "bytes of RAM in the log"),
        (("output", "lines"), 299, "299 predictions for 300 records"),
        (("output", "predictions_sha256"), "0" * 64, "the state is not what the records give"),
        (("input", "sha256"), "0" * 64, "2 kinds of input"),
        (("image", "id"), "sha256:0", "kinds of image"),
        (("machine", "cores"), 64, "kinds of machine"),
        (("machine", "cores"), 10**15, "kinds of machine"),
        (("spec_sha256",), "0" * 64, "kinds of specification"),
        (("order",), 7, "is not what seed"),
        (("exit", "code"), 1, "valid, yet the container ended"),
        (("verdict", "valid"), False, "the verdict contradicts its reasons"),
        (("output", "arrivals", "curve", 3), [9.0, 2], "run backwards|within the run"),
        (("output", "arrivals", "last_seconds"), 500.0, "not within the run"),
        (("options", "args"), ["--batch-size", "64"], "not given this run's --batch-size"),
        (("id", "index"), 3, "is the record of"),
        (("log_sha256",), "0" * 64, "not the one that the record was written with"),
    ],
)
def test_forged_records_contradict_something(
    example: Example, tmp_path: Path, keys: tuple[str | int, ...], value: object, message: str
) -> None:
    result = forge(example, tmp_path / "f.zip", **{RUN: edit(example, RUN, *keys, value=value)})
    assert result.verdict == "rejected"
    assert not {"digest", "seal", "bytes"} & codes(result)
    import re

    assert any(re.search(message, finding.message) for finding in result.findings)


def test_a_forged_log_contradicts_its_record(example: Example, tmp_path: Path) -> None:
    name = "logs/parus/300_32_02.jsonl"
    lines = example.members[name].splitlines(keepends=True)
    shorter = b"".join(lines[:-1])
    unbound = edit(example, RUN, "log_sha256", value=None)
    result = forge(example, tmp_path / "f.zip", **{name: shorter, RUN: unbound})
    assert any("last sample" in finding.message for finding in result.findings)
    backwards = b"".join([lines[0], lines[2], lines[1], *lines[3:]])
    result = forge(example, tmp_path / "f.zip", **{name: backwards, RUN: unbound})
    assert any("time runs backwards" in finding.message for finding in result.findings)


def test_forged_estimates_are_recomputed(example: Example, tmp_path: Path) -> None:
    name = "stats/parus.json"
    changed = edit(example, name, "rps", "value", value=1070.0)
    result = forge(example, tmp_path / "f.zip", **{name: changed})
    (finding,) = [finding for finding in result.findings if finding.level == "error"]
    assert finding.message.startswith("rps.value is 1070.0, the runs give ")


def test_forged_scores_and_predictions(example: Example, tmp_path: Path) -> None:
    score = edit(example, "scores/parus.json", "score", value=0.9)
    assert codes(forge(example, tmp_path / "f.zip", **{"scores/parus.json": score})) == {"score"}
    name = "predictions/parus/300_32_01.predictions"
    other = example.members[name].replace(b'"label": 1', b'"label": 0', 1)
    assert codes(forge(example, tmp_path / "f.zip", **{name: other})) == {"predictions"}


def test_two_runs_at_once_are_impossible(example: Example, tmp_path: Path) -> None:
    """Shifting a whole run in time, log and all, collides with another run."""
    record = msgspec.json.decode(example.members[RUN])
    other = msgspec.json.decode(example.members["records/rcb/300_32_01.json"])
    shift = other["clock"]["started_at"] - record["clock"]["started_at"] + 0.25
    for key in ("started_at", "finished_at"):
        record["clock"][key] += shift
    record["clock"]["wall_seconds"] = record["clock"]["finished_at"] - record["clock"]["started_at"]
    samples = [
        msgspec.json.decode(x)
        for x in example.members[RUN.replace("records", "logs") + "l"].splitlines()
    ]
    for sample in samples:
        sample["timestamp"] += shift
    samples[-1]["timestamp"] = record["clock"]["finished_at"]
    log = b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples)
    record["log_sha256"] = digest(log).sha256
    result = forge(
        example, tmp_path / "f.zip",
        **{RUN: encode_json(record), RUN.replace("records", "logs") + "l": log},
    )  # fmt: skip
    assert any("ran at the same time" in finding.message for finding in result.findings)


def test_members_added_taken_or_moved(
    example: Example, repack: Callable[..., Path], tmp_path: Path
) -> None:
    log = "logs/parus/300_32_02.jsonl"
    assert "log" in codes(verify_archive(repack(**{log: None})))
    assert "member" in codes(verify_archive(repack(**{"virus.exe": b"MZ"})))
    assert "member" in codes(verify_archive(repack(**{"records/none/1_1_01.json": b"{}"})))
    assert "digest" in codes(verify_archive(repack(**{log: example.members[log] + b"\n"})))
    import zipfile

    plain = tmp_path / "plain.zip"
    with zipfile.ZipFile(plain, "w") as archive:
        for name, data in example.members.items():
            archive.writestr(name, data)
    assert codes(verify_archive(plain)) == {"repacked"}


def test_incomplete_submissions_say_what_is_missing(example: Example, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(example.results, results)
    shutil.rmtree(results / "logs/tiny/rwsd")
    for kind in ("stats", "scores", "images"):
        (results / kind / "tiny/rwsd.json").unlink()
    states = msgspec.json.decode((results / "cells/tiny.round1.json").read_bytes())
    kept = [state for state in states if state["cell"]["task"] != "rwsd"]
    (results / "cells/tiny.round1.json").write_bytes(encode_json(kept))
    pack_submission(results, "tiny", tmp_path / "a.zip", incomplete=True)
    result = verify_archive(tmp_path / "a.zip")
    assert result.verdict == "incomplete"
    assert {f.place.split("/")[0] for f in result.findings} == {"rwsd"}


def test_what_is_no_archive_is_rejected_not_raised(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    result = verify_archive(tmp_path / "a.zip")
    assert (result.verdict, result.kind) == ("rejected", "unreadable")


def test_the_organisers_data(tmp_path: Path) -> None:
    """Inputs are made anew and predictions scored again."""
    data = tmp_path / "data"
    (data / "PARus").mkdir(parents=True)
    lines = [
        {
            "premise": "п",
            "choice1": "а",
            "choice2": "б",
            "question": "cause",
            "label": k % 2,
            "idx": k,
        }
        for k in range(300)
    ]
    split = data / "PARus/val.jsonl"
    split.write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in lines))
    results = make_results(tmp_path / "r", tasks=("parus",), cells=((1, 1), (300, 32)), repeats=2)
    from morocco.estimate.score import score_task
    from morocco.tasks.predictions import check_predictions

    for path in sorted((results / "logs/tiny/parus").glob("*.json")):
        record = msgspec.json.decode(path.read_bytes(), type=RunRecord)
        made = make_input(split, record.id.input_size, tmp_path / "input")
        check = check_predictions(
            TASKS["parus"], tmp_path / "input", path.with_suffix(".predictions")
        )
        assert record.output is not None
        output = replace(record.output, predictions_sha256=check.predictions_sha256)
        path.write_bytes(encode_json(replace(record, input=made, output=output)))
        if record.id.input_size == 300:
            score = score_task(TASKS["parus"], split, check.predictions)
    (results / "scores/tiny/parus.json").write_bytes(encode_json(score))
    pack_submission(results, "tiny", tmp_path / "a.zip", incomplete=True)
    result = verify_archive(tmp_path / "a.zip", data_root=data)
    assert codes(result) == set()

    wrong = replace(score, metrics={"accuracy": 0.75}, score=0.75, high=0.9)
    (results / "scores/tiny/parus.json").write_bytes(encode_json(wrong))
    pack_submission(results, "tiny", tmp_path / "a.zip", incomplete=True)
    result = verify_archive(tmp_path / "a.zip", data_root=data)
    assert [f.message for f in result.findings if f.code == "rescore"] == [
        "score 0.75, the predictions give 0.5"
    ]
    split.write_text(split.read_text().replace('"cause"', '"effect"', 1))
    result = verify_archive(tmp_path / "a.zip", data_root=data)
    assert any("was not made from" in f.message for f in result.findings)


def test_command(example: Example, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(example.archive)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{example.archive}: accepted")
    assert "PARus: 20" in out or "PARus: 19" in out
    (tmp_path / "bad.zip").write_bytes(b"no")
    assert main(["verify", "--json", str(example.archive), str(tmp_path / "bad.zip")]) == 1
    good, bad = json.loads(capsys.readouterr().out)
    assert (good["verdict"], bad["verdict"]) == ("accepted", "rejected")
    assert main(["verify", "--seal", "0" * 64, str(example.archive), "b.zip"]) == 2


def test_boards_read_folders_and_verified_archives(
    example: Example, tmp_path: Path, repack: Callable[..., Path]
) -> None:
    by_folder = sorted(read_stats(example.results), key=lambda stats: stats.task)
    by_archive = read_stats(example.archive)
    assert by_folder == by_archive
    assert len(by_archive) == 9
    assert all(
        isinstance(s, TaskStats) and s.score and s.score.source == "given" for s in by_folder
    )
    changed = edit(example, "stats/parus.json", "rps", "value", value=1e4)
    with pytest.raises(MoroccoError, match="rejected"):
        read_stats(repack(**{"stats/parus.json": changed}))
    with pytest.raises(MoroccoError, match="no estimates"):
        read_stats(tmp_path)


@pytest.mark.parametrize("model", ["rubert", "rugpt3-small"])
def test_archives_of_the_first_campaign_are_doubtful(model: str) -> None:
    path = SHARED / "reference" / model / "logs.zip"
    if not path.exists():
        pytest.skip("the reference archives are not here")
    result = verify_archive(path)
    assert (result.verdict, result.kind) == ("doubtful", "legacy")
    assert codes(result, "warning") >= {"no_manifest", "cold", "late_clock", "published"}
    assert ("blind" in codes(result, "warning")) == (model == "rubert")
    with pytest.raises(MoroccoError, match="morocco import"):
        read_stats(path)
