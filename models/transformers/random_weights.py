"""Make a model of a published shape with random weights, and a tokenizer trained on task texts.

It costs what the published model costs (parameters, vocabulary, layers, positions are the same) and
knows nothing. Same shape, seed and texts: same bytes.

    python random_weights.py --shape distilrubert-tiny --texts data/sample --out weights
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Published configs: DeepPavlov/distilrubert-tiny-cased-conversational, cointegrated/rubert-tiny
# and rubert-tiny2, DeepPavlov/rubert-base-cased, ai-forever/rugpt3small_based_on_gpt2. gpt2-tiny is
# no published model but GPT-2's form at about the size of rubert-tiny, micro one that train.py can
# teach in minutes on one core: few pieces, so that forms of a word share their stem.
SHAPES: dict[str, dict[str, Any]] = {
    "distilrubert-tiny": {
        "model_type": "distilbert", "vocab_size": 30522, "dim": 264, "hidden_dim": 792,
        "n_layers": 3, "n_heads": 12, "max_position_embeddings": 512,
    },
    "rubert-tiny": {
        "model_type": "bert", "vocab_size": 29564, "hidden_size": 312, "intermediate_size": 600,
        "num_hidden_layers": 3, "num_attention_heads": 12, "max_position_embeddings": 512,
    },
    "rubert-tiny2": {
        "model_type": "bert", "vocab_size": 83828, "hidden_size": 312, "intermediate_size": 600,
        "num_hidden_layers": 3, "num_attention_heads": 12, "max_position_embeddings": 2048,
    },
    "rubert-base": {
        "model_type": "bert", "vocab_size": 119547, "hidden_size": 768, "intermediate_size": 3072,
        "num_hidden_layers": 12, "num_attention_heads": 12, "max_position_embeddings": 512,
    },
    "micro": {
        "model_type": "bert", "vocab_size": 4000, "hidden_size": 128, "intermediate_size": 256,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512,
    },
    "gpt2-tiny": {
        "model_type": "gpt2", "vocab_size": 32000, "n_embd": 312, "n_layer": 3, "n_head": 12,
        "n_positions": 512,
    },
    "rugpt3-small": {
        "model_type": "gpt2", "vocab_size": 50264, "n_embd": 768, "n_layer": 12, "n_head": 12,
        "n_positions": 2048,
    },
}  # fmt: skip
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
END = "<|endoftext|>"
# Wider than the usual 0.02, with which a model without training says nearly the same of all texts:
# a mixed-up order or a lost text would not show in its predictions.
SPREAD = 0.08


def texts(root: Path) -> Iterator[str]:
    """Every text of every record under ``root``, in a fixed order."""
    files = sorted(root.rglob("*.jsonl"))
    if not files:
        raise SystemExit(f"error: no *.jsonl under {root}: --texts is a data root as data/sample")
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield from _strings(json.loads(line))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from _strings(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def train_wordpiece(corpus: Iterator[str], size: int) -> Any:
    """A cased BERT tokenizer of at most ``size`` pieces.

    Pieces are all characters, then the beginnings and ends of words that spare the most tokens
    (occurrences times length), ties in alphabetical order. The library's own trainer is not used:
    it walks hash tables, and the same texts give another vocabulary every time.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    normalizer = normalizers.BertNormalizer(lowercase=False)
    splitter = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in corpus:
        words.update(w for w, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    letters = sorted({letter for word in words for letter in word})
    worth: Counter[str] = Counter()
    for word, count in words.items():
        for cut in range(2, len(word) + 1):
            worth[word[:cut]] += count * (cut - 1)
        for cut in range(1, len(word) - 1):
            worth[f"##{word[cut:]}"] += count * (len(word) - cut - 1)
    ranked = sorted(worth, key=lambda piece: (-worth[piece], piece))
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *ranked][:size]
    tokenizer = Tokenizer(
        models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def train_bpe(corpus: Iterator[str], size: int) -> Any:
    """A GPT-2 tokenizer (bytes) of at most ``size`` pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def make_model(shape: dict[str, Any], seed: int, spread: float) -> Any:
    """The model of ``shape``, weights drawn with ``seed``, without a task's head."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    torch.manual_seed(seed)
    gpt = shape["model_type"] == "gpt2"
    more: dict[str, Any] = {"initializer_range": spread}
    more |= {"bos_token_id": 0, "eos_token_id": 0} if gpt else {"pad_token_id": 0}
    config = AutoConfig.for_model(**shape, **more)
    return (AutoModelForCausalLM if gpt else AutoModel).from_config(config)


def make(name: str, seed: int, texts_root: Path, out: Path, spread: float = SPREAD) -> None:
    """Write config.json, model.safetensors and tokenizer.json of a shape to ``out``."""
    shape = SHAPES[name]
    train = train_bpe if shape["model_type"] == "gpt2" else train_wordpiece
    tokenizer = train(texts(texts_root), shape["vocab_size"])
    out.mkdir(parents=True, exist_ok=True)
    make_model(shape, seed, spread).save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    for path in out.iterdir():  # weights are saved with mode 600: a container's user differs
        path.chmod(0o644)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), required=True)
    parser.add_argument("--texts", type=Path, required=True, help="folder with *.jsonl of tasks")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--spread", type=float, default=SPREAD, help="of the weights; 0.02 where it is to learn"
    )
    args = parser.parse_args()
    make(args.shape, args.seed, args.texts, args.out, args.spread)


if __name__ == "__main__":
    main()
