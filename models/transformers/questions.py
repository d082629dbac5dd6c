"""The nine tasks as texts for a model, and its scores as prediction lines. No model in here.

A record becomes one or more questions. An encoder answers each with one score a class; a decoder
answers each with one score a choice (the mean log-likelihood of its words). ``decide`` reads both:
a list of scores for every question of the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]
Scores = list[list[float]]

# Class order of a head that does not name its classes itself (config.json, id2label).
NLI = ("not_entailment", "entailment")
CLASSES: dict[str, tuple[Any, ...]] = {
    "danetqa": (False, True),
    "lidirus": NLI,
    "muserc": (0, 1),
    "parus": (0, 1),
    "rcb": ("entailment", "contradiction", "neutral"),
    "rucos": (0, 1),
    "russe": (False, True),
    "rwsd": (False, True),
    "terra": NLI,
}
# In these the classes say "wrong" and "right" of one candidate, and the best candidate wins.
RANKED = ("parus", "rucos")
PLACEHOLDER = "@placeholder"


@dataclass(frozen=True)
class Pair:
    """Input of an encoder; ``second`` is None where the task has one text."""

    first: str
    second: str | None = None


@dataclass(frozen=True)
class Prompt:
    """Input of a decoder: which of ``choices`` continues ``context`` best?"""

    context: str
    choices: tuple[str, ...]


def pairs(task: str, record: Record) -> list[Pair]:
    """What an encoder reads of ``record``: one pair a question; KeyError names a missing field."""
    r = record
    match task:
        case "danetqa":
            return [Pair(r["question"], r["passage"])]
        case "terra" | "rcb":
            return [Pair(r["premise"], r["hypothesis"])]
        case "lidirus":
            return [Pair(r["sentence1"], r["sentence2"])]
        case "russe":
            # The word stands in front, so that a wrong or missing offset does no harm.
            return [Pair(f"{r['word']}: {r['sentence1']}", f"{r['word']}: {r['sentence2']}")]
        case "rwsd":
            target = r["target"]
            return [Pair(f"{target['span2_text']}: {target['span1_text']}. {r['text']}")]
        case "parus":
            return [Pair(f"{r['premise']} {_link(r)}", choice) for choice in _choices(r)]
        case "muserc":
            text = r["passage"]["text"]
            return [Pair(text, f"{question} {answer}") for question, answer in _answers(r)]
        case "rucos":
            text, query = r["passage"]["text"], r["qas"][0]["query"]
            return [Pair(text, query.replace(PLACEHOLDER, name)) for name in entities(r)]
    raise ValueError(f"unknown task {task!r}")


def prompts(task: str, record: Record) -> list[Prompt]:
    """What a decoder reads of ``record``; the choices stand in the order of ``CLASSES``."""
    r = record
    yes_no = (" нет", " да")
    match task:
        case "danetqa":
            return [Prompt(f"{r['passage']}\nВопрос: {r['question']}\nОтвет:", yes_no)]
        case "terra" | "lidirus":
            (pair,) = pairs(task, r)
            return [Prompt(f"{pair.first}\nСледует ли отсюда: {pair.second}\nОтвет:", yes_no)]
        case "rcb":
            context = f"{r['premise']}\nСледует ли отсюда: {r['hypothesis']}\nОтвет:"
            return [Prompt(context, (" да", " нет", " неизвестно"))]
        case "russe":
            context = (
                f"{r['sentence1']}\n{r['sentence2']}\nСлово «{r['word']}» значит одно и то же?"
            )
            return [Prompt(f"{context}\nОтвет:", yes_no)]
        case "rwsd":
            target = r["target"]
            context = f"{r['text']}\n«{target['span2_text']}» — это «{target['span1_text']}»?"
            return [Prompt(f"{context}\nОтвет:", yes_no)]
        case "parus":
            return [Prompt(f"{r['premise']} {_link(r)}", tuple(f" {c}" for c in _choices(r)))]
        case "muserc":
            text = r["passage"]["text"]
            return [
                Prompt(f"{text}\nВопрос: {question}\nОтвет: {answer}\nВерно?", yes_no)
                for question, answer in _answers(r)
            ]
        case "rucos":
            names, query = entities(r), r["qas"][0]["query"]
            choices = tuple(f" {query.replace(PLACEHOLDER, name)}" for name in names)
            return [Prompt(r["passage"]["text"], choices)] if choices else []
    raise ValueError(f"unknown task {task!r}")


def decide(task: str, record: Record, scores: Scores, classes: tuple[Any, ...]) -> Record:
    """The prediction line of ``record``.

    ``scores``: a list for each question; in ranked tasks one list, a score a candidate. Equal
    scores: the first wins.
    """
    idx = record["idx"]
    if task in RANKED:
        candidates = _choices(record) if task == "parus" else entities(record)
        best = _best(scores[0]) if candidates else None
        if task == "parus":
            return {"idx": idx, "label": best}
        return {"idx": idx, "label": "" if best is None else candidates[best]}
    labels = [classes[_best(row)] for row in scores]
    if task != "muserc":
        return {"idx": idx, "label": labels[0]}
    left = iter(labels)
    questions = [
        {
            "idx": question["idx"],
            "answers": [{"idx": a["idx"], "label": next(left)} for a in question["answers"]],
        }
        for question in record["passage"]["questions"]
    ]
    return {"idx": idx, "passage": {"questions": questions}}


def rank(scores: Scores) -> Scores:
    """Two-class scores of each candidate -> one list: "right" minus "wrong", or the one score."""
    return [[row[-1] - row[0] if len(row) > 1 else row[0] for row in scores]]


def entities(record: Record) -> list[str]:
    """RuCoS's candidates: every distinct entity of the passage, in order of its first mention."""
    passage = record["passage"]
    names = (passage["text"][e["start"] : e["end"]] for e in passage["entities"])
    return list(dict.fromkeys(name for name in names if name.strip()))


def _link(record: Record) -> str:
    return "Причина:" if record["question"] == "cause" else "Следствие:"


def _choices(record: Record) -> list[str]:
    return [record["choice1"], record["choice2"]]


def _answers(record: Record) -> list[tuple[str, str]]:
    return [
        (question["question"], answer["text"])
        for question in record["passage"]["questions"]
        for answer in question["answers"]
    ]


def _best(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)
