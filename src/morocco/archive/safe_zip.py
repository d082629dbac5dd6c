"""Zip archives from strangers: nothing is believed, all is bounded, nothing is written to disk.

The directory is read by `zipfile`, after its size has been bounded; the data is inflated here, as
`zipfile` neither notices data beyond the declared size nor members that lie inside each other.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from morocco.errors import MoroccoError

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most. Sizes in bytes."""

    archive_bytes: int = 1024 * MIB
    members: int = 10_000
    unpacked_bytes: int = 1024 * MIB  # all members together, declared and actual
    member_bytes: int = 256 * MIB
    name_bytes: int = 255
    ratio: int = 250  # unpacked / packed of members above 1 MiB; logs reach about 20


# Magic numbers and endings of archives and compressed files: never a log, so never a member.
_NESTED_MAGIC = (
    b"PK\3\4",
    b"PK\5\6",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\0",
    b"7z\xbc\xaf'\x1c",
    b"Rar!",
    b"\x28\xb5\x2f\xfd",
)
_NESTED_ENDINGS = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".tar", ".jar")

_END = struct.Struct("<4s4H2LH")  # end of central directory
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # classic, strong, masked header
_DESCRIPTOR = 0x8  # CRC and sizes follow the data; the local header holds zeros
_UTF8 = 0x800
_UNICODE_PATH = 0x7075  # extra field that holds a second name


class SafeArchive(Mapping[str, bytes]):
    """Members of a checked archive by name, in stored order; looking one up inflates and checks it.

    Directories are left out. A member that is not what its headers say raises MoroccoError.
    """

    def __init__(
        self,
        path: Path,
        file: IO[bytes],
        *,
        members: dict[str, zipfile.ZipInfo],
        starts: dict[str, int],
        comment: bytes,
        end_offset: int,
    ) -> None:
        self.path = path
        self.comment = comment
        self.end_offset = end_offset  # where the end-of-directory record begins
        self._file = file
        self._members = members
        self._starts = starts

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __getitem__(self, name: str) -> bytes:
        info = self._members[name]
        self._file.seek(self._starts[name])
        packed = self._file.read(info.compress_size)
        place = self.place(name)
        if len(packed) != info.compress_size:
            raise MoroccoError("truncated member", place=place)
        data = packed if info.compress_type == zipfile.ZIP_STORED else _inflate(packed, info, place)
        if len(data) != info.file_size:
            raise MoroccoError(f"{len(data)} bytes, not the declared {info.file_size}", place=place)
        if zlib.crc32(data) != info.CRC:
            raise MoroccoError("checksum differs: the member is damaged", place=place)
        if data.startswith(_NESTED_MAGIC) or data[257:262] == b"ustar":
            raise MoroccoError("an archive within the archive", place=place)
        return data

    def size(self, name: str) -> int:
        """Unpacked size of a member in bytes, as declared (and held to when it is read)."""
        return self._members[name].file_size

    def body_sha256(self) -> str:
        """Of all bytes before the end record, whose comment may state it."""
        digest = hashlib.sha256()
        self._file.seek(0)
        left = self.end_offset
        while left and (chunk := self._file.read(min(left, MIB))):
            digest.update(chunk)
            left -= len(chunk)
        return digest.hexdigest()

    def place(self, name: str, line: int | None = None) -> str:
        """How a member is named in errors: ``logs.zip!logs/parus/1_1_01.jsonl:3``."""
        return _place(self.path, name) + (f":{line}" if line else "")


