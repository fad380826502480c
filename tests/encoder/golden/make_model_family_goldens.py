#!/usr/bin/env python3
"""Makes a tiny random model of each family that users bring, and what its reference implementation says.

    python3 -m venv VENV
    VENV/bin/pip install torch==2.15.0 torchvision transformers==5.24.0 open-clip-torch==3.3.0 onnx==1.23.2 \
        tokenizers==0.23.3 pillow==13.0.0
    VENV/bin/python tests/encoder/golden/make_model_family_goldens.py

Writes tests/encoder/testdata/models/families/FAMILY: a model folder in the layout in which such models are
published, without its tokenizer.json where one of testdata/tokenizers serves (FAMILIES in model_family_test.cc), and
reference/texts.json and reference/images.json as `eidetic model check` reads them. Vectors are those of transformers
and open_clip in PyTorch, from their own preprocessing of testdata/pictures by Pillow; ids are those of `tokenizers`
under the family's own rules for cleaning, cutting and filling up.
"""
import json
import pathlib
import shutil
import tempfile
import warnings

import onnx
import open_clip
import torch
import transformers
from open_clip.tokenizer import canonicalize_text
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import TextTransformer, VisionTransformer
from PIL import Image
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

TESTDATA = pathlib.Path(__file__).resolve().parent.parent / "testdata"
FAMILIES = TESTDATA / "models/families"
SIDE, PATCH, WIDTH, DIMENSION = 16, 8, 4, 8
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PICTURES = ["rgb.png", "palette.png", "grey.png", "rgb_444.jpg", "rgb_420.jpg", "progressive.jpg"]
TEXTS = ["a photo of a dog", "Two DOGS run, on the beach!", "  spaces\tand\n\nlines  ", "snake_case_words", "it's 3.14 o'clock",
         "naïve café über Ångström", "犬が浜辺を走る", "собака на пляже", "كلب على الشاطئ", "🐶🏖️ 👩‍👩‍👧‍👦", "x", "",
         "a very long text " * 40]


def tokenizer_of(name):
    return Tokenizer.from_file(str(TESTDATA / f"tokenizers/{name}.json"))


