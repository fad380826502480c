#!/usr/bin/env python3
"""Makes the golden token ids that wordpiece_golden_test.cc compares with.

    python3 -m venv VENV && VENV/bin/pip install tokenizers==0.23.3
    VENV/bin/python tests/encoder/golden/make_tokenizer_goldens.py

The ids are those of Hugging Face `tokenizers` for models/default/tokenizer.json.
Every text is written here or drawn from a seeded generator. Writes
tests/encoder/testdata/tokenizer_goldens.txt, a line a text: how often it is
repeated, the text in base64, its ids without the first ([CLS]) and the last
([SEP]), joined by commas; and tokenizer_code_points.txt, a line a block of
4,096 code points: SHA-256 over a line for each code point between x and y.
"""
import argparse
import base64
import hashlib
import pathlib
import random
import unicodedata

import tokenizers

BLOCK = 4096
ROOT = pathlib.Path(__file__).resolve().parents[3]

HAND_WRITTEN = [
    b"", b" ", b"   ", b"\n", b"\t\r\n", b"a", b"A", b".", b"...", b"[", b"[]", b"[mask]", b"[MASK]", b"[MASK",
    b"MASK]",
    b"a [MASK] b", b"a[MASK]b", b" [MASK] ", b"[CLS][SEP][PAD][UNK][MASK]", b"[CLS] twice [SEP] here", b"[SEP",
    b"[SEP]]",
    b"[[SEP]]", b"##ing", b"## ##", b"un##able", b"don't", b"it's o'clock", b"e-mail: someone@example.org",
    b"3.14159 + 2 = 5.14159!", b"$100 <html> `code` ^ | ~ \\", b"x" * 99, b"x" * 100, b"x" * 101, b"x" * 5000,
    "é".encode() * 100, "é".encode() * 101, "e\u0301".encode() * 100, "漢".encode() * 200, "𝒳".encode() * 101,
    b"word " * 300, b"word." * 300, b"a " * 126, b"a " * 127, b"unaffableness " * 60, b"[MASK]" * 200,
    b"a " * 125 + b"[MASK][MASK][MASK]", b"supercalifragilisticexpialidocious antidisestablishmentarianism",
    "café crème, naïve façade, jalapeño, Ångström, Øresund, Łódź, ğ, ı, İstanbul, İ, ẞ, ß, ŉ, ﬁ, ǅ".encode(),
    "cafe\u0301 cre\u0300me nai\u0308ve A\u030angstro\u0308m o\u0323\u0301 o\u0301\u0323".encode(),
    "ΟΔΥΣΣΕΥΣ ΣΑΣ Σ ς σ άέήίόύώ".encode(), "собака бежит по пляжу Ёлка Йод".encode(),
    "犬 ネコ ひらがな ガ ｶﾞ 東京タワー 一只狗在海滩上奔跑 𠀀𪜀𫝀𫠠𫢸 豈 﨎".encode(), "고양이 한글 개가 해변에서".encode(), "각".encode(),
    "كلب على الشاطئ شَدَّة".encode(), "כלב בַּחוֹף שלום־עולם".encode(), "कुत्ता समुद्र तट पर क़ ज़".encode(),
    "สุนัขบนชายหาด น้ำ".encode(), "ཨོཾ་མ་ཎི་པདྨེ་ཧཱུྃ".encode(), "Tiếng Việt có dấu".encode(), "ᚠᚢᚦ ᠮᠣᠩᠭᠣᠯ".encode(),
    "😀🐶🏖️ 👩‍👩‍👧‍👦 👨🏽‍🚀 🇫🇷 1️⃣ ❤️ ☕".encode(), "a\u200bb a\u200db a\u00adb a\ufeffb a\u2060b \u202eabc\u202c".encode(),
    "a\u00a0b a\u2003b a\u3000b a\u2028b a\u2029b a\u0085b a\u1680b a\u180eb".encode(),
    "“quotes” ‘single’ «guillemets» — – … † ‡ • ¿qué? ¡sí! § ¶ · 、。「」".encode(), "½ ² ™ ℃ Ω Ω K Å ﬀ ㎏ № Ⅳ ①".encode(),
    "\ue000\uf8ff\U000f0000\U0010fffd private".encode(),
    "\ufffe\uffff\ufdd0\U0001fffe none".encode(), "\u0378\u0530 unassigned".encode(),
    "\x00a\x00b\x07c\x1bd\x7fe\u0080f\u009fg".encode(), "\ufffd replaced \ufffd".encode(),
    "\U00016ea0 \U00010d50 \u1c89 \ua7dc \ua7cb".encode(),
    # Not UTF-8: stray, cut short, overlong, surrogates, too large, in the middle of words and tokens.
    b"\xff", b"a\xffb", b"\xc3", b"caf\xc3", b"\xe2\x82", b"\xe2\x82a", b"\xf0\x9f\x98", b"\xf0\x9f\x98 dog", b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80\x81\x82", b"dog\x80s", b"[MA\xffSK]", b"\xe2[MASK]", b"\xc3[SEP]\xa9",
    bytes(range(256)),
]
REPEATED = [
    (8000, b"a brown dog "), (100_000, b"a"), (50_000, "é".encode()), (25_000, "😀".encode()), (33_000, "漢".encode()),
    (100_000, b" "), (100_000, b"."), (100_000, b"["), (16_000, b"[MASK]"), (50_000, "\u0301".encode()), (100_000, b"\xff"),
    (30_000, b"[MASK"), (20_000, "\u200b\u00ad".encode()),
]
SUBJECTS = [
    "a dog",
    "two children",
    "An old man",
    "The girl in red",
    "a group of people",
    "a small bird",
     "my grandmother's cat"]
