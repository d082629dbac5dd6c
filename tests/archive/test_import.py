"""Archives of the first MOROCCO: synthetic ones of known speed, and the two real ones."""

from __future__ import annotations

import csv
import itertools
import json
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from morocco.archive.imported import Imported, import_archive
from morocco.archive.legacy import read_legacy
from morocco.cli.main import main
from morocco.errors import MoroccoError
from morocco.estimate.results import NOT_RESOLVED, TaskStats
from morocco.formats.files import read_json
from morocco.formats.log import Sample, encode_log

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
MB = 1_000_000
# Start-up of a model as the archived logs show it: (s after start, MB of RAM)
START_UP = [(0, 8), (0.4, 140), (1, 200), (3, 300), (4.3, 350), (6, 350), (8, 1050), (10, 1050),
            (10.6, 1770), (14, 2500), (15, 2400)]  # fmt: skip
FIRST_GPU, INIT = 11.3, 18.3


@dataclass
class Campaign:
    """Writes runs of known truth, one after the other on one clock."""

    gpu: bool = True
    now: float = 1.6e9

    def __post_init__(self) -> None:
        self.members: dict[str, bytes] = {}
        self.chance = random.Random(5)

    def run(
        self, task: str, name: str, wall: float, *, late: float = 0.0, slower: float = 0.0
    ) -> None:
        """``late``: seconds that the log lacks; ``slower``: a cold cache's, after the start-up."""
        wall += slower + self.chance.gauss(0, 0.08)
        step = 0.34 + self.chance.uniform(0, 0.02)
        at = late + self.chance.uniform(0, 0.3)
        samples = []
        while at < wall:
            gpu = int(2500 * MB * min(1, at - FIRST_GPU + 0.1)) if at > FIRST_GPU else None
            ram = int(_ram(at) * MB)
            known = self.gpu and gpu is not None
            samples.append(
                Sample(
                    round(self.now + at, 4),
                    0.9,
                    ram,
                    0.5 if known else None,
                    gpu if known else None,
                )
            )
            at += step + self.chance.gauss(0, 0.005)
        self.members[f"logs/{task}/{name}.jsonl"] = encode_log(samples)
        self.now += wall + 4

    def pause(self) -> None:
        self.now += 3600

    def cells(self, task: str, speed: float, *, late: float = 3.1, repeats: int = 5) -> None:
        """Init runs, the first of them cold, and runs of 1000 and 2000 records."""
        for index in range(1, repeats + 1):
            self.run(task, f"1_1_{index:02d}", INIT, slower=9.0 if index == 1 else 0.0)
        for size in (1000, 2000):
            for index in range(1, repeats + 1):
                self.run(task, f"{size}_32_{index:02d}", INIT + size / speed, late=late)

    def write(self, path: Path) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in self.members.items():
                archive.writestr(name, data)
        return path


def _ram(at: float) -> float:
    for (t0, ram0), (t1, ram1) in itertools.pairwise(START_UP):
        if at <= t1:
            return ram0 + (ram1 - ram0) * (at - t0) / (t1 - t0)
    return START_UP[-1][1]


def load(path: Path) -> tuple[Imported, dict[tuple[str, int], TaskStats]]:
    imported = import_archive(read_legacy(path), "m")
    return imported, {(s.task, s.headline[0] if s.headline else 0): s for s in imported.stats}


def found(imported: Imported, task: str, code: str) -> list[str]:
    return sorted(a.run for a in imported.anomalies[task] if a.code == code)


@pytest.mark.parametrize("gpu", [True, False])
@pytest.mark.parametrize("speed", [340.0, 90.0, 9.0])
def test_a_late_clock_is_set_right(tmp_path: Path, speed: float, gpu: bool) -> None:
    """With GPU memory as the marker and, on a CPU, by the growth of RAM alone."""
    campaign = Campaign(gpu=gpu)
    campaign.cells("parus", speed)
    imported, _ = load(campaign.write(tmp_path / "logs.zip"))
    assert found(imported, "parus", "cold") == ["1_1_01"]
    assert len(found(imported, "parus", "late_clock")) == 10
    for row in imported.rows:
        assert row.rps is not None and row.rps_low is not None and row.rps_high is not None
        assert row.rps_low < speed < row.rps_high
        assert row.missing_seconds == pytest.approx(3.1, abs=0.35)
        assert row.rps == pytest.approx(speed, rel=0.12)
    large = imported.rows[1]
    raw = 2000 / speed - 3.1
    assert large.factor == pytest.approx(2000 / speed / raw, rel=0.12)


def test_a_right_clock_is_left_alone(tmp_path: Path) -> None:
    campaign = Campaign()
    campaign.cells("parus", 100.0, late=0.0)
    imported, _ = load(campaign.write(tmp_path / "logs.zip"))
    assert not found(imported, "parus", "late_clock")
    assert all(row.missing_seconds is None for row in imported.rows)
    assert imported.rows[1].rps == pytest.approx(100, rel=0.04)


