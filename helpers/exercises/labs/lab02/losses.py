"""Exercises of lab 02: the losses of a reward model."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal

Loss = Callable[[Tensor], Tensor]
"""Of the gaps that go into the sigmoid."""


def _fixed_pairs() -> list[Arguments]:
    """Gaps of 130, of -210, and scores whose exponentials are infinite though their gaps are small."""
    pairs = [([60.0, 3.0], [-70.0, 2.0]), ([-120.0, 3.0], [90.0, 2.0]), ([100.0, 99.0], [101.0, 97.0])]
    return [{"chosen": torch.tensor(chosen), "rejected": torch.tensor(rejected)} for chosen, rejected in pairs]


def _score_pairs(rng: np.random.Generator) -> list[Arguments]:
    batches = [{"chosen": normal(rng, n, scale=2), "rejected": normal(rng, n, scale=2)} for n in (5, 3, 1)]
    return [*batches, *_fixed_pairs()]


# --- Mistakes of both losses --------------------------------------------------


def _raised(smallest: float) -> tuple[Loss, Loss]:
    """A logarithm kept from 0 by hand."""
    return (
        lambda gap: -torch.log(torch.sigmoid(gap) + smallest).mean(),
        lambda gap: -torch.log(torch.sigmoid(gap).clamp(min=smallest)).mean(),
    )


def _clamped(largest: float) -> tuple[Loss, Loss]:
    return (
        lambda gap: -F.logsigmoid(gap.clamp(-largest, largest)).mean(),
        lambda gap: (-F.logsigmoid(gap)).clamp(max=largest).mean(),
    )


_RAISED = tuple(loss for smallest in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12) for loss in _raised(smallest))
_CLAMPED = tuple(loss for largest in (10.0, 20.0, 30.0, 50.0, 80.0, 100.0) for loss in _clamped(largest))

_OF_THE_GAP: list[tuple[str, str, tuple[Loss, ...]]] = [
    (
        "no minus",
        "the minus is missing: minimizing this makes the chosen text *less* probable",
        (lambda gap: F.logsigmoid(gap).mean(), lambda gap: F.logsigmoid(gap).sum()),
    ),
    (
        "swapped, no minus",
        "two mistakes: the two texts are swapped, and the minus is missing. A loss is never negative: take minus the "
        "logarithm of the probability that the *chosen* text wins",
        (lambda gap: F.logsigmoid(-gap).mean(), lambda gap: F.logsigmoid(-gap).sum()),
    ),
    (
        "no log",
        "that is a probability, not a loss: the logarithm is missing (with it, a pair judged badly wrong costs much)",
        (
            lambda gap: torch.sigmoid(gap).mean(),
            lambda gap: -torch.sigmoid(gap).mean(),
            lambda gap: 1 - torch.sigmoid(gap).mean(),
            lambda gap: torch.sigmoid(gap).sum(),
            lambda gap: -torch.sigmoid(gap).sum(),
        ),
    ),
    (
        "no sigmoid",
        "the sigmoid and its logarithm are missing: this is the gap of the scores alone. It could grow without end, "
        "and a pair that is right already would pull as hard as one that is wrong",
        (lambda gap: -gap.mean(), lambda gap: gap.mean(), lambda gap: -gap.sum()),
    ),
    (
        "log of the gap",
        "the sigmoid is missing: a gap may be negative, and then it has no logarithm. The sigmoid turns it into a "
        "probability first",
        (lambda gap: -torch.log(gap).mean(), lambda gap: torch.log(gap).mean()),
    ),
    (
        "sum",
        "it sums over the batch: with twice the pairs the gradient would be twice as large. Take the mean",
        (lambda gap: -F.logsigmoid(gap).sum(),),
    ),
    (
        "not reduced",
        "it gives one loss for each pair: training needs one number. Take the mean over the batch",
        (lambda gap: -F.logsigmoid(gap), lambda gap: -F.logsigmoid(gap).mean().reshape(1)),
    ),
    (
        "overflow",
        "right for small gaps, but infinite or NaN where a pair is judged badly wrong: in float32 sigmoid(-210) is 0, "
        "its logarithm is -inf, and exp(210) is infinite. Use `torch.nn.functional.logsigmoid` (or `softplus`), which "
        "does sigmoid and logarithm in one stable step",
        (
            lambda gap: -torch.log(torch.sigmoid(gap)).mean(),
            lambda gap: torch.log(1 + torch.exp(-gap)).mean(),
            lambda gap: -torch.log(1 / (1 + torch.exp(-gap))).mean(),
        ),
    ),
    (
        "exponential overflows",
        "right for small gaps, but infinite or NaN where the chosen text is far ahead: exp(130) is infinite in "
        "float32, and infinity / infinity is NaN. Use `torch.nn.functional.logsigmoid`, which takes no such detour",
        (
            lambda gap: -torch.log(torch.exp(gap) / (1 + torch.exp(gap))).mean(),
            lambda gap: (torch.log(1 + torch.exp(gap)) - gap).mean(),
            lambda gap: -(gap - torch.log(1 + torch.exp(gap))).mean(),
        ),
    ),
    (
        "kept from 0 by hand",
        "right for small gaps, but a pair judged badly wrong costs too little and has no gradient: a small number "
        "added to the probability, or a limit on it, hides how wrong the pair is. "
        "`torch.nn.functional.logsigmoid` needs no such help",
        (
            *_RAISED,
            *_CLAMPED,
            lambda gap: F.binary_cross_entropy(torch.sigmoid(gap), torch.ones_like(gap)),
        ),
    ),
    (
        "log of mean",
        "the logarithm comes after the mean: take the logarithm for each pair, then the mean",
        (lambda gap: -torch.log(torch.sigmoid(gap).mean()),),
    ),
    (
        "mean gap",
        "it takes the mean of the gaps first: then one pair far ahead makes up for all that are wrong. Take the loss "
        "of each pair, then the mean",
        (lambda gap: -F.logsigmoid(gap.mean()),),
    ),
    (
        "absolute gap",
        "it takes the gap without its sign: then it does not matter which of the two texts is ahead",
        (lambda gap: -F.logsigmoid(gap.abs()).mean(), lambda gap: -F.logsigmoid(-gap.abs()).mean()),
    ),
    (
        "squared gap",
        "that is a squared error of the gap: it pulls the two scores together. Take minus log sigmoid",
        (lambda gap: (gap**2).mean(), lambda gap: ((1 - torch.sigmoid(gap)) ** 2).mean()),
    ),
    (
        "other base",
        "it takes the logarithm to another base: the loss takes the natural one",
        (lambda gap: -F.logsigmoid(gap).mean() / math.log(2), lambda gap: -F.logsigmoid(gap).mean() / math.log(10)),
    ),
    (
        "exponential loss",
        "that is an exponential loss: one pair judged badly wrong would outweigh all others. Take minus log sigmoid",
        (lambda gap: torch.exp(-gap).mean(),),
    ),
    (
        "one pair",
        "it takes one pair of the batch, the middle or the largest loss: take the mean over all",
        (
            lambda gap: (-F.logsigmoid(gap)).median(),
            lambda gap: (-F.logsigmoid(gap)).max(),
            lambda gap: -F.logsigmoid(gap)[0],
        ),
    ),
    (
        "over the batch",
        "the softmax runs over the pairs of the batch, so that they compete with one another: each pair has its own "
        "probability, the sigmoid of its own gap",
        (lambda gap: -F.log_softmax(gap, 0).mean(), lambda gap: -F.log_softmax(gap, 0).sum()),
    ),
]


def _of_pairs(loss: Loss) -> Callable[..., Tensor]:
    return lambda chosen, rejected: loss(chosen - rejected)


def _of_pairs_with_margin(loss: Loss) -> Callable[..., Tensor]:
    return lambda chosen, rejected, margin: loss(chosen - rejected - margin)


def _shared(of: Callable[[Loss], Callable[..., Tensor]]) -> list[Misconception]:
    return [Misconception(key, says, tuple(map(of, losses))) for key, says, losses in _OF_THE_GAP]


# --- The exercises ------------------------------------------------------------


def _every_pair(chosen: Tensor, rejected: Tensor) -> Tensor:
    return -F.logsigmoid(chosen.unsqueeze(1) - rejected).mean()


BRADLEY_TERRY_LOSS = Exercise(
    name="bradley_terry_loss",
    title="The loss of a reward model",
    minutes=8,
    difficulty=1,
    deliver="The negative log-likelihood of the choices under Bradley-Terry, its mean over a batch of pairs, a scalar.",
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
            (
                lambda chosen, rejected: -F.logsigmoid(rejected - chosen).mean(),
                lambda chosen, rejected: -F.logsigmoid(rejected - chosen).sum(),
                lambda chosen, rejected: -torch.log(torch.sigmoid(rejected - chosen)).mean(),
                lambda chosen, rejected: torch.log(1 + torch.exp(chosen - rejected)).mean(),
            ),
        ),
        *_shared(_of_pairs),
        Misconception(
            "exponentials of scores",
            "right for small scores, but the exponential of a score of 100 is infinite in float32, and infinity / "
            "infinity is NaN. Only the gap counts: use `torch.nn.functional.logsigmoid` of chosen - rejected",
            lambda chosen, rejected: -torch.log(torch.exp(chosen) / (torch.exp(chosen) + torch.exp(rejected))).mean(),
        ),
        Misconception(
            "scores as strengths",
            "it divides the scores themselves, as if they were strengths above 0: scores may be negative. The "
            "probability is the sigmoid of chosen - rejected",
            (
                lambda chosen, rejected: -torch.log(chosen / (chosen + rejected)).mean(),
                lambda chosen, rejected: -(chosen / (chosen + rejected)).mean(),
                lambda chosen, rejected: (chosen / (chosen + rejected)).mean(),
            ),
        ),
        Misconception(
            "ratio of sigmoids",
            "it takes the sigmoid of each score for itself: only the *gap* of the two has a meaning. Subtract first, "
            "then take the sigmoid",
            (
                lambda chosen, rejected: -(F.logsigmoid(chosen) - F.logsigmoid(rejected)).mean(),
                lambda chosen, rejected: -(torch.sigmoid(chosen) - torch.sigmoid(rejected)).mean(),
                lambda chosen, rejected: -torch.log(torch.sigmoid(chosen) - torch.sigmoid(rejected)).mean(),
                lambda chosen, rejected: -(F.logsigmoid(chosen) + F.logsigmoid(-rejected)).mean(),
                lambda chosen, rejected: -torch.log(torch.sigmoid(chosen) / torch.sigmoid(rejected)).mean(),
            ),
        ),
        Misconception(
            "chosen alone",
            "the score of the rejected text is not used: only the gap between the two has a meaning",
            lambda chosen, rejected: -F.logsigmoid(chosen).mean(),
        ),
        Misconception(
            "added scores",
            "it adds the two scores: take the gap, chosen - rejected",
            lambda chosen, rejected: -F.logsigmoid(chosen + rejected).mean(),
        ),
        Misconception(
            "every pair",
            "it compares every chosen text with every rejected one: each has one partner, at the same place",
            _every_pair,
        ),
        Misconception(
            "hinge",
            "that is a hinge loss: beyond a fixed gap it pulls no more, and it has no probability behind it. Take "
            "minus log sigmoid of the gap",
            (
                lambda chosen, rejected: F.relu(1 - (chosen - rejected)).mean(),
                lambda chosen, rejected: F.relu(rejected - chosen).mean(),
            ),
        ),
    ),
)


def _pairs_with_margins(rng: np.random.Generator) -> list[Arguments]:
    def pairs(margin: np.ndarray) -> Arguments:
        chosen, rejected = normal(rng, len(margin), scale=2), normal(rng, len(margin), scale=2)
        return {"chosen": chosen, "rejected": rejected, "margin": torch.tensor(margin, dtype=torch.float32)}

    as_in_llama2 = rng.permutation([0, 1 / 3, 2 / 3, 1])
    fixed = [{**case, "margin": torch.tensor([1.0, 0.5])} for case in _fixed_pairs()]
    random = [pairs(as_in_llama2), pairs(rng.uniform(0.2, 3, size=6)), pairs(rng.uniform(0.2, 3, size=1))]
    return [*random, *fixed]


MARGIN_LOSS = Exercise(
    name="margin_loss",
    title="A margin for sure preferences",
    minutes=6,
    difficulty=1,
    deliver="The Bradley-Terry loss if a chosen text must lead by its margin, its mean over the pairs, a scalar.",
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
            (
                lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected + margin).mean(),
                lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected + margin).sum(),
                lambda chosen, rejected, margin: -torch.log(torch.sigmoid(chosen - rejected + margin)).mean(),
            ),
        ),
        Misconception(
            "sign",
            "the two texts are swapped: this loss falls when the *rejected* text scores higher. Take chosen - rejected "
            "before you take off the margin",
            (
                lambda chosen, rejected, margin: -F.logsigmoid(rejected - chosen - margin).mean(),
                lambda chosen, rejected, margin: -F.logsigmoid(rejected - chosen + margin).mean(),
            ),
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
            (
                lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) + margin).mean(),
                lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected).mean() + margin,
            ),
        ),
        Misconception(
            "between sigmoid and logarithm",
            "the margin is taken off the probability, after the sigmoid: it is in units of the score, so take it off "
            "the difference of the scores, inside the sigmoid",
            (
                lambda chosen, rejected, margin: -torch.log(torch.sigmoid(chosen - rejected) - margin).mean(),
                lambda chosen, rejected, margin: -torch.log(torch.sigmoid(chosen - rejected) + margin).mean(),
            ),
        ),
        Misconception(
            "weight",
            "the margin weighs the pairs: one with margin 0 would teach nothing at all. It shifts the gap, it does not "
            "multiply the loss",
            (
                lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) * margin).mean(),
                lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) * margin).sum(),
                lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) * margin).sum() / margin.sum(),
            ),
        ),
        Misconception(
            "weight, 1 + margin",
            "the margin makes the pairs weigh more, in place of asking for a wider gap: subtract it from the "
            "difference of the scores",
            lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) * (1 + margin)).mean(),
        ),
        Misconception(
            "scaled gap",
            "the margin multiplies or divides the gap: it is a distance in units of the score, so subtract it",
            (
                lambda chosen, rejected, margin: -F.logsigmoid(margin * (chosen - rejected)).mean(),
                lambda chosen, rejected, margin: -F.logsigmoid((chosen - rejected) / margin).mean(),
            ),
        ),
        Misconception(
            "ignored",
            "the margin is not used: that is the loss without one. (Taken off *both* scores it cancels.)",
            lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected).mean(),
        ),
        Misconception(
            "mean margin",
            "all pairs get the same margin, the mean of the batch: every pair has its own",
            (
                lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected - margin.mean()).mean(),
                lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected - margin.sum()).mean(),
                lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected - margin[0]).mean(),
            ),
        ),
        Misconception(
            "fixed margin",
            "the margin is a fixed 1 for all pairs: take the `margin` that is given for each pair",
            lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected - 1).mean(),
        ),
        Misconception(
            "twice",
            "the margin is taken off twice: once, from the difference of the scores",
            lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected - 2 * margin).mean(),
        ),
        *_shared(_of_pairs_with_margin),
        Misconception(
            "hinge",
            "that is a hinge loss: beyond the margin it pulls no more, and it has no probability behind it. Keep the "
            "sigmoid of Bradley-Terry",
            (
                lambda chosen, rejected, margin: F.relu(margin - (chosen - rejected)).mean(),
                lambda chosen, rejected, margin: F.relu(margin - (chosen - rejected)).sum(),
            ),
        ),
        Misconception(
            "only below the margin",
            "it drops the pairs that keep their margin already: their loss is small, but not 0. Every pair counts",
            (
                lambda chosen, rejected, margin: (
                    -F.logsigmoid(chosen - rejected) * (chosen - rejected < margin)
                ).mean(),
                lambda chosen, rejected, margin: (
                    -F.logsigmoid(chosen - rejected - margin) * (chosen - rejected < margin)
                ).mean(),
            ),
        ),
        Misconception(
            "cut at 0",
            "the gap is cut at 0 or at the margin before the sigmoid: there no gradient is left, and the pairs that "
            "need it most do not learn. Subtract the margin, and leave negative gaps as they are",
            (
                lambda chosen, rejected, margin: -F.logsigmoid(F.relu(chosen - rejected - margin)).mean(),
                lambda chosen, rejected, margin: -F.logsigmoid(torch.maximum(chosen - rejected, margin)).mean(),
            ),
        ),
    ),
)
