"""Overoptimization: a policy optimized against a proxy reward, and what happens to the gold reward meanwhile.

The distance from the initial policy is d = sqrt(KL), KL in nats. Best-of-n moves away by selection, PPO by training.

Sources:
    Gao et al. 2023: Scaling laws for reward model overoptimization (equations 1 and 2)
"""

from __future__ import annotations

import math
from collections.abc import Callable
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


@dataclass(frozen=True)
class Gains:
    """Mean gains over the initial policy along a curve, with bootstrap resamples.

    Attributes:
        estimate: (points,).
        resampled: (resamples, points).
        prompts: How many there are.
        seeds: How many there are.
    """

    estimate: np.ndarray
    resampled: np.ndarray  # (resamples, points)
    prompts: int
    seeds: int

    @property
    def low(self) -> np.ndarray:
        """The lower 95 % limits (points,)."""
        return np.quantile(self.resampled, 0.025, axis=0)

    @property
    def high(self) -> np.ndarray:
        """The upper 95 % limits (points,)."""
        return np.quantile(self.resampled, 0.975, axis=0)

    def at(self, point: int, before: int | None = None) -> Interval:
        """The gain at one point with its 95 % interval; over an earlier point if `before` is given."""
        estimate, resampled = self.estimate[point], self.resampled[:, point]
        if before is not None:
            estimate, resampled = estimate - self.estimate[before], resampled - self.resampled[:, before]
        low, high = np.quantile(resampled, [0.025, 0.975])
        return Interval(float(estimate), float(low), float(high), self.prompts, self.seeds)


def gain_curve(after: ArrayLike, before: ArrayLike, n_resamples: int = 1000, seed: int = 0) -> Gains:
    """Mean of after - before at each point, with resamples over seeds and prompts (Owen 2007).

    Every point of a resample has the same seeds and prompts, so whole curves can be fitted to it.

    Args:
        after: (points, seeds, prompts).
        before: (seeds, prompts), or (prompts,) for one baseline that all seeds share.
        n_resamples: Of the bootstrap, as in `statistics.paired_difference_over_seeds`.
        seed: Of the bootstrap.
    """
    difference = np.asarray(after, float) - np.asarray(before, float)
    _, seeds, prompts = difference.shape
    resampled = np.stack([resampled_means(point, n_resamples, seed) for point in difference], axis=1)
    return Gains(difference.mean(axis=(1, 2)), resampled, prompts, seeds)


def rl_turning_point(a: float, b: float) -> float:
    """The turning point of RL: the d at which R(d) = d (a - b log d) is highest (Gao et al. 2023, equation 2).

    There the derivative a - b log d - b is 0. It is infinite for b = 0 or below, where the gain never falls.
    """
    return math.exp(min(a / b, 700) - 1) if b > 0 else math.inf  # beyond exp(709) there is no float


@dataclass(frozen=True)
class Fit:
    """A fitted gain R(d): d (a - b d) for best-of-n, d (a - b log d) for RL (Gao et al. 2023, equations 1 and 2).

    Attributes:
        form: Which of the two.
        a: The first coefficient.
        b: The second coefficient.
        r_squared: The part of the points' variance that the fit explains.
    """

    form: Form
    a: float
    b: float
    r_squared: float

    def __call__(self, d: ArrayLike) -> np.ndarray:
        """The gain in reward over the initial policy at distances `d`, in the shape of `d`."""
        return COLUMNS[self.form](np.asarray(d, float)) @ np.array([self.a, self.b])

    @property
    def turning_point(self) -> float:
        """The d from which on the gain falls; infinite where it never does."""
        if self.form == "RL":
            return rl_turning_point(self.a, self.b)
        return self.a / (2 * self.b) if self.b > 0 else math.inf


def fit(form: Form, d: ArrayLike, gains: ArrayLike) -> Fit:
    """The least-squares fit of a form to measured gains.

    Args:
        form: "best of n" or "RL".
        d: (points,), distances; at least 3 of them above 0.
        gains: (points,).

    Raises:
        ValueError: For fewer points, shapes that differ, and values that are not finite.
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
