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
