"""Exercise of lab 01: agreement of two annotators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

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
        {"a": np.array([5, 5, 7, 7, 7, 5, 7, 5]), "b": np.array([7, 9, 7, 9, 7, 7, 9, 7])},  # 5 is only a's, 9 only b's
        {"a": np.array([2, 0, 0, 1, 0, 2, 0]), "b": np.array([0, 1, 0, 1, 2, 1, 1])},  # other ones are frequent
        {"a": np.array([0, 1, 1, 0, 1, 0]), "b": np.array([1, 0, 0, 1, 0, 1])},  # never the same: -1
        {"a": np.array([0, 1, 1, 0, 1, 0, 1]), "b": np.array([1, 1, 0, 0, 0, 1, 0])},  # less than by chance
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


def _by_position(counts: Callable[[np.ndarray], list[int]], exact: bool = False) -> Callable[..., float]:
    """Kappa whose chance pairs the two lists of counts by position."""

    def wrong(a: np.ndarray, b: np.ndarray) -> float:
        of_a, of_b = counts(a), counts(b)
        chance = sum(x * y for x, y in zip(of_a, of_b, strict=exact)) / len(a) ** 2
        return ((a == b).mean() - chance) / (1 - chance)

    return wrong


def _of_counts(a: np.ndarray, b: np.ndarray, chance_by: int, observed_by: int) -> float:
    labels = np.union1d(a, b)
    chance = (a[:, None] == labels).sum(axis=0) @ (b[:, None] == labels).sum(axis=0) / chance_by
    return ((a == b).sum() / observed_by - chance) / (1 - chance)


def _by_appearance(labels: np.ndarray) -> list[int]:
    return list(Counter(labels.tolist()).values())


def _by_frequency(labels: np.ndarray) -> list[int]:
    return sorted(_by_appearance(labels), reverse=True)


def _sorted_labels(labels: np.ndarray) -> list[int]:
    return np.unique(labels, return_counts=True)[1].tolist()


def _zeros_and_ones(a: np.ndarray, b: np.ndarray) -> float:
    chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    return ((a == b).mean() - chance) / (1 - chance)


def _counted_ones(a: np.ndarray, b: np.ndarray) -> float:
    one_a, one_b = (a == 1).mean(), (b == 1).mean()
    chance = one_a * one_b + (1 - one_a) * (1 - one_b)
    return ((a == b).mean() - chance) / (1 - chance)


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
            (
                _kappa(lambda share_a, share_b: 1 / len(share_a)),
                _kappa(lambda share_a, share_b: 0.5),
                _kappa(lambda share_a, share_b: 1 / len(share_a) ** 2),
            ),
        ),
        Misconception(
            "one annotator",
            "the chance comes from one annotator's shares only, squared; the two are different people, with shares of "
            "their own",
            (
                _kappa(lambda share_a, share_b: share_a @ share_a),
                _kappa(lambda share_a, share_b: share_b @ share_b),
            ),
        ),
        Misconception(
            "pooled",
            "it pools both annotators' shares, as if they had one habit: that is Scott's pi. Cohen lets each keep "
            "their own",
            _kappa(lambda share_a, share_b: ((share_a + share_b) / 2) @ ((share_a + share_b) / 2)),
        ),
        Misconception(
            "matched by position",
            "it pairs the labels of a and b by their position in two lists of counts. Where one person never gave a "
            "label, or the order is another one, it multiplies shares of different labels: look each label up in both",
            (
                _by_position(_sorted_labels),
                _by_position(_sorted_labels, exact=True),
                _by_position(_by_appearance),
                _by_position(_by_appearance, exact=True),
                _by_position(_by_frequency),
                _by_position(_by_frequency, exact=True),
            ),
        ),
        Misconception(
            "zeros and ones",
            "right for the labels 0 and 1, but there may be more labels, and texts: take the share of every label that "
            "occurs, as `a == label`",
            (_zeros_and_ones, _counted_ones),
        ),
        Misconception(
            "one label only",
            "the chance counts one label only: add up the chances of all labels",
            (
                _kappa(lambda share_a, share_b: share_a[-1] * share_b[-1]),
                _kappa(lambda share_a, share_b: share_a[0] * share_b[0]),
                _kappa(lambda share_a, share_b: (share_a * share_b).max()),
            ),
        ),
        Misconception(
            "product of labels",
            "it multiplies over the labels, or averages: the chances of the labels add up, since any of them may agree",
            (
                _kappa(lambda share_a, share_b: (share_a * share_b).prod()),
                _kappa(lambda share_a, share_b: (share_a * share_b).mean()),
            ),
        ),
        Misconception(
            "shares added",
            "it adds the two shares of a label: both say it by chance with the *product* of the shares",
            (
                _kappa(lambda share_a, share_b: (share_a + share_b).sum() / 2),
                _kappa(lambda share_a, share_b: (share_a + share_b).sum()),
            ),
        ),
        Misconception(
            "counts",
            "it uses counts where shares are meant: divide the counts of each annotator by the number of items, and "
            "the number of equal labels too",
            (
                lambda a, b: _of_counts(a, b, len(a), 1),
                lambda a, b: _of_counts(a, b, 1, 1),
                lambda a, b: _of_counts(a, b, len(a), len(a)),
                lambda a, b: _of_counts(a, b, len(a) ** 2, 1),
                lambda a, b: _of_counts(a, b, 1, len(a)),
            ),
        ),
        Misconception(
            "not divided",
            "it stops at observed minus chance, which cannot reach 1 even for people who always agree: divide by what "
            "is left beyond chance",
            _kappa(of=lambda observed, chance: observed - chance),
        ),
        Misconception(
            "wrong denominator",
            "the numerator is right, but it is divided by something else: divide by what is left beyond chance, "
            "1 - chance",
            (
                _kappa(of=lambda observed, chance: (observed - chance) / chance),
                _kappa(of=lambda observed, chance: (observed - chance) / observed),
                _kappa(of=lambda observed, chance: (observed - chance) / (1 - observed)),
                _kappa(of=lambda observed, chance: (observed - chance) / (1 + chance)),
            ),
        ),
        Misconception(
            "parentheses",
            "chance must be subtracted before the division: write (observed - chance) in parentheses, and (1 - chance) "
            "too",
            (
                _kappa(of=lambda observed, chance: observed - chance / (1 - chance)),
                _kappa(of=lambda observed, chance: (observed - chance) / 1 - chance),
                _kappa(of=lambda observed, chance: observed - chance / 1 - chance),
            ),
        ),
        Misconception(
            "chance not subtracted",
            "it divides without subtracting the chance first: the numerator is observed minus chance",
            (
                _kappa(of=lambda observed, chance: observed / (1 - chance)),
                _kappa(of=lambda observed, chance: observed / chance),
            ),
        ),
        Misconception(
            "cut at 0",
            "it cuts negative values at 0, or takes the size without the sign: two people who agree less than by "
            "chance get a negative kappa",
            (
                _kappa(of=lambda observed, chance: max(0.0, (observed - chance) / (1 - chance))),
                _kappa(of=lambda observed, chance: abs((observed - chance) / (1 - chance))),
            ),
        ),
        Misconception(
            "sign",
            "the sign is the wrong way round: people who always agree must get +1",
            _kappa(of=lambda observed, chance: (chance - observed) / (1 - chance)),
        ),
        Misconception(
            "disagreement",
            "it counts the items where the two *differ*: the observed agreement is the share of equal labels",
            (
                _kappa(of=lambda observed, chance: (1 - observed - chance) / (1 - chance)),
                _kappa(of=lambda observed, chance: (1 - observed) / (1 - chance)),
                _kappa(of=lambda observed, chance: 1 - observed),
            ),
        ),
        Misconception(
            "chance alone",
            "that is the agreement by chance: kappa says how far the observed agreement lies above it",
            _kappa(of=lambda observed, chance: chance),
        ),
        Misconception(
            "correlation",
            "that is the correlation of the labels as numbers: labels are names here, and kappa counts equal ones",
            lambda a, b: np.corrcoef(a, b)[0, 1],
        ),
        Misconception(
            "percent",
            "that is in percent: kappa is a number up to 1",
            _kappa(of=lambda observed, chance: 100 * (observed - chance) / (1 - chance)),
        ),
        Misconception(
            "rounded",
            "it rounds: return the number as it is",
            _kappa(of=lambda observed, chance: round((observed - chance) / (1 - chance), 2)),
        ),
    ),
)  # fmt: skip
