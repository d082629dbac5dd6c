# Timelines: cpu_usage, ram, gpu_usage and gpu_ram of every run of a model, a chart a task.
rule plots:
    input:
        f"{R}/stats/{{model}}",
    output:
        report(
            directory(f"{R}/plots/{{model}}"),
            patterns=["{task}.svg"],
            category="Timelines of every run",
            subcategory="{model}",
            labels={"task": "{task}"},
            caption="../report/timeline.rst",
        ),
    log:
        f"{R}/job-logs/plots/{{model}}.log",
    conda:
        "../../envs/morocco.yaml"
    params:
        tasks=lambda wildcards: list(SUITE.models[wildcards.model].tasks),
        results=PLAN.folder,
    script:
        "../scripts/plots.py"
