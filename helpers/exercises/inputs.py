"""Random inputs, of which the cases of an exercise are made."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    """Normal numbers as a float32 tensor."""
    return torch.tensor(rng.normal(scale=scale, size=shape), dtype=torch.float32)


# --- Texts --------------------------------------------------------------------

WORDS = "dog cat car loan rent garden bread knee exam river vet boss roof seed tyre job".split()


def random_words(rng: np.random.Generator, count: int) -> str:
    """A text of `count` of the WORDS."""
    return " ".join(rng.choice(WORDS, size=count))


# --- Batches of right-padded responses ----------------------------------------


def right_padded(rng: np.random.Generator, batch: int, response: int, shortest: int = 1) -> Tensor:
    """A mask (batch, response), true at the real tokens: one response is full, and all others have padding."""
    lengths = rng.integers(shortest, response, size=batch)
    lengths[rng.integers(batch)] = response
    return torch.arange(response) < torch.tensor(lengths).unsqueeze(1)


def token_logprobs(rng: np.random.Generator, *shape: int) -> Tensor:
    """Log-probabilities of tokens."""
    return -normal(rng, *shape, scale=2).abs()


def moved_logprobs(rng: np.random.Generator, logprobs: Tensor, scale: float) -> Tensor:
    """Log-probabilities of the same tokens under another model."""
    return -(logprobs + normal(rng, *logprobs.shape, scale=scale)).abs()


def real_only(x: Tensor, mask: Tensor) -> Tensor:
    """`x` at the real tokens, 0 at padding."""
    return x.where(mask, 0.0)
