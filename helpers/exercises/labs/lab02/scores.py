"""Exercise of lab 02: scores on a scale that PPO can use."""

from __future__ import annotations

import numpy as np

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _raw_scores(rng: np.random.Generator) -> list[Arguments]:
    def scores(*shape: int) -> Arguments:
        mean, std = float(rng.uniform(0.5, 3)), float(rng.uniform(1.5, 3))
        return {"scores": mean + 1 + normal(rng, *shape, scale=std), "mean": mean, "std": std}

    return [scores(8), scores(3), scores(4, 2)]


NORMALIZE_SCORES = Exercise(
    name="normalize_scores",
    title="One scale for all reward models",
    minutes=4,
    difficulty=1,
    deliver="The scores on a scale where the given mean is 0 and one given standard deviation is 1.",
    reference=objectives.normalize_scores,
    cases=_raw_scores,
    hints=(
        "The two numbers are given: they were measured once, on reference texts, and stay fixed.",
        "First move the zero, then change the unit.",
        "Subtract the mean from the scores, then divide by the standard deviation.",
    ),
    misconceptions=(
        Misconception(
            "per batch",
            "it takes mean and spread from the scores at hand: the same text would get another reward in each batch, "
            "and the mean reward could never rise. Use the numbers given",
            lambda scores, mean, std: (scores - scores.mean()) / scores.std(),
        ),
        Misconception(
            "order",
            "it divides first and subtracts then: the mean is in raw units, so take it off before you change the unit",
            lambda scores, mean, std: scores / std - mean,
        ),
        Misconception(
            "variance",
            "it divides by the variance: the standard deviation is given, and is in the units of the scores already",
            lambda scores, mean, std: (scores - mean) / std**2,
        ),
        Misconception(
            "shift only",
            "the zero is moved, but the unit stays: the KL penalty would weigh more or less with each reward model",
            lambda scores, mean, std: scores - mean,
        ),
        Misconception(
            "undone",
            "that is the way back, from normalized scores to raw ones",
            lambda scores, mean, std: scores * std + mean,
        ),
    ),
)
