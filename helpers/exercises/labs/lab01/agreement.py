"""Exercises of lab 01: agreement of two annotators, and win rates with ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception


def _two_annotators(rng: np.random.Generator, n: int, labels: np.ndarray, shares: tuple, other: tuple) -> Arguments:
    """Labels of two people, the second following the first in about six cases of ten."""
    a, own = rng.choice(labels, size=n, p=shares), rng.choice(labels, size=n, p=other)
    return {"a": a, "b": np.where(rng.random(n) < 0.6, a, own)}


def _label_lists(rng: np.random.Generator) -> list[Arguments]:
    agreed = rng.permutation(np.repeat([0, 1, 2], 5))
    return [
        _two_annotators(rng, 41, np.array([0, 1]), (0.5, 0.5), (0.2, 0.8)),
        _two_annotators(rng, 60, np.array([1, 2, 3]), (0.6, 0.3, 0.1), (0.2, 0.3, 0.5)),
        _two_annotators(rng, 30, np.array([-1.0, 1.0]), (0.8, 0.2), (0.1, 0.9)),
        {"a": agreed, "b": agreed.copy()},
    ]


def _kappa(
    by_chance: Callable[..., float] = np.dot,
    of: Callable[[float, float], float] = lambda observed, chance: (observed - chance) / (1 - chance),
) -> Callable[..., float]:
    """Kappa with another chance, by_chance(shares of a, shares of b), or made in another way `of` the two numbers."""

    def wrong(a: np.ndarray, b: np.ndarray) -> float:
        labels = np.union1d(a, b)
        chance = by_chance((a[:, None] == labels).mean(axis=0), (b[:, None] == labels).mean(axis=0))
        return of((a == b).mean(), chance)

    return wrong


COHEN_KAPPA = Exercise(
    name="cohen_kappa",
    title="Agreement beyond chance",
    minutes=10,
    difficulty=2,
    deliver="Cohen's kappa of two annotators: (observed - chance) / (1 - chance), for any kind and number of labels.",
    reference=statistics.cohen_kappa,
    cases=_label_lists,
    hints=(
        "The observed agreement is the share of items with equal labels.",
        "By chance both say *x* with probability (share of x in a) times (share of x in b); add that up over all "
        "labels.",
        "`labels = np.union1d(a, b)`, and `(a == label).mean()` is a's share of one label.",
    ),
    misconceptions=(
        Misconception(
            "plain agreement",
            "that is the share of equal labels: two coins would reach one half. Take out what chance alone gives",
            _kappa(of=lambda observed, chance: observed),
        ),
        Misconception(
            "even chance",
            "it takes every label for equally likely: where both say `yes` nine times in ten, chance alone gives 0.82, "
            "not 0.5. Use the shares that they really gave",
            _kappa(lambda share_a, share_b: 1 / len(share_a)),
        ),
        Misconception(
            "one annotator",
            "the chance comes from one annotator's shares only, squared; the two are different people, with shares of "
            "their own",
            _kappa(lambda share_a, share_b: share_a @ share_a),
        ),
        Misconception(
            "pooled",
            "it pools both annotators' shares, as if they had one habit: that is Scott's pi. Cohen lets each keep "
            "their "
            "own",
            _kappa(lambda share_a, share_b: ((share_a + share_b) / 2) @ ((share_a + share_b) / 2)),
        ),
        Misconception(
            "not divided",
            "it stops at observed minus chance, which cannot reach 1 even for people who always agree: divide by what "
            "is left beyond chance",
            _kappa(of=lambda observed, chance: observed - chance),
        ),
        Misconception(
            "sign",
            "the sign is the wrong way round: people who always agree must get +1",
            _kappa(of=lambda observed, chance: (chance - observed) / (1 - chance)),
        ),
    ),
)


def _choice_lists(rng: np.random.Generator) -> list[Arguments]:
    def choices(a: int, b: int, tie: int, skip: int) -> Arguments:
        listed = ["a"] * a + ["b"] * b + ["tie"] * tie + ["skip"] * skip
        return {"choices": [str(choice) for choice in rng.permutation(listed)]}

    counts = rng.integers(2, 12, size=6)
    return [
        choices(counts[0], counts[1] + counts[0], counts[2], counts[3]),
        choices(counts[4] + counts[5], counts[5], 12, 0),  # most are ties
        choices(counts[1] + 1, counts[2] + counts[1], 0, counts[4]),  # no tie
        choices(1, 0, 0, 0),
    ]


def _share(points: Callable[[int, int, int, int], tuple[float, float]]) -> Callable[..., float]:
    """A win rate from counts: points(a, b, tie, skip) gives numerator and denominator."""

    def wrong(choices: Sequence[str]) -> float:
        a, b, tie, skip = (list(choices).count(choice) for choice in ("a", "b", "tie", "skip"))
        numerator, denominator = points(a, b, tie, skip)
        return numerator / denominator

    return wrong


WIN_RATE_WITH_TIES = Exercise(
    name="win_rate_with_ties",
    title="What is a tie worth?",
    minutes=6,
    difficulty=1,
    deliver='The win rate of "a" in a list of "a", "b", "tie" and "skip": a tie is half a win, a skip does not count.',
    reference=statistics.win_rate_with_ties,
    cases=_choice_lists,
    hints=(
        'Count the four kinds first: `choices.count("tie")`.',
        "The win rates of a and of b must add up to 1: so each gets half of every tie.",
        "Wins plus half the ties, divided by all comparisons that somebody judged.",
    ),
    misconceptions=(
        Misconception(
            "ties dropped",
            "it leaves the ties out: two texts that are nearly always equal would look as far apart as the few judged "
            "pairs say. Give half of each tie to either side",
            _share(lambda a, b, tie, skip: (a, a + b)),
        ),
        Misconception(
            "ties are wins",
            "ties count as wins of a: seen from b's side they would be losses, and the two win rates add up to more "
            "than 1",
            _share(lambda a, b, tie, skip: (a + tie, a + b + tie)),
        ),
        Misconception(
            "ties are losses",
            "ties count as losses of a: the win rates of a and b then add up to less than 1",
            _share(lambda a, b, tie, skip: (a, a + b + tie)),
        ),
        Misconception(
            "skips are ties",
            "it counts a skip as a tie: somebody who did not look has not said that the two are equally good",
            _share(lambda a, b, tie, skip: (a + (tie + skip) / 2, a + b + tie + skip)),
        ),
        Misconception(
            "skips are losses",
            "it divides by all rows, so every skip counts against a: divide by the comparisons that were judged",
            _share(lambda a, b, tie, skip: (a + tie / 2, a + b + tie + skip)),
        ),
        Misconception(
            "net wins",
            "that is wins minus losses, from -1 to 1; a win rate runs from 0 to 1, with 0.5 for no difference",
            _share(lambda a, b, tie, skip: (a - b, a + b + tie)),
        ),
    ),
)