@pytest.mark.parametrize("broken", [1, 2, 3, 4])
def test_truncated_runs_are_left_out_even_as_the_majority(tmp_path: Path, broken: int) -> None:
    """At a quarter of the usual time; 3 of 5 would be the median."""
    campaign = Campaign()
    campaign.cells("rcb", 10.0)
    for index in range(1, broken + 1):
        campaign.run("rcb", f"2000_32_{index:02d}", 55.0, late=3.1)
    imported, _ = load(campaign.write(tmp_path / "logs.zip"))
    if broken == 4:  # one against four: which is right cannot be told, and that is said
        assert any("the others are truncated" in text for text in imported.warnings["rcb"])
        return
    assert found(imported, "rcb", "truncated") == [f"2000_32_{k:02d}" for k in range(1, broken + 1)]
    assert imported.rows[1].rps == pytest.approx(10, rel=0.02)


def test_cold_large_runs_after_a_pause(tmp_path: Path) -> None:
    """Nine seconds more are plain on 24 s, and hidden in 200."""
    campaign = Campaign()
    for task, speed in (("parus", 340.0), ("muserc", 11.0)):
        campaign.cells(task, speed)
        campaign.pause()
        campaign.run(task, "2000_32_01", INIT + 2000 / speed, late=3.1, slower=9.0)
        for index in range(2, 6):
            campaign.run(task, f"2000_32_{index:02d}", INIT + 2000 / speed, late=3.1)
    imported, _ = load(campaign.write(tmp_path / "logs.zip"))
    for task in ("parus", "muserc"):
        assert found(imported, task, "cold") == ["1_1_01", "2000_32_01"]


def test_a_slow_run_without_a_pause(tmp_path: Path) -> None:
    campaign = Campaign()
    campaign.cells("terra", 50.0)
    campaign.run("terra", "2000_32_03", 1.8 * (INIT + 40), late=3.1)
    imported, _ = load(campaign.write(tmp_path / "logs.zip"))
    assert found(imported, "terra", "slow") == ["2000_32_03"]


def test_blind_runs_and_what_cannot_be_corrected(tmp_path: Path) -> None:
    """Late logs whose RAM says nothing and that show no GPU: no number, and why."""
    campaign = Campaign(gpu=False)
    campaign.cells("rwsd", 50.0)
    for name, data in list(campaign.members.items()):
        lines = [json.loads(line) for line in data.splitlines()]
        if name.endswith("1_1_02.jsonl"):
            lines = [dict.fromkeys(line) | {"timestamp": line["timestamp"]} for line in lines]
        elif "2000" in name:
            lines = [line | {"ram": 900 * MB} for line in lines]
        campaign.members[name] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    imported, _ = load(campaign.write(tmp_path / "logs.zip"))
    assert found(imported, "rwsd", "blind") == ["1_1_02"]
    small, large = imported.rows
    assert small.rps is not None
    assert (large.rps, large.published_rps is not None) == (None, True)
    assert large.reason is not None and "nothing in the log tells by how much" in large.reason
    (stats,) = imported.stats
    assert stats.headline == (1000, 32)
    assert stats.device == "cpu" and stats.gpu_ram_bytes.value is None


def test_a_difference_lost_in_the_spread_is_not_resolved(tmp_path: Path) -> None:
    campaign = Campaign()
    campaign.cells("parus", 4000.0)
    imported, _ = load(campaign.write(tmp_path / "logs.zip"))
    (stats,) = imported.stats
    assert stats.rps.status == NOT_RESOLVED and stats.rps.value is None
    assert stats.rps.needed_input_size is None or stats.rps.needed_input_size > 2000


GOOD = b'{"timestamp": 1.5, "cpu_usage": 0.1, "ram": 9, "gpu_usage": null, "gpu_ram": null}\n'


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (GOOD + GOOD[:40], r"2: not a log sample: .*truncated"),
        (GOOD + b'{"timestamp": 2}\n', r"2: .*missing required field"),
        (GOOD + GOOD.replace(b"9", b'"9"'), r"2: .*Expected `int \| null`"),
        (GOOD + GOOD.replace(b'"ram"', b'"rom"'), r"2: .*unknown field"),
        (GOOD + GOOD.replace(b"1.5", b"1.4"), r"2: time runs backwards"),
        (GOOD + GOOD.replace(b"1.5", b"NaN"), r"2: not a log sample"),
        (GOOD + b"\n" + GOOD, r"2: empty line"),
        (GOOD.replace(b"9", b"-9"), r"1: ram is -9"),
        (b"", r" empty log"),
        (b"\xff\xfe", r"1: not a log sample"),
    ],
)
def test_broken_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log: bytes, message: str
) -> None:
    """A hard error that names member and line, or left out and listed at the caller's wish."""
    campaign = Campaign()
    campaign.cells("parus", 340.0)
    campaign.members["logs/parus/1_1_06.jsonl"] = log
    path = campaign.write(tmp_path / "logs.zip")
    with pytest.raises(MoroccoError, match=rf"logs\.zip!logs/parus/1_1_06\.jsonl:{message}"):
        read_legacy(path)
    read = read_legacy(path, skip_broken=True)
    assert [broken.member for broken in read.broken] == ["logs/parus/1_1_06.jsonl"]
    command = ["import", str(path), "--model", "m", "--out", str(tmp_path / "r")]
    assert main(command) == 2
    assert "--skip-broken" in capsys.readouterr().err
    assert main([*command, "--skip-broken"]) == 0
    assert "left out, broken: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("logs/none/1_1_01.jsonl", "unknown task"),
        ("logs/parus/first.jsonl", "not a run name"),
        ("readme.txt", "no logs of the first MOROCCO"),
    ],
)
def test_what_is_no_log_archive(tmp_path: Path, member: str, message: str) -> None:
    campaign = Campaign()
    campaign.members[member] = GOOD
    with pytest.raises(MoroccoError, match=message):
        read_legacy(campaign.write(tmp_path / "logs.zip"))


