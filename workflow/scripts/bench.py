"""Measure one run. A plain program: Snakemake's `script:` would import Snakemake for every run."""

import argparse
import os
import sys
from pathlib import Path

from morocco.stages.bench import bench
from morocco.stages.progress import announce
from morocco.stages.script import logged
from morocco.suite.model import decode_spec

parser = argparse.ArgumentParser(description=__doc__)
for name in ("log", "spec", "data", "image", "results"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--index", type=int, required=True)

if __name__ == "__main__":
    args = parser.parse_args()
    with logged(args.log):
        record = bench(
            decode_spec(args.spec),
            args.index,
            input_path=args.data,
            input_json=str(Path(args.data).with_suffix(".json")),
            image_json=args.image,
            results=args.results,
        )
    announce(record)
    # Taking Python down in good order would cost every run 40 ms; the kernel frees as well.
    sys.stdout.flush()
    os._exit(0)
