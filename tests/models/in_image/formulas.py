"""The plain forwards of nets.py say what transformers says, for each of their families."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, "/model")
import any_model
import folder as hf
import nets
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

BERT = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2}
SMALL = {
    "bert": {**BERT, "num_attention_heads": 4},
    "roberta": {
        **BERT, "num_attention_heads": 4, "pad_token_id": 1, "type_vocab_size": 1,
        "max_position_embeddings": 66,
    },
    "distilbert": {"dim": 24, "hidden_dim": 40, "n_layers": 2, "n_heads": 4},
    "gpt2": {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 64, "eos_token_id": 0},
}  # fmt: skip
torch.set_grad_enabled(False)
torch.manual_seed(1)
lengths = torch.tensor([17, 9, 12])
mask = torch.arange(17)[None] < lengths[:, None]
for kind, shape in SMALL.items():
    path = Path(tempfile.mkdtemp())
    made = AutoConfig.for_model(kind, vocab_size=200, initializer_range=0.3, num_labels=3, **shape)
    family = AutoModelForCausalLM if kind == "gpt2" else AutoModelForSequenceClassification
    model = family.from_config(made).eval()
    for name, weight in model.named_parameters():  # else zeros and ones hide a missing term
        if "bias" in name or "orm" in name or "ln_" in name:
            weight.add_(torch.randn_like(weight) * 0.3)
    model.save_pretrained(path)
    config = hf.read_config(path)
    assert nets.is_plain(config, nets.ENCODERS + nets.DECODERS), kind
    ids = torch.randint(5, 200, mask.shape)
    ids[~mask] = config.get("pad_token_id") or 0
    types = torch.zeros_like(ids)
    if kind == "gpt2":
        net = nets.Gpt2(path, config, "cpu", torch.float32)
        other = any_model.AnyDecoder(path, "cpu", torch.float32)
        got = net.words(net.hidden(ids, mask))[mask]
        wanted = other.words(other.hidden(ids, mask))[mask]
    else:
        if kind == "bert":
            types[:, 5:] = 1
        got = nets.Encoder(path, config, 3, "cpu", torch.float32)(ids, types, mask)
        wanted = any_model.load_encoder(path, config, 3, "cpu", torch.float32)[0](ids, types, mask)
        try:
            nets.Encoder(path, config, 2, "cpu", torch.float32)
        except hf.BadFolder as error:
            assert "tell 3 classes apart, not 2" in str(error), error
        else:
            raise AssertionError("a head of another size was taken")
    assert wanted.std() > 0.1, kind
    # Sums of single precision in another order.
    assert (got - wanted).abs().max() < 1e-4, (kind, (got - wanted).abs().max())
print("ok")
