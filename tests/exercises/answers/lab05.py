"""Answers to the exercises of lab 05."""

import math

import numpy as np
import torch
from scipy import stats
from scipy.special import comb

# --- best_of_n_probabilities --------------------------------------------------------


def by_recurrence(pool, n):
    chances = [n / pool]
    for rank in range(1, pool):
        left = pool - rank
        chances.append(chances[-1] * max(0, left - n + 1) / left)
    return chances


def with_scipy(pool, n):
    below = pool - 1 - np.arange(pool)
    return comb(below, n - 1) / comb(pool, n)


def differences_of_at_most(pool, n):
    at_most = np.array([math.comb(pool - i, n) / math.comb(pool, n) for i in range(pool + 1)])
    return at_most[:-1] - at_most[1:]


def drawn_again(n, pool):
    rank = np.arange(pool)
    return (1 - rank / pool) ** n - (1 - (rank + 1) / pool) ** n


def itself_below(pool, n):
    chances = comb(pool - np.arange(pool), n - 1)
    return chances / chances.sum()


def ascending(pool, n):
    return [math.comb(rank, n - 1) / math.comb(pool, n) for rank in range(pool)]


def subsets(pool, n):
    return [math.comb(pool - 1 - rank, n - 1) for rank in range(pool)]


def drawn_at_all(pool, n):
    return [n / pool] * pool


def only_the_best(pool, n):
    return [n / pool] + [0.0] * (pool - 1)


def n_others(pool, n):
    return [math.comb(pool - rank - 1, n) / math.comb(pool, n) for rank in range(pool)]


# --- rl_turning_point ---------------------------------------------------------


def solved(a, b):
    if b <= 0:
        return float("inf")
    return math.e ** ((a - b) / b)


def with_numpy(b, a):
    return np.exp(a / b - 1) if b > 0 else np.inf


def where_it_is_zero(a, b):
    return np.inf if b <= 0 else np.exp(a / b)


def parabola(a, b):
    return math.inf if b <= 0 else 0.5 * a / b


def logarithm(a, b):
    return math.inf if b <= 0 else (a - b) / b


def plus_one(a, b):
    return math.inf if b <= 0 else math.exp((a + b) / b)


def careless(a, b):
    return 0.0 if b == 0 else math.exp(a / b - 1)


def swapped(a, b):
    return math.inf if b <= 0 else math.exp((b - a) / a)


# --- conservative_score -------------------------------------------------------


def squares(scores, weight):
    mean = scores.mean(0)
    return mean - weight * ((scores - mean) ** 2).mean(0)


def column_by_column(scores, weight):
    columns = scores.unbind(1)
    return torch.stack([column.mean() - weight * column.var(correction=0) for column in columns])


def second_moment(weight, scores):
    return scores.mean(0) - weight * (scores.square().mean(0) - scores.mean(0).square())


def deviation(scores, weight):
    return scores.mean(0) - weight * scores.var(0, correction=0).sqrt()


def default_variance(scores, weight):
    return scores.mean(0) - weight * scores.var(0)


def bonus(scores, weight):
    return squares(scores, -weight)


def worst_case(scores, weight):
    return scores.min(dim=0).values


def rows_of_texts(scores, weight):
    return squares(scores.T, weight)


def averaged(scores, weight):
    return scores.sum(0) / len(scores)


# --- effect_size --------------------------------------------------------------


def written_out(a, b):
    d = [x - y for x, y in zip(a, b, strict=True)]
    mean = sum(d) / len(d)
    scatter = (sum((x - mean) ** 2 for x in d) / (len(d) - 1)) ** 0.5
    return mean / scatter if scatter > 0 else 0.0


def from_t(b, a):
    if np.array_equal(a, b):
        return 0.0
    return stats.ttest_rel(a, b).statistic / np.sqrt(len(a))


def t_statistic(a, b):
    return 0.0 if np.array_equal(a, b) else stats.ttest_rel(a, b).statistic


def cohens_d(a, b):
    if np.array_equal(a, b):
        return 0.0
    return (a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)


def glass_delta(a, b):
    return (a.mean() - b.mean()) / b.std(ddof=1)


def numpys_default(a, b):
    return 0.0 if np.array_equal(a, b) else np.mean(a - b) / np.std(a - b)


def by_variance(a, b):
    return 0.0 if np.array_equal(a, b) else np.mean(a - b) / np.var(a - b, ddof=1)


def before_minus_after(a, b):
    return written_out(b, a)


def raw(a, b):
    return a.mean() - b.mean()


def zero_by_zero(a, b):
    d = a - b
    with np.errstate(invalid="ignore"):
        return np.mean(d) / np.std(d, ddof=1)


RIGHT = {
    "best_of_n_probabilities": [by_recurrence, with_scipy, differences_of_at_most],
    "rl_turning_point": [solved, with_numpy],
    "conservative_score": [squares, column_by_column, second_moment],
    "effect_size": [written_out, from_t],
}
WRONG = {
    "best_of_n_probabilities": {
        "with replacement": [drawn_again],
        "one too many below": [itself_below],
        "worst first": [ascending],
        "counts": [subsets],
        "drawn": [drawn_at_all],
        "first sample only": [only_the_best],
        "n below": [n_others],
    },
    "rl_turning_point": {
        "back at zero": [where_it_is_zero],
        "best of n": [parabola],
        "log d": [logarithm],
        "sign": [plus_one],
        "never falls": [careless],
        "upside down": [swapped],
    },
    "conservative_score": {
        "standard deviation": [deviation],
        "n - 1": [default_variance],
        "added": [bonus],
        "lowest": [worst_case],
        "across completions": [rows_of_texts],
        "mean alone": [averaged],
    },
    "effect_size": {
        "t statistic": [t_statistic],
        "not paired": [cohens_d],
        "baseline's scatter": [glass_delta],
        "n": [numpys_default],
        "variance": [by_variance],
        "sign": [before_minus_after],
        "not scaled": [raw],
        "nothing to divide by": [zero_by_zero],
    },
}
