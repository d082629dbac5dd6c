# Publishing: push every task image to the config's registry. Not part of `all`: make publish.
rule publish_image:
    input:
        f"{R}/images/{{model}}/{{task}}.json",
    output:
        f"{R}/published/{{model}}/{{task}}.json",
    log:
        f"{R}/job-logs/published/{{model}}/{{task}}.log",
    conda:
        "../../envs/morocco.yaml"
    params:
        registry=SUITE.registry,
    script:
        "../scripts/publish_image.py"


rule publish:
    input:
        [
            f"{R}/published/{m.name}/{t}.json"
            for m in SUITE.models.values()
            for t in m.tasks
        ],
