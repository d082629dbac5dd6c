"""Scores and statistics of one model."""

from morocco.stages.progress import say
from morocco.stages.script import logged
from morocco.stages.stats import run_stats

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        run_stats(snakemake.params.settings, snakemake.input[0], snakemake.params.results)
    say(f"statistics of {snakemake.wildcards.model}")
