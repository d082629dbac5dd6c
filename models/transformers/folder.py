"""A Hugging Face folder on disk: its config, its tokenizer, its safetensors. No torch in here."""

from __future__ import annotations

import json
import math
import struct
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


class BadFolder(Exception):
    """The weights folder lacks something; the message says what, and what to do."""


@dataclass(frozen=True)
class Facts:
    """What an image says of its weights; the names are those of its about.json."""

    parameters: int
    vocabulary: int
    weight_bytes: int


def read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadFolder(
            f"no weights: {path} does not exist; build the image with a Hugging Face folder "
            "(config.json, model.safetensors, tokenizer.json)"
        ) from None
    except (OSError, ValueError) as error:
        raise BadFolder(f"{path} is not a config: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise BadFolder(f"{path} names no model_type")
    return config


def weight_files(folder: Path) -> list[Path]:
    """``model.safetensors``, or the shards that its index names."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        try:
            names = sorted(
                set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            )
        except (ValueError, KeyError, AttributeError) as error:
            raise BadFolder(f"{index} is no index of weight files: {error!r}") from error
        shards = [folder / name for name in names]
        for path in shards:
            if path.parent != folder or not path.is_file():
                raise BadFolder(f"{index} names {path.name!r}, which is not in the folder")
        return shards
    pickled = (folder / "pytorch_model.bin").is_file()
    hint = "; pytorch_model.bin can run code when loaded, save it as safetensors" if pickled else ""
    raise BadFolder(f"no weights: {single} does not exist{hint}")


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """Tensor name -> {dtype, shape, data_offsets} of a safetensors file, without its data."""
    try:
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > 100 * 2**20:  # the format's own bound
                raise BadFolder(f"{path} is no safetensors file: header of {size} bytes")
            header = json.loads(file.read(size))
        header.pop("__metadata__", None)
        for entry in header.values():
            first, last = entry["data_offsets"]
            if not (0 <= first <= last and all(type(n) is int and n >= 0 for n in entry["shape"])):
                raise ValueError(f"a tensor of shape {entry['shape']} at {first} to {last}")
        return header
    except (struct.error, ValueError, AttributeError, KeyError, TypeError) as error:
        raise BadFolder(f"{path} is no safetensors file: {error!r}") from error


def read_facts(folder: Path) -> Facts:
    """Parameters and bytes from the safetensors headers, vocabulary from the config."""
    config = read_config(folder)
    entries = [entry for path in weight_files(folder) for entry in read_header(path).values()]
    weights = sum(math.prod(entry["shape"]) for entry in entries)
    return Facts(
        parameters=weights,
        vocabulary=int(config.get("vocab_size", 0)),
        weight_bytes=sum(e["data_offsets"][1] - e["data_offsets"][0] for e in entries),
    )


def load_tokenizer(folder: Path) -> Any:
    """A ``tokenizers.Tokenizer`` without truncation and padding.

    From tokenizer.json, or from what older folders have: vocab.txt (BERT), or vocab.json and
    merges.txt (GPT-2).
    """
    from tokenizers import Tokenizer

    if (folder / "tokenizer.json").is_file():
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    elif (folder / "vocab.txt").is_file():
        from tokenizers.implementations import BertWordPieceTokenizer

        options = _tokenizer_options(folder)
        tokenizer = BertWordPieceTokenizer(
            str(folder / "vocab.txt"),
            lowercase=options.get("do_lower_case", True),
            strip_accents=options.get("strip_accents"),
        )._tokenizer
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        from tokenizers.implementations import ByteLevelBPETokenizer

        tokenizer = ByteLevelBPETokenizer(
            str(folder / "vocab.json"), str(folder / "merges.txt")
        )._tokenizer
    else:
        raise BadFolder(
            f"no tokenizer in {folder}: tokenizer.json, vocab.txt, or vocab.json and merges.txt"
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _tokenizer_options(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def most_tokens(config: dict[str, Any]) -> int:
    """The longest sequence that the model has positions for."""
    most = config.get("max_position_embeddings") or config.get("n_positions") or 512
    # RoBERTa counts positions from padding_idx + 1.
    if config["model_type"] in ("roberta", "xlm-roberta", "camembert"):
        most -= config.get("pad_token_id", 1) + 1
    return int(most)


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(read_facts(Path(sys.argv[1])))))
    except BadFolder as error:
        raise SystemExit(f"error: {error}") from error
