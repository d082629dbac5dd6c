"""Count the labels of train.jsonl beside this file: ``train.py TASK``.

Leaves model.json (task and label counts, most frequent first) and about.json, see models/README.md.
"""

import collections
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def labels_of(task, record):
    """All the gold labels of one record. RuCoS has none: its answers are parts of the passage."""
    if task == "rucos":
        return []
    if task == "muserc":
        questions = record["passage"]["questions"]
        return [answer["label"] for question in questions for answer in question["answers"]]
    return [record["label"]]


def main():
    task = sys.argv[1]
    counts = collections.Counter()
    with open(os.path.join(HERE, "train.jsonl"), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                counts.update(labels_of(task, json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                sys.exit(f"train.jsonl:{number}: not a labelled {task} record: {error!r}")
    if not counts and task != "rucos":
        sys.exit("train.jsonl: no records")
    # Ties go by spelling: the same data must give the same model.
    ranked = sorted(counts.items(), key=lambda item: (-item[1], json.dumps(item[0])))
    model = json.dumps({"task": task, "counts": ranked})
    about = {"parameters": len(ranked), "weight_bytes": len(model)}
    for name, text in (("model.json", model), ("about.json", json.dumps(about))):
        with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
