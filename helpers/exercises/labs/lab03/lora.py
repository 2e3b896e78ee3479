"""Exercises of lab 03: a LoRA adapter beside a frozen layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ....formulas import lora
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _adapters(rng: np.random.Generator, *shapes: tuple[int, int, int]) -> list[Arguments]:
    return [
        {"weight": normal(rng, outer, inner), "a": normal(rng, rank, inner), "b": normal(rng, outer, rank)}
        | {"alpha": float(rng.choice([3.0, 8.0, 16.0]))}
        for inner, outer, rank in shapes
    ]


def _layers(rng: np.random.Generator) -> list[Arguments]:
    matrices = _adapters(rng, (6, 4, 2), (4, 4, 4), (5, 3, 2))
    cases = [{"x": normal(rng, 2, 3, len(case["weight"][0]))} | case for case in matrices]
    cases[-1]["b"] = torch.zeros_like(cases[-1]["b"])  # as it begins
    return cases


def _adapted(
    scale: Callable[[float, int], float] = lambda alpha, rank: alpha / rank,
    update: Callable[..., Tensor] = lambda x, a, b: x @ a.T @ b.T,
    base: Callable[[Tensor, Tensor], Tensor] = lambda x, weight: x @ weight.T,
) -> Callable[..., Tensor]:
    """LoRA with one part exchanged, and a base weight that trains."""

    def forward(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
        return base(x, weight) + scale(alpha, len(a)) * update(x, a, b)

    return forward


LORA_FORWARD = Exercise(
    name="lora_forward",
    title="A frozen layer with an adapter",
    minutes=8,
    difficulty=2,
    deliver="x W^T + (alpha / rank) x A^T B^T, with no gradient to the base's weight.",
    reference=lora.lora_forward,
    cases=_layers,
    gradients=("x", "weight", "a", "b"),
    hints=(
        "`torch.nn.functional.linear(x, weight)` is x W^T; use it for A and B too, one after the other.",
        "The rank is the number of rows of A.",
        "The base is frozen: `weight.detach()`.",
    ),
    misconceptions=(
        Misconception(
            "alpha",
            "it scales by alpha alone: divide by the rank, so that another rank needs no other learning rate",
            _adapted(scale=lambda alpha, rank: alpha),
        ),
        Misconception(
            "no scale",
            "the scale alpha / rank is missing",
            _adapted(scale=lambda alpha, rank: 1.0),
        ),
        Misconception(
            "inverse scale",
            "the scale is upside down: alpha / rank",
            _adapted(scale=lambda alpha, rank: rank / alpha),
        ),
        Misconception(
            "swapped",
            "A and B are swapped: A comes first and leads from the layer's inputs down to the rank",
            _adapted(update=lambda x, a, b: x @ b.T @ a.T),
        ),
        Misconception(
            "base transposed",
            "the base is x W: a linear layer's weight is (out, in), so it computes x W^T",
            _adapted(base=lambda x, weight: x @ weight),
        ),
        Misconception(
            "update only",
            "the base is missing: an adapter adds to the layer, it does not take its place",
            _adapted(base=lambda x, weight: torch.zeros(())),
        ),
        Misconception(
            "base trains",
            "the values are right, but a gradient flows to the base's weight: it is frozen, so detach it",
            _adapted(),
        ),
    ),
)


LORA_MERGE = Exercise(
    name="lora_merge",
    title="One matrix again",
    minutes=4,
    difficulty=1,
    deliver="W + (alpha / rank) B A, in the shape of weight.",
    reference=lora.lora_merge,
    cases=lambda rng: _adapters(rng, (6, 4, 2), (4, 4, 4), (3, 5, 2)),
    hints=(
        "W is (out, in), B is (out, rank), A is (rank, in): one product has W's shape.",
        "The scale is that of the forward pass, alpha / rank.",
    ),
    misconceptions=(
        Misconception(
            "order",
            "the product is A B: only B A has the shape (out, in) of the weight",
            lambda weight, a, b, alpha: weight + alpha / len(a) * (a @ b),
        ),
        Misconception(
            "transposed",
            "the update is transposed: B A already has the shape (out, in) of the weight",
            lambda weight, a, b, alpha: weight + alpha / len(a) * (b @ a).T,
        ),
        Misconception(
            "alpha",
            "it scales by alpha alone: divide by the rank, as the forward pass does",
            lambda weight, a, b, alpha: weight + alpha * (b @ a),
        ),
        Misconception(
            "no scale",
            "the scale alpha / rank is missing: the merged layer would do something else",
            lambda weight, a, b, alpha: weight + b @ a,
        ),
        Misconception(
            "update only",
            "the base is missing: add the update to the weight",
            lambda weight, a, b, alpha: alpha / len(a) * (b @ a),
        ),
        Misconception(
            "minus",
            "it takes the update away: that is how an adapter is *un*merged",
            lambda weight, a, b, alpha: weight - alpha / len(a) * (b @ a),
        ),
    ),
)
