"""Build or find one model image and describe it. A plain program, as bench.py is."""

import argparse

from morocco.stages.images import prepare_image
from morocco.stages.progress import say
from morocco.stages.script import logged

parser = argparse.ArgumentParser(description=__doc__)
for name in ("log", "request", "data-root", "base", "out"):
    parser.add_argument(f"--{name}", required=True)

if __name__ == "__main__":
    args = parser.parse_args()
    with logged(args.log):
        image = prepare_image(args.request, args.data_root, args.base, args.out)
    say(f"image {image.name}")
