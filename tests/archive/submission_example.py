"""What the tests of this folder share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from morocco.archive.manifest import Manifest


@dataclass(frozen=True)
class Example:
    results: Path
    archive: Path
    members: dict[str, bytes]
    manifest: Manifest
