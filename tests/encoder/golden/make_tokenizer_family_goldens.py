#!/usr/bin/env python3
"""Makes the tokenizers and the golden token ids that tokenizer_family_test.cc compares with.

    python3 -m venv VENV && VENV/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf
    VENV/bin/pip install --no-deps open_clip_torch==3.3.0        # only for CLIP's vocabulary (MIT)
    VENV/bin/python tests/encoder/golden/make_tokenizer_family_goldens.py

Writes into tests/encoder/testdata/tokenizers:
  clip.json, xlm_roberta.json, siglip.json, gemma.json   tokenizers in the layout of their family's files: CLIP's
      with the first 1,000 merges of its own vocabulary, the others trained on the texts below
  texts.txt      a line a text: how often it is repeated, and the text in base64
  FAMILY.ids     a line a text: the first 8 digits of SHA-256 over its ids, joined by commas
  FAMILY.code_points   a line a block of 4,096 code points: the first 16 digits of SHA-256 over a line of ids for each
      64 of them, in a text of 64 words, each a code point between x and y
for these four, and the last two for models/default (bert) and for it with case kept (bert_cased). The ids are those
of Hugging Face `tokenizers`. --clip-vocabulary FILE only writes the CLIP tokenizer with all its merges.
"""
import argparse
import base64
import gzip
import hashlib
import importlib.util
import io
import json
import pathlib
import random

import sentencepiece
import tokenizers
from make_tokenizer_goldens import ACTIONS, BLOCK, HAND_WRITTEN, PLACES, REPEATED, ROOT, SCRIPTS, SUBJECTS, texts
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