def test_command_writes_what_boards_merge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign()
    campaign.cells("parus", 340.0)
    campaign.cells("rcb", 100.0)
    path = campaign.write(tmp_path / "logs.zip")
    out = tmp_path / "results"
    command = ["import", str(path), "--model", "my-model", "--out", str(out), "--machine", "V100"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:3] == ["PARus", "2000_32", "5/5"]
    assert "PARus: cold 1_1_01; late_clock 1000_32 (5), 2000_32 (5)" in lines
    stats = read_json(out / "stats/my-model/parus.json", TaskStats)
    assert (stats.origin, stats.machine_kind) == ("imported", "V100")
    assert stats.headline == (2000, 32)
    with open(out / "tables/import-my-model.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["task"], row["input_size"]) for row in rows] == [
        ("parus", "1000"), ("parus", "2000"), ("rcb", "1000"), ("rcb", "2000"),
    ]  # fmt: skip
    table = json.loads((out / "tables/import-my-model.json").read_text())
    assert float(rows[1]["rps"]) == pytest.approx(table["rows"][1]["rps"])
    assert "| PARus | 2000_32 | 5/5 |" in (out / "tables/import-my-model.md").read_text()
    assert main(["import", str(path), "--model", "../up", "--out", str(out)]) == 2


def reference(model: str) -> Imported:
    path = REFERENCE / model / "logs.zip"
    if not path.exists():
        pytest.skip("the reference archives are not here")
    return import_archive(read_legacy(path), model)


@pytest.mark.parametrize("model", ["rubert", "rugpt3-small"])
def test_published_figures_of_the_first_campaign(model: str) -> None:
    imported = reference(model)
    published = json.loads((REFERENCE / "morocco_stats.json").read_text())[model]
    rows = {row.task: row for row in imported.rows if row.input_size == 2000}
    for task, said in published.items():
        assert rows[task].published_rps == pytest.approx(said["rps"], rel=1e-9)
    assert all(row.rps is not None for row in imported.rows)


def test_rubert_on_parus_runs_at_340_not_1070() -> None:
    rows = {(r.task, r.input_size, r.batch_size): r for r in reference("rubert").rows}
    parus = rows["parus", 2000, 32]
    assert parus.published_rps == pytest.approx(1070, abs=1)
    assert parus.rps == pytest.approx(340, rel=0.03)
    assert parus.factor == pytest.approx(3.2, abs=0.1)
    untouched = rows["parus", 1000, 32]  # its clock was right
    assert untouched.missing_seconds is None
    assert parus.rps_low is not None and parus.rps_high is not None
    assert parus.rps_low < (untouched.rps or 0) < parus.rps_high


def test_corrected_times_grow_with_the_input() -> None:
    rows = {(r.task, r.input_size, r.batch_size): r for r in reference("rubert").rows}
    tasks = {task for task, _, _ in rows}
    assert len(tasks) == 9
    for task in tasks:
        large, small = rows[task, 2000, 32], rows[task, 1000, 32]
        assert large.difference_seconds and small.difference_seconds
        assert 1.85 < large.difference_seconds / small.difference_seconds < 2.2, task


def test_anomalies_of_the_first_campaign() -> None:
    rubert, rugpt = reference("rubert"), reference("rugpt3-small")
    assert found(rubert, "parus", "cold") == ["1_1_01", "1_1_02"]
    assert found(rubert, "lidirus", "cold") == []
    assert found(rubert, "rcb", "blind") == ["1_1_05"]
    # within one cell one late run of three
    assert found(rubert, "russe", "late_clock")[0] == "1000_8_03"
    assert len(found(rubert, "russe", "late_clock")) == 6
    assert found(rugpt, "danetqa", "cold") == ["1_1_01", "2000_32_01"]
    assert found(rugpt, "muserc", "cold") == ["1_1_01", "2000_32_01"]  # 497 s against 485
    for imported in (rubert, rugpt):
        for task in imported.anomalies:
            assert not found(imported, task, "truncated")
