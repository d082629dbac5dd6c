"""Measure one run."""

from pathlib import Path

from morocco.stages.bench import bench
from morocco.stages.progress import announce
from morocco.stages.script import logged
from morocco.suite.model import decode_spec

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        record = bench(
            decode_spec(snakemake.params.spec),
            int(snakemake.wildcards.index),
            input_path=snakemake.input.data,
            input_json=str(Path(snakemake.input.data).with_suffix(".json")),
            image_json=snakemake.input.image,
            results=snakemake.params.results,
        )
    announce(record)
