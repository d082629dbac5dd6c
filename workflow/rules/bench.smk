# Measured runs. `threads: workflow.cores` keeps everything else off the machine meanwhile.
# All images, then all cold starts come first by their priority alone. No `ancient` input for that:
# where its job has to run, Snakemake no longer looks whether the params of what follows changed.
# Each input more costs the plan of 54,000 runs several seconds, and so does each function.
ARCHIVE = PLAN.archive if SUITE.image_archives else []
# No parameter: its function would be asked for every run.
RESULTS = shlex.quote(R).replace("{", "{{").replace("}", "}}")
RUN = f"{R}/logs/{{model}}/{{task}}/{{input_size}}_{{batch_size}}_{{index}}"


rule bench:
    input:
        data=f"{R}/inputs/{{task}}/{{input_size}}.jsonl",
        image=f"{R}/images/{{model}}/{{task}}.json",
        archive=ARCHIVE,
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
    shell:
        f"{PYTHON} {SCRIPTS}/bench.py --log {{log:q}} --spec {{params.spec:q}} "
        "--index {wildcards.index} --data {input.data:q} --image {input.image:q} "
        f"--results {RESULTS}"


rule cold_start:
    input:
        data=lambda w: PLAN.input_file(w.task, PLAN.init(w).input_size),
        description=lambda w: PLAN.input_file(w.task, PLAN.init(w).input_size, "json"),
        image=f"{R}/images/{{model}}/{{task}}.json",
        archive=ARCHIVE,
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
    shell:
        f"{PYTHON} {SCRIPTS}/cold_start.py --log {{log:q}} --spec {{params.spec:q}} "
        "--repeats {params.repeats} --data {input.data:q} --image {input.image:q} "
        f"--results {RESULTS} --out {{output:q}}"


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
