"""MOROCCO: what a language model costs to run. This file is the table of contents."""

from snakemake.utils import min_version

min_version("9.0")


# A suite of one's own (--configfile) replaces the default; it never mixes with it.
if not workflow.configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/suite.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/bench.smk"
include: "workflow/rules/screen.smk"
include: "workflow/rules/stats.smk"
include: "workflow/rules/plots.smk"
include: "workflow/rules/leaderboard.smk"
include: "workflow/rules/publish.smk"


localrules:
    all,
    publish,


rule all:
    default_target: True
    input:
        PLAN.input_files(),
        PLAN.records(),
        PLAN.floor(),
        expand(f"{R}/plots/{{model}}", model=SUITE.models),
        BOARD,
        [f"{R}/board/{name}" for name in SHOWN],
