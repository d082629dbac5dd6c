"""Measure runs that do nothing: the harness's own floor."""

from morocco.stages.bench import null_runs
from morocco.stages.script import logged
from morocco.suite.model import decode_spec

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        null_runs(
            decode_spec(snakemake.params.spec),
            snakemake.params.repeats,
            image_json=snakemake.input.image,
            results=snakemake.params.results,
            out=snakemake.output[0],
        )
