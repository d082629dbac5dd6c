"""Chart files: Vega-Lite JSON, SVG, PNG and an HTML page, none of which needs a network."""

from __future__ import annotations

import html
import json
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

from morocco.charts.theme import CONFIG
from morocco.errors import MoroccoError
from morocco.formats.files import write_bytes, write_text

FORMATS = ("json", "svg", "png", "html")
PNG_SCALE = 1.5  # sharp enough on dense screens; twice the size takes twice the time

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>body {{ margin: 1rem; font-family: sans-serif; background: #fff }}</style>
<div id="chart"></div>
<script type="module">{bundle}</script>
<script type="module">
vegaEmbed("#chart", {spec}, {{ mode: "vega-lite", ast: true, renderer: "svg",
  actions: {{ export: true, source: false, compiled: false, editor: false }} }});
</script>
</html>
"""


def save_chart(
    chart: Any, stem: str | Path, formats: Collection[str] = FORMATS, title: str = ""
) -> list[Path]:
    """Write ``<stem>.<format>`` for each format, atomically; same chart, same bytes.

    ``chart`` is an altair chart or a Vega-Lite dict. Returns the paths in the order of FORMATS.
    """
    unknown = set(formats) - set(FORMATS)
    if unknown:
        raise MoroccoError(
            f"unknown chart format {', '.join(sorted(unknown))}",
            hint=f"one of {', '.join(FORMATS)}",
        )
    spec = to_spec(chart)
    stem = Path(stem)
    paths = {name: stem.with_name(f"{stem.name}.{name}") for name in FORMATS if name in formats}
    if "json" in paths:
        write_text(paths["json"], json.dumps(spec, ensure_ascii=False, indent=1) + "\n")
    if "svg" in paths or "png" in paths:
        svg = to_svg(spec)
        if "svg" in paths:
            write_text(paths["svg"], svg)
        if "png" in paths:
            write_bytes(paths["png"], svg_to_png(svg))
    if "html" in paths:
        write_text(paths["html"], _html(spec, title or stem.name))
    return list(paths.values())


def to_spec(chart: Any) -> dict[str, Any]:
    """The Vega-Lite specification with our theme in it."""
    # Without altair's check of every number against the schema, half the time; the tests make it.
    spec: dict[str, Any] = chart if isinstance(chart, dict) else chart.to_dict(validate=False)
    return {**spec, "config": CONFIG}


def to_svg(spec: dict[str, Any]) -> str:
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=vegalite_version())
    return svg


def svg_to_png(svg: str) -> bytes:
    import vl_convert

    png: bytes = vl_convert.svg_to_png(svg, scale=PNG_SCALE)
    return png


@lru_cache(maxsize=1)
def vegalite_version() -> str:
    """The Vega-Lite that altair writes for, as ``6.4``."""
    import altair

    version: str = altair.SCHEMA_VERSION
    return ".".join(version.lstrip("v").split(".")[:2])


@lru_cache(maxsize=1)
def vega_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script (0.9 MB; 2 s to make, once a process)."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(
        "window.vega = vega; window.vegaEmbed = vegaEmbed;", vl_version=vegalite_version()
    )
    return escape_script(bundle)


def escape_script(text: str) -> str:
    """A script that cannot end the element it stands in; the same to JS strings and regexes."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def script_json(value: Any) -> str:
    """JSON that is safe inside a script element, whatever strings it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _html(spec: dict[str, Any], title: str) -> str:
    return _PAGE.format(title=html.escape(title), bundle=vega_bundle(), spec=script_json(spec))
