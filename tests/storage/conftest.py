"""Fixtures of ``storage_campaign``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from storage_campaign import folder, s3  # noqa: F401
