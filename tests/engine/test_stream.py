"""The two ends of a run's streams: frames, bounds, arrivals, disks that fail."""

from __future__ import annotations

import errno
import socket
import struct
from pathlib import Path

import pytest

from morocco.engine.stream import AttachedSocket, Feeder, Reader, summarise_arrivals

MIB = 2**20


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def reader(folder: Path, stdout: int = MIB, stderr: int = MIB) -> Reader:
    return Reader(folder / "out", folder / "err", stdout, stderr)


@pytest.fixture
def link():
    ours, theirs = socket.socketpair()
    yield AttachedSocket(ours), theirs
    ours.close()
    theirs.close()


def take(link, folder: Path, data: bytes, **bounds: int) -> Reader:
    channel, theirs = link
    made = reader(folder, **bounds)
    made.start(channel)
    theirs.sendall(data)
    theirs.close()
    made.join()
    return made


def test_frames_are_told_apart(link, tmp_path):
    data = frame(1, b"one\n") + frame(2, b"oops") + frame(1, b"") + frame(1, b"two\nrest")
    got = take(link, tmp_path, data)
    assert (tmp_path / "out").read_bytes() == b"one\ntwo\nrest"
    assert (tmp_path / "err").read_bytes() == b"oops"
    output = got.output(0.0, None)
    assert (output.lines, output.bytes, output.stderr_bytes) == (3, 12, 4)
    assert output.stderr_tail == "oops"


def test_a_frame_cut_off_is_kept_as_far_as_it_came(link, tmp_path):
    got = take(link, tmp_path, frame(1, b"whole\n") + frame(1, b"abcdef")[:-3])
    assert (tmp_path / "out").read_bytes() == b"whole\nabc"
    assert got.error is None


@pytest.mark.parametrize("stream", [1, 2])
def test_nothing_above_a_bound_is_stored(link, tmp_path, stream):
    got = take(link, tmp_path, frame(stream, b"x" * 60) * 3, stdout=100, stderr=100)
    assert got.overflow
    assert (tmp_path / "out").stat().st_size + (tmp_path / "err").stat().st_size == 60


def test_the_tail_of_stderr_is_short_and_readable(link, tmp_path):
    got = take(
        link, tmp_path, frame(2, b"a" * 5000 + "ё\xff".encode("latin-1", "replace") + b"\xff")
    )
    tail = got.output(0.0, None).stderr_tail
    assert len(tail) <= 2000
    assert tail.endswith("\ufffd")


def test_a_full_disk_is_the_harness_failure(link, tmp_path, monkeypatch):
    def full(self, payload, out):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Reader, "_take_stdout", full)
    channel, theirs = link
    made = reader(tmp_path)
    made.start(channel)
    theirs.sendall(frame(1, b"x"))
    theirs.close()
    with pytest.raises(OSError, match="No space left") as caught:
        made.join()
    assert caught.value.filename == str(tmp_path / "out")
    assert made.overflow  # ends the run


def test_the_feeder_sends_all_and_then_the_end(link, tmp_path):
    channel, theirs = link
    data = bytes(range(256)) * 5000
    (tmp_path / "input").write_bytes(data)
    Feeder(tmp_path / "input").start(channel)
    got = b""
    while part := theirs.recv(65536):
        got += part
    assert got == data


def test_the_feeder_bears_a_model_that_is_gone(link, tmp_path):
    channel, theirs = link
    theirs.close()
    (tmp_path / "input").write_bytes(b"x" * MIB)
    Feeder(tmp_path / "input")._feed(channel)  # returns


# --- arrivals ----------------------------------------------------------------------------------


def test_lines_of_one_flush_arrive_at_one_time():
    got = summarise_arrivals([(1.0, 2), (1.0004, 4), (2.0, 5), (2.5, 10)])
    assert got.distinct_times == 3
    assert (got.first_seconds, got.last_seconds) == (1.0, 2.5)
    assert got.largest_burst == 0.5  # five of ten
    assert got.curve == ((1.0, 4), (2.0, 5), (2.5, 10))


def test_all_at_once_and_none():
    assert summarise_arrivals([(3.0, 100)]).largest_burst == 1.0
    nothing = summarise_arrivals([])
    assert (nothing.distinct_times, nothing.first_seconds, nothing.largest_burst) == (0, None, 0.0)


@pytest.mark.parametrize("count", [199, 200, 201, 399, 400, 401, 12345])
def test_the_curve_is_thinned_and_keeps_its_ends(count):
    got = summarise_arrivals([(n * 0.01, n) for n in range(1, count + 1)])
    assert len(got.curve) <= 200
    assert got.curve[0] == (0.01, 1)
    assert got.curve[-1][1] == count
    assert got.distinct_times == count
    assert sorted(got.curve) == list(got.curve)
