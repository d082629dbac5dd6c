"""--dtype changes the numbers' type and hardly the answers."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, "/model")
import infer_encoder
import torch

text = "Город стоит на реке, и мост через неё построили в прошлом веке."
record = {"idx": 1, "premise": text, "choice1": "Река мала.", "choice2": "Мост стар."}
record = json.loads(json.dumps({**record, "question": "cause"}))
scores = {}
for dtype in ("float32", "bfloat16", "float16"):
    args = argparse.Namespace(
        task="parus", weights=Path("/model/weights"), batch_size=2, seq_len=None, threads=1,
        device="cpu", dtype=dtype,
    )  # fmt: skip
    encode, score, _ = infer_encoder.load(args)
    scores[dtype] = torch.tensor(score([features for features, _ in encode(record)]))
exact = scores.pop("float32")
for dtype, rough in scores.items():
    # Eight bits of mantissa: 0.4 % a step, over three layers.
    difference = (rough - exact).abs().max() / exact.abs().max()
    assert 0 < difference < 0.1, (dtype, difference)
print("ok")
