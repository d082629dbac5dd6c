"""Threads, device, number type and out-of-memory of torch."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

import folder as hf
import torch


def prepare(args: argparse.Namespace) -> tuple[str, torch.dtype]:
    """Set the threads; return device and number type. Raises BadFolder without the device."""
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    try:
        torch.zeros(1, device=args.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise hf.BadFolder(f"--device {args.device} cannot be used: {reason}") from error
    return args.device, getattr(torch, args.dtype)


@contextlib.contextmanager
def memory_hint(batch_size: int) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).splitlines()[0]
        raise hf.BadFolder(f"out of GPU memory at --batch-size {batch_size}: {reason}") from error
