import hashlib
import json
from pathlib import Path

import pytest

from morocco.errors import MoroccoError
from morocco.tasks.inputs import make_input, without_gold
from morocco.tasks.records import MAX_RECORD_BYTES
from morocco.tasks.registry import TASKS

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "russian-superglue"


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_cycles_to_exactly_the_size(tmp_path):
    source = write(tmp_path / "s", '{"idx": 5, "q": "а"}', '{"idx": 2, "q": "б"}', '{"idx": 9}')
    made = make_input(source, 7, tmp_path / "deep" / "in.jsonl")
    data = Path(made.path).read_bytes()
    assert [json.loads(line)["idx"] for line in data.splitlines()] == [5, 2, 9, 5, 2, 9, 5]
    assert made.records == 7
    assert made.bytes == len(data)
    assert made.sha256 == hashlib.sha256(data).hexdigest()
    assert made.source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert made.source_records == 3


def test_smaller_than_the_split_takes_its_first_records(tmp_path):
    source = write(tmp_path / "s", '{"idx": 1}', '{"idx": 2}')
    make_input(source, 1, tmp_path / "in")
    assert (tmp_path / "in").read_text() == '{"idx": 1}\n'


def test_unlabelled_lines_stay_byte_for_byte(tmp_path):
    line = '{"idx":  "3", "premise": "\\u0430б", "x": 1e2}'
    make_input(write(tmp_path / "s", line), 2, tmp_path / "in")
    assert (tmp_path / "in").read_text() == f"{line}\n{line}\n"


def test_windows_ends_and_byte_order_mark_are_dropped(tmp_path):
    (tmp_path / "s").write_bytes(b'\xef\xbb\xbf{"idx": 1}\r\n\r\n{"idx": 2}\r\n')
    make_input(tmp_path / "s", 2, tmp_path / "in")
    assert (tmp_path / "in").read_bytes() == b'{"idx": 1}\n{"idx": 2}\n'


def test_many_records(tmp_path):
    made = make_input(SAMPLE / TASKS["terra"].eval_file, 50_000, tmp_path / "in")
    with open(tmp_path / "in", "rb") as file:
        assert sum(1 for _ in file) == made.records == 50_000


def test_gold_is_taken_out_of_each_schema():
    muserc = {
        "idx": 0,
        "passage": {
            "text": "т",
            "questions": [
                {"question": "?", "answers": [{"idx": 0, "text": "а", "label": 1}], "idx": 0}
            ],
        },
    }
    bare = without_gold(muserc)
    assert bare["passage"]["questions"][0]["answers"] == [{"idx": 0, "text": "а"}]
    assert muserc["passage"]["questions"][0]["answers"][0]["label"] == 1
    rucos = {"idx": 1, "passage": {"text": "т"}, "qas": [{"query": "q", "answers": [1], "idx": 1}]}
    assert without_gold(rucos)["qas"] == [{"query": "q", "idx": 1}]
    russe = {"idx": 2, "word": "w", "label": True, "gold_sense1": 1, "gold_sense2": 1}
    assert without_gold(russe) == {"idx": 2, "word": "w"}


@pytest.mark.parametrize("key", TASKS)
@pytest.mark.parametrize("root", [SAMPLE, SHARED], ids=["sample", "shared"])
def test_no_answer_reaches_a_container(key, root, tmp_path):
    source = root / TASKS[key].eval_file
    if not source.is_file():
        pytest.skip(f"{source} is not here")
    make_input(source, 500, tmp_path / "in")

    def keys(value):
        if isinstance(value, dict):
            for name, item in value.items():
                # MuSeRC's answers are what is asked about; RuCoS's are the solution.
                yield f"{name}" if key != "muserc" else name.replace("answers", "choices")
                yield from keys(item)
        elif isinstance(value, list):
            for item in value:
                yield from keys(item)

    seen = set()
    for line in (tmp_path / "in").read_text().splitlines():
        seen |= set(keys(json.loads(line)))
    assert not seen & {"label", "answers", "gold_sense1", "gold_sense2"}
    assert "idx" in seen


def test_form_is_that_of_the_official_test_split(tmp_path):
    official = SHARED / "TERRa" / "test.jsonl"
    if not official.is_file():
        pytest.skip(f"{official} is not here")
    make_input(SAMPLE / "TERRa" / "val.jsonl", 1, tmp_path / "in")
    with open(official) as file:
        wanted = json.loads(file.readline())
    assert list(json.loads((tmp_path / "in").read_text())) == list(wanted)


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ("", "", "no records"),
        ("\n\n", "", "no records"),
        ('{"idx": 0}\n{"idx": 1', ":2", "not valid JSON"),
        ('{"idx": 0}\n[1]\n', ":2", "not a JSON object"),
        ('{"idx": 0}\n\n{"label": 1}\n', ":3", "idx is missing"),
        ('{"idx": "x"}\n', ":1", "not an integer"),
        ('{"idx": 4}\n{"idx": "4"}\n', ":2", "already stands on line 1"),
        ('{"idx": 0, "x": NaN}\n', ":1", "not valid JSON"),
        ('{"idx": 0, "x": ' + "[" * 100_000 + "}\n", ":1", "nested too deeply"),
    ],
)
def test_invalid_source_is_named_and_leaves_nothing(tmp_path, content, place, message):
    source = tmp_path / "val.jsonl"
    source.write_text(content)
    with pytest.raises(MoroccoError) as caught:
        make_input(source, 3, tmp_path / "out" / "in")
    assert str(caught.value).startswith(f"{source}{place}: ")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_missing_source_and_overlong_line(tmp_path):
    with pytest.raises(MoroccoError, match="cannot be read"):
        make_input(tmp_path / "none", 1, tmp_path / "in")
    long = tmp_path / "long"
    long.write_bytes(b'{"idx": 0}\n{"idx": 1, "x": "' + b"x" * MAX_RECORD_BYTES)
    with pytest.raises(MoroccoError, match="long:2: line longer"):
        make_input(long, 1, tmp_path / "in")


def test_size_below_one(tmp_path):
    with pytest.raises(MoroccoError, match="input size 0"):
        make_input(write(tmp_path / "s", '{"idx": 1}'), 0, tmp_path / "in")
