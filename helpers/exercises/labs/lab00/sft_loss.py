"""Exercise of lab 00: the loss of supervised tuning."""

from __future__ import annotations

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


SFT_LOSS = Exercise(
    name="sft_loss",
    title="The loss of supervised tuning",
    minutes=6,
    difficulty=1,
    deliver="Minus the mean log-probability of the tokens where the mask is true, a scalar.",
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
            lambda logprobs, mask: logprobs[mask].mean(),
        ),
        Misconception(
            "ignores mask",
            "it averages over all positions: the prompt, which the model need not write, and padding count too",
            lambda logprobs, mask: -logprobs.mean(),
        ),
        Misconception(
            "divides by all",
            "it divides the right sum by the number of *all* positions: the more padding, the lower the loss",
            lambda logprobs, mask: -_kept(logprobs, mask).mean(),
        ),
        Misconception(
            "row means",
            "it averages each row first, then the rows: a token of a short completion then weighs more than one "
            "of a long completion",
            lambda logprobs, mask: -(_kept(logprobs, mask).sum(1) / mask.sum(1)).mean(),
        ),
        Misconception(
            "row sums",
            "it sums over each completion: long completions then have a larger loss even where every token is as "
            "probable; divide by the number of tokens",
            lambda logprobs, mask: -_kept(logprobs, mask).sum(1).mean(),
        ),
        Misconception(
            "sum",
            "it is a sum, not a mean: with twice the tokens the gradient would be twice as large",
            lambda logprobs, mask: -_kept(logprobs, mask).sum(),
        ),
        Misconception(
            "probabilities",
            "it averages probabilities: the loss is made of their logarithms, which charge a probability of 0.001 far "
            "more than one of 0.5",
            lambda logprobs, mask: -logprobs[mask].exp().mean(),
        ),
    ),
)
