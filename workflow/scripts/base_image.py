"""Take, pull or make the base image."""

from morocco.stages.images import prepare_base
from morocco.stages.progress import say
from morocco.stages.script import logged

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        image = prepare_base(snakemake.params.wanted, snakemake.output[0])
    say(f"base image {image.name}")
