"""Exercise of lab 01: ratings of several annotators on one scale."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception


def _ratings(rng: np.random.Generator, texts: int, annotators: int) -> np.ndarray:
    """Seven-point ratings, everyone's at another place of the scale; nobody rates all texts alike."""
    points = rng.integers(1, 8, size=(texts, annotators))
    points[:2] = np.array([[1], [6]]) + rng.integers(0, 2, size=annotators)
    return points + 10 * np.arange(annotators)


def _rating_tables(rng: np.random.Generator) -> list[Arguments]:
    tables = [{"ratings": _ratings(rng, *shape)} for shape in ((12, 3), (7, 5), (30, 2), (5, 5))]
    all_alike = np.tile(rng.choice(7, size=3, replace=False) + 1, (5, 1))
    one_alike = _ratings(rng, 8, 3)
    one_alike[:, 1] = 4
    return [*tables, {"ratings": all_alike}, {"ratings": one_alike}]


def _scaled(deviations: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return deviations / np.where(spread > 1e-12, spread, 1.0)


def _both(
    middle: Callable[[np.ndarray], np.ndarray], spread: Callable[[np.ndarray], np.ndarray]
) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """(ratings - middle) / spread, with care where the spread is 0 and without."""
    return (
        lambda ratings: _scaled(ratings - middle(ratings), spread(ratings)),
        lambda ratings: (ratings - middle(ratings)) / spread(ratings),
    )


def _own_mean(ratings: np.ndarray) -> np.ndarray:
    return ratings.mean(axis=0)


def _own_spread(ratings: np.ndarray) -> np.ndarray:
    return ratings.std(axis=0)


def _z(ratings: np.ndarray) -> np.ndarray:
    return _scaled(ratings - ratings.mean(axis=0), ratings.std(axis=0))


def _varies(ratings: np.ndarray) -> np.ndarray:
    return ratings.max(axis=0) > ratings.min(axis=0)


STANDARDIZE_RATINGS = Exercise(
    name="standardize_ratings",
    title="Take out everyone's scale",
    minutes=8,
    difficulty=1,
    deliver="Each annotator's ratings with mean 0 and standard deviation 1 (divided by n); 0 for somebody who rates "
    "all texts alike.",
    reference=statistics.standardize_ratings,
    cases=_rating_tables,
    hints=(
        "Rows are texts, columns are annotators: subtract each column's own mean, divide by its own spread.",
        "`ratings.mean(axis=0)` and `ratings.std(axis=0)` have one number for each annotator.",
        "Where the spread is 0 every deviation is 0: divide by 1 there, with `np.where(spread > 0, spread, 1)`.",
    ),
    misconceptions=(
        Misconception(
            "together",
            "one mean and one spread for all annotators together: whoever is severe stays severe. Take each one's own",
            _both(lambda ratings: ratings.mean(), lambda ratings: ratings.std()),
        ),
        Misconception(
            "one mean",
            "one mean for all annotators together: whoever is severe stays severe. Take each one's own mean",
            (
                *_both(lambda ratings: ratings.mean(), _own_spread),
                lambda ratings: ratings - ratings.mean(),
            ),
        ),
        Misconception(
            "one spread",
            "one spread for all annotators together: who uses the whole scale still weighs more than who stays in the "
            "middle. Take each one's own standard deviation",
            (
                *_both(_own_mean, lambda ratings: ratings.std()),
                *_both(_own_mean, lambda ratings: (ratings - ratings.mean(axis=0)).std()),
            ),
        ),
        Misconception(
            "per text",
            "it standardizes each text over the annotators, which takes out how good the text is; scales belong to "
            "people, so go down the columns",
            (
                *_both(
                    lambda ratings: ratings.mean(axis=1, keepdims=True),
                    lambda ratings: ratings.std(axis=1, keepdims=True),
                ),
                *_both(
                    lambda ratings: ratings.mean(axis=1, keepdims=True),
                    lambda ratings: ratings.std(axis=1, keepdims=True, ddof=1),
                ),
                *_both(lambda ratings: ratings.mean(axis=1), lambda ratings: ratings.std(axis=1)),
                lambda ratings: ratings - ratings.mean(axis=1, keepdims=True),
            ),
        ),
        Misconception(
            "mixed axes",
            "mean and spread go along different axes: both are taken down the columns, for each annotator",
            (
                *_both(_own_mean, lambda ratings: ratings.std(axis=1, keepdims=True)),
                *_both(lambda ratings: ratings.mean(axis=1, keepdims=True), _own_spread),
            ),
        ),
        Misconception(
            "offset only",
            "everyone's offset is out, but not the slope: who uses the whole scale still weighs more than who stays in "
            "the middle. Divide by the spread",
            lambda ratings: ratings - ratings.mean(axis=0),
        ),
        Misconception(
            "spread only",
            "it divides by the spread but does not subtract the mean: whoever is severe stays severe",
            _both(lambda ratings: np.zeros(ratings.shape[1]), _own_spread),
        ),
        Misconception(
            "parentheses",
            "only the mean is divided by the spread: write (ratings - mean) in parentheses",
            (
                lambda ratings: ratings - _scaled(ratings.mean(axis=0), ratings.std(axis=0)),
                lambda ratings: ratings - ratings.mean(axis=0) / ratings.std(axis=0),
            ),
        ),
        Misconception(
            "variance",
            "it divides by the variance, which is in squared points; the spread on the scale itself is its square root",
            (
                *_both(_own_mean, lambda ratings: ratings.var(axis=0)),
                *_both(_own_mean, lambda ratings: ratings.var(axis=0, ddof=1)),
            ),
        ),
        Misconception(
            "sample deviation",
            "it divides by n - 1 (pandas does so unasked), which estimates the spread of texts nobody rated; here the "
            "result shall have standard deviation 1 itself, so divide by n",
            _both(_own_mean, lambda ratings: ratings.std(axis=0, ddof=1)),
        ),
        Misconception(
            "number added",
            "a number is added to the standard deviation, or it is kept from being small: the spread of the result is "
            "then below 1. Take care of a spread of 0 only, and divide by the standard deviation itself elsewhere",
            tuple(
                lambda ratings, eps=eps: (ratings - ratings.mean(axis=0)) / (ratings.std(axis=0) + eps)
                for eps in (1.0, 0.1, 0.01, 0.001)
            ),
        ),
        Misconception(
            "standard error",
            "it divides by the standard error (the spread over the square root of n): the z-scores then grow with the "
            "number of texts. Divide by the standard deviation itself",
            (
                *_both(_own_mean, lambda ratings: ratings.std(axis=0) / len(ratings) ** 0.5),
                *_both(_own_mean, lambda ratings: ratings.std(axis=0, ddof=1) / len(ratings) ** 0.5),
                *_both(_own_mean, lambda ratings: np.sqrt(((ratings - ratings.mean(axis=0)) ** 2).sum(axis=0))),
            ),
        ),
        Misconception(
            "multiplied",
            "it multiplies by the spread: divide by it, so that everyone's spread becomes 1",
            lambda ratings: (ratings - ratings.mean(axis=0)) * ratings.std(axis=0),
        ),
        Misconception(
            "other spread",
            "it divides by another measure of spread than the standard deviation, such as the range or the mean "
            "distance from the mean",
            (
                *_both(_own_mean, lambda ratings: ratings.max(axis=0) - ratings.min(axis=0)),
                *_both(_own_mean, lambda ratings: np.abs(ratings - ratings.mean(axis=0)).mean(axis=0)),
                *_both(_own_mean, lambda ratings: ratings.max(axis=0)),
                *_both(_own_mean, lambda ratings: ratings.mean(axis=0)),
            ),
        ),
        Misconception(
            "minimum and maximum",
            "it stretches everyone's ratings to run from 0 to 1 (minimum and maximum): asked for is mean 0 and "
            "standard deviation 1",
            _both(lambda ratings: ratings.min(axis=0), lambda ratings: ratings.max(axis=0) - ratings.min(axis=0)),
        ),
        Misconception(
            "median",
            "it subtracts the median: the mean of the result is then not 0. Subtract the mean",
            (
                *_both(lambda ratings: np.median(ratings, axis=0), _own_spread),
                lambda ratings: ratings - np.median(ratings, axis=0),
            ),
        ),
        Misconception(
            "sign",
            "the sign is turned round: a rating above the annotator's mean must come out positive",
            (
                *_both(lambda ratings: 2 * ratings - ratings.mean(axis=0), _own_spread),
                lambda ratings: ratings.mean(axis=0) - ratings,
            ),
        ),
        Misconception(
            "whole numbers",
            "the numbers behind the point are cut off: an array made like `ratings` holds whole numbers only. Make it "
            "of floats",
            (
                lambda ratings: np.trunc(_z(ratings)),
                lambda ratings: np.round(_z(ratings)),
                lambda ratings: _scaled(np.trunc(ratings - ratings.mean(axis=0)), ratings.std(axis=0)),
            ),
        ),
        Misconception(
            "rounded",
            "it rounds the z-scores: return them as they are",
            (
                lambda ratings: np.round(_z(ratings), 1),
                lambda ratings: np.round(_z(ratings), 2),
            ),
        ),
        Misconception(
            "transposed",
            "rows and columns are swapped: return texts in rows and annotators in columns, as in `ratings`",
            lambda ratings: _z(ratings).T,
        ),
        Misconception(
            "constant",
            "right, except for somebody who rates all texts alike: there it divides 0 by 0. Such a person says "
            "nothing, so the result must be 0",
            (
                lambda ratings: (ratings - ratings.mean(axis=0)) / ratings.std(axis=0),
                lambda ratings: np.where(_varies(ratings), _z(ratings), ratings),
                lambda ratings: np.where(_varies(ratings), _z(ratings), 1.0),
                lambda ratings: np.where(_varies(ratings), _z(ratings), ratings.mean(axis=0)),
            ),
        ),
    ),
)
