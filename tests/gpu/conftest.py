"""The scripted driver: built once per set of missing symbols, loaded by the unmodified client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
Job = dict[str, Any]


@pytest.fixture(scope="session")
def build_driver(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """build(hide=()) -> folder with a libnvidia-ml.so.1 that lacks the functions in ``hide``."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    built: dict[tuple[str, ...], Path] = {}

    def build(hide: tuple[str, ...] = ()) -> Path:
        if hide not in built:
            folder = tmp_path_factory.mktemp("driver")
            script = folder / "symbols"
            script.write_text(
                "{ local: morocco_no_such_symbol; " + "".join(f"{n}; " for n in hide) + "};"
            )
            subprocess.run(
                [
                    *(compiler, "-O2", "-Wall", "-Wextra", "-fPIC", "-shared"),
                    *("-Wl,-soname,libnvidia-ml.so.1", f"-Wl,--version-script={script}"),
                    *("-o", str(folder / "libnvidia-ml.so.1"), str(HERE / "scripted_nvml.c")),
                ],
                check=True,
            )
            built[hide] = folder
        return built[hide]

    return build


@pytest.fixture
def under_driver(
    build_driver: Callable[..., Path], tmp_path: Path
) -> Callable[..., list[dict[str, Any]]]:
    """run(jobs, hide=()) -> answers: jobs of under_driver.py in one process under the driver."""

    def run(jobs: list[Job], hide: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        environment = {
            **os.environ,
            # read at process start: hence the process of its own
            "LD_LIBRARY_PATH": str(build_driver(hide)),
            "SCRIPTED_NVML": str(tmp_path / "script"),
        }
        done = subprocess.run(
            [sys.executable, str(HERE / "under_driver.py")],
            input=json.dumps(jobs),
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
