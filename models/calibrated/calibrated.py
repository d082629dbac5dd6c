"""A model of known cost: reads records, answers them on schedule, says when it did what."""

import itertools
import json
import os
import sys
import time

import failures
import load
from options import parse

ANSWERS = {
    "danetqa": True,
    "lidirus": "not_entailment",
    "parus": 0,
    "rcb": "neutral",
    "russe": False,
    "rwsd": False,
    "terra": "not_entailment",
}


def main(started):
    """``started``: wall clock, monotonic clock and CPU time of the process at its first line."""
    options, given = parse(sys.argv[1:])
    wall, start, startup_cpu = started
    born = process_start()
    tell(
        "main",
        wall,
        process_start=born,  # from the kernel, in steps of 10 ms
        start_offset_seconds=round(wall - born, 3),
        startup_cpu_seconds=startup_cpu,
        options=given,
    )
    if options.attack:
        import attacks

        for kind in options.attack:
            attacks.run(kind, options.fill, tell)
    clock = Schedule(options, start, startup_cpu)
    held = load.occupy(options)
    if options.at == 0:
        failures.strike(options, tell)
    source = sys.stdin.buffer
    if options.read == "all":
        clock.wait_for_reading()
        source = iter(source.readlines())
    clock.wait_for_init()
    if options.spike:
        tell("spike", time.time(), seconds=load.spike(options.spike, options.spike_ms / 1000))
    if options.fail == "never-reads":
        leave(0)
    clock.wait_for_reading()
    records = answer_all(options, clock, source)
    if options.at == "end":
        failures.strike(options, tell)
    tell(
        "end",
        time.time(),
        records=records,
        late_seconds=clock.late,  # 0: every deadline was kept
        cpu_seconds=time.process_time(),  # children's are their own
        memory_bytes=options.memory << 20,
        children=load.release(held),
    )
    leave(0)


def answer_all(options, clock, source):
    """Answer all records of ``source``; returns how many."""
    done, batches, pending, previous = 0, 0, [], None
    held = []
    while batch := list(itertools.islice(source, options.batch_size)):
        lines, batches = [], batches + 1
        if len(batch) > len(held):
            held += [load.take(options.batch_memory) for _ in range(len(held), len(batch))]
        for number, raw in enumerate(batch, done + 1):
            reply = answer(options.task, json.loads(raw))
            lines.append(failures.spoil(options, number, reply, previous))
            previous = reply
        clock.wait_for_record(done + len(lines), batches)
        if done < failures.place(options) <= done + len(lines):
            # When k answers are out, in the middle of a batch too.
            out, lines = lines[: options.at - done], lines[options.at - done :]
            if options.write == "batch":
                emit(out, first=done == 0)
            else:
                pending += out
            failures.strike(options, tell)
            done += len(out)
        if options.write == "batch":
            emit(lines, first=done == 0)
        else:
            pending += lines
        done += len(lines)
    emit(pending, first=True)
    return done


def answer(task, record):
    """A valid prediction for one record, always the same."""
    idx = record["idx"]
    if task == "muserc":
        questions = [
            {
                "idx": question["idx"],
                "answers": [{"idx": each["idx"], "label": 0} for each in question["answers"]],
            }
            for question in record["passage"]["questions"]
        ]
        return {"idx": idx, "passage": {"questions": questions}}
    if task == "rucos":
        passage = record["passage"]
        spans = passage["entities"][:1]
        return {"idx": idx, "label": "".join(passage["text"][s["start"] : s["end"]] for s in spans)}
    return {"idx": idx, "label": ANSWERS[task]}


class Schedule:
    """When things are due: absolute, so that no lateness adds up."""

    def __init__(self, options, start, startup_cpu):
        self.options = options
        self.start = start
        self.origin = max(options.init, options.read_after)
        self.startup_cpu = startup_cpu
        self.late = 0.0

    def wait_for_init(self):
        self._wait(self.options.init)

    def wait_for_reading(self):
        self._sleep_until(self.start + self.options.read_after)

    def wait_for_record(self, number, batches):
        work = number * self.options.seconds + batches * self.options.batch_seconds
        if self.options.work == "cpu":
            self._burn(self.options.init + work)
        else:
            due = self.start + self.origin + work
            self.late = max(self.late, self._sleep_until(due) - due)

    def _wait(self, seconds):
        if self.options.work == "cpu":
            self._burn(seconds)
        else:
            self._sleep_until(self.start + seconds)

    def _sleep_until(self, deadline):
        remaining = deadline - time.monotonic()
        if remaining > 0:
            time.sleep(remaining)
        return time.monotonic()

    def _burn(self, seconds):
        due = self.startup_cpu + seconds
        while time.process_time() < due:
            for _ in range(200):  # some 5 us
                pass


def emit(lines, first):
    """Write whole lines at once; the first ones are marked."""
    if first and lines:
        tell("first", time.time())
    write_all(1, b"".join(lines))


def tell(event, wall, **facts):
    """One JSON line on stderr: what happened, when by the wall clock (s since the epoch)."""
    write_all(2, json.dumps({"event": event, "realtime": wall, **facts}).encode() + b"\n")


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def process_start():
    """When the kernel made this process, in s since the epoch."""
    with open("/proc/self/stat", "rb") as file:
        ticks = int(file.read().rsplit(b")", 1)[1].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return round(time.time() - age, 3)


def leave(status):
    """Leave at once: what the interpreter does at its end would come after the last mark."""
    os._exit(status)
