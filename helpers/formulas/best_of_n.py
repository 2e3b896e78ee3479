"""Best-of-n sampling: the best of n completions by a score, how often each wins, and how far it is from the policy.

Sources:
    Stiennon et al. 2020: Learning to summarize from human feedback
    Nakano et al. 2021: WebGPT (appendix I: best-of-n for every n from one pool of samples)
    Beirami et al. 2024: Theoretical guarantees on the best-of-n alignment policy
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor


def best_of_n(scores: Tensor, n: int) -> Tensor:
    """Best-of-n sampling: the index of the highest score among the first `n` samples of each prompt.

    It is the simplest way to use a reward model: no policy is trained (Stiennon et al. 2020).

    Args:
        scores: (prompts, samples).
        n: Samples per prompt, at most as many as there are.

    Returns:
        (prompts,).
    """
    return scores[:, :n].argmax(dim=1)


def best_of_n_kl(n: int) -> float:
    """KL divergence of best-of-n from the policy that samples: log n - (n - 1) / n, in nats.

    It is exact if no completion is ever sampled twice (Stiennon et al. 2020, app. G.3), else an upper bound (Beirami et
    al. 2024).
    """
    return math.log(n) - (n - 1) / n


def best_of_n_probabilities(pool: int, n: int) -> np.ndarray:
    """The probability that each rank of a pool, best first, is the best of `n` samples from it: (pool,), sum 1.

    Rank i (from 0) is the best of n if it is sampled and the n - 1 others come from the pool - 1 - i below it:
    C(pool - 1 - i, n - 1) of C(pool, n) subsets (Nakano et al. 2021, appendix I).
    """
    subsets = math.comb(pool, n)
    return np.array([math.comb(pool - 1 - rank, n - 1) / subsets for rank in range(pool)])


def best_of_n_means(
    proxy: ArrayLike,
    measured: ArrayLike,
    sizes: Sequence[int],
    probabilities: Callable[[int, int], ArrayLike] = best_of_n_probabilities,
) -> np.ndarray:
    """The expected `measured` of best-of-n by the proxy, for each n of `sizes`: (prompts, sizes).

    It is unbiased: the mean over all subsets of n of the pool, computed from the probability of each rank (Nakano et
    al. 2021, appendix I). Samples with equal proxy scores are chosen equally often.

    Args:
        proxy: (prompts, pool), the scores that select.
        measured: (prompts, pool), of the same samples.
        sizes: The n, from 1 to the pool.
        probabilities: (pool, n) -> the probability of each rank, as `best_of_n_probabilities`.

    Raises:
        ValueError: For shapes that differ, and for n below 1 or above the pool.
    """
    proxy, measured = np.asarray(proxy, float), np.asarray(measured, float)
    if proxy.ndim != 2 or proxy.shape != measured.shape:
        raise ValueError(f"proxy {proxy.shape} and measured {measured.shape} must be (prompts, pool), both")
    pool = proxy.shape[1]
    if not all(1 <= n <= pool for n in sizes):
        raise ValueError(f"best of n needs n from 1 to the pool's {pool} samples, not {list(sizes)}")
    ranked = np.stack([_ranked(p, m) for p, m in zip(proxy, measured, strict=True)])
    return ranked @ np.stack([np.asarray(probabilities(pool, n), float) for n in sizes], axis=1)


def _ranked(proxy: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """`measured` in the order of the proxy, its best first; where it ties, the mean of the tied."""
    _, group = np.unique(-proxy, return_inverse=True)
    means = np.bincount(group, measured) / np.bincount(group)
    return means[np.sort(group)]


def best_of_n_kl_measured(scores: ArrayLike, n: int) -> float:
    """KL divergence in nats of best-of-n from the policy that samples, if the policy were this pool of samples.

    The best of n is at most completion y with probability F(y)^n, where F(y) is the policy's probability of a score no
    higher (Beirami et al. 2024). Where no completion was sampled twice, and n is far below the pool, it is
    `best_of_n_kl`, else less.

    Args:
        scores: (pool,); equal ones are copies of one completion.
        n: Samples, of which the best is taken.
    """
    _, counts = np.unique(np.asarray(scores, float), return_counts=True)
    policy = counts / counts.sum()
    at_most = np.append(0.0, policy.cumsum())
    best = np.diff(at_most**n)
    possible = best > 0  # what is never the best of n adds nothing
    return float((best[possible] * np.log(best[possible] / policy[possible])).sum())
