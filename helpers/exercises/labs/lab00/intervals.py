"""Exercise of lab 00: a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy import stats

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception

RESAMPLES = 4000
FIXED = (-3.1, -2.4, -2.2, -1.3, -0.7, -0.4, 0.3, 0.8, 1.9, 2.6, 5.3, 7.9)  # of a standard error of 0.9
USUAL_SEEDS = (0, 1, 42, 123, 1234)


def _skewed_values(rng: np.random.Generator) -> list[Arguments]:
    """Values whose mean has a standard error of 1, so that one knows how near is near: see `_same_limits`."""
    samples = (
        (rng.exponential(size=30), 0.8),
        (rng.exponential(size=12), 0.8),
        (rng.permutation([0.0] * 9 + [1.0]), 0.9),
    )
    cases = [
        {
            "values": rng.normal() + values / values.std() * len(values) ** 0.5,
            "level": level,
            "n_resamples": RESAMPLES,
            "seed": int(rng.integers(1000)),
        }
        for values, level in samples
    ]
    return [*cases, {"values": np.array(FIXED), "level": 0.9, "n_resamples": 500, "seed": 7}]


@cache
def _limits_of_usual_seeds() -> tuple[tuple[float, float], ...]:
    """The fixed case's limits by a generator that takes one of the usual seeds instead of the given one."""
    values = np.array(FIXED)
    limits = []
    for seed in USUAL_SEEDS:
        for draw in (
            lambda seed: np.random.default_rng(seed).choice(values, size=(500, len(values))),
            lambda seed: np.random.default_rng(seed).integers(len(values), size=(500, len(values))),
            lambda seed: np.random.RandomState(seed).choice(values, size=(500, len(values))),
        ):
            drawn = draw(seed)
            means = (values[drawn] if drawn.dtype.kind == "i" else drawn).mean(axis=1)
            limits.append(tuple(np.quantile(means, [0.05, 0.95])))
    return tuple(limits)


@cache
def _fixed_limits() -> tuple[float, float]:
    return statistics.bootstrap_mean_interval(FIXED, 0.9, 500, 7)


