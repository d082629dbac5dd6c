"""What is known about the machine's GPUs, and one look at them. Needs no driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from morocco.errors import MoroccoError


@dataclass(frozen=True)
class Absence:
    """Why there is no GPU to speak to."""

    code: str  # library_not_found, driver_not_loaded, no_device, …
    detail: str


@dataclass(frozen=True)
class DeviceInfo:
    """A GPU, or one MIG device of a GPU that is in MIG mode."""

    index: int
    uuid: str | None
    name: str | None
    total_bytes: int | None
    mig: int | None = None  # number of the MIG device within its GPU
    mig_mode: bool | None = None
    accounting: bool | None = None  # accounting mode as it was found; it is never switched on
    absent: dict[str, str] = field(default_factory=dict)  # field -> reason code

    @property
    def key(self) -> str:
        """``0`` or, for a MIG device, ``0:1``: the name `docker run --gpus device=` takes too."""
        return str(self.index) if self.mig is None else f"{self.index}:{self.mig}"


@dataclass(frozen=True)
class GpuInfo:
    driver: str | None
    nvml: str | None
    devices: tuple[DeviceInfo, ...]
    simulated: bool  # the library is a scripted driver
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Idle:
    """A device before the run."""

    watts: float | None
    used_bytes: int | None
    seconds: float
    source: str | None  # "counter" (energy) or "power" (mean of power samples)
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """One look at one device. None: not known, its code in ``absent``."""

    ram_bytes: int | None  # the container's processes
    used_bytes: int | None  # whole device, the driver's own reserve included
    utilisation: float | None  # 0..1, over the driver's own window of 1/6 to 1 s
    energy_millijoules: int | None  # counter since the driver was loaded
    power_milliwatts: int | None
    sm_clock_mhz: int | None
    throttle: int | None  # bits of NVML's clocks event reasons
    temperature_celsius: int | None
    # (pid, bytes) of processes that are not the container's; None: not known
    foreign: tuple[tuple[int, int | None], ...] | None
    absent: dict[str, str]  # field -> reason code


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One look at all devices of a run."""

    at: float  # time.monotonic(), seconds
    cost_seconds: float  # wall time that the look took
    devices: tuple[DeviceSample, ...]

    @property
    def gpu_usage(self) -> float | None:
        """Utilisation 0..1, mean over the run's devices; None where one of them is not known."""
        shares = [device.utilisation for device in self.devices]
        known = [share for share in shares if share is not None]
        return sum(known) / len(known) if known and len(known) == len(shares) else None

    @property
    def gpu_ram(self) -> int | None:
        """Bytes of the container's processes over all devices; None where one is not known."""
        sizes = [device.ram_bytes for device in self.devices]
        known = [size for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None


def select_devices(info: GpuInfo, gpus: Sequence[int] | None, place: str) -> tuple[DeviceInfo, ...]:
    """The devices a model runs on, as handed to its container and watched by the sampler.

    ``gpus``: indices as NVML counts them, None for all. The index of a GPU in MIG mode means all
    its MIG devices. MoroccoError names ``place`` where the machine has no such GPU.
    """
    if gpus is None:
        return info.devices
    for wanted in gpus:
        if not any(device.index == wanted for device in info.devices):
            here = ", ".join(f"{d.key}: {d.name}" for d in info.devices) or "none"
            raise MoroccoError(
                f"no GPU {wanted} on this machine", place=place, hint=f"gpus: those here are {here}"
            )
    return tuple(device for device in info.devices if device.index in gpus)
