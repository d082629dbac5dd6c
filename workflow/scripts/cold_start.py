"""Measure the cold starts of one image; it is warm afterwards. A plain program, as bench.py is."""

import argparse
from pathlib import Path

from morocco.stages.bench import cold_start
from morocco.stages.progress import describe, say
from morocco.stages.script import logged
from morocco.suite.model import decode_spec

parser = argparse.ArgumentParser(description=__doc__)
for name in ("log", "spec", "data", "image", "results", "out"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--repeats", type=int, required=True)

if __name__ == "__main__":
    args = parser.parse_args()
    with logged(args.log):
        records = cold_start(
            decode_spec(args.spec),
            args.repeats,
            input_path=args.data,
            input_json=str(Path(args.data).with_suffix(".json")),
            image_json=args.image,
            results=args.results,
            out=args.out,
        )
    for record in records:
        say(f"cold start {describe(record)}")
