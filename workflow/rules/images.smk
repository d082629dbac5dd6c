# On a cluster all of this happens where the workflow was called: one engine has every image then.
localrules:
    base_image,
    model_image,
    image_archive,
    images,


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
    shell:
        f"{PYTHON} {SCRIPTS}/model_image.py --log {{log:q}} --request {{params.request:q}} "
        "--data-root {params.data_root:q} --base {params.base:q} --out {output:q}"


# For other nodes: an archive a model in the results' own storage.
rule image_archive:
    input:
        lambda wildcards: PLAN.archived(wildcards.name),
    output:
        f"{R}/images/archives/{{name}}.tar",
    log:
        f"{R}/job-logs/images/{{name}}.archive.log",
    wildcard_constraints:
        name="[a-z0-9_][a-z0-9._-]*",
    priority: BEFORE_ALL_RUNS
    conda:
        "../../envs/morocco.yaml"
    script:
        "../scripts/image_archive.py"


# All of them and nothing else: make images.
rule images:
    input:
        PLAN.image_files(),
        PLAN.archives(),
    output:
        touch(f"{R}/images/ready"),
    priority: BEFORE_ALL_RUNS
