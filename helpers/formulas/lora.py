"""LoRA: a frozen weight and a trained update of low rank (Hu et al. 2022, LoRA: low-rank adaptation of large models).

Names and shapes are peft's: `weight` (out, in), `a` (rank, in), `b` (out, rank). The update is (alpha / rank) b a, and
`b` begins at 0, so a new adapter changes nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Adapter = tuple[Tensor, Tensor, float]
"""(a, b, scale), the scale being alpha / rank."""


def lora_forward(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """LoRA's forward pass: x W^T + (alpha / rank) x A^T B^T (Hu et al. 2022, eq. 3).

    The base's weight is frozen: gradients flow to `x`, `a` and `b` only. The update is never made as a matrix, so it
    costs rank * (in + out) multiplications per token instead of in * out.

    Args:
        x: (..., in).
        weight: W, (out, in).
        a: (rank, in).
        b: (out, rank).
        alpha: Scales the update.

    Returns:
        (..., out).
    """
    update = F.linear(F.linear(x, a), b)
    return F.linear(x, weight.detach()) + alpha / a.shape[0] * update


def lora_merge(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """LoRA merged into the base: W + (alpha / rank) B A, (out, in) (Hu et al. 2022, section 4.1).

    Args:
        weight: W, (out, in).
        a: (rank, in).
        b: (out, rank).
        alpha: Scales the update.
    """
    return weight + alpha / a.shape[0] * (b @ a)


def mixed_update(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    """The weighted sum of several adapters' updates: the sum of weight * scale * b a, (out, in).

    Updates of one layer add up, with any weights (task arithmetic, Ilharco et al. 2023). Their factors do not: the mean
    of the b's times the mean of the a's also holds products of different adapters.

    Args:
        adapters: (a, b, scale) of each; their ranks may differ.
        weights: One per adapter.
    """
    updates = (weight * scale * (b @ a) for (a, b, scale), weight in zip(adapters, weights, strict=True))
    return sum(updates, start=torch.zeros(()))
