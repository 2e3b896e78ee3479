"""Exercises of lab 03: preferences without a reward model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal

COMPLETIONS = ("chosen", "rejected", "ref_chosen", "ref_rejected")


def _preferred(rng: np.random.Generator) -> list[Arguments]:
    def case(batch: int, beta: float) -> Arguments:
        reference = -normal(rng, 2, batch, scale=10).abs() - 5
        policy = reference + normal(rng, 2, batch, scale=3)
        return dict(zip(COMPLETIONS, (*policy, *reference), strict=True)) | {"beta": beta}

    # A policy that is far wrong, and one that is far right.
    far = [_given(values) for values in ((-900.0, -100.0, -400.0, -500.0), (-50.0, -900.0, -400.0, -500.0))]
    return [case(4, 0.1), case(3, 0.5), case(1, 0.2), *far]


def _given(values: tuple[float, ...]) -> Arguments:
    tensors = [torch.tensor([value]) for value in values]
    return dict(zip(COMPLETIONS, tensors, strict=True)) | {"beta": 0.5}


def _mean_loss(gap: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The loss of another gap, which beta is a part of."""
    return lambda *given: -F.logsigmoid(gap(*given)).mean()


def _of_margin(loss: Callable[[Tensor, float], Tensor]) -> Callable[..., Tensor]:
    """A loss of beta and the gap between the two log-ratios."""
    return lambda chosen, rejected, ref_chosen, ref_rejected, beta: loss(
        (chosen - ref_chosen) - (rejected - ref_rejected), beta
    )


