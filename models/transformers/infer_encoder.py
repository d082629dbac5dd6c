"""Container of an encoder (BERT family) in torch: JSON lines in, prediction lines out."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import app
import encoder
import folder as hf


def load(args: argparse.Namespace) -> app.Model:
    config = hf.read_config(args.weights)
    read = encoder.PairReader(args.weights, config, args.task, app.longest(args, config))
    score = _scorer(args, config, encoder.classes_of(config, args.task))
    return read, score, encoder.Decision(args.task, app.class_names(config, args.task))


def _scorer(args: argparse.Namespace, config: dict[str, Any], classes: int) -> Any:
    import torch
    import torch_setup

    device, dtype = torch_setup.prepare(args)
    net = load_net(args.weights, config, classes, device, dtype)
    pad = config.get("pad_token_id") or 0

    def score(batch: list[encoder.Ids]) -> list[list[float]]:
        width = max(len(ids) for ids, _ in batch)
        ids = [row + [pad] * (width - len(row)) for row, _ in batch]
        types = [row + [0] * (width - len(row)) for _, row in batch]
        mask = [[True] * len(row) + [False] * (width - len(row)) for row, _ in batch]
        with torch_setup.memory_hint(args.batch_size):
            tensors = (torch.tensor(values, device=device) for values in (ids, types, mask))
            return net(*tensors).tolist()

    return score


def load_net(folder: Any, config: dict[str, Any], classes: int, device: str, dtype: Any) -> Any:
    """A callable (ids, types, mask) -> [batch, classes] float32."""
    import nets

    if nets.is_plain(config, nets.ENCODERS):
        net: Any = nets.Encoder(folder, config, classes, device, dtype)
        random_head = net.random_head
    else:
        import any_model

        net, random_head = any_model.load_encoder(folder, config, classes, device, dtype)
    if random_head:
        print(encoder.NO_HEAD, file=sys.stderr)
    return net


def main() -> None:
    app.serve(load, app.options(__doc__ or ""))


if __name__ == "__main__":
    main()
