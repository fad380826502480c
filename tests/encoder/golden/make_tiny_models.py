#!/usr/bin/env python3
"""Makes the tiny model folder of the encoder's tests, and graphs to break it with.

    python3 -m venv VENV && VENV/bin/pip install onnx==1.23.2 numpy==2.4.6
    VENV/bin/python tests/encoder/golden/make_tiny_models.py

Writes tests/encoder/testdata/models/tiny (a valid dual encoder of 8 dimensions,
weights drawn from a seed) and tests/encoder/testdata/models/graphs (towers that
a test puts in place of one of its own; those with the same weights give the same
embeddings through other inputs, outputs and files).
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


def save(name, inputs, nodes, weights, output, output_shape, output_kind=T.FLOAT):
    """`output` and its shape may be tuples of several."""
    outputs = [(output, output_shape)] if isinstance(output, str) else zip(output, output_shape)
    graph = helper.make_graph(
        nodes, "tower", [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(key, output_kind, shape) for key, shape in outputs],
        [array if isinstance(array, T) else numpy_helper.from_array(np.asarray(array), key)
         for key, array in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
                              producer_name="eidetic-tests")
    path = MODELS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def other_image_tower(name, kind, shape, nodes):
    """The image tower of tiny/ behind `nodes`, which make its input ("pixel_values") of another ("image")."""
    nodes = [*nodes, helper.make_node("Flatten", ["pixel_values"], ["flat"], axis=1),
             helper.make_node("MatMul", ["flat", "weights"], ["image_embedding"])]
    save(name, [("image", kind, shape)], nodes,
         {"weights": random(3 * SIDE * SIDE, DIMENSION), "scale": np.float32(2 / 255), "one": np.float32(1)},
         "image_embedding", ("batch", DIMENSION))


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


def last_token_tower(name, kind=T.INT64, shape=("batch", "tokens"), input_name="input_ids", output="text_embeds"):
    """The row of the last token, as SigLIP pools, without a mask, and a tenth of the mean of all."""
    nodes = [helper.make_node("Gather", ["table", input_name], ["rows"]),
             helper.make_node("Gather", ["rows", "last"], ["row"], axis=1),
             helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[1], keepdims=0),
             helper.make_node("Mul", ["mean", "tenth"], ["small"]),
             helper.make_node("Add", ["row", "small"], [output])]
    save(name, [(input_name, kind, shape)], nodes,
         {"table": random(len(WORDS), DIMENSION, seed=1), "last": np.int64(-1), "tenth": np.float32(0.1)}, output,
         (shape[0], DIMENSION))


def half_towers():
    """The towers of tiny/ with inputs and outputs of 16-bit floats."""
    image = [helper.make_node("Cast", ["pixel_values"], ["wide"], to=T.FLOAT),
             helper.make_node("Flatten", ["wide"], ["flat"], axis=1),
             helper.make_node("MatMul", ["flat", "weights"], ["embedding"]),
             helper.make_node("Cast", ["embedding"], ["image_embeds"], to=T.FLOAT16)]
    save("graphs/vision_half.onnx", [("pixel_values", T.FLOAT16, ("batch", 3, SIDE, SIDE))], image,
         {"weights": random(3 * SIDE * SIDE, DIMENSION)}, "image_embeds", ("batch", DIMENSION), T.FLOAT16)
    text = [helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
            helper.make_node("ReduceSum", ["rows", "tokens_axis"], ["sum"], keepdims=0),
            helper.make_node("Cast", ["sum"], ["text_embeds"], to=T.FLOAT16)]
    save("graphs/text_half.onnx", [("input_ids", T.INT64, ("batch", "tokens"))], text,
         {"table": random(len(WORDS), DIMENSION, seed=1), "tokens_axis": np.array([1], np.int64)},
         "text_embeds", ("batch", DIMENSION), T.FLOAT16)


def dynamically_quantized(name):
    """The text tower of tiny/ without a mask, its rows quantised by one scale for the whole batch."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
             helper.make_node("DynamicQuantizeLinear", ["rows"], ["bytes", "scale", "zero"]),
             helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["coarse"]),
             helper.make_node("ReduceSum", ["coarse", "tokens_axis"], ["text_embeds"], keepdims=0)]
    save(name, [("input_ids", T.INT64, ("batch", "tokens"))], nodes,
         {"table": random(len(WORDS), DIMENSION, seed=1), "tokens_axis": np.array([1], np.int64)},
         "text_embeds", ("batch", DIMENSION))


