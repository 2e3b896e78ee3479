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


def _uneven(rng: np.random.Generator) -> list[Arguments]:
    """An alpha that is no multiple of the rank, and no common divisor of the shapes."""
    return [_adapters(rng, (7, 5, 2))[0] | {"alpha": 3.0}, _adapters(rng, (6, 5, 3))[0] | {"alpha": 2.0}]


def _layers(rng: np.random.Generator) -> list[Arguments]:
    matrices = [*_adapters(rng, (6, 4, 2), (4, 4, 4)), *_uneven(rng), *_adapters(rng, (5, 3, 2))]
    cases = [{"x": normal(rng, 2, 3, len(case["weight"][0]))} | case for case in matrices]
    cases[-1]["b"] = torch.zeros_like(cases[-1]["b"])  # as it begins
    cases[2]["x"] = cases[2]["x"][0]  # tokens of one text
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


def _scaled_by(factor: Callable[..., float]) -> Callable[..., Tensor]:
    """LoRA with a factor of alpha, a and b."""
    return lambda x, weight, a, b, alpha: x @ weight.T + factor(alpha, a, b) * (x @ a.T @ b.T)


def _merged_by(factor: Callable[..., float]) -> Callable[..., Tensor]:
    return lambda weight, a, b, alpha: weight + factor(alpha, a, b) * (b @ a)


# Mistakes of the scale, by name: factors of alpha, a and b.
_SCALES: dict[str, tuple[str, tuple[Callable[..., float], ...]]] = {
    "wrong dimension": (
        "it divides by another dimension: the rank is the small one, the number of rows of A (or of columns of B)",
        (
            lambda alpha, a, b: alpha / a.shape[1],
            lambda alpha, a, b: alpha / b.shape[0],
            lambda alpha, a, b: alpha / a.numel(),
            lambda alpha, a, b: alpha / b.numel(),
        ),
    ),
    "whole division": (
        "the scale is rounded to a whole number: alpha / rank may be 1.5, so divide with `/`",
        (
            lambda alpha, a, b: alpha // len(a),
            lambda alpha, a, b: int(alpha / len(a)),
            lambda alpha, a, b: round(alpha / len(a)),
            lambda alpha, a, b: max(alpha // len(a), 1),
        ),
    ),
    "no alpha": (
        "alpha is missing in the scale: it is alpha over the rank, not 1 over the rank",
        (lambda alpha, a, b: 1 / len(a),),
    ),
    "root": (
        "it takes a root or a square in the scale: here it is alpha over the rank itself",
        (
            lambda alpha, a, b: alpha / len(a) ** 0.5,
            lambda alpha, a, b: (alpha / len(a)) ** 0.5,
            lambda alpha, a, b: (alpha / len(a)) ** 2,
            lambda alpha, a, b: alpha / len(a) ** 2,
        ),
    ),
    "product": ("it multiplies by the rank: divide alpha by it", (lambda alpha, a, b: alpha * len(a),)),
}


def _freezing(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    weight.requires_grad_(False)
    return _adapted()(x, weight, a, b, alpha)


LORA_FORWARD = Exercise(
    name="lora_forward",
    title="A frozen layer with an adapter",
    minutes=8,
    difficulty=2,
    deliver="What the layer gives with its adapter, (..., out), with no gradient to the base's weight.",
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
            "the base is not transposed: a linear layer's weight is (out, in), so x meets its transpose",
            _adapted(base=lambda x, weight: x @ weight),
        ),
        Misconception(
            "update only",
            "the base is missing: an adapter adds to the layer, it does not take its place",
            (
                _adapted(base=lambda x, weight: torch.zeros(())),
                lambda x, weight, a, b, alpha: x @ a.T @ b.T,
                lambda x, weight, a, b, alpha: alpha * (x @ a.T @ b.T),
                lambda x, weight, a, b, alpha: x + alpha / len(a) * (x @ a.T @ b.T),
            ),
        ),
        Misconception(
            "base trains",
            "the values are right, but a gradient flows to the base's weight: it is frozen, so detach it",
            _adapted(),
        ),
        *(Misconception(key, says, tuple(map(_scaled_by, factors))) for key, (says, factors) in _SCALES.items()),
        Misconception(
            "scale on all",
            "the scale multiplies the base too: only the update is scaled",
            (
                lambda x, weight, a, b, alpha: alpha / len(a) * (x @ weight.T + x @ a.T @ b.T),
                lambda x, weight, a, b, alpha: alpha / len(a) * (x @ weight.T) + x @ a.T @ b.T,
            ),
        ),
        Misconception(
            "minus",
            "the update is subtracted: the adapter adds to the layer",
            _scaled_by(lambda alpha, a, b: -alpha / len(a)),
        ),
        Misconception(
            "update transposed",
            "the update is transposed: as a matrix it is B A, in the shape of the weight, and x meets it as it meets W",
            (
                lambda x, weight, a, b, alpha: x @ weight.T + alpha / len(a) * x @ (b @ a),
                lambda x, weight, a, b, alpha: x @ (weight + alpha / len(a) * b @ a),
                lambda x, weight, a, b, alpha: x @ weight.T + alpha / len(a) * (x @ a @ b),
            ),
        ),
        Misconception(
            "base output twice",
            "the update works on the base's output: it works on x, beside the base",
            lambda x, weight, a, b, alpha: x @ weight.T + alpha / len(a) * (x @ weight.T @ a.T @ b.T),
        ),
        Misconception(
            "half an adapter",
            "one of the two matrices is missing: x goes through A and then through B",
            (
                lambda x, weight, a, b, alpha: x @ weight.T + alpha / len(a) * (x @ a.T),
                lambda x, weight, a, b, alpha: x @ weight.T + alpha / len(a) * (x @ b.T),
            ),
        ),
        Misconception(
            "base output detached",
            "the values are right, but the base's *output* is detached: the gradient to x "
            "must flow through the base too, for the layers before it. Detach the weight alone",
            lambda x, weight, a, b, alpha: (x @ weight.T).detach() + alpha / len(a) * (x @ a.T @ b.T),
        ),
        Misconception(
            "adapter detached",
            "the values are right, but no gradient reaches A or B: they are trained, and only the weight is detached",
            (
                lambda x, weight, a, b, alpha: (
                    x @ weight.detach().T + alpha / len(a) * (x @ a.detach().T @ b.detach().T)
                ),
                lambda x, weight, a, b, alpha: x @ weight.detach().T + alpha / len(a) * (x @ a.detach().T @ b.T),
                lambda x, weight, a, b, alpha: x @ weight.detach().T + alpha / len(a) * (x @ a.T @ b.detach().T),
                lambda x, weight, a, b, alpha: x @ weight.detach().T + alpha / len(a) * (x @ a.T @ b.T).detach(),
                lambda x, weight, a, b, alpha: (x @ weight.T + alpha / len(a) * (x @ a.T @ b.T)).detach(),
                lambda x, weight, a, b, alpha: x @ weight.T + alpha / len(a) * (x @ a.detach().T @ b.detach().T),
            ),
        ),
        Misconception(
            "axes",
            "it raises an error for another number of axes: x is (..., in), with any axes before the last",
            lambda x, weight, a, b, alpha: torch.mm(x, weight.T) + alpha / len(a) * torch.mm(torch.mm(x, a.T), b.T),
        ),
        Misconception(
            "freezes the caller",
            "it calls requires_grad_(False) on the caller's own tensor: leave the weight as it is, and use "
            "`weight.detach()`",
            _freezing,
        ),
    ),
)


