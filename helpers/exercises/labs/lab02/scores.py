"""Exercise of lab 02: scores on a scale that PPO can use."""

from __future__ import annotations

import numpy as np
import torch

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _raw_scores(rng: np.random.Generator) -> list[Arguments]:
    def scores(*shape: int) -> Arguments:
        mean, std = float(rng.uniform(0.5, 3)), float(rng.uniform(1.5, 3))
        return {"scores": mean + 1 + normal(rng, *shape, scale=std), "mean": mean, "std": std}

    far = {"scores": torch.tensor([40.0, -30.0]), "mean": 1.5, "std": 2.0}  # whole numbers of std, and far out
    return [scores(8), scores(3), scores(4, 2), far, {"scores": torch.tensor([-1.0]), "mean": -2.0, "std": 0.25}]


NORMALIZE_SCORES = Exercise(
    name="normalize_scores",
    title="One scale for all reward models",
    minutes=4,
    difficulty=1,
    deliver="The scores with a new zero and a new unit: a score of `mean` becomes 0, one of `mean + std` becomes 1.",
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
            "and rewards of two batches could not be compared. Use the two numbers given",
            (
                lambda scores, mean, std: (scores - scores.mean()) / scores.std(),
                lambda scores, mean, std: (scores - scores.mean()) / scores.std(correction=0),
                lambda scores, mean, std: (scores - scores.mean(0)) / scores.std(0),
                lambda scores, mean, std: (scores - scores.mean(-1, keepdim=True)) / scores.std(-1, keepdim=True),
                lambda scores, mean, std: (scores - scores.mean()) / scores.std(correction=0).clamp(min=1e-8),
                lambda scores, mean, std: (scores - scores.mean()) / (scores.std() + 1e-8),
            ),
        ),
        Misconception(
            "one of the two per batch",
            "it takes one of the two numbers from the scores at hand, not the one that is given: the same text would "
            "get another reward in each batch. Use the mean and the standard deviation given",
            (
                lambda scores, mean, std: (scores - scores.mean()) / std,
                lambda scores, mean, std: (scores - mean) / scores.std(),
                lambda scores, mean, std: (scores - mean) / scores.std(correction=0),
            ),
        ),
        Misconception(
            "order",
            "it divides first and subtracts then: the mean is in raw units, so take it off before you change the unit",
            lambda scores, mean, std: scores / std - mean,
        ),
        Misconception(
            "brackets",
            "brackets are missing: `scores - mean / std` divides the mean only. Take off the mean first, then divide "
            "the result",
            lambda scores, mean, std: scores - mean / std,
        ),
        Misconception(
            "variance",
            "it divides by the variance: the standard deviation is given, and is in the units of the scores already",
            lambda scores, mean, std: (scores - mean) / std**2,
        ),
        Misconception(
            "root",
            "it divides by the square root of `std`: `std` is the standard deviation already, not a variance",
            lambda scores, mean, std: (scores - mean) / std**0.5,
        ),
        Misconception(
            "shift only",
            "the zero is moved, but the unit stays: the KL penalty would weigh more or less with each reward model",
            lambda scores, mean, std: scores - mean,
        ),
        Misconception(
            "unit only",
            "the unit is changed, but the zero stays: the given mean has to become 0, so take it off first",
            lambda scores, mean, std: scores / std,
        ),
        Misconception(
            "multiplied",
            "it multiplies by the standard deviation: large units would become larger still. Divide",
            lambda scores, mean, std: (scores - mean) * std,
        ),
        Misconception(
            "sign",
            "the sign is the wrong way round: a score above the mean must come out positive. It is scores minus mean",
            lambda scores, mean, std: (mean - scores) / std,
        ),
        Misconception(
            "added",
            "the mean is added: then the given mean does not become 0. Take it off",
            (
                lambda scores, mean, std: (scores + mean) / std,
                lambda scores, mean, std: scores / std + mean,
                lambda scores, mean, std: (scores - mean) / std + mean,
            ),
        ),
        Misconception(
            "no sign",
            "the sign is lost: a score below the mean must come out negative",
            (
                lambda scores, mean, std: (scores - mean).abs() / std,
                lambda scores, mean, std: ((scores - mean) / std).clamp(min=0),
            ),
        ),
        Misconception(
            "squashed",
            "it squeezes or cuts the scores besides: only the zero and the unit change, and every score may be as "
            "large as it is",
            (
                lambda scores, mean, std: ((scores - mean) / std).sigmoid(),
                lambda scores, mean, std: ((scores - mean) / std).tanh(),
                *(
                    lambda scores, mean, std, most=most: ((scores - mean) / std).clamp(-most, most)
                    for most in (1.0, 2.0, 3.0, 5.0, 10.0)
                ),
            ),
        ),
        Misconception(
            "smallest and largest",
            "it scales by the smallest and the largest score at hand: use the mean and the standard deviation given",
            lambda scores, mean, std: (scores - scores.min()) / (scores.max() - scores.min()),
        ),
        Misconception(
            "divided by the mean",
            "the two numbers are exchanged: take off the mean, and divide by the standard deviation",
            (lambda scores, mean, std: (scores - std) / mean, lambda scores, mean, std: (scores - mean) / mean),
        ),
        Misconception(
            "added to the unit",
            "a number is added to the standard deviation: it is given and not 0, so divide by it as it is",
            tuple(
                lambda scores, mean, std, more=more: (scores - mean) / (std + more) for more in (1.0, 0.1, 0.01, 1e-3)
            ),
        ),
        Misconception(
            "undone",
            "that is the way back, from normalized scores to raw ones",
            lambda scores, mean, std: scores * std + mean,
        ),
    ),
)