def save_onnx(module, inputs, input_names, output_names, path, dynamic):
    """With every axis of `dynamic` ({name: {axis: name}}) of any size, small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        exported = pathlib.Path(folder) / "model.onnx"
        torch.onnx.export(module.eval(), inputs, str(exported), input_names=input_names, output_names=output_names,
                          dynamic_axes=dynamic, opset_version=17, dynamo=False)
        model = onnx.load(str(exported))
    del model.graph.value_info[:]
    for i, node in enumerate(model.graph.node):
        node.doc_string, node.name = "", f"n{i}"
    path.write_bytes(model.SerializeToString())


def drawn(module):
    """With weights so large that inputs differ: as they usually are drawn, all would look nearly alike."""
    with torch.no_grad():
        for name, weights in module.named_parameters():
            if weights.dim() > 1 or "class_embedding" in name:
                weights.normal_(std=0.6)
            else:
                weights.add_(torch.randn_like(weights) * 0.1)
    return module.eval()


class Call(torch.nn.Module):
    """A module whose forward is `function`, with the parameters of `modules`."""

    def __init__(self, function, *modules):
        super().__init__()
        self.inner = torch.nn.ModuleList(modules)
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def write(folder, name, value):
    path = FAMILIES / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_references(family, text_vector, picture_tensor, picture_vector):
    """text_vector: text → [1, d]; picture_tensor: PIL picture → [3, h, w]; picture_vector: [1, 3, h, w] → [1, d]."""
    with torch.no_grad():
        texts = [{"text": text, "embedding": text_vector(text)[0].tolist()} for text in TEXTS]
        images = [{"file": f"images/{name}", "embedding": picture_vector(
            picture_tensor(Image.open(TESTDATA / "pictures" / name).convert("RGB"))[None])[0].tolist()} for name in PICTURES]
    for kind in (texts, images):
        for entry in kind:
            entry["embedding"] = [round(x, 7) for x in entry["embedding"]]
    write(family, "reference/texts.json", texts)
    write(family, "reference/images.json", images)


def cut_and_fill(tokenizer, length=None, pad_id=None, most=77):
    tokenizer.enable_truncation(length or most)
    if length:
        tokenizer.enable_padding(length=length, pad_id=pad_id)
    else:
        tokenizer.no_padding()
    return tokenizer


def ids_of(tokenizer, text, dtype=torch.int64):
    return torch.tensor([tokenizer.encode(text).ids], dtype=dtype)


def hf_pixels(processor):
    return lambda picture: torch.tensor(processor(picture, return_tensors="np")["pixel_values"][0])


def clip_text(vocabulary):
    return drawn(transformers.CLIPTextModelWithProjection(transformers.CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=16, projection_dim=DIMENSION, num_hidden_layers=1,
        num_attention_heads=2, bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1)))


def clip_vision():
    return drawn(transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=16, projection_dim=DIMENSION, num_hidden_layers=1, num_attention_heads=2,
        image_size=SIDE, patch_size=PATCH)))


CLIP_PREPROCESSOR = {"crop_size": {"height": SIDE, "width": SIDE}, "do_center_crop": True, "do_convert_rgb": True,
                     "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": CLIP_MEAN,
                     "image_processor_type": "CLIPImageProcessor", "image_std": CLIP_STD, "resample": 3,
                     "rescale_factor": 1 / 255, "size": {"shortest_edge": SIDE}}
TEXT_AXES = {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}}


def save_clip_vision(family, vision):
    save_onnx(Call(lambda pixels: vision(pixel_values=pixels).image_embeds, vision), torch.zeros(2, 3, SIDE, SIDE),
              ["pixel_values"], ["image_embeds"], FAMILIES / family / "onnx/vision_model.onnx", {"pixel_values": {0: "batch"}})


def clip(family):
    """As Xenova/clip-vit-base-patch32: two files, ids of any number under a mask."""
    tokenizer = cut_and_fill(tokenizer_of("clip"))
    text, vision = clip_text(tokenizer.get_vocab_size()), clip_vision()
    ids = ids_of(tokenizer, "a dog").repeat(2, 1)
    save_onnx(Call(lambda i, m: text(input_ids=i, attention_mask=m).text_embeds, text), (ids, torch.ones_like(ids)),
              ["input_ids", "attention_mask"], ["text_embeds"], FAMILIES / family / "onnx/text_model.onnx", TEXT_AXES)
    save_clip_vision(family, vision)
    write(family, "config.json", {"model_type": "clip", "projection_dim": DIMENSION,
                                  "text_config": {"model_type": "clip_text_model", "vocab_size": tokenizer.get_vocab_size()},
                                  "vision_config": {"image_size": SIDE, "model_type": "clip_vision_model"}})
    write(family, "preprocessor_config.json", CLIP_PREPROCESSOR)
    write(family, "tokenizer_config.json", {"model_max_length": 77, "pad_token": "<|endoftext|>"})
    write_references(family, lambda t: text(input_ids=ids_of(tokenizer, t)).text_embeds,
                     hf_pixels(transformers.CLIPImageProcessorPil(**CLIP_PREPROCESSOR)), lambda p: vision(pixel_values=p).image_embeds)


def clip_single(family):
    """As openai/clip-vit-base-patch32's own export: one file, similarities of all texts and pictures among its outputs."""
    tokenizer = cut_and_fill(tokenizer_of("clip"))
    config = transformers.CLIPConfig(text_config=clip_text(tokenizer.get_vocab_size()).config.to_dict(),
                                     vision_config=clip_vision().config.to_dict(), projection_dim=DIMENSION)
    model = drawn(transformers.CLIPModel(config))

    def both(ids, pixels, mask):
        out = model(input_ids=ids, pixel_values=pixels, attention_mask=mask)
        return out.logits_per_image, out.logits_per_text, out.text_embeds, out.image_embeds

    ids = ids_of(tokenizer, "a dog").repeat(2, 1)
    save_onnx(Call(both, model), (ids, torch.zeros(3, 3, SIDE, SIDE), torch.ones_like(ids)),
              ["input_ids", "pixel_values", "attention_mask"],
              ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"], FAMILIES / family / "onnx/model.onnx",
              {**TEXT_AXES, "pixel_values": {0: "pictures"}})
    write(family, "config.json", {"model_type": "clip", "projection_dim": DIMENSION, "vision_config": {"image_size": SIDE}})
    write(family, "preprocessor_config.json", CLIP_PREPROCESSOR)
    write(family, "tokenizer_config.json", {"model_max_length": 77})
    picture, text = torch.zeros(1, 3, SIDE, SIDE), ids_of(tokenizer, "x")
    write_references(family, lambda t: both(ids_of(tokenizer, t), picture, None)[2],
                     hf_pixels(transformers.CLIPImageProcessorPil(**CLIP_PREPROCESSOR)), lambda p: both(text, p, None)[3])


