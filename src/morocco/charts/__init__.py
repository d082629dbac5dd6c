"""Charts of runs and estimates: altair specifications, and their files.

What other parts call:

``morocco.charts.plot.plot_model(results, model, tasks=None, out=None, formats=FORMATS)``
    -> list[Path]. Timelines of every run of one model, one chart a task, in one process:
    ``<results>/plots/<model>/<task>.{json,svg,png,html}``.
``morocco.charts.plot.plot_logs(paths, image) -> None``
    The first MOROCCO's ``plot``: run logs in, one picture out; the suffix says which format.
``morocco.charts.save.save_chart(chart, stem, formats=FORMATS) -> list[Path]``
    ``<stem>.json`` (Vega-Lite), ``.svg``, ``.png``, ``.html``; all work without a network.
``morocco.charts.disc.disc_chart(discs, title="") -> altair chart``
    Speed, score and memory of models, a disc each.
``morocco.charts.compare.compare_chart(points, title="") -> altair chart``
    Speed per task and model with intervals.
``morocco.charts.correction.correction_chart(pairs, title="") -> altair chart``
    Published against corrected speed of imported archives.
``morocco.charts.memory.memory_chart(points, title="") -> altair chart``
    Memory against batch size.

``disc``, ``compare``, ``correction`` and ``memory`` take small frozen dataclasses defined beside
them; ``morocco.board.draw`` makes these from a board.
"""
