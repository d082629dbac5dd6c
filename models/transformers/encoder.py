"""How the texts of a record become token rows of an encoder, and its scores a prediction.

Shared by the torch and the ONNX container; no torch in here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder as hf
import questions

NO_HEAD = (
    "warning: these weights have no classification head, a random one answers: speed and memory "
    "are the model's, the score means nothing"
)
Ids = tuple[list[int], list[int]]  # token ids, segment ids


class PairReader:
    """Tokenises the pairs of a record, the longer text of a pair cut first."""

    def __init__(self, folder: Path, config: dict[str, Any], task: str, tokens: int) -> None:
        self.task = task
        self.tokenizer = hf.load_tokenizer(folder)
        special = self.tokenizer.num_special_tokens_to_add(is_pair=True)
        if tokens <= special + 1:
            raise hf.BadFolder(f"--seq-len {tokens}: a pair needs more than {special + 1} tokens")
        self.tokenizer.enable_truncation(max_length=tokens, strategy="longest_first")
        # RoBERTa and DistilBERT have one segment, whatever the tokenizer says.
        self.one_segment = config.get("type_vocab_size", 2) < 2

    def __call__(self, record: dict[str, Any]) -> list[tuple[Ids, int]]:
        rows = []
        for pair in questions.pairs(self.task, record):
            encoding = self.tokenizer.encode(pair.first, pair.second)
            types = [0] * len(encoding.ids) if self.one_segment else encoding.type_ids
            rows.append(((encoding.ids, types), len(encoding.ids)))
        return rows


def classes_of(config: dict[str, Any], task: str) -> int:
    """How many classes the head must have: one score is enough where candidates are ranked."""
    if task in questions.RANKED and len(config.get("id2label") or {}) == 1:
        return 1
    return len(questions.CLASSES[task])


class Decision:
    """Scores of a record's rows -> prediction."""

    def __init__(self, task: str, classes: tuple[Any, ...]) -> None:
        self.task, self.classes = task, classes

    def __call__(self, record: dict[str, Any], scores: questions.Scores) -> dict[str, Any]:
        if self.task in questions.RANKED:
            scores = questions.rank(scores)
        return questions.decide(self.task, record, scores, self.classes)
