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
    ]


def _normalized(probabilities: np.ndarray) -> np.ndarray:
    return probabilities / probabilities.sum()


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
            "it lets a sample be drawn twice. The n are drawn without replacement, as n samples of a model would be",
            _with_replacement,
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
            "counts",
            "those are numbers of subsets, not chances: divide by the number of all subsets, math.comb(pool, n)",
            lambda pool, n: np.array([math.comb(pool - 1 - i, n - 1) for i in range(pool)], float),
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
            lambda pool, n: np.array([math.comb(pool - 1 - i, n) for i in range(pool)], float) / math.comb(pool, n),
        ),
    ),
)
