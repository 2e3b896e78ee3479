"""NF4, the 4-bit number format of QLoRA (Dettmers et al. 2023), written out; bitsandbytes does the same, packed.

A weight is cut into blocks. Each block is divided by its largest magnitude, and each number becomes the nearest of 16
levels, which lie where normally distributed weights are dense.
"""

import torch
from torch import Tensor

# Dettmers et al. 2023, appendix E; tests/formulas/test_quantization.py derives them from a normal distribution.
NF4_LEVELS = torch.tensor(
    [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453]
    + [-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0]
    + [0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224]
    + [0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
)


def quantize_nf4(weight: Tensor, block: int = 64) -> tuple[Tensor, Tensor]:
    """NF4 quantization: the nearest of 16 levels for each number, and a scale for each block.

    (Dettmers et al. 2023, section 2.)

    Args:
        weight: Any shape; its size must be a multiple of `block`.
        block: Numbers per block; blocks are runs of the flattened weight.

    Returns:
        Codes 0 ... 15 in the shape of `weight`, and the largest magnitude (absmax) of each block, (blocks,).

    Raises:
        RuntimeError: If the size of `weight` is no multiple of `block`.
    """
    levels = NF4_LEVELS.to(weight.device)
    blocks = weight.float().reshape(-1, block)
    absmax = blocks.abs().amax(dim=1)
    scaled = blocks / absmax.clamp(min=1e-38).unsqueeze(1)  # a block of zeros stays one
    midpoints = (levels[:-1] + levels[1:]) / 2
    return torch.bucketize(scaled, midpoints).reshape(weight.shape), absmax


def dequantize_nf4(codes: Tensor, absmax: Tensor) -> Tensor:
    """NF4 dequantization: each code's level times the absmax of its block, float32, in the shape of `codes`.

    Args:
        codes: 0 ... 15, from `quantize_nf4`.
        absmax: (blocks,).
    """
    blocks = NF4_LEVELS.to(codes.device)[codes].reshape(len(absmax), -1)
    return (blocks * absmax.unsqueeze(1)).reshape(codes.shape)
