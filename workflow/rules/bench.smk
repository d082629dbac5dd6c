# Measured runs. `threads: workflow.cores` keeps everything else off the machine meanwhile.
# `ancient`: a new cold start makes no measurement stale. A cold start waits for all images, and so
# does every run; each input more costs the plan of 54,000 runs several seconds.
RUN = f"{R}/logs/{{model}}/{{task}}/{{input_size}}_{{batch_size}}_{{index}}"


rule bench:
    input:
        data=f"{R}/inputs/{{task}}/{{input_size}}.jsonl",
        image=f"{R}/images/{{model}}/{{task}}.json",
        cold=ancient(f"{R}/cold/{{model}}/{{task}}.json"),
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
        results=R,
    script:
        "../scripts/bench.py"


rule cold_start:
    input:
        data=lambda w: PLAN.input_file(w.task, PLAN.init(w).input_size),
        description=lambda w: PLAN.input_file(w.task, PLAN.init(w).input_size, "json"),
        image=f"{R}/images/{{model}}/{{task}}.json",
        ready=ancient(f"{R}/images/ready"),
    output:
        f"{R}/cold/{{model}}/{{task}}.json",
    log:
        f"{R}/job-logs/cold/{{model}}/{{task}}.log",
    priority: BEFORE_ALL_RUNS
    conda:
        "../../envs/morocco.yaml"
    threads: workflow.cores
    params:
        spec=PLAN.init_spec,
        repeats=SUITE.warmup.cold_starts,
        results=R,
    script:
        "../scripts/cold_start.py"


rule null_runs:
    input:
        image=PLAN.base_file,
        ready=ancient(f"{R}/images/ready"),
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
        results=R,
    script:
        "../scripts/null_runs.py"
