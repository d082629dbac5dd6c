"""Fixtures of ``slurm_campaign``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from slurm_campaign import slurm, workspace  # noqa: F401
