"""Intervals, comparisons, agreement, strengths and calibration: what a number from a few dozen prompts is worth.

Every interval is an `Interval`: an estimate, its confidence limits and how much data is behind it (only
`bootstrap_mean_interval`, which shows how it is done, gives the two limits alone).
Means and differences are bootstrapped over prompts (and seeds). Proportions get Wilson's interval, which
stays honest where the bootstrap's width is zero: 20 wins of 20 are not certainty.
All functions raise ValueError where data are missing, not finite, or of unequal length.

Sources:
    Zermelo 1929: Die Berechnung der Turnier-Ergebnisse als ein Maximumproblem der Wahrscheinlichkeit
    Ford 1957: Solution of a ranking problem from binary comparisons
    Cohen 1960: A coefficient of agreement for nominal scales
    Elo 1978: The rating of chessplayers, past and present
    Cohen 1988: Statistical power analysis for the behavioral sciences (effect sizes)
    Efron & Tibshirani 1993: An introduction to the bootstrap (13: percentile intervals)
    Hunter 2004: MM algorithms for generalized Bradley-Terry models
    Owen 2007: The pigeonhole bootstrap
    Guo et al. 2017: On calibration of modern neural networks
    Wilson 1927: Probable inference, the law of succession, and statistical inference
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.sparse.csgraph import connected_components

# --- Intervals and comparisons ------------------------------------------------


class Interval(NamedTuple):
    """An estimate with its confidence limits.

    Attributes:
        estimate: The estimate.
        low: The lower limit.
        high: The upper limit.
        n: How many prompts (or values) it is from.
        seeds: How many training seeds it is from.
    """

    estimate: float
    low: float
    high: float
    n: int
    seeds: int = 1

    def __str__(self) -> str:
        seeds = f", {self.seeds} seeds" if self.seeds > 1 else ""
        # A third digit where two would hide on which side of 0 a limit lies, or how wide the interval is.
        beside_zero = any(1e-9 < abs(limit) < 0.005 for limit in (self.low, self.high))
        digits = 3 if beside_zero or 0 < self.high - self.low < 0.02 else 2
        numbers = (round(number, digits) + 0.0 for number in (self.estimate, self.low, self.high))  # no "-0.00"
        estimate, low, high = (f"{number:.{digits}f}" for number in numbers)
        return f"{estimate} [{low}, {high}] (n = {self.n}{seeds})"


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[..., Any] = np.mean,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic (Efron & Tibshirani 1993, 13).

    Args:
        values: (n,), n at least 2.
        statistic: Is called with an array, and with `axis` if it takes one (as np.mean and np.median do).
        level: Of confidence.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    values = _finite(values, "values", minimum=2)
    interval = stats.bootstrap(
        (values,), statistic, confidence_level=level, n_resamples=n_resamples, batch=250, method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return Interval(float(statistic(values)), float(interval.low), float(interval.high), len(values))


def bootstrap_mean_interval(
    values: ArrayLike, level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap limits (low, high) of a mean, written out (Efron & Tibshirani 1993, 13).

    Draw n of the n values with replacement, `n_resamples` times, and take the means. The limits leave (1 - level) / 2
    of these means below and as many above. `bootstrap_interval` does it for any statistic.

    Args:
        values: (n,), n at least 2.
        level: Of confidence.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    values = _finite(values, "values", minimum=2)
    rng = np.random.default_rng(seed)
    means = rng.choice(values, size=(n_resamples, len(values)), replace=True).mean(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def paired_difference(
    a: ArrayLike, b: ArrayLike, level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> Interval:
    """Mean of a - b (after minus before) with its bootstrap interval over prompts.

    Pairing removes what makes some prompts harder than others, so it detects far smaller differences than two separate
    intervals do.

    Args:
        a: (n,), n at least 2.
        b: (n,), the same prompts in the same order.
        level: Of confidence.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    a, b = _finite(a, "a", minimum=2), _finite(b, "b", minimum=2)
    _same_shape(a, b)
    return bootstrap_interval(a - b, level=level, n_resamples=n_resamples, seed=seed)


