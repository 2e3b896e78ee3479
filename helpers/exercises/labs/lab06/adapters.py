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
        case(4, 2, (1, 1, 1), (1, 1, -1)),
        case(3, 4, (2,), (1,)),
    ]


def _averaged_apart(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    """Cross terms and all; torch raises RuntimeError where the ranks differ."""
    a, b = (_weighted_sum(matrices, weights) for matrices in ([a for a, _, _ in adapters], [b for _, b, _ in adapters]))
    return adapters[0][2] * (b @ a)


def _scaled_apart(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    """The same, each B with its own scale."""
    return _averaged_apart([(a, scale * b, 1.0) for a, b, scale in adapters], weights)


def _multiplied(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    found = torch.ones(())
    for (a, b, scale), weight in zip(adapters, weights, strict=True):
        found = found * (weight * scale * (b @ a))
    return found


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
    deliver="The update of all adapters (a, b, scale) together, each with its weight: (out, in). Ranks may differ.",
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
            (
                _averaged_apart,
                lambda adapters, weights: _averaged_apart(adapters, [1 / len(weights)] * len(weights)),
                lambda adapters, weights: _averaged_apart([(a, b, 1.0) for a, b, _ in adapters], weights),
                _scaled_apart,
            ),
        ),
        Misconception(
            "no scale",
            "the scale is missing: alpha / rank belongs to each adapter's update",
            (
                lambda adapters, weights: _summed([(a, b, 1.0) for a, b, _ in adapters], weights),
                lambda adapters, weights: _summed([(a, b, 1.0) for a, b, _ in adapters], [1.0] * len(weights)),
            ),
        ),
        Misconception(
            "scale by rank",
            "it divides by the rank once more: the scale given is alpha / rank already",
            lambda adapters, weights: _summed([(a, b, scale / len(a)) for a, b, scale in adapters], weights),
        ),
        Misconception(
            "first scale for all",
            "one adapter's scale is used for all: each has its own, since their ranks may differ",
            (
                lambda adapters, weights: _summed([(a, b, adapters[0][2]) for a, b, _ in adapters], weights),
                lambda adapters, weights: _summed([(a, b, adapters[-1][2]) for a, b, _ in adapters], weights),
                lambda adapters, weights: _summed(
                    [(a, b, sum(s for _, _, s in adapters) / len(adapters)) for a, b, _ in adapters], weights
                ),
                lambda adapters, weights: _summed(
                    [(a, b, sum(s for _, _, s in adapters)) for a, b, _ in adapters], weights
                ),
            ),
        ),
        Misconception(
            "scale twice",
            "the scale is in it twice: it belongs to B A once",
            lambda adapters, weights: _summed([(a, b, scale**2) for a, b, scale in adapters], weights),
        ),
        Misconception(
            "divided by the scale",
            "it divides by the scale: multiply by it",
            lambda adapters, weights: _summed([(a, b, 1 / scale) for a, b, scale in adapters], weights),
        ),
        Misconception(
            "averaged",
            "the updates are averaged: they are added, and the weights say how much of each there is",
            lambda adapters, weights: _summed(adapters, [weight / len(weights) for weight in weights]),
        ),
        Misconception(
            "softmax of the weights",
            "the weights are sent through a softmax: use them as they are; they may be negative, and need not sum to 1",
            lambda adapters, weights: _summed(adapters, torch.tensor(weights).softmax(0).tolist()),
        ),
        Misconception(
            "absolute weights",
            "a negative weight counts as a positive one, or as none: it takes the adapter's update off",
            (
                lambda adapters, weights: _summed(adapters, [abs(weight) for weight in weights]),
                lambda adapters, weights: _summed(adapters, [max(weight, 0.0) for weight in weights]),
            ),
        ),
        Misconception(
            "one weight for all",
            "one weight is used for all adapters, or their sum: each adapter has its own",
            (
                lambda adapters, weights: _summed(adapters, [weights[0]] * len(weights)),
                lambda adapters, weights: _summed(adapters, [weights[-1]] * len(weights)),
                lambda adapters, weights: _summed(adapters, [sum(weights)] * len(weights)),
            ),
        ),
        Misconception(
            "last only",
            "only the last adapter is in it: add each to what came before",
            lambda adapters, weights: _summed(adapters[-1:], weights[-1:]),
        ),
        Misconception(
            "entry by entry",
            "B * A multiplies entry by entry: the product of matrices is `b @ a`",
            lambda adapters, weights: _weighted_sum(
                [b * a for a, b, _ in adapters],
                [weight * scale for (_, _, scale), weight in zip(adapters, weights, strict=True)],
            ),
        ),
        Misconception(
            "multiplied together",
            "the updates are multiplied with each other: they are added",
            _multiplied,
        ),
        Misconception(
            "weight twice",
            "the weights come out squared: put each on A or on B, not on both",
            lambda adapters, weights: _summed(adapters, [weight**2 for weight in weights]),
        ),
        Misconception(
            "no weights",
            "the weights do nothing: each says how much of its adapter there is",
            (
                lambda adapters, weights: _summed(adapters, [1.0] * len(weights)),
                lambda adapters, weights: _summed(adapters, [1 / len(weights)] * len(weights)),
            ),
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
            "only the first adapter, or the first two, are in it: there may be any number",
            (
                lambda adapters, weights: _summed(adapters[:1], weights[:1]),
                lambda adapters, weights: _summed(adapters[:2], weights[:2]),
            ),
        ),
    ),
)
