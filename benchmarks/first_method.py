"""How the first MOROCCO measured a run, written anew to be compared with.

Start the container with the command line, write all input, close, look for the container's process
until the engine knows it, then sample that process with ps three times a second until the command
line ends. The run's time is last sample less first one. Its estimator stands in
``morocco.estimate.legacy``. Nothing of a run is checked, as there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from morocco.formats.log import Sample

PERIOD_SECONDS = 1 / 3
KIB = 1024


def run_first_method(
    image: str, args: Sequence[str], input_path: Path, name: str, host_options: Sequence[str] = ()
) -> list[Sample]:
    """One run; its log. RuntimeError where the container failed or lived too short to be seen."""
    docker = shutil.which("docker") or "/usr/bin/docker"
    with open(input_path, "rb") as file:
        data = file.read()
    command = [docker, "run", "--rm", "-i", "--network", "none", "--name", name, *host_options]
    process = subprocess.Popen(
        [*command, image, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(data)  # blocks until the model reads, beyond what the pipes hold
        process.stdin.close()
        samples = _sample(process, _find_pid(docker, name, process))
    except BaseException:
        subprocess.run([docker, "rm", "-f", name], capture_output=True, check=False)
        raise
    finally:
        process.wait()
    if process.returncode or not samples:
        raise RuntimeError(f"{name}: exit status {process.returncode}, {len(samples)} samples")
    return samples


def _find_pid(docker: str, name: str, process: subprocess.Popen[bytes]) -> int:
    while process.poll() is None:
        done = subprocess.run(
            [docker, "inspect", "--format", "{{.State.Pid}}", name],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0 and int(done.stdout) > 0:  # 0: created, not yet started
            return int(done.stdout)
        time.sleep(0.05)
    return 0


def _sample(process: subprocess.Popen[bytes], pid: int) -> list[Sample]:
    samples = []
    while process.poll() is None:
        done = subprocess.run(
            ["ps", "-p", str(pid), "-o", "%cpu=,rss="],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        words = done.stdout.split()
        if len(words) == 2:
            cpu, rss = float(words[0]) / 100, int(words[1]) * KIB
            samples.append(Sample(time.time(), cpu, rss, None, None))
        time.sleep(PERIOD_SECONDS)
    return samples
