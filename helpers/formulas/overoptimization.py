"""Overoptimization: a policy pressed against a proxy reward, and what becomes of the gold reward meanwhile.

Distance from the first policy is d = sqrt(KL), KL in nats. Best-of-n moves it by choosing, PPO by training.

Sources
    Nakano et al. 2021    WebGPT (appendix I: best-of-n for every n from one pool of samples)
    Gao et al. 2023       Scaling laws for reward model overoptimization (equations 1 and 2)
    Beirami et al. 2024   Theoretical guarantees on the best-of-n alignment policy
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .statistics import Interval, resampled_means

Form = Literal["best of n", "RL"]

COLUMNS: dict[Form, Callable[[np.ndarray], np.ndarray]] = {
    "best of n": lambda d: np.stack([d, -(d**2)], axis=-1),
    "RL": lambda d: np.stack([d, -d * np.log(np.where(d > 0, d, 1.0))], axis=-1),
}


# --- Best-of-n ----------------------------------------------------------------


def best_of_n_probabilities(pool: int, n: int) -> np.ndarray:
    """How likely each rank of a pool, its best first, is to be the best of n drawn from it: (pool,), sum 1.

    Rank i (from 0) is the best of n if it is drawn and the n - 1 others come from the pool - 1 - i below it:
    C(pool - 1 - i, n - 1) of C(pool, n) subsets (Nakano et al. 2021, appendix I).
    """
    subsets = math.comb(pool, n)
    return np.array([math.comb(pool - 1 - rank, n - 1) / subsets for rank in range(pool)])


def best_of_n_means(
    proxy: ArrayLike,
    measured: ArrayLike,
    sizes: Sequence[int],
    chances: Callable[[int, int], ArrayLike] = best_of_n_probabilities,
) -> np.ndarray:
    """The expected `measured` of the sample that the proxy likes best among n, for each n of `sizes`: (prompts, sizes).

    proxy, measured: (prompts, pool), of the same samples. Unbiased: the mean over all subsets of n of the pool, taken
    without making them, from the `chances` of each rank. Samples that the proxy scores alike are chosen alike often.
    Raises ValueError for shapes that differ, and for n below 1 or above the pool.
    """
    proxy, measured = np.asarray(proxy, float), np.asarray(measured, float)
    if proxy.ndim != 2 or proxy.shape != measured.shape:
        raise ValueError(f"proxy {proxy.shape} and measured {measured.shape} must be (prompts, pool), both")
    pool = proxy.shape[1]
    if not all(1 <= n <= pool for n in sizes):
        raise ValueError(f"best of n needs n from 1 to the pool's {pool} samples, not {list(sizes)}")
    ranked = np.stack([_ranked(p, m) for p, m in zip(proxy, measured, strict=True)])
    return ranked @ np.stack([np.asarray(chances(pool, n), float) for n in sizes], axis=1)


def _ranked(proxy: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """`measured` in the order of the proxy, its best first; where it ties, the mean of the tied."""
    _, group = np.unique(-proxy, return_inverse=True)
    means = np.bincount(group, measured) / np.bincount(group)
    return means[np.sort(group)]


def best_of_n_kl_measured(scores: ArrayLike, n: int) -> float:
    """KL, in nats, of the best of n from the policy that draws them, were the policy this pool of samples.

    scores: (pool,), equal ones being copies of one completion. The best of n is at most the completion y with chance
    F(y)^n, where F(y) is the policy's chance of a score no higher (Beirami et al. 2024). Where no completion was drawn
    twice, and n is far below the pool, it is `objectives.best_of_n_kl`, and else less.
    """
    _, counts = np.unique(np.asarray(scores, float), return_counts=True)
    policy = counts / counts.sum()
    at_most = np.append(0.0, policy.cumsum())
    best = np.diff(at_most**n)
    likely = best > 0  # what n draws would never leave adds nothing
    return float((best[likely] * np.log(best[likely] / policy[likely])).sum())


# --- Gains and their fits -----------------------------------------------------


@dataclass(frozen=True)
class Gains:
    """Mean gain over the first policy at each point of a curve, (points,), and the same in bootstrap resamples."""

    estimate: np.ndarray
    resampled: np.ndarray  # (resamples, points)
    prompts: int
    seeds: int

    @property
    def low(self) -> np.ndarray:
        return np.quantile(self.resampled, 0.025, axis=0)

    @property
    def high(self) -> np.ndarray:
        return np.quantile(self.resampled, 0.975, axis=0)

    def at(self, point: int, before: int | None = None) -> Interval:
        """The gain at a point with its 95 % interval; over an earlier point if `before` is given."""
        estimate, resampled = self.estimate[point], self.resampled[:, point]
        if before is not None:
            estimate, resampled = estimate - self.estimate[before], resampled - self.resampled[:, before]
        low, high = np.quantile(resampled, [0.025, 0.975])
        return Interval(float(estimate), float(low), float(high), self.prompts, self.seeds)


def gain_curve(after: ArrayLike, before: ArrayLike, n_resamples: int = 1000, seed: int = 0) -> Gains:
    """Mean of after - before at each point, with resamples over seeds and prompts as in `paired_difference_over_seeds`.

    after: (points, seeds, prompts). before: (seeds, prompts), or (prompts,) for one that all seeds share. Every point
    of a resample has the same seeds and prompts, so that whole curves can be fitted to it.
    """
    difference = np.asarray(after, float) - np.asarray(before, float)
    _, seeds, prompts = difference.shape
    resampled = np.stack([resampled_means(point, n_resamples, seed) for point in difference], axis=1)
    return Gains(difference.mean(axis=(1, 2)), resampled, prompts, seeds)


def rl_turning_point(a: float, b: float) -> float:
    """The d at which R(d) = d (a - b log d) is highest: where a - b log d - b = 0 (Gao et al. 2023, equation 2).

    Infinite for b = 0 or below, where the gain never falls.
    """
    return math.exp(min(a / b, 700) - 1) if b > 0 else math.inf  # beyond exp(709) there is no float


@dataclass(frozen=True)
class Fit:
    """R(d) = d (a - b d) for best-of-n, d (a - b log d) for RL (Gao et al. 2023, equations 1 and 2).

    R: the gain in reward over the first policy. r_squared: the part of the points' variance that it explains.
    """

    form: Form
    a: float
    b: float
    r_squared: float

    def __call__(self, d: ArrayLike) -> np.ndarray:
        return COLUMNS[self.form](np.asarray(d, float)) @ np.array([self.a, self.b])

    @property
    def turning_point(self) -> float:
        """The d from which on the gain falls; infinite where the fit never turns."""
        if self.form == "RL":
            return rl_turning_point(self.a, self.b)
        return self.a / (2 * self.b) if self.b > 0 else math.inf


def fit(form: Form, d: ArrayLike, gains: ArrayLike) -> Fit:
    """The least-squares fit of a form to gains at distances d, (points,) each; at least 3 of them with d above 0.

    Raises ValueError for fewer, and for values that are not finite.
    """
    d, gains = np.asarray(d, float), np.asarray(gains, float)
    if d.shape != gains.shape or d.ndim != 1 or not (np.isfinite(d).all() and np.isfinite(gains).all()):
        raise ValueError(f"d {d.shape} and gains {gains.shape} must be finite and of one length")
    if (d > 0).sum() < 3:
        raise ValueError("a fit of two numbers needs at least 3 points with d above 0")
    (a, b), *_ = np.linalg.lstsq(COLUMNS[form](d), gains, rcond=None)
    rest = gains - COLUMNS[form](d) @ np.array([a, b])
    whole = ((gains - gains.mean()) ** 2).sum()
    return Fit(form, float(a), float(b), float(1 - (rest**2).sum() / whole) if whole else 1.0)


def turning_points(form: Form, d: ArrayLike, curve: Gains) -> tuple[float, float]:
    """The 95 % interval (low, high) of a fit's turning point, from fits to the curve's resamples."""
    points = [fit(form, d, resample).turning_point for resample in curve.resampled]
    low, high = np.quantile(points, [0.025, 0.975], method="nearest")  # no mean of a number and infinity
    return float(low), float(high)
