"""The calibrated model keeps its schedule, takes what it says it takes, and fails as told."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from model_processes import MODELS, calibrated, clean_env, events

LABEL = "not_entailment"  # its constant answer for TERRa


def records(count: int) -> bytes:
    lines = (json.dumps({"premise": "П", "hypothesis": "Г", "idx": i}) for i in range(count))
    return "".join(f"{line}\n" for line in lines).encode()


def replies(run) -> list[dict]:
    return [json.loads(line) for line in run.stdout.splitlines()]


# --- schedule ---------------------------------------------------------------------------------


def test_schedule_is_absolute():
    run = calibrated("--init", "0.2", "--seconds", "0.02", "--batch-size", "5", records=records(20))
    marks = events(run)
    # Not before its time; how long after is the machine's matter and said in late_seconds.
    late = marks["end"]["late_seconds"]
    due = marks["main"]["realtime"] + 0.2 + 20 * 0.02
    assert due - 0.002 <= marks["end"]["realtime"] <= due + late + 0.1
    assert marks["first"]["realtime"] >= marks["main"]["realtime"] + 0.2 + 5 * 0.02 - 0.002
    assert marks["end"]["records"] == 20
    assert len(replies(run)) == 20


@pytest.mark.parametrize(("batch", "batches"), [(1, 8), (4, 2), (5, 2)])
def test_each_batch_costs_its_own_time(batch, batches):
    costs = ("--seconds", "0.01", "--batch-seconds", "0.1")
    marks = events(calibrated(*costs, "--batch-size", str(batch), records=records(8)))
    took = marks["end"]["realtime"] - marks["main"]["realtime"]
    due = 8 * 0.01 + batches * 0.1
    assert due - 0.002 <= took <= due + marks["end"]["late_seconds"] + 0.1


def test_cpu_work_is_measured_in_cpu_time():
    run = calibrated("--work", "cpu", "--init", "0.1", "--seconds", "0.01", records=records(20))
    marks = events(run)
    used = marks["end"]["cpu_seconds"] - marks["main"]["startup_cpu_seconds"]
    assert 0.3 <= used < 0.32


def test_child_cpu_is_the_childrens_own():
    before = os.times()
    run = calibrated("--children", "2", "--child-cpu", "0.15", records=records(1))
    after = os.times()
    children = after.children_user + after.children_system
    children -= before.children_user + before.children_system
    assert events(run)["end"]["children"] == 2
    assert events(run)["end"]["cpu_seconds"] < 0.2
    assert children > 0.28  # clock ticks of 10 ms


@pytest.mark.parametrize("read", ["streams", "all"])
def test_late_reading_moves_the_schedule(read):
    arguments = ("--read", read, "--read-after", "0.3", "--init", "0.1", "--seconds", "0.05")
    marks = events(calibrated(*arguments, records=records(2)))
    assert marks["end"]["realtime"] >= marks["main"]["realtime"] + 0.3 + 2 * 0.05 - 0.002


def test_written_at_the_end_or_as_it_goes():
    for write, expected in (("batch", 0.05), ("end", 0.25)):
        run = calibrated("--write", write, "--seconds", "0.05", records=records(5))
        marks = events(run)
        first = marks["first"]["realtime"] - marks["main"]["realtime"]
        assert expected - 0.002 <= first
        assert len(replies(run)) == 5
        if write == "batch":
            # Four deadlines lie between first and last, however late they were kept.
            assert marks["end"]["realtime"] - marks["first"]["realtime"] > 0.1


def test_arguments_come_from_the_environment_too():
    run = calibrated("--batch-size", "3", records=records(2), CALIBRATED_ARGS="--seconds 0.1")
    assert events(run)["main"]["options"] == {"seconds": 0.1, "batch_size": 3}


@pytest.mark.parametrize(
    "arguments",
    [["--seconds", "-1"], ["--init", "nan"], ["--memory", "-5"], ["--batch-size", "0"]],
)
def test_impossible_values_are_refused(arguments):
    run = calibrated(*arguments)
    assert run.returncode == 2
    assert arguments[0].encode() in run.stderr


def test_help_names_every_failure():
    text = calibrated("--help").stdout.decode()
    source = (MODELS / "calibrated" / "README.md").read_text()
    modes = set(re.findall(r'^    "([a-z0-9-]+)": "', options_text(), re.MULTILINE))
    assert len(modes) == 18
    for mode in modes:
        assert mode in text
        assert f"`{mode}`" in source, f"{mode} is not in the README"


def options_text() -> str:
    return (MODELS / "calibrated" / "options.py").read_text()


# --- memory -----------------------------------------------------------------------------------


def memory_of(*arguments: str, count: int = 1) -> dict[str, int]:
    """Σ over the process tree of Pss, Rss and anonymous kB once it is under way, and VmHWM."""
    command = [sys.executable, "-ESs", str(MODELS / "calibrated" / "infer.py"), *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=clean_env(TASK="terra"),
    ) as process:
        process.stdin.write(records(count))
        process.stdin.flush()
        process.stdout.readline()  # all that it takes is there before the first answer
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            pids = [process.pid, *map(int, file.read().split())]
        totals = dict.fromkeys(("Pss", "Rss", "Anonymous", "Pss_File"), 0)
        for pid in pids:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                for line in file:
                    name = line.split(":")[0]
                    if name in totals:
                        totals[name] += int(line.split()[1])
        with open(f"/proc/{process.pid}/status") as file:
            totals["VmHWM"] = next(int(x.split()[1]) for x in file if x.startswith("VmHWM"))
        process.communicate()
    return totals


@pytest.fixture(scope="module")
def idle() -> dict[str, int]:
    return memory_of()


def test_anonymous_memory(idle):
    assert memory_of("--memory", "64")["Anonymous"] - idle["Anonymous"] == pytest.approx(
        64 * 1024, abs=2048
    )


@pytest.mark.parametrize("count", [4, 3])
def test_memory_by_the_batch_is_of_the_records_that_came(idle, count):
    arguments = ("--memory", "8", "--batch-memory", "16", "--batch-size", str(count))
    got = memory_of(*arguments, count=count)
    own = (8 + 16 * count) * 1024
    assert got["Anonymous"] - idle["Anonymous"] == pytest.approx(own, abs=2048)


def test_memory_by_the_batch_does_not_add_up_over_batches(idle):
    got = memory_of("--batch-memory", "16", "--batch-size", "1", count=8)
    assert got["Anonymous"] - idle["Anonymous"] == pytest.approx(16 * 1024, abs=2048)


def test_children_share_what_was_taken_before_them(idle):
    got = memory_of("--memory", "32", "--children", "3", "--child-memory", "8")
    own = (32 + 3 * 8) * 1024
    assert got["Pss"] - idle["Pss"] == pytest.approx(own, abs=8192)
    assert got["Rss"] - idle["Rss"] >= (4 * 32 + 3 * 8) * 1024


def test_a_mapped_file_is_read(idle):
    got = memory_of("--map", "24", "--map-in", "tmp")
    assert got["Rss"] - idle["Rss"] == pytest.approx(24 * 1024, abs=4096)
    assert got["Anonymous"] - idle["Anonymous"] < 2048


def test_a_spike_is_over_but_was_there(idle):
    got = memory_of("--spike", "48")
    assert got["Anonymous"] - idle["Anonymous"] < 2048
    assert got["VmHWM"] - idle["VmHWM"] >= 46 * 1024
    run = calibrated("--spike", "8", "--spike-ms", "20", records=records(1))
    assert events(run)["spike"]["seconds"] >= 0.02


# --- failures ---------------------------------------------------------------------------------


def idx(run) -> list[int]:
    return [reply["idx"] for reply in replies(run)]


@pytest.mark.parametrize("write", ["batch", "end"])
@pytest.mark.parametrize("at", ["0", "3", "end"])
def test_exit(at, write):
    run = calibrated(
        "--fail", "exit", "--at", at, "--write", write, "--batch-size", "2", records=records(5)
    )
    assert run.returncode == 3
    assert "end" not in events(run)
    # Up to its place, in the middle of a batch too; unwritten answers go with the process.
    answered = {"0": 0, "3": 3 if write == "batch" else 0, "end": 5}[at]
    assert idx(run) == list(range(answered))


def test_exit_code_is_an_option():
    run = calibrated("--fail", "exit", "--exit-code", "41", records=records(1))
    assert run.returncode == 41


def test_exits_early():
    run = calibrated("--fail", "exits-early", "--at", "2", records=records(5))
    assert (run.returncode, idx(run)) == (0, [0, 1])


def test_kill():
    run = calibrated("--fail", "kill", "--at", "2", records=records(5))
    assert (run.returncode, idx(run)) == (-signal.SIGKILL, [0, 1])


def test_never_reads():
    # More than a pipe holds: whoever feeds it must live with a reader that is gone.
    run = calibrated("--fail", "never-reads", records=records(5000))
    assert (run.returncode, run.stdout) == (0, b"")


@pytest.mark.parametrize(
    ("mode", "at", "expected"),
    [
        ("drop-line", "2", [0, 2]),
        ("repeat-idx", "2", [0, 0, 2]),
        ("repeat-idx", "1", [0, 0, 1, 2]),
        ("surplus-line", "3", [0, 1, 2, 2]),
    ],
)
def test_lines_go_missing_or_come_twice(mode, at, expected):
    run = calibrated("--fail", mode, "--at", at, "--batch-size", "2", records=records(3))
    assert (run.returncode, idx(run)) == (0, expected)


def test_garbage_line():
    lines = calibrated("--fail", "garbage-line", records=records(2)).stdout.splitlines()
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[0])
    assert json.loads(lines[1])["idx"] == 1


def test_bad_utf8():
    run = calibrated("--fail", "bad-utf8", records=records(2))
    with pytest.raises(UnicodeDecodeError):
        run.stdout.decode()
    assert run.stdout.count(b"\n") == 2


def test_long_line():
    run = calibrated("--fail", "long-line", "--flood", "3", records=records(2))
    assert [len(line) >> 20 for line in run.stdout.splitlines()] == [3, 0]


@pytest.mark.parametrize(
    ("task", "record", "label"),
    [
        ("terra", {"idx": 0}, "?"),
        ("danetqa", {"idx": 0}, "?"),
        ("rucos", {"idx": 0, "passage": {"text": "аб", "entities": [{"start": 0, "end": 1}]}}, 17),
    ],
)
def test_wrong_label(task, record, label):
    line = json.dumps(record).encode() + b"\n"
    run = calibrated("--fail", "wrong-label", records=line, task=task)
    assert replies(run)[0]["label"] == label


def test_wrong_label_inside_muserc():
    questions = [{"idx": 4, "question": "?", "answers": [{"idx": 9, "text": "а"}]}]
    line = json.dumps({"idx": 0, "passage": {"text": "а", "questions": questions}}).encode()
    run = calibrated("--fail", "wrong-label", records=line, task="muserc")
    asked = replies(run)[0]["passage"]["questions"]
    assert asked == [{"idx": 4, "answers": [{"idx": 9, "label": 7}]}]


def test_unstable_differs_between_runs_and_is_valid():
    runs = [calibrated("--fail", "unstable", records=records(100)) for _ in range(2)]
    assert runs[0].stdout != runs[1].stdout  # alike once in 2**100
    assert {reply["label"] for reply in replies(runs[0])} == {"entailment", LABEL}
    assert idx(runs[0]) == list(range(100))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_floods(stream):
    run = calibrated("--fail", f"flood-{stream}", "--flood", "5", records=records(2))
    flooded = getattr(run, stream)
    assert 5 << 20 <= len(flooded) < (5 << 20) + 2000
    assert run.returncode == 0
    if stream == "stderr":
        assert idx(run) == [0, 1]


@pytest.mark.parametrize(("mode", "after_term"), [("hang", 143), ("ignore-term", None)])
def test_hangs_until_it_is_ended(mode, after_term):
    command = [sys.executable, "-ESs", str(MODELS / "calibrated" / "infer.py"), "--fail", mode]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdin.write(records(3))
        process.stdin.close()
        while b'"fail"' not in process.stderr.readline():
            pass
        time.sleep(0.2)  # the handler is set within that, and a failure to hang shows
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        if after_term is None:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.kill()
            assert process.wait(10) == -signal.SIGKILL
        else:
            assert process.wait(10) == after_term
        assert process.stdout.read().count(b"\n") == 1


def test_a_place_beyond_the_input_is_no_failure():
    run = calibrated("--fail", "exit", "--at", "9", records=records(2))
    assert (run.returncode, idx(run)) == (0, [0, 1])


@pytest.mark.parametrize(
    "arguments", [["--fail", "forks"], ["--fail", "oom"], ["--attack", "disk"]]
)
def test_what_hurts_the_machine_is_refused_outside_a_container(arguments):
    run = calibrated(*arguments, records=records(1))
    assert run.returncode == 2
    assert b"only works inside a container" in run.stderr


def test_a_record_that_is_none_ends_it():
    run = calibrated(records=b"{}\n")
    assert run.returncode == 1
    assert b"KeyError" in run.stderr
