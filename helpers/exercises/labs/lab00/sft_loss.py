"""Exercise of lab 00: the loss of supervised tuning."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _completions_in_text(rng: np.random.Generator) -> list[Arguments]:
    """Prompt, completion and padding in each row; what is no completion is as improbable as nonsense."""
    cases = []
    for prompt, completion, width in (
        ([2, 1, 3], [4, 1, 3], 7),
        ([1], [3], 6),
        ([0, 0], [5, 5], 5),
        ([0, 2], [1, 2], 4),
    ):
        start, end = torch.tensor(prompt)[:, None], torch.tensor(prompt)[:, None] + torch.tensor(completion)[:, None]
        mask = (torch.arange(width) >= start) & (torch.arange(width) < end)
        logprobs = -normal(rng, *mask.shape).abs() - (~mask) * 20.0
        cases.append({"logprobs": logprobs, "mask": mask})
    return cases


def _kept(logprobs: Tensor, mask: Tensor) -> Tensor:
    return logprobs.where(mask, torch.zeros(()))


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return x[mask].mean()


SFT_LOSS = Exercise(
    name="sft_loss",
    title="The loss of supervised tuning",
    minutes=6,
    difficulty=1,
    deliver="Minus the mean log-probability of all tokens where the mask is true, over the batch: a scalar.",
    reference=objectives.sft_loss,
    cases=_completions_in_text,
    gradients=("logprobs",),
    hints=(
        "Which tokens did the author of the completion choose? Only those count.",
        "Every completion token of the batch weighs the same: one sum over all rows, divided by the number of trues.",
        "`logprobs[mask]` holds the log-probabilities that count; do not forget the minus.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "the minus is missing: lowering this number makes the demonstrations *less* probable",
            lambda logprobs, mask: _mean(logprobs, mask),
        ),
        Misconception(
            "ignores mask",
            "it averages over all positions: the prompt, which the model need not write, and padding count too",
            lambda logprobs, mask: -logprobs.mean(),
        ),
        Misconception(
            "sign, and ignores mask",
            "the minus is missing, and the mask is not used: only the completion's tokens count, not those of the "
            "prompt and the padding",
            lambda logprobs, mask: logprobs.mean(),
        ),
        Misconception(
            "sum of all",
            "it is a sum over all positions: use the mask, since only the completion's tokens count, and divide by "
            "their number",
            (lambda logprobs, mask: -logprobs.sum(), lambda logprobs, mask: -logprobs.sum() / mask.sum()),
        ),
        Misconception(
            "inverted mask",
            "the mask is the wrong way round: it is true at the tokens that count, and these are left out here",
            (
                lambda logprobs, mask: -_mean(logprobs, ~mask),
                lambda logprobs, mask: _mean(logprobs, ~mask),
                lambda logprobs, mask: -_kept(logprobs, ~mask).sum() / mask.sum(),
                lambda logprobs, mask: -_kept(logprobs, ~mask).mean(),
            ),
        ),
        Misconception(
            "divides by all",
            "it divides the right sum by the number of *all* positions: the more padding, the lower the loss. Divide "
            "by the number of trues in the mask",
            lambda logprobs, mask: -_kept(logprobs, mask).mean(),
        ),
        Misconception(
            "sign, and divides by all",
            "the minus is missing, and it divides by the number of *all* positions: divide by the number of trues in "
            "the mask",
            lambda logprobs, mask: _kept(logprobs, mask).mean(),
        ),
        Misconception(
            "divides by width",
            "it divides the sum by the width of the batch, logprobs.shape[1], padding included: divide by the number "
            "of trues in the mask",
            lambda logprobs, mask: -_kept(logprobs, mask).sum() / logprobs.shape[1],
        ),
        Misconception(
            "row means",
            "it averages each row first, then the rows: a token of a short completion then weighs more than one "
            "of a long completion",
            lambda logprobs, mask: -(_kept(logprobs, mask).sum(1) / mask.sum(1)).mean(),
        ),
        Misconception(
            "row sums",
            "it sums over each completion and divides by the number of rows: long completions then have a larger loss "
            "even where every token is as probable; divide by the number of tokens",
            (
                lambda logprobs, mask: -_kept(logprobs, mask).sum(1).mean(),
                lambda logprobs, mask: _kept(logprobs, mask).sum(1).mean(),
            ),
        ),
        Misconception(
            "sum",
            "it is a sum, not a mean: with twice the tokens the gradient would be twice as large",
            (
                lambda logprobs, mask: -_kept(logprobs, mask).sum(),
                lambda logprobs, mask: _kept(logprobs, mask).sum(),
            ),
        ),
        Misconception(
            "not reduced",
            "it gives several numbers, one for each token or row: a loss is one number, the mean over all tokens that "
            "count",
            (
                lambda logprobs, mask: -_kept(logprobs, mask),
                lambda logprobs, mask: -logprobs[mask],
                lambda logprobs, mask: -_kept(logprobs, mask).sum(1) / mask.sum(1),
                lambda logprobs, mask: -_kept(logprobs, mask).sum(1),
            ),
        ),
        Misconception(
            "shifted",
            "it shifts tokens and mask against each other by one, as is done for logits: here `logprobs` and `mask` "
            "belong to the same tokens already",
            (
                lambda logprobs, mask: -logprobs[:, :-1][mask[:, 1:]].mean(),
                lambda logprobs, mask: -logprobs[:, 1:][mask[:, :-1]].mean(),
                lambda logprobs, mask: -logprobs[:, 1:][mask[:, 1:]].mean(),
                lambda logprobs, mask: -logprobs[:, :-1][mask[:, :-1]].mean(),
            ),
        ),
        Misconception(
            "probabilities",
            "it averages probabilities: the loss is made of their logarithms, which charge a probability of 0.001 far "
            "more than one of 0.5. The inputs are logarithms already, so exp has no place here",
            (
                lambda logprobs, mask: -_mean(logprobs.exp(), mask),
                lambda logprobs, mask: _mean(logprobs.exp(), mask),
                lambda logprobs, mask: 1 - _mean(logprobs.exp(), mask),
            ),
        ),
        Misconception(
            "log of the mean",
            "it averages the probabilities first and takes the log then: average the log-probabilities",
            (
                lambda logprobs, mask: -_mean(logprobs.exp(), mask).log(),
                lambda logprobs, mask: -logprobs[mask].logsumexp(0),
            ),
        ),
        Misconception(
            "log twice",
            "it takes the log of log-probabilities, which are negative: that is NaN. They are logarithms already",
            (
                lambda logprobs, mask: -_mean(logprobs.log(), mask),
                lambda logprobs, mask: -_mean((-logprobs).log(), mask),
            ),
        ),
        Misconception(
            "perplexity",
            "that is the perplexity, exp of the loss: return the loss itself, in nats a token",
            lambda logprobs, mask: (-_mean(logprobs, mask)).exp(),
        ),
        Misconception(
            "bits",
            "that is in bits: the logarithms are natural ones, so the loss stays in nats",
            lambda logprobs, mask: -_mean(logprobs, mask) / math.log(2),
        ),
        Misconception(
            "entropy",
            "it weighs each log-probability by its probability, as an entropy does: every token of the completion "
            "counts the same here, whatever the model thinks of it",
            (
                lambda logprobs, mask: -_mean(logprobs.exp() * logprobs, mask),
                lambda logprobs, mask: -_kept(logprobs.exp() * logprobs, mask).sum(),
            ),
        ),
        Misconception(
            "filled with infinity",
            "it puts -infinity at the tokens that do not count, which makes the sum infinite: leave them out, or put 0 "
            "there",
            (
                lambda logprobs, mask: -logprobs.masked_fill(~mask, -math.inf).sum() / mask.sum(),
                lambda logprobs, mask: -logprobs.masked_fill(~mask, -math.inf).mean(),
            ),
        ),
        Misconception(
            "squared",
            "it squares the log-probabilities: the loss is minus their mean, as they are",
            lambda logprobs, mask: _mean(logprobs**2, mask),
        ),
        Misconception(
            "median",
            "it takes the median, which forgets how improbable the worst tokens are: take the mean",
            lambda logprobs, mask: -logprobs[mask].median(),
        ),
    ),
)
