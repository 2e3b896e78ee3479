"""Exercises and questions of lab 05: best-of-n from one pool, where a fit turns, ensembles, and result or noise."""

from __future__ import annotations

import math

import numpy as np

from ...formulas import objectives, overoptimization, statistics
from ..exercise import Arguments, Exercise, Misconception
from ..inputs import normal
from ..questions import DIRECTIONS, Choice, Forecast, Guess, Question

# --- Best-of-n from one pool --------------------------------------------------


def _pools(rng: np.random.Generator) -> list[Arguments]:
    pool = int(rng.integers(12, 40))
    return [
        {"pool": 6, "n": 2},
        {"pool": pool, "n": int(rng.integers(3, pool - 3))},
        {"pool": pool, "n": 1},
        {"pool": 5, "n": 5},
    ]


def _normalized(chances: np.ndarray) -> np.ndarray:
    return chances / chances.sum()


def _with_replacement(pool: int, n: int) -> np.ndarray:
    at_least = 1 - np.arange(pool + 1) / pool
    return at_least[:-1] ** n - at_least[1:] ** n


BEST_OF_N_PROBABILITIES = Exercise(
    name="best_of_n_probabilities",
    title="Best of n, from one pool",
    minutes=15,
    difficulty=3,
    deliver="How likely each rank of the pool, its best first, is the best of n drawn without replacement: (pool,).",
    reference=overoptimization.best_of_n_probabilities,
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

# --- Where a fit turns --------------------------------------------------------


def _rise_and_fall(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"a": float(rng.uniform(0.5, 3)), "b": float(rng.uniform(0.3, 2))},
        {"a": float(rng.uniform(-1, -0.3)), "b": float(rng.uniform(0.3, 1))},
        {"a": 1.0, "b": 1.0},
        {"a": float(rng.uniform(0.5, 2)), "b": 0.0},
        {"a": float(rng.uniform(0.5, 2)), "b": -0.4},
    ]


RL_TURNING_POINT = Exercise(
    name="rl_turning_point",
    title="Where more reward turns into less",
    minutes=8,
    difficulty=2,
    deliver="The d at which d (a - b log d) is highest; infinite (`math.inf`) where b is 0 or negative.",
    reference=overoptimization.rl_turning_point,
    cases=_rise_and_fall,
    hints=(
        "At the top the slope is 0. The derivative of d log d is log d + 1.",
        "a - b log d - b = 0: solve for log d, then for d.",
        "For b = 0 the gain is a d and never falls: say so before you divide by b.",
    ),
    misconceptions=(
        Misconception(
            "back at zero",
            "there the gain is back at 0, as bad as before; it turned earlier. Set the *derivative* to 0",
            lambda a, b: math.exp(a / b) if b > 0 else math.inf,
        ),
        Misconception(
            "best of n",
            "that is where d (a - b d) turns, the form for best-of-n. RL's has a logarithm",
            lambda a, b: a / (2 * b) if b > 0 else math.inf,
        ),
        Misconception(
            "log d",
            "that is log d at the turning point: take its exponential",
            lambda a, b: a / b - 1 if b > 0 else math.inf,
        ),
        Misconception(
            "sign",
            "the derivative of -b d log d is -b log d - b, so log d is a / b *minus* 1",
            lambda a, b: math.exp(a / b + 1) if b > 0 else math.inf,
        ),
        Misconception(
            "never falls",
            "right where b is positive. For b of 0 or below the gain never falls: the answer is infinite there",
            lambda a, b: math.exp(a / b - 1) if b else 0.0,
        ),
        Misconception(
            "upside down",
            "the fraction stands on its head: log d is a / b - 1, not b / a - 1",
            lambda a, b: math.exp(b / a - 1) if b > 0 else math.inf,
        ),
    ),
)

# --- Ensembles ----------------------------------------------------------------


def _ensembles(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"scores": normal(rng, 3, 5), "weight": float(rng.uniform(0.3, 1.5))},
        {"scores": normal(rng, 4, 4, scale=2), "weight": float(rng.uniform(0.3, 1.5))},
        {"scores": normal(rng, 2, 3), "weight": 0.0},
        {"scores": normal(rng, 1, 4), "weight": 0.7},
    ]


def _unbiased(members: int) -> float:
    return members / (members - 1) if members > 1 else math.nan


