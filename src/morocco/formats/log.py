"""MOROCCO's run log: JSON lines of five fields, one sample a line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from morocco.errors import MoroccoError
from morocco.formats.files import atomic_writer

MAX_LINE_BYTES = 4096  # five numbers: anything longer is not a log


@dataclass(frozen=True)
class Sample:
    """State of one container at one moment. None: not known, never 0."""

    timestamp: float  # s since the epoch
    cpu_usage: float | None  # cores (1.0 = one core), mean since the sample before
    ram: int | None  # bytes
    gpu_usage: float | None  # 0..1
    gpu_ram: int | None  # bytes


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    timestamp: float
    cpu_usage: float | None
    ram: int | None
    gpu_usage: float | None
    gpu_ram: int | None


_decoder = msgspec.json.Decoder(_Row)


def encode_log(samples: Iterable[Sample]) -> bytes:
    return b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples)


def write_log(path: str | os.PathLike[str], samples: Iterable[Sample]) -> None:
    with atomic_writer(path) as file:
        file.write(encode_log(samples))


def decode_log(data: bytes, place: str) -> list[Sample]:
    """Parse and check one log.

    Raises MoroccoError with the line for truncated JSON, wrong or missing fields, values out of
    range, times that run backwards, and an empty log.
    """
    samples: list[Sample] = []
    for number, line in enumerate(data.splitlines(), 1):
        where = f"{place}:{number}"
        if len(line) > MAX_LINE_BYTES:
            raise MoroccoError(f"line of {len(line)} bytes, not a log sample", place=where)
        if not line.strip():
            raise MoroccoError("empty line", place=where)
        try:
            row = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MoroccoError(f"not a log sample: {error}", place=where) from error
        sample = Sample(row.timestamp, row.cpu_usage, row.ram, row.gpu_usage, row.gpu_ram)
        _check_ranges(sample, where)
        if samples and sample.timestamp < samples[-1].timestamp:
            raise MoroccoError("time runs backwards", place=where)
        samples.append(sample)
    if not samples:
        raise MoroccoError("empty log: not one sample", place=place)
    return samples


def read_log(path: str | os.PathLike[str]) -> list[Sample]:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise MoroccoError(f"cannot be read: {error.strerror}", place=str(path)) from error
    return decode_log(data, str(path))


def wall_seconds(samples: Sequence[Sample]) -> float:
    """Time from first to last sample, which in our logs are container start and exit."""
    return samples[-1].timestamp - samples[0].timestamp


def _check_ranges(sample: Sample, where: str) -> None:
    if not 0 < sample.timestamp < 1e11:
        raise MoroccoError(f"timestamp {sample.timestamp} is no time since the epoch", place=where)
    for name in ("cpu_usage", "ram", "gpu_usage", "gpu_ram"):
        value = getattr(sample, name)
        if value is not None and not 0 <= value < 1e18:
            raise MoroccoError(f"{name} is {value}", place=where)
