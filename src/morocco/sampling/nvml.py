"""NVIDIA's management library, asked so that no answer of it can end a run.

Every NVML function can fail on its own; a failure becomes a reason code, never a 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pynvml

from morocco.sampling.nvml_types import Absence, DeviceInfo, GpuInfo

# NVML_ERROR_NOT_SUPPORTED -> not_supported, …
_CODES = {
    value: name.removeprefix("NVML_ERROR_").lower()
    for name, value in vars(pynvml).items()
    if name.startswith("NVML_ERROR_")
}
_CODES[pynvml.NVML_ERROR_GPU_IS_LOST] = "gpu_lost"

# The GPU is gone until it is reset: asking again can hang, so it is not asked again.
LOST = frozenset({"gpu_lost", "reset_required", "gpu_not_found"})
# Will not change while the process lives. Another function may do the same, else: not asked again.
PERMANENT = frozenset(
    {"not_supported", "function_not_found", "argument_version_mismatch", "deprecated"}
)

# A double has one of these marks: it says so in its version, or exports this symbol …
SCRIPTED_WORD = "scripted"
SCRIPTED_SYMBOL = "morocco_scripted_driver"
# … or it lacks functions that every NVIDIA driver has had since 2011.
_ANCIENT = ("nvmlUnitGetCount", "nvmlDeviceGetPciInfo", "nvmlDeviceGetSerial")

Getter = Callable[[Any], Any]


def reason_code(error: pynvml.NVMLError) -> str:
    """``not_supported``, ``no_permission``, ``gpu_lost``, …; ``nvml_<n>`` for an unknown one."""
    return _CODES.get(error.value, f"nvml_{error.value}")


def ask(getter: Callable[..., Any], *args: Any) -> tuple[Any, str | None]:
    """(answer, None) or (None, reason code)."""
    try:
        return getter(*args), None
    except pynvml.NVMLError as error:
        return None, reason_code(error)
    except UnicodeDecodeError:
        return None, "not_text"


@dataclass
class NvmlSession:
    """The opened library, and what it has refused so far. Close it, or use it in a ``with``."""

    driver: str | None
    nvml: str | None
    simulated: bool
    absent: dict[str, str] = field(default_factory=dict)
    handles: dict[str, tuple[Any, str | None]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)  # device key -> code
    _variant: dict[tuple[str, str], int] = field(default_factory=dict)
    _given_up: dict[tuple[str, str], str] = field(default_factory=dict)

    def handle(self, device: DeviceInfo) -> tuple[Any, str | None]:
        if device.key not in self.handles:
            handle, code = ask(pynvml.nvmlDeviceGetHandleByIndex, device.index)
            if code is None and device.mig is not None:
                handle, code = ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, device.mig)
            self.handles[device.key] = handle, code
            if code in LOST:
                self.lost[device.key] = code
        return self.handles[device.key]

    def ask(
        self, device: DeviceInfo, name: str, variants: tuple[Getter, ...]
    ) -> tuple[Any, str | None]:
        """Ask the first of ``variants`` (newest first) that this driver has.

        What the driver will never answer is asked once; nothing is asked of a lost GPU.
        """
        key = (device.key, name)
        if device.key in self.lost:
            return None, "gpu_lost"
        if key in self._given_up:
            return None, self._given_up[key]
        handle, code = self.handle(device)
        answer = None
        while code is None:
            variant = self._variant.get(key, 0)
            answer, code = ask(variants[variant], handle)
            if code not in PERMANENT or variant + 1 == len(variants):
                break
            self._variant[key] = variant + 1
            code = None
        if code in LOST:
            self.lost[device.key] = code
            return None, "gpu_lost"
        # A MIG device answers what only its whole GPU can know with "invalid argument".
        if code in PERMANENT or (code == "invalid_argument" and device.mig is not None):
            self._given_up[key] = code
        return answer, code

    def close(self) -> None:
        ask(pynvml.nvmlShutdown)

    def __enter__(self) -> NvmlSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_nvml() -> NvmlSession | Absence:
    """Load and start the driver's library; on a machine without one, the reason and no noise."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Absence(reason_code(error), str(error))
    nvml, nvml_code = ask(pynvml.nvmlSystemGetNVMLVersion)
    driver, driver_code = ask(pynvml.nvmlSystemGetDriverVersion)
    absent = {"nvml": nvml_code, "driver": driver_code}
    return NvmlSession(
        driver=driver,
        nvml=nvml,
        simulated=is_simulated(pynvml.nvmlLib, nvml),
        absent={key: code for key, code in absent.items() if code},
    )