LORA_MERGE = Exercise(
    name="lora_merge",
    title="One matrix again",
    minutes=4,
    difficulty=1,
    deliver="One matrix in the shape of weight that does what layer and adapter do together.",
    reference=lora.lora_merge,
    cases=lambda rng: [*_adapters(rng, (6, 4, 2), (4, 4, 4), (3, 5, 2)), *_uneven(rng)],
    hints=(
        "W is (out, in), B is (out, rank), A is (rank, in): one product has W's shape.",
        "The scale is that of the forward pass, alpha / rank.",
    ),
    misconceptions=(
        Misconception(
            "order",
            "the product is A B: only B A has the shape (out, in) of the weight",
            (
                lambda weight, a, b, alpha: weight + alpha / len(a) * (a @ b),
                lambda weight, a, b, alpha: weight + a @ b,
                lambda weight, a, b, alpha: weight + alpha * (a @ b),
            ),
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
            (
                lambda weight, a, b, alpha: alpha / len(a) * (b @ a),
                lambda weight, a, b, alpha: b @ a,
                lambda weight, a, b, alpha: alpha * (b @ a),
            ),
        ),
        Misconception(
            "minus",
            "it takes the update away: that is how an adapter is *un*merged",
            lambda weight, a, b, alpha: weight - alpha / len(a) * (b @ a),
        ),
        *(Misconception(key, says, tuple(map(_merged_by, factors))) for key, (says, factors) in _SCALES.items()),
        Misconception(
            "inverse scale",
            "the scale is upside down: it is alpha over the rank",
            _merged_by(lambda alpha, a, b: len(a) / alpha),
        ),
        Misconception(
            "scale on all",
            "the scale multiplies the base too: only the update is scaled",
            (
                lambda weight, a, b, alpha: alpha / len(a) * (weight + b @ a),
                lambda weight, a, b, alpha: alpha / len(a) * weight + b @ a,
            ),
        ),
        Misconception(
            "entry by entry",
            "it multiplies entry by entry, or the weight by the update: B A is a matrix product, and it is added",
            (
                lambda weight, a, b, alpha: weight + alpha / len(a) * (a * b.T),
                lambda weight, a, b, alpha: weight + alpha / len(a) * (b * a),
                lambda weight, a, b, alpha: weight * (alpha / len(a) * (b @ a)),
                lambda weight, a, b, alpha: weight * (1 + alpha / len(a) * (b @ a)),
            ),
        ),
        Misconception(
            "base transposed",
            "the weight is transposed: it is (out, in) already, as B A is",
            (
                lambda weight, a, b, alpha: weight.T + alpha / len(a) * (b @ a),
                lambda weight, a, b, alpha: (weight + alpha / len(a) * (b @ a)).T,
            ),
        ),
    ),
)
