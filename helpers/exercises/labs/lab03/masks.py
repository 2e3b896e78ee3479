"""Exercises of lab 03: means and whitening over the real tokens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal, real_only, right_padded

NAN = float("nan")

Mean = Callable[[Tensor, Tensor], Tensor]


def token_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over the real tokens."""
    return x[mask].mean()


OVER_PADDING: tuple[Mean, ...] = (
    lambda x, mask: x.mean(),
    lambda x, mask: x.sum() / mask.sum(),
    lambda x, mask: x.nanmean(),
    lambda x, mask: x.nansum() / mask.sum(),
    lambda x, mask: (x.sum(1) / mask.sum(1)).mean(),
)
ZEROS_COUNTED: tuple[Mean, ...] = (
    lambda x, mask: real_only(x, mask).mean(),
    lambda x, mask: (x * mask).mean(),
)
BY_RESPONSE: tuple[Mean, ...] = (
    lambda x, mask: (real_only(x, mask).sum(1) / mask.sum(1)).mean(),
    lambda x, mask: ((x * mask).sum(1) / mask.sum(1)).mean(),
)
SUMS: tuple[Mean, ...] = (
    lambda x, mask: x[mask].sum(),
    lambda x, mask: (x * mask).sum(),
    lambda x, mask: x.sum(),
)
SUMS_OF_RESPONSES: tuple[Mean, ...] = (
    lambda x, mask: real_only(x, mask).sum(1).mean(),
    lambda x, mask: (x * mask).sum(1).mean(),
    lambda x, mask: x.sum(1).mean(),
    lambda x, mask: real_only(x, mask).sum() / mask.shape[1],
)
INVERTED: tuple[Mean, ...] = (
    lambda x, mask: x[~mask].mean(),
    lambda x, mask: real_only(x, ~mask).sum() / mask.sum(),
    lambda x, mask: (x * ~mask).sum() / mask.sum(),
    lambda x, mask: real_only(x, ~mask).sum() / (~mask).sum().clamp(min=1),
    lambda x, mask: (x * ~mask).sum() / (~mask).sum().clamp(min=1),
    lambda x, mask: real_only(x, ~mask).mean(),
)
NOT_AVERAGED: tuple[Mean, ...] = (
    lambda x, mask: x,
    lambda x, mask: x[mask],
    real_only,
    lambda x, mask: x * mask,
    lambda x, mask: real_only(x, mask).sum(1) / mask.sum(1),
    lambda x, mask: (x * mask).sum(1) / mask.sum(1),
    lambda x, mask: real_only(x, mask).sum(1),
    lambda x, mask: (x * mask).sum(1),
    lambda x, mask: real_only(x, mask).mean(1),
    lambda x, mask: x.mean(1),
    lambda x, mask: real_only(x, mask).sum(0) / mask.sum(0),
)


def mean_mistakes(
    loss: Callable[[Mean], Callable], because: str = "only real tokens were chosen by the policy"
) -> tuple[Misconception, ...]:
    """What goes wrong in the mean of a loss over real tokens.

    Args:
        loss: makes the loss with a mean of its own.
        because: why padding does not count.
    """

    def each(means: tuple[Mean, ...]) -> tuple[Callable, ...]:
        return tuple(map(loss, means))

    return (
        Misconception(
            "padding",
            f"padding counts in the average: {because}, so leave the other places out",
            each(OVER_PADDING),
        ),
        Misconception(
            "zeros counted",
            "padding is set to 0 but still counted: divide by the number of real tokens",
            each(ZEROS_COUNTED),
        ),
        Misconception(
            "per response",
            "it averages each response first: here all real tokens of the batch weigh the same",
            each(BY_RESPONSE),
        ),
        Misconception(
            "sum",
            "it sums over tokens: with twice the samples the gradient would be twice as large. Take the mean",
            each(SUMS),
        ),
        Misconception(
            "sum of a response",
            "it sums over a response's tokens and divides only by the number of responses or columns: "
            "divide by the number of real tokens in the batch",
            each(SUMS_OF_RESPONSES),
        ),
        Misconception(
            "inverted mask",
            "the mask is the wrong way round: it is true at real tokens, and you average over padding",
            each(INVERTED),
        ),
        Misconception(
            "no mean",
            "the mean is not complete: one number for the whole batch is asked for, not one for each token or response",
            each(NOT_AVERAGED),
        ),
    )


