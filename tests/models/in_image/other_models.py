"""Families beyond nets.py answer through transformers, by the same command line."""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, "/model")
import nets
import random_weights

ELECTRA = {
    "model_type": "electra", "vocab_size": 300, "embedding_size": 16, "hidden_size": 24,
    "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40,
}  # fmt: skip
LLAMA = {
    "model_type": "llama", "vocab_size": 400, "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 4, "intermediate_size": 40, "max_position_embeddings": 64,
}  # fmt: skip
texts = Path("/tmp/texts")
texts.mkdir()
records = [
    {"idx": n, "premise": f"Премия номер {n} вручена.", "hypothesis": "Её вручили."}
    for n in range(20)
]
lines = "".join(json.dumps(record) + "\n" for record in records)
(texts / "val.jsonl").write_text(lines)
for kind, shape in (("encoder", ELECTRA), ("decoder", LLAMA)):
    weights = Path("/tmp", kind)
    weights.mkdir()
    train = random_weights.train_bpe if kind == "decoder" else random_weights.train_wordpiece
    train(random_weights.texts(texts), shape["vocab_size"]).save(str(weights / "tokenizer.json"))
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    config = AutoConfig.for_model(**shape)
    assert not nets.is_plain(config.to_dict(), nets.ENCODERS + nets.DECODERS)
    (AutoModelForCausalLM if kind == "decoder" else AutoModel).from_config(config).save_pretrained(
        weights
    )
    command = [sys.executable, f"/model/infer_{kind}.py", "--weights", str(weights)]
    done = subprocess.run(
        [*command, "--seq-len", "48", "--batch-size", "4"],
        input=lines, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    got = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["idx"] for line in got] == list(range(20))
    assert {line["label"] for line in got} <= {"entailment", "not_entailment"}
    assert ("no classification head" in done.stderr) == (kind == "encoder"), done.stderr
print("ok")
