"""Models beyond those of nets.py, through ``transformers`` (its import takes 3 s more)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder as hf
import torch
from torch import Tensor


def load_encoder(
    path: Path, config: dict[str, Any], classes: int, device: str, dtype: torch.dtype
) -> tuple[Any, bool]:
    """A callable as ``nets.Encoder``, and whether its head is random."""
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    model, info = _load(
        AutoModelForSequenceClassification, path, dtype=dtype, num_labels=classes,
        output_loading_info=True, ignore_mismatched_sizes=True,
    )  # fmt: skip
    if info["mismatched_keys"]:
        raise hf.BadFolder(f"the weights in {path} do not tell {classes} classes apart")
    model = model.to(device).eval()
    with_types = config.get("type_vocab_size", 0) > 1

    def net(ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        more = {"token_type_ids": types} if with_types else {}
        return model(input_ids=ids, attention_mask=mask.long(), **more).logits.float()

    return net, bool(info["missing_keys"])


class AnyDecoder:
    """A causal model with the methods of ``nets.Gpt2``."""

    def __init__(self, path: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoModelForCausalLM

        model = _load(AutoModelForCausalLM, path, dtype=dtype).to(device).eval()
        self.body, self.output = model.base_model, model.get_output_embeddings()

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        result = self.body(input_ids=ids, attention_mask=mask.long(), use_cache=False)
        return result.last_hidden_state

    def words(self, hidden: Tensor) -> Tensor:
        return self.output(hidden)


def _load(kind: Any, path: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(path, local_files_only=True, use_safetensors=True, **options)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        raise hf.BadFolder(f"transformers cannot load {path}: {error}") from error
