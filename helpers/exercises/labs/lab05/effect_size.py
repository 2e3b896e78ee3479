"""Exercise of lab 05: is it a result or noise?"""

from __future__ import annotations

import math

import numpy as np

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception


def _before_and_after(rng: np.random.Generator) -> list[Arguments]:
    def case(n: int, gain: float, shared: float) -> Arguments:
        prompts = rng.normal(scale=shared, size=n)  # what makes a prompt easy for both
        return {"a": prompts + rng.normal(gain, 1, size=n), "b": prompts + rng.normal(size=n)}

    same = rng.normal(size=6)
    down = {"a": np.array([0.2, -1.0, 0.4, -0.6]), "b": np.array([1.1, 0.3, 0.9, 1.4])}  # the mean is negative
    return [case(30, 0.5, 3.0), case(12, -0.3, 2.0), case(4, 1.0, 1.0), {"a": same, "b": same.copy()}, down]


def _pooled(a: np.ndarray, b: np.ndarray) -> float:
    return math.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)


def _scaled(mean: float, scatter: float) -> float:
    return float(mean / scatter) if scatter else 0.0


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
            (
                lambda a, b: _or_zero(a, b, (a - b).std(ddof=1) / math.sqrt(len(a))),
                lambda a, b: _or_zero(a, b, (a - b).std() / math.sqrt(len(a))),
                lambda a, b: _or_zero(a, b, (a - b).std(ddof=1) / len(a)),
                lambda a, b: _or_zero(a, b, (a - b).std(ddof=1)) * len(a),  # a sum in place of the mean
            ),
        ),
        Misconception(
            "not paired",
            "it divides by the scatter of the rewards themselves. Most of that is easy and hard prompts, which pairing "
            "takes out: divide by the scatter of the differences",
            (
                lambda a, b: _or_zero(a, b, _pooled(a, b)),
                lambda a, b: _or_zero(a, b, math.sqrt((np.var(a) + np.var(b)) / 2)),
                lambda a, b: _or_zero(a, b, float(np.std(a, ddof=1) + np.std(b, ddof=1)) / 2),
            ),
        ),
        Misconception(
            "baseline's scatter",
            "it divides by the scatter of b, which is mostly that of the prompts: divide by that of the differences",
            (
                lambda a, b: _or_zero(a, b, float(np.std(b, ddof=1))),
                lambda a, b: _or_zero(a, b, float(np.std(b))),
            ),
        ),
        Misconception(
            "n",
            "the standard deviation divides by n; the prompts are a sample, so by n - 1: `ddof=1`",
            lambda a, b: _or_zero(a, b, (a - b).std()),
        ),
        Misconception(
            "variance",
            "it divides by the variance: then the unit of the reward does not cancel",
            (
                lambda a, b: _or_zero(a, b, (a - b).var(ddof=1)),
                lambda a, b: _or_zero(a, b, (a - b).var()),
            ),
        ),
        Misconception(
            "no sign",
            "the size is right, but the sign is lost: a harm must come out negative",
            lambda a, b: abs(_or_zero(a, b, (a - b).std(ddof=1))),
        ),
        Misconception(
            "mean of absolute differences",
            "it averages the *absolute* differences: gains and losses must cancel, or noise alone looks like an effect",
            (
                lambda a, b: _scaled(np.abs(a - b).mean(), (a - b).std(ddof=1)),
                lambda a, b: _scaled(np.abs(a - b).mean(), np.abs(a - b).std(ddof=1)),
            ),
        ),
        Misconception(
            "median",
            "it takes the median difference: the effect size is made of the mean",
            lambda a, b: _scaled(float(np.median(a - b)), (a - b).std(ddof=1)),
        ),
        Misconception(
            "a's scatter",
            "it divides by the scatter of a, which is mostly that of the prompts: divide by that of the differences",
            (
                lambda a, b: _or_zero(a, b, float(np.std(a, ddof=1))),
                lambda a, b: _or_zero(a, b, float(np.std(a))),
            ),
        ),
        Misconception(
            "all rewards together",
            "it divides by the scatter of all rewards together, those of a and of b: divide by that of the differences",
            (
                lambda a, b: _or_zero(a, b, float(np.std(np.concatenate([a, b]), ddof=1))),
                lambda a, b: _or_zero(a, b, float(np.std(np.concatenate([a, b])))),
                lambda a, b: _or_zero(a, b, float(np.std(a, ddof=1) + np.std(b, ddof=1))),
                lambda a, b: _or_zero(a, b, math.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))),
            ),
        ),
        Misconception(
            "standard error",
            "that is the standard error, how *unsure* the mean is, not how large: the mean has to be divided by the "
            "standard deviation of the differences",
            lambda a, b: (a - b).std(ddof=1) / math.sqrt(len(a)),
        ),
        Misconception(
            "one for each prompt",
            "it gives a number for each prompt: one number is asked for, the mean over all of them",
            lambda a, b: (a - b) / (a - b).std(ddof=1) if (a != b).any() else np.zeros(len(a)),
        ),
        Misconception(
            "upside down",
            "the fraction stands on its head: divide the mean by the standard deviation",
            lambda a, b: (a - b).std(ddof=1) / (a - b).mean() if (a != b).any() else 0.0,
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
            (
                lambda a, b: _scaled((a - b).mean(), (a - b).std(ddof=1)) if (a != b).any() else math.nan,
                lambda a, b: _scaled((a - b).mean(), (a - b).std(ddof=1)) if (a != b).any() else math.inf,
            ),
        ),
    ),
)
