"""LoRA: a frozen weight and a trained update of low rank (Hu et al. 2022, LoRA: low-rank adaptation of large models).

Names and shapes are peft's: `weight` (out, in), `a` (rank, in), `b` (out, rank); the update is (alpha / rank) b a, and
`b` begins at 0, so a new adapter changes nothing.
"""

from torch import Tensor
from torch.nn import functional as F


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
