"""Exercise of lab 05: best of n from one pool of samples."""

from __future__ import annotations

import math

import numpy as np

from ....formulas import best_of_n
from ...exercise import Arguments, Exercise, Misconception


def _pools(rng: np.random.Generator) -> list[Arguments]:
    pool = int(rng.integers(12, 40))
    return [
        {"pool": 6, "n": 2},
        {"pool": pool, "n": int(rng.integers(3, pool - 3))},
        {"pool": pool, "n": 1},
        {"pool": 5, "n": 5},
        {"pool": 256, "n": 128},  # as in the lab: 6e75 subsets, and factorials that no float holds
    ]


def _normalized(probabilities: np.ndarray) -> np.ndarray:
    return probabilities / probabilities.sum()


def _by_floats(pool: int, n: int) -> np.ndarray:
    """By factorials as floats, which are infinite from 171! on."""
    factorials = np.concatenate([[1.0], np.cumprod(np.arange(1, pool + 1, dtype=float))])

    def subsets(k: int) -> float:
        return factorials[k] / (factorials[n - 1] * factorials[k - n + 1]) if k >= n - 1 else 0.0

    every = factorials[pool] / (factorials[n] * factorials[pool - n])
    return np.array([subsets(pool - 1 - i) / every for i in range(pool)])


def _by_int64(pool: int, n: int, by_sum: bool = False) -> np.ndarray:
    """By products of 64-bit whole numbers, which wrap round."""

    def subsets(k: int, m: int) -> np.int64:
        found = np.int64(1)
        for i in range(m):
            found = found * np.int64(max(k - i, 0)) // np.int64(i + 1)
        return found

    counts = np.array([subsets(pool - 1 - i, n - 1) for i in range(pool)], float)
    return counts / (counts.sum() if by_sum else float(subsets(pool, n)) or 1)


def _nan_when_large(pool: int, n: int) -> np.ndarray:
    return _counts(pool, n) / math.comb(pool, n) if pool <= 170 else np.full(pool, np.nan)


def _counts(pool: int, n: int) -> np.ndarray:
    """The number of subsets in which each rank is the best."""
    return np.array([math.comb(pool - 1 - i, n - 1) for i in range(pool)], float)


def _below(pool: int, n: int) -> np.ndarray:
    """The number of subsets of n that lie below each rank."""
    return np.array([math.comb(pool - 1 - i, n) for i in range(pool)], float)


def _with_replacement(pool: int, n: int) -> np.ndarray:
    at_least = 1 - np.arange(pool + 1) / pool
    return at_least[:-1] ** n - at_least[1:] ** n


