# Inputs: the measured split of a task, cycled to a size.
from morocco.tasks.registry import TASKS


localrules:
    input,


rule input:
    input:
        lambda wildcards: f"{SUITE.data_root}/{TASKS[wildcards.task].eval_file}",
    output:
        data=f"{R}/inputs/{{task}}/{{input_size}}.jsonl",
        description=f"{R}/inputs/{{task}}/{{input_size}}.json",
    log:
        f"{R}/job-logs/inputs/{{task}}/{{input_size}}.log",
    priority: BEFORE_ALL_RUNS
    conda:
        "../../envs/morocco.yaml"
    params:
        data_root=SUITE.data_root,
    script:
        "../scripts/input.py"
