"""Makes a folder of more than 200 kinds of bad input for `eidetic index`.

Each entry is bad in a way of its own; `make` returns {path as the program shows it: kind}.
"""

import os
import pathlib
import random
import socket
import struct
import zlib


def _png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width, height, rows=b"", depth=8, color=2):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", zlib.compress(rows, 9)) +
            _png_chunk(b"IEND", b""))


def _bmp(width, height):
    return struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def _jpeg_header(width, height):
    return (b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) +
            b"\x01\x22\x00\x02\x11\x01\x03\x11\x01" + b"\xff\xd9")


def _tiff(width, height):
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 4, height), (279, 4, 10)]
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags)
    return b"II*\x00\x08\x00\x00\x00" + body + b"\x00\x00\x00\x00"


def _webp(width, height):
    frame = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    chunk = b"VP8 " + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00\x00\x00,\x00\x00\x00\x00" + struct.pack(
        "<HH", width, height) + b"\x00\x02\x02\x44\x01\x00;"


_FOREIGN = {
    "text": b"This is no picture.\n", "html": b"<!DOCTYPE html><html></html>", "json": b'{"a": 1}',
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>', "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "zip": b"PK\x03\x04" + bytes(60), "gzip": b"\x1f\x8b\x08\x00" + bytes(60), "elf": b"\x7fELF\x02\x01\x01" + bytes(60),
    "mp4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(60), "mp3": b"ID3\x03\x00" + bytes(60),
    "psd": b"8BPS\x00\x01" + bytes(60), "jxl": b"\xff\x0a" + bytes(60), "jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(60),
    "ico": b"\x00\x00\x01\x00\x01\x00" + bytes(60), "xcf": b"gimp xcf v011" + bytes(60), "raf": b"FUJIFILMCCD-RAW " + bytes(60),
    "sqlite": b"SQLite format 3\x00" + bytes(60), "utf16": "no picture".encode("utf-16"), "newline": b"\n", "space": b" " * 4096,
}


