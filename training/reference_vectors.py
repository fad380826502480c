"""Texts and small drawn pictures with their embeddings, so that another program can check its own encoder."""

import json
import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from reference_encoder import Encoder

TEXTS = (
    "", "dog", "piano", "a dog running on the beach", "A Dog Running On The BEACH", "two children playing in the snow",
    "a man riding a bicycle down a city street at night", "sunset over the mountains", "a bowl of fruit on a table",
    "people", "a red car", "the quick brown fox jumps over the lazy dog.", "café crème, naïve façade, jalapeño",
    "ÀÉÎÕÜ ß ø å Ł ğ", "一只狗在海滩上奔跑", "犬 ネコ 고양이", "собака бежит по пляжу", "كلب على الشاطئ",
    "😀🐶🏖️", "a dog 🐶 on the beach 🏖️", "  spaces\tand\nlines  ", "e-mail: someone@example.org, 3.14 + 2 = 5.14!",
    "don't can't won't it's", "x" * 120, "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "a very long caption about a small dog that runs along the beach and jumps over the waves " * 12,
)


def write_reference(folder: Path, encoder: Encoder) -> None:
    """Draw the pictures, then store what the encoder says about them and about the texts."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    names = []
    for name, picture in _drawings().items():
        names.append(f"images/{name}.png")
        picture.save(folder / names[-1], optimize=True)
    # One at a time: the numbers then hold for batch 1, and batches may differ from it by rounding only.
    images = encoder.images([folder / name for name in names], batch=1)
    _write(folder / "images.json", [{"file": name, "embedding": _rounded(row)} for name, row in zip(names, images)])
    texts = encoder.texts(TEXTS, batch=1)
    _write(folder / "texts.json", [{"text": text, "embedding": _rounded(row)} for text, row in zip(TEXTS, texts)])


def _rounded(row) -> list[float]:
    return [round(float(value), 7) for value in row]


def _write(path: Path, entries: list[dict]) -> None:
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _drawings() -> dict[str, Image.Image]:
    return {"gradient": _gradient(320, 240), "circles": _circles(300, 300), "stripes": _stripes(500, 160),
            "sunset": _sunset(360, 240), "house": _house(240, 320), "text": _text(400, 200),
            "grey": _gradient(200, 300).convert("L"), "transparent": _transparent(256, 192), "tiny": _circles(17, 11)}


def _gradient(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height))
    picture.putdata([(x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 255 // (width + height - 2))
                     for y in range(height) for x in range(width)])
    return picture


def _circles(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    for index, colour in enumerate(("red", "blue", "green", "orange", "purple")):
        radius, angle = min(width, height) / 6, index * 2 * math.pi / 5
        x, y = width / 2 + math.cos(angle) * width / 4, height / 2 + math.sin(angle) * height / 4
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return picture


def _stripes(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), "navy")
    draw = ImageDraw.Draw(picture)
    for x in range(0, width, 40):
        draw.rectangle((x, 0, x + 19, height), fill="gold")
    return picture


def _sunset(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        draw.line((0, y, width, y), fill=(255 - y // 4, 90 + y // 3, 40 + y // 2))
    draw.ellipse((width // 2 - 40, height // 2 - 60, width // 2 + 40, height // 2 + 20), fill=(255, 230, 120))
    draw.rectangle((0, height * 2 // 3, width, height), fill=(20, 50, 100))
    return picture


def _house(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), (150, 200, 255))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, height * 3 // 4, width, height), fill=(60, 150, 60))
    draw.rectangle((60, 150, 180, 260), fill=(200, 160, 120))
    draw.polygon(((45, 150), (195, 150), (120, 80)), fill=(160, 40, 40))
    draw.rectangle((105, 200, 135, 260), fill=(90, 60, 30))
    return picture


def _text(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).multiline_text((20, 30), "EIDETIC\nreads pictures\n0123456789", fill="black",
                                           font=ImageFont.load_default(36))
    return picture


def _transparent(width: int, height: int) -> Image.Image:
    picture = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((40, 20, 200, 170), fill=(220, 30, 30, 255))
    draw.rectangle((120, 60, 240, 150), fill=(30, 30, 220, 128))
    return picture
