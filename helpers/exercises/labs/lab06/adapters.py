"""Exercise of lab 06: a mixture of LoRA adapters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ....formulas import lora
from ....formulas.lora import Adapter
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _mixtures(rng: np.random.Generator) -> list[Arguments]:
    """Adapters of equal ranks have equal scales, as adapters of one project have; the others have not."""

    def case(inner: int, outer: int, ranks: tuple[int, ...], signs: tuple[int, ...]) -> Arguments:
        alpha = float(rng.choice([5.0, 8.0, 16.0]))
        adapters = [(normal(rng, rank, inner), normal(rng, outer, rank), alpha / rank) for rank in ranks]
        return {"adapters": adapters, "weights": [sign * float(rng.uniform(0.3, 0.6)) for sign in signs]}

    return [
        case(5, 3, (2, 2), (1, 1)),
        case(4, 4, (3, 3), (1, 1)),
        case(4, 3, (2, 4), (1, 1)),
        case(3, 5, (4, 2, 3), (1, -1, 1)),
        case(3, 4, (2,), (1,)),
    ]


def _averaged_apart(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    """Cross terms and all; torch raises RuntimeError where the ranks differ."""
    a, b = (_weighted_sum(matrices, weights) for matrices in ([a for a, _, _ in adapters], [b for _, b, _ in adapters]))
    return adapters[0][2] * (b @ a)


def _summed(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    scaled = [weight * scale for (_, _, scale), weight in zip(adapters, weights, strict=True)]
    return _weighted_sum([b @ a for a, b, _ in adapters], scaled)


def _weighted_sum(matrices: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    terms = (weight * matrix for matrix, weight in zip(matrices, weights, strict=True))
    return sum(terms, start=torch.zeros(()))


MIXED_UPDATE = Exercise(
    name="mixed_update",
    title="Several adapters, one update",
    minutes=8,
    difficulty=2,
    deliver="The sum of weight * scale * B A over the adapters (a, b, scale), (out, in); their ranks may differ.",
    reference=lora.mixed_update,
    cases=_mixtures,
    hints=(
        "What does one adapter alone add to the base? B is (out, rank), A is (rank, in).",
        "All those products have one shape, whatever the rank: only they can be added.",
        "`for (a, b, scale), weight in zip(adapters, weights)`: weight * scale * (b @ a), and the sum of it.",
    ),
    misconceptions=(
        Misconception(
            "averaged apart",
            "the A's and the B's are averaged apart and multiplied then: every B meets the A's of the *other* adapters "
            "too, with which it never trained, and where ranks differ there is no average at all. Multiply, then add",
            _averaged_apart,
        ),
        Misconception(
            "no scale",
            "the scale is missing: alpha / rank belongs to each adapter's update",
            lambda adapters, weights: _summed([(a, b, 1.0) for a, b, _ in adapters], weights),
        ),
        Misconception(
            "scale by rank",
            "it divides by the rank once more: the scale given is alpha / rank already",
            lambda adapters, weights: _summed([(a, b, scale / len(a)) for a, b, scale in adapters], weights),
        ),
        Misconception(
            "weight twice",
            "the weights come out squared: put each on A or on B, not on both",
            lambda adapters, weights: _summed(adapters, [weight**2 for weight in weights]),
        ),
        Misconception(
            "no weights",
            "the weights do nothing: each says how much of its adapter there is",
            lambda adapters, weights: _summed(adapters, [1.0] * len(weights)),
        ),
        Misconception(
            "made to sum to 1",
            "it divides the weights by their sum: updates are added, not averaged, and half of an adapter is half",
            lambda adapters, weights: _summed(adapters, [weight / sum(weights) for weight in weights]),
        ),
        Misconception(
            "order",
            "the product is A B: only B A has the shape (out, in) of the layer's weight",
            lambda adapters, weights: _summed([(b, a, scale) for a, b, scale in adapters], weights),
        ),
        Misconception(
            "transposed",
            "the update is transposed: B A already has the shape (out, in) of the layer's weight",
            lambda adapters, weights: _summed(adapters, weights).T,
        ),
        Misconception(
            "first only",
            "only the first adapter is in it",
            lambda adapters, weights: _summed(adapters[:1], weights[:1]),
        ),
    ),
)
