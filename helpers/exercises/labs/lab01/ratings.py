"""Exercise of lab 01: ratings of several annotators on one scale."""

from __future__ import annotations

import numpy as np

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception


def _ratings(rng: np.random.Generator, texts: int, annotators: int) -> np.ndarray:
    """Seven-point ratings, everyone's at another place of the scale; nobody rates all texts alike."""
    points = rng.integers(1, 8, size=(texts, annotators))
    points[:2] = np.array([[1], [6]]) + rng.integers(0, 2, size=annotators)
    return points + 10 * np.arange(annotators)


def _rating_tables(rng: np.random.Generator) -> list[Arguments]:
    tables = [{"ratings": _ratings(rng, *shape)} for shape in ((12, 3), (7, 5), (30, 2))]
    all_alike = np.tile(rng.choice(7, size=3, replace=False) + 1, (5, 1))
    return [*tables, {"ratings": all_alike}]


def _scaled(deviations: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return deviations / np.where(spread > 1e-12, spread, 1.0)


STANDARDIZE_RATINGS = Exercise(
    name="standardize_ratings",
    title="Take out everyone's scale",
    minutes=8,
    difficulty=1,
    deliver="Each annotator's ratings with mean 0 and standard deviation 1; 0 for somebody who rates all texts alike.",
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
            lambda ratings: _scaled(ratings - ratings.mean(), ratings.std()),
        ),
        Misconception(
            "per text",
            "it standardizes each text over the annotators, which takes out how good the text is; scales belong to "
            "people, so go down the columns",
            lambda ratings: _scaled(ratings - ratings.mean(axis=1, keepdims=True), ratings.std(axis=1, keepdims=True)),
        ),
        Misconception(
            "offset only",
            "everyone's offset is out, but not the slope: who uses the whole scale still weighs more than who stays in "
            "the middle. Divide by the spread",
            lambda ratings: ratings - ratings.mean(axis=0),
        ),
        Misconception(
            "variance",
            "it divides by the variance, which is in squared points; the spread on the scale itself is its square root",
            lambda ratings: _scaled(ratings - ratings.mean(axis=0), ratings.var(axis=0)),
        ),
        Misconception(
            "sample deviation",
            "it divides by n - 1 (pandas does so unasked), which estimates the spread of texts nobody rated; here the "
            "result shall have standard deviation 1 itself, so divide by n",
            lambda ratings: _scaled(ratings - ratings.mean(axis=0), ratings.std(axis=0, ddof=1)),
        ),
        Misconception(
            "constant",
            "for somebody who rates all texts alike it divides 0 by 0; such a person says nothing, which is 0",
            lambda ratings: (ratings - ratings.mean(axis=0)) / ratings.std(axis=0),
        ),
    ),
)
