"""LoRA: a frozen weight and a trained update of low rank (Hu et al. 2022, LoRA: low-rank adaptation of large models).

Names and shapes are peft's: `weight` (out, in), `a` (rank, in), `b` (out, rank); the update is (alpha / rank) b a, and
`b` begins at 0, so a new adapter changes nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Adapter = tuple[Tensor, Tensor, float]
"""(a, b, scale), the scale being alpha / rank."""


def lora_forward(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """x W^T + (alpha / rank) x A^T B^T: (..., in) -> (..., out) (Hu et al. 2022, eq. 3).

    The base's `weight` is frozen: gradients flow to `x`, `a` and `b` only. The update is never made as a matrix of
    its own, which costs `rank` (in + out) multiplications a token instead of in * out.
    """
    update = F.linear(F.linear(x, a), b)
    return F.linear(x, weight.detach()) + alpha / a.shape[0] * update


def lora_merge(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """W + (alpha / rank) B A, (out, in): one matrix for the base and its adapter (Hu et al. 2022, section 4.1)."""
    return weight + alpha / a.shape[0] * (b @ a)


def mixed_update(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    """The sum of weight * scale * b a, (out, in): what several adapters of one layer add to the base together.

    adapters: (a, b, scale) of each, whose ranks may differ. Updates add up, with any weights (task arithmetic, Ilharco
    et al. 2023); their factors do not: the mean of the b's times the mean of the a's has products of strangers in it.
    """
    return sum(weight * scale * (b @ a) for (a, b, scale), weight in zip(adapters, weights, strict=True))


def mixed_adapter(adapters: Sequence[Adapter], weights: Sequence[float]) -> tuple[Tensor, Tensor]:
    """One adapter (a, b), of scale 1, that does what `mixed_update` adds: a (ranks, in), b (out, ranks).

    The ranks add up: all a's stand below one another, with their scale and weight, and all b's side by side (peft's
    `add_weighted_adapter` with "cat").
    """
    a = torch.cat([weight * scale * a for (a, _, scale), weight in zip(adapters, weights, strict=True)], dim=0)
    return a, torch.cat([b for _, b, _ in adapters], dim=1)