ACTIONS = ["runs along", "is sitting beside", "jumps over", "looks at", "sleeps under", "photographs", "rides past"]
PLACES = [
    "the beach at sunset.",
    "a snow-covered mountain",
    "Times Square, New York",
    "an outdoor café",
    "the kitchen table!",
    "a 19th-century bridge",
     "the swimming-pool"]
SCRIPTS = [(0x20, 0x7e), (0xa0, 0x17f), (0x180, 0x24f), (0x250, 0x36f), (0x370, 0x52f), (0x590, 0x6ff), (0x900, 0xdff),
           (0xe00, 0x11ff),
           (0x1e00, 0x206f), (0x2070, 0x2bff), (0x2e00, 0x30ff), (0x3400, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xffff),
           (0x1f300, 0x1faff), (0x300, 0x36f), (0x1ab0, 0x1dff), (0x8a0, 0x8ff), (0x10000, 0x1ffff), (0x20000, 0x323af)]


def texts() -> list[bytes]:
    """Every text that is written out in the golden file."""
    draw = random.Random(20261124)
    result = list(HAND_WRITTEN)
    result += [f"{s} {a} {p}".encode() for s in SUBJECTS for a in ACTIONS for p in PLACES]
    result += [b"x" + chr(c).encode() + b"y" for c in range(0x300)]
    points = [c for c in range(0x300, 0x110000) if not 0xD800 <= c < 0xE000]
    assigned = [c for c in points if unicodedata.category(chr(c)) not in ("Cn", "Co") and not 0x3400 <= c < 0xD7B0]
    result += [("x" + chr(c) + "y").encode() for c in draw.sample(points, 300) + draw.sample(assigned, 700)]
    for _ in range(800):
        first, last = draw.choice(SCRIPTS)
        other = draw.choice(SCRIPTS)
        chars = []
        for _ in range(draw.randint(1, 24)):
            low, high = (first, last) if draw.random() < 0.8 else other
            chars.append(chr(draw.randint(low, high)) if draw.random() < 0.9 else " ")
        result.append("".join(c for c in chars if not "\ud800" <= c <= "\udfff").encode())
    for _ in range(150):  # Bytes at random, many of them not UTF-8.
        result.append(bytes(
            draw.choice((draw.randint(0, 255), draw.randint(0x60, 0x7A), 0x20, draw.randint(0x80, 0xF4)))
            for _ in range(draw.randint(1, 40))))
    return result


def main() -> None:
    """Write the golden file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=pathlib.Path, default=ROOT / "models/default/tokenizer.json")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/encoder/testdata")
    arguments = parser.parse_args()
    assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
    tokenizer = tokenizers.Tokenizer.from_file(str(arguments.tokenizer))
    tokenizer.no_padding()

    def ids(text: bytes) -> str:
        found = tokenizer.encode(text.decode("utf-8", "replace")).ids
        assert found[0] == 101 and found[-1] == 102 and len(found) <= 128
        return ",".join(map(str, found[1:-1]))

    with (arguments.out / "tokenizer_goldens.txt").open("w") as out:
        for count, text in [(1, text) for text in texts()] + REPEATED:
            out.write(f"{count} {base64.b64encode(text).decode()} {ids(text * count)}\n")
    with (arguments.out / "tokenizer_code_points.txt").open("w") as out:
        for first in range(0, 0x110000, BLOCK):
            block = [c for c in range(first, first + BLOCK) if not 0xD800 <= c < 0xE000]
            lines = "".join(f"{ids(('x' + chr(c) + 'y').encode())}\n" for c in block)
            out.write(f"{hashlib.sha256(lines.encode()).hexdigest()[:16]}\n")


if __name__ == "__main__":
    main()
