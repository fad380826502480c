"""Eight-bit weights and activation scales that do not depend on a batch.

Image tower: static QDQ; weights per output channel, activations per tensor, calibrated once.
Text tower: MatMulNBits; weights per block of 32, activations per row and block of 32 at run time.
"""

from dataclasses import dataclass

import numpy as np

PAIR_LIMIT = 128
SMALLEST_SCALE = 1e-6  # keeps the int32 biases of dead channels in range
NBITS_BLOCK = 32


@dataclass(frozen=True)
class ActivationScale:
    """real = scale * (stored - zero), stored in 0..255."""

    scale: float
    zero: int

    @staticmethod
    def covering(low: float, high: float) -> "ActivationScale":
        low, high = min(low, 0.0), max(high, 1e-6)
        scale = float(np.float32((high - low) / 255))
        return ActivationScale(scale, int(np.clip(round(-low / scale), 0, 255)))


def int8_per_channel(weight: np.ndarray, pair_safe: bool) -> tuple[np.ndarray, np.ndarray]:
    """(int8 weight, scale per output channel).

    x86 without VNNI adds two uint8*int8 products in 16 bits, which saturates when two neighbouring weights
    of one sign sum to more than 128. `pair_safe` widens a channel's scale until none do, so that every
    processor computes the same numbers.
    """
    flat = weight.reshape(len(weight), -1)
    scale = np.maximum(np.abs(flat).max(axis=1) / 127, SMALLEST_SCALE)
    if pair_safe:
        while True:
            crowded = _largest_pair(np.rint(flat / scale[:, None])) > PAIR_LIMIT
            if not crowded.any():
                break
            scale[crowded] *= 1.01
    quantised = np.clip(np.rint(flat / scale[:, None]), -127, 127).astype(np.int8)
    return quantised.reshape(weight.shape), scale.astype(np.float32)


def _largest_pair(quantised: np.ndarray) -> np.ndarray:
    """Largest |a + b| over neighbouring inputs (0, 1), (2, 3), … of each row, where signs agree."""
    if quantised.shape[1] % 2:
        quantised = np.pad(quantised, ((0, 0), (0, 1)))
    return np.abs(quantised[:, 0::2] + quantised[:, 1::2]).max(axis=1)


def int8_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(int8 matrix, float32 scale of each row)."""
    scale = np.maximum(np.abs(matrix).max(axis=1), 1e-12) / 127
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def nbits8(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MatMulNBits form of `weight` [inputs, outputs]: (uint8 [outputs, blocks, 32], scales [outputs, blocks])."""
    inputs, outputs = weight.shape
    blocks = weight.T.reshape(outputs, inputs // NBITS_BLOCK, NBITS_BLOCK)
    scale = np.maximum(np.abs(blocks).max(axis=2), 1e-12) / 127
    quantised = np.rint(blocks / scale[:, :, None]) + 128
    return quantised.astype(np.uint8), scale.astype(np.float32)
