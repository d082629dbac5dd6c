"""Measure the cold starts of one image; it is warm afterwards."""

from morocco.stages.bench import cold_start
from morocco.stages.progress import describe, say
from morocco.stages.script import logged
from morocco.suite.model import decode_spec

if "snakemake" in globals():
    with logged(snakemake.log[0]):
        records = cold_start(
            decode_spec(snakemake.params.spec),
            snakemake.params.repeats,
            input_path=snakemake.input.data,
            input_json=snakemake.input.description,
            image_json=snakemake.input.image,
            results=snakemake.params.results,
            out=snakemake.output[0],
        )
    for record in records:
        say(f"cold start {describe(record)}")