def single_file(name):
    """Both towers of tiny/; the text's goes through the body of an If, which reads from around it."""
    def body(output):
        return helper.make_graph([helper.make_node("Mul", ["rows", "column"], [output])], output, [],
                                 [helper.make_tensor_value_info(output, T.FLOAT, None)])
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
             helper.make_node("Flatten", ["pixel_values"], ["flat"], axis=1),
             helper.make_node("MatMul", ["flat", "weights"], ["image_embeds"]),
             helper.make_node("Cast", ["attention_mask"], ["mask"], to=T.FLOAT),
             helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
             helper.make_node("If", ["yes"], ["kept"], then_branch=body("then"), else_branch=body("else")),
             helper.make_node("ReduceSum", ["kept", "tokens_axis"], ["text_embeds"], keepdims=0),
             helper.make_node("Transpose", ["text_embeds"], ["columns"], perm=[1, 0]),
             helper.make_node("MatMul", ["image_embeds", "columns"], ["logits_per_image"])]
    weights = {"table": random(len(WORDS), DIMENSION, seed=1), "weights": random(3 * SIDE * SIDE, DIMENSION),
               "yes": np.bool_(True), "last": np.array([2], np.int64), "tokens_axis": np.array([1], np.int64)}
    inputs = [("input_ids", T.INT64, ("texts", "tokens")), ("pixel_values", T.FLOAT, ("pictures", 3, SIDE, SIDE)),
              ("attention_mask", T.INT64, ("texts", "tokens"))]
    save(name, inputs, nodes, weights, ("logits_per_image", "text_embeds", "image_embeds"),
         (("pictures", "texts"), ("texts", DIMENSION), ("pictures", DIMENSION)))


def in_file(location, offset, length, dims=(len(WORDS), DIMENSION)):
    tensor = T(name="table", data_type=T.FLOAT, dims=dims, data_location=T.EXTERNAL)
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def external_files():
    """Text towers whose table lies in another file, and hostile ones."""
    size = len(WORDS) * DIMENSION * 4
    (MODELS / "graphs/text_model.onnx_data").write_bytes(bytes(64) + random(len(WORDS), DIMENSION, seed=1).tobytes())
    text_tower("graphs/text_in_file.onnx", table=in_file("text_model.onnx_data", 64, size))
    text_tower("graphs/text_in_absolute_file.onnx", table=in_file("/etc/passwd", 0, size))
    text_tower("graphs/text_in_inner_parent.onnx", table=in_file("a/../../../text_model.onnx_data", 64, size))
    text_tower("graphs/text_in_short_file.onnx", table=in_file("text_model.onnx_data", 10 << 30, size))
    text_tower("graphs/text_in_file_of_other_length.onnx", table=in_file("text_model.onnx_data", 0, size - 4))
    text_tower("graphs/text_in_file_too_large.onnx",
               table=in_file("text_model.onnx_data", 0, 10 << 30, dims=[(10 << 30) // 4 // DIMENSION, DIMENSION]))
    text_tower("graphs/text_overflowing.onnx", table=T(name="table", data_type=T.FLOAT, dims=[1 << 40, 1 << 40]))
    text_tower("graphs/text_claims_10_gb.onnx",
               table=T(name="table", data_type=T.FLOAT, dims=[10 << 30, 1], raw_data=bytes(64)))
    text_tower("graphs/text_claims_10_gb_typed.onnx",
               table=T(name="table", data_type=T.FLOAT, dims=[10 << 30, 1], float_data=[0.5] * 16))
    text_tower("graphs/text_negative_dimension.onnx",
               table=T(name="table", data_type=T.FLOAT, dims=[-1, DIMENSION], raw_data=bytes(64)))


def sparse(name):
    values = helper.make_sparse_tensor(helper.make_tensor("values", T.FLOAT, [1], [1.0]),
                                       helper.make_tensor("indices", T.INT64, [1], [0]), [1 << 20, 1 << 20])
    nodes = [helper.make_node("Constant", [], ["table"], sparse_value=values),
             helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
             helper.make_node("ReduceMean", ["rows"], ["text_embeds"], axes=[1], keepdims=0)]
    save(name, [("input_ids", T.INT64, ("batch", "tokens"))], nodes, {}, "text_embeds", ("batch", DIMENSION))


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

    single_file("graphs/single.onnx")
    half_towers()
    external_files()
    sparse("graphs/text_sparse.onnx")
    dynamically_quantized("graphs/text_dynamically_quantized.onnx")
    last_token_tower("graphs/text_last_token.onnx")
    last_token_tower("graphs/text_immich.onnx", kind=T.INT32, shape=(1, 16), input_name="text", output="embedding")
    other_image_tower("graphs/vision_bytes.onnx", T.UINT8, ("batch", SIDE, SIDE, 3), [
        helper.make_node("Cast", ["image"], ["wide"], to=T.FLOAT),
        helper.make_node("Transpose", ["wide"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "one"], ["pixel_values"])])
    other_image_tower("graphs/vision_channels_last.onnx", T.FLOAT, ("batch", SIDE, SIDE, 3), [
        helper.make_node("Transpose", ["image"], ["pixel_values"], perm=[0, 3, 1, 2])])


if __name__ == "__main__":
    main()
