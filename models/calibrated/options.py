"""Everything the calibrated model can be told."""

import argparse
import os

TASKS = ("danetqa", "lidirus", "muserc", "parus", "rcb", "rucos", "russe", "rwsd", "terra")
FAILURES = {
    "exit": "exit with --exit-code",
    "exits-early": "exit with status 0, the rest of the input unread",
    "kill": "send itself SIGKILL",
    "hang": "sleep for ever; SIGTERM ends it",
    "ignore-term": "sleep for ever; SIGTERM does not end it",
    "never-reads": "exit with status 0 after init, nothing read and nothing written",
    "drop-line": "leave record --at out",
    "repeat-idx": "answer record --at under the idx of the record before it (its own line twice if "
    "it is the first)",
    "surplus-line": "write the line of record --at twice",
    "garbage-line": "write a line that is not JSON in place of record --at",
    "wrong-label": "a label outside the task's set for record --at (RuCoS: a number)",
    "bad-utf8": "a line that is not UTF-8 in place of record --at",
    "long-line": "a line of --flood MiB in place of record --at",
    "flood-stdout": "write --flood MiB of lines to stdout, then go on",
    "flood-stderr": "write --flood MiB of lines to stderr, then go on",
    "unstable": "labels drawn anew in every run",
    "forks": "fork --processes processes, hold them for a second, then go on",
    "oom": "take memory until the kernel ends it",
}
ATTACKS = ("network", "host", "root", "privileges", "disk")
# They could hurt the machine outside a container with limits.
CONTAINED_ONLY = ("forks", "oom")


def build_parser():
    parser = argparse.ArgumentParser(
        prog="calibrated",
        # A fixed width spares the import that would ask the terminal for its own.
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=100),
        description="A model of known cost. Answers every record with a constant valid label, on "
        "a schedule: record k (from 1) of batch j is written at start + init + k x seconds + j x "
        "batch-seconds, where start is the first line of main. Its own clock readings go to stderr "
        "as JSON lines.",
        epilog="failures: " + "; ".join(f"{name}: {what}" for name, what in FAILURES.items()),
    )
    add = parser.add_argument
    add("--batch-size", type=_positive, default=1, help="records read, and written, at a time")
    add("--task", choices=TASKS, default=os.environ.get("TASK", "terra"), help="default: $TASK")

    group = parser.add_argument_group("time")
    add = group.add_argument
    add("--init", type=_seconds, default=0.0, metavar="S", help="before the first record")
    add("--seconds", type=_seconds, default=0.0, metavar="S", help="each record")
    add("--batch-seconds", type=_seconds, default=0.0, metavar="S", help="each batch, besides")
    add(
        "--work",
        choices=("sleep", "cpu"),
        default="sleep",
        help="sleep: wall time by absolute deadlines; cpu: the same schedule in CPU time of the "
        "process since start",
    )
    add(
        "--read",
        choices=("streams", "all"),
        default="streams",
        help="streams: a batch at a time; all: the whole input before anything else",
    )
    add(
        "--read-after",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="reading begins so long after start; the schedule moves with it if that is after init",
    )
    add(
        "--write",
        choices=("batch", "end"),
        default="batch",
        help="flush after each batch, or all answers at the end",
    )

    group = parser.add_argument_group("memory and processes (MiB = 2**20 bytes, all of it touched)")
    add = group.add_argument
    add("--memory", type=_size, default=0, metavar="MIB", help="anonymous, from start to end")
    add(
        "--batch-memory",
        type=_size,
        default=0,
        metavar="MIB",
        help="anonymous, for each record of the largest batch so far, from that batch to the end",
    )
    add(
        "--children", type=_size, default=0, metavar="N", help="forked after --memory: it is shared"
    )
    add("--child-memory", type=_size, default=0, metavar="MIB", help="of each child's own")
    add("--child-cpu", type=_seconds, default=0.0, metavar="S", help="CPU time of each child")
    add("--map", type=_size, default=0, metavar="MIB", help="of a file, mapped and read")
    add(
        "--map-in",
        choices=("image", "tmp"),
        default="image",
        help="the file: in the image (build argument MAPPED_MIB) or written to /tmp",
    )
    add("--spike", type=_size, default=0, metavar="MIB", help="taken at the end of init and held")
    add("--spike-ms", type=_seconds, default=20.0, metavar="MS", help="for so long")

    group = parser.add_argument_group("failure")
    add = group.add_argument
    add("--fail", choices=tuple(FAILURES), metavar="MODE", help=", ".join(FAILURES))
    add(
        "--at",
        type=_place,
        default=1,
        metavar="K",
        help="where: a record, from 1; 0: before reading; end: after the last one",
    )
    add("--exit-code", type=int, default=3, metavar="N")
    add("--flood", type=_size, default=100, metavar="MIB")
    add("--processes", type=_size, default=5000, metavar="N")

    group = parser.add_argument_group("attack: tries, tells on stderr what came of it, goes on")
    group.add_argument(
        "--attack", type=_attacks, default=(), metavar="LIST", help=f"of {', '.join(ATTACKS)}"
    )
    group.add_argument(
        "--fill", type=_size, default=1024, metavar="MIB", help="most that disk fills"
    )
    return parser


def parse(arguments):
    """Options from ``$CALIBRATED_ARGS`` and then from the command line, which wins.

    Returns them all, and as a dict those that differ from their default.
    """
    extra = os.environ.get("CALIBRATED_ARGS")
    if extra:
        import shlex

        arguments = shlex.split(extra) + arguments
    parser = build_parser()
    options = parser.parse_args(arguments)
    if not os.environ.get("CALIBRATED_CONTAINED"):
        if options.fail in CONTAINED_ONLY:
            parser.error(f"--fail {options.fail} only works inside a container")
        if options.attack:
            parser.error("--attack only works inside a container")
    given = {k: v for k, v in vars(options).items() if v != parser.get_default(k)}
    return options, given


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _size(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def _seconds(text):
    number = float(text)
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a duration")
    return number


def _place(text):
    return text if text == "end" else _size(text)


def _attacks(text):
    names = tuple(name for name in text.split(",") if name)
    for name in names:
        if name not in ATTACKS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(ATTACKS)}")
    return names
