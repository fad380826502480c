#!/usr/bin/env python3
"""Reference encoder: pictures and texts to embeddings with any model folder of the Hugging Face ONNX layout.

Every rule comes from the folder's own JSON files; Pillow resizes, tokenizers splits, ONNX Runtime computes.

    python training/reference_encoder.py --model models/default images a.jpg b.png
    python training/reference_encoder.py --model models/default texts - < lines.txt
    python training/reference_encoder.py --model models/default --npy out.npy texts "a dog" "a cat"
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps
from tokenizers import Tokenizer


class ImageRules:
    """preprocessor_config.json: from a picture file to the `pixel_values` tensor."""

    def __init__(self, config: dict):
        self._config = config

    def pixels(self, path: Path) -> np.ndarray:
        """One picture as float32 [3, height, width]: upright, RGB, alpha over white."""
        config = self._config
        with Image.open(path) as opened:
            picture = _rgb_over_white(ImageOps.exif_transpose(opened))
        if config["do_resize"]:
            picture = picture.resize(self._resized(picture.size), Image.Resampling(config["resample"]))
        if config["do_center_crop"]:
            width, height = config["crop_size"]["width"], config["crop_size"]["height"]
            left, top = (picture.width - width) // 2, (picture.height - height) // 2
            picture = picture.crop((left, top, left + width, top + height))
        pixels = np.asarray(picture).astype(np.float32)
        if config["do_rescale"]:
            pixels = pixels * np.float32(config["rescale_factor"])
        if config["do_normalize"]:
            pixels = (pixels - np.float32(config["image_mean"])) / np.float32(config["image_std"])
        return pixels.transpose(2, 0, 1)

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        wanted = self._config["size"]
        if "shortest_edge" not in wanted:
            return wanted["width"], wanted["height"]
        edge, (width, height) = wanted["shortest_edge"], size
        return (edge, int(edge * height / width)) if width <= height else (int(edge * width / height), edge)


class Encoder:
    """Both towers of one model folder."""

    def __init__(self, folder: Path, threads: int = 2):
        self.image_rules = ImageRules(json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8")))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._vision = _session(folder / "onnx" / "vision_model.onnx", threads)
        self._text = _session(folder / "onnx" / "text_model.onnx", threads)

    def images(self, paths: Sequence[Path], batch: int = 8) -> np.ndarray:
        """Embeddings [pictures, dimension]."""
        return np.concatenate([
            self.image_tensor(np.stack([self.image_rules.pixels(path) for path in paths[start:start + batch]]))
            for start in range(0, len(paths), batch)])

    def image_tensor(self, pixels: np.ndarray) -> np.ndarray:
        """Embeddings of prepared pixels [pictures, 3, height, width]."""
        return self._vision.run(["image_embeds"], {"pixel_values": pixels})[0]

    def texts(self, texts: Sequence[str], batch: int = 32) -> np.ndarray:
        """Embeddings [texts, dimension]; texts of like length share a batch."""
        tokens = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda index: sum(tokens[index].attention_mask))
        rows: list[np.ndarray] = [None] * len(texts)
        for start in range(0, len(order), batch):
            chosen = order[start:start + batch]
            for index, row in zip(chosen, self.text_tokens(*_padded([tokens[index] for index in chosen]))):
                rows[index] = row
        return np.stack(rows)

    def text_tokens(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Embeddings of token ids and mask, both int64 [texts, tokens]."""
        return self._text.run(["text_embeds"], {"input_ids": ids, "attention_mask": mask})[0]


def _padded(tokens: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Ids and mask cut to the longest text of the batch."""
    longest = max(sum(item.attention_mask) for item in tokens)
    return (np.array([item.ids[:longest] for item in tokens], np.int64),
            np.array([item.attention_mask[:longest] for item in tokens], np.int64))


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _rgb_over_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", type=Path, required=True, help="model folder")
    arguments.add_argument("--npy", type=Path, help="write a float32 array here, print nothing")
    arguments.add_argument("kind", choices=("images", "texts"))
    arguments.add_argument("inputs", nargs="+", help="picture files; texts, or - for one text a line on standard input")
    chosen = arguments.parse_args()
    inputs = sys.stdin.read().splitlines() if chosen.inputs == ["-"] else chosen.inputs
    encoder = Encoder(chosen.model)
    embeddings = encoder.images([Path(name) for name in inputs]) if chosen.kind == "images" else encoder.texts(inputs)
    if chosen.npy:
        np.save(chosen.npy, embeddings)
        return
    for given, embedding in zip(inputs, embeddings):
        print(json.dumps({"input": given, "embedding": [float(value) for value in embedding]}, ensure_ascii=False))


if __name__ == "__main__":
    main()