@contextlib.contextmanager
def open_archive(
    path: str | os.PathLike[str], limits: Limits | None = None
) -> Iterator[SafeArchive]:
    """Open and check a zip archive from an untrusted source.

    Raises MoroccoError that names archive and member for: no zip or a truncated one; zip64,
    several disks, data before the archive or after it; more members or bytes than ``limits``;
    absolute, climbing, NUL, control-character, badly encoded or overlong names; names that are
    equal, also after case folding and Unicode normalisation, or both file and folder; links and
    special files; encryption; methods other than stored and deflate; overlapping members; local
    headers that contradict the directory; compression ratios of bombs; nested archives.
    """
    path = Path(path)
    limits = limits or Limits()
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
            status = os.fstat(file.fileno())
        except OSError as error:
            raise MoroccoError(f"cannot be read: {error.strerror}", place=str(path)) from error
        if not stat.S_ISREG(status.st_mode):
            raise MoroccoError("not a regular file", place=str(path))
        entries, end_offset, comment = _check_end(path, file, status.st_size, limits)
        infos = _directory(path, file)
        if len(infos) != entries:
            raise MoroccoError(
                f"the directory lists {len(infos)} members, the end record {entries}",
                place=str(path),
            )
        members = _check_members(path, infos, limits)
        starts = _check_layout(path, file, infos, end_offset)
        yield SafeArchive(
            path, file, members=members, starts=starts, comment=comment, end_offset=end_offset
        )


def _check_end(path: Path, file: IO[bytes], size: int, limits: Limits) -> tuple[int, int, bytes]:
    """Bound the directory before anything parses it. Returns member count, its end, comment."""
    place = str(path)
    if size > limits.archive_bytes:
        raise MoroccoError(f"{size} bytes, above {limits.archive_bytes}", place=place)
    file.seek(max(0, size - _END.size - 0xFFFF))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise MoroccoError("not a zip archive, or a truncated one", place=place)
    _, disk, start_disk, here, entries, length, offset, comment_length = _END.unpack_from(tail, at)
    comment = tail[at + _END.size :]
    if len(comment) != comment_length:
        raise MoroccoError("data after the archive's end, or a truncated comment", place=place)
    if disk or start_disk or here != entries:
        raise MoroccoError("an archive of several disks", place=place)
    zip64 = at >= 20 and tail[at - 20 : at - 16] == b"PK\6\7"
    if zip64 or entries == 0xFFFF or 0xFFFFFFFF in (length, offset):
        raise MoroccoError("zip64, which no archive within the limits needs", place=place)
    if entries > limits.members:
        raise MoroccoError(f"{entries} members, above {limits.members}", place=place)
    if length > entries * (46 + 3 * limits.name_bytes):
        raise MoroccoError(f"a directory of {length} bytes for {entries} members", place=place)
    end_offset = size - len(tail) + at
    if offset + length != end_offset:
        raise MoroccoError(
            "the directory is not where the end record says: truncated, or data put before it",
            place=place,
        )
    return entries, end_offset, comment


def _directory(path: Path, file: IO[bytes]) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except (
        zipfile.BadZipFile,
        NotImplementedError,  # version needed
        UnicodeDecodeError,
        struct.error,
        ValueError,
        OverflowError,
        OSError,
    ) as error:
        raise MoroccoError(f"damaged zip directory: {error}", place=str(path)) from error


def _check_members(
    path: Path, infos: list[zipfile.ZipInfo], limits: Limits
) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    seen: dict[str, str] = {}  # folded path -> name, files and folders
    files: set[str] = set()
    total = 0
    for info in infos:
        name = info.orig_filename
        place = _place(path, name)
        _check_name(info, limits, place)
        _check_type(info, limits, place)
        total += info.file_size
        if total > limits.unpacked_bytes:
            raise MoroccoError(
                f"more than {limits.unpacked_bytes} bytes unpacked, in all", place=place
            )
        folded = _fold(name.rstrip("/"))
        if folded in seen:
            raise MoroccoError(f"the same name twice (also as {seen[folded]!r})", place=place)
        seen[folded] = name
        if not name.endswith("/"):
            members[name] = info
            files.add(folded)
    for folded, name in seen.items():
        parts = folded.split("/")
        if any("/".join(parts[:depth]) in files for depth in range(1, len(parts))):
            raise MoroccoError("lies in a folder that is a file", place=_place(path, name))
    return members