CONSERVATIVE_SCORE = Exercise(
    name="conservative_score",
    title="Where the judges disagree, trust less",
    minutes=5,
    difficulty=1,
    deliver="Mean over the members minus `weight` times their variance: (members, batch) -> (batch,).",
    reference=objectives.conservative_score,
    cases=_ensembles,
    hints=(
        "Rows are reward models, columns are completions: everything happens along the rows' dimension.",
        "`tensor.mean(dim=...)` and `tensor.var(dim=...)` do the work.",
        "The members are all there are, no sample of more: the variance divides by their number, `correction=0`.",
    ),
    misconceptions=(
        Misconception(
            "standard deviation",
            "it takes off the standard deviation. The variance is its square, so large disagreements count far more",
            lambda scores, weight: scores.mean(0) - weight * scores.std(0, correction=0),
        ),
        Misconception(
            "n - 1",
            "the variance divides by members - 1. Here it divides by their number: with a single member it would be "
            "0 / 0",
            lambda scores, weight: scores.mean(0) - weight * scores.var(0, correction=0) * _unbiased(len(scores)),
        ),
        Misconception(
            "added",
            "the variance is added: that *rewards* texts on which the judges disagree",
            lambda scores, weight: scores.mean(0) + weight * scores.var(0, correction=0),
        ),
        Misconception(
            "lowest",
            "that is the lowest member's score, a good rule too (worst case), but not this one",
            lambda scores, weight: scores.amin(0),
        ),
        Misconception(
            "across completions",
            "it averages over completions: each completion needs its own score, over the members",
            lambda scores, weight: scores.mean(1) - weight * scores.var(1, correction=0),
        ),
        Misconception(
            "mean alone",
            "the weight does nothing: where the members disagree, the score must be lower than their mean",
            lambda scores, weight: scores.mean(0),
        ),
    ),
)

# --- Result or noise ----------------------------------------------------------


def _before_and_after(rng: np.random.Generator) -> list[Arguments]:
    def case(n: int, gain: float, shared: float) -> Arguments:
        prompts = rng.normal(scale=shared, size=n)  # what makes a prompt easy for both
        return {"a": prompts + rng.normal(gain, 1, size=n), "b": prompts + rng.normal(size=n)}

    same = rng.normal(size=6)
    return [case(30, 0.5, 3.0), case(12, -0.3, 2.0), case(4, 1.0, 1.0), {"a": same, "b": same.copy()}]


def _pooled(a: np.ndarray, b: np.ndarray) -> float:
    return math.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)


def _or_zero(a: np.ndarray, b: np.ndarray, scatter: float) -> float:
    return float((a - b).mean() / scatter) if scatter else 0.0


EFFECT_SIZE = Exercise(
    name="effect_size",
    title="How large is a difference?",
    minutes=8,
    difficulty=2,
    deliver="Mean of a - b, prompt by prompt, in standard deviations (n - 1) of a - b; 0 where a and b are the same.",
    reference=statistics.effect_size,
    cases=_before_and_after,
    hints=(
        "a and b are numpy arrays over the same prompts: begin with their difference, prompt by prompt.",
        "`difference.std(ddof=1)` divides by n - 1, since the prompts are a sample of all prompts.",
        "If all differences are 0, there is nothing to divide by: the answer is 0.",
    ),
    misconceptions=(
        Misconception(
            "t statistic",
            "it grows with n: that is the t statistic, which says how *sure* you can be. The effect size says how "
            "large the difference is, and must not depend on n",
            lambda a, b: _or_zero(a, b, (a - b).std(ddof=1) / math.sqrt(len(a))),
        ),
        Misconception(
            "not paired",
            "it divides by the scatter of the rewards themselves. Most of that is easy and hard prompts, which pairing "
            "takes out: divide by the scatter of the differences",
            lambda a, b: _or_zero(a, b, _pooled(a, b)),
        ),
        Misconception(
            "baseline's scatter",
            "it divides by the scatter of b, which is mostly that of the prompts: divide by that of the differences",
            lambda a, b: _or_zero(a, b, float(np.std(b, ddof=1))),
        ),
        Misconception(
            "n",
            "the standard deviation divides by n; the prompts are a sample, so by n - 1: `ddof=1`",
            lambda a, b: _or_zero(a, b, (a - b).std()),
        ),
        Misconception(
            "variance",
            "it divides by the variance: then the unit of the reward does not cancel",
            lambda a, b: _or_zero(a, b, (a - b).var(ddof=1)),
        ),
        Misconception(
            "sign",
            "it is b minus a: an improvement must come out positive",
            lambda a, b: _or_zero(b, a, (a - b).std(ddof=1)),
        ),
        Misconception(
            "not scaled",
            "that is the mean difference alone, in units of the reward",
            lambda a, b: float((a - b).mean()),
        ),
        Misconception(
            "nothing to divide by",
            "right, but where a and b are the same it is 0 / 0: the answer is 0 there",
            lambda a, b: float((a - b).mean() / (a - b).std(ddof=1)) if (a != b).any() else float("nan"),
        ),
    ),
)

