"""Decoding: how a language model's next-token probabilities are changed before a token is sampled.

Sources:
    Ackley et al. 1985: A learning algorithm for Boltzmann machines (temperature)
    Holtzman et al. 2020: The curious case of neural text degeneration (top-p)
"""

from __future__ import annotations

import torch
from torch import Tensor


def temperature_probabilities(logits: Tensor, temperature: float) -> Tensor:
    """Sampling with a temperature: next-token probabilities softmax(logits / temperature) (Ackley et al. 1985).

    Below 1 the probable tokens gain, above 1 the rare ones. Towards 0, all probability goes to the most probable token.

    Args:
        logits: (..., vocabulary).
        temperature: Above 0.

    Returns:
        (..., vocabulary).
    """
    return (logits / temperature).softmax(dim=-1)


def top_p(probabilities: Tensor, p: float) -> Tensor:
    """Nucleus (top-p) sampling: next-token probabilities without the improbable tail (Holtzman et al. 2020).

    The smallest set of most probable tokens that together hold at least `p` keeps its proportions, rescaled to sum to
    1. Every other token gets 0.

    Args:
        probabilities: (vocabulary,).
        p: In (0, 1].

    Returns:
        (vocabulary,).
    """
    ordered, order = probabilities.sort(descending=True)
    held_before = ordered.cumsum(dim=0) - ordered  # by the more probable ones: 0 for the first, which always stays
    kept = torch.zeros_like(probabilities)
    kept[order] = ordered.where(held_before < p, 0.0)
    return kept / kept.sum()