def paired_difference_over_seeds(
    a: ArrayLike, b: ArrayLike, level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> Interval:
    """Mean of a - b with its bootstrap interval, where several training seeds have the same prompts.

    Seeds and prompts are both resampled, independently of each other (Owen 2007), so the interval is about new seeds
    and new prompts. With few seeds it is too narrow where seeds differ much: where all noise is theirs, a 95 % interval
    covers about 65, 79, 87, 92 % with 2, 3, 5, 8 of them. With one seed it is about that one training run only.

    Args:
        a: (seeds, prompts).
        b: (seeds, prompts), seed by seed, or (prompts,) for one baseline that all seeds share.
        level: Of confidence.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    a, b = _finite(a, "a", dimensions=2), _finite(b, "b", dimensions=np.ndim(b))
    if b.ndim == 1:
        b = np.broadcast_to(b, (len(a), len(b)))
    _same_shape(a, b)
    difference = a - b
    seeds, prompts = difference.shape
    if prompts < 2:
        raise ValueError("an interval needs at least 2 prompts")
    means = resampled_means(difference, n_resamples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(difference.mean()), float(low), float(high), prompts, seeds)


def resampled_means(values: np.ndarray, n_resamples: int, seed: int = 0) -> np.ndarray:
    """Bootstrap means (n_resamples,) over seeds and prompts, resampled independently (Owen 2007).

    Equal shapes and an equal `seed` give equal resamples. `values`: (seeds, prompts).
    """
    seeds, prompts = values.shape
    rng = np.random.default_rng(seed)
    # How often each seed and each prompt is drawn, not the draws themselves: the mean is then a product.
    seed_weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=n_resamples) / seeds
    prompt_weights = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=n_resamples) / prompts
    return (seed_weights @ values * prompt_weights).sum(axis=1)


def effect_size(a: ArrayLike, b: ArrayLike) -> float:
    """Effect size d_z: the mean of a - b in standard deviations of a - b (Cohen 1988).

    Unlike certainty, it does not grow with n. It is 0 for no difference at all, and NaN where all differences are one
    number.

    Args:
        a: (n,), n at least 2.
        b: (n,), the same prompts in the same order.
    """
    a, b = _finite(a, "a", minimum=2), _finite(b, "b", minimum=2)
    _same_shape(a, b)
    difference = a - b
    if not difference.any():
        return 0.0
    scatter = difference.std(ddof=1)
    return float(difference.mean() / scatter) if scatter else float("nan")


def win_rate(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Interval:
    """Win rate: the share of prompts where `a` (n,) scores higher than `b` (n,), ties as one half, with its interval.

    0.5 means no difference: `verdict(win_rate(a, b), reference=0.5)`. The interval is Wilson's, a little too wide where
    there are ties.
    """
    a, b = _finite(a, "a"), _finite(b, "b")
    _same_shape(a, b)
    return _wilson_interval(pair_accuracy(a, b), len(a), level)


def pair_accuracy(chosen: ArrayLike, rejected: ArrayLike) -> float:
    """Pairwise accuracy: the share of pairs whose chosen text scores higher, equal scores as one half.

    One half, because a judge that gives all texts one score must be as good as a coin.

    Args:
        chosen: Scores (n,).
        rejected: Scores (n,).
    """
    chosen, rejected = _finite(chosen, "chosen"), _finite(rejected, "rejected")
    _same_shape(chosen, rejected)
    return float(((chosen > rejected) + 0.5 * (chosen == rejected)).mean())


def accuracy_interval(correct: ArrayLike, level: float = 0.95) -> Interval:
    """Accuracy with Wilson's interval: the share of true values in `correct` (n,), booleans or 0 and 1."""
    correct = _finite(correct, "correct")
    if not np.isin(correct, (0, 1)).all():
        raise ValueError("correct must hold booleans, or 0 and 1")
    return _wilson_interval(float(correct.mean()), len(correct), level)


# --- Annotators ---------------------------------------------------------------


def standardize_ratings(ratings: ArrayLike) -> np.ndarray:
    """Standardized ratings: each annotator's have mean 0 and standard deviation 1, (texts, annotators).

    It removes each annotator's own offset and scale. An annotator who rates all texts the same gets 0 everywhere.

    Args:
        ratings: (texts, annotators).
    """
    ratings = _finite(ratings, "ratings", dimensions=2)
    tells_apart = ratings.max(axis=0) > ratings.min(axis=0)
    return (ratings - ratings.mean(axis=0)) / np.where(tells_apart, ratings.std(axis=0), 1.0)


def cohen_kappa(a: ArrayLike, b: ArrayLike) -> float:
    """Cohen's kappa: agreement of two annotators beyond chance, (observed - chance) / (1 - chance) (Cohen 1960).

    It is 1 for full agreement and 0 for that of chance; NaN where both give one and the same label throughout, because
    chance alone would then always agree.

    Args:
        a: (n,), labels of any kind.
        b: (n,), labels of the same items.
    """
    a, b = np.asarray(a), np.asarray(b)
    _same_shape(a, b)
    if a.ndim != 1 or len(a) == 0:
        raise ValueError("kappa needs two lists of labels, one label for each item")
    labels = np.union1d(a, b)
    observed = (a == b).mean()
    by_chance = (a[:, None] == labels).mean(axis=0) @ (b[:, None] == labels).mean(axis=0)
    return float((observed - by_chance) / (1 - by_chance)) if len(labels) > 1 else float("nan")


def win_rate_with_ties(choices: Sequence[str]) -> float:
    """Win rate of "a" in judged comparisons, a tie being half a win; "skip" is no judgment.

    Args:
        choices: (n,) of "a", "b", "tie" and "skip", at least one of them a judgment.
    """
    count = Counter(choices)
    judged = count["a"] + count["b"] + count["tie"]
    if judged == 0 or judged + count["skip"] < len(choices):
        raise ValueError('choices must hold "a", "b", "tie" or "skip", and at least one that is no skip')
    return (count["a"] + count["tie"] / 2) / judged


# --- Strengths from comparisons -----------------------------------------------


def bradley_terry_strengths(wins: ArrayLike) -> np.ndarray:
    """Bradley-Terry strengths (k,) of maximum likelihood from comparisons, as log-odds with mean 0.

    With p = exp(strength), each iteration sets p_i to wins_i / sum_j n_ij / (p_i + p_j), where n_ij is the number of
    comparisons of i with j; the likelihood rises in every iteration (Zermelo 1929; Hunter 2004, eq. 3).

    Args:
        wins: (k, k); wins[i, j] is how often i was preferred to j. The diagonal does not matter.

    Raises:
        ValueError: Unless everything beats everything else through some chain of wins: what is never beaten has no
            finite strength (Ford 1957).
    """
    wins = _finite(wins, "wins", dimensions=2)
    if wins.shape[0] != wins.shape[1] or (wins < 0).any() or connected_components(wins, connection="strong")[0] > 1:
        raise ValueError("wins must be square, not negative, and lead from each thing to each other one")
    compared = wins + wins.T
    strengths = np.zeros(len(wins))
    for _ in range(10_000):
        p = np.exp(strengths)
        updated = np.log(wins.sum(axis=1) / (compared / (p[:, None] + p)).sum(axis=1))
        updated -= updated.mean()
        if np.allclose(updated, strengths, rtol=0, atol=1e-9):
            break
        strengths = updated
    return updated


def elo_update(rating_a: float, rating_b: float, score_a: float, k: float = 32.0) -> tuple[float, float]:
    """Elo update: both ratings after one comparison (Elo 1978).

    a is expected to score 1 / (1 + 10^((rating_b - rating_a) / 400)), which is Bradley-Terry on a scale where 400
    points are odds of 10 to 1. `k` times what a scores beyond that is what a wins and b loses.

    Args:
        rating_a: Before the comparison.
        rating_b: Before the comparison.
        score_a: 1 (a is preferred), 0.5 (tie) or 0.
        k: The largest change.
    """
    expected_a = 1 / (1 + 10 ** ((rating_b - rating_a) / 400))
    change = k * (score_a - expected_a)
    return rating_a + change, rating_b - change


# --- Calibration --------------------------------------------------------------


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy over bins (Guo et al. 2017, eq. 3).

    The bins are equally wide. Each counts by the number of predictions in it, and a confidence of 1 is in the last.

    Args:
        confidence: (n,), the probability that each prediction gave itself, in [0, 1].
        correct: (n,), booleans, or 0 and 1.
        bins: How many.
    """
    confidence, correct = _finite(confidence, "confidence"), _finite(correct, "correct")
    _same_shape(confidence, correct)
    bin_of = calibration_bin(confidence, bins)
    gaps = np.bincount(bin_of, weights=correct - confidence)  # of each bin: its size times (accuracy - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_bin(confidence: ArrayLike, bins: int = 10) -> np.ndarray:
    """The calibration bin of each confidence (n,): which of `bins` equal parts of [0, 1] it lies in, from 0.

    Raises:
        ValueError: For a confidence outside [0, 1].
    """
    confidence = _finite(confidence, "confidence")
    if (confidence < 0).any() or (confidence > 1).any():
        raise ValueError("confidence must lie in [0, 1]")
    return np.minimum((confidence * bins).astype(int), bins - 1)


# --- Words --------------------------------------------------------------------


def verdict(interval: Interval, reference: float = 0.0) -> str:
    """What an interval says: "up", "down" or "no detectable difference" from `reference`."""
    if interval.low > reference:
        return "up"
    if interval.high < reference:
        return "down"
    return "no detectable difference"


def _wilson_interval(p: float, n: int, level: float) -> Interval:
    """Wilson's score interval of a share `p`. It allows half successes, which scipy's `proportion_ci` does not."""
    z = stats.norm.ppf((1 + level) / 2)
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return Interval(p, float(max(0.0, center - half_width)), float(min(1.0, center + half_width)), n)


def _finite(values: ArrayLike, name: str, dimensions: int = 1, minimum: int = 1) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != dimensions or array.size < minimum:
        raise ValueError(
            f"{name} has shape {array.shape}: it needs {dimensions} dimension(s), at least {minimum} value(s)"
        )
    for index in np.argwhere(~np.isfinite(array)):  # a NaN would otherwise end as "no detectable difference"
        raise ValueError(f"{name} is not finite, at index {', '.join(map(str, index))}")
    return array


def _same_shape(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise ValueError(f"a has shape {a.shape}, b {b.shape}: they must hold the same prompts (or items) in one order")
