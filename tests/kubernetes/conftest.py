"""The suite and the S3 server of the storage tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "storage"))

from storage_campaign import folder, s3  # noqa: F401
