"""Lab 05: overoptimization, as students write its exercises."""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import comb

from tests.exercises.unseen.record import SAMPLE, SHAPE, SIGN, STABLE, Unseen

# effect_size


def effect_population(a, b):  # standard deviation of n
    d = np.asarray(a) - np.asarray(b)
    return float(d.mean() / d.std()) if d.std() > 0 else 0.0


def effect_unpaired(a, b):  # Cohen's d of two groups: the pairs are ignored
    pooled = np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)
    return (np.mean(a) - np.mean(b)) / pooled if pooled else 0.0


def effect_zero(a, b):  # 0 / 0 where both are the same
    d = np.asarray(a) - np.asarray(b)
    with np.errstate(all="ignore"):
        return d.mean() / d.std(ddof=1)


def effect_t(a, b):  # over the standard error: grows with n
    d = np.asarray(a) - np.asarray(b)
    sd = d.std(ddof=1)
    return d.mean() / (sd / math.sqrt(len(d))) if sd else 0.0


def effect_turned(a, b):  # b - a
    return effect_right_loop(b, a)


def effect_absolute(a, b):  # never negative
    return abs(effect_right_loop(a, b))


def effect_variance(a, b):  # over the variance
    d = np.asarray(a) - np.asarray(b)
    v = d.var(ddof=1)
    return d.mean() / v if v > 0 else 0.0


def effect_difference_only(a, b):  # the plain difference
    return float(np.mean(np.asarray(a) - np.asarray(b)))


def effect_right_loop(a, b):
    d = [x - y for x, y in zip(a, b, strict=True)]
    mean = sum(d) / len(d)
    variance = sum((x - mean) ** 2 for x in d) / (len(d) - 1)
    return float(mean / variance**0.5) if any(d) else 0.0


def effect_right_torch(a, b):
    d = torch.as_tensor(np.asarray(a) - np.asarray(b), dtype=torch.float64)
    return 0.0 if not d.any() else (d.mean() / d.std()).item()


# best_of_n_probabilities


def best_with_replacement(pool, n):  # drawn with replacement
    i = np.arange(pool)
    return ((pool - i) / pool) ** n - ((pool - i - 1) / pool) ** n


def best_counts_itself(pool, n):  # the others may be the sample itself: pool - i in place of pool - i - 1
    weights = np.array([math.comb(pool - i, n - 1) for i in range(pool)], dtype=float)
    return weights / weights.sum()


def best_from_the_end(pool, n):  # the worst first
    return best_right_ratio(pool, n)[::-1]


def best_not_divided(pool, n):  # counts of subsets, not probabilities
    return np.array([math.comb(pool - i - 1, n - 1) for i in range(pool)], dtype=float)


def best_geometric(pool, n):  # each rank with n / pool, independently
    p = n / pool
    return np.array([p * (1 - p) ** i for i in range(pool)])


def best_uniform(pool, n):  # the best n alike
    return np.where(np.arange(pool) < n, 1 / n, 0.0)


def best_only_possible(pool, n):  # the impossible ranks are left out
    return best_right_ratio(pool, n)[: pool - n + 1]


def best_choose_n(pool, n):  # n others below it, not n - 1
    w = comb(pool - np.arange(pool) - 1, n)
    return w / max(w.sum(), 1)


def best_overflows(pool, n):  # counts in 64 bits overflow
    count = np.zeros(pool, dtype=np.int64)
    for i in range(pool):
        c = np.int64(1)
        with np.errstate(all="ignore"):
            for k in range(n - 1):
                c = c * np.int64(pool - i - 1 - k) // np.int64(k + 1)
        count[i] = c
    return count / count.sum()


def best_float_factorials(pool, n):  # factorials as floats: inf / inf for a large pool
    with np.errstate(all="ignore"):
        f = np.concatenate([[1.0], np.cumprod(np.arange(1.0, pool + 1))])
        rest = pool - 1 - np.arange(pool)
        ways = np.array([f[r] / (f[n - 1] * f[r - n + 1]) if r >= n - 1 else 0.0 for r in rest])
        return ways / (f[pool] / (f[n] * f[pool - n]))


def best_right_ratio(pool, n):
    total = math.comb(pool, n)
    return np.array([math.comb(pool - i - 1, n - 1) / total for i in range(pool)])