def _check_name(info: zipfile.ZipInfo, limits: Limits, place: str) -> None:
    name = info.orig_filename
    parts = name.removesuffix("/").split("/")
    if not name or any(part in ("", ".", "..") for part in parts):
        raise MoroccoError("an absolute, climbing or empty path", place=place)
    if "\\" in name or ":" in name:
        raise MoroccoError("a name with a backslash or colon", place=place)
    if any(unicodedata.category(char).startswith("C") for char in name):
        raise MoroccoError("a name with NUL or control characters", place=place)
    if not name.isascii() and not info.flag_bits & _UTF8:
        raise MoroccoError("a name in an unknown encoding", place=place)
    if len(name.encode()) > limits.name_bytes or len(parts) > 16:
        raise MoroccoError("a name too long or too deep", place=place)
    if name.lower().endswith(_NESTED_ENDINGS):
        raise MoroccoError("an archive within the archive", place=place)
    if info.filename != name:  # another name was taken from the extra field
        raise MoroccoError("two names for one member", place=place)
    extra = info.extra
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == _UNICODE_PATH:
            raise MoroccoError("two names for one member", place=place)
        extra = extra[4 + length :]


def _check_type(info: zipfile.ZipInfo, limits: Limits, place: str) -> None:
    folder = info.orig_filename.endswith("/")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        raise MoroccoError("a link or special file", place=place)
    if bool(info.external_attr & 0x10) and not folder:
        raise MoroccoError("a folder that is named as a file", place=place)
    if info.flag_bits & _ENCRYPTED:
        raise MoroccoError("encrypted", place=place)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MoroccoError(f"compression method {info.compress_type}", place=place,
                           hint="pack with plain zip (deflate)")  # fmt: skip
    if folder and info.file_size:
        raise MoroccoError("a folder with content", place=place)
    if info.file_size > limits.member_bytes:
        raise MoroccoError(f"{info.file_size} bytes, above {limits.member_bytes}", place=place)
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        raise MoroccoError("stored, yet packed and unpacked sizes differ", place=place)
    if info.file_size > MIB and info.file_size > limits.ratio * info.compress_size:
        raise MoroccoError(
            f"{info.compress_size} bytes that unpack to {info.file_size}: a bomb", place=place
        )


def _check_layout(
    path: Path, file: IO[bytes], infos: list[zipfile.ZipInfo], end_offset: int
) -> dict[str, int]:
    """Members must lie one after the other. Returns where each member's data starts."""
    starts: dict[str, int] = {}
    free_from = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        place = _place(path, info.orig_filename)
        if not free_from <= info.header_offset <= end_offset - _LOCAL.size:
            raise MoroccoError("overlaps another member", place=place)
        file.seek(info.header_offset)
        header = file.read(_LOCAL.size)
        if len(header) != _LOCAL.size or header[:4] != b"PK\3\4":
            raise MoroccoError("no member at the offset that the directory names", place=place)
        _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(
            header
        )
        if file.read(name_length) != _raw_name(info):
            raise MoroccoError("local header and directory give different names", place=place)
        declared = (info.CRC, info.compress_size, info.file_size)
        late = bool(flags & _DESCRIPTOR) or 0xFFFFFFFF in (packed, size)
        if (
            method != info.compress_type
            or flags & _ENCRYPTED != info.flag_bits & _ENCRYPTED
            or (not late and (crc, packed, size) != declared)
        ):
            raise MoroccoError("local header and directory contradict each other", place=place)
        start = info.header_offset + _LOCAL.size + name_length + extra_length
        free_from = start + info.compress_size
        if free_from > end_offset:
            raise MoroccoError("truncated member, or one that overlaps the directory", place=place)
        starts[info.orig_filename] = start
    return starts


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "ascii")


def _inflate(packed: bytes, info: zipfile.ZipInfo, place: str) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(packed, info.file_size + 1)
    except zlib.error as error:
        raise MoroccoError(f"damaged member: {error}", place=place) from error
    if len(data) > info.file_size:
        raise MoroccoError(f"unpacks to more than the declared {info.file_size}", place=place)
    if not inflater.eof or inflater.unused_data:
        raise MoroccoError("the packed data ends too soon or too late", place=place)
    return data


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _place(path: Path, name: str) -> str:
    """Names of strangers go to terminals: no control characters, no endless lines."""
    shown = name if name.isprintable() else ascii(name)[1:-1]
    return f"{path}!{shown if len(shown) <= 120 else shown[:120] + '…'}"
