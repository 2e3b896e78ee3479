"""Overoptimisation: a policy pressed against a proxy reward, and what becomes of the gold reward meanwhile.

Distance from the first policy is d = sqrt(KL), KL in nats. Best-of-n moves it by choosing, PPO by training.

Sources
    Nakano et al. 2021    WebGPT (appendix I: best-of-n for every n from one pool of samples)
    Gao et al. 2023       Scaling laws for reward model overoptimization (equations 1 and 2)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Form = Literal["best of n", "RL"]

COLUMNS: dict[Form, Callable[[np.ndarray], np.ndarray]] = {
    "best of n": lambda d: np.stack([d, -(d**2)], axis=-1),
    "RL": lambda d: np.stack([d, -d * np.log(np.where(d > 0, d, 1.0))], axis=-1),
}


def best_of_n_means(proxy: ArrayLike, measured: ArrayLike, sizes: Sequence[int]) -> np.ndarray:
    """The expected `measured` of the sample that the proxy likes best among n, for each n of `sizes`: (prompts, sizes).

    proxy, measured: (prompts, pool), of the same samples. Unbiased: the mean over all subsets of n of the pool, taken
    without making them (Nakano et al. 2021, appendix I). Samples that the proxy scores alike are chosen alike often.
    Raises ValueError for shapes that differ, and for n below 1 or above the pool.
    """
    proxy, measured = np.asarray(proxy, float), np.asarray(measured, float)
    if proxy.ndim != 2 or proxy.shape != measured.shape:
        raise ValueError(f"proxy {proxy.shape} and measured {measured.shape} must be (prompts, pool), both")
    pool = proxy.shape[1]
    if not all(1 <= n <= pool for n in sizes):
        raise ValueError(f"best of n needs n from 1 to the pool's {pool} samples, not {list(sizes)}")
    ranked = np.stack([_ranked(p, m) for p, m in zip(proxy, measured, strict=True)])
    return ranked @ np.stack([_chances(pool, n) for n in sizes], axis=1)


def _ranked(proxy: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """`measured` in the order of the proxy, its best first; where it ties, the mean of the tied."""
    _, group = np.unique(-proxy, return_inverse=True)
    means = np.bincount(group, measured) / np.bincount(group)
    return means[np.sort(group)]


def _chances(pool: int, n: int) -> np.ndarray:
    """How likely each rank of the pool, its best first, is the best of n drawn from it."""
    chances = np.zeros(pool)
    chances[0] = n / pool
    for rank in range(1, pool - n + 1):
        chances[rank] = chances[rank - 1] * (pool - rank - n + 1) / (pool - rank)
    return chances


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
        if self.b <= 0:
            return np.inf
        return self.a / (2 * self.b) if self.form == "best of n" else float(np.exp(self.a / self.b - 1))


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
