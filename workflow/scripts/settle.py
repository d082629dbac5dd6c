"""Judge all cells of a model; from round 2 on measure again what is wanted."""

from morocco.stages.script import logged
from morocco.stages.settle import run_settle

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        run_settle(
            snakemake.params.cells,
            snakemake.params.screening,
            int(snakemake.wildcards.get("round", 1)),
            results=snakemake.params.results,
            previous=snakemake.input.get("previous"),
            out=snakemake.output[0],
        )
