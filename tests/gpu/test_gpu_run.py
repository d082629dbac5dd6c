"""A whole run of a GPU model: the scripted driver's figures reach the record and the log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from morocco.engine.base import ensure_base_image
from morocco.engine.client import connect
from morocco.engine.gpu import hand_over
from morocco.engine.reap import LABEL
from morocco.errors import EngineError
from morocco.formats.log import read_log
from morocco.formats.names import RunId, run_files
from morocco.formats.record import RunRecord, read_record
from morocco.sampling.nvml_types import DeviceInfo

RUN = RunId("encoder", "terra", 3, 2, 1)
MIB = 2**20
SCRIPT = (
    "driver 570.86.15\n"
    "device 0 name=Fake_A uuid=GPU-a total=8589934592\n"
    "device 1 name=Fake_B uuid=GPU-b total=8589934592\n"
    "at 0 0 used=900000000 util=60 power=200000 temp=55 sm=1500 throttle=0"
    " compute=@{pids}:700000000 graphics=@{pids}:700000000\n"
)

Execute = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def execute(build_driver: Callable[..., Path], tmp_path: Path) -> Execute:
    def run(script: str | None, counters: str = "cgroup") -> subprocess.CompletedProcess[str]:
        path = tmp_path / "script"
        (tmp_path / "pids").touch()
        path.write_text((script or "").replace("{pids}", str(tmp_path / "pids")))
        library = str(build_driver()) if script is not None else ""
        return subprocess.run(
            [sys.executable, str(Path(__file__).parent / "gpu_run.py"), str(tmp_path), counters],
            env={**os.environ, "LD_LIBRARY_PATH": library, "SCRIPTED_NVML": str(path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def record_of(done: subprocess.CompletedProcess[str], tmp_path: Path) -> RunRecord:
    assert done.returncode == 0, done.stderr
    return read_record(run_files(tmp_path / "results", RUN).record)


@pytest.mark.parametrize("counters", ["cgroup", "tree"])
def test_a_gpu_run_without_an_engine(execute: Execute, tmp_path: Path, counters: str) -> None:
    record = record_of(execute(SCRIPT, counters), tmp_path)
    assert record.verdict.valid, record.verdict
    assert record.runtime == "process"
    assert record.clock is not None
    assert record.clock.source == "process"
    assert 0.5 <= record.clock.wall_seconds < 5
    assert record.gpu is not None
    # The double can never pass for a machine.
    assert record.gpu.simulated
    assert record.harness.simulated
    assert record.machine.gpus == ("Fake A", "Fake B")
    assert record.machine.gpu_driver == "570.86.15"
    (device,) = record.gpu.devices
    assert (device.index, device.uuid) == (0, "GPU-a")
    assert device.ram_peak_bytes == record.gpu.ram_peak_bytes == 700_000_000
    assert device.utilisation_mean == pytest.approx(0.6)
    assert device.power_peak_watts == 200
    # 200 W before as during the run: what is left over idle is 0, but for the clocks' ms.
    assert device.idle_watts == pytest.approx(200, rel=0.02)
    assert device.energy_raw_joules == pytest.approx(200 * record.clock.wall_seconds, rel=0.5)
    assert device.energy_joules == pytest.approx(0, abs=0.05 * (device.energy_raw_joules or 0))
    assert device.foreign_processes == 0
    log = read_log(run_files(tmp_path / "results", RUN).log)
    assert max(sample.gpu_ram or 0 for sample in log) == 700_000_000
    assert {sample.gpu_usage for sample in log} <= {None, 0.6}
    assert record.totals is not None
    assert record.totals.cpu_seconds is not None
    assert record.totals.cpu_seconds > 0
    assert record.totals.source == ("proc" if counters == "tree" else record.totals.source)
    assert record.totals.ram_pss_peak_bytes is not None


def test_a_foreign_process_or_a_lost_gpu_makes_the_run_invalid(
    execute: Execute, tmp_path: Path
) -> None:
    other = SCRIPT.replace("compute=@", f"compute={os.getpid()}:5,@")
    record = record_of(execute(other), tmp_path)
    assert [reason.code for reason in record.verdict.reasons] == ["foreign_gpu"]
    lost = SCRIPT + "error * 15 device=0 from=2.4\n"  # after the 2 s of the idle baseline
    record = record_of(execute(lost), tmp_path)
    assert "gpu_lost" in [reason.code for reason in record.verdict.reasons]
    assert not record.verdict.valid


def test_without_a_driver_a_gpu_model_fails_before_any_run(
    execute: Execute, tmp_path: Path
) -> None:
    done = execute(None)
    if "Fake" not in done.stdout and done.returncode == 0:
        pytest.skip("this machine has an NVIDIA driver")
    assert "encoder: model needs a GPU" in done.stderr
    assert "nvidia-driver" in done.stderr
    assert not list((tmp_path / "results").rglob("*.json*"))


@pytest.mark.engine
def test_an_engine_without_gpus_fails_the_job_and_keeps_no_container(
    execute: Execute, tmp_path: Path
) -> None:
    """The driver is there, the engine's toolkit is not: no model's fault, so no record."""
    try:
        client = connect()
    except EngineError as error:
        pytest.skip(f"no engine: {error.message}")
    info = client.info()
    by_cdi = hand_over(info, (DeviceInfo(0, None, None, None),)).method == "cdi"
    if by_cdi or "nvidia" in info["Runtimes"]:
        pytest.skip("this engine has GPUs to hand over")
    ensure_base_image(client)
    before = run_containers(client)
    done = execute(SCRIPT, "docker")
    assert "EngineError: the container engine cannot hand a GPU to a container" in done.stderr
    assert "nvidia-container-toolkit" in done.stderr
    assert not list((tmp_path / "results").rglob("*.json*"))
    assert run_containers(client) <= before


def run_containers(client: Any) -> set[str]:
    found = client.api.containers(all=True, filters={"label": f"{LABEL}={RUN}"})
    return {entry["Id"] for entry in found}
