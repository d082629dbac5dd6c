"""Write the encoder of a Hugging Face folder as ``model.onnx`` and its head as ``heads.npz``.

    python export_onnx.py --weights folder --out folder-onnx

Runs in the torch image. The head stays apart, so that all tasks share one model file where the
weights have no head of their own. The tracing exporter is used: the graph of its successor (torch
2.13) takes 1.3 to 1.5 times as long in ONNX Runtime here, at 8 and 32 sequences of 128 tokens.
"""

from __future__ import annotations

import argparse
import shutil
import warnings
from pathlib import Path
from typing import Any

import folder as hf
import nets
import numpy as np
import questions
import torch

COPIED = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json",
    "merges.txt",
)  # fmt: skip


class _Body(torch.nn.Module):
    """The exporter wants a module."""

    def __init__(self, net: nets.Encoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, ids: torch.Tensor, types: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.net.pooled(ids, types, mask)


def export(folder: Path, out: Path) -> None:
    config = hf.read_config(folder)
    if not nets.is_plain(config, nets.ENCODERS):
        kinds = ", ".join(nets.ENCODERS)
        raise hf.BadFolder(f"cannot export model type {config['model_type']}, only {kinds}")
    torch.set_grad_enabled(False)
    out.mkdir(parents=True, exist_ok=True)
    net = _write_heads(folder, config, out / "heads.npz")
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 0]])
    example = (ids, torch.zeros_like(ids), ids > 0)
    names = ["ids", "types", "mask"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's advice to use its successor
        torch.onnx.export(
            _Body(net).eval(), example, str(out / "model.onnx"), input_names=names,
            output_names=["pooled"], opset_version=18, dynamo=False,
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names},
        )  # fmt: skip
    for name in COPIED:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, out / name)


def _write_heads(folder: Path, config: dict[str, Any], path: Path) -> nets.Encoder:
    """``<classes>.weight``, ``<classes>.bias`` and ``random``; returns a net with one of them.

    Without a head in the folder there is one for each number of classes that a task may have, the
    same as the torch container makes up.
    """
    net = nets.Encoder(folder, config, None, "cpu", torch.float32)
    sizes = sorted({len(names) for names in questions.CLASSES.values()})
    found = [net] if not net.random_head else [
        nets.Encoder(folder, config, size, "cpu", torch.float32) for size in sizes
    ]  # fmt: skip
    arrays = {"random": np.array(net.random_head)}
    for each in found:
        weight, bias = each.w[f"{each.head}.weight"], each.w[f"{each.head}.bias"]
        arrays |= {f"{len(bias)}.weight": weight.numpy(), f"{len(bias)}.bias": bias.numpy()}
    np.savez(path, **arrays)
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        export(args.weights, args.out)
    except hf.BadFolder as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