def best_right_recursion(pool, n):
    p, chances = n / pool, []
    for i in range(pool):
        chances.append(p)
        left = pool - i - 1
        p = p * (left - n + 1) / left if left else 0.0
    return np.array(chances)


# rl_turning_point


def turning_no_zero(a, b):  # divides by 0; a number for a negative b
    return np.exp(a / b - 1)


def turning_zero_only(a, b):  # negative b: a turning point that is a lowest one
    return math.inf if b == 0 else math.exp(a / b - 1)


def turning_search_to_100(a, b):  # looks as far as 100 only
    if b <= 0:
        return math.inf
    d = np.linspace(1e-3, 100, 200_001)
    return float(d[np.argmax(d * (a - b * np.log(d)))])


def turning_height(a, b):  # the height of the top, not where it is
    if b <= 0:
        return math.inf
    d = math.exp(a / b - 1)
    return d * (a - b * math.log(d))


def turning_right_search(a, b):
    if b <= 0:
        return math.inf
    if a / b > 600:
        return math.exp(a / b - 1)
    found = minimize_scalar(lambda u: -(a - b * u) * math.exp(u - a / b), bracket=(a / b - 2, a / b - 0.5), tol=1e-12)
    return math.exp(found.x)


# conservative_score


def conservative_shortcut(scores, weight):  # E[x^2] - E[x]^2: for scores of this size it has digits enough
    mean = scores.mean(dim=0)
    return mean - weight * ((scores**2).mean(dim=0) - mean**2)


def conservative_right_loop(scores, weight):
    k = len(scores)
    mean = sum(scores) / k
    variance = sum((row - mean) ** 2 for row in scores) / k
    return mean - weight * variance


def conservative_right_moment(scores, weight):
    pairs = (scores[:, None] - scores[None, :]).square().mean(dim=(0, 1))
    return scores.mean(0) - weight * pairs / 2


