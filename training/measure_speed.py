#!/usr/bin/env python3
"""Speed of a model folder's towers on two threads: medians over repeated runs.

    python training/measure_speed.py --model models/default --data ../shared/data
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import datasets
from reference_encoder import Encoder


def seconds(action: Callable[[], object], repeats: int) -> float:
    """Median time of one call, after one that is not counted."""
    action()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--data", type=Path, required=True, help="folder with flickr8k/")
    chosen = arguments.parse_args()
    encoder = Encoder(chosen.model)
    pictures = datasets.flickr8k_dev(chosen.data)
    pixels = np.stack([encoder.image_rules.pixels(picture.path) for picture in pictures[:8]])
    captions = [caption for picture in pictures[:200] for caption in picture.captions]
    print(json.dumps({
        "images_per_second_batch_1": round(1 / seconds(lambda: encoder.image_tensor(pixels[:1]), 40), 1),
        "images_per_second_batch_8": round(8 / seconds(lambda: encoder.image_tensor(pixels), 10), 1),
        "texts_per_second_batch_32": round(len(captions) / seconds(lambda: encoder.texts(captions, 32), 3), 1),
        "one_text_milliseconds": round(1000 * seconds(lambda: encoder.texts(captions[:1]), 100), 2)}))


if __name__ == "__main__":
    main()
