"""What the scripted driver says comes back exactly, through the unmodified client library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from morocco.formats.record import REASONS

Run = Callable[..., list[dict[str, Any]]]

GIB = 2**30
DEVICE = "device {n} name=Fake_{n} uuid=GPU-{n} total=8589934592"
BUSY = (
    "at 0 {n} used=1000000 util=0 power=50000 energy=7000000 temp=30 sm=345 throttle=0x1\n"
    "at 1 {n} used=9000000 util=80 power=250000 temp=61 sm=1980 throttle=0x4"
    " compute=11:4000000,77:3\n"
    "at 2 {n} used=5000000 util=40 power=150000 temp=60 sm=1755 compute=11:2000000\n"
    "at 3 {n} used=1000000 util=0 power=50000 sm=345 throttle=0x1 compute=\n"
)
ONE = "driver 570.86.15\nclock {clock}\n" + (DEVICE + "\n" + BUSY).replace("{n}", "0")
TWO = ONE + (DEVICE + "\n" + BUSY).replace("{n}", "1").replace("2000000", "3000000")

# function -> (field of a sample, fields of the record that rest on it)
GETTERS = {
    "nvmlDeviceGetMemoryInfo": ("used_bytes", ("device_used_peak_bytes", "total_bytes")),
    "nvmlDeviceGetUtilizationRates": ("utilisation", ("utilisation_mean",)),
    "nvmlDeviceGetTotalEnergyConsumption": ("energy_millijoules", ()),  # power stands in
    "nvmlDeviceGetPowerUsage": ("power_milliwatts", ("power_peak_watts",)),
    "nvmlDeviceGetClockInfo": ("sm_clock_mhz", ("sm_clock_min_mhz",)),
    "nvmlDeviceGetCurrentClocksEventReasons": ("throttle", ()),
    "nvmlDeviceGetTemperatureV": ("temperature_celsius", ("temperature_peak_celsius",)),
    "nvmlDeviceGetComputeRunningProcesses_v3": (
        "ram_bytes",
        ("ram_peak_bytes", "foreign_processes", "foreign_ram_peak_bytes"),
    ),
    "nvmlDeviceGetGraphicsRunningProcesses_v3": ("graphics_processes", ()),
    "nvmlDeviceGetName": ("", ("name",)),
    "nvmlDeviceGetUUID": ("", ("uuid",)),
    "nvmlDeviceGetAccountingMode": ("", ("accounting_peak_bytes",)),
}
# Refusals that an older function of the same meaning can make good.
REPLACED = {
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetTemperatureV",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
}
CODES = {
    1: "uninitialized",
    2: "invalid_argument",
    3: "not_supported",
    4: "no_permission",
    7: "insufficient_size",
    10: "timeout",
    13: "function_not_found",
    15: "gpu_lost",
    20: "memory",
    21: "no_data",
    999: "unknown",
    77: "nvml_77",
}
PERMANENT = {3, 13}


def job(script: str = ONE, clocks: tuple[float, ...] = (0, 1, 2, 3), **more: Any) -> dict[str, Any]:
    pids = [[], [11], [11], []] if len(clocks) == 4 else [[11]] * len(clocks)
    return {"script": script, "clocks": clocks, "pids": pids, **more}


def test_figures_come_back_exactly(under_driver: Run) -> None:
    (got,) = under_driver([job(idle=[50.0, 900_000])])
    assert got["usage"] == [0.0, 0.8, 0.4, 0.0]
    assert got["ram"] == [0, 4_000_000, 2_000_000, 0]
    gpu = got["gpu"]
    (device,) = gpu["devices"]
    assert gpu["driver"] == "570.86.15"
    assert gpu["nvml"] == "13.570.86.15-scripted"
    assert gpu["simulated"] is True
    assert gpu["ram_peak_bytes"] == 4_000_000
    assert (gpu["samples"], gpu["absent"]) == (4, {})
    assert gpu["sample_seconds_max"] >= gpu["sample_seconds_mean"] > 0
    seconds = got["samples"][-1]["at"] - got["samples"][0]["at"]
    # 50 W, 250 W and 150 W for 1 s each
    assert device["energy_raw_joules"] == 450.0
    assert device["energy_joules"] == pytest.approx(450 - 50 * seconds, abs=1e-9)
    assert gpu["energy_joules"] == device["energy_joules"]
    del device["energy_joules"]
    assert device == {
        "index": 0,
        "uuid": "GPU-0",
        "name": "Fake 0",
        "total_bytes": 8 * GIB,
        "ram_peak_bytes": 4_000_000,
        "device_used_peak_bytes": 9_000_000,
        "utilisation_mean": pytest.approx(0.3),
        "energy_raw_joules": 450.0,
        "idle_watts": 50.0,
        "power_peak_watts": 250.0,
        "temperature_peak_celsius": 61,
        "sm_clock_min_mhz": 1755,  # while busy; 345 when idle
        "throttle_reasons": ["sw_power_cap"],
        "foreign_processes": 1,
        "absent": {"accounting_peak_bytes": "accounting_off"},
        "mig": None,
        "energy_source": "counter",
        "accounting_peak_bytes": None,
        "foreign_ram_peak_bytes": 3,
        "idle_used_bytes": 900_000,
        "missed": {},
    }
    assert got["foreign"] == {"77": 3}
    assert [reason["code"] for reason in gpu["reasons"]] == ["foreign_gpu"]
    assert "77" in gpu["reasons"][0]["detail"]


def test_two_devices_are_summed_at_one_moment(under_driver: Run) -> None:
    both, second = under_driver([job(TWO), job(TWO, gpus=[1])])
    assert both["ram"] == [0, 8_000_000, 5_000_000, 0]
    assert both["usage"] == [0.0, 0.8, 0.4, 0.0]
    assert [d["ram_peak_bytes"] for d in both["gpu"]["devices"]] == [4_000_000, 4_000_000]
    assert both["gpu"]["ram_peak_bytes"] == 8_000_000
    assert [d["index"] for d in second["gpu"]["devices"]] == [1]
    assert second["ram"] == [0, 4_000_000, 3_000_000, 0]


def test_a_process_in_both_lists_is_counted_once(under_driver: Run) -> None:
    script = ONE + "at 1 0 compute=11:100,12:30 graphics=11:120,13:5\n"
    (got,) = under_driver([job(script, clocks=(1,), pids=[[11, 12, 13]])])
    assert got["ram"] == [155]


def test_memory_that_the_driver_does_not_know_is_null(under_driver: Run) -> None:
    own = ONE + "at 1 0 compute=11:none,12:30 graphics=11:none\n"
    other_list = ONE + "at 1 0 compute=11:none graphics=11:120\n"
    foreign = ONE + "at 1 0 compute=11:100,99:none\n"
    answers = under_driver([job(script, clocks=(1,)) for script in (own, other_list, foreign)])
    assert [got["ram"] for got in answers] == [[None], [120], [100]]
    first, _, third = (got["gpu"]["devices"][0] for got in answers)
    assert first["absent"]["ram_peak_bytes"] == "memory_not_reported"
    assert answers[0]["gpu"]["absent"]["ram_peak_bytes"] == "memory_not_reported"
    assert third["foreign_processes"] == 1
    assert third["foreign_ram_peak_bytes"] is None
    assert third["absent"]["foreign_ram_peak_bytes"] == "memory_not_reported"


def expected_calls(getter: str, code: int) -> int:
    """In four samples: what may change is asked again, what will not only once."""
    if code in PERMANENT:  # the device's description has asked for the memory before
        return 0 if getter == "nvmlDeviceGetMemoryInfo" else 1
    # "Insufficient size" is how a process list tells its length: the client asks on.
    return 8 if code == 7 and "Processes" in getter else 4


@pytest.mark.parametrize("code", CODES)
def test_one_failing_getter_is_null_with_its_code_and_no_more(under_driver: Run, code: int) -> None:
    """Each getter × this code: null and the reason in every field on it, all else as it was."""
    jobs = [
        job(ONE + f"error {getter} {code}\n", idle=[50.0, 900_000], count=[getter])
        for getter in GETTERS
    ]
    clean, *answers = under_driver([job(idle=[50.0, 900_000]), *jobs])
    for getter, got in zip(GETTERS, answers, strict=True):
        field, rests = GETTERS[getter]
        device, gpu = got["gpu"]["devices"][0], got["gpu"]
        assert len(got["samples"]) == 4
        if code == 15:
            assert [reason["code"] for reason in gpu["reasons"]] == ["gpu_lost"], getter
            assert device["energy_joules"] is None
            assert got["ram"][1:] == [None] * 3
            continue
        if getter in REPLACED and code in PERMANENT:
            device["energy_joules"] = clean["gpu"]["devices"][0]["energy_joules"]
            assert device == clean["gpu"]["devices"][0], getter
            assert got["calls"][getter] == 1
            continue
        if field:
            values = [look["devices"][0].get(field) for look in got["samples"]]
            codes = [look["devices"][0]["absent"][field] for look in got["samples"]]
            assert values == [None] * 4, getter
            assert codes == [CODES[code]] * 4, getter
            assert got["calls"][getter] == expected_calls(getter, code), getter
        for name in rests:
            assert device[name] is None, (getter, name)
        if getter == "nvmlDeviceGetTotalEnergyConsumption":
            assert device["energy_source"] == "power"
            assert device["absent"]["energy_counter"] == CODES[code]
        changed = {
            name for name, value in clean["gpu"]["devices"][0].items() if device[name] != value
        }
        allowed = {*rests, "absent", "energy_joules", "energy_raw_joules", "throttle_reasons"}
        allowed |= {"energy_source"} if "Energy" in getter else set()
        allowed |= {"sm_clock_min_mhz"} if "Clocks" in getter else set()
        assert changed <= allowed, getter
        assert CODES[code] in device["absent"].values(), getter


@pytest.mark.parametrize("function", ["nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2"])
def test_a_driver_that_does_not_count_or_name_its_gpus(under_driver: Run, function: str) -> None:
    count, handle = "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2"
    (got,) = under_driver([job(ONE + f"error {function} 4\n")])
    if function == count:
        assert got["absence"]["code"] == "no_permission"
    if function == handle:
        device = got["gpu"]["devices"][0]
        assert got["ram"] == [None] * 4
        assert device["absent"]["ram_peak_bytes"] == "no_permission"
        assert device["absent"]["uuid"] == "no_permission"


@pytest.mark.parametrize("code", [4, 9, 18])
def test_a_driver_that_does_not_start_is_an_absence(under_driver: Run, code: int) -> None:
    (got,) = under_driver([job(ONE + f"error nvmlInitWithFlags {code}\n")])
    names = {4: "no_permission", 9: "driver_not_loaded", 18: "lib_rm_version_mismatch"}
    assert got["absence"]["code"] == names[code]
    assert got["absence"]["detail"]


def test_a_driver_without_a_gpu_is_an_absence(under_driver: Run) -> None:
    (got,) = under_driver([job("clock {clock}\n")])
    assert got["absence"]["code"] == "no_device"


def test_a_gpu_lost_in_mid_run(under_driver: Run) -> None:
    lost = TWO + "error * 15 device=0 from=2\n"
    (got,) = under_driver([job(lost, idle=[50.0, 900_000], count=["nvmlDeviceGetPowerUsage"])])
    gpu = got["gpu"]
    first, second = gpu["devices"]
    assert gpu["reasons"][0]["code"] == "gpu_lost"
    assert all(reason["code"] in REASONS for reason in gpu["reasons"])
    assert "2 of 4 samples" in gpu["reasons"][0]["detail"]
    assert got["ram"] == [0, 8_000_000, None, None]
    assert got["usage"] == [0.0, 0.8, None, None]
    # What was seen before stands as seen; energy needs an end that never came.
    assert (first["ram_peak_bytes"], first["missed"]["ram_peak_bytes"]) == (4_000_000, 2)
    assert first["energy_joules"] is first["energy_raw_joules"] is None
    assert first["absent"]["energy_joules"] == "gpu_lost"
    assert gpu["energy_joules"] is None
    assert gpu["absent"]["energy_joules"] == "gpu_lost"
    assert second["energy_raw_joules"] == 450.0
    assert second["missed"] == {}
    # Twice while it was there; a lost GPU can hang and is left alone. The other: four times.
    assert got["calls"]["nvmlDeviceGetPowerUsage"] <= 2 + 1 + 4


def test_a_getter_that_fails_for_a_while_is_counted(under_driver: Run) -> None:
    script = ONE + "error nvmlDeviceGetPowerUsage 999 from=1 to=2\n"
    script += "error nvmlDeviceGetComputeRunningProcesses_v3 999 from=2 to=3\n"
    (got,) = under_driver([job(script, idle=[50.0, 900_000])])
    device = got["gpu"]["devices"][0]
    assert device["power_peak_watts"] == 150.0
    assert device["missed"] == {
        "power_peak_watts": 1,
        "ram_peak_bytes": 1,
        "foreign_processes": 1,
    }
    assert got["ram"] == [0, 4_000_000, None, 0]


def test_a_peak_of_zero_beside_a_gap_is_not_known(under_driver: Run) -> None:
    script = ONE + "error nvmlDeviceGetComputeRunningProcesses_v3 999 from=1 to=3\n"
    (got,) = under_driver([job(script)])
    assert got["ram"] == [0, None, None, 0]
    assert got["gpu"]["ram_peak_bytes"] is None
    assert got["gpu"]["devices"][0]["ram_peak_bytes"] is None
    assert got["gpu"]["absent"]["ram_peak_bytes"] == "unknown"


def test_missing_symbols_fall_back_or_are_named(under_driver: Run) -> None:
    older = (
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetTemperatureV",
    )
    bare = (
        "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetAccountingMode",
    )
    (clean,), (old,) = under_driver([job()]), under_driver([job()], hide=older)
    assert old["gpu"]["devices"] == clean["gpu"]["devices"]
    (got,) = under_driver([job(idle=[50.0, 0])], hide=bare)
    device = got["gpu"]["devices"][0]
    assert device["utilisation_mean"] is None
    assert device["absent"]["utilisation_mean"] == "function_not_found"
    assert device["absent"]["energy_counter"] == "function_not_found"
    assert device["absent"]["accounting_peak_bytes"] == "function_not_found"
    times = [look["at"] for look in got["samples"]]
    steps = [after - before for before, after in pairwise(times)]
    # trapezoids under 50, 250, 150, 50 W
    area = 150 * steps[0] + 200 * steps[1] + 100 * steps[2]
    assert device["energy_source"] == "power"
    assert device["energy_raw_joules"] == pytest.approx(area, rel=1e-6)
    assert got["ram"] == [0, 4_000_000, 2_000_000, 0]
    assert got["info"]["devices"][0]["mig_mode"] is False
    (none,) = under_driver([job()], hide=("nvmlInitWithFlags",))
    assert none["absence"]["code"] == "function_not_found"


def test_accounting_peaks_where_it_is_on_already(under_driver: Run) -> None:
    on = ONE.replace("total=8589934592", "total=8589934592 accounting=on")
    stale = "account 0 11 bytes=1 start=1000000000000000\n"
    now = "account 0 11 bytes=4100000 start=4000000000000000\n"
    got = under_driver(
        [
            job(on + now, count=["nvmlDeviceSetAccountingMode"]),
            job(on + stale),
            job(on + now.replace("4100000", "none")),
            job(on),
            job(on + now + "error nvmlDeviceGetAccountingStats 4\n"),
            job(ONE + now, count=["nvmlDeviceSetAccountingMode"]),
        ]
    )
    devices = [answer["gpu"]["devices"][0] for answer in got]
    assert [device["accounting_peak_bytes"] for device in devices] == [4_100_000, *[None] * 5]
    assert [device["absent"].get("accounting_peak_bytes") for device in devices] == [
        None,
        "not_found",
        "memory_not_reported",
        "not_found",
        "no_permission",
        "accounting_off",
    ]
    assert got[0]["calls"] == got[-1]["calls"] == {"nvmlDeviceSetAccountingMode": 0}


def test_mig_devices_are_watched_each_for_itself(under_driver: Run) -> None:
    mig = (
        "clock {clock}\ndevice 0 name=A uuid=GPU-0 total=8000 mig=on migs=2\n"
        "device 0:0 name=A_MIG_1g uuid=MIG-a total=1000\n"
        "device 0:1 name=A_MIG_2g uuid=MIG-b total=2000\n"
        "at 0 0 power=100000\n"
        "at 0 0:0 used=700 compute=11:600\n"
        "at 0 0:1 used=900 compute=11:800,77:20\n"
    )
    (got,) = under_driver([job(mig, clocks=(0, 1), count=["nvmlDeviceGetPowerUsage"])])
    gpu = got["gpu"]
    assert [(d["index"], d["mig"], d["uuid"]) for d in gpu["devices"]] == [
        (0, 0, "MIG-a"),
        (0, 1, "MIG-b"),
    ]
    assert [d["total_bytes"] for d in gpu["devices"]] == [1000, 2000]
    assert [d["ram_peak_bytes"] for d in gpu["devices"]] == [600, 800]
    assert gpu["ram_peak_bytes"] == 1400
    # The energy is the whole GPU's: not this instance's, so null.
    assert gpu["energy_joules"] is None
    assert gpu["devices"][0]["absent"]["energy_joules"] == "invalid_argument"
    assert got["calls"]["nvmlDeviceGetPowerUsage"] == 2  # once a MIG device, then given up
    assert gpu["reasons"][0]["code"] == "foreign_gpu"
    assert gpu["reasons"][0]["detail"].startswith("GPU 0:1")


def test_mig_without_devices_is_named(under_driver: Run) -> None:
    empty = "clock {clock}\ndevice 0 name=A uuid=GPU-0 total=8000 mig=on migs=0\n"
    refused = empty + "error nvmlDeviceGetMaxMigDeviceCount 4\n"
    unsure = empty + "error nvmlDeviceGetMigMode 999\n"
    answers = under_driver([job(script, clocks=(0,)) for script in (empty, refused, unsure)])
    absents = [got["info"]["devices"][0]["absent"] for got in answers]
    assert absents[0]["mig_devices"] == "none_configured"
    assert absents[1]["mig_devices"] == "no_permission"
    assert absents[2]["mig_mode"] == "unknown"
    assert answers[2]["info"]["devices"][0]["mig_mode"] is None


def test_hidden_processes_are_not_zero_bytes(under_driver: Run) -> None:
    """Seen from within a container: no process is listed, or one of another id namespace."""
    hidden = ONE.replace("compute=11:4000000,77:3", "compute=").replace("9000000", "900000000")
    hidden = hidden.replace("compute=11:2000000", "compute=")
    strange = ONE.replace("11:", "4711:").replace(",77:3", "")
    ours, theirs = under_driver([job(hidden, idle=[50, 1000000]), job(strange, unseen=[4711])])
    assert ours["ram"] == [0, None, 0, 0]
    assert ours["gpu"]["ram_peak_bytes"] is None
    assert ours["gpu"]["absent"]["ram_peak_bytes"] == "processes_hidden"
    assert ours["gpu"]["devices"][0]["device_used_peak_bytes"] == 900_000_000
    assert theirs["ram"] == [0, None, None, 0]
    assert theirs["gpu"]["absent"]["ram_peak_bytes"] == "pid_namespace"
    assert theirs["gpu"]["reasons"] == []


def test_a_process_that_left_its_cgroup_stays_the_containers(under_driver: Run) -> None:
    late = ONE.replace(",77:3", "")
    (got,) = under_driver([job(late, clocks=(1, 2, 3), pids=[[11], [], []])])
    assert got["ram"] == [4_000_000, 2_000_000, 0]
    # First seen on the GPU, a sample later in the cgroup: never foreign.
    (early,) = under_driver([job(late, clocks=(1, 2), pids=[[], [11]])])
    assert early["gpu"]["reasons"] == []
    assert early["foreign"] == {}


@pytest.mark.parametrize(("bits", "names"), [(0x48, 1), (0x20, 1), (0x80, 1), (0x4, 0), (0x1, 0)])
def test_heat_and_failing_power_disturb_a_run(under_driver: Run, bits: int, names: int) -> None:
    script = ONE.replace(",77:3", "").replace("throttle=0x4", f"throttle={bits}")
    (got,) = under_driver([job(script)])
    assert [reason["code"] for reason in got["gpu"]["reasons"]] == ["throttled"] * names
    if names:
        assert "2 of 4 samples" in got["gpu"]["reasons"][0]["detail"]


def test_pids_come_from_files_such_as_cgroup_procs(under_driver: Run, tmp_path: Path) -> None:
    for name, pids in (("one", "11\n12\n"), ("two", "99\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text(pids)
    (got,) = under_driver(
        [
            job(
                ONE + f"at 1 0 compute=@{tmp_path}/*/cgroup.procs:500\n",
                clocks=(1,),
                pids=[[11, 12]],
            )
        ]
    )
    assert got["ram"] == [1000]
    assert got["foreign"] == {"99": 500}


def test_idle_baseline_is_measured_on_the_clock(under_driver: Run) -> None:
    script = (DEVICE + "\nat 0 {n} used=700 power=60000\n").replace("{n}", "0")
    bare = script + "error nvmlDeviceGetTotalEnergyConsumption 3\n"
    counted, integrated = under_driver(
        [
            {"script": script, "clocks": [0], "idle_seconds": 0.4},
            {"script": bare, "clocks": [0], "idle_seconds": 0.2},
        ]
    )
    idle = counted["idle"]["0"]
    assert idle["source"] == "counter"
    assert idle["watts"] == pytest.approx(60, rel=0.1)  # two clocks, read ms apart
    assert idle["seconds"] >= 0.39
    assert idle["used_bytes"] == 700
    assert integrated["idle"]["0"]["source"] == "power"
    assert integrated["idle"]["0"]["watts"] == pytest.approx(60)


def test_an_energy_counter_that_runs_backwards(under_driver: Run) -> None:
    (got,) = under_driver([job(ONE.replace("at 3 0", "at 3 0 energy=5"), idle=[50.0, 0])])
    device = got["gpu"]["devices"][0]
    assert device["energy_joules"] is device["energy_raw_joules"] is None
    assert device["absent"]["energy_joules"] == "counter_reset"


def test_no_library_is_an_absence_without_a_word(tmp_path: Path) -> None:
    """As on a machine for cpu suites; a file that is no library is the same."""
    code = "from morocco.sampling.nvml import open_nvml\nprint(open_nvml().code)"
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    for folder in ("", str(tmp_path)):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "LD_LIBRARY_PATH": folder},
            capture_output=True,
            text=True,
            check=True,
        )
        if folder == "" and done.stdout != "library_not_found\n":
            pytest.skip("this machine has an NVIDIA driver")
        assert (done.stdout, done.stderr) == ("library_not_found\n", "")


WORD, SYMBOL, ANCIENT = "nvmlSystemGetNVMLVersion", "morocco_scripted_driver", "nvmlUnitGetCount"


@pytest.mark.parametrize("hidden", [(WORD,), (SYMBOL,), (WORD, SYMBOL, ANCIENT), (WORD, SYMBOL)])
def test_two_lost_marks_do_not_make_the_double_a_driver(
    under_driver: Run, hidden: tuple[str, ...]
) -> None:
    (got,) = under_driver([job()], hide=hidden)
    # Only what lacks all three marks passes for a driver, as NVIDIA's own must.
    assert got["gpu"]["simulated"] is (hidden != (WORD, SYMBOL))
    if WORD in hidden:
        assert got["gpu"]["nvml"] is None
        assert got["gpu"]["absent"]["nvml"] == "function_not_found"
