"""Fetch the official Russian SuperGLUE archive into data/official, as the config says.

Reads data.official_url and data.official_sha256; nothing else of the config need be valid yet.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from morocco.archive.official import fetch_official
from morocco.errors import MoroccoError
from morocco.suite.places import read_yaml

PROGRESS_SECONDS = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"))
    parser.add_argument("--target", type=Path, default=Path("data/official"))
    args = parser.parse_args()
    try:
        url, sha256 = settings(args.config)
        fetched = fetch_official(url, sha256, args.target, progress=Meter())
    except MoroccoError as error:
        print(f"fetch_data: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{args.target}: {len(fetched.files)} splits, archive SHA-256 {fetched.sha256}")
    if sha256 is None:
        print(
            f"Not verified: {args.config} names no SHA-256. If you trust this archive, record\n"
            f"  data:\n    official_sha256: {fetched.sha256}"
        )
    print(f"To measure on it: data.root: {args.target}")
    return 0


def settings(config: Path) -> tuple[str, str | None]:
    """data.official_url and data.official_sha256 of the config."""
    content, places = read_yaml(config)
    data: Any = content.get("data") if isinstance(content, dict) else None
    url = data.get("official_url") if isinstance(data, dict) else None
    if not isinstance(url, str):
        raise MoroccoError("no address", place=places.of(("data", "official_url")))
    sha256 = data.get("official_sha256")
    if sha256 is not None and not (isinstance(sha256, str) and len(sha256) == 64):
        place = places.of(("data", "official_sha256"))
        raise MoroccoError(f"{sha256!r} is no SHA-256", place=place, hint="64 hex digits or null")
    return url, sha256.lower() if sha256 else None


class Meter:
    """Says every few seconds how far the transfer is."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, got: int, size: int | None) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_SECONDS
            share = f" of {size / 1e6:.0f} MB" if size else " MB"
            print(f"fetched {got / 1e6:.0f}{share}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
