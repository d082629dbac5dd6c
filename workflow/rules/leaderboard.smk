# The board: tables, the page, the charts over all models.
BOARD = [f"leaderboard.{suffix}" for suffix in ("csv", "json", "md", "html")]
BOARD += ["tasks.csv"] + [f"card.{suffix}" for suffix in ("csv", "json", "md", "html")]
BOARD += [
    f"{chart}.{suffix}"
    for chart in ("disc", "compare", "memory")
    for suffix in ("json", "svg", "png", "html")
]


rule leaderboard:
    input:
        [f"{R}/stats/{model}" for model in SUITE.models],
    output:
        [f"{R}/board/{name}" for name in BOARD],
    log:
        f"{R}/job-logs/board.log",
    conda:
        "../../envs/morocco.yaml"
    params:
        results=R,
        models=list(SUITE.models),
        out=f"{R}/board",
    script:
        "../scripts/leaderboard.py"
