import json
import re
import struct
from pathlib import Path

import altair as alt
import pytest

from morocco.charts.save import save_chart, script_json, vega_bundle
from morocco.errors import MoroccoError


def chart() -> alt.Chart:
    values = [{"x": 1, "y": 2, "name": "</script><script>alert(1)</script>"}]
    return (
        alt.Chart(alt.Data(values=values)).mark_circle().encode(x="x:Q", y="y:Q", tooltip="name:N")
    )


def test_all_formats_are_written_and_the_same_each_time(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in save_chart(chart(), tmp_path / "a" / "disc")]
    again = [path.read_bytes() for path in save_chart(chart(), tmp_path / "b" / "disc")]
    assert first == again
    assert [path.name for path in sorted((tmp_path / "a").iterdir())] == [
        "disc.html",
        "disc.json",
        "disc.png",
        "disc.svg",
    ]
    spec, svg, png, _ = first
    assert json.loads(spec)["mark"]["type"] == "circle"
    assert svg.startswith(b"<svg")
    assert png.startswith(b"\x89PNG")
    width, _ = struct.unpack(">II", png[16:24])
    assert width > 200


def test_the_page_needs_no_network_and_data_cannot_leave_its_script(tmp_path: Path) -> None:
    (path,) = save_chart(chart(), tmp_path / "disc", ("html",))
    page = path.read_text().replace(vega_bundle(), "")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page)
    assert "default-src 'none'" in page
    assert page.count("<script") == page.count("</script>") == 2
    assert "alert(1)" in page  # as data
    assert "<script>alert" not in page


def test_only_what_is_asked_for_is_written(tmp_path: Path) -> None:
    assert [path.name for path in save_chart(chart(), tmp_path / "disc", ("svg",))] == ["disc.svg"]
    assert [path.name for path in tmp_path.iterdir()] == ["disc.svg"]


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(MoroccoError, match="gif"):
        save_chart(chart(), tmp_path / "disc", ("svg", "gif"))
    assert not list(tmp_path.iterdir())


def test_script_json_holds_no_letter_that_html_reads() -> None:
    text = script_json({"a": "</script><!-- & \u2028"})
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == {"a": "</script><!-- & \u2028"}
