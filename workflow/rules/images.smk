# Images: the base, what is built on it, and a description of every image that is measured.
rule base_image:
    output:
        PLAN.base_file,
    log:
        f"{R}/job-logs/images/base.log",
    priority: BEFORE_ALL_RUNS
    conda:
        "../../envs/morocco.yaml"
    params:
        wanted=SUITE.base_image,
    script:
        "../scripts/base_image.py"


rule model_image:
    input:
        PLAN.image_sources,
    output:
        f"{R}/images/{{model}}/{{task}}.json",
    log:
        f"{R}/job-logs/images/{{model}}/{{task}}.log",
    priority: BEFORE_ALL_RUNS
    conda:
        "../../envs/morocco.yaml"
    params:
        request=PLAN.image_text,
        data_root=SUITE.data_root,
        base=PLAN.base_file,
    script:
        "../scripts/model_image.py"


# Every image is there before any run starts: a missing one is named at once.
rule images:
    input:
        PLAN.image_files(),
    output:
        touch(f"{R}/images/ready"),
    priority: BEFORE_ALL_RUNS
