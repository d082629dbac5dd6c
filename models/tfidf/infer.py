"""Answer records with TF-IDF and logistic regression: ``infer.py --batch-size N``.

MuSeRC: the two options nearest the passage are right. RuCoS: the entity that makes the query
nearest the passage.
"""

import itertools
import json
import os
import pickle
import sys

from features import RANKED, entities_of, options_of, passage_of, text_of


def classify(task, vectorizer, classifier, records):
    """One prediction a record, the whole batch at once."""
    matrix = vectorizer.transform([text_of(task, record) for record in records])
    labels = classifier.predict(matrix).tolist()
    return [{"idx": r["idx"], "label": label} for r, label in zip(records, labels, strict=True)]


def similarities(vectorizer, task, record):
    """Cosines of each question's options with the passage; rows of TF-IDF have length 1."""
    questions = options_of(task, record)
    passage, options = passage_of(task, record), list(itertools.chain(*questions))
    matrix = vectorizer.transform([passage, *options])
    cosines = iter((matrix[1:] @ matrix[0].T).toarray().ravel())
    return [list(itertools.islice(cosines, len(each))) for each in questions]


def rank_muserc(vectorizer, record):
    """The two nearest options of each question are labelled 1, later ones first among equals."""
    replies = []
    ranked = similarities(vectorizer, "muserc", record)
    for question, near in zip(record["passage"]["questions"], ranked, strict=True):
        best = sorted(range(len(near)), key=near.__getitem__)[-2:]
        answers = [
            {"idx": answer["idx"], "label": int(place in best)}
            for place, answer in enumerate(question["answers"])
        ]
        replies.append({"idx": question["idx"], "answers": answers})
    return {"idx": record["idx"], "passage": {"questions": replies}}


def rank_rucos(vectorizer, record):
    """The nearest entity; the first among equals. Several queries: their answers in a row."""
    names = entities_of(record)
    best = [
        names[near.index(max(near))] if near else ""
        for near in similarities(vectorizer, "rucos", record)
    ]
    return {"idx": record["idx"], "label": " ".join(best)}


def main():
    flag, _, size = " ".join(sys.argv[1:]).partition(" ")
    if flag != "--batch-size" or not size.isdecimal() or int(size) < 1:
        sys.exit("usage: infer.py --batch-size N < records.jsonl > predictions.jsonl")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.pkl"), "rb") as file:
        task, vectorizer, classifier = pickle.load(file)
    rank = {"muserc": rank_muserc, "rucos": rank_rucos}.get(task)
    out = sys.stdout.buffer
    while batch := list(itertools.islice(sys.stdin.buffer, int(size))):
        records = [json.loads(line) for line in batch]
        if task in RANKED:
            replies = [rank(vectorizer, record) for record in records]
        else:
            replies = classify(task, vectorizer, classifier, records)
        for reply in replies:
            out.write(json.dumps(reply, ensure_ascii=False).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
