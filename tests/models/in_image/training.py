"""train.py learns a rule that can be learnt; its folder answers with the classes it learnt."""

import json
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, "/model")
import random_weights

random_weights.SHAPES["small"] = {
    "model_type": "bert", "vocab_size": 400, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64,
}  # fmt: skip
rng = random.Random(3)
words = ["река", "лес", "город", "дорога", "мост", "поле", "снег", "дождь", "окно", "книга"]
data = Path("/tmp/data/TERRa")
data.mkdir(parents=True)
for split, count in (("train", 320), ("val", 100)):
    with (data / f"{split}.jsonl").open("w") as file:
        for idx in range(count):
            wrong = rng.random() < 0.5
            record = {
                "idx": idx,
                "premise": " ".join(rng.choices(words, k=12)),
                "hypothesis": " ".join([*rng.choices(words, k=3), *(["не"] if wrong else [])]),
                "label": "not_entailment" if wrong else "entailment",
            }
            file.write(json.dumps(record) + "\n")
random_weights.make("small", 0, data, Path("/tmp/start"), spread=0.02)
command = [sys.executable, "/model/train.py", "--task", "terra", "--data", "/tmp/data"]
command += ["--weights", "/tmp/start", "--out", "/tmp/trained", "--seq-len", "48"]
command += ["--warm-up", "10", "--epochs", "8", "--rate", "2e-3", "--batch-size", "16"]
done = subprocess.run(command, capture_output=True, text=True, check=False)
assert done.returncode == 0, done.stderr
report = json.loads(done.stdout.splitlines()[-1])
assert report["records"] == 100 and 0.5 <= report["majority"] < 0.65, report
assert report["accuracy_95"][0] > report["majority"], report

gold = [json.loads(line) for line in (data / "val.jsonl").read_text().splitlines()]
bare = "".join(json.dumps({k: v for k, v in r.items() if k != "label"}) + "\n" for r in gold)
command = [sys.executable, "/model/infer_encoder.py", "--weights", "/tmp/trained"]
done = subprocess.run(
    [*command, "--seq-len", "48"], input=bare, capture_output=True, text=True, check=False
)
assert done.returncode == 0 and "no classification head" not in done.stderr, done.stderr
got = [json.loads(line)["label"] for line in done.stdout.splitlines()]
right = sum(label == r["label"] for label, r in zip(got, gold, strict=True))
assert right / 100 == report["accuracy"], (right, report)
# A head of two classes is no head for three.
done = subprocess.run(
    [*command, "--task", "rcb"], input=bare, capture_output=True, text=True, check=False
)
assert done.returncode == 2 and "tell 2 classes apart, not 3" in done.stderr, done.stderr
print("ok")
