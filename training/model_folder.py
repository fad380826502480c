"""Everything in the model folder besides the two graphs: configuration, preprocessing rules, tokenizer files."""

import json
import shutil
from pathlib import Path

import text_tower
from heads import DIMENSION
from image_tower import PIXEL_MEAN, PIXEL_STD

BICUBIC = 3


def write_model_folder(folder: Path, image_size: int, logit_scale: float) -> None:
    """Write the JSON files and vocab.txt. `logit_scale` is a logarithm, as in CLIP's config."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "config.json", {
        "model_type": "eidetic-dual-encoder",
        "projection_dim": DIMENSION,
        "logit_scale": round(logit_scale, 6),
        "vision_config": {
            "model_type": "efficientnet-lite2", "image_size": image_size, "num_channels": 3, "hidden_size": 1280},
        "text_config": {
            "model_type": "bert", "hidden_size": text_tower.FEATURES, "num_hidden_layers": text_tower.LAYERS,
            "num_attention_heads": text_tower.HEADS, "vocab_size": 30522, "pad_token_id": 0,
            "max_position_embeddings": text_tower.MAX_TOKENS},
    })
    square = {"height": image_size, "width": image_size}
    _write(folder / "preprocessor_config.json", {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True, "size": square, "resample": BICUBIC,
        "do_center_crop": False, "crop_size": square,
        "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": [PIXEL_MEAN] * 3, "image_std": [PIXEL_STD] * 3,
    })
    text_tower.tokenizer().save(str(folder / "tokenizer.json"), pretty=False)
    shutil.copyfile(text_tower.tokenizer_folder() / "vocab.txt", folder / "vocab.txt")
    special = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
               "mask_token": "[MASK]"}
    _write(folder / "special_tokens_map.json", special)
    _write(folder / "tokenizer_config.json", {
        "tokenizer_class": "BertTokenizer", "do_lower_case": True, "tokenize_chinese_chars": True,
        "strip_accents": None, "model_max_length": text_tower.MAX_TOKENS, **special})


def _write(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
