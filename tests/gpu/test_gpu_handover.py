"""Which GPUs a container gets, by which of the engine's ways, and what to do where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from morocco.engine.gpu import (
    engine_offer,
    explain_start_error,
    hand_over,
    require_gpu,
    visible_devices,
)
from morocco.errors import EngineError, MoroccoError
from morocco.sampling.nvml_types import Absence, DeviceInfo, GpuInfo

A = DeviceInfo(0, "GPU-aa", "A", 1000)
B = DeviceInfo(1, None, "B", 1000)
MIG = DeviceInfo(2, "MIG-cc", "C", 1000, mig=1)
INFO = GpuInfo("570", "13", (A, B, MIG), simulated=False)

NVIDIA = {"Runtimes": {"runc": {}, "nvidia": {}}}
DISCOVERED = {
    "DiscoveredDevices": [
        {"Source": "cdi", "ID": "nvidia.com/gpu=0"},
        {"Source": "cdi", "ID": "nvidia.com/gpu=GPU-aa"},
        {"Source": "cdi", "ID": "nvidia.com/gpu=all"},
    ]
}


def test_the_way_follows_from_the_engine(tmp_path: Path) -> None:
    folder = {"CDISpecDirs": [str(tmp_path), str(tmp_path / "none")]}
    assert engine_offer({}) == "gpus"  # Docker's own hook does not show
    assert engine_offer({"Runtimes": None, "DiscoveredDevices": None}) == "gpus"
    assert engine_offer(NVIDIA) == "gpus"
    assert engine_offer(NVIDIA | DISCOVERED) == "cdi"
    assert engine_offer({"DiscoveredDevices": [{"Source": "cdi", "ID": "a.com/b=0"}]}) == "gpus"
    assert engine_offer(folder) == "gpus"  # CDI, but no device of NVIDIA's
    (tmp_path / "nvidia.yaml").write_text("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    assert engine_offer(folder) == "cdi"
    assert engine_offer(folder | NVIDIA) == "gpus"
    assert engine_offer({"CDISpecDirs": []}, ["kind: nvidia.com/gpu"]) == "gpus"  # switched off


def test_a_container_gets_its_devices_and_no_others() -> None:
    given = hand_over(NVIDIA, (A, B, MIG))
    (request,) = given.device_requests
    assert given.method == "gpus"
    assert request["DeviceIDs"] == ["GPU-aa", "1", "MIG-cc"]
    assert request["Capabilities"] == [["gpu"]]
    assert given.environment == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def test_cdi_names_by_uuid_where_they_are_offered() -> None:
    given = hand_over(DISCOVERED, (A, B, MIG))
    (request,) = given.device_requests
    assert (given.method, request["Driver"]) == ("cdi", "cdi")
    assert request["DeviceIDs"] == [
        "nvidia.com/gpu=GPU-aa",
        "nvidia.com/gpu=1",
        "nvidia.com/gpu=2:1",
    ]


def test_a_cpu_container_gets_none_even_from_an_nvidia_runtime() -> None:
    given = hand_over(NVIDIA | {"DefaultRuntime": "nvidia"}, ())
    assert (given.method, given.device_requests) == ("none", ())
    assert given.environment == {"NVIDIA_VISIBLE_DEVICES": "void", "CUDA_VISIBLE_DEVICES": ""}


def test_a_process_sees_its_devices() -> None:
    assert visible_devices((A, B, MIG))["CUDA_VISIBLE_DEVICES"] == "GPU-aa,1,MIG-cc"
    assert visible_devices(())["CUDA_VISIBLE_DEVICES"] == ""


def test_cpu_suites_ask_nothing_and_gpu_models_fail_before_any_run() -> None:
    none = Absence("library_not_found", "NVML Shared Library Not Found")
    assert require_gpu(none, {}) == {}
    with pytest.raises(MoroccoError) as caught:
        require_gpu(none, {"rubert": None, "gpt": (0,)})
    assert str(caught.value).startswith("gpt, rubert: models need a GPU")
    assert "nvidia-smi" in str(caught.value)
    for code, word in (
        ("driver_not_loaded", "modprobe"),
        ("no_device", "lspci"),
        ("no_permission", "/dev/nvidia"),
        ("lib_rm_version_mismatch", "restart"),
        ("nvml_77", "driver"),
    ):
        with pytest.raises(MoroccoError, match="model needs a GPU") as caught:
            require_gpu(Absence(code, "why"), {"m": None})
        assert word in str(caught.value.hint)
    assert require_gpu(INFO, {"m": None, "n": (1,)}) == {"m": INFO.devices, "n": (B,)}
    with pytest.raises(MoroccoError, match="m: no GPU 7"):
        require_gpu(INFO, {"m": (7,)})


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            'could not select device driver "" with capabilities: [[gpu]]',
            "cannot hand a GPU",
            "nvidia-container-toolkit",
        ),
        ('could not select device driver "cdi" with capabilities: []', "CDI switched off", "cdi"),
        (
            "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=0",
            "no such CDI device",
            "nvidia-ctk cdi generate",
        ),
        (
            "error gathering device information while adding custom device "
            '"nvidia.com/gpu=all": no such file or directory',
            "no such CDI device",
            "nvidia-ctk",
        ),
        ("unknown or invalid runtime name: nvidia", "nvidia runtime", "nvidia-ctk runtime"),
        (
            "OCI runtime create failed: nvidia-container-cli: initialization error: load library "
            "failed: libnvidia-ml.so.1: cannot open shared object file",
            "no working driver",
            "nvidia-driver",
        ),
        (
            "nvidia-container-cli: device error: 5: unknown device: unknown",
            "does not know the GPU",
            "nvidia-smi -L",
        ),
        (
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.4, please "
            "update your driver to a newer version",
            "newer NVIDIA driver",
            "older CUDA",
        ),
        ("nvidia-container-cli: mount error: file not found", "toolkit failed", "toolkit"),
    ],
)
def test_the_engines_words_become_what_to_do(text: str, message: str, hint: str) -> None:
    error = explain_start_error(text)
    assert isinstance(error, EngineError)
    assert message in error.message
    assert text[:40] in error.message
    assert hint in str(error.hint)


def test_other_start_errors_are_not_about_gpus() -> None:
    assert explain_start_error('exec: "python3": executable file not found in $PATH') is None
    assert explain_start_error("") is None


@pytest.mark.engine
def test_an_engine_without_gpus_says_so_and_keeps_no_container() -> None:
    """The real engine: the container is created, its start fails, and it is removed."""
    import docker.errors

    from morocco.engine.base import ensure_base_image
    from morocco.engine.client import connect
    from morocco.engine.container import remove_container

    try:
        client = connect()
    except EngineError as error:
        pytest.skip(f"no engine: {error.message}")
    info: dict[str, Any] = client.info()
    given = hand_over(info, (A,))
    if given.method == "cdi" or "nvidia" in info["Runtimes"]:
        pytest.skip("this engine has GPUs to hand over")
    image = ensure_base_image(client)
    name = f"morocco-test-gpu-handover-{id(given):x}"
    api = client.api
    try:
        api.create_container(
            image,
            ["true"],
            name=name,
            host_config=api.create_host_config(
                device_requests=list(given.device_requests), network_mode="none"
            ),
        )
        with pytest.raises(docker.errors.APIError) as caught:
            api.start(name)
    finally:
        remove_container(client, name)
    error = explain_start_error(str(caught.value.explanation))
    assert error is not None
    assert "cannot hand a GPU" in error.message
    assert "nvidia-container-toolkit" in str(error.hint)
    assert api.containers(all=True, filters={"name": name}) == []
