"""Every kind of hostile archive gets an error that names archive and member."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from morocco.archive.safe_zip import Limits, open_archive
from morocco.errors import MoroccoError

LOG = b'{"timestamp": 1.5}\n' * 20
NAME = "logs/parus/1_1_01.jsonl"


def make(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def info(name: str, mode: int = 0, **attributes: object) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    for key, value in attributes.items():
        setattr(member, key, value)
    return member


def read_all(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    with open_archive(path, limits) as archive:
        return dict(archive)


def refuse(path: Path, message: str, limits: Limits | None = None) -> None:
    with pytest.raises(MoroccoError, match=message) as caught:
        read_all(path, limits)
    assert path.name in str(caught.value)


def patch(path: Path, change: Callable[[bytearray], None]) -> Path:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(bytes(data))
    return path


def test_a_plain_archive_reads_whole_and_in_order(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", ("logs/", b""), ("logs/b", LOG), ("logs/a", b""), ("имя", b"x"))
    assert list(read_all(path).items()) == [("logs/b", LOG), ("logs/a", b""), ("имя", b"x")]
    with open_archive(path) as archive:
        assert archive.size("logs/b") == len(LOG)
        assert archive.place("logs/b", 3) == f"{path}!logs/b:3"


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../x", "logs/../../x", "logs//x", "./x", "logs/./x", "..", "a\\b", "C:x"],
)
def test_paths_that_leave_the_archive(tmp_path: Path, name: str) -> None:
    refuse(make(tmp_path / "a.zip", (info(name), LOG)), "climbing|backslash")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "a\u202eb"])
def test_names_that_play_with_terminals(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / "a.zip", (info(name), LOG))
    with pytest.raises(MoroccoError, match="control") as caught:
        read_all(path)
    assert str(caught.value).isprintable()


def test_a_name_with_nul(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", ("abXcd", LOG))
    patch(path, lambda data: data.__setitem__(slice(None), data.replace(b"abXcd", b"ab\0cd")))
    refuse(path, "NUL")


@pytest.mark.parametrize("raw", ["имa".encode(), "имa".encode("cp866") + b"\xff\xff"])
def test_names_in_an_unknown_encoding(tmp_path: Path, raw: bytes) -> None:
    path = make(tmp_path / "a.zip", ("abXcd", LOG))
    patch(path, lambda data: data.__setitem__(slice(None), data.replace(b"abXcd", raw)))
    refuse(path, "encoding")


def test_names_that_are_no_utf8_though_they_say_so(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", ("имa", LOG))
    assert list(read_all(path)) == ["имa"]
    patch(path, lambda data: data.__setitem__(slice(None), data.replace("и".encode(), b"\xff\xfe")))
    refuse(path, "damaged zip directory")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_special_files(tmp_path: Path, mode: int) -> None:
    refuse(make(tmp_path / "a.zip", (info(NAME, mode | 0o777), b"/etc/passwd")), "link or special")


@pytest.mark.parametrize(
    "names",
    [("a", "a"), ("a", "A"), ("ﬁ", "fi"), ("é", "e\u0301"), ("ß", "SS"), ("a", "a/"), ("A", "a/b")],
)
def test_names_that_collide(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.MonkeyPatch.context() as context:
        context.setattr("warnings.warn", lambda *args, **kwargs: None)
        path = make(tmp_path / "a.zip", *((name, b"") for name in names))
    refuse(path, "same name twice|folder that is a file")


def test_bounds_on_members_and_bytes(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", *((f"m{n}", b"x" * 100) for n in range(20)))
    assert len(read_all(path)) == 20
    refuse(path, "20 members, above 19", Limits(members=19))
    refuse(path, "more than 1999 bytes unpacked", Limits(unpacked_bytes=1999))
    refuse(path, "100 bytes, above 99", Limits(member_bytes=99))
    refuse(path, "above 64", Limits(archive_bytes=64))
    refuse(path, "too long", Limits(name_bytes=2))


def test_default_bound_of_ten_thousand_members(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(10_001):
            archive.writestr(zipfile.ZipInfo(f"m{n}"), b"")
    refuse(path, "10001 members, above 10000")


def test_a_bomb_by_ratio(tmp_path: Path) -> None:
    refuse(make(tmp_path / "a.zip", (NAME, bytes(2 << 20))), "a bomb")


def test_a_gibibyte_that_is_declared_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", ("a", LOG), ("b", LOG), ("c", LOG), ("d", LOG), ("e", LOG))

    def lie(data: bytearray) -> None:
        at = data.find(b"PK\1\2")
        while at >= 0:
            struct.pack_into("<L", data, at + 20, 4 << 20)  # packed, to stay below the ratio
            struct.pack_into("<L", data, at + 24, 250 << 20)
            at = data.find(b"PK\1\2", at + 1)

    refuse(patch(path, lie), "more than 1073741824 bytes unpacked")


@pytest.mark.parametrize("change", [-1, 1, 1000])
def test_declared_size_is_not_the_actual(tmp_path: Path, change: int) -> None:
    path = make(tmp_path / "a.zip", (NAME, LOG))

    def lie(data: bytearray) -> None:
        struct.pack_into("<L", data, data.find(b"PK\1\2") + 24, len(LOG) + change)
        struct.pack_into("<L", data, data.find(b"PK\3\4") + 22, len(LOG) + change)

    refuse(patch(path, lie), "declared")


def test_data_hidden_behind_the_packed_stream(tmp_path: Path) -> None:
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(LOG) + packer.flush() + b"hidden"
    path = make(tmp_path / "a.zip", (info(NAME, compress_type=zipfile.ZIP_STORED), packed))

    def lie(data: bytearray) -> None:
        central, local = data.find(b"PK\1\2"), data.find(b"PK\3\4")
        for at in (central + 10, local + 8):
            struct.pack_into("<H", data, at, zipfile.ZIP_DEFLATED)
        for at in (central + 16, local + 14):
            struct.pack_into("<L", data, at, zlib.crc32(LOG))
        for at in (central + 24, local + 22):
            struct.pack_into("<L", data, at, len(LOG))

    refuse(patch(path, lie), "too soon or too late")


def test_a_quoted_bomb_whose_members_share_their_data(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", ("a", LOG), ("b", LOG))

    def share(data: bytearray) -> None:
        second = data.find(b"PK\1\2", data.find(b"PK\1\2") + 1)
        struct.pack_into("<L", data, second + 42, 0)

    refuse(patch(path, share), "overlaps")


def test_local_header_with_another_name_or_size(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", (NAME, LOG))
    patch(path, lambda data: data.__setitem__(30, ord("x")))
    refuse(path, "different names")
    path = make(tmp_path / "b.zip", (NAME, LOG))
    patch(path, lambda data: struct.pack_into("<L", data, 22, 7))
    refuse(path, "contradict")


@pytest.mark.parametrize("bit", [0x1, 0x41, 0x2000])
def test_encrypted(tmp_path: Path, bit: int) -> None:
    path = make(tmp_path / "a.zip", (NAME, LOG))

    def mark(data: bytearray) -> None:
        struct.pack_into("<H", data, data.find(b"PK\1\2") + 8, bit)

    refuse(patch(path, mark), "encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(NAME, LOG)
    refuse(path, "compression method")


def test_nested_archives_by_name_and_by_content(tmp_path: Path) -> None:
    inner = make(tmp_path / "inner", (NAME, LOG)).read_bytes()
    refuse(make(tmp_path / "a.zip", ("logs/more.ZIP", inner)), "archive within")
    refuse(make(tmp_path / "b.zip", (NAME, inner)), "archive within")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    refuse(make(tmp_path / "c.zip", (NAME, tar.getvalue())), "archive within")


def test_zip64_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", (NAME, LOG))

    def grow(data: bytearray) -> None:
        end = data.rfind(b"PK\5\6")
        struct.pack_into("<HH", data, end + 8, 0xFFFF, 0xFFFF)

    refuse(patch(path, grow), "zip64")
    path = make(tmp_path / "b.zip", (NAME, LOG))

    def locate(data: bytearray) -> None:
        end = data.rfind(b"PK\5\6")
        data[end:end] = b"PK\6\7" + bytes(16)

    refuse(patch(path, locate), "zip64")


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.zip", (NAME, LOG), ("b", LOG)).read_bytes()
    for length in range(len(whole)):
        path = tmp_path / "cut.zip"
        path.write_bytes(whole[:length])
        refuse(path, "not a zip|truncated|damaged")


def test_data_before_and_after(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.zip", (NAME, LOG)).read_bytes()
    for data in (b"#!/bin/sh\n" + whole, whole + b"x"):
        (tmp_path / "b.zip").write_bytes(data)
        refuse(tmp_path / "b.zip", "before it|after the")


def test_what_is_no_file(tmp_path: Path) -> None:
    refuse(tmp_path / "missing.zip", "No such file")
    refuse(tmp_path, "directory")
    (tmp_path / "text.zip").write_text("no zip")
    refuse(tmp_path / "text.zip", "not a zip")
