"""The image a model's own images stand on: base, its Python packages, everything compiled.

Packages are installed on the host, where its package index, certificates and proxies are set up,
and copied in: the image keeps none of those. A read-only container cannot keep compiled modules,
so they are compiled here, the standard library's too: a model starts in half the time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from morocco.engine.build import TAIL_LINES, build_image
from morocco.engine.locks import lock
from morocco.errors import MoroccoError

if TYPE_CHECKING:
    import docker

SITE = "/opt/site"
# Two threads on two busy cores collapse, and a model's speed should not depend on core count
# unless it asks for that: one thread for OpenMP and every BLAS. A model's Dockerfile may say else.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
COMPILE = f"""\
import compileall, os, py_compile, re, sysconfig

# Unchecked hashes are valid whatever the files' times become. A package may carry files for other
# Pythons, which do not compile: the exit status says nothing.
if __name__ == "__main__":
    for folder in (sysconfig.get_path("stdlib"), "{SITE}"):
        if os.path.isdir(folder):
            compileall.compile_dir(
                folder,
                quiet=2,
                workers=0,
                rx=re.compile("/(tests?|idlelib|lib2to3|ensurepip|turtledemo)/"),
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
"""


def ensure_runtime(client: docker.DockerClient, base: str, requirements: Path | None) -> str:
    """Name the image of ``base`` with the packages of a requirements file; built if not there.

    Models with equal requirements share it. MoroccoError shows the installer's words if a package
    cannot be had.
    """
    import docker.errors

    base_id = str(client.images.get(base).id)
    wanted = requirements.read_bytes() if requirements else b""
    dockerfile = _dockerfile(bool(requirements))
    key = hashlib.sha256(
        b"\0".join((base_id.encode(), wanted, dockerfile, COMPILE.encode()))
    ).hexdigest()
    tag = f"morocco/runtime:{key[:12]}"
    with lock(f"runtime-{key[:12]}"):
        try:
            client.images.get(tag)
            return tag
        except docker.errors.ImageNotFound:
            pass
        files: dict[str, Path | bytes] = {
            "Dockerfile": dockerfile,
            "compile.py": COMPILE.encode(),
        }
        with tempfile.TemporaryDirectory(prefix="morocco-site-") as folder:
            if requirements:
                site = Path(folder, "site")
                install(requirements, site, python_version(client, base))
                for path in site.rglob("*"):
                    if path.is_file() or path.is_symlink():
                        files[f"site/{path.relative_to(site)}"] = path
            build_image(
                client,
                files,
                what=f"packages of {requirements}" if requirements else f"runtime on {base}",
                tag=tag,
                build_args={"BASE_IMAGE": base},
            )
    return tag


def _dockerfile(packages: bool) -> bytes:
    lines = [
        "ARG BASE_IMAGE",
        "FROM ${BASE_IMAGE}",
        *([f"COPY site {SITE}", f"ENV PYTHONPATH={SITE}"] if packages else []),
        "ENV " + " ".join(f"{name}=1" for name in THREADS),
        "COPY compile.py /opt/compile.py",
        'RUN ["python3", "/opt/compile.py"]',
    ]
    return ("\n".join(lines) + "\n").encode()


def python_version(client: docker.DockerClient, image: str) -> str:
    """``3.11``, as the image's own interpreter says."""
    import docker.errors

    command = ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    container = client.containers.create(
        image, command, entrypoint="python3", network_mode="none", labels={"morocco.build": "probe"}
    )
    try:
        container.start()
        container.wait(timeout=120)
        version = container.logs(stderr=False).decode().strip()
    except docker.errors.APIError as error:
        raise MoroccoError(
            f"holds no python3: {error.explanation}", place=f"base image {image}"
        ) from error
    finally:
        container.remove(force=True)
    return version


def install(requirements: Path, site: Path, version: str) -> None:
    """Install a requirements file into ``site`` for CPython ``version``, with this host's pip."""
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--no-compile", "--no-input", "--quiet"]
        command += ["--disable-pip-version-check", "--root-user-action", "ignore"]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--link-mode", "copy"]
        command += ["--python", sys.executable]
    else:
        raise MoroccoError(
            f"neither pip nor uv for {sys.executable}", hint=f"{sys.executable} -m ensurepip"
        )
    if version != "{}.{}".format(*sys.version_info[:2]):
        command += ["--python-version", version, "--only-binary", ":all:"]
    command += ["--target", str(site), "--requirement", str(requirements)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        tail = "\n".join(f"  | {line}" for line in done.stdout.splitlines()[-TAIL_LINES:])
        raise MoroccoError(
            f"packages cannot be installed\n{tail}",
            place=str(requirements),
            hint="pip's settings of this machine apply: pip config list",
        )
    # Programs are not called; the rest would tell where on this host a wheel came from.
    for path in [site / "bin", *site.glob("*.dist-info/direct_url.json")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
