"""The image tower as ONNX nodes: pixels to 1,280 pooled features, in float32 or as static int8 (QDQ)."""

from collections.abc import Iterable, Mapping

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from image_tower import Convolution, ImageTower, same_padding
from onnx_graph import Graph
from quantize import ActivationScale, int8_per_channel

PIXELS = ActivationScale(1 / 128, 127)


class ImageGraph:
    """Adds the tower to a graph. Without `scales` it computes in float32."""

    def __init__(self, graph: Graph, tower: ImageTower, image_size: int, scales: Mapping[str, ActivationScale] | None):
        self._graph, self._tower, self._size, self._scales = graph, tower, image_size, scales
        self._scale_of: dict[str, ActivationScale] = {}
        self.activations: list[str] = []

    def features(self) -> str:
        """Add every node; the name of the [batch, 1280] result."""
        x = self._graph.input("pixel_values", TensorProto.FLOAT, ["batch", 3, self._size, self._size])
        x = block_input = self._stored(x, PIXELS) if self._scales else x
        for step in self._tower.convolutions:
            if step.opens_block:
                block_input = x
            x = self._activation(self._convolution(step, x), step.clipped)
            if step.adds_block_input:
                x = self._activation(self._graph.add("Add", f"{step.name}/sum", x, block_input), clipped=False)
        return self._graph.add("Flatten", "features", self._graph.add("GlobalAveragePool", "pooled", x))

    def _convolution(self, step: Convolution, x: str) -> str:
        kernel = step.weight.shape[2]
        before, after, self._size = same_padding(self._size, kernel, step.stride)
        if self._scales:
            weight, scale = int8_per_channel(step.weight, pair_safe=step.groups == 1)
            bias_scale = scale * np.float32(self._scale_of[x].scale)
            bias = np.rint(step.bias / bias_scale.astype(np.float64)).astype(np.int32)
            constants = [self._dequantised(f"{step.name}/weight", weight, scale),
                         self._dequantised(f"{step.name}/bias", bias, bias_scale)]
        else:
            constants = [self._graph.constant(f"{step.name}/weight", step.weight),
                         self._graph.constant(f"{step.name}/bias", step.bias)]
        return self._graph.add("Conv", step.name, x, *constants, kernel_shape=[kernel, kernel], group=step.groups,
                               strides=[step.stride] * 2, pads=[before, before, after, after])

    def _activation(self, x: str, clipped: bool) -> str:
        """ReLU6 in float32. In int8, storing within 0..6 already clips."""
        self.activations.append(x)
        if self._scales:
            return self._stored(x, self._scales[x])
        if not clipped:
            return x
        zero, six = (self._graph.constant(f"{x}/{value}", np.float32(value)) for value in (0, 6))
        return self._graph.add("Clip", f"{x}/clipped", x, zero, six)

    def _stored(self, x: str, by: ActivationScale) -> str:
        scale = self._graph.constant(f"{x}/scale", np.float32(by.scale))
        zero = self._graph.constant(f"{x}/zero", np.uint8(by.zero))
        stored = self._graph.add("QuantizeLinear", f"{x}/uint8", x, scale, zero)
        name = self._graph.add("DequantizeLinear", f"{x}/stored", stored, scale, zero)
        self._scale_of[name] = by
        return name

    def _dequantised(self, name: str, values: np.ndarray, scale: np.ndarray) -> str:
        return self._graph.add("DequantizeLinear", name, self._graph.constant(f"{name}/values", values),
                               self._graph.constant(f"{name}/scales", scale),
                               self._graph.constant(f"{name}/zeros", np.zeros(len(scale), values.dtype)), axis=0)


def calibrate(tower: ImageTower, image_size: int, batches: Iterable[np.ndarray]) -> dict[str, ActivationScale]:
    """Scales that cover the smallest and largest value each activation takes over the pictures of `batches`."""
    graph = Graph("image_tower")
    nodes = ImageGraph(graph, tower, image_size, scales=None)
    nodes.features()
    model = graph.model()
    for name in nodes.activations:
        for kind in ("Min", "Max"):
            model.graph.node.append(helper.make_node(f"Reduce{kind}", [name], [f"{name}/{kind}"], keepdims=0))
            model.graph.output.append(helper.make_tensor_value_info(f"{name}/{kind}", TensorProto.FLOAT, []))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = [f"{name}/{kind}" for name in nodes.activations for kind in ("Min", "Max")]
    ranges = np.stack([session.run(wanted, {"pixel_values": batch}) for batch in batches])
    clipped = {step.name for step in tower.convolutions if step.clipped}
    return {name: ActivationScale.covering(0, min(high, 6)) if name in clipped else ActivationScale.covering(low, high)
            for name, low, high in zip(nodes.activations, ranges.min(axis=0)[0::2], ranges.max(axis=0)[1::2])}
