"""Lay the weights of an image in place: the folder that was given, or a shape's random ones."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import folder as hf
import random_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--given", type=Path, required=True)
    parser.add_argument("--shape", required=True, help="may be empty")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if (args.given / "config.json").is_file():
        if args.shape:
            raise SystemExit("error: both WEIGHTS and SHAPE are given, the image needs one")
        try:
            hf.read_facts(args.given)
            hf.load_tokenizer(args.given)
        except hf.BadFolder as error:
            raise SystemExit(f"error: {error}") from error
        shutil.copytree(args.given, args.out, ignore=shutil.ignore_patterns("Dockerfile"))
    elif args.shape in random_weights.SHAPES:
        random_weights.make(args.shape, args.seed, args.texts, args.out)
    else:
        raise SystemExit(
            "error: no weights; the build argument WEIGHTS names a Hugging Face folder, or SHAPE "
            f"one of {', '.join(sorted(random_weights.SHAPES))}"
        )


if __name__ == "__main__":
    main()
