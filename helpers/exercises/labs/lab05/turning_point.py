"""Exercise of lab 05: where the fitted gold reward turns."""

from __future__ import annotations

import math

import numpy as np

from ....formulas import overoptimization
from ...exercise import Arguments, Exercise, Misconception


def _rise_and_fall(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"a": float(rng.uniform(0.5, 3)), "b": float(rng.uniform(0.3, 2))},
        {"a": float(rng.uniform(-1, -0.3)), "b": float(rng.uniform(0.3, 1))},
        {"a": 1.0, "b": 1.0},
        {"a": float(rng.uniform(0.5, 2)), "b": 0.0},
        {"a": float(rng.uniform(0.5, 2)), "b": -0.4},
        {"a": 0.0, "b": 0.5},
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
            "base 10",
            "it takes powers of 10, or logarithms to base 10 or 2: here log is the natural logarithm, so take `exp`",
            (
                lambda a, b: 10 ** (a / b - 1) if b > 0 else math.inf,
                lambda a, b: 2 ** (a / b - 1) if b > 0 else math.inf,
                lambda a, b: 10 ** (a / b - 1 / math.log(10)) if b > 0 else math.inf,
            ),
        ),
        Misconception(
            "the gain there",
            "that is the gain at the turning point, d (a - b log d): asked for is d itself",
            lambda a, b: math.exp(a / b - 1) * (a - b * (a / b - 1)) if b > 0 else math.inf,
        ),
        Misconception(
            "KL, not d",
            "that is the KL there, d squared, or its root: asked for is d itself",
            (
                lambda a, b: math.exp(a / b - 1) ** 2 if b > 0 else math.inf,
                lambda a, b: math.sqrt(math.exp(a / b - 1)) if b > 0 else math.inf,
            ),
        ),
        Misconception(
            "product rule",
            "the derivative of d log d has two parts, log d + 1: one of them, or its factor b, is missing",
            (
                lambda a, b: a / b if b > 0 else math.inf,
                lambda a, b: b / a if b > 0 and a else math.inf,
                lambda a, b: math.exp((a - 1) / b) if b > 0 else math.inf,
                lambda a, b: math.exp(a - b) if b > 0 else math.inf,
                lambda a, b: math.exp(a - 1) if b > 0 else math.inf,
            ),
        ),
        Misconception(
            "1 / e lost",
            "log d is a / b - 1, all of it in the exponent: exp(a / b) - 1 takes the 1 off too late",
            lambda a, b: math.exp(a / b) - 1 if b > 0 else math.inf,
        ),
        Misconception(
            "bounded from below",
            "right where a is positive. For a negative a the turn comes early, below 1 / e, but there is one",
            (
                lambda a, b: math.exp(a / b - 1) if b > 0 and a > 0 else 0.0 if b > 0 else math.inf,
                lambda a, b: math.exp(a / b - 1) if b > 0 and a > 0 else math.inf,
                lambda a, b: max(1.0, math.exp(a / b - 1)) if b > 0 else math.inf,
            ),
        ),
        Misconception(
            "back at zero",
            "there the gain is back at 0, as bad as before; it turned earlier. Set the *derivative* to 0",
            lambda a, b: math.exp(a / b) if b > 0 else math.inf,
        ),
        Misconception(
            "best of n",
            "that is where d (a - b d) turns, the form for best-of-n. RL's has a logarithm",
            (
                lambda a, b: a / (2 * b) if b > 0 else math.inf,
                lambda a, b: (a / (2 * b)) ** 2 if b > 0 else math.inf,
            ),
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
            (
                lambda a, b: math.exp(a / b - 1) if b else 0.0,
                lambda a, b: math.exp(a / b - 1) if b else math.inf,
                lambda a, b: math.exp(a / b - 1),
                lambda a, b: math.exp(a / b - 1) if b >= 0 else math.inf,
                lambda a, b: math.exp(a / b - 1) if b > 0 else 0.0,
                lambda a, b: math.exp(a / b - 1) if b > 0 else math.nan,
                lambda a, b: math.exp(a / b - 1) if b > 0 else None,
            ),
        ),
        Misconception(
            "upside down",
            "the fraction stands on its head: log d is a / b - 1, not b / a - 1",
            lambda a, b: math.exp(b / a - 1) if b > 0 else math.inf,
        ),
    ),
)
