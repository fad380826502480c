"""The phrase bank of a model folder: phrases.txt, embeddings.npy (int8) and scales.npy (float32)."""

from pathlib import Path

import numpy as np

from phrase_grammar import phrases
from quantize import int8_rows
from reference_encoder import Encoder


def write_phrase_bank(folder: Path, encoder: Encoder) -> int:
    """Embed every phrase of the grammar with the shipped text tower; the number of phrases."""
    folder.mkdir(parents=True, exist_ok=True)
    bank = list(phrases())
    rows, scales = int8_rows(encoder.texts(bank))
    (folder / "phrases.txt").write_text("\n".join(bank) + "\n", encoding="utf-8")
    _save(folder / "embeddings.npy", rows)
    _save(folder / "scales.npy", scales)
    return len(bank)


def _save(path: Path, values: np.ndarray) -> None:
    with path.open("wb") as out:
        np.lib.format.write_array(out, np.ascontiguousarray(values), version=(1, 0))
