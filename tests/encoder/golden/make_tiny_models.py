#!/usr/bin/env python3
"""Makes the tiny model folder of the encoder's tests, and graphs to break it with.

    python3 -m venv VENV && VENV/bin/pip install onnx==1.23.2 numpy==2.4.6
    VENV/bin/python tests/encoder/golden/make_tiny_models.py

Writes tests/encoder/testdata/models/tiny (a valid dual encoder of 8 dimensions,
weights drawn from a seed) and tests/encoder/testdata/models/graphs (towers that
a test puts in place of one of its own).
"""
import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

MODELS = pathlib.Path(__file__).resolve().parent.parent / "testdata/models"
DIMENSION, SIDE = 8, 8
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a photo of the dog cat red blue beach ##s ##ing run . , !".split()


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def save(name, inputs, nodes, weights, output, output_shape):
    graph = helper.make_graph(
        nodes, "tower", [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(output, T.FLOAT, output_shape)],
        [numpy_helper.from_array(array, key) if isinstance(array, np.ndarray) else array
         for key, array in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
                              producer_name="eidetic-tests")
    path = MODELS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def image_tower(name, weights=None, output="image_embeds", shape=("batch", 3, SIDE, SIDE),
                output_shape=("batch", DIMENSION), extra_inputs=()):
    weights = random(3 * SIDE * SIDE, DIMENSION) if weights is None else weights
    nodes = [helper.make_node("Flatten", ["pixel_values"], ["flat"], axis=1),
             helper.make_node("MatMul", ["flat", "weights"], [output])]
    inputs = [("pixel_values", T.FLOAT, shape), *extra_inputs]
    save(name, inputs, nodes, {"weights": weights}, output, output_shape)


def text_tower(name, dimension=DIMENSION, kind=T.INT64, inputs=("input_ids", "attention_mask"),
               shape=("batch", "tokens"), table=None, output_shape=None):
    """The sum of each token's row, of a row for its type and of its position times a row, over the masked tokens."""
    table = random(len(WORDS), dimension, seed=1) if table is None else table
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"])]
    rows = "rows"
    weights = {"table": table}
    if "token_type_ids" in inputs:
        weights["types"] = random(2, dimension, seed=2)
        nodes += [helper.make_node("Gather", ["types", "token_type_ids"], ["type_rows"]),
                  helper.make_node("Add", [rows, "type_rows"], ["typed"])]
        rows = "typed"
    if "position_ids" in inputs:
        weights["positions"] = random(16, dimension, seed=3)
        nodes += [helper.make_node("Gather", ["positions", "position_ids"], ["position_rows"]),
                  helper.make_node("Add", [rows, "position_rows"], ["placed"])]
        rows = "placed"
    weights["last"] = np.array([2], np.int64)
    weights["tokens_axis"] = np.array([1], np.int64)
    nodes += [helper.make_node("Cast", ["attention_mask"], ["mask"], to=T.FLOAT),
              helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
              helper.make_node("Mul", [rows, "column"], ["kept"]),
              helper.make_node("ReduceSum", ["kept", "tokens_axis"], ["text_embeds"], keepdims=0)]
    save(name, [(key, kind, shape) for key in inputs], nodes,
         weights, "text_embeds", output_shape or ("batch", dimension))


def external():
    tensor = T(name="table", data_type=T.FLOAT, dims=[len(WORDS), DIMENSION], data_location=T.EXTERNAL)
    for key, value in (("location", "../../../../etc/passwd"), ("offset", "0"),
                       ("length", str(len(WORDS) * DIMENSION * 4))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def external_in_constant(name):
    nodes = [helper.make_node("Constant", [], ["table"], value=external()),
             helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
             helper.make_node("ReduceMean", ["rows"], ["text_embeds"], axes=[1], keepdims=0)]
    save(name, [("input_ids", T.INT64, ("batch", "tokens"))], nodes, {}, "text_embeds", ("batch", DIMENSION))


def write_json(name, value):
    (MODELS / "tiny" / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def main():
    image_tower("tiny/onnx/vision_model.onnx")
    text_tower("tiny/onnx/text_model.onnx")
    write_json("config.json", {"projection_dim": DIMENSION, "vision_config": {"image_size": SIDE},
                               "text_config": {"max_position_embeddings": 16, "vocab_size": len(WORDS)}})
    write_json("preprocessor_config.json", {
        "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": 3, "do_center_crop": False,
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3})
    write_json("tokenizer_config.json", {"model_max_length": 16})
    special = [{"id": i, "content": WORDS[i], "single_word": False, "lstrip": False,
        "rstrip": False, "normalized": False, "special": True} for i in range(5)]
    write_json("tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {word: i for i, word in enumerate(WORDS)}}})

    pixels = 3 * SIDE * SIDE
    image_tower("graphs/vision_nan.onnx", weights=np.full((pixels, DIMENSION), np.nan, np.float32))
    image_tower("graphs/vision_zero.onnx", weights=np.zeros((pixels, DIMENSION), np.float32))
    image_tower("graphs/vision_other_output.onnx", output="logits")
    image_tower("graphs/vision_rank_3.onnx", shape=("batch", 3, SIDE * SIDE))
    image_tower("graphs/vision_one_channel.onnx", shape=("batch", 1, 3 * SIDE, SIDE))
    image_tower("graphs/vision_other_side.onnx", weights=random(3 * 16 * 16, DIMENSION), shape=("batch", 3, 16, 16))
    image_tower("graphs/vision_two_inputs.onnx", extra_inputs=[("more", T.FLOAT, ("batch", 1))])
    image_tower("graphs/vision_batch_4.onnx", shape=(4, 3, SIDE, SIDE), output_shape=(4, DIMENSION))
    image_tower("graphs/vision_batch_1.onnx", shape=(1, 3, SIDE, SIDE), output_shape=(1, DIMENSION))
    image_tower("graphs/vision_any_shape.onnx", shape=("a", "b", "c", "d"), output_shape=("a", "e"))
    text_tower("graphs/text_nan.onnx", table=np.full((len(WORDS), DIMENSION), np.nan, np.float32))
    text_tower("graphs/text_dimension_16.onnx", dimension=16)
    text_tower("graphs/text_small_table.onnx", table=random(4, DIMENSION, seed=1))
    text_tower("graphs/text_unknown_input.onnx", inputs=("input_ids", "attention_mask", "pixel_values"))
    text_tower("graphs/text_fixed.onnx", kind=T.INT32, shape=(1, 6), output_shape=(1, DIMENSION),
               inputs=("input_ids", "attention_mask", "token_type_ids", "position_ids"))
    text_tower("graphs/text_float_ids.onnx", kind=T.FLOAT)
    text_tower("graphs/text_external.onnx", table=external())
    external_in_constant("graphs/text_external_in_constant.onnx")
    text_tower("graphs/text_rank_3_output.onnx", output_shape=("batch", 1, DIMENSION))


if __name__ == "__main__":
    main()
