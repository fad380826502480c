"""Towers and heads joined into the two graphs of a model folder; embeddings leave them at unit length."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto

from heads import DIMENSION, ImageHead, TextHead
from image_graph import ImageGraph
from image_tower import ImageTower
from onnx_graph import Graph
from quantize import ActivationScale
from text_graph import TextGraph, dense
from text_tower import Dense, TextTower


def export_vision(path: Path, tower: ImageTower, head: ImageHead, image_size: int,
                  scales: Mapping[str, ActivationScale] | None) -> None:
    """pixel_values to image_embeds; float32 when there are no activation `scales`."""
    graph, eight_bits = Graph("vision_model"), scales is not None
    features = ImageGraph(graph, tower, image_size, scales).features()
    linear, widen = _standardised(head, head.linear), _standardised(head, head.widen)
    own = _residual(graph, "head", features, linear, widen, _dense(head.narrow), eight_bits)
    logits = dense(graph, "head/classes", features, Dense(tower.classifier_weight.T, tower.classifier_bias), eight_bits)
    classes = graph.add("MatMul", "head/class_vector", graph.add("Softmax", "head/class_probabilities", logits, axis=-1),
                        graph.half("head/class_vectors", _array(head.class_vectors)))
    embedding = graph.unit_length("head/unit", graph.add("Add", "head/embedding", own, classes))
    graph.output(embedding, "image_embeds", ["batch", DIMENSION])
    graph.save(path)


def export_text(path: Path, tower: TextTower, head: TextHead, eight_bits: bool) -> None:
    """input_ids and attention_mask to text_embeds."""
    graph = Graph("text_model")
    features = TextGraph(graph, tower, eight_bits).features()
    joined = _residual(graph, "head", features, _dense(head.linear), _dense(head.widen), _dense(head.narrow), eight_bits)
    graph.output(graph.unit_length("head/unit", joined), "text_embeds", ["batch", DIMENSION])
    graph.save(path)


def _residual(graph: Graph, name: str, x: str, linear: Dense, widen: Dense, narrow: Dense, eight_bits: bool) -> str:
    """linear(x) + narrow(relu(widen(x)))."""
    wide = graph.add("Relu", f"{name}/relu", dense(graph, f"{name}/widen", x, widen, eight_bits))
    return graph.add("Add", f"{name}/residual", dense(graph, f"{name}/linear", x, linear, eight_bits),
                     dense(graph, f"{name}/narrow", wide, narrow, eight_bits))


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().astype(np.float32)


def _dense(layer: torch.nn.Linear) -> Dense:
    return Dense(_array(layer.weight).T, _array(layer.bias))


def _standardised(head: ImageHead, layer: torch.nn.Linear) -> Dense:
    """The layer with the features' standardisation folded in."""
    weight = _array(layer.weight / head.feature_std).T
    return Dense(weight, _array(layer.bias) - _array(head.feature_mean) @ weight)
