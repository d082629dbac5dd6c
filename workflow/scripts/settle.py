"""Judge all cells of a model; from round 2 on measure again what is wanted."""

from morocco.stages.progress import say
from morocco.stages.script import logged
from morocco.stages.settle import run_settle

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        states = run_settle(
            snakemake.params.cells,
            snakemake.params.screening,
            int(snakemake.wildcards.get("round", 1)),
            results=snakemake.params.results,
            previous=snakemake.input.get("previous"),
            out=snakemake.output[0],
        )
    open_cells = [state for state in states if not state.settled]
    round = snakemake.wildcards.get("round", 1)
    model = snakemake.wildcards.model
    say(f"screening {model}, round {round}: {len(open_cells)} of {len(states)} cells open")
