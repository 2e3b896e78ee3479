"""Embeddings: how similar two texts are as vectors."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cosine_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Cosine similarity: the cosine of the angle between each row of `a` and the same row of `b`, -1 to 1.

    Only the directions of the vectors count, not their lengths.

    Args:
        a: (batch, size).
        b: (batch, size).

    Returns:
        (batch,).
    """
    return (F.normalize(a, dim=-1) * F.normalize(b, dim=-1)).sum(dim=-1)
