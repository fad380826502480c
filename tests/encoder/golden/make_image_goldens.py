#!/usr/bin/env python3
"""Makes the test pictures and the golden values that the C++ tests compare with.

    python3 -m venv VENV && VENV/bin/pip install pillow==13.0.0 pillow-heif==1.8.1 numpy==2.4.6
    VENV/bin/python tests/encoder/golden/make_image_goldens.py

Needs heif-enc (Debian: libheif-examples) for HEIC. Everything is drawn by a
formula; no photo is used. Writes tests/encoder/testdata/.
"""
import base64
import hashlib
import io
import json
import math
import pathlib
import struct
import subprocess
import tempfile
import zlib

import numpy as np
import PIL
import pillow_heif
from PIL import Image, ImageDraw, ImageOps

pillow_heif.register_heif_opener()
TESTDATA = pathlib.Path(__file__).resolve().parent.parent / "testdata"
PICTURES = TESTDATA / "pictures"
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
RESIZES = [
    (640, 480, 299, 224), (480, 640, 224, 299), (64, 48, 224, 168), (101, 67, 33, 91), (67, 101, 91, 33),
    (1, 1, 5, 7), (5, 7, 1, 1), (300, 1, 40, 3), (1, 300, 3, 40), (50, 40, 50, 13), (50, 40, 13, 40),
    (31, 17, 31, 17), (500, 375, 260, 260), (97, 89, 96, 90),
]
CROPS = [(640, 480), (480, 640), (333, 500), (224, 224), (100, 80), (225, 1000), (31, 33)]