EXERCISES = [EFFECT_SIZE, BEST_OF_N_PROBABILITIES, RL_TURNING_POINT, CONSERVATIVE_SCORE]
# --- Questions ----------------------------------------------------------------

QUESTIONS = [
    Guess(
        "improvements_by_chance",
        "how many of the 20 comparisons of a model with itself will differ by 0.2 or more, up or down?",
        0,
        20,
        1,
        close=2,
    ),
    Question(
        "ten_prompts",
        "A report compares before and after RLHF on ten prompts: the mean score rose by 0.3. What does it show?",
        (
            Choice(
                "That RLHF helped: the score rose",
                "Equal models differed by as much above, in both directions.",
            ),
            Choice(
                "That RLHF did nothing: ten prompts are too few to matter",
                "It may have helped. Too little data is no evidence of no effect.",
            ),
            Choice(
                "Nothing yet: without an interval over prompts one cannot tell it from chance",
                "Ask for the interval, for more prompts, and for more than one training seed.",
                True,
            ),
        ),
    ),
    Forecast(
        "weak_best_of_256",
        "a reward model of 64 labels keeps the best of 256 instead of the best of 16: which way does gold reward go?",
        DIRECTIONS,
    ),
    Question(
        "why_it_falls",
        "Why does the gold reward fall when a weak reward model chooses among more samples?",
        (
            Choice(
                "Among more samples there are fewer good ones",
                "The share of good ones is the same, and there are more of them to choose from.",
            ),
            Choice(
                "Its mistakes compete with its judgment: the highest score of many is more and more often a mistake",
                "Choosing the top of many noisy scores chooses the noise as well: regressional Goodhart.",
                True,
            ),
            Choice(
                "The SFT model gets worse as it is sampled more often",
                "It does not change at all: one pool serves every n.",
            ),
            Choice(
                "The reward model was not normalized",
                "A shift or a scale changes no order, and the order is all that best-of-n uses.",
            ),
        ),
    ),
    Forecast(
        "gold_of_pressed_policy",
        "after 45 updates against 64 labels without a KL penalty, which way will gold reward have gone?",
        DIRECTIONS,
    ),
    Question(
        "without_gold",
        "In real life there is no gold reward. What tells you that a policy is overoptimized?",
        (
            Choice(
                "The proxy reward begins to fall",
                "PPO raises it for as long as it runs: the first panel rose while the second fell.",
            ),
            Choice(
                "The loss of the value function goes up",
                "It follows the proxy reward, and knows as little of gold.",
            ),
            Choice(
                "Fresh human labels, or reward models trained on other labels, stop liking its texts better",
                "Whatever the policy did not learn to exploit can judge it. KL says how far to be worried.",
                True,
            ),
            Choice(
                "Nothing can tell",
                "Something can: judges that the policy was not trained against, and reading its texts.",
            ),
        ),
    ),
    Forecast(
        "best_remedy",
        "which of them leaves the most gold reward after 80 updates?",
        (
            "KL coefficient 0.05",
            "KL coefficient 0.2",
            "early stopping",
            "ensemble",
            "length penalty",
            "256 labels",
            "1,024 labels",
            "8,000 labels",
        ),
    ),
    Forecast(
        "loss_on_human_texts",
        "the loss of the pressed policy on TL;DRs that people wrote, against that of the SFT policy, goes",
        DIRECTIONS,
    ),
    Question(
        "what_is_left",
        "The pressed policy writes nonsense. You switch its adapter off. What does the model write?",
        (
            Choice(
                "Nonsense: the training has overwritten what it knew",
                "The base's weights were frozen. All that was learned is in the adapter.",
            ),
            Choice(
                "Exactly what the base model wrote before",
                "And the SFT adapter is there as well. Behavior was made likely, nothing was removed.",
                True,
            ),
            Choice(
                "Something between the two",
                "There is nothing between: the adapter is added, or it is not.",
            ),
        ),
    ),
]
