"""Put the images of one model into an archive that other nodes can load."""

from morocco.stages.images import archive_images
from morocco.stages.script import logged

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        archive_images(list(snakemake.input), snakemake.output[0])
