# Scores and statistics, one job a model.
rule stats:
    input:
        f"{R}/cells/{{model}}.round{SUITE.screening.rounds}.json",
        lambda wildcards: PLAN.cold_files(wildcards.model),
    output:
        stats=directory(f"{R}/stats/{{model}}"),
        scores=directory(f"{R}/scores/{{model}}"),
    log:
        f"{R}/job-logs/stats/{{model}}.log",
    conda:
        "../../envs/morocco.yaml"
    params:
        settings=lambda wildcards: PLAN.stats_text(wildcards.model),
        results=PLAN.folder,
    script:
        "../scripts/stats.py"
