"""Print a results folder's leaderboard and say where its tables, charts and pages lie."""

import sys
from pathlib import Path

board = Path(sys.argv[1]) / "board"
print((board / "leaderboard.md").read_text())
for what, where in (
    ("leaderboard page", board / "leaderboard.html"),
    ("disc chart", board / "disc.svg"),
    ("tables", f"{board}/leaderboard.csv, {board}/tasks.csv"),
    ("timelines of every run", f"{sys.argv[1]}/plots/<model>/<task>.svg"),
    ("run logs and records", f"{sys.argv[1]}/logs/<model>/<task>/"),
    ("report with everything", "make report"),
):
    print(f"{what + ':':26}{where}")