OUT = ROOT / "tests/encoder/testdata/tokenizers"
ROW = 64
CLIP_PATTERN = (r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|"""
                r"""[^\s\p{L}\p{N}]+""")
SPECIAL = ["<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "<s>", "</s>", "<pad>", "<unk>", "<mask>", "<bos>",
           "<eos>", "<0x0A>", "<0x41>", "\u2581", "\u2581\u2581", "\u2581the", "[SEP]", "<start_of_turn>", "\n\n", "</w>"]
WORDS = """a the dog cat dogs' it's I'LL we've they're don't can't he'd 1 12 345 6789 3.14 2024-05-01 50% $9.99 #tag @you
e-mail www.example.org/path?x=1&y=2 C++ naïve café Ångström ﬁne œuvre Straße İstanbul ΣΑΣ собака пляж Київ שלום עולם
كلب على الشاطئ 犬 東京 一只狗 고양이 ガ ｶﾞ कुत्ता แมว con mèo 😀 🐶🏖️ 👩‍👩‍👧‍👦 👨🏽‍🚀 🇫🇷 1️⃣ ❤️ ½ ² ™ № Ⅳ ① ㎏ … — “q” «g» _under_ snake_case
!! ?! ... --- *** ((x)) [y] {z} <w> \\ | ~ ` ^ = +""".split()
GAPS = [" ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\u2028", "", ".", ", ", "\u0085", "\x0b"]


def more_texts() -> list[bytes]:
    """Texts with what the families treat in ways of their own."""
    draw = random.Random(20261125)
    result = [s.encode() for s in SPECIAL]
    result += [f"{a}{gap}{b}".encode() for a in SPECIAL for gap in ("", " ", "  x ") for b in ("dog", SPECIAL[0], "</s>")]
    result += [("A" + chr(c)).encode() for c in range(0x300, 0x370)]
    result += [(chr(b) + chr(c)).encode() for b in (0x65, 0xe9, 0x915, 0xac00, 0x1f600)
               for c in (0x301, 0x308, 0x323, 0x93c, 0x94d, 0x200d, 0xfe0f, 0x1f3fd, 0x20e3, 0x11a8)]
    for _ in range(2200):
        words = draw.choices(WORDS, k=draw.randint(1, 12))
        text = "".join(word + draw.choice(GAPS) for word in words)
        if draw.random() < 0.15:
            text = text.upper()
        if draw.random() < 0.1:
            text = draw.choice(SPECIAL) + text
        if draw.random() < 0.05:
            text += draw.choice(SPECIAL)
        result.append(text.encode())
    for _ in range(500):  # Any characters at all, marks and controls among them.
        chars = [chr(draw.choice((draw.randint(0, 0x2ff), draw.randint(0x300, 0x36f), draw.randint(0x2000, 0x206f),
                                  draw.randint(*draw.choice(SCRIPTS))))) for _ in range(draw.randint(1, 16))]
        result.append("".join(c for c in chars if not "\ud800" <= c <= "\udfff").encode())
    return result


def corpus() -> list[str]:
    """What vocabularies are trained on."""
    draw = random.Random(7)
    lines = [f"{s} {a} {p}" for s in SUBJECTS for a in ACTIONS for p in PLACES]
    lines += [" ".join(draw.choices(WORDS, k=8)) for _ in range(3000)]
    return lines + [t.decode("utf-8", "ignore") for t in HAND_WRITTEN if 20 < len(t) < 300 and b"\x00" not in t]


def clip(merge_count: int | None) -> Tokenizer:
    folder = pathlib.Path(importlib.util.find_spec("open_clip").origin).parent
    lines = gzip.open(folder / "bpe_simple_vocab_16e6.txt.gz").read().decode().split("\n")[1:49152 - 256 - 2 + 1]
    merges = [tuple(line.split()) for line in lines][:merge_count]
    byte_characters = [chr(b) for b in (*range(33, 127), *range(161, 173), *range(174, 256))]
    byte_characters += [chr(256 + i) for i in range(256 - len(byte_characters))]
    tokens = byte_characters + [c + "</w>" for c in byte_characters] + ["".join(m) for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    start, end = len(tokens) - 2, len(tokens) - 1
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, continuing_subword_prefix="",
                                     end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(CLIP_PATTERN), behavior="removed", invert=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", end), ("<|startoftext|>", start), trim_offsets=False, add_prefix_space=False)
    tokenizer.add_special_tokens([AddedToken("<|startoftext|>", normalized=True, special=True),
                                  AddedToken("<|endoftext|>", normalized=False, special=True)])
    return tokenizer


def train_unigram(size: int, rule: str):
    """Pieces with scores, and the normalization table, of a SentencePiece model."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, model_type="unigram", vocab_size=size,
        normalization_rule_name=rule, character_coverage=0.98, num_threads=1, minloglevel=2, hard_vocab_limit=False)
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    return [(p.piece, round(p.score, 4)) for p in proto.pieces], proto.normalizer_spec.precompiled_charsmap


def xlm_roberta() -> Tokenizer:
    pieces, charsmap = train_unigram(1500, "nmt_nfkc")
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + pieces[3:] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab=vocabulary, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Precompiled(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=["<s>", "$A", "</s>"], pair=["<s>", "$A", "</s>", "</s>", "$B", "</s>"],
        special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<s>", "<pad>", "</s>", "<unk>")]
                                 + [AddedToken("<mask>", lstrip=True, normalized=True, special=True)])
    return tokenizer


def siglip() -> Tokenizer:
    pieces, _ = train_unigram(1500, "identity")
    pieces = [("<unk>", 0.0), ("</s>", 0.0)] + pieces[3:]
    tokenizer = Tokenizer(models.Unigram(vocab=pieces, unk_id=0, byte_fallback=False))
    punctuation = r"""[!"\#\$%\&'\(\)\*\+,\-\./:;<=>\?@\[\\\]\^_`\{\|\}\~]"""
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(punctuation), ""),
         normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"],
                                                             special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "</s>")])
    return tokenizer


def gemma() -> Tokenizer:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    added = ["<start_of_turn>", "<end_of_turn>", "\n\n", "\n\n\n", "\u2581\u2581", "\u2581\u2581\u2581", "<table>"]
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "\u2581")])
    trained.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    trained.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=1400, limit_alphabet=700, show_progress=False))
    learnt = json.loads(trained.to_str())["model"]
    tokens = special + added + bytes_
    tokens += [t for t in sorted(learnt["vocab"], key=learnt["vocab"].get) if t not in tokens]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)},
                                     merges=[tuple(m) for m in learnt["merges"]], unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "\u2581")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.post_processor = processors.TemplateProcessing(single=["$A", "<eos>"], pair=["$A", "<eos>", "$B", "<eos>"],
                                                             special_tokens=[("<eos>", 1)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special + added[:2]])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in added[2:]])
    return tokenizer


def write_goldens(name: str, tokenizer: Tokenizer, lines: list[tuple[int, bytes]]) -> None:
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def ids(text: bytes) -> str:
        return ",".join(map(str, tokenizer.encode(text.decode("utf-8", "replace")).ids))

    with (OUT / f"{name}.ids").open("w") as out:
        for count, text in lines:
            out.write(hashlib.sha256(ids(text * count).encode()).hexdigest()[:8] + "\n")
    with (OUT / f"{name}.code_points").open("w") as out:
        for first in range(0, 0x110000, BLOCK):
            rows = [[c for c in range(start, start + ROW) if not 0xD800 <= c < 0xE000]
                    for start in range(first, first + BLOCK, ROW)]
            digests = "".join(ids(" ".join("x" + chr(c) + "y" for c in row).encode()) + "\n" for row in rows)
            out.write(f"{hashlib.sha256(digests.encode()).hexdigest()[:16]}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip-vocabulary", type=pathlib.Path, help="write the whole CLIP tokenizer here and stop")
    arguments = parser.parse_args()
    assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
    if arguments.clip_vocabulary:
        clip(None).save(str(arguments.clip_vocabulary), pretty=False)
        return
    OUT.mkdir(parents=True, exist_ok=True)
    lines = [(1, text) for text in dict.fromkeys(texts() + more_texts())] + REPEATED
    with (OUT / "texts.txt").open("w") as out:
        out.writelines(f"{count} {base64.b64encode(text).decode()}\n" for count, text in lines)
    for name, tokenizer in (("clip", clip(1000)), ("xlm_roberta", xlm_roberta()), ("siglip", siglip()), ("gemma", gemma())):
        tokenizer.save(str(OUT / f"{name}.json"), pretty=False)
        write_goldens(name, Tokenizer.from_file(str(OUT / f"{name}.json")), lines)
    bert = (ROOT / "models/default/tokenizer.json").read_text()
    write_goldens("bert", Tokenizer.from_str(bert), lines)
    cased = json.loads(bert)
    cased["normalizer"]["lowercase"] = False
    write_goldens("bert_cased", Tokenizer.from_str(json.dumps(cased)), lines)


if __name__ == "__main__":
    main()
