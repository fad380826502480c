#!/usr/bin/env python3
"""Recall@1/5/10 of a model folder, both ways, through the reference encoder.

    python training/evaluate.py --model models/default --images DIR/images --captions DIR/captions.tsv --list dev.txt
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datasets import CaptionedPicture, read_captions, read_list
from reference_encoder import Encoder

CUT_OFFS = (1, 5, 10)


def recall(images: np.ndarray, texts: np.ndarray, owners: np.ndarray) -> dict[str, list[float]]:
    """Recall both ways; `owners[t]` is the picture that text t describes.

    Text to image: its picture is in the first k. Image to text: any of its texts is. Ties: the lower index first.
    """
    scores = texts @ images.T
    pictures = np.argsort(-scores, axis=1, kind="stable")[:, :max(CUT_OFFS)] == owners[:, None]
    captions = owners[np.argsort(-scores.T, axis=1, kind="stable")[:, :max(CUT_OFFS)]] == np.arange(len(images))[:, None]
    return {"text_to_image": [float(pictures[:, :k].any(axis=1).mean()) for k in CUT_OFFS],
            "image_to_text": [float(captions[:, :k].any(axis=1).mean()) for k in CUT_OFFS]}


def evaluate(encoder: Encoder, pictures: Sequence[CaptionedPicture]) -> dict[str, list[float]]:
    """Encode the pictures and all their captions, then `recall`."""
    owners = np.array([index for index, picture in enumerate(pictures) for _ in picture.captions])
    texts = encoder.texts([caption for picture in pictures for caption in picture.captions])
    return recall(encoder.images([picture.path for picture in pictures]), texts, owners)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--images", type=Path, required=True)
    arguments.add_argument("--captions", type=Path, required=True, help="image⇥caption or image⇥index⇥caption lines")
    arguments.add_argument("--list", type=Path, help="only these picture names, one a line")
    chosen = arguments.parse_args()
    captions = read_captions(chosen.captions)
    names = read_list(chosen.list) if chosen.list else sorted(captions)
    pictures = [CaptionedPicture(chosen.images / name, tuple(captions[name])) for name in names]
    print(json.dumps({"images": len(pictures), **evaluate(Encoder(chosen.model), pictures)}))


if __name__ == "__main__":
    main()
