"""Fine-tune an encoder on one task; the folder it writes is what an image takes as WEIGHTS.

    python train.py --task terra --data data/official --weights tiny --out trained/terra

A model of random weights cannot learn from 2616 pairs what "the words of one text in the other"
means, so it may first be warmed up on pairs made of the task's own texts: part of the words of a
text, some of them exchanged for words of another, and the share that is left is the target. No
label is used in that, and nothing of the measured split.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import encoder
import folder as hf
import questions

TITLES = {
    "danetqa": "DaNetQA", "parus": "PARus", "rcb": "RCB", "russe": "RUSSE", "rwsd": "RWSD",
    "terra": "TERRa",
}  # fmt: skip
WINDOW = (10, 60)  # words of a warm-up text, as the tasks' own
SHARPNESS = 2.0  # of that start: a token's own copy outweighs a hundred others
Example = tuple[encoder.Ids, list[float]]  # token and segment ids; share of each class


def read(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise SystemExit(f"error: {path} does not exist") from None
    return [json.loads(line) for line in lines if line.strip()]


def examples(task: str, records: list[dict[str, Any]], reader: Any) -> list[Example]:
    """One example a pair; where candidates are ranked, each is right or wrong by itself."""
    classes = questions.CLASSES[task]
    made = []
    for record in records:
        for number, (ids, _) in enumerate(reader(record)):
            label = record["label"]
            right = int(label == number) if task in questions.RANKED else classes.index(label)
            made.append((ids, [float(place == right) for place in range(len(classes))]))
    return made


def overlap_pairs(
    texts: list[str], encode: Callable[[str, str], encoder.Ids], rng: random.Random
) -> Iterator[Example]:
    """Endless (text, some of its words, part of them exchanged), and the share that is its own."""
    split = [text.split() for text in texts]
    split = [words for words in split if len(words) >= WINDOW[0]]
    if len(split) < 2:
        raise SystemExit("error: the train split has too few texts for a warm-up")
    while True:
        words, others = rng.sample(split, 2)
        window = rng.randint(*WINDOW)
        start = rng.randrange(max(1, len(words) - window + 1))
        words = words[start : start + window]
        size = rng.randint(4, min(10, len(words)))
        picked = sorted(rng.sample(range(len(words)), size))
        own = rng.randint(0, size)
        keep = set(rng.sample(picked, own))
        mixed = [_inflect(words[n], rng) if n in keep else rng.choice(others) for n in picked]
        share = own / size
        yield encode(" ".join(words), " ".join(mixed)), [1 - share, share]


def _inflect(word: str, rng: random.Random) -> str:
    """Half of the longer words lose their ending: Russian words recur in other forms."""
    bare = word.strip('.,:;!?"«»()')
    return bare[: -rng.randint(1, 2)] if len(bare) > 5 and rng.random() < 0.5 else word


class Trainer:
    """An encoder with a head, and how it learns from batches of examples."""

    def __init__(self, weights: Path, classes: int, device: str, pad: int) -> None:
        from transformers import AutoModelForSequenceClassification

        self.model = AutoModelForSequenceClassification.from_pretrained(
            weights, num_labels=classes, local_files_only=True, use_safetensors=True
        ).to(device)
        self.device, self.pad = device, pad
        self.with_types = getattr(self.model.config, "type_vocab_size", 0) > 1

    def see_copies(self) -> None:
        """Let every token of the first layer look for its like in both texts.

        Its queries and keys start equal, blind to segments, and positions start at nothing. From a
        random start it takes far more steps than a small task has until a word of the second text
        finds itself in the first (the copying heads of Olsson et al. 2022). The values still tell
        the segments apart, so what a token gathers says whether the other text has it too.
        """
        import torch

        named = dict(self.model.named_parameters())
        segments = [w for name, w in named.items() if "token_type_embeddings" in name]
        for name, weight in named.items():
            if re.search(r"layer\.0\.attention.*(query|key|q_lin|k_lin)\.weight$", name):
                torch.nn.init.eye_(weight)
                if segments:
                    side = torch.nn.functional.normalize(segments[0][1] - segments[0][0], dim=0)
                    weight.sub_(torch.outer(side, side))
                weight.mul_(SHARPNESS)
            elif name.endswith("position_embeddings.weight"):
                weight.zero_()

    def scores(self, batch: list[encoder.Ids]) -> Any:
        import torch

        width = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([row + [self.pad] * (width - len(row)) for row, _ in batch])
        types = torch.tensor([row + [0] * (width - len(row)) for _, row in batch])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in batch])
        more = {"token_type_ids": types.to(self.device)} if self.with_types else {}
        return self.model(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device), **more
        ).logits

    def learn(self, batches: Iterator[list[Example]], steps: int, rate: float, name: str) -> None:
        """AdamW, ``rate`` rising over the first tenth of ``steps`` and falling to 0 from there."""
        import torch

        self.model.train()
        optimiser = torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=0.01)
        rise = max(1, steps // 10)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda n: min((n + 1) / rise, (steps - n) / max(1, steps - rise))
        )
        begin, total = time.monotonic(), 0.0
        for step in range(1, steps + 1):
            batch = next(batches)
            wanted = torch.tensor([target for _, target in batch], device=self.device)
            logits = self.scores([ids for ids, _ in batch]).float()
            loss = torch.nn.functional.cross_entropy(logits, wanted)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item()
            if step % 50 == 0 or step == steps:
                mean, seconds = total / ((step - 1) % 50 + 1), time.monotonic() - begin
                print(f"{name} step {step}/{steps} loss {mean:.4f} {seconds:.0f} s", flush=True)
                total = 0.0

    def predict(self, task: str, records: list[dict[str, Any]], reader: Any) -> list[Any]:
        import torch

        self.model.eval()
        decide = encoder.Decision(task, questions.CLASSES[task])
        labels = []
        with torch.no_grad():
            for record in records:
                scores = self.scores([ids for ids, _ in reader(record)]).float().tolist()
                labels.append(decide(record, scores)["label"])
        return labels


def epochs_of(data: list[Example], size: int, rng: random.Random) -> Iterator[list[Example]]:
    """Endless shuffled batches."""
    while True:
        order = rng.sample(data, len(data))
        for start in range(0, len(order), size):
            yield order[start : start + size]


def wilson(right: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z, p = 1.959964, right / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total**2)) / (1 + z * z / total)
    return middle - half, middle + half


def train(args: argparse.Namespace) -> dict[str, Any]:
    import torch

    rng = random.Random(args.seed)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    config = hf.read_config(args.weights)
    reader = encoder.PairReader(args.weights, config, args.task, args.seq_len)
    records = read(args.data / TITLES[args.task] / "train.jsonl")
    pad = config.get("pad_token_id") or 0
    trainer = Trainer(args.weights, len(questions.CLASSES[args.task]), args.device, pad)
    if args.warm_up:
        if len(questions.CLASSES[args.task]) != 2:
            raise SystemExit("error: --warm-up is for tasks of two classes")
        texts = [pair.first for record in records for pair in questions.pairs(args.task, record)]

        def encode(first: str, second: str) -> encoder.Ids:
            encoding = reader.tokenizer.encode(first, second)
            return encoding.ids, encoding.type_ids

        with torch.no_grad():
            trainer.see_copies()
        pairs = overlap_pairs(texts, encode, rng)
        batches = ([next(pairs) for _ in range(args.batch_size)] for _ in iter(int, 1))
        trainer.learn(batches, args.warm_up, args.warm_up_rate, "warm-up")
    data = examples(args.task, records, reader)
    steps = math.ceil(len(data) / args.batch_size) * args.epochs
    trainer.learn(epochs_of(data, args.batch_size, rng), steps, args.rate, "fine-tuning")
    classes = [str(name) for name in questions.CLASSES[args.task]]
    trainer.model.config.id2label = dict(enumerate(classes))
    trainer.model.config.label2id = {name: number for number, name in enumerate(classes)}
    args.out.mkdir(parents=True, exist_ok=True)
    trainer.model.save_pretrained(args.out)
    (args.out / "tokenizer.json").write_bytes((args.weights / "tokenizer.json").read_bytes())
    for path in args.out.iterdir():
        path.chmod(0o644)
    return measure(args.task, trainer, read(args.data / TITLES[args.task] / "val.jsonl"), reader)


def measure(
    task: str, trainer: Trainer, records: list[dict[str, Any]], reader: Any
) -> dict[str, Any]:
    """Accuracy on the measured split beside that of its commonest class, with intervals."""
    gold = [record["label"] for record in records]
    found = trainer.predict(task, records, reader)
    right = sum(a == b for a, b in zip(found, gold, strict=True))
    common = max(gold.count(label) for label in set(gold))
    low, high = wilson(right, len(gold))
    return {
        "task": task,
        "records": len(gold),
        "accuracy": round(right / len(gold), 4),
        "accuracy_95": [round(low, 4), round(high, 4)],
        "majority": round(common / len(gold), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=sorted(TITLES), required=True)
    parser.add_argument("--data", type=Path, required=True, help="data root, official layout")
    parser.add_argument("--weights", type=Path, required=True, help="Hugging Face folder to begin")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=1e-4, help="learning rate")
    parser.add_argument("--warm-up", type=int, default=0, help="steps on pairs of word overlap")
    parser.add_argument("--warm-up-rate", type=float, default=5e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seq-len", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    try:
        print(json.dumps(train(args)))
    except hf.BadFolder as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