def _corruptions(name, data, random_bytes):
    """Ways to break any picture so that no decoder may accept it silently."""
    size = len(data)
    # A PNM file with its header whole is a picture, whatever bytes follow.
    magic = 2 if data[:1] == b"P" else 12
    yield f"{name}: first byte only", data[:1]
    yield f"{name}: magic only", data[:magic]
    for share in (5, 15, 25, 35, 45, 55, 65):
        yield f"{name}: cut at {share} %", data[:max(13, size * share // 100)]
    yield f"{name}: zeros after the magic", data[:magic] + bytes(size - magic)
    yield f"{name}: noise after the magic", data[:magic] + random_bytes(size - magic)
    yield f"{name}: all zeros", bytes(size)
    yield f"{name}: magic flipped", bytes(b ^ 0xFF for b in data[:16]) + data[16:]
    yield f"{name}: shifted by a byte", b"\x00" + data
    yield f"{name}: backwards", data[::-1]
    yield f"{name}: as text", data.hex().encode()


_HEADERS = {
    "png 0x0": ("png", _png(0, 0)), "png 0 wide": ("png", _png(0, 10)), "png 0 high": ("png", _png(10, 0)),
    "png 60,000 x 60,000": ("png", _png(60000, 60000)), "png 2^31 - 1 wide": ("png", _png(2**31 - 1, 1)),
    "png bomb": ("png", _png(50000, 50000, bytes(20_000_000))), "png bad depth": ("png", _png(4, 4, depth=7)),
    "png bad colour": ("png", _png(4, 4, color=9)),
    "png no data": ("png", b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IEND", b"")),
    "png huge chunk length": ("png", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR" + bytes(20)),
    "bmp 0x0": ("bmp", _bmp(0, 0)), "bmp 60,000 x 60,000": ("bmp", _bmp(60000, 60000)),
    "bmp negative width": ("bmp", _bmp(-5, 5)), "bmp smallest height": ("bmp", _bmp(5, -2**31)),
    "bmp no pixels": ("bmp", _bmp(100, 100)),
    "jpeg 0x0": ("jpg", _jpeg_header(0, 0)), "jpeg 60,000 x 60,000": ("jpg", _jpeg_header(60000, 60000)),
    "jpeg no scan": ("jpg", _jpeg_header(8, 8)), "jpeg only markers": ("jpg", b"\xff\xd8" + b"\xff\xff" * 3000),
    "jpeg endless comment": ("jpg", b"\xff\xd8\xff\xfe\xff\xff" + bytes(100)),
    "tiff 0x0": ("tif", _tiff(0, 0)), "tiff 60,000 x 60,000": ("tif", _tiff(60000, 60000)),
    "tiff 2^32 - 1 wide": ("tif", _tiff(2**32 - 1, 1)),
    "tiff directory loop": ("tif", b"II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00"),
    "tiff directory outside": ("tif", b"II*\x00\xff\xff\xff\x7f" + bytes(20)),
    "webp 0x0": ("webp", _webp(0, 0)), "webp largest": ("webp", _webp(16383, 16383)),
    "gif 0x0": ("gif", _gif(0, 0)), "gif 60,000 x 60,000": ("gif", _gif(60000, 60000)),
    "gif no frame": ("gif", b"GIF89a\x05\x00\x05\x00\x00\x00\x00;"),
    "pnm 0x0": ("ppm", b"P6 0 0 255\n"), "pnm 60,000 x 60,000": ("ppm", b"P6 60000 60000 255\n"),
    "pnm negative": ("ppm", b"P6 -5 5 255\n" + bytes(75)), "pnm number too long": ("ppm", b"P6 " + b"9" * 5000 + b" 1 255\n"),
    "pnm no maximum": ("ppm", b"P6 5 5\n"), "pnm no pixels": ("pgm", b"P5 100 100 255\n"),
    "pnm text, too few values": ("ppm", b"P3 4 4 255\n1 2 3\n"), "pnm unknown kind": ("pnm", b"P9 4 4 255\n" + bytes(48)),
    "heic empty boxes": ("heic", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100)),
    "avif box larger than the file": ("avif", b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif\x7f\xff\xff\xffmeta" + bytes(40)),
}


def make(folder, good_pictures):
    """Fills `folder`; `good_pictures` are small valid pictures, one of each format at least."""
    folder = pathlib.Path(folder)
    generator = random.Random(7)
    kinds = {}

    def add(kind, file_name, content=None):
        path = folder / file_name
        if content is not None:
            path.write_bytes(content)
        kinds[str(path)] = kind

    formats = {}
    for picture in sorted(pathlib.Path(p) for p in good_pictures):
        formats.setdefault(picture.suffix.lower(), picture)
    number = 0
    for suffix, picture in formats.items():
        for kind, content in _corruptions(suffix, picture.read_bytes(), generator.randbytes):
            number += 1
            add(kind, f"broken {number:03}{suffix}", content)
    for number, (kind, content) in enumerate(_FOREIGN.items()):
        add(f"{kind} named .jpg", f"foreign {number:02}.jpg", content)
    for number, (kind, (suffix, content)) in enumerate(_HEADERS.items()):
        add(kind, f"header {number:02}.{suffix}", content)
    for suffix in ("jpg", "png", "webp", "gif", "bmp", "tif", "ppm", "avif", "heic"):
        add(f"empty .{suffix}", f"empty.{suffix}", b"")

    add("folder named .jpg", "folder.jpg")
    (folder / "folder.jpg").mkdir()
    add("dangling link", "dangling.jpg")
    os.symlink("nowhere", folder / "dangling.jpg")
    add("link loop", "loop.jpg")
    os.symlink("loop.jpg", folder / "loop.jpg")
    add("FIFO", "pipe.jpg")
    os.mkfifo(folder / "pipe.jpg")
    add("socket", "socket.jpg")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(folder)  # a socket's path is short
        try:
            bound.bind("socket.jpg")
        finally:
            os.chdir(here)
    add("link to a device", "device.jpg")
    os.symlink("/dev/zero", folder / "device.jpg")
    add("name of 255 bytes", "n" * 251 + ".jpg", b"no picture")
    raw = os.fsencode(str(folder)) + b"/not utf-8 \xff\xfe.jpg"
    with open(raw, "wb") as file:
        file.write(b"no picture")
    kinds[f"{folder}/not utf-8 \\xff\\xfe.jpg"] = "name that is not UTF-8"
    add("name with a line break", "line\nbreak.jpg", b"no picture")
    kinds[f"{folder}/line\\x0abreak.jpg"] = kinds.pop(str(folder / "line\nbreak.jpg"))
    return kinds
