"""Exercises of lab 02: the losses of a reward model."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _score_pairs(rng: np.random.Generator) -> list[Arguments]:
    batches = [{"chosen": normal(rng, n, scale=2), "rejected": normal(rng, n, scale=2)} for n in (5, 3, 1)]
    far_apart = {"chosen": torch.tensor([60.0, -120.0]), "rejected": torch.tensor([-70.0, 90.0])}
    return [*batches, far_apart]


BRADLEY_TERRY_LOSS = Exercise(
    name="bradley_terry_loss",
    title="The loss of a reward model",
    minutes=8,
    difficulty=1,
    deliver="The mean of -log sigmoid(chosen - rejected) over a batch of pairs, a scalar.",
    reference=objectives.bradley_terry_loss,
    cases=_score_pairs,
    gradients=("chosen", "rejected"),
    hints=(
        "The probability that the chosen one wins is sigmoid(chosen - rejected); the loss is minus its logarithm.",
        "Take the mean over the batch, so that the loss does not grow with it.",
        "log(sigmoid(x)) is -inf for x = -200 in float32; `torch.nn.functional.logsigmoid(x)` is exact.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "the two are swapped: this loss falls when the *rejected* text scores higher. Take chosen - rejected",
            lambda chosen, rejected: -F.logsigmoid(rejected - chosen).mean(),
        ),
        Misconception(
            "no minus",
            "the minus is missing: minimizing this makes the chosen text *less* probable",
            lambda chosen, rejected: F.logsigmoid(chosen - rejected).mean(),
        ),
        Misconception(
            "no log",
            "that is a probability, not a loss: take minus its logarithm (a pair judged badly wrong must cost much)",
            lambda chosen, rejected: torch.sigmoid(chosen - rejected).mean(),
        ),
        Misconception(
            "sum",
            "it sums over the batch: with twice the pairs the gradient would be twice as large. Take the mean",
            lambda chosen, rejected: -F.logsigmoid(chosen - rejected).sum(),
        ),
        Misconception(
            "overflow",
            "log(sigmoid(-200)) is -inf in float32: use logsigmoid, which does not round to 0",
            lambda chosen, rejected: -torch.log(torch.sigmoid(chosen - rejected)).mean(),
        ),
        Misconception(
            "log of mean",
            "the logarithm comes after the mean: take the logarithm for each pair, then the mean",
            lambda chosen, rejected: -torch.log(torch.sigmoid(chosen - rejected).mean()),
        ),
    ),
)


def _pairs_with_margins(rng: np.random.Generator) -> list[Arguments]:
    def pairs(margin: np.ndarray) -> Arguments:
        chosen, rejected = normal(rng, len(margin), scale=2), normal(rng, len(margin), scale=2)
        return {"chosen": chosen, "rejected": rejected, "margin": torch.tensor(margin, dtype=torch.float32)}

    as_in_llama2 = rng.permutation([0, 1 / 3, 2 / 3, 1])
    return [pairs(as_in_llama2), pairs(rng.uniform(0.2, 3, size=6)), pairs(rng.uniform(0.2, 3, size=1))]


MARGIN_LOSS = Exercise(
    name="margin_loss",
    title="A margin for sure preferences",
    minutes=6,
    difficulty=1,
    deliver="The mean of -log sigmoid(chosen - rejected - margin) over a batch of pairs, a scalar.",
    reference=objectives.margin_loss,
    cases=_pairs_with_margins,
    gradients=("chosen", "rejected"),
    hints=(
        "The chosen text must be ahead by `margin` before its pair costs what a tie costs without one.",
        "It is the loss of before with a head start for the rejected text.",
        "Subtract the margin from the difference of the scores, inside the sigmoid.",
    ),
    misconceptions=(
        Misconception(
            "added",
            "the margin is added to the gap: the surer people were, the *less* this loss asks for. Subtract it",
            lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected + margin).mean(),
        ),
        Misconception(
            "outside",
            "the margin stands outside the sigmoid and the logarithm: there it is a constant, and no gradient changes. "
            "Take it off the difference of the scores",
            lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) - margin).mean(),
        ),
        Misconception(
            "outside, added",
            "the margin is added to the loss: there it is a constant, and no gradient changes. Take it off the "
            "difference of the scores, inside the sigmoid",
            lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) + margin).mean(),
        ),
        Misconception(
            "weight",
            "the margin weighs the pairs: one with margin 0 would teach nothing at all. It shifts the gap, it does not "
            "multiply the loss",
            lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) * margin).mean(),
        ),
        Misconception(
            "ignored",
            "the margin is not used: that is the loss without one",
            lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected).mean(),
        ),
        Misconception(
            "hinge",
            "that is a hinge loss: beyond the margin it pulls no more, and it has no probability behind it. Keep the "
            "sigmoid of Bradley-Terry",
            lambda chosen, rejected, margin: F.relu(margin - (chosen - rejected)).mean(),
        ),
    ),
)