def _same_limits(a: Any, b: Any) -> bool:
    """Whether two bootstraps agree: their limits vary by less than a fifth of a standard error.

    Any generator will do, but not one that ignores the seed: in the fixed case its limits are known.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape == b.shape == (3,):  # a mistake: another number besides
        return np.allclose(a, b, rtol=0, atol=0.2)
    if not a.shape == b.shape == (2,) or np.isclose(*a) != np.isclose(*b):
        return False
    if np.allclose(b, _fixed_limits(), 0, 1e-9) and any(np.allclose(a, x, 0, 1e-9) for x in _limits_of_usual_seeds()):
        return False
    return np.allclose(a, b, rtol=0, atol=max(0.2, 0.06 * (b[1] - b[0])))


def _limits(means: np.ndarray, tail: float) -> tuple[float, float]:
    return tuple(np.quantile(means, [tail, 1 - tail]))


def _means(values: np.ndarray, n_resamples: int, size: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).choice(values, size=(n_resamples, size)).mean(axis=1)


def _around_mean(values: np.ndarray, half_width: float) -> tuple[float, float]:
    return values.mean() - half_width, values.mean() + half_width


def _z(level: float) -> float:
    return stats.norm.ppf((1 + level) / 2)


def _error(values: np.ndarray) -> float:
    return values.std() / len(values) ** 0.5


Interval = Callable[[np.ndarray, float, int, int], Any]


def _of_means(pick: Callable[[np.ndarray, float], Any]) -> Interval:
    """What is picked of the resampled means, pick(means, level)."""

    def wrong(values: np.ndarray, level: float, n_resamples: int, seed: int) -> Any:
        return pick(_means(values, n_resamples, len(values), seed), level)  # the usual generator: the same numbers

    return wrong


def _of_each_sample(statistic: Callable[..., np.ndarray]) -> Interval:
    """The limits of another statistic than the mean."""

    def wrong(values: np.ndarray, level: float, n_resamples: int, seed: int) -> tuple[float, float]:
        drawn = np.random.default_rng(5).choice(values, size=(n_resamples, len(values)))
        return _limits(statistic(drawn, axis=1), (1 - level) / 2)

    return wrong


def _around(half_width: Callable[[np.ndarray, float], float]) -> Interval:
    """Mean plus or minus half_width(values, level)."""

    def wrong(values: np.ndarray, level: float, n_resamples: int, seed: int) -> tuple[float, float]:
        return _around_mean(values, half_width(values, level))

    return wrong


def _reversed(values: np.ndarray, level: float, n_resamples: int, seed: int) -> tuple[float, float]:
    low, high = _limits(_means(values, n_resamples, len(values)), (1 - level) / 2)
    return 2 * values.mean() - high, 2 * values.mean() - low


def _less_mean(values: np.ndarray, level: float, n_resamples: int, seed: int) -> tuple[float, float]:
    low, high = _limits(_means(values, n_resamples, len(values)), (1 - level) / 2)
    return low - values.mean(), high - values.mean()


def _distances(values: np.ndarray, level: float, n_resamples: int, seed: int) -> tuple[float, float]:
    low, high = _less_mean(values, level, n_resamples, seed)
    return -low, high


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
            (
                lambda values, level, n_resamples, seed: _limits(values, (1 - level) / 2),
                lambda values, level, n_resamples, seed: _limits(_means(values, 40_000, 1), (1 - level) / 2),
            ),
        ),
        Misconception(
            "no square root",
            "it is as wide as the standard deviation of the single values; a mean of n of them varies less, by the "
            "square root of n. Take the percentiles of the resampled means",
            (
                _around(lambda values, level: _z(level) * values.std()),
                _around(lambda values, level: values.std()),
                _around(lambda values, level: 1.96 * values.std()),
                _around(lambda values, level: 2 * values.std()),
                _around(lambda values, level: values.std(ddof=1)),
            ),
        ),
        Misconception(
            "both tails",
            "it leaves 1 - level out on *each* side, twice too much: half of it belongs on either side",
            _of_means(lambda means, level: _limits(means, 1 - level)),
        ),
        Misconception(
            "half the level",
            "it takes level / 2 as the share outside: `level` lies *inside*, and (1 - level) / 2 on either side",
            _of_means(lambda means, level: tuple(np.sort(_limits(means, level / 2)))),
        ),
        Misconception(
            "one side",
            "all that is left out lies on one side: leave out the same share below low and above high",
            (
                _of_means(lambda means, level: np.quantile(means, [0, level])),
                _of_means(lambda means, level: np.quantile(means, [1 - level, 1])),
                _of_means(lambda means, level: np.quantile(means, [(1 - level) / 2, level])),
                _of_means(lambda means, level: np.quantile(means, [1 - level, (1 + level) / 2])),
            ),
        ),
        Misconception(
            "percentiles as shares",
            "`np.percentile` counts from 0 to 100: with shares between 0 and 1 both limits are at the lowest of the "
            "means. `np.quantile` takes shares",
            (
                _of_means(lambda means, level: np.percentile(means, [(1 - level) / 2, (1 + level) / 2])),
                _of_means(lambda means, level: np.percentile(means, [1 - level, level])),
            ),
        ),
        Misconception(
            "range",
            "it takes the lowest and the highest of the means: the middle `level` of them is asked for",
            _of_means(lambda means, level: (means.min(), means.max())),
        ),
        Misconception(
            "level fixed",
            "it ignores `level` and always takes the same share, such as 95 %: use the argument",
            (
                _of_means(lambda means, level: _limits(means, 0.025)),
                _of_means(lambda means, level: _limits(means, 0.05)),
                _of_means(lambda means, level: _limits(means, 0.25)),
                _around(lambda values, level: 1.96 * _error(values)),
            ),
        ),
        Misconception(
            "one standard error",
            "that is the mean plus or minus one standard error, whatever `level` is: take the percentiles of the "
            "resampled means",
            _around(lambda values, level: _error(values)),
        ),
        Misconception(
            "too many",
            "each sample holds n_resamples values, far more than you measured, so the interval is much too narrow: n "
            "values a sample, n_resamples samples. (Averaging over the wrong axis does the same)",
            lambda values, level, n_resamples, seed: _limits(
                _means(values, 200, max(n_resamples, 4000)), (1 - level) / 2
            ),
        ),
        Misconception(
            "too few",
            "each sample holds fewer values than you measured, so the interval is too wide: draw as many as there are",
            (
                lambda values, level, n_resamples, seed: _limits(
                    _means(values, n_resamples, len(values) // 2), (1 - level) / 2
                ),
                lambda values, level, n_resamples, seed: _limits(_means(values, n_resamples, 10), (1 - level) / 2),
            ),
        ),
        Misconception(
            "normal",
            "that is mean plus or minus a normal quantile of standard errors, always symmetric: the bootstrap's "
            "percentiles follow the data where they are skewed",
            (
                _around(lambda values, level: _z(level) * _error(values)),
                _around(lambda values, level: stats.t.ppf((1 + level) / 2, len(values) - 1) * stats.sem(values)),
            ),
        ),
        Misconception(
            "mirrored",
            "it mirrors the percentiles at the mean, 2 * mean - high and 2 * mean - low (the *basic* bootstrap): the "
            "percentile bootstrap takes them as they are",
            _reversed,
        ),
        Misconception(
            "distances",
            "those are distances from the mean: return the limits themselves",
            (_less_mean, _distances),
        ),
        Misconception(
            "median",
            "it takes the median of each sample: the interval is for the mean",
            _of_each_sample(np.median),
        ),
        Misconception(
            "spread",
            "it takes the standard deviation of each sample: the interval is for the mean",
            _of_each_sample(np.std),
        ),
        Misconception(
            "sums",
            "it takes the sum of each sample: divide by n, the interval is for the mean",
            _of_each_sample(np.sum),
        ),
        Misconception(
            "order",
            "the two limits are the other way round: low comes first",
            _of_means(lambda means, level: _limits(means, (1 - level) / 2)[::-1]),
        ),
        Misconception(
            "mean too",
            "it gives three numbers: return low and high only",
            (
                _of_means(lambda means, level: (means.mean(), *_limits(means, (1 - level) / 2))),
                _of_means(lambda means, level: np.quantile(means, [(1 - level) / 2, 0.5, (1 + level) / 2])),
            ),
        ),
        Misconception(
            "fixed seed",
            "the limits are right, but the random generator starts from a number of its own: use `seed`",
            tuple(
                lambda values, level, n_resamples, seed, own=own: _limits(
                    _means(values, n_resamples, len(values), own), (1 - level) / 2
                )
                for own in USUAL_SEEDS
            ),
        ),
    ),
)
