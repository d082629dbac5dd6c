"""Container of a decoder (GPT family) in torch: the likeliest of the verbalised choices wins.

A choice's score is the mean log-likelihood of its tokens after the context. Where all choices of a
question are one token each, one pass over the context scores them all.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import app
import folder as hf
import questions


@dataclass(frozen=True)
class Row:
    """A sequence, and which of its places must say which tokens.

    ``spans``: for each choice of this row the (place, token) whose log-likelihoods are its score;
    the model's output at ``place`` tells of the token after it.
    """

    ids: list[int]
    spans: list[list[tuple[int, int]]]
    question: int


class PromptReader:
    """Tokenises the prompts of a record; the context is cut at its beginning."""

    def __init__(self, tokenizer: Any, task: str, tokens: int, end: int | None) -> None:
        self.tokenizer, self.task, self.tokens, self.end = tokenizer, task, tokens, end

    def __call__(self, record: dict[str, Any]) -> list[tuple[Row, int]]:
        rows = []
        for number, prompt in enumerate(questions.prompts(self.task, record)):
            context = self._ids(prompt.context, special=True) or [self.end or 0]
            choices = [self._ids(choice)[: self.tokens - 1] for choice in prompt.choices]
            if all(len(choice) == 1 for choice in choices):
                context = context[-self.tokens :]
                last = len(context) - 1
                rows.append(Row(context, [[(last, ids[0])] for ids in choices], number))
                continue
            for choice in choices:
                # The last token is only spoken of, never read.
                head = context[-(self.tokens + 1 - len(choice)) :]
                places = range(len(head) - 1, len(head) - 1 + len(choice))
                rows.append(
                    Row(head + choice[:-1], [list(zip(places, choice, strict=True))], number)
                )
        return [(row, len(row.ids)) for row in rows]

    def _ids(self, text: str, special: bool = False) -> list[int]:
        ids = self.tokenizer.encode(text, add_special_tokens=special).ids
        # Some tokenizers end every text with an end token: nothing can follow that.
        return ids[:-1] if special and ids and ids[-1] == self.end else ids


def load(args: argparse.Namespace) -> app.Model:
    config = hf.read_config(args.weights)
    tokens = app.longest(args, config)
    if tokens < 2:
        raise hf.BadFolder("--seq-len 1: a context and a choice need 2 tokens")
    end = config.get("eos_token_id")
    read = PromptReader(hf.load_tokenizer(args.weights), args.task, tokens, end)
    score = _scorer(args, config)
    classes = questions.CLASSES[args.task]

    def decide(record: dict[str, Any], scores: list[tuple[int, list[float]]]) -> dict[str, Any]:
        merged: questions.Scores = []
        for question, values in scores:
            if question == len(merged):
                merged.append([])
            merged[question] += values
        return questions.decide(args.task, record, merged, classes)

    return read, score, decide


def _scorer(args: argparse.Namespace, config: dict[str, Any]) -> Any:
    import nets
    import torch
    import torch_setup

    device, dtype = torch_setup.prepare(args)
    net: Any
    if nets.is_plain(config, nets.DECODERS):
        net = nets.Gpt2(args.weights, config, device, dtype)
    else:
        import any_model

        net = any_model.AnyDecoder(args.weights, device, dtype)

    def score(batch: list[Row]) -> list[tuple[int, list[float]]]:
        width = max(len(row.ids) for row in batch)
        ids = [row.ids + [0] * (width - len(row.ids)) for row in batch]
        mask = [[True] * len(row.ids) + [False] * (width - len(row.ids)) for row in batch]
        # Only the places that speak of a choice go through the output layer: the vocabulary is
        # by far the widest layer.
        places = [sorted({p for span in row.spans for p, _ in span}) for row in batch]
        spots = [(number, place) for number, row in enumerate(places) for place in row]
        with torch_setup.memory_hint(args.batch_size):
            hidden = net.hidden(torch.tensor(ids, device=device), torch.tensor(mask, device=device))
            rows, columns = torch.tensor(spots, device=device).T
            logits = net.words(hidden[rows, columns]).float().log_softmax(-1)
            at = {spot: number for number, spot in enumerate(spots)}
            wanted = [
                (at[number, place], token)
                for number, row in enumerate(batch)
                for span in row.spans
                for place, token in span
            ]
            first, second = torch.tensor(wanted, device=device).T
            values = iter(logits[first, second].tolist())
        return [(row.question, [_mean(values, len(span)) for span in row.spans]) for row in batch]

    return score


def _mean(values: Iterator[float], count: int) -> float:
    """Of the next ``count``; a choice without a token can never be the likeliest."""
    return sum(next(values) for _ in range(count)) / count if count else -math.inf


def main() -> None:
    app.serve(load, app.options(__doc__ or ""))


if __name__ == "__main__":
    main()
