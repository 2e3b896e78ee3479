"""Exercises of lab 02: the accuracy of a reward model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception


def _scores_with_ties(rng: np.random.Generator) -> list[Arguments]:
    def pairs(n: int, tied: int) -> Arguments:
        chosen, rejected = rng.normal(0.5, 2, size=n), rng.normal(size=n)
        chosen[:2] = rejected[:2] + [1, -1]  # one right and one wrong at least
        chosen[n - tied :] = rejected[n - tied :]
        order = rng.permutation(n)
        return {"chosen": chosen[order], "rejected": rejected[order]}

    all_tied = {"chosen": np.array([1.0, 0.0, 2.0]), "rejected": np.array([1.0, 0.0, 2.0])}
    one = {"chosen": np.array([-2.0]), "rejected": np.array([-3.0])}
    return [pairs(12, 3), pairs(7, 4), pairs(20, 0), pairs(3, 1), all_tied, one]


def _with_ties(tied: float) -> Callable[..., float]:
    return lambda chosen, rejected: ((chosen > rejected) + tied * (chosen == rejected)).mean()


def _rounded_halves(up: bool) -> Callable[..., float]:
    def wrong(chosen: np.ndarray, rejected: np.ndarray) -> float:
        tied = int((chosen == rejected).sum())
        return ((chosen > rejected).sum() + (tied + up) // 2) / len(chosen)

    return wrong


def _among_decided(chosen: np.ndarray, rejected: np.ndarray) -> float:
    return ((chosen > rejected).sum() + 0.5 * (chosen == rejected).sum()) / (chosen != rejected).sum()


def _every_chosen_with_every_rejected(tied: float) -> Callable[..., float]:
    return lambda chosen, rejected: _with_ties(tied)(chosen[:, None], rejected[None])


PAIR_ACCURACY = Exercise(
    name="pair_accuracy",
    title="How often is it right?",
    minutes=5,
    difficulty=1,
    deliver="The share of pairs whose chosen text scores higher than the rejected one, equal scores counting half.",
    reference=statistics.pair_accuracy,
    cases=_scores_with_ties,
    hints=(
        "`chosen > rejected` is true where it is right; the mean of booleans is a share.",
        "A judge that gives every text the same score knows nothing: it must come out at 0.5.",
        "Add half of `chosen == rejected` before you take the mean.",
    ),
    misconceptions=(
        Misconception(
            "ties right",
            "equal scores count as right: a judge that gives every text the same score would be right every time",
            lambda chosen, rejected: (chosen >= rejected).mean(),
        ),
        Misconception(
            "ties wrong",
            "equal scores count as wrong: a judge that gives every text the same score would be worse than a coin",
            lambda chosen, rejected: (chosen > rejected).mean(),
        ),
        Misconception(
            "ties dropped",
            "it leaves out the pairs with equal scores: a judge could abstain wherever it is hard and look good. They "
            "count half",
            (
                lambda chosen, rejected: (chosen > rejected)[chosen != rejected].mean(),
                lambda chosen, rejected: (
                    (chosen > rejected)[chosen != rejected].mean() if (chosen != rejected).any() else 0.0
                ),
                lambda chosen, rejected: (
                    (chosen > rejected)[chosen != rejected].mean() if (chosen != rejected).any() else 0.5
                ),
            ),
        ),
        Misconception(
            "ties not in the total",
            "equal scores count half above the line, but are left out below it: divide by all pairs",
            _among_decided,
        ),
        Misconception(
            "halves rounded",
            "half of an odd number of ties is cut to a whole number (by `//` or `int`): half a pair counts half",
            (_rounded_halves(up=False), _rounded_halves(up=True)),
        ),
        Misconception(
            "ties a quarter",
            "equal scores count, but not one half: a judge that gives every text the same score must come out at 0.5",
            (_with_ties(0.25), _with_ties(2.0), _with_ties(-0.5), _with_ties(-1.0)),
        ),
        Misconception(
            "count",
            "that is a number of pairs: a share is asked for, so divide by how many pairs there are",
            (
                lambda chosen, rejected: ((chosen > rejected) + 0.5 * (chosen == rejected)).sum(),
                lambda chosen, rejected: (chosen > rejected).sum(),
                lambda chosen, rejected: (chosen >= rejected).sum(),
            ),
        ),
        Misconception(
            "percent",
            "that is in percent: a share from 0 to 1 is asked for",
            (
                lambda chosen, rejected: 100 * ((chosen > rejected) + 0.5 * (chosen == rejected)).mean(),
                lambda chosen, rejected: 100 * (chosen > rejected).mean(),
            ),
        ),
        Misconception(
            "one for each pair",
            "it gives a number for each pair: one share is asked for, the mean over all pairs",
            (
                lambda chosen, rejected: (chosen > rejected) + 0.5 * (chosen == rejected),
                lambda chosen, rejected: chosen > rejected,
            ),
        ),
        Misconception(
            "right minus wrong",
            "that is the share of right pairs minus the share of wrong ones, from -1 to 1: a coin would get 0 and not "
            "0.5. Only the right ones count, and half of the ties",
            lambda chosen, rejected: np.sign(chosen - rejected).mean(),
        ),
        Misconception(
            "every pair",
            "it compares every chosen text with every rejected one: each has one partner, at the same place",
            tuple(map(_every_chosen_with_every_rejected, (0.5, 0.0, 1.0))),
        ),
        Misconception(
            "compared with 0 or a mean",
            "it compares the chosen scores with one fixed number, 0 or a mean: each has to be compared with the score "
            "of its own partner",
            (
                lambda chosen, rejected: (chosen > 0).mean(),
                lambda chosen, rejected: (chosen > rejected.mean()).mean(),
                lambda chosen, rejected: ((chosen > 0) & (rejected < 0)).mean(),
            ),
        ),
        Misconception(
            "odds",
            "it divides the right pairs by the wrong ones: divide by all pairs",
            lambda chosen, rejected: (chosen > rejected).sum() / (chosen < rejected).sum(),
        ),
        Misconception(
            "margin",
            "that is the mean difference of the scores: one pair judged with a huge gap would outweigh many wrong "
            "ones. "
            "Count the pairs",
            (
                lambda chosen, rejected: (chosen - rejected).mean(),
                lambda chosen, rejected: np.median(chosen - rejected),
            ),
        ),
        Misconception(
            "probability",
            "that is the mean probability that the model gives to what was chosen; accuracy counts how often the order "
            "is right, however sure the model is",
            lambda chosen, rejected: expit(chosen - rejected).mean(),
        ),
        Misconception(
            "swapped",
            "the comparison is turned round: that is the share of pairs it gets wrong. Right is"
            " where the *chosen* text scores higher",
            (
                lambda chosen, rejected: ((chosen < rejected) + 0.5 * (chosen == rejected)).mean(),
                lambda chosen, rejected: (chosen < rejected).mean(),
                lambda chosen, rejected: (chosen <= rejected).mean(),
            ),
        ),
    ),
)
