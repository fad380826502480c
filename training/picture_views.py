"""Pictures as the image tower sees them: the plain view and randomly framed ones for training."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from image_tower import PIXEL_MEAN, PIXEL_STD

SQUASH, CENTRE_CROP = "squash", "centre crop"


def plain_view(path: Path, size: int, policy: str = SQUASH) -> np.ndarray:
    """The whole picture squashed to a square, or its centre square."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    box = None
    if policy == CENTRE_CROP:
        side = min(picture.size)
        left, top = (picture.width - side) / 2, (picture.height - side) / 2
        box = (left, top, left + side, top + side)
    return _pixels(picture.resize((size, size), Image.Resampling.BICUBIC, box))


def random_view(path: Path, size: int, seed: tuple[int, ...]) -> np.ndarray:
    """A random part (45 % to all of the area, aspect 2:3 to 3:2) squashed to a square, mirrored half of the time."""
    random = np.random.default_rng(seed)
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    area, aspect = random.uniform(0.45, 1), math.exp(random.uniform(-math.log(1.5), math.log(1.5)))
    width = min(1, math.sqrt(area * aspect)) * picture.width
    height = min(1, math.sqrt(area / aspect)) * picture.height
    left, top = random.uniform(0, picture.width - width), random.uniform(0, picture.height - height)
    view = picture.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    return _pixels(view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else view)


def _pixels(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture, np.float32).transpose(2, 0, 1) / 255
    return (pixels - np.float32(PIXEL_MEAN)) / np.float32(PIXEL_STD)