def _padded_batches(rng: np.random.Generator) -> list[Arguments]:
    cases = [
        {"x": normal(rng, n, length, scale=2), "mask": right_padded(rng, n, length)} for n, length in ((3, 4), (5, 7))
    ]
    mask = right_padded(rng, 4, 5)
    spoilt = {"x": normal(rng, 4, 5).masked_fill(~mask, NAN), "mask": mask}
    lengths = torch.tensor([[1], [4], [2]])
    zeros = torch.tensor([[3.0, -5.0, 7.0, 1.0], [0.0, 2.0, 0.0, 6.0], [4.0, 0.0, 9.0, -8.0]])
    return [
        *cases,
        {"x": normal(rng, 1, 3), "mask": torch.ones(1, 3).bool()},
        spoilt,
        {"x": zeros, "mask": torch.arange(4) < lengths},
    ]


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
            "padding counts in it: what stands there means nothing, so take only the tokens where mask is true",
            OVER_PADDING,
        ),
        Misconception(
            "zeros counted",
            "padding is set to 0 but still counted: divide by the number of real tokens, not by all places",
            ZEROS_COUNTED,
        ),
        Misconception(
            "per response",
            "it averages each response first: a token of a short response then weighs more than one of a long response",
            BY_RESPONSE,
        ),
        Misconception(
            "vector",
            "it gives several numbers, not one number: take the mean over all real tokens of the whole batch",
            NOT_AVERAGED,
        ),
        Misconception(
            "sum",
            "it is a sum: with longer responses it would grow. Divide by the number of real tokens",
            SUMS,
        ),
        Misconception(
            "sum of a response",
            "it divides by the number of responses or columns: divide by the number of real tokens in the batch",
            SUMS_OF_RESPONSES,
        ),
        Misconception(
            "inverted mask",
            "the mask is the wrong way round: it is true at real tokens, and you average over padding",
            INVERTED,
        ),
        Misconception(
            "drops zeros",
            "it leaves out real tokens whose value is 0: choose tokens by the mask, not by their value",
            (
                lambda x, mask: x[mask & (x != 0)].mean(),
                lambda x, mask: (x * mask).sum() / (x * mask != 0).sum(),
            ),
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
    lengths = torch.tensor([[2], [4], [3]])
    mask = torch.arange(4) < lengths
    equal = normal(rng, 3, 4).masked_fill(mask, 2.0)
    spoilt = (normal(rng, 3, 4, scale=2) + 1).masked_fill(~mask, NAN)
    return [*cases, {"x": equal, "mask": mask}, {"x": spoilt, "mask": mask}]


def _variance(x: Tensor, mask: Tensor) -> Tensor:
    return x[mask].var()


def _whitened(
    mean: Mean = token_mean,
    variance: Mean = _variance,
    apply: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda x, mean, variance: (
        (x - mean) * torch.rsqrt(variance + 1e-8)
    ),
    pad: Callable[[Tensor, Tensor], Tensor] = real_only,
) -> Callable[..., Tensor]:
    """Whitening with one part exchanged."""
    return lambda x, mask: pad(apply(x, mean(x, mask), variance(x, mask)), mask)


def _by_group(axis: int, apply: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Whitening row by row, or column by column."""
    return lambda x, mask: torch.stack(
        [apply(row, real) for row, real in zip(x.unbind(axis), mask.unbind(axis), strict=True)], axis
    )


def _zeroed(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum() / mask.sum()


def _by_deviation(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return (x - mean) / variance.sqrt()


def _times_mask(x: Tensor, mask: Tensor) -> Tensor:
    return x * mask


_PADDED_VARIANCES: tuple[Mean, ...] = (
    lambda x, mask: x.var(),
    lambda x, mask: x.var(correction=0),
    lambda x, mask: real_only(x, mask).var(),
    lambda x, mask: real_only(x, mask).var(correction=0),
    lambda x, mask: real_only(x - token_mean(x, mask), mask).square().sum() / (mask.numel() - 1),
    lambda x, mask: real_only(x - token_mean(x, mask), mask).square().mean(),
    lambda x, mask: (real_only(x, mask) - token_mean(x, mask)).square().sum() / (mask.sum() - 1),
    lambda x, mask: (real_only(x, mask) - token_mean(x, mask)).square().mean(),
    lambda x, mask: (x - token_mean(x, mask)).square().mean(),
    lambda x, mask: (x - token_mean(x, mask)).square().sum() / (mask.sum() - 1),
)
_PADDED_MEANS: tuple[Mean, ...] = (lambda x, mask: x.mean(), lambda x, mask: real_only(x, mask).mean())


def _biased(x: Tensor, mask: Tensor) -> Tensor:
    return x[mask].var(correction=0)


MASKED_WHITEN = Exercise(
    name="masked_whiten",
    title="Whiten the advantages",
    minutes=6,
    difficulty=2,
    deliver="x with mean 0 and variance 1 (of n - 1) over the real tokens, and 0 at padding, whatever stood there.",
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
            "padding counts in the mean or in the variance: take both over the real tokens only",
            (
                *(_whitened(variance=variance) for variance in _PADDED_VARIANCES),
                *(_whitened(mean, variance) for mean in _PADDED_MEANS for variance in _PADDED_VARIANCES[:4]),
                *(_whitened(mean) for mean in _PADDED_MEANS),
                *(_whitened(_zeroed, variance, pad=_times_mask) for variance in _PADDED_VARIANCES),
                *(_whitened(mean, _PADDED_VARIANCES[0], pad=_times_mask) for mean in _PADDED_MEANS),
                *(_whitened(mean, pad=lambda x, mask: x) for mean in _PADDED_MEANS),
                _whitened(_PADDED_MEANS[0], _PADDED_VARIANCES[0], pad=lambda x, mask: x),
                _whitened(_PADDED_MEANS[0], _PADDED_VARIANCES[0], apply=_by_deviation),
                _whitened(_PADDED_MEANS[0], _PADDED_VARIANCES[0], apply=_by_deviation, pad=lambda x, mask: x),
            ),
        ),
        Misconception(
            "per response",
            "every response is whitened by itself: then a good response has no better advantages than a bad one",
            (
                _by_group(0, _whitened()),
                _by_group(0, _whitened(apply=_by_deviation)),
                _by_group(0, _whitened(variance=_biased)),
            ),
        ),
        Misconception(
            "per column",
            "every column of tokens is whitened by itself: take one mean and one variance over the whole batch",
            (_by_group(1, _whitened()), _by_group(1, _whitened(apply=_by_deviation))),
        ),
        Misconception(
            "padding kept",
            "right at the real tokens, but padding must become 0",
            (
                _whitened(pad=lambda x, mask: x),
                lambda x, mask: _whitened(pad=lambda x, mask: x)(real_only(x, mask), mask),
                lambda x, mask: _whitened()(x, mask) + x.masked_fill(mask, 0.0),
                lambda x, mask: _whitened()(x, mask).masked_fill(~mask, NAN),
            ),
        ),
        Misconception(
            "nan",
            "a NaN at padding comes through, since NaN * 0 is NaN: set padding to 0 with `torch.where`, "
            "and take mean and variance of `x[mask]`",
            (
                _whitened(pad=lambda x, mask: x * mask),
                _whitened(
                    mean=_zeroed, variance=lambda x, mask: ((x - _zeroed(x, mask)) ** 2 * mask).sum() / (mask.sum() - 1)
                ),
                _whitened(mean=_zeroed),
            ),
        ),
        Misconception(
            "variance",
            "it divides by the variance: divide by its square root, the standard deviation",
            (
                _whitened(apply=lambda x, mean, variance: (x - mean) / (variance + 1e-8)),
                _whitened(apply=lambda x, mean, variance: (x - mean) / variance),
                _whitened(variance=_biased, apply=lambda x, mean, variance: (x - mean) / (variance + 1e-8)),
            ),
        ),
        Misconception(
            "multiplies",
            "it multiplies by the standard deviation: divide by it, so that the spread becomes 1",
            _whitened(apply=lambda x, mean, variance: (x - mean) * (variance + 1e-8).sqrt()),
        ),
        Misconception(
            "brackets",
            "only a part is divided: subtract the mean first, then divide the whole difference",
            (
                _whitened(apply=lambda x, mean, variance: x - mean * torch.rsqrt(variance + 1e-8)),
                _whitened(apply=lambda x, mean, variance: x * torch.rsqrt(variance + 1e-8) - mean),
            ),
        ),
        Misconception(
            "not shifted",
            "the mean is still there: if all rewards are positive, even the worst token would be reinforced",
            (
                _whitened(apply=lambda x, mean, variance: x * torch.rsqrt(variance + 1e-8)),
                _whitened(apply=lambda x, mean, variance: x / variance.sqrt()),
                _whitened(apply=lambda x, mean, variance: (x - mean) * torch.rsqrt(variance + 1e-8) + mean),
                _whitened(variance=_biased, apply=lambda x, mean, variance: x * torch.rsqrt(variance + 1e-8)),
            ),
        ),
        Misconception(
            "not scaled",
            "only the mean is taken off: the size of a step would still depend on the scale of the rewards",
            _whitened(apply=lambda x, mean, variance: x - mean),
        ),
        Misconception(
            "sum of squares",
            "the squares are summed but not averaged: the variance divides their sum by n - 1",
            _whitened(variance=lambda x, mask: x[mask].var() * (mask.sum() - 1)),
        ),
        Misconception(
            "inverted mask",
            "the mask is the wrong way round: it is true at real tokens, and padding becomes 0",
            (
                lambda x, mask: _whitened()(x, ~mask),
                lambda x, mask: _whitened()(x, ~mask).nan_to_num(),
                _whitened(pad=lambda x, mask: x.masked_fill(mask, 0.0)),
            ),
        ),
        Misconception(
            "flat",
            "it gives the real tokens as one long row: give back (batch, response), with 0 at padding",
            lambda x, mask: _whitened()(x, mask)[mask],
        ),
        Misconception(
            "biased",
            "the variance divides by n: of a sample it divides by n - 1, as `Tensor.var` does",
            (
                _whitened(variance=_biased),
                _whitened(variance=_biased, apply=_by_deviation),
                _whitened(variance=_biased, pad=lambda x, mask: x * mask),
                _whitened(
                    variance=lambda x, mask: ((x - _zeroed(x, mask)) ** 2 * mask).sum() / mask.sum(), mean=_zeroed
                ),
            ),
        ),
        Misconception(
            "zero variance",
            "equal values have variance 0, and 0 / 0 is NaN: add 1e-8 before you divide",
            (_whitened(apply=_by_deviation), _whitened(apply=_by_deviation, pad=lambda x, mask: x * mask)),
        ),
    ),
)