def siglip(family, tokenizer_name, config, preprocessor, pad_id):
    """As Xenova/siglip-base-patch16-224 and onnx-community/siglip2-base-patch16-224-ONNX: no mask, filled up to 64."""
    tokenizer = cut_and_fill(tokenizer_of(tokenizer_name), 64, pad_id)
    shape = {"hidden_size": DIMENSION, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = drawn(transformers.SiglipTextModel(transformers.SiglipTextConfig(vocab_size=tokenizer.get_vocab_size(), **shape)))
    vision = drawn(transformers.SiglipVisionModel(transformers.SiglipVisionConfig(image_size=SIDE, patch_size=PATCH, **shape)))
    save_onnx(Call(lambda i: text(input_ids=i).pooler_output, text), ids_of(tokenizer, "a dog").repeat(2, 1),
              ["input_ids"], ["pooler_output"], FAMILIES / family / "onnx/text_model.onnx", {"input_ids": TEXT_AXES["input_ids"]})
    save_onnx(Call(lambda p: vision(pixel_values=p).pooler_output, vision), torch.zeros(2, 3, SIDE, SIDE),
              ["pixel_values"], ["pooler_output"], FAMILIES / family / "onnx/vision_model.onnx", {"pixel_values": {0: "batch"}})
    write(family, "config.json", config)
    write(family, "preprocessor_config.json", preprocessor)
    write(family, "tokenizer_config.json", {"pad_token": tokenizer.id_to_token(pad_id), "model_max_length": 64})
    processor = transformers.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    write_references(family, lambda t: text(input_ids=ids_of(tokenizer, t)).pooler_output, hf_pixels(processor),
                     lambda p: vision(pixel_values=p).pooler_output)


def open_clip_text(vocabulary, **options):
    options = {"context_length": 77, "heads": 2, "layers": 1, "width": WIDTH, "output_dim": DIMENSION, **options}
    return drawn(TextTransformer(vocab_size=vocabulary, **options))


def open_clip_vision():
    return drawn(VisionTransformer(image_size=SIDE, patch_size=PATCH, width=WIDTH, layers=1, heads=2, mlp_ratio=2,
                                   output_dim=DIMENSION))


def unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


def mobileclip(family):
    """As Xenova/mobileclip_s0: no mask, every token attends to the padding of "!", pictures not normalised."""
    tokenizer = cut_and_fill(tokenizer_of("clip"), 77, 0)
    text, vision = open_clip_text(tokenizer.get_vocab_size(), no_causal_mask=True), open_clip_vision()
    save_onnx(Call(lambda i: text(i), text), ids_of(tokenizer, "a dog").repeat(2, 1), ["input_ids"], ["text_embeds"],
              FAMILIES / family / "onnx/text_model.onnx", {"input_ids": {0: "batch", 1: "tokens"}})
    save_onnx(Call(lambda p: vision(p), vision), torch.zeros(2, 3, SIDE, SIDE), ["pixel_values"], ["image_embeds"],
              FAMILIES / family / "onnx/vision_model.onnx", {"pixel_values": {0: "batch"}})
    preprocessor = {"crop_size": {"height": SIDE, "width": SIDE}, "do_center_crop": True, "do_normalize": False,
                    "do_rescale": True, "do_resize": True, "image_processor_type": "CLIPFeatureExtractor", "resample": 2,
                    "rescale_factor": 1 / 255, "size": {"shortest_edge": SIDE}}
    write(family, "config.json", {"model_type": "clip", "projection_dim": DIMENSION})
    write(family, "preprocessor_config.json", preprocessor)
    write(family, "tokenizer_config.json", {"model_max_length": 77, "pad_token": "!"})
    arguments = {key: value for key, value in preprocessor.items() if key != "image_processor_type"}
    write_references(family, lambda t: text(ids_of(tokenizer, t)), hf_pixels(transformers.CLIPImageProcessorPil(**arguments)),
                     lambda p: vision(p))


def open_clip_pixels(**rules):
    return image_transform_v2(PreprocessCfg(size=(SIDE, SIDE), **rules), is_train=False)


def single_spaces(text):
    return " ".join(text.split())


def write_open_clip(family, text_config, preprocess, pad_token, length):
    write(family, "config.json", {"embed_dim": DIMENSION, "vision_cfg": {"image_size": SIDE, "layers": 1, "width": WIDTH,
                                                                        "patch_size": PATCH}, "text_cfg": text_config})
    write(family, "visual/preprocess_cfg.json", {"size": [SIDE, SIDE], "mode": "RGB", **preprocess, "fill_color": 0})
    write(family, "textual/tokenizer_config.json", {"pad_token": pad_token, "model_max_length": length})


def immich_clip(family):
    """As immich-app/ViT-B-32__openai: batches of one, int32 ids of fixed length."""
    tokenizer = tokenizer_of("clip")
    pad = "<|endoftext|>"
    cut_and_fill(tokenizer, 77, tokenizer.token_to_id(pad))
    text, vision = open_clip_text(tokenizer.get_vocab_size()), open_clip_vision()
    save_onnx(Call(lambda i: unit(text(i)), text), ids_of(tokenizer, "a dog", torch.int32), ["text"], ["embedding"],
              FAMILIES / family / "textual/model.onnx", {})
    save_onnx(Call(lambda p: unit(vision(p)), vision), torch.zeros(1, 3, SIDE, SIDE), ["image"], ["embedding"],
              FAMILIES / family / "visual/model.onnx", {})
    write_open_clip(family, {"context_length": 77, "vocab_size": tokenizer.get_vocab_size(), "width": WIDTH, "heads": 2, "layers": 1},
                    {"mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic", "resize_mode": "shortest"}, pad, 77)
    write_references(family, lambda t: text(ids_of(tokenizer, single_spaces(t), torch.int32)),
                     open_clip_pixels(mean=CLIP_MEAN, std=CLIP_STD, interpolation="bicubic", resize_mode="shortest"), vision)


def immich_siglip2(family):
    """As immich-app's newer exports: pictures as bytes, any batch, texts in canonical form."""
    tokenizer = cut_and_fill(tokenizer_of("gemma"), 64, 0)
    text = open_clip_text(tokenizer.get_vocab_size(), context_length=64, no_causal_mask=True, pool_type="last")
    vision = open_clip_vision()
    save_onnx(Call(lambda i: unit(text(i)), text), ids_of(tokenizer, "a dog", torch.int32).repeat(2, 1), ["text"],
              ["text_embedding"], FAMILIES / family / "textual/model.onnx", {"text": {0: "batch"}})
    save_onnx(Call(lambda p: unit(vision((p.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5)), vision),
              torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8), ["image"], ["image_embedding"],
              FAMILIES / family / "visual/model.onnx", {"image": {0: "batch"}})
    write_open_clip(family, {"context_length": 64, "vocab_size": tokenizer.get_vocab_size(), "no_causal_mask": True,
                             "pool_type": "last", "tokenizer_kwargs": {"clean": "canonicalize"}},
                    {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}, "<pad>", 64)
    write_references(family, lambda t: text(ids_of(tokenizer, canonicalize_text(t), torch.int32)),
                     open_clip_pixels(mean=[0.5] * 3, std=[0.5] * 3, interpolation="bicubic", resize_mode="squash"), vision)


def immich_mclip(family):
    """As immich-app/XLM-Roberta-Large-Vit-B-32: XLM-R under a mask, mean of its tokens, a linear layer."""
    tokenizer = tokenizer_of("xlm_roberta")
    cut_and_fill(tokenizer, 77, 1)
    roberta = drawn(transformers.XLMRobertaModel(transformers.XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=WIDTH, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=81, type_vocab_size=1), add_pooling_layer=False))
    linear = torch.nn.Linear(WIDTH, DIMENSION)

    def encode(ids, mask):
        tokens = roberta(input_ids=ids, attention_mask=mask)[0]
        return linear((tokens * mask.unsqueeze(2)).sum(1) / mask.sum(1)[:, None])

    vision = open_clip_vision()
    ids = ids_of(tokenizer, "a dog", torch.int32)
    save_onnx(Call(lambda i, m: unit(encode(i, m)), roberta, linear), (ids, torch.ones_like(ids)), ["input_ids", "attention_mask"],
              ["embedding"], FAMILIES / family / "textual/model.onnx", {})
    save_onnx(Call(lambda p: unit(vision(p)), vision), torch.zeros(1, 3, SIDE, SIDE), ["image"], ["embedding"],
              FAMILIES / family / "visual/model.onnx", {})
    write_open_clip(family, {"context_length": 77}, {"mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic"}, "<pad>", 512)

    def vector(text):
        encoding = tokenizer.encode(single_spaces(text))
        return encode(torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask]))

    write_references(family, vector, open_clip_pixels(mean=CLIP_MEAN, std=CLIP_STD, interpolation="bicubic"), vision)


