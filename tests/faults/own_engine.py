"""A second engine of the test's own: it may be stopped, killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def missing() -> str | None:
    """Why no engine of one's own can be had here; None where it can."""
    if os.getuid() != 0:
        return "needs root"
    if shutil.which("dockerd") is None:
        return "no dockerd on this machine"
    return None


@dataclass
class OwnEngine:
    """``dockerd`` with its own containerd, socket and storage under ``folder``; no networks."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    _log: list[Any] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def start(self) -> None:
        log = open(self.folder / "dockerd.log", "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            [
                # In a network namespace of its own: it would remove the machine's default bridge.
                *(
                    "unshare",
                    "--net",
                    "dockerd",
                    "--host",
                    self.host,
                    "--pidfile",
                    str(self.folder / "docker.pid"),
                ),
                *("--data-root", str(self.folder / "data")),
                *("--exec-root", str(self.folder / "exec")),
                *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        log.close()
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "dockerd.log").read_text()[-2000:])
            time.sleep(0.1)

    def answers(self) -> bool:
        import http.client
        import socket

        link = socket.socket(socket.AF_UNIX)
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = link
        try:
            link.settimeout(5)
            link.connect(str(self.folder / "docker.sock"))
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def client(self) -> Any:
        import docker

        return docker.DockerClient(base_url=self.host, timeout=60)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the daemon; by SIGTERM it stops its containers first."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        self.process.wait(timeout=60)
        # Its containerd dies with it. Where no init reaps, a zombie keeps that process id alive.
        for name in ("containerd.pid", "containerd.sock", "containerd.sock.ttrpc"):
            (self.folder / "exec" / "containerd" / name).unlink(missing_ok=True)
        (self.folder / "docker.pid").unlink(missing_ok=True)

    def end(self) -> None:
        """Daemon, containers and storage; nothing is left."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        for name in ("docker.pid", "exec/containerd/containerd.pid"):
            with contextlib.suppress(OSError, ValueError):
                pid = int((self.folder / name).read_text())
                if (
                    b"docker" in Path(f"/proc/{pid}/cmdline").read_bytes()
                    or b"containerd" in Path(f"/proc/{pid}/cmdline").read_bytes()
                ):
                    os.kill(pid, signal.SIGKILL)
        with open("/proc/self/mounts") as file:
            mounts = [line.split()[1] for line in file]
        for place in sorted((m for m in mounts if m.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
