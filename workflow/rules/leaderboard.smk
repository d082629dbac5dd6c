# The board: tables, the page, the charts over all models.
import os

CHARTS = ("disc", "compare", "memory")
BOARD = [
    f"{R}/board/{table}.{suffix}"
    for table in ("leaderboard", "card")
    for suffix in ("csv", "json", "md")
]
BOARD += [
    f"{R}/board/{chart}.{suffix}"
    for chart in CHARTS
    for suffix in ("json", "png", "html")
]
# What the report shows, each with its caption.
SHOWN = {
    "leaderboard.html": ("Leaderboard", "leaderboard"),
    "tasks.csv": ("Leaderboard", "tasks"),
    "card.html": ("Model card", "card"),
    **{f"{chart}.svg": ("Charts", chart) for chart in CHARTS},
}


rule leaderboard:
    input:
        [f"{R}/stats/{model}" for model in SUITE.models],
    output:
        BOARD,
        [
            report(
                f"{R}/board/{name}",
                category=category,
                caption=f"../report/{caption}.rst",
            )
            for name, (category, caption) in SHOWN.items()
        ],
    log:
        f"{R}/job-logs/board.log",
    conda:
        "../../envs/morocco.yaml"
    params:
        results=PLAN.folder,
        models=list(SUITE.models),
        out=lambda wildcards, output: os.path.dirname(output[0]),
    script:
        "../scripts/leaderboard.py"