BEST_OF_N_PROBABILITIES = Exercise(
    name="best_of_n_probabilities",
    title="Best of n, from one pool",
    minutes=15,
    difficulty=3,
    deliver="How likely each rank of the pool, its best first, is the best of n drawn without replacement: (pool,).",
    reference=best_of_n.best_of_n_probabilities,
    cases=_pools,
    hints=(
        "Rank 0 is the best of n whenever it is among the n: a chance of n / pool.",
        "Rank i is the best of n if it is drawn, and the other n - 1 all come from the samples below it. How many "
        "samples are below rank i?",
        "`math.comb(k, m)` counts the subsets of m from k, and is 0 for m > k. Divide by the number of all subsets.",
    ),
    misconceptions=(
        Misconception(
            "with replacement",
            "it lets a sample be drawn twice, as if each draw were independent of the others. The n are drawn "
            "without replacement: no sample of the pool is among them twice",
            (
                _with_replacement,
                lambda pool, n: n / pool * (1 - n / pool) ** np.arange(pool),  # each drawn or not, by itself
                lambda pool, n: n / pool * (1 - np.arange(1, pool + 1) / pool) ** (n - 1),
            ),
        ),
        Misconception(
            "one too many below",
            "it counts the sample itself among those below it: of `pool` samples, pool - 1 - i are below rank i",
            lambda pool, n: _normalized(np.array([math.comb(pool - i, n - 1) for i in range(pool)], float)),
        ),
        Misconception(
            "worst first",
            "the order is turned round: rank 0 is the best of the pool, and the likeliest to be the best of n",
            lambda pool, n: np.array([math.comb(i, n - 1) for i in range(pool)], float) / math.comb(pool, n),
        ),
        Misconception(
            "too large for floats",
            "right for small pools. For 256 samples a factorial is larger than any float, and infinity / infinity is "
            "NaN: stay with whole numbers until the last division (`math.comb`), or with logarithms",
            (_by_floats, _nan_when_large),
        ),
        Misconception(
            "wraps round",
            "right for small pools. For 256 samples the number of subsets does not fit into 64 bits: numpy's whole "
            "numbers wrap round there, Python's own do not (`math.comb`)",
            (_by_int64, lambda pool, n: _by_int64(pool, n, by_sum=True)),
        ),
        Misconception(
            "counts",
            "those are numbers of subsets, not chances: divide by the number of all subsets, math.comb(pool, n)",
            lambda pool, n: np.array([math.comb(pool - 1 - i, n - 1) for i in range(pool)], float),
        ),
        Misconception(
            "wrong total",
            "the numbers of subsets are right, but they are divided by another number: of all subsets there are "
            "math.comb(pool, n)",
            (
                lambda pool, n: _counts(pool, n) / math.comb(pool, n - 1),
                lambda pool, n: _counts(pool, n) / math.comb(pool - 1, n - 1),
                lambda pool, n: _counts(pool, n) / math.comb(pool - 1, n),
            ),
        ),
        Misconception(
            "at least this good",
            "that adds up the ranks: the chance that the best of n is this rank *or a better one*. Take the difference "
            "to the rank before",
            lambda pool, n: np.cumsum(_counts(pool, n)) / math.comb(pool, n),
        ),
        Misconception(
            "this good or worse",
            "that adds up the ranks: the chance that the best of n is this rank *or a worse one*. Take the difference "
            "to the rank after",
            lambda pool, n: np.cumsum(_counts(pool, n)[::-1])[::-1] / math.comb(pool, n),
        ),
        Misconception(
            "in the order drawn",
            "it counts ordered draws for some and unordered ones for others, so that the chances do not sum to 1. "
            "Count subsets throughout: order does not matter",
            (
                lambda pool, n: (
                    np.array([math.perm(pool - 1 - i, n - 1) for i in range(pool)], float) / math.perm(pool, n)
                ),
                lambda pool, n: (
                    np.array([math.perm(pool - 1 - i, n - 1) for i in range(pool)], float) / math.comb(pool, n)
                ),
                lambda pool, n: _counts(pool, n) / math.perm(pool, n),
            ),
        ),
        Misconception(
            "counted from 1",
            "each rank gets the chance of the next one: ranks count from 0, so pool - 1 - i samples are below rank i",
            lambda pool, n: (
                np.array([math.comb(max(pool - 2 - i, 0), n - 1) for i in range(pool)], float) / math.comb(pool, n)
            ),
        ),
        Misconception(
            "all alike",
            "all ranks get the same chance: the best of n is more often a good rank than a bad one",
            lambda pool, n: np.full(pool, 1 / pool),
        ),
        Misconception(
            "drawn",
            "that is the chance of being *drawn*, n / pool for each. To be the best, all others drawn must be below",
            lambda pool, n: np.full(pool, n / pool),
        ),
        Misconception(
            "first sample only",
            "only rank 0 gets a chance: when it is not drawn, another one is the best of n",
            lambda pool, n: np.eye(1, pool)[0] * n / pool,
        ),
        Misconception(
            "n below",
            "the other samples drawn are n - 1, not n: rank i itself is one of the n",
            (
                lambda pool, n: _below(pool, n) / math.comb(pool, n),
                lambda pool, n: _below(pool, n) / max(_below(pool, n).sum(), 1),
            ),
        ),
    ),
)
