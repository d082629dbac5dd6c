"""Container of an encoder in ONNX Runtime: the torch container's answers without torch."""

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
    import numpy as np
    import onnxruntime as ort

    model, heads = args.weights / "model.onnx", args.weights / "heads.npz"
    for path in (model, heads):
        if not path.is_file():
            raise hf.BadFolder(f"no weights: {path} does not exist; export_onnx.py makes it")
    with np.load(heads) as arrays:
        if f"{classes}.weight" not in arrays:
            raise hf.BadFolder(f"the weights in {args.weights} do not tell {classes} classes apart")
        weight, bias = arrays[f"{classes}.weight"].T.copy(), arrays[f"{classes}.bias"]
        if arrays["random"]:
            print(encoder.NO_HEAD, file=sys.stderr)
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = args.threads
    settings.inter_op_num_threads = 1
    session = ort.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])
    # The export drops segment ids where the model has none.
    names = {entry.name for entry in session.get_inputs()}
    pad = config.get("pad_token_id") or 0

    def score(batch: list[encoder.Ids]) -> list[list[float]]:
        shape = (len(batch), max(len(ids) for ids, _ in batch))
        ids, types = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
        mask = np.zeros(shape, np.bool_)
        for number, (row, segments) in enumerate(batch):
            ids[number, : len(row)], types[number, : len(row)] = row, segments
            mask[number, : len(row)] = True
        feed = {"ids": ids, "types": types, "mask": mask}
        (pooled,) = session.run(["pooled"], {k: v for k, v in feed.items() if k in names})
        return (pooled @ weight + bias).tolist()

    return score


def main() -> None:
    app.serve(load, app.options(__doc__ or "", torch_options=False))


if __name__ == "__main__":
    main()