DPO_LOSS = Exercise(
    name="dpo_loss",
    title="Preferences without a reward model",
    minutes=8,
    difficulty=2,
    deliver="A scalar tensor: the mean loss of the pairs, finite also far off; no gradient to the reference.",
    reference=objectives.dpo_loss,
    cases=_preferred,
    gradients=COMPLETIONS,
    hints=(
        "A log-ratio is the policy's log-probability of a whole completion minus the reference's.",
        "It is lab 02's Bradley-Terry loss, with beta * log-ratio in the place of the score.",
        "Detach both reference values, and use `torch.nn.functional.logsigmoid`.",
    ),
    misconceptions=(
        Misconception(
            "no reference",
            "the reference is missing: whatever completion was likelier from the start would count as preferred",
            (
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c - r)),
                _mean_loss(lambda c, r, rc, rr, beta: c - r),
                _mean_loss(lambda c, r, rc, rr, beta: beta * (r - c)),
            ),
        ),
        Misconception(
            "sign",
            "chosen and rejected are swapped: this loss falls when the *rejected* completion gets likelier",
            (
                _of_margin(lambda gap, beta: -F.logsigmoid(-beta * gap).mean()),
                _of_margin(lambda gap, beta: -F.logsigmoid(-gap).mean()),
                _of_margin(lambda gap, beta: -torch.sigmoid(-beta * gap).log().mean()),
            ),
        ),
        Misconception(
            "no minus",
            "the minus is missing: minimizing this makes the chosen completion *less* likely",
            (
                _of_margin(lambda gap, beta: F.logsigmoid(beta * gap).mean()),
                _of_margin(lambda gap, beta: F.logsigmoid(beta * gap).sum()),
                _of_margin(lambda gap, beta: torch.sigmoid(beta * gap).log().mean()),
            ),
        ),
        Misconception(
            "beta outside",
            "beta multiplies the loss: it belongs inside the sigmoid, where it says how far the policy may go",
            (
                _of_margin(lambda gap, beta: -beta * F.logsigmoid(gap).mean()),
                _of_margin(lambda gap, beta: -F.logsigmoid(gap).mean() / beta),
            ),
        ),
        Misconception(
            "no beta",
            "beta is missing: it says how many units of reward one nat is",
            (
                _of_margin(lambda gap, beta: -F.logsigmoid(gap).mean()),
                _of_margin(lambda gap, beta: -torch.sigmoid(gap).log().mean()),
                _of_margin(lambda gap, beta: -F.logsigmoid(gap).sum()),
            ),
        ),
        Misconception(
            "no log",
            "that is a probability, not a loss: take minus its logarithm",
            (
                _of_margin(lambda gap, beta: torch.sigmoid(beta * gap).mean()),
                _of_margin(lambda gap, beta: -torch.sigmoid(beta * gap).mean()),
                _of_margin(lambda gap, beta: torch.sigmoid(-beta * gap).mean()),
            ),
        ),
        Misconception(
            "sum",
            "it sums over the batch: with twice the pairs the gradient would be twice as large. Take the mean",
            _of_margin(lambda gap, beta: -F.logsigmoid(beta * gap).sum()),
        ),
        Misconception(
            "overflow",
            "it is infinite, NaN or cut off where the policy is far wrong or right, as log(sigmoid(x)) and exp are: "
            "use logsigmoid",
            (
                _of_margin(lambda gap, beta: -torch.sigmoid(beta * gap).log().mean()),
                _of_margin(lambda gap, beta: torch.log(1 + torch.exp(-beta * gap)).mean()),
                _of_margin(lambda gap, beta: -torch.log(torch.exp(beta * gap) / (1 + torch.exp(beta * gap))).mean()),
                _of_margin(lambda gap, beta: -torch.log(1 / (1 + torch.exp(-beta * gap))).mean()),
                _of_margin(lambda gap, beta: -torch.log(torch.sigmoid(beta * gap) + 1e-8).mean()),
                _of_margin(lambda gap, beta: -torch.log(torch.sigmoid(beta * gap) + 1e-10).mean()),
                _of_margin(lambda gap, beta: -torch.log(torch.sigmoid(beta * gap) + 1e-12).mean()),
                _of_margin(lambda gap, beta: -torch.log(torch.sigmoid(beta * gap).clamp(min=1e-8)).mean()),
            ),
        ),
        Misconception(
            "reference trains",
            "the value is right, but a gradient flows to the reference: it is fixed. Detach both of its values",
            (
                _of_margin(lambda gap, beta: -F.logsigmoid(beta * gap).mean()),
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c - rc.detach()) - (r - rr))),
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c - rc) - (r - rr.detach()))),
            ),
        ),
        Misconception(
            "plus",
            "the two log-ratios are added: the loss looks at their *difference*, chosen minus rejected",
            _mean_loss(lambda c, r, rc, rr, beta: beta * ((c - rc) + (r - rr))),
        ),
        Misconception(
            "sign of the reference",
            "the reference has the wrong sign: each log-ratio is policy minus reference",
            (
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c - r + rc - rr)),
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c - r - rc - rr)),
            ),
        ),
        Misconception(
            "half a reference",
            "the reference is missing for one of the two: both are log-ratios, policy minus reference",
            (
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c - rc - r)),
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c - (r - rr))),
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c - rr)),
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c - rc)),
            ),
        ),
        Misconception(
            "policy missing",
            "the policy is missing: a log-ratio is the policy's log-probability minus the reference's",
            _mean_loss(lambda c, r, rc, rr, beta: beta * (rc - rr)),
        ),
        Misconception(
            "quotient of logs",
            "it divides log-probabilities: the log of a ratio is the *difference* of the logs",
            (
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c / rc - r / rr)),
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c / r - rc / rr)),
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c / rc).log() - (r / rr).log())),
            ),
        ),
        Misconception(
            "probability ratios",
            "it compares probabilities or their ratios: take differences of logs, without exp",
            (
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c - rc).exp() - (r - rr).exp())),
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c - rc).exp() / (r - rr).exp())),
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c.exp() / rc.exp() - r.exp() / rr.exp())),
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c.exp() - rc.exp()) - (r.exp() - rr.exp()))),
            ),
        ),
        Misconception(
            "log of log",
            "the logarithm is taken of log-probabilities: they are logarithms already, and negative",
            (
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c.log() - rc.log()) - (r.log() - rr.log()))),
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c.log() - r.log())),
            ),
        ),
        Misconception(
            "beta on one",
            "beta multiplies a part only: put brackets around the difference of the two log-ratios",
            (
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c - rc) - (r - rr)),
                _mean_loss(lambda c, r, rc, rr, beta: (c - rc) - beta * (r - rr)),
                _mean_loss(lambda c, r, rc, rr, beta: beta * (c - r) - (rc - rr)),
                _mean_loss(lambda c, r, rc, rr, beta: c - r - beta * (rc - rr)),
            ),
        ),
        Misconception(
            "divides by beta",
            "it divides by beta: the reward is beta *times* the log-ratio",
            _of_margin(lambda gap, beta: -F.logsigmoid(gap / beta).mean()),
        ),
        Misconception(
            "beta fixed",
            "beta is a fixed number: use the argument `beta`, which is not always 0.1",
            _of_margin(lambda gap, beta: -F.logsigmoid(0.1 * gap).mean()),
        ),
        Misconception(
            "no sigmoid",
            "the sigmoid is missing: without it the loss has no lower end",
            (
                _of_margin(lambda gap, beta: -(beta * gap).mean()),
                _of_margin(lambda gap, beta: (beta * gap).mean()),
                _of_margin(lambda gap, beta: -(beta * gap).log().mean()),
            ),
        ),
        Misconception(
            "sigmoid of each",
            "the sigmoid is taken of each completion: take it of the difference of the two",
            (
                lambda c, r, rc, rr, beta: -(F.logsigmoid(beta * (c - rc)) - F.logsigmoid(beta * (r - rr))).mean(),
                lambda c, r, rc, rr, beta: -(F.logsigmoid(beta * (c - rc)) + F.logsigmoid(-beta * (r - rr))).mean(),
                lambda c, r, rc, rr, beta: -(torch.sigmoid(beta * (c - rc)) - torch.sigmoid(beta * (r - rr))).mean(),
            ),
        ),
        Misconception(
            "other loss",
            "that is another loss (a hinge, or IPO's square): take minus logsigmoid",
            (
                _of_margin(lambda gap, beta: torch.relu(1 - beta * gap).mean()),
                _of_margin(lambda gap, beta: ((gap - 1 / (2 * beta)) ** 2).mean()),
            ),
        ),
        Misconception(
            "mean first",
            "the mean is taken before the loss: each pair has its own loss, and then comes the mean",
            (
                _of_margin(lambda gap, beta: -F.logsigmoid(beta * gap.mean())),
                _of_margin(lambda gap, beta: -torch.sigmoid(beta * gap).mean().log()),
            ),
        ),
        Misconception(
            "no mean",
            "it gives one number for each pair: take their mean",
            (
                _of_margin(lambda gap, beta: -F.logsigmoid(beta * gap)),
                _of_margin(lambda gap, beta: F.logsigmoid(beta * gap)),
            ),
        ),
        Misconception(
            "policy detached",
            "the value is right, but a gradient to the policy is missing: detach only the two of the *reference*",
            (
                _of_margin(lambda gap, beta: -F.logsigmoid(beta * gap.detach()).mean()),
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c.detach() - rc) - (r.detach() - rr))),
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c - rc.detach()) - (r.detach() - rr.detach()))),
                _mean_loss(lambda c, r, rc, rr, beta: beta * ((c.detach() - rc.detach()) - (r - rr.detach()))),
            ),
        ),
    ),
)
