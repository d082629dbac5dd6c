"""The leaderboard: estimates of many models side by side, ranked only where they compare.

What other parts call:

``morocco.board.collect.collect(folders) -> Collection``
    Estimates and scores of one or several results folders or submission archives; simulated ones
    are refused and listed.
``morocco.board.table.build_board(collection, title="…") -> Board``
    Pure: rows, means, ranks, Pareto front, by machine.
``morocco.board.export.markdown(board) -> str``, ``csv_text(board)``, ``tasks_csv_text(board)``
``morocco.board.page.page_html(board) -> str``
    One self-contained HTML page.
``morocco.board.card.card_rows(collection) -> list[CardRow]`` and ``write_card(rows, out)``
    The table that model cards print.
``morocco.board.write.write_board(folders, out, title="…", formats=FORMATS) -> Board``
    All of it in one call (``morocco board``, the leaderboard rule). Always writes, under ``out``:
    ``leaderboard.{csv,json,md,html}``, ``tasks.csv``, ``card.{csv,json,md,html}``, and
    ``disc``, ``compare``, ``memory`` as ``.{json,svg,png,html}``; ``correction.*`` in the same
    formats where an imported archive is among the rows (a stale one is removed).
"""