def pattern(width, height):
    """The picture that tests/encoder/image_pattern.h makes too."""
    state, out = 12345, bytearray()
    for y in range(height):
        for x in range(width):
            for c in range(3):
                state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
                noise = state >> 24 if (x // 8 + y // 8) % 2 else 0
                out.append((3 * x + 5 * y + 60 * c + noise) & 255)
    return Image.frombytes("RGB", (width, height), bytes(out))


def sha256(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def drawing(width=45, height=31):
    image = Image.new("RGB", (width, height), (240, 240, 230))
    draw = ImageDraw.Draw(image)
    for x in range(width):
        draw.line([(x, 0), (x, height // 3)], fill=(5 * x % 256, 255 - 4 * x % 256, 120))
    draw.ellipse([4, 8, 24, 28], fill=(200, 30, 40))
    draw.rectangle([28, 14, 43, 29], fill=(20, 90, 200))
    draw.line([(0, 30), (44, 10)], fill=(0, 0, 0), width=2)
    return image


def alpha_drawing():
    image = drawing().convert("RGBA")
    ramp = np.add.outer(np.arange(31) * 3, np.arange(45) * 4).clip(0, 255).astype(np.uint8)
    image.putalpha(Image.fromarray(ramp))
    return image


def over_white(rgba):
    """Exact: rounded to nearest."""
    a = np.asarray(rgba).astype(int)
    alpha = a[..., 3:]
    return Image.fromarray(((a[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8))


def as_displayed(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return over_white(image.convert("RGBA"))
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(int) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def exif(orientation, motorola=False):
    order = ">" if motorola else "<"
    head = b"MM\0*" if motorola else b"II*\0"
    return b"Exif\0\0" + head + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, interlaced=False, extra=()):
    """rows: bytes of whole pixels, one row each (depth 8 or 16)."""
    size = len(rows[0]) // width
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for x0, y0, dx, dy in passes:
        for y in range(y0, height, dy):
            row = b"".join(rows[y][x * size:(x + 1) * size] for x in range(x0, width, dx))
            if row:
                raw += b"\0" + row
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    chunks = [png_chunk(b"IHDR", header)] + [png_chunk(k, d) for k, d in extra]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IDAT", zlib.compress(raw, 9)) + png_chunk(b"IEND", b"")


def rows_of(image):
    a = np.asarray(image)
    return [a[y].tobytes() for y in range(a.shape[0])]


def gif_with_offset():
    """A frame smaller than its canvas, at 10, 5; the rest is not painted."""
    small = drawing(20, 15).quantize(16)
    data = saved(small, "GIF")
    at = data.index(b"\x2c\0\0\0\0")
    data = bytearray(data)
    struct.pack_into("<HH", data, 6, 45, 31)
    struct.pack_into("<HH", data, at + 1, 10, 5)
    canvas = Image.new("RGB", (45, 31), (255, 255, 255))
    canvas.paste(small.convert("RGB"), (10, 5))
    return bytes(data), canvas


def bmp_rle8():
    image = drawing().quantize(16)
    palette = image.getpalette()[:48]
    colors = b"".join(bytes([palette[i + 2], palette[i + 1], palette[i], 0]) for i in range(0, 48, 3))
    body = b""
    for row in reversed(rows_of(image)):
        x = 0
        while x < len(row):
            run = 1
            while x + run < len(row) and row[x + run] == row[x] and run < 255:
                run += 1
            body += bytes([run, row[x]])
            x += run
        body += b"\0\0"
    body += b"\0\1"
    offset = 14 + 40 + len(colors)
    head = struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset)
    info = struct.pack("<IiiHHIIiiII", 40, 45, 31, 1, 8, 1, len(body), 0, 0, 16, 0)
    return head + info + colors + body, image.convert("RGB")


def bmp_top_down():
    data = bytearray(saved(drawing(), "BMP"))
    row = (45 * 3 + 3) // 4 * 4
    pixels = bytes(data[54:])
    data[54:] = b"".join(pixels[i * row:(i + 1) * row] for i in reversed(range(31)))
    struct.pack_into("<i", data, 22, -31)
    return bytes(data)


def plain_pnm(kind, image, max_value):
    a = np.asarray(image).reshape(-1)
    head = f"P{kind}\n# drawn by make_image_goldens.py\n{image.width} {image.height}\n"
    head += f"{max_value}\n" if kind != 1 else ""
    return (head + "\n".join(" ".join(map(str, a[i:i + 15])) for i in range(0, len(a), 15)) + "\n").encode()


def heif_enc(image, *options):
    with tempfile.TemporaryDirectory() as folder:
        image.save(f"{folder}/in.png")
        suffix = "avif" if "-A" in options else "heic"
        subprocess.run(["heif-enc", *options, "-q", "90", "-o", f"{folder}/out.{suffix}", f"{folder}/in.png"],
                       check=True, capture_output=True)
        return pathlib.Path(f"{folder}/out.{suffix}").read_bytes()


def pictures():
    """name → bytes, or (bytes, picture as displayed, tolerance)."""
    rgb, rgba = drawing(), alpha_drawing()
    grey, even = rgb.convert("L"), drawing(46, 32)
    wide = np.add.outer(np.arange(31) * 1500, np.arange(45) * 400).clip(0, 65535).astype(np.uint16)
    wide_rgb = np.stack([wide, 65535 - wide, wide // 2 + 77], axis=-1)
    yield "rgb_420.jpg", saved(rgb, "JPEG", quality=90)
    yield "rgb_422.jpg", saved(rgb, "JPEG", quality=90, subsampling=1)
    yield "rgb_444.jpg", saved(even, "JPEG", quality=95, subsampling=0)
    yield "progressive.jpg", saved(rgb, "JPEG", quality=85, progressive=True)
    yield "restart_markers.jpg", saved(rgb, "JPEG", quality=85, restart_marker_blocks=2)
    yield "not_ycc.jpg", saved(rgb, "JPEG", quality=90, keep_rgb=True)
    yield "grey.jpg", saved(grey, "JPEG", quality=90)
    yield "cmyk.jpg", saved(rgb.convert("CMYK"), "JPEG", quality=90)
    for orientation in range(1, 9):
        data = saved(rgb, "JPEG", quality=90, exif=exif(orientation, motorola=orientation % 2 == 0))
        yield f"orientation_{orientation}.jpg", data
    yield "rgb.png", saved(rgb, "PNG", optimize=True)
    yield "rgba.png", saved(rgba, "PNG", optimize=True)
    yield "grey.png", saved(grey, "PNG")
    yield "grey_alpha.png", saved(rgba.convert("LA"), "PNG")
    yield "bitmap.png", saved(grey.convert("1"), "PNG")
    yield "palette.png", saved(rgb.quantize(200), "PNG")
    yield "palette_2_bits.png", saved(rgb.quantize(4), "PNG", bits=2)
    yield "palette_4_bits.png", saved(rgb.quantize(16), "PNG", bits=4)
    yield "palette_alpha.png", saved(rgb.quantize(16), "PNG", transparency=bytes(range(0, 256, 16)))
    yield "grey_key.png", saved(grey, "PNG", transparency=grey.getpixel((30, 20)))
    yield "rgb_key.png", saved(rgb, "PNG", transparency=(20, 90, 200))
    yield "grey_16_bits.png", saved(Image.fromarray(wide), "PNG")
    high = Image.fromarray((wide_rgb >> 8).astype(np.uint8))
    yield "rgb_16_bits.png", (png(45, 31, 16, 2, rows_of(wide_rgb.astype(">u2"))), high, 0)
    yield "interlaced.png", png(45, 31, 8, 2, rows_of(rgb), interlaced=True)
    yield "interlaced_alpha.png", png(45, 31, 8, 6, rows_of(rgba), interlaced=True)
    yield "gamma.png", png(45, 31, 8, 2, rows_of(rgb), extra=[(b"gAMA", struct.pack(">I", 22222))])
    yield "orientation_6.png", saved(rgb, "PNG", exif=exif(6))
    yield "late_exif.png", (saved(rgb, "PNG")[:-12] + png_chunk(b"eXIf", exif(3)[6:]) + png_chunk(b"IEND", b""),
                            rgb.transpose(Image.Transpose.ROTATE_180), 0)
    yield "lossy.webp", saved(rgb, "WEBP", quality=80)
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "alpha.webp", saved(rgba, "WEBP", quality=80)
    yield "lossless_alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True)
    yield "orientation_8.webp", saved(rgb, "WEBP", lossless=True, exif=exif(8))
    yield "animated.webp", saved(rgba, "WEBP", lossless=True, save_all=True, exact=True,
                                 append_images=[Image.new("RGBA", rgba.size, (9, 9, 9, 255))])
    yield "palette.gif", saved(rgb.quantize(64), "GIF", interlace=False)
    yield "interlaced.gif", saved(rgb.quantize(64), "GIF", interlace=True)
    yield "transparent.gif", saved(rgb.quantize(16), "GIF", transparency=3)
    yield "animated.gif", saved(rgb.quantize(64), "GIF", save_all=True,
                                append_images=[Image.new("RGB", rgb.size, (9, 9, 9)).quantize(4)])
    yield "offset.gif", (*gif_with_offset(), 0)
    yield "raw.tif", saved(rgb, "TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"{compression}.tif", saved(rgb, "TIFF", compression=compression)
    yield "alpha.tif", (saved(rgba, "TIFF", compression="tiff_lzw"), over_white(rgba), 1)
    yield "grey.tif", saved(grey, "TIFF")
    yield "palette.tif", saved(rgb.quantize(64), "TIFF")
    yield "bitmap_fax.tif", saved(grey.convert("1"), "TIFF", compression="group4")
    yield "cmyk.tif", (saved(rgb.convert("CMYK"), "TIFF"), rgb.convert("CMYK").convert("RGB"), 1)
    yield "grey_16_bits.tif", (saved(Image.fromarray(wide), "TIFF"),
                               Image.fromarray((wide >> 8).astype(np.uint8)).convert("RGB"), 1)
    for orientation in (5, 6):
        yield f"orientation_{orientation}.tif", saved(rgb, "TIFF", tiffinfo={274: orientation})
    yield "pages.tif", saved(rgb, "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    yield "rgb.bmp", saved(rgb, "BMP")
    yield "palette.bmp", saved(rgb.quantize(200), "BMP")
    yield "bitmap.bmp", saved(grey.convert("1"), "BMP")
    yield "grey.bmp", saved(grey, "BMP")
    yield "run_length.bmp", (*bmp_rle8(), 0)
    yield "top_down.bmp", (bmp_top_down(), rgb, 0)
    yield "plain_bitmap.pbm", (plain_pnm(1, grey.point(lambda v: v < 128, "1").convert("L").point(lambda v: v // 255),
                                         1), grey.point(lambda v: (v >= 128) * 255), 0)
    yield "plain_grey.pgm", plain_pnm(2, grey, 255)
    yield "plain_rgb.ppm", plain_pnm(3, rgb, 255)
    yield "bitmap.pbm", saved(grey.convert("1"), "PPM")
    yield "grey.pgm", saved(grey, "PPM")
    yield "rgb.ppm", saved(rgb, "PPM")
    yield "grey_16_bits.pgm", (b"P5 45 31 65535\n" + wide.astype(">u2").tobytes(),
                               Image.fromarray((wide >> 8).astype(np.uint8)).convert("RGB"), 1)
    yield "lossy.heic", (heif_enc(even), None, None)
    yield "alpha.heic", (heif_enc(alpha_drawing().crop((0, 0, 44, 30))), None, None)
    # Pillow interpolates the colour planes of AVIF, libheif 1.15 repeats them: 4.2 of 255 on average.
    yield "lossy.avif", (heif_enc(even, "-A"), None, 5)
    yield "orientation_6.avif", (saved(even, "AVIF", quality=90, exif=exif(6)), None, 5)


def rounded(tensor):
    return [round(float(v), 6) for v in tensor.reshape(-1)[::1999]]


def clip_tensor(image, edge, crop, resample):
    """transformers.CLIPImageProcessor in Pillow and numpy (checked against 5.24)."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    size = (edge, int(edge * long / short)) if width <= height else (int(edge * long / short), edge)
    a = np.asarray(image.resize(size, resample))
    top, left = (a.shape[0] - crop) // 2, (a.shape[1] - crop) // 2
    padded = np.zeros((max(crop, a.shape[0]), max(crop, a.shape[1]), 3), np.uint8)
    top_pad, left_pad = math.ceil((padded.shape[0] - a.shape[0]) / 2), math.ceil((padded.shape[1] - a.shape[1]) / 2)
    padded[top_pad:top_pad + a.shape[0], left_pad:left_pad + a.shape[1]] = a
    top, left = top + top_pad, left + left_pad
    a = padded[max(0, top):top + crop, max(0, left):left + crop]
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    return ((a / 255.0 - mean) / std).transpose(2, 0, 1).astype(np.float32)


def main():
    PICTURES.mkdir(parents=True, exist_ok=True)
    goldens = {"pillow": PIL.__version__, "resizes": [], "tensors": [], "pictures": []}
    for width, height, new_width, new_height in RESIZES:
        source = pattern(width, height)
        for name, number in FILTERS.items():
            result = source.resize((new_width, new_height), number)
            case = {"from": [width, height], "to": [new_width, new_height], "filter": number, "name": name,
                    "sha256": sha256(result)}
            if new_width * new_height <= 150:
                case["pixels"] = list(result.tobytes())
            goldens["resizes"].append(case)
    for width, height in CROPS:
        for edge, crop, resample in ((224, 224, 3), (64, 96, 2), (97, 64, 3)):
            goldens["tensors"].append({"from": [width, height], "edge": edge, "crop": crop, "resample": resample,
                                       "every_1999th": rounded(clip_tensor(pattern(width, height), edge, crop, resample))})
    for name, made in pictures():
        data, shown, tolerance = made if isinstance(made, tuple) else (made, None, 0)
        shown = (shown or as_displayed(data)).convert("RGB")
        (PICTURES / name).write_bytes(data)
        case = {"file": name, "size": list(shown.size), "sha256": sha256(shown)}
        if tolerance != 0:
            case["tolerance"] = tolerance or 4
            case["pixels"] = base64.b64encode(shown.tobytes()).decode()
        goldens["pictures"].append(case)
    (TESTDATA / "image_goldens.json").write_text(json.dumps(goldens, separators=(",", ":")).replace('{"f', '\n{"f') + "\n")


if __name__ == "__main__":
    main()
