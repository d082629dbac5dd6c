"""The Python base image: the one that was asked for, else one made of this machine's own CPython.

The local one needs no registry: interpreter, standard library, their shared libraries, a shell
and a few tools, in the layout of the official ``python`` images. Same files, same image id.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from morocco.engine.client import connect
from morocco.engine.locks import lock
from morocco.errors import EngineError, MoroccoError

if TYPE_CHECKING:
    import docker

LOCAL_BASE = "morocco/base:local"
FINGERPRINT = "morocco.base.fingerprint"
RECIPE = 1  # counts the changes of this module that change the image

# Parts of the standard library that no model needs, and the host's own settings.
LEFT_OUT = {
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter",
    "turtledemo", "lib2to3", "ensurepip", "sitecustomize.py", "usercustomize.py",
    "EXTERNALLY-MANAGED",
}  # fmt: skip
# What manylinux wheels may take for granted (PEP 600) and nothing above links to.
WHEEL_LIBRARIES = (
    "libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1", "libm.so.6", "libz.so.1", "libdl.so.2",
    "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libnss_files.so.2",
    "libnss_dns.so.2",
)  # fmt: skip
# For the RUN lines of other people's Dockerfiles.
TOOLS = (
    "cat", "chmod", "cp", "date", "du", "env", "false", "find", "gzip", "head", "id", "ln", "ls",
    "mkdir", "mv", "rm", "sh", "sleep", "sort", "tail", "tar", "touch", "tr", "true", "wc",
)  # fmt: skip
TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def ensure_base_image(client: docker.DockerClient, wanted: str | None = None) -> str:
    """Name a base image that is on the engine; ``wanted`` defaults to ``$BASE_IMAGE``.

    A wanted image is taken as it is or pulled. Where it cannot be had, or none is wanted, the local
    one is made. A note on stderr tells which; MoroccoError where even that cannot be made.
    """
    import docker.errors

    wanted = wanted or os.environ.get("BASE_IMAGE") or LOCAL_BASE
    if wanted != LOCAL_BASE:
        try:
            client.images.get(wanted)
            return wanted
        except docker.errors.ImageNotFound:
            pass
        except docker.errors.APIError as error:
            raise MoroccoError(
                f"not an image name: {error.explanation}", place=f"base image {wanted!r}"
            ) from error
        try:
            client.images.pull(*_split_tag(wanted))
            return wanted
        except (docker.errors.DockerException, OSError) as error:
            print(f"base image {wanted} cannot be pulled ({error})", file=sys.stderr)
            print(f"  -> {LOCAL_BASE} is made of this machine's Python instead", file=sys.stderr)
    with lock("base-image"):
        return make_local_base(client)


def make_local_base(client: docker.DockerClient, tag: str = LOCAL_BASE) -> str:
    """Make the local base image unless the one that carries ``tag`` fits this interpreter."""
    import docker.errors

    interpreter = find_interpreter()
    fingerprint = interpreter.fingerprint()
    try:
        if client.images.get(tag).labels.get(FINGERPRINT) == fingerprint:
            return tag
    except docker.errors.ImageNotFound:
        pass
    entries = collect(interpreter)
    config = {
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
        "Cmd": ["python3"],
        "Labels": {
            FINGERPRINT: fingerprint,
            "org.opencontainers.image.title": "MOROCCO base",
            "org.opencontainers.image.description": f"CPython {platform.python_version()}",
        },
    }
    with tempfile.TemporaryFile() as layer, tempfile.TemporaryFile() as archive:
        write_layer(entries, layer)
        write_archive(layer, config, tag, archive)
        archive.seek(0)
        try:
            client.images.load(archive)
        except docker.errors.DockerException as error:
            raise EngineError(f"the engine does not take the base image: {error}") from error
    return tag


@dataclass(frozen=True)
class Interpreter:
    executable: Path  # the real file, not a venv's link
    stdlib: Path
    version: str  # "3.11"
    prefix: str  # inside the image, no leading slash

    def fingerprint(self) -> str:
        """Changes with the interpreter, its C library and this module's recipe; no file is read."""
        state = self.executable.stat()
        facts = (RECIPE, sys.version, platform.libc_ver(), str(self.stdlib), self.prefix,
                 state.st_size, state.st_mtime_ns)  # fmt: skip
        return hashlib.sha256(repr(facts).encode()).hexdigest()