def is_simulated(library: Any, version: str | None) -> bool:
    """Whether ``library`` (ctypes) is a test double: one of the three marks is enough."""
    return (
        SCRIPTED_WORD in (version or "")
        or hasattr(library, SCRIPTED_SYMBOL)
        or not all(hasattr(library, symbol) for symbol in _ANCIENT)
    )


def describe(session: NvmlSession) -> GpuInfo | Absence:
    """All GPUs of the machine; a GPU in MIG mode as its MIG devices."""
    count, code = ask(pynvml.nvmlDeviceGetCount)
    if code is not None:
        return Absence(code, "the driver does not say how many GPUs there are")
    if count == 0:
        return Absence("no_device", "the driver is there, but no GPU")
    devices: list[DeviceInfo] = []
    for index in range(count):
        devices += _describe_gpu(session, index)
    return GpuInfo(
        driver=session.driver,
        nvml=session.nvml,
        devices=tuple(devices),
        simulated=session.simulated,
        absent=dict(session.absent),
    )


@functools.cache
def machine_gpus() -> tuple[tuple[str, ...], str | None]:
    """(names of all GPUs, driver version) for the record of the machine; ((), None) without any."""
    session = open_nvml()
    if isinstance(session, Absence):
        return (), None
    with session:
        info = describe(session)
    if isinstance(info, Absence):
        return (), session.driver
    return tuple(device.name or "unnamed GPU" for device in info.devices), info.driver


def _describe_gpu(session: NvmlSession, index: int) -> list[DeviceInfo]:
    gpu = DeviceInfo(index, None, None, None)
    modes, code = session.ask(gpu, "mig_mode", (pynvml.nvmlDeviceGetMigMode,))
    # Most GPUs have no MIG and say so: that is an answer, not an absence.
    mig_mode = bool(modes[0]) if code is None else (False if code in PERMANENT else None)
    absent = {} if mig_mode is not None else {"mig_mode": str(code)}
    if not mig_mode:
        return [_describe_device(session, index, None, mig_mode, absent)]
    most, code = session.ask(gpu, "mig_devices", (pynvml.nvmlDeviceGetMaxMigDeviceCount,))
    slots = [DeviceInfo(index, None, None, None, mig=number) for number in range(most or 0)]
    found = [slot.mig for slot in slots if session.handle(slot)[1] is None]
    if not found:
        absent["mig_devices"] = code or "none_configured"
        return [_describe_device(session, index, None, True, absent)]
    return [_describe_device(session, index, number, True, absent) for number in found]


def _describe_device(
    session: NvmlSession, index: int, mig: int | None, mig_mode: bool | None, absent: dict[str, str]
) -> DeviceInfo:
    device = DeviceInfo(index, None, None, None, mig=mig)
    uuid, uuid_code = session.ask(device, "uuid", (pynvml.nvmlDeviceGetUUID,))
    name, name_code = session.ask(device, "name", (pynvml.nvmlDeviceGetName,))
    memory, memory_code = session.ask(device, "used_bytes", (pynvml.nvmlDeviceGetMemoryInfo,))
    mode, mode_code = session.ask(device, "accounting", (pynvml.nvmlDeviceGetAccountingMode,))
    codes = {
        "uuid": uuid_code,
        "name": name_code,
        "total_bytes": memory_code,
        "accounting": mode_code,
    }
    return DeviceInfo(
        index=index,
        uuid=uuid,
        name=name,
        total_bytes=None if memory is None else memory.total,
        mig=mig,
        mig_mode=mig_mode,
        accounting=None if mode is None else bool(mode),
        absent=absent | {key: code for key, code in codes.items() if code},
    )
