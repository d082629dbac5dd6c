"""Draw labels with the frequencies of the train split: ``infer.py --batch-size N``.

RuCoS: one of the marked strings of the passage, each mark as likely. The draw depends on the record
alone, so that every run answers alike. Standard library only.
"""

import itertools
import json
import os
import sys
import zlib

MASK = (1 << 64) - 1


def draws(line):
    """Numbers in [0, 1) that depend on the bytes of ``line`` alone.

    SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) from two checksums; the `random` module would take
    a third of the start.
    """
    state = zlib.crc32(line) << 32 | zlib.adler32(line)
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        yield ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)


def draw(counts, number):
    """The label at ``number`` (0..1) of the way through the counts."""
    left = number * sum(count for _, count in counts)
    for label, count in counts:
        left -= count
        if left < 0:
            return label
    return counts[-1][0]


def predict(model, line):
    """One prediction in the form of the task."""
    record, numbers = json.loads(line), draws(line)
    idx, counts = record["idx"], model["counts"]
    if model["task"] == "rucos":
        passage = record["passage"]
        marked = [passage["text"][each["start"] : each["end"]] for each in passage["entities"]]
        return {"idx": idx, "label": marked[int(next(numbers) * len(marked))] if marked else ""}
    if model["task"] == "muserc":
        questions = [
            {
                "idx": question["idx"],
                "answers": [
                    {"idx": each["idx"], "label": draw(counts, next(numbers))}
                    for each in question["answers"]
                ],
            }
            for question in record["passage"]["questions"]
        ]
        return {"idx": idx, "passage": {"questions": questions}}
    return {"idx": idx, "label": draw(counts, next(numbers))}


def main():
    # argparse would take a third of the start.
    flag, _, size = " ".join(sys.argv[1:]).partition(" ")
    if flag != "--batch-size" or not size.isdecimal() or int(size) < 1:
        sys.exit("usage: infer.py --batch-size N < records.jsonl > predictions.jsonl")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.json"), "rb") as file:
        model = json.load(file)
    out = sys.stdout.buffer
    while batch := list(itertools.islice(sys.stdin.buffer, int(size))):
        for line in batch:
            reply = json.dumps(predict(model, line.rstrip(b"\r\n")), ensure_ascii=False)
            out.write(reply.encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
