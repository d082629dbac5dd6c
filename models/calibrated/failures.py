"""Failing on purpose: of single answers (`spoil`) and of the whole process (`strike`)."""

import json
import os
import signal
import time

FLOOD_LINE = (
    b"this line is not a prediction, it is only here to fill the pipe".ljust(1023, b".") + b"\n"
)


def spoil(options, number, reply, previous):
    """The output for record ``number`` (from 1) as bytes: one line, spoilt if it is its turn.

    ``previous`` is the reply to the record before, None for the first.
    """
    mode = options.fail
    if mode == "unstable":
        return line(relabel(options.task, reply, ANY[os.urandom(1)[0] % 2][options.task]))
    if mode is None or number != options.at:
        return line(reply)
    if mode == "drop-line":
        return b""
    if mode == "repeat-idx":
        return line(reply) * 2 if previous is None else line({**reply, "idx": previous["idx"]})
    if mode == "surplus-line":
        return line(reply) * 2
    if mode == "garbage-line":
        return b"{'idx': 0, label: ???\n"
    if mode == "wrong-label":
        return line(relabel(options.task, reply, {"rucos": 17, "muserc": 7}.get(options.task, "?")))
    if mode == "bad-utf8":
        return b'{"idx": 0, "label": "\xff\xfe"}\n'
    if mode == "long-line":
        return b'{"idx": 0, "label": "' + b"x" * (options.flood << 20) + b'"}\n'
    return line(reply)


def line(reply):
    return json.dumps(reply, ensure_ascii=False).encode() + b"\n"


_TWO = (True, False)
_ENTAILMENT = ("entailment", "not_entailment")
ANY = tuple(
    {
        "danetqa": _TWO[i],
        "lidirus": _ENTAILMENT[i],
        "muserc": i,
        "parus": i,
        "rcb": _ENTAILMENT[0] if i else "neutral",
        "rucos": None,  # text: drawn below
        "russe": _TWO[i],
        "rwsd": _TWO[i],
        "terra": _ENTAILMENT[i],
    }
    for i in (0, 1)
)


def relabel(task, reply, label):
    if task == "muserc":
        questions = [
            {**q, "answers": [{**a, "label": label} for a in q["answers"]]}
            for q in reply["passage"]["questions"]
        ]
        return {**reply, "passage": {"questions": questions}}
    if task == "rucos" and label is None:
        label = os.urandom(8).hex()
    return {**reply, "label": label}


def place(options):
    """The record after which the whole process fails; 0 if it does not, or elsewhere."""
    return options.at if options.fail in STRIKES and options.at != "end" else 0


def strike(options, tell):
    """The failure of the whole process, now. May not return."""
    if options.fail in STRIKES:
        tell("fail", time.time(), mode=options.fail)
        STRIKES[options.fail](options, tell)


def _exit(options, tell):
    os._exit(options.exit_code)


def _exit_early(options, tell):
    os._exit(0)


def _kill(options, tell):
    os.kill(os.getpid(), signal.SIGKILL)
    # Process 1 of a container outlives that: the kernel drops what comes from inside. Containers
    # whose process 1 is a shell or an init report a killed model so.
    os._exit(128 + signal.SIGKILL)


def _hang(options, tell):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    while True:
        time.sleep(3600)


def _ignore_term(options, tell):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(3600)


def _flood(fd, mib):
    block = FLOOD_LINE * 64  # 64 KiB, the size of a pipe
    left = mib << 20
    while left > 0:
        left -= os.write(fd, block[: min(left, len(block))])


def _flood_stdout(options, tell):
    _flood(1, options.flood)


def _flood_stderr(options, tell):
    _flood(2, options.flood)


def _forks(options, tell):
    hold_read, hold_write = os.pipe()
    pids, refused = [], None
    for _ in range(options.processes):
        try:
            pid = os.fork()
        except OSError as error:
            refused = error.strerror
            break
        if pid == 0:
            os.close(hold_write)
            os.read(hold_read, 1)
            os._exit(0)
        pids.append(pid)
    time.sleep(1)
    tell("forked", time.time(), processes=len(pids), refused=refused)
    os.close(hold_write)
    for pid in pids:
        os.waitpid(pid, 0)


def _oom(options, tell):
    from load import take

    blocks = []
    while True:
        blocks.append(take(16))


STRIKES = {
    "exit": _exit,
    "exits-early": _exit_early,
    "kill": _kill,
    "hang": _hang,
    "ignore-term": _ignore_term,
    "flood-stdout": _flood_stdout,
    "flood-stderr": _flood_stderr,
    "forks": _forks,
    "oom": _oom,
}
