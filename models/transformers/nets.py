"""BERT, RoBERTa, DistilBERT and GPT-2 forwards in plain torch, on the tensors of a folder.

Importing a model of ``transformers`` takes 3 s more than torch alone (4.7 against 1.7 s here), in
every run. The formulas below are those of the published models; a test holds their outputs against
``transformers``. Every other architecture goes through ``transformers`` itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folder as hf
import torch
import torch.nn.functional as F
from torch import Tensor

ROBERTA = ("roberta", "xlm-roberta", "camembert")
ENCODERS = ("bert", "distilbert", *ROBERTA)
DECODERS = ("gpt2",)
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


class Weights:
    """Tensors by name, with the prefix of the base model (``bert.``) taken off."""

    def __init__(self, path: Path, prefix: str, device: str, dtype: torch.dtype) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        self.folder, self.device, self.dtype = path, device, dtype
        self.tensors: dict[str, Tensor] = {}
        for file in hf.weight_files(path):
            try:
                loaded = load_file(file, device=device)
            except SafetensorError as error:
                raise hf.BadFolder(f"{file} is no safetensors file: {error}") from error
            for full, tensor in loaded.items():
                # Old BERT checkpoints name the parts of a layer norm gamma and beta.
                name = full.removeprefix(prefix + ".").replace(
                    "LayerNorm.gamma", "LayerNorm.weight"
                )
                name = name.replace("LayerNorm.beta", "LayerNorm.bias")
                self.tensors[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor

    def __getitem__(self, name: str) -> Tensor:
        try:
            return self.tensors[name]
        except KeyError:
            raise hf.BadFolder(f"the weights in {self.folder} have no tensor {name!r}") from None

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self[f"{name}.weight"], self[f"{name}.bias"])

    def norm(self, name: str, x: Tensor, eps: float) -> Tensor:
        weight = self[f"{name}.weight"]
        return F.layer_norm(x, weight.shape, weight, self[f"{name}.bias"], eps)

    def add_random(self, name: str, out: int, width: int) -> bool:
        """Make up a linear layer where the folder has none; True where it had to."""
        if f"{name}.weight" in self.tensors:
            return False
        generator = torch.Generator().manual_seed(0)
        made = torch.randn(out, width, generator=generator) * 0.02
        self.tensors[f"{name}.weight"] = made.to(self.device, self.dtype)
        self.tensors[f"{name}.bias"] = torch.zeros(out, device=self.device, dtype=self.dtype)
        return True


@dataclass(frozen=True)
class _Names:
    """Where BERT and DistilBERT keep the same things."""

    layer: str
    query: str
    key: str
    value: str
    out: str
    norm1: str
    up: str
    down: str
    norm2: str


_BERT = _Names(
    "encoder.layer", "attention.self.query", "attention.self.key", "attention.self.value",
    "attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense",
    "output.LayerNorm",
)  # fmt: skip
_DISTILBERT = _Names(
    "transformer.layer", "attention.q_lin", "attention.k_lin", "attention.v_lin",
    "attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm",
)  # fmt: skip


class Encoder:
    """Scores of ``classes`` classes (None: as many as the head has) for batches of sequences."""

    def __init__(
        self,
        path: Path,
        config: dict[str, Any],
        classes: int | None,
        device: str,
        dtype: torch.dtype,
    ) -> None:
        self.kind = config["model_type"]
        distil = self.kind == "distilbert"
        prefix = "roberta" if self.kind in ROBERTA else self.kind
        self.w = w = Weights(path, prefix, device, dtype)
        self.names = _DISTILBERT if distil else _BERT
        self.layers = config["n_layers" if distil else "num_hidden_layers"]
        self.heads = config["n_heads" if distil else "num_attention_heads"]
        self.eps = 1e-12 if distil else config.get("layer_norm_eps", 1e-12)
        self.act = _ACTIVATIONS[config.get("activation" if distil else "hidden_act", "gelu")]
        self.first_position = config.get("pad_token_id", 1) + 1 if self.kind in ROBERTA else 0
        self.width = width = w["embeddings.word_embeddings.weight"].shape[1]
        if self.kind in ROBERTA:
            self.pool, self.head = "classifier.dense", "classifier.out_proj"
        else:
            self.pool, self.head = "pre_classifier" if distil else "pooler.dense", "classifier"
        w.add_random(self.pool, width, width)
        self.random_head = w.add_random(self.head, classes or 2, width)
        found = w[f"{self.head}.weight"].shape[0]
        if found != (classes or found):
            raise hf.BadFolder(f"the weights in {path} tell {found} classes apart, not {classes}")

    def __call__(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        """As ``pooled``; returns the scores, [batch, classes] float32."""
        return self.w.linear(self.head, self.pooled(ids, types, mask)).float()

    def pooled(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        """What the head sees of each sequence, [batch, width].

        ids, types: [batch, tokens] int64; mask: [batch, tokens] bool, True on tokens.
        """
        w, names = self.w, self.names
        batch, length = ids.shape
        x = F.embedding(ids, w["embeddings.word_embeddings.weight"])
        positions = w["embeddings.position_embeddings.weight"]
        x = x + positions[self.first_position : self.first_position + length]
        if self.kind != "distilbert":
            x = x + F.embedding(types, w["embeddings.token_type_embeddings.weight"])
        x = w.norm("embeddings.LayerNorm", x, self.eps)
        allowed = mask[:, None, None, :]
        split = (batch, length, self.heads, self.width // self.heads)
        for number in range(self.layers):
            layer = f"{names.layer}.{number}"
            q, k, v = (
                w.linear(f"{layer}.{part}", x).view(split).transpose(1, 2)
                for part in (names.query, names.key, names.value)
            )
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
            mixed = mixed.transpose(1, 2).reshape(batch, length, self.width)
            x = w.norm(
                f"{layer}.{names.norm1}", x + w.linear(f"{layer}.{names.out}", mixed), self.eps
            )
            inner = self.act(w.linear(f"{layer}.{names.up}", x))
            x = w.norm(
                f"{layer}.{names.norm2}", x + w.linear(f"{layer}.{names.down}", inner), self.eps
            )
        first = w.linear(self.pool, x[:, 0])
        return F.relu(first) if self.kind == "distilbert" else torch.tanh(first)


class Gpt2:
    """Hidden states and word scores of a batch of token sequences."""

    def __init__(self, path: Path, config: dict[str, Any], device: str, dtype: torch.dtype) -> None:
        self.w = Weights(path, "transformer", device, dtype)
        self.layers, self.heads = config["n_layer"], config["n_head"]
        self.eps = config.get("layer_norm_epsilon", 1e-5)
        self.act = _ACTIVATIONS[config.get("activation_function", "gelu_new")]

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask: [batch, tokens]; returns [batch, tokens, width].

        Padding stands on the right, where no earlier token can see it: the mask is not needed.
        """
        w = self.w
        x = F.embedding(ids, w["wte.weight"]) + w["wpe.weight"][: ids.shape[1]]
        split = (*ids.shape, self.heads, x.shape[-1] // self.heads)
        for number in range(self.layers):
            layer = f"h.{number}"
            inner = self._conv(f"{layer}.attn.c_attn", w.norm(f"{layer}.ln_1", x, self.eps))
            q, k, v = (part.view(split).transpose(1, 2) for part in inner.chunk(3, dim=-1))
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self._conv(f"{layer}.attn.c_proj", mixed.transpose(1, 2).reshape(x.shape))
            inner = self._conv(f"{layer}.mlp.c_fc", w.norm(f"{layer}.ln_2", x, self.eps))
            x = x + self._conv(f"{layer}.mlp.c_proj", self.act(inner))
        return w.norm("ln_f", x, self.eps)

    def words(self, hidden: Tensor) -> Tensor:
        """[positions, width] -> [positions, vocabulary]; the output embedding is the input's."""
        output = self.w.tensors.get("lm_head.weight", self.w.tensors["wte.weight"])
        return F.linear(hidden, output)

    def _conv(self, name: str, x: Tensor) -> Tensor:
        """GPT-2 keeps its weights as [in, out]."""
        bias = self.w[f"{name}.bias"]
        flat = torch.addmm(bias, x.reshape(-1, x.shape[-1]), self.w[f"{name}.weight"])
        return flat.view(*x.shape[:-1], -1)


def is_plain(config: dict[str, Any], kinds: tuple[str, ...]) -> bool:
    """Do the formulas above hold for this config, or is ``transformers`` needed?"""
    act = config.get("hidden_act", config.get("activation", config.get("activation_function")))
    return (
        config["model_type"] in kinds
        and "quantization_config" not in config
        and act in (None, *_ACTIVATIONS)
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
        and not config.get("scale_attn_by_inverse_layer_idx")
        and config.get("scale_attn_weights", True)
    )
