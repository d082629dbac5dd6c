"""The command line that all containers here share: options, task, standard streams, exit status."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import folder as hf
import questions
import stream

# How to answer: rows of a record with their lengths, scores of a batch, text of an answer.
Model = tuple[
    Callable[[dict[str, Any]], list[tuple[Any, int]]],
    Callable[[list[Any]], list[Any]],
    Callable[[dict[str, Any], list[Any]], dict[str, Any]],
]


def options(description: str, torch_options: bool = True) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--batch-size", type=_count, default=32, help="sequences a forward pass")
    parser.add_argument(
        "--seq-len",
        type=_count,
        help="longest sequence in tokens (default: the model's, up to 512)",
    )
    parser.add_argument("--threads", type=_count, default=1, help="CPU threads")
    if torch_options:
        parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 …")
        parser.add_argument(
            "--dtype", choices=("float32", "float16", "bfloat16"), default="float32"
        )
    # Both are fixed in an image; as options they serve a run without a container.
    parser.add_argument("--task", default=os.environ.get("TASK"))
    parser.add_argument("--weights", type=Path, default=Path(__file__).with_name("weights"))
    args = parser.parse_args()
    if args.task not in questions.CLASSES:
        parser.error(f"--task {args.task}: one of {', '.join(questions.CLASSES)}")
    # Before torch or tokenizers start their threads.
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(args.threads)
    return args


def serve(load: Callable[[argparse.Namespace], Model], args: argparse.Namespace) -> NoReturn:
    """Load, then answer standard input line by line. Exit status 2 on what a user can mend."""
    try:
        encode, score, decide = load(args)

        def finish(record: dict[str, Any], scores: list[Any]) -> str:
            return json.dumps(decide(record, scores), ensure_ascii=False) + "\n"

        def write(text: str) -> None:
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()

        stream.answer_stream(sys.stdin.buffer, encode, score, finish, write, args.batch_size)
    except (hf.BadFolder, stream.BadRecord) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    # The interpreter's tear-down of torch takes 0.1 to 0.3 s and frees what the exit frees anyway.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def longest(args: argparse.Namespace, config: dict[str, Any]) -> int:
    """Tokens at which texts are cut. Raises BadFolder where the model has no such positions."""
    most = hf.most_tokens(config)
    if args.seq_len and args.seq_len > most:
        raise hf.BadFolder(f"--seq-len {args.seq_len}: the model has {most} positions")
    return args.seq_len or min(most, 512)


def class_names(config: dict[str, Any], task: str) -> tuple[Any, ...]:
    """Labels in the order of the head's classes: the config's names where they are the task's."""
    names = questions.CLASSES[task]
    given = config.get("id2label") or {}
    by_text = {str(name).lower(): name for name in names}
    found = [str(given[key]).lower() for key in sorted(given, key=int)]
    if len(found) == len(names) and set(found) == set(by_text):
        return tuple(by_text[text] for text in found)
    return names


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value
