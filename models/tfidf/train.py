"""Fit the model of one task on train.jsonl beside this file: ``train.py TASK``.

Leaves model.pkl and about.json (see models/README.md). The baseline's own vectorizer was fitted on
texts that are not published; this one is fitted on the train split, with the same defaults.
"""

import json
import os
import pickle
import sys

from features import RANKED, options_of, passage_of, text_of
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

HERE = os.path.dirname(os.path.abspath(__file__))


def read(task):
    """Texts, and a label for each; for a ranked task only texts. LiDiRus learns from TERRa."""
    texts, labels = [], []
    with open(os.path.join(HERE, "train.jsonl"), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
                if task in RANKED:
                    texts.append(passage_of(task, record))
                    for options in options_of(task, record):
                        texts.extend(options)
                else:
                    texts.append(text_of("terra" if task == "lidirus" else task, record))
                    labels.append(record["label"])
            except (ValueError, KeyError, TypeError) as error:
                sys.exit(f"train.jsonl:{number}: not a labelled {task} record: {error!r}")
    if not texts:
        sys.exit("train.jsonl: no records")
    return texts, labels


def main():
    task = sys.argv[1]
    texts, labels = read(task)
    vectorizer = TfidfVectorizer()
    matrix = vectorizer.fit_transform(texts)
    classifier = None
    if labels:
        if len(set(labels)) < 2:
            sys.exit(f"train.jsonl: all labels are {labels[0]!r}: nothing to tell apart")
        classifier = LogisticRegression().fit(matrix, labels)
    model = pickle.dumps((task, vectorizer, classifier), protocol=pickle.HIGHEST_PROTOCOL)
    with open(os.path.join(HERE, "model.pkl"), "wb") as file:
        file.write(model)
    learned = classifier.coef_.size + classifier.intercept_.size if classifier else 0
    vocabulary = len(vectorizer.vocabulary_)
    about = {
        "parameters": int(learned) + vocabulary,  # an inverse document frequency each term
        "vocabulary": vocabulary,
        "weight_bytes": len(model),
    }
    with open(os.path.join(HERE, "about.json"), "w", encoding="utf-8") as file:
        json.dump(about, file)


if __name__ == "__main__":
    main()
