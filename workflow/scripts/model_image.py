"""Build or find one model image and describe it."""

from morocco.stages.images import prepare_image
from morocco.stages.progress import say
from morocco.stages.script import logged

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        image = prepare_image(
            snakemake.params.request,
            snakemake.params.data_root,
            snakemake.params.base,
            snakemake.output[0],
        )
    say(f"image {image.name}")
