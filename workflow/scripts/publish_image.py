"""Push one task image."""

from morocco.stages.publish import publish_image
from morocco.stages.script import logged

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        publish_image(
            snakemake.input[0],
            snakemake.params.registry,
            snakemake.wildcards.model,
            snakemake.wildcards.task,
            snakemake.output[0],
        )
