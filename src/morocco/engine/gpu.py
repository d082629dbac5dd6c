"""How a run gets its GPUs, and what to install where it does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from morocco.errors import EngineError, MoroccoError
from morocco.sampling.nvml_types import Absence, DeviceInfo, GpuInfo, select_devices

if TYPE_CHECKING:
    import docker

CDI_KIND = "nvidia.com/gpu"

TOOLKIT_HINT = (
    "install NVIDIA's container toolkit on this machine (package nvidia-container-toolkit), then "
    "`sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker`; "
    "`docker run --rm --gpus all <any image> nvidia-smi` must work"
)
CDI_HINT = (
    "`nvidia-ctk cdi list` must name the device; `sudo nvidia-ctk cdi generate "
    "--output=/etc/cdi/nvidia.yaml` writes the list anew (package nvidia-container-toolkit). "
    'Docker 25 to 28.2 also need {"features": {"cdi": true}} in /etc/docker/daemon.json'
)
DRIVER_HINT = (
    "install NVIDIA's driver (Debian and Ubuntu: package nvidia-driver), until `nvidia-smi` lists "
    "the GPU; on the machine itself, not in the image. Or set device: cpu"
)
# reason code of open_nvml -> what to do
_ABSENCE_HINTS = {
    "library_not_found": DRIVER_HINT,
    "driver_not_loaded": "the driver is installed but not loaded: `sudo modprobe nvidia`, "
    "or restart the machine",
    "lib_rm_version_mismatch": "the driver was renewed under a running kernel module: restart "
    "the machine",
    "no_permission": "let this user open /dev/nvidia* (often: group video)",
    "no_device": "the driver sees no GPU: `nvidia-smi -L`, `lspci | grep -i nvidia`",
}

# The engine's (or the toolkit's) own words -> ours. First match wins.
_START_ERRORS: tuple[tuple[str, str, str], ...] = (
    (
        r"could not select device driver \"cdi\"",
        "the container engine has CDI switched off",
        CDI_HINT,
    ),
    (
        r"could not select device driver",
        "the container engine cannot hand a GPU to a container",
        TOOLKIT_HINT,
    ),
    (
        r"unknown or invalid runtime name:? \"?nvidia|unknown runtime specified nvidia",
        "the container engine does not know the nvidia runtime",
        TOOLKIT_HINT,
    ),
    (
        r"unresolvable CDI devices|CDI device injection failed|failed to inject CDI devices"
        r"|adding custom device \"nvidia\.com/gpu",
        "the container engine finds no such CDI device",
        CDI_HINT,
    ),
    (
        r"nvidia-container-cli: device error|unknown device id",
        "NVIDIA's container toolkit does not know the GPU that was asked for",
        "gpus: in the config must name GPUs that `nvidia-smi -L` lists",
    ),
    (
        r"unsatisfied condition",
        "the image wants a newer NVIDIA driver than this machine has",
        "renew the driver, or build the image on an older CUDA",
    ),
    (
        r"nvidia-container-cli: initialization error|load library failed: libnvidia-ml",
        "NVIDIA's container toolkit finds no working driver",
        DRIVER_HINT,
    ),
    (
        r"nvidia-container-(cli|runtime)|libnvidia-container",
        "NVIDIA's container toolkit failed",
        TOOLKIT_HINT,
    ),
)


@dataclass(frozen=True)
class Handover:
    """What to create a container with, so that it sees its GPUs and no others."""

    method: Literal["gpus", "cdi", "none"]
    device_requests: tuple[Any, ...]  # docker.types.DeviceRequest
    environment: dict[str, str]  # below the model's own env


def require_gpu(
    found: GpuInfo | Absence, models: Mapping[str, Sequence[int] | None]
) -> dict[str, tuple[DeviceInfo, ...]]:
    """Devices of each GPU model; ``models``: name -> the config's gpus, None for all.

    With no GPU model, nothing is asked of the machine. Else MoroccoError says what to install,
    before any run.
    """
    if not models:
        return {}
    if isinstance(found, Absence):
        names = ", ".join(sorted(models))
        raise MoroccoError(
            f"{'model needs' if len(models) == 1 else 'models need'} a GPU, but this machine "
            f"offers none: {found.detail} ({found.code})",
            place=names,
            hint=_ABSENCE_HINTS.get(found.code, DRIVER_HINT),
        )
    return {name: select_devices(found, gpus, name) for name, gpus in models.items()}


def engine_offer(
    info: Mapping[str, Any], spec_files: Iterable[str] | None = None
) -> Literal["gpus", "cdi"]:
    """How this engine hands over GPUs, from its ``info``.

    CDI where it lists NVIDIA's CDI devices (``DiscoveredDevices``, API 1.50), or has CDI switched
    on, no nvidia runtime, and a spec file of NVIDIA's. Else `--gpus`: its hook need not show in
    ``info``, and the start tells. ``spec_files``: texts, by default those in the engine's folders.
    """
    if any(device.startswith(f"{CDI_KIND}=") for device in _discovered(info)):
        return "cdi"
    if "nvidia" in (info.get("Runtimes") or {}):
        return "gpus"
    folders = info.get("CDISpecDirs") or []
    texts = _spec_texts(folders) if spec_files is None and folders else spec_files or ()
    return "cdi" if folders and any(CDI_KIND in text for text in texts) else "gpus"


def hand_over(
    info: Mapping[str, Any], devices: Sequence[DeviceInfo], spec_files: Iterable[str] | None = None
) -> Handover:
    """What a container gets that shall see ``devices`` and no others.

    Inside, the GPUs count from 0 in the order of ``devices``' indices. A container of a cpu model
    (no devices) gets none even where the engine's default runtime is nvidia's.
    """
    import docker.types

    if not devices:
        closed = {"NVIDIA_VISIBLE_DEVICES": "void", "CUDA_VISIBLE_DEVICES": ""}
        return Handover("none", (), closed)
    method = engine_offer(info, spec_files)
    if method == "cdi":
        request = docker.types.DeviceRequest(
            driver="cdi", device_ids=_cdi_names(devices, set(_discovered(info)))
        )
    else:
        # A UUID names one GPU for good; NVIDIA's toolkit takes it as well as an index.
        request = docker.types.DeviceRequest(
            device_ids=[device.uuid or device.key for device in devices], capabilities=[["gpu"]]
        )
    return Handover(method, (request,), {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})


def visible_devices(devices: Sequence[DeviceInfo]) -> dict[str, str]:
    """Environment of a process on this machine itself that shall see ``devices`` and no others."""
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # NVML's order
        "CUDA_VISIBLE_DEVICES": ",".join(device.uuid or str(device.index) for device in devices),
    }


def explain_start_error(text: str) -> MoroccoError | None:
    """The engine's message of a failed start, if it is about GPUs, as what to do; else None."""
    for pattern, message, hint in _START_ERRORS:
        if re.search(pattern, text, re.IGNORECASE):
            return EngineError(f"{message}: {_short(text)}", hint=hint)
    return None


def engine_info(client: docker.DockerClient) -> dict[str, Any]:
    return dict(client.info())


def _discovered(info: Mapping[str, Any]) -> list[str]:
    return [
        device["ID"]
        for device in info.get("DiscoveredDevices") or []
        if device.get("Source") == "cdi" and "ID" in device
    ]


def _cdi_names(devices: Sequence[DeviceInfo], offered: set[str]) -> list[str]:
    """CDI names by UUID where the engine offers them so, else by index, the toolkit's default."""
    names = []
    for device in devices:
        by_uuid = f"{CDI_KIND}={device.uuid}"
        names.append(by_uuid if by_uuid in offered else f"{CDI_KIND}={device.key}")
    return names


def _spec_texts(folders: Iterable[str]) -> list[str]:
    """Texts of the CDI spec files of a local engine; what cannot be read is not offered."""
    texts = []
    for folder in folders:
        for path in sorted(Path(folder).glob("*")):
            if path.suffix in (".json", ".yaml", ".yml"):
                try:
                    texts.append(path.read_text(errors="replace")[:100_000])
                except OSError:
                    continue
    return texts


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]}…"
