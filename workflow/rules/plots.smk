# Timelines: cpu_usage, ram, gpu_usage and gpu_ram of every run of a model, a chart a task.
rule plots:
    input:
        f"{R}/stats/{{model}}",
    output:
        directory(f"{R}/plots/{{model}}"),
    log:
        f"{R}/job-logs/plots/{{model}}.log",
    conda:
        "../../envs/morocco.yaml"
    params:
        tasks=lambda wildcards: list(SUITE.models[wildcards.model].tasks),
        results=R,
    script:
        "../scripts/plots.py"
