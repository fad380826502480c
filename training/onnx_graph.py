"""A small builder for ONNX graphs: add nodes in order, get the name of each result."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
MICROSOFT = "com.microsoft"


class Graph:
    """Collects nodes and constants; every `add` returns the name of the node's output."""

    def __init__(self, name: str):
        self._name = name
        self._nodes, self._constants, self._inputs, self._outputs = [], [], [], []

    def input(self, name: str, kind: int, shape: list) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, source: str, name: str, shape: list) -> None:
        self._nodes.append(helper.make_node("Identity", [source], [name], name=f"{name}/identity"))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, name: str, value: np.ndarray) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def half(self, name: str, value: np.ndarray) -> str:
        """A float32 constant stored in 16 bits; ONNX Runtime folds the cast when it loads the graph."""
        return self.add("Cast", name, self.constant(f"{name}/f16", value.astype(np.float16)), to=TensorProto.FLOAT)

    def add(self, kind: str, name: str, *inputs: str, domain: str = "", **attributes) -> str:
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def split(self, names: list[str], source: str) -> None:
        """Cut the last axis of `source` into equal parts."""
        self._nodes.append(helper.make_node(
            "Split", [source], names, name=f"{source}/split", axis=-1, num_outputs=len(names)))

    def unit_length(self, name: str, source: str) -> str:
        """Rows of `source` scaled to length one."""
        axes = self.constant(f"{name}/axes", np.array([-1], np.int64))
        length = self.add("Sqrt", f"{name}/length", self.add("ReduceSum", f"{name}/sum", self.add(
            "Mul", f"{name}/squares", source, source), axes, keepdims=1))
        floor = self.constant(f"{name}/floor", np.array(1e-12, np.float32))
        return self.add("Div", name, source, self.add("Max", f"{name}/divisor", length, floor))

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[
            helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)], producer_name="eidetic-training")
        model.ir_version = 8
        return model

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(self.model(), path)
