"""One job a model: wherever it lands, all runs of that model, then its evidence in one archive.

For places without a file system in common (docs/kubernetes.md), and for clusters where a job a run
costs too much. With a storage plugin as default storage the archives and the board lie there.
"""

import os
import sys
from pathlib import Path

from snakemake.utils import min_version

from morocco.errors import MoroccoError
from morocco.stages.plan import as_text
from morocco.stages.workflow import open_suite

min_version("9.0")

if not workflow.configfiles:

    configfile: "config/config.yaml"


try:
    SUITE = open_suite(config, workflow.configfiles)
except MoroccoError as error:
    print(error, file=sys.stderr)
    raise SystemExit(1) from None

R = SUITE.results
# Where the image of a pod keeps this repository; else the one that this file is part of.
ROOT = os.environ.get("MOROCCO_ROOT") or str(Path(workflow.basedir).parent)
PYTHON = sys.executable


wildcard_constraints:
    model="[a-z0-9][a-z0-9._-]*",


localrules:
    all,
    campaign_board,


rule all:
    default_target: True
    input:
        f"{R}/board",


# The model's own results stay where they were measured, in no output: a lost connection or a failed
# upload costs no run. Another call there goes on, and measures only what is missing.
rule measure_model:
    output:
        f"{R}/archives/{{model}}.zip",
    conda:
        "../envs/morocco.yaml"
    threads: workflow.cores
    params:
        results=lambda wildcards: f"{R}/models/{wildcards.model}",
        suite=lambda wildcards: workflow.configfiles[-1],
        settings=lambda wildcards: as_text(SUITE.models[wildcards.model]),
    shell:
        "{PYTHON} -m snakemake --snakefile {ROOT}/Snakefile"
        " --workflow-profile {ROOT}/profiles/default --configfile {params.suite}"
        " --config results={params.results} --quiet rules reason host"
        " -- {params.results}/stats/{wildcards.model}"
        " && {PYTHON} -m morocco.cli.main submission {params.results}"
        " --model {wildcards.model} --config {params.suite} --incomplete --out {output}"


rule campaign_board:
    input:
        expand(f"{R}/archives/{{model}}.zip", model=SUITE.models),
    output:
        directory(f"{R}/board"),
    conda:
        "../envs/morocco.yaml"
    shell:
        "{PYTHON} -m morocco.cli.main board {input} --out {output}"
