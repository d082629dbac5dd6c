"""scripts/engine.sh on machines with and without an engine.

Where it would install and start one, stand-ins for apt-get and dockerd are on the PATH, in a mount
namespace whose /run is empty: the script's own steps are real.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

UNSHARE = shutil.which("unshare")
PROGRAMS = """bash cat chmod cp env flock id mkdir mount rm seq setsid sh sleep tail
python3"""
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "engine.sh"

APT_GET = """#!/bin/sh
echo "$@" >> "$STUBS/apt.log"
case "$*" in
*install*) [ -z "$APT_FAILS" ] || { echo "E: Unable to locate package docker.io"; exit 100; }
    sleep 0.5; cp "$STUBS/dockerd.py" "$STUBS/bin/dockerd"; chmod +x "$STUBS/bin/dockerd" ;;
esac
"""
DOCKERD = """#!/usr/bin/env python3
import os, socket, sys
with open(os.environ["STUBS"] + "/dockerd.log", "a") as log:
    log.write(f"{os.getpid()} {' '.join(sys.argv[1:])}\\n")
if os.environ.get("NO_IPTABLES") and "--iptables=false" not in sys.argv:
    sys.exit("failed to start daemon: iptables: Permission denied")
if os.environ.get("NEVER"):
    sys.exit("failed to start daemon: no luck")
server = socket.socket(socket.AF_UNIX)
server.bind("/var/run/docker.sock")
server.listen()
while True:
    link, _ = server.accept()
    link.recv(1024)
    link.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nOK")
    link.close()
"""


def can_unshare() -> bool:
    command = [str(UNSHARE), "--mount", "sh", "-c", "mount -t tmpfs none /run"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


bare_machine = pytest.mark.skipif(
    os.getuid() != 0 or not can_unshare(), reason="needs root that may mount"
)


@pytest.fixture
def stubs(tmp_path):
    """A folder of stand-ins; daemons that they left are ended."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apt-get").write_text(APT_GET)
    (tmp_path / "bin" / "apt-get").chmod(0o755)
    (tmp_path / "dockerd.py").write_text(DOCKERD)
    # The machine's own dockerd must not be found: only what the script itself needs is.
    for name in PROGRAMS.split():
        link(tmp_path, name)
    yield tmp_path
    log = tmp_path / "dockerd.log"
    for line in log.read_text().splitlines() if log.exists() else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)


def link(folder: Path, name: str) -> None:
    target = sys.executable if name == "python3" else shutil.which(name)
    assert target, f"no {name} on this machine"
    (folder / "bin" / name).symlink_to(os.path.realpath(target))


def on_bare_machine(stubs: Path, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(UNSHARE), "--mount", "sh", "-c", f"mount -t tmpfs none /run; {script}"],
        env={
            "PATH": f"{stubs}/bin",
            "STUBS": str(stubs),
            "MOROCCO_STATE": f"{stubs}/state",
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@bare_machine
def test_installs_and_starts_by_hand_once(stubs):
    run = on_bare_machine(stubs, f"{SCRIPT} & {SCRIPT}; wait; {SCRIPT}")
    assert run.returncode == 0, run.stderr
    calls = lines(stubs / "apt.log")
    assert [call.split()[3] for call in calls] == ["update", "install"]
    assert "docker.io" in calls[1]
    assert len(lines(stubs / "dockerd.log")) == 1
    assert run.stderr.count("engine: unix:///var/run/docker.sock answers") == 3
    assert (stubs / "state" / "dockerd.log").exists()


@bare_machine
def test_does_without_a_network_where_iptables_fails(stubs):
    run = on_bare_machine(stubs, str(SCRIPT), NO_IPTABLES="1")
    assert run.returncode == 0, run.stderr
    first, second = lines(stubs / "dockerd.log")
    assert "--bridge=none" not in first
    assert "--bridge=none" in second


@bare_machine
def test_a_daemon_that_does_not_start_shows_its_log(stubs):
    run = on_bare_machine(stubs, str(SCRIPT), NEVER="1")
    assert run.returncode == 3
    assert "failed to start daemon: no luck" in run.stderr
    assert f"the end of {stubs}/state/dockerd.log" in run.stderr


@bare_machine
def test_a_failed_installation_shows_why(stubs):
    run = on_bare_machine(stubs, str(SCRIPT), APT_FAILS="1")
    assert run.returncode == 3
    assert "E: Unable to locate package docker.io" in run.stderr
    assert "install docker.io by hand" in run.stderr


@bare_machine
def test_without_root_it_says_what_to_install(stubs):
    link(stubs, "setpriv")
    stubs.chmod(0o755)
    for parent in stubs.parents:  # pytest's folders are its user's own
        if parent == Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)
    run = on_bare_machine(stubs, f"setpriv --reuid 65534 --clear-groups {SCRIPT}")
    assert run.returncode == 3
    assert "no container engine answers" in run.stderr
    assert "sudo apt-get install docker.io" in run.stderr
    assert lines(stubs / "apt.log") == []


def test_an_engine_that_answers_is_left_alone(tmp_path):
    place = f"{tmp_path}/e.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(place)
    server.listen()

    def answer() -> None:
        link, _ = server.accept()
        link.recv(1024)
        link.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")
        link.close()

    threading.Thread(target=answer, daemon=True).start()
    env = {"PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{place}"}
    run = subprocess.run([SCRIPT], env=env, capture_output=True, text=True, check=False)
    server.close()
    assert (run.returncode, run.stderr) == (0, f"engine: unix://{place} answers\n")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "unix:///nowhere.sock", "nonsense"])
def test_a_dead_address_is_named(address):
    env = {"PATH": os.environ["PATH"], "DOCKER_HOST": address}
    run = subprocess.run([SCRIPT], env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert f"nothing answers at DOCKER_HOST={address}" in run.stderr
