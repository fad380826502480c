"""The text tower as ONNX nodes: token ids and mask to 384 mean-pooled features, weights in 8 bits or float32."""

import numpy as np
from onnx import TensorProto

from onnx_graph import MICROSOFT, Graph
from quantize import NBITS_BLOCK, int8_rows, nbits8
from text_tower import HEADS, LAYER_NORM_EPSILON, Dense, Layer, Norm, TextTower

INT8_ACTIVATIONS = 4


def dense(graph: Graph, name: str, x: str, by: Dense, eight_bits: bool, accuracy_level: int = INT8_ACTIVATIONS) -> str:
    """x @ weight + bias, the weight in 8 bits (a block of 32 inputs shares a scale) or in float32."""
    if eight_bits:
        weight, scales = nbits8(by.weight)
        inputs, outputs = by.weight.shape
        product = graph.add(
            "MatMulNBits", f"{name}/product", x, graph.constant(f"{name}/weight", weight),
            graph.constant(f"{name}/scales", scales), domain=MICROSOFT, K=inputs, N=outputs, bits=8,
            block_size=NBITS_BLOCK, accuracy_level=accuracy_level)
    else:
        product = graph.add("MatMul", f"{name}/product", x, graph.constant(f"{name}/weight", by.weight))
    return graph.add("Add", name, product, graph.constant(f"{name}/bias", by.bias))


class TextGraph:
    """Adds the tower to a graph."""

    def __init__(self, graph: Graph, tower: TextTower, eight_bits: bool):
        self._graph, self._tower, self._eight_bits = graph, tower, eight_bits

    def features(self) -> str:
        """Add every node; the name of the [batch, 384] result."""
        graph = self._graph
        ids = graph.input("input_ids", TensorProto.INT64, ["batch", "sequence"])
        mask = graph.input("attention_mask", TensorProto.INT64, ["batch", "sequence"])
        x = self._norm("embeddings", graph.add("Add", "embeddings/sum", self._words(ids), self._positions(ids)),
                       self._tower.embedding_norm)
        keys = graph.add("Cast", "key_padding_mask", mask, to=TensorProto.INT32)
        for index, layer in enumerate(self._tower.layers):
            x = self._layer(f"layer{index}", layer, x, keys)
        return self._mean(x, mask)

    def _words(self, ids: str) -> str:
        graph = self._graph
        if not self._eight_bits:
            return graph.add("Gather", "words", graph.constant("words/table", self._tower.words), ids)
        table, scales = int8_rows(self._tower.words)
        words = graph.add("Gather", "words/int8", graph.constant("words/table", table), ids)
        scale = graph.add("Gather", "words/scale", graph.constant("words/scales", scales[:, None]), ids)
        return graph.add("Mul", "words", graph.add("Cast", "words/f32", words, to=TensorProto.FLOAT), scale)

    def _positions(self, ids: str) -> str:
        graph = self._graph
        zero, one = (graph.constant(f"positions/{value}", np.array([value], np.int64)) for value in (0, 1))
        length = graph.add("Shape", "positions/length", ids, start=1, end=2)
        table = graph.constant("positions/table", self._tower.positions)
        return graph.add("Slice", "positions", table, zero, length, zero, one)

    def _layer(self, name: str, layer: Layer, x: str, keys: str) -> str:
        graph = self._graph
        projected = dense(graph, f"{name}/query_key_value", x, layer.query_key_value, self._eight_bits)
        parts = [f"{name}/{part}" for part in ("query", "key", "value")]
        graph.split(parts, projected)
        attended = graph.add("MultiHeadAttention", f"{name}/attention", *parts, "", keys,
                             domain=MICROSOFT, num_heads=HEADS)
        attended = dense(graph, f"{name}/attention_output", attended, layer.attention_output, self._eight_bits)
        x = self._norm(f"{name}/attention_norm", graph.add("Add", f"{name}/attended", attended, x), layer.attention_norm)
        wide = graph.add("Gelu", f"{name}/gelu", dense(graph, f"{name}/widen", x, layer.widen, self._eight_bits),
                         domain=MICROSOFT)
        narrow = dense(graph, f"{name}/narrow", wide, layer.narrow, self._eight_bits)
        return self._norm(f"{name}/output_norm", graph.add("Add", f"{name}/sum", narrow, x), layer.output_norm)

    def _norm(self, name: str, x: str, by: Norm) -> str:
        gain, bias = self._graph.constant(f"{name}/gain", by.gain), self._graph.constant(f"{name}/bias", by.bias)
        return self._graph.add("LayerNormalization", name, x, gain, bias, axis=-1, epsilon=LAYER_NORM_EPSILON)

    def _mean(self, x: str, mask: str) -> str:
        """Mean over the tokens that the mask keeps."""
        graph = self._graph
        tokens = graph.constant("features/token_axis", np.array([1], np.int64))
        last = graph.constant("features/last_axis", np.array([2], np.int64))
        kept = graph.add("Unsqueeze", "features/kept", graph.add(
            "Cast", "features/mask", mask, to=TensorProto.FLOAT), last)
        total = graph.add("ReduceSum", "features/total", graph.add("Mul", "features/masked", x, kept), tokens, keepdims=0)
        count = graph.add("ReduceSum", "features/count", kept, tokens, keepdims=0)
        return graph.add("Div", "features", total, count)
