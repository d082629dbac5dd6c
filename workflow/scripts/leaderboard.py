"""Build the board of the suite's models."""

from morocco.board.write import write_board
from morocco.stages.progress import say
from morocco.stages.script import logged

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        write_board(
            [snakemake.params.results], snakemake.params.out, models=snakemake.params.models
        )
    say(f"leaderboard in {snakemake.params.out}")
