"""Exercises of lab 03: means and whitening over the real tokens."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal, real_only, right_padded

NAN = float("nan")


def token_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over the real tokens."""
    return x[mask].mean()


def _padded_batches(rng: np.random.Generator) -> list[Arguments]:
    cases = [
        {"x": normal(rng, n, length, scale=2), "mask": right_padded(rng, n, length)} for n, length in ((3, 4), (5, 7))
    ]
    mask = right_padded(rng, 4, 5)
    spoilt = {"x": normal(rng, 4, 5).masked_fill(~mask, NAN), "mask": mask}
    return [*cases, {"x": normal(rng, 1, 3), "mask": torch.ones(1, 3).bool()}, spoilt]


MASKED_MEAN = Exercise(
    name="masked_mean",
    title="A mean that leaves padding out",
    minutes=4,
    difficulty=1,
    deliver="The mean of x over the tokens where mask is true, a scalar, whatever stands at padding.",
    reference=objectives.masked_mean,
    cases=_padded_batches,
    gradients=("x",),
    hints=(
        "A sum over the real tokens, divided by how many there are: all tokens of the batch weigh the same.",
        "`x[mask]` are the real tokens; so is `x.where(mask, 0.0)`, with zeros in the other places.",
    ),
    misconceptions=(
        Misconception(
            "padding",
            "it is the mean over padding too: what stands there means nothing, and changes with the longest response",
            lambda x, mask: x.mean(),
        ),
        Misconception(
            "zeros counted",
            "padding is set to 0 but still counted: divide by the number of real tokens, not by all places",
            lambda x, mask: real_only(x, mask).mean(),
        ),
        Misconception(
            "per response",
            "it averages each response first: a token of a short response then weighs more than one of a long response",
            lambda x, mask: (real_only(x, mask).sum(1) / mask.sum(1)).mean(),
        ),
        Misconception(
            "vector",
            "it gives one mean for each response: one number for the whole batch is asked for",
            lambda x, mask: real_only(x, mask).sum(1) / mask.sum(1),
        ),
        Misconception(
            "sum",
            "it is a sum: with longer responses it would grow. Divide by the number of real tokens",
            lambda x, mask: real_only(x, mask).sum(),
        ),
        Misconception(
            "nan",
            "a NaN at padding comes through, since NaN * 0 is NaN: select with `x[mask]` or `torch.where`",
            lambda x, mask: (x * mask).sum() / mask.sum(),
        ),
    ),
)


def _whitening(rng: np.random.Generator) -> list[Arguments]:
    cases = [
        {"x": 1.5 + normal(rng, n, length, scale=3), "mask": right_padded(rng, n, length, shortest=2)}
        for n, length in ((3, 5), (6, 8), (1, 4))
    ]
    mask = right_padded(rng, 3, 4, shortest=2)
    return [*cases, {"x": normal(rng, 3, 4).masked_fill(mask, 2.0), "mask": mask}]


def _scaled(x: Tensor, mask: Tensor) -> Tensor:
    return (x - token_mean(x, mask)) * torch.rsqrt(x[mask].var() + 1e-8)


def _whitened_rows(x: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([real_only(_scaled(row, real), real) for row, real in zip(x, mask, strict=True)])


MASKED_WHITEN = Exercise(
    name="masked_whiten",
    title="Whiten the advantages",
    minutes=6,
    difficulty=2,
    deliver="x scaled to mean 0 and variance 1 (of n - 1) over the batch's real tokens, and 0 at padding.",
    reference=objectives.masked_whiten,
    cases=_whitening,
    hints=(
        "One mean and one variance for all real tokens of the batch, not one for each response.",
        "`x[mask].var()` divides by n - 1. Subtract the mean, divide by the root of the variance, set padding to 0.",
        "If all values are equal, the variance is 0: add 1e-8 to it before you divide.",
    ),
    misconceptions=(
        Misconception(
            "padding",
            "mean and variance are taken over padding too: use the real tokens only",
            lambda x, mask: real_only((x - x.mean()) * torch.rsqrt(x.var() + 1e-8), mask),
        ),
        Misconception(
            "per response",
            "every response is whitened by itself: then a good response has no better advantages than a bad one",
            _whitened_rows,
        ),
        Misconception(
            "padding kept",
            "right at the real tokens, but padding must become 0",
            _scaled,
        ),
        Misconception(
            "variance",
            "it divides by the variance: divide by its square root, the standard deviation",
            lambda x, mask: real_only((x - token_mean(x, mask)) / (x[mask].var() + 1e-8), mask),
        ),
        Misconception(
            "not shifted",
            "the mean is still there: if all rewards are positive, even the worst token would be reinforced",
            lambda x, mask: real_only(x * torch.rsqrt(x[mask].var() + 1e-8), mask),
        ),
        Misconception(
            "not scaled",
            "only the mean is taken off: the size of a step would still depend on the scale of the rewards",
            lambda x, mask: real_only(x - token_mean(x, mask), mask),
        ),
        Misconception(
            "biased",
            "the variance divides by n: of a sample it divides by n - 1, as `Tensor.var` does",
            lambda x, mask: real_only((x - token_mean(x, mask)) * torch.rsqrt(x[mask].var(correction=0) + 1e-8), mask),
        ),
        Misconception(
            "zero variance",
            "equal values have variance 0, and 0 / 0 is NaN: add 1e-8 before you divide",
            lambda x, mask: real_only((x - token_mean(x, mask)) / x[mask].std(), mask),
        ),
    ),
)