def cased_wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator([text for text in TEXTS for _ in range(3)],
                                  trainers.WordPieceTrainer(vocab_size=260, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    return tokenizer


def multilingual(family):
    """As sentence-transformers/clip-ViT-B-32-multilingual-v1 beside CLIP's vision tower."""
    tokenizer = cased_wordpiece()
    tokenizer.save(str(FAMILIES / family / "tokenizer.json"), pretty=False)
    cut_and_fill(tokenizer, most=128)
    bert = drawn(transformers.DistilBertModel(transformers.DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(), dim=WIDTH, hidden_dim=16, n_layers=1, n_heads=2, max_position_embeddings=128)))
    dense, vision = torch.nn.Linear(WIDTH, DIMENSION, bias=False), clip_vision()

    def encode(ids, mask):
        tokens = bert(input_ids=ids, attention_mask=mask)[0]
        return tokens, dense((tokens * mask.unsqueeze(2)).sum(1) / mask.sum(1)[:, None].clamp(min=1e-9))

    ids = ids_of(tokenizer, "a dog").repeat(2, 1)
    save_onnx(Call(encode, bert, dense), (ids, torch.ones_like(ids)), ["input_ids", "attention_mask"],
              ["token_embeddings", "sentence_embedding"], FAMILIES / family / "onnx/text_model.onnx", TEXT_AXES)
    save_clip_vision(family, vision)
    write(family, "config.json", {"model_type": "distilbert", "max_position_embeddings": 128,
                                  "vocab_size": tokenizer.get_vocab_size()})
    write(family, "preprocessor_config.json", CLIP_PREPROCESSOR)
    write(family, "tokenizer_config.json", {"model_max_length": 128, "do_lower_case": False})
    write_references(family, lambda t: encode(ids_of(tokenizer, t), torch.ones(1, len(tokenizer.encode(t).ids)))[1],
                     hf_pixels(transformers.CLIPImageProcessorPil(**CLIP_PREPROCESSOR)), lambda p: vision(pixel_values=p).image_embeds)


def main():
    torch.backends.mha.set_fastpath_enabled(False)  # Has no ONNX form.
    shutil.rmtree(FAMILIES, ignore_errors=True)
    for name, make in {
            "clip": clip, "clip_single_file": clip_single, "mobileclip": mobileclip, "multilingual": multilingual,
            "siglip": lambda family: siglip(
                family, "siglip", {"model_type": "siglip", "text_config": {"model_type": "siglip_text_model"},
                                   "vision_config": {"model_type": "siglip_vision_model", "image_size": SIDE}},
                {"image_processor_type": "SiglipImageProcessor", "size": {"height": SIDE, "width": SIDE}}, 1),
            "siglip2": lambda family: siglip(
                family, "gemma", {"model_type": "siglip2", "vision_config": {"image_size": SIDE}},
                {"do_resize": True, "do_rescale": True, "do_normalize": True, "image_processor_type": "SiglipImageProcessor",
                 "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3, "rescale_factor": 1 / 255,
                 "size": {"height": SIDE, "width": SIDE}}, 0),
            "immich_clip": immich_clip, "immich_siglip2": immich_siglip2, "immich_mclip": immich_mclip}.items():
        torch.manual_seed(9)
        (FAMILIES / name).mkdir(parents=True)
        make(name)


if __name__ == "__main__":
    main()
