"""Energy, idle baseline and what stands, from samples with exact times."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from morocco.errors import MoroccoError
from morocco.formats.files import decode_json, encode_json
from morocco.formats.record import Gpu
from morocco.sampling.nvml import NvmlSession, is_simulated
from morocco.sampling.nvml_energy import measured_watts, net_energy
from morocco.sampling.nvml_result import finish, throttle_names
from morocco.sampling.nvml_sample import merge_processes, pid_exists, split_processes
from morocco.sampling.nvml_types import (
    DeviceInfo,
    DeviceSample,
    GpuInfo,
    GpuSample,
    Idle,
    select_devices,
)

DEVICE = DeviceInfo(0, "GPU-0", "A", 1000)
OTHER = DeviceInfo(1, "GPU-1", "B", 1000)
SESSION = NvmlSession(driver="570", nvml="13", simulated=False)
EMPTY = dict.fromkeys(DeviceSample.__slots__) | {"absent": {}}


def look(**fields: Any) -> DeviceSample:
    return DeviceSample(**(EMPTY | fields))


def samples(*rows: tuple[float, DeviceSample]) -> list[GpuSample]:
    return [GpuSample(at=at, cost_seconds=0.002, devices=(device,)) for at, device in rows]


def test_energy_by_the_counter_less_idle() -> None:
    looks = [look(energy_millijoules=mj) for mj in (5_000, 105_000, 305_000)]
    net = net_energy([10.0, 11.0, 12.5], looks, Idle(40.0, 0, 2.0, "counter"))
    assert (net.raw_joules, net.joules, net.source, net.absent) == (300.0, 200.0, "counter", {})
    # Below idle is within the noise: kept as measured, not cut off at 0.
    assert net_energy([0.0, 1.0, 10.0], looks, Idle(40.0, 0, 2.0, "counter")).joules == -100.0


def test_energy_by_power_where_there_is_no_counter() -> None:
    code = {"energy_millijoules": "not_supported"}
    looks = [look(power_milliwatts=mw, absent=code) for mw in (100_000, 300_000, 200_000)]
    net = net_energy([0.0, 1.0, 3.0], looks, Idle(50.0, 0, 2.0, "power"))
    # trapezoids: 200 W · 1 s + 250 W · 2 s
    assert (net.raw_joules, net.joules, net.source) == (700.0, 550.0, "power")
    assert net.absent == {"energy_counter": "not_supported"}


@pytest.mark.parametrize(
    ("looks", "idle", "absent"),
    [
        ([look(energy_millijoules=1)], Idle(5.0, 0, 2.0, "counter"), "too_few_samples"),
        (
            [look(energy_millijoules=9), look(energy_millijoules=1)],
            Idle(5.0, 0, 2.0, "counter"),
            "counter_reset",
        ),
        ([look(energy_millijoules=1), look(energy_millijoules=9)], None, "no_idle_baseline"),
        (
            [look(energy_millijoules=1), look(energy_millijoules=9)],
            Idle(None, 0, 2.0, None, {"watts": "not_supported"}),
            "not_supported",
        ),
        (
            [look(absent={"energy_millijoules": "no_permission"})] * 2,
            Idle(5.0, 0, 2.0, "counter"),
            "no_permission",
        ),
        ([], Idle(5.0, 0, 2.0, "counter"), "no_samples"),
    ],
)
def test_energy_that_cannot_be_had_is_null(
    looks: list[DeviceSample], idle: Idle | None, absent: str
) -> None:
    net = net_energy([float(n) for n in range(len(looks))], looks, idle)
    assert net.joules is None
    assert net.absent["energy_joules"] == absent


def test_idle_watts() -> None:
    idle = measured_watts(
        [0.0, 1.0, 2.0],
        [look(energy_millijoules=mj, used_bytes=9 + mj) for mj in (0, 60_000, 100_000)],
    )
    assert (idle.watts, idle.source, idle.seconds) == (50.0, "counter", 2.0)
    assert idle.used_bytes == 100_009
    bare = measured_watts([0.0, 1.0], [look(absent={"energy_millijoules": "not_supported"})] * 2)
    assert (bare.watts, bare.used_bytes) == (None, None)
    assert bare.absent == {"watts": "not_supported", "used_bytes": "no_samples"}


def test_a_run_without_one_sample_is_all_null() -> None:
    gpu = finish(SESSION, [DEVICE], [], idle={})
    assert (gpu.ram_peak_bytes, gpu.energy_joules, gpu.samples) == (None, None, 0)
    assert gpu.sample_seconds_mean is None
    assert gpu.absent == {"ram_peak_bytes": "no_samples", "energy_joules": "no_samples"}
    assert gpu.devices[0].absent["utilisation_mean"] == "no_samples"


def test_the_sum_of_devices_is_of_one_moment() -> None:
    rows = [(10, 1), (2, 20), (5, 5)]
    looks = [
        GpuSample(float(n), 0.001, (look(ram_bytes=a), look(ram_bytes=b)))
        for n, (a, b) in enumerate(rows)
    ]
    gpu = finish(SESSION, [DEVICE, OTHER], looks, idle={})
    assert [device.ram_peak_bytes for device in gpu.devices] == [10, 20]
    assert gpu.ram_peak_bytes == 22  # not 30: never at one time
    apart = [
        GpuSample(0.0, 0.001, (look(ram_bytes=4), look(absent={"ram_bytes": "timeout"}))),
        GpuSample(1.0, 0.001, (look(absent={"ram_bytes": "timeout"}), look(ram_bytes=4))),
    ]
    gpu = finish(SESSION, [DEVICE, OTHER], apart, idle={})
    assert (gpu.ram_peak_bytes, gpu.absent["ram_peak_bytes"]) == (None, "never_together")
    assert apart[0].gpu_ram is None


def test_lowest_clock_while_busy() -> None:
    rows = samples(
        (0, look(sm_clock_mhz=300, throttle=1)),
        (1, look(sm_clock_mhz=1900, throttle=0)),
        (2, look(sm_clock_mhz=1500, throttle=4)),
    )
    assert finish(SESSION, [DEVICE], rows, idle={}).devices[0].sm_clock_min_mhz == 1500
    idle = finish(SESSION, [DEVICE], rows[:1], idle={}).devices[0]
    assert (idle.sm_clock_min_mhz, idle.absent["sm_clock_min_mhz"]) == (None, "always_idle")


def test_figures_survive_the_record() -> None:
    rows = samples((0, look(ram_bytes=5, foreign=((7, None),))), (1, look(ram_bytes=6)))
    gpu = finish(SESSION, [DEVICE], rows, idle={"0": Idle(5.0, 1, 2.0, "counter")})
    assert decode_json(encode_json(gpu), Gpu, "record") == gpu
    assert gpu.reasons[0].code == "foreign_gpu"


def test_names_of_throttle_bits() -> None:
    assert throttle_names(0) == throttle_names(1) == ()
    assert throttle_names(0x64) == ("sw_power_cap", "sw_thermal_slowdown", "hw_thermal_slowdown")
    assert throttle_names(1 << 20) == ("bit_20",)


def process(pid: int, size: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=size)


def test_lists_are_merged_not_added() -> None:
    compute = [process(1, 10), process(2, None), process(3, None)]
    graphics = [process(1, 12), process(2, 5), process(3, None), process(4, 0)]
    assert merge_processes([compute, graphics]) == {1: 12, 2: 5, 3: None, 4: 0}


def test_which_lists_are_believed() -> None:
    here: Callable[[int], bool] = lambda pid: pid < 1000  # noqa: E731
    own = frozenset({1, 2})
    assert split_processes({1: 5, 2: 6, 3: 7}, own, 0, here) == (11, ((3, 7),), None)
    assert split_processes({}, own, 0, here) == (0, (), None)
    assert split_processes({}, own, 65 * 2**20, here) == (None, None, "processes_hidden")
    assert split_processes({4711: 5}, own, 0, here) == (None, None, "pid_namespace")
    # Beside our own it is one that has just ended; before our start, it cannot be ours.
    assert split_processes({1: 5, 4711: 5}, own, 0, here) == (5, (), None)
    assert split_processes({4711: 5}, frozenset(), 0, here) == (0, (), None)
    assert split_processes({1: None, 3: 7}, own, 0, here) == (
        None,
        ((3, 7),),
        "memory_not_reported",
    )


def test_processes_that_exist() -> None:
    assert pid_exists(1)
    assert not pid_exists(2**22 + 1)  # above the kernel's largest id
    assert not pid_exists(2**40)


def test_devices_of_a_model() -> None:
    mig = tuple(DeviceInfo(2, f"MIG-{n}", "C", 10, mig=n) for n in range(2))
    info = GpuInfo("570", "13", (DEVICE, OTHER, *mig), simulated=False)
    assert select_devices(info, None, "m") == info.devices
    assert select_devices(info, (1,), "m") == (OTHER,)
    assert select_devices(info, (2, 0), "m") == (DEVICE, *mig)
    with pytest.raises(MoroccoError, match=r"m: no GPU 5 on this machine\n.*2:1: C"):
        select_devices(info, (0, 5), "m")


def test_a_driver_of_nvidia_is_not_simulated() -> None:
    functions = ("nvmlUnitGetCount", "nvmlDeviceGetPciInfo", "nvmlDeviceGetSerial")
    real = SimpleNamespace(**dict.fromkeys(functions))
    assert not is_simulated(real, "13.570.86.15")
    assert not is_simulated(real, None)
    assert is_simulated(real, "13.1-scripted")
    assert is_simulated(SimpleNamespace(**vars(real), morocco_scripted_driver=1), "13")
    assert is_simulated(SimpleNamespace(), "13.570.86.15")
