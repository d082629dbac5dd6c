"""Draw the timelines of one model."""

from morocco.charts.plot import plot_model
from morocco.stages.progress import say
from morocco.stages.script import logged

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        plot_model(
            snakemake.params.results,
            snakemake.wildcards.model,
            snakemake.params.tasks,
            snakemake.output[0],
        )
    say(f"timelines of {snakemake.wildcards.model}")