def find_interpreter() -> Interpreter:
    """The CPython that runs this, seen through a virtual environment."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    executable = Path(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))
    stdlib = Path(os.path.realpath(os.__file__)).parent
    # A distribution's build looks for its library under /usr; any other finds it from its place.
    return Interpreter(
        executable, stdlib, version, "usr" if sys.base_prefix == "/usr" else "usr/local"
    )


Entries = dict[str, Path | bytes | str]  # path in the image -> file, contents, or target of a link


def collect(interpreter: Interpreter) -> Entries:
    """Everything the image holds. Raises MoroccoError where a part of it is not on this machine."""
    version, prefix = interpreter.version, interpreter.prefix
    entries: Entries = {path: text.encode() for path, text in TEXTS.items()}
    entries |= {f"{prefix}/bin/python{version}": interpreter.executable}
    entries |= {f"{prefix}/bin/{name}": f"python{version}" for name in ("python", "python3")}
    for path in _library_files(interpreter.stdlib):
        entries[f"{prefix}/lib/python{version}/{path.relative_to(interpreter.stdlib)}"] = path
    for name in TOOLS:
        tool = _which(name)
        if tool:
            entries[f"bin/{name}"] = tool
        elif name == "sh":
            raise MoroccoError("no shell on this machine", place=LOCAL_BASE)
    return entries | _shared_libraries(
        [path for path in entries.values() if isinstance(path, Path) and _is_elf(path)]
    )


def _library_files(stdlib: Path) -> list[Path]:
    files = []
    for folder, names, leaves in os.walk(stdlib):
        names[:] = [n for n in names if n not in LEFT_OUT and not n.startswith("config-")]
        for leaf in leaves:
            path = Path(folder, leaf)
            unwanted = leaf in LEFT_OUT or leaf.startswith("_tkinter") or leaf.endswith(".a")
            if not unwanted and path.is_file():  # Debian links some into /etc
                files.append(path)
    return files


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _which(name: str) -> Path | None:
    for folder in ("/usr/local/bin", "/usr/bin", "/bin"):
        path = Path(os.path.realpath(f"{folder}/{name}"))
        if path.is_file() and _is_elf(path):
            return path
    return None


def _shared_libraries(binaries: list[Path]) -> Entries:
    """The closure under the dynamic linker, all in the folder that this linker trusts by itself."""
    linker, libraries = _ldd(binaries)
    home = libraries["libc.so.6"].parent if "libc.so.6" in libraries else None
    if linker is None or home is None:
        raise MoroccoError(
            "this Python is not linked to the GNU C library as usual",
            place=LOCAL_BASE,
            hint="name a base image: BASE_IMAGE=python:3.11-slim",
        )
    extra = [
        path
        for name in WHEEL_LIBRARIES
        for path in (home / name, Path("/usr", *home.parts[1:], name))
        if path.exists()
    ]
    libraries |= {path.name: path for path in extra} | _ldd(extra)[1]
    folder = str(home).strip("/")
    entries: Entries = {f"{folder}/{name}": path for name, path in libraries.items()}
    entries[str(linker).strip("/")] = linker
    return entries


def _ldd(binaries: list[Path]) -> tuple[Path | None, dict[str, Path]]:
    """The dynamic linker and the libraries that it would load, by name."""
    try:
        output = subprocess.run(
            ["ldd", *map(str, binaries)], capture_output=True, text=True, check=False
        ).stdout
    except OSError as error:
        raise MoroccoError(f"ldd: {error.strerror}", place=LOCAL_BASE) from error
    linker, libraries = None, {}
    for line in output.splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] == "=>" and words[2].startswith("/"):
            libraries[words[0]] = Path(words[2])
        elif words and line[0] == "\t" and words[0].startswith("/"):
            linker = Path(words[0])
    return linker, libraries


def write_layer(entries: Entries, file: IO[bytes]) -> None:
    """A tar of ``entries`` that depends on names, contents and execute bits alone."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        folders = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o755, "proc": 0o755, "sys": 0o755}
        for path in entries:
            folders |= {str(parent): 0o755 for parent in Path(path).parents if parent.name}
        folders.setdefault("var", 0o755)
        for name in sorted(folders):
            info = _header(name, tarfile.DIRTYPE, folders[name])
            tar.addfile(info)
        for name, entry in sorted(entries.items()):
            if isinstance(entry, str):
                info = _header(name, tarfile.SYMTYPE, 0o777)
                info.linkname = entry
                tar.addfile(info)
            elif isinstance(entry, bytes):
                info = _header(name, tarfile.REGTYPE, 0o644, len(entry))
                tar.addfile(info, io.BytesIO(entry))
            else:
                with entry.open("rb") as source:
                    state = os.fstat(source.fileno())
                    mode = 0o755 if state.st_mode & 0o111 else 0o644
                    tar.addfile(_header(name, tarfile.REGTYPE, mode, state.st_size), source)


def _header(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, size
    return info


def write_archive(
    layer: io.BufferedRandom, config: dict[str, Any], tag: str, file: IO[bytes]
) -> None:
    """What ``docker load`` takes. Unlike ``docker import`` it lets us set the time of creation,
    so that the same contents have the same image id, and it takes all or nothing."""
    layer.seek(0)
    digest = hashlib.file_digest(layer, "sha256").hexdigest()
    size = layer.tell()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
    image = json.dumps(
        {
            "architecture": architecture or platform.machine(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "morocco base"}],
        },
        sort_keys=True,
    ).encode()
    name = f"{hashlib.sha256(image).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f"{digest}/layer.tar"]}]
    layer.seek(0)
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(_header(name, tarfile.REGTYPE, 0o644, len(image)), io.BytesIO(image))
        tar.addfile(_header(f"{digest}/layer.tar", tarfile.REGTYPE, 0o644, size), layer)
        text = json.dumps(manifest).encode()
        tar.addfile(_header("manifest.json", tarfile.REGTYPE, 0o644, len(text)), io.BytesIO(text))


def _split_tag(name: str) -> tuple[str, str | None]:
    """``repository:tag`` apart; without a tag the SDK would pull them all."""
    if "@" in name:
        repository, digest = name.split("@", 1)
        return repository, digest
    head, _, tail = name.rpartition(":")
    return (head, tail) if head and "/" not in tail else (name, "latest")


if __name__ == "__main__":
    print(ensure_base_image(connect(), sys.argv[1] if len(sys.argv) > 1 else None))