UNSEEN = [
    Unseen("effect_size", effect_population, 1, SAMPLE, (r"\bnan\b",)),
    Unseen("effect_size", effect_zero, 2, (r"\bnan\b|same|zero|\b0\b|equal",), SAMPLE),
    Unseen(
        "effect_size",
        effect_unpaired,
        3,
        (r"pair|difference|prompt by prompt|pooled|a - b|two groups|each prompt",),
        SAMPLE,
    ),
    Unseen("effect_size", effect_t, 4, (r"standard error|grow|root of n|sqrt|\bt\b|n prompts",), SAMPLE),
    Unseen("effect_size", effect_turned, 5, SIGN + (r"b - a|a - b",)),
    Unseen("effect_size", effect_absolute, 6, (r"sign|absolute|negative|\babs",)),
    Unseen("effect_size", effect_variance, 7, (r"root|varianc|not the variance|squar",)),
    Unseen("effect_size", effect_difference_only, 8, (r"standard deviation|divid|scatter|units|\bsd\b",)),
    Unseen("best_of_n_probabilities", best_with_replacement, 1, (r"replac|twice|again",)),
    Unseen(
        "best_of_n_probabilities",
        best_counts_itself,
        2,
        (r"itself|off by one|below|pool - i - 1|one too many|below it|- 1",),
    ),
    Unseen("best_of_n_probabilities", best_uniform, 3, (r"uniform|equal|alike|same|first n|best n|differ|likel",)),
    Unseen("best_of_n_probabilities", best_not_divided, 4, (r"divid|sum|probabilit|normali[sz]|count|number of",)),
    Unseen("best_of_n_probabilities", best_from_the_end, 5, (r"best first|order|revers|worst|turned|last",)),
    Unseen("best_of_n_probabilities", best_geometric, 6, (r"independen|geometric|replac|sum|without",)),
    Unseen(
        "best_of_n_probabilities",
        best_only_possible,
        7,
        SHAPE + (r"every rank|each rank|impossible|\b0\b|zeros?|pool",),
    ),
    Unseen("best_of_n_probabilities", best_choose_n, 8, (r"n ?- ?1|off by one|others|one too many|one sample",)),
    Unseen("best_of_n_probabilities", best_overflows, 9, STABLE + (r"64|integer|whole",)),
    Unseen("best_of_n_probabilities", best_float_factorials, 10, STABLE),
    # the top of the parabola
    Unseen(
        "rl_turning_point",
        lambda a, b: a / (2 * b) if b > 0 else math.inf,
        1,
        (r"parabola|best.of.n|bon|first (one|curve)|2 ?b|logarithm",),
    ),
    # where the gain is back at 0
    Unseen(
        "rl_turning_point",
        lambda a, b: math.exp(a / b) if b > 0 else math.inf,
        2,
        (r"- ?1|product rule|derivative|back (at|to) (0|zero)|crosses|gain is 0|inner",),
    ),
    Unseen("rl_turning_point", turning_no_zero, 3, (r"\binf|\b0\b|zero|negative|below",)),
    Unseen("rl_turning_point", turning_zero_only, 4, (r"negative|below 0|below|\binf",)),
    # upside down
    Unseen(
        "rl_turning_point",
        lambda a, b: math.exp(b / a - 1) if b > 0 else math.inf,
        5,
        (r"a ?/ ?b|b ?/ ?a|upside|swap|turned|invert|exchang",),
    ),
    # the 1 outside the exponential
    Unseen(
        "rl_turning_point",
        lambda a, b: math.exp(a / b) - 1 if b > 0 else math.inf,
        6,
        (r"inside|exponent|outside|parenthes|- ?1",),
    ),
    # 10 in place of e
    Unseen(
        "rl_turning_point", lambda a, b: 10 ** (a / b - 1) if b > 0 else math.inf, 7, (r"natural|base|\b10\b|\be\b",)
    ),
    Unseen("rl_turning_point", turning_height, 8, (r"height|\bd\b.*not|where|value of the|gain|how high|itself",)),
    Unseen(
        "rl_turning_point", turning_search_to_100, 9, (r"search|grid|100|large|far|range|limit|bound|exact|beyond",)
    ),
    # torch divides by k - 1
    Unseen(
        "conservative_score",
        lambda scores, weight: scores.mean(dim=0) - weight * scores.var(dim=0),
        1,
        SAMPLE + (r"divid\w+ by k|1 ?/ ?k",),
    ),
    # standard deviation
    Unseen(
        "conservative_score",
        lambda scores, weight: scores.mean(0) - weight * scores.std(0, correction=0),
        2,
        (r"standard deviation|varianc|squar|root",),
        (r"k ?- ?1",),
    ),
    # over the batch
    Unseen(
        "conservative_score",
        lambda scores, weight: scores.mean(1) - weight * scores.var(1, correction=0),
        3,
        SHAPE + (r"members|batch|dim",),
        (r"k ?- ?1",),
    ),
    # plus
    Unseen(
        "conservative_score",
        lambda scores, weight: scores.mean(0) + weight * scores.var(0, correction=0),
        4,
        SIGN + (r"plus|added|bonus|reward",),
        (r"k ?- ?1",),
    ),
    # the lowest member
    Unseen("conservative_score", lambda scores, weight: scores.amin(dim=0), 5, (r"lowest|minim|smallest|mean|weight",)),
    # the weight takes the mean along
    Unseen(
        "conservative_score",
        lambda scores, weight: weight * (scores.mean(0) - scores.var(0, correction=0)),
        6,
        (r"weight.*(mean|only|both|whole)|(mean|only|both).*weight|parenthes|bracket",),
        (r"k ?- ?1",),
    ),
    # the weight is forgotten
    Unseen(
        "conservative_score",
        lambda scores, weight: scores.mean(0) - scores.var(0, unbiased=False),
        7,
        (r"weight",),
        (r"k ?- ?1",),
    ),
    # the sum of squares
    Unseen(
        "conservative_score",
        lambda scores, weight: scores.mean(0) - weight * ((scores - scores.mean(0)) ** 2).sum(0),
        8,
        (r"divid|sum|mean|1 ?/ ?k|average",),
        (r"k ?- ?1",),
    ),
]
RIGHT = {
    "effect_size": [effect_right_loop, effect_right_torch],
    "best_of_n_probabilities": [best_right_ratio, best_right_recursion],
    "rl_turning_point": [lambda a, b: math.e ** ((a - b) / b) if b > 0 else float("inf"), turning_right_search],
    "conservative_score": [conservative_shortcut, conservative_right_loop, conservative_right_moment],
}
