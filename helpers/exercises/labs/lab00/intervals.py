"""Exercise of lab 00: a bootstrap interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception

RESAMPLES = 4000


def _skewed_values(rng: np.random.Generator) -> list[Arguments]:
    """Values whose mean has a standard error of 1, so that one knows how near is near: see `_same_limits`."""
    samples = (
        (rng.exponential(size=30), 0.8),
        (rng.exponential(size=12), 0.8),
        (rng.permutation([0.0] * 9 + [1.0]), 0.9),
    )
    return [
        {
            "values": rng.normal() + values / values.std() * len(values) ** 0.5,
            "level": level,
            "n_resamples": RESAMPLES,
            "seed": int(rng.integers(1000)),
        }
        for values, level in samples
    ]


def _same_limits(a: Any, b: Any) -> bool:
    """Whether two bootstraps agree: their limits vary by less than a fifth of a standard error."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if not a.shape == b.shape == (2,) or np.isclose(*a) != np.isclose(*b):
        return False
    return np.allclose(a, b, rtol=0, atol=max(0.2, 0.06 * (b[1] - b[0])))


def _limits(means: np.ndarray, tail: float) -> tuple[float, float]:
    return tuple(np.quantile(means, [tail, 1 - tail]))


def _resampled(values: np.ndarray, n_resamples: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).choice(values, size=(n_resamples, size))


def _around_mean(values: np.ndarray, level: float, error: float) -> tuple[float, float]:
    half_width = stats.norm.ppf((1 + level) / 2) * error
    return values.mean() - half_width, values.mean() + half_width


BOOTSTRAP_MEAN_INTERVAL = Exercise(
    name="bootstrap_mean_interval",
    title="An interval from the data alone",
    minutes=10,
    difficulty=2,
    deliver="Two numbers, low and high: the percentile bootstrap's limits for the mean of the values.",
    reference=statistics.bootstrap_mean_interval,
    cases=_skewed_values,
    same=_same_limits,
    hints=(
        "Pretend that your n values are the world. Draw n of them, with replacement, and take the mean; do it often.",
        "The interval is where the middle `level` of these means lies: the same share is left out on either side.",
        "`rng.choice(values, size=(n_resamples, len(values)))` draws all samples at once, one a row; `np.quantile` "
        "finds the limits of their means.",
    ),
    misconceptions=(
        Misconception(
            "without replacement",
            "low equals high: without replacement every sample holds the same values, in another order. Draw *with* "
            "replacement",
            lambda values, level, n_resamples, seed: (values.mean(), values.mean()),
        ),
        Misconception(
            "values",
            "these are percentiles of the single values: they say where the next value may lie. Take those of the "
            "means of whole samples",
            lambda values, level, n_resamples, seed: _limits(values, (1 - level) / 2),
        ),
        Misconception(
            "no square root",
            "this is as wide as the spread of the values; a mean of n of them varies less, by the square root of n",
            lambda values, level, n_resamples, seed: _around_mean(values, level, values.std()),
        ),
        Misconception(
            "both tails",
            "it leaves 1 - level out on *each* side, twice too much: half of it belongs on either side",
            lambda values, level, n_resamples, seed: _limits(
                _resampled(values, n_resamples, len(values)).mean(axis=1), 1 - level
            ),
        ),
        Misconception(
            "too many",
            "each sample holds n_resamples values, far more than you measured, so the interval is much too narrow: n "
            "values a sample, n_resamples samples",
            lambda values, level, n_resamples, seed: _limits(
                _resampled(values, 200, n_resamples).mean(axis=1), (1 - level) / 2
            ),
        ),
        Misconception(
            "too few",
            "each sample holds fewer values than you measured, so the interval is too wide: draw as many as there are",
            lambda values, level, n_resamples, seed: _limits(
                _resampled(values, n_resamples, len(values) // 2).mean(axis=1), (1 - level) / 2
            ),
        ),
        Misconception(
            "normal",
            "that is mean plus or minus a normal quantile of standard errors, always symmetric: the bootstrap's "
            "percentiles follow the data where they are skewed",
            lambda values, level, n_resamples, seed: _around_mean(values, level, values.std() / len(values) ** 0.5),
        ),
    ),
)
