"""Make one input file."""

from morocco.stages.inputs import prepare_input
from morocco.stages.script import logged

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        prepare_input(
            snakemake.params.data_root,
            snakemake.wildcards.task,
            int(snakemake.wildcards.input_size),
            snakemake.output.data,
            snakemake.output.description,
        )
