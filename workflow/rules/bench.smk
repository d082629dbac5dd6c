# Measured runs. `threads: workflow.cores` keeps everything else off the machine meanwhile.
# All images, then all cold starts come first by their priority alone. No `ancient` input for that:
# where its job has to run, Snakemake no longer looks whether the params of what follows changed.
# Each input more costs the plan of 54,000 runs several seconds.
import shlex
import sys

PYTHON = (
    "python"
    if workflow.deployment_settings.deployment_method
    else shlex.quote(sys.executable)
)
SCRIPTS = shlex.quote(f"{workflow.basedir}/workflow/scripts")
RUN = f"{R}/logs/{{model}}/{{task}}/{{input_size}}_{{batch_size}}_{{index}}"


rule bench:
    input:
        data=f"{R}/inputs/{{task}}/{{input_size}}.jsonl",
        image=f"{R}/images/{{model}}/{{task}}.json",
        archive=PLAN.archive,
    output:
        log=f"{RUN}.jsonl",
        record=f"{RUN}.json",
        predictions=f"{RUN}.predictions",
        stderr=f"{RUN}.stderr",
    log:
        f"{R}/job-logs/bench/{{model}}/{{task}}/{{input_size}}_{{batch_size}}_{{index}}.log",
    priority: PLAN.priority
    conda:
        "../../envs/morocco.yaml"
    threads: workflow.cores
    params:
        spec=PLAN.bench_spec,
        results=PLAN.folder,
    shell:
        f"{PYTHON} {SCRIPTS}/bench.py --log {{log:q}} --spec {{params.spec:q}} "
        "--index {wildcards.index} --data {input.data:q} --image {input.image:q} "
        "--results {params.results:q}"


rule cold_start:
    input:
        data=lambda w: PLAN.input_file(w.task, PLAN.init(w).input_size),
        description=lambda w: PLAN.input_file(w.task, PLAN.init(w).input_size, "json"),
        image=f"{R}/images/{{model}}/{{task}}.json",
        archive=PLAN.archive,
    output:
        f"{R}/cold/{{model}}/{{task}}.json",
    log:
        f"{R}/job-logs/cold/{{model}}/{{task}}.log",
    priority: BEFORE_ALL_RUNS - 1
    conda:
        "../../envs/morocco.yaml"
    threads: workflow.cores
    params:
        spec=PLAN.init_spec,
        repeats=SUITE.warmup.cold_starts,
        results=PLAN.folder,
    script:
        "../scripts/cold_start.py"


rule null_runs:
    input:
        image=PLAN.base_file,
        archive=PLAN.base_archive(),
    output:
        f"{R}/null/floor.json",
    log:
        f"{R}/job-logs/null.log",
    conda:
        "../../envs/morocco.yaml"
    threads: workflow.cores
    params:
        spec=PLAN.null_spec_text(),
        repeats=SUITE.null_runs,
        results=PLAN.folder,
    script:
        "../scripts/null_runs.py"
