# Screening in static rounds: the whole plan is visible, and a settled model is not looked at again.


rule screen:
    input:
        lambda wildcards: PLAN.records(wildcards.model),
    output:
        f"{R}/cells/{{model}}.round1.json",
    log:
        f"{R}/job-logs/cells/{{model}}.round1.log",
    conda:
        "../../envs/morocco.yaml"
    params:
        cells=lambda wildcards: PLAN.cells_text(wildcards.model),
        screening=PLAN.screening_text(),
        results=PLAN.folder,
    script:
        "../scripts/settle.py"


# Measures again what the round before left invalid or lying apart; else it only hands on.
rule settle:
    input:
        previous=lambda w: f"{R}/cells/{w.model}.round{int(w.round) - 1}.json",
    output:
        f"{R}/cells/{{model}}.round{{round}}.json",
    log:
        f"{R}/job-logs/cells/{{model}}.round{{round}}.log",
    wildcard_constraints:
        round="[2-9]",
    conda:
        "../../envs/morocco.yaml"
    threads: workflow.cores
    params:
        cells=lambda wildcards: PLAN.cells_text(wildcards.model),
        screening=PLAN.screening_text(),
        results=PLAN.folder,
    script:
        "../scripts/settle.py"
