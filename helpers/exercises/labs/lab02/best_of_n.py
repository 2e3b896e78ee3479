"""Exercises of lab 02: best of n, and its KL divergence."""

from __future__ import annotations

import math

import numpy as np

from ....formulas import best_of_n
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _samples(rng: np.random.Generator) -> list[Arguments]:
    def samples(prompts: int, drawn: int, n: int) -> Arguments:
        scores = normal(rng, prompts, drawn, scale=2)
        scores[0, int(rng.integers(n, drawn)) if n < drawn else 0] += 20  # the best of all is not among the first n
        return {"scores": scores, "n": n}

    return [samples(5, 8, 3), samples(3, 6, 4), samples(4, 5, 1), samples(6, 4, 4)]


BEST_OF_N = Exercise(
    name="best_of_n",
    title="Draw n, keep the best",
    minutes=5,
    difficulty=1,
    deliver="Each prompt's index of the highest score among its first n samples, (prompts, samples) -> (prompts,).",
    reference=best_of_n.best_of_n,
    cases=_samples,
    hints=(
        "Rows are prompts, columns are samples: keep the first n columns.",
        "`argmax` gives the place of the highest score, `max` the score itself.",
        "Along which dimension are the samples of one prompt?",
    ),
    misconceptions=(
        Misconception(
            "all samples",
            "it looks at all the samples: with n = 1 there is nothing to choose",
            lambda scores, n: scores.argmax(dim=1),
        ),
        Misconception(
            "score",
            "those are the highest scores, not where they are: the text to keep is found by its index",
            lambda scores, n: scores[:, :n].max(dim=1).values,
        ),
        Misconception(
            "across prompts",
            "it compares the prompts with one another, sample by sample: the best of n is chosen for each prompt, "
            "among "
            "its own samples",
            lambda scores, n: scores[:, :n].argmax(dim=0),
        ),
        Misconception(
            "one for all",
            "it finds one winner in the whole table: every prompt needs its own",
            lambda scores, n: scores[:, :n].argmax(),
        ),
        Misconception(
            "worst",
            "that is the sample with the *lowest* score",
            lambda scores, n: scores[:, :n].argmin(dim=1),
        ),
    ),
)


BEST_OF_N_KL = Exercise(
    name="best_of_n_kl",
    title="How far from the model is its best?",
    minutes=5,
    difficulty=1,
    deliver="log n - (n - 1) / n, in nats: at most so far is the best of n samples from the model that drew them.",
    reference=best_of_n.best_of_n_kl,
    cases=lambda rng: [{"n": int(n)} for n in (1, rng.integers(2, 6), rng.integers(6, 30), rng.integers(100, 5000))],
    hints=(
        "With n = 1 nothing is chosen, so the distance must be 0.",
        "Nats take the natural logarithm: `math.log`.",
        "Mind the brackets: the whole of n - 1 is divided by n.",
    ),
    misconceptions=(
        Misconception(
            "log only",
            "log n alone would hold if the best of n always came from the best 1/n of all texts; often it does not, "
            "and the last term takes that back",
            lambda n: math.log(n),
        ),
        Misconception(
            "base 2",
            "that is partly in bits: a KL penalty is in nats, so take the natural logarithm",
            lambda n: math.log2(n) - (n - 1) / n,
        ),
        Misconception(
            "base 10",
            "it takes the logarithm to base 10: nats take the natural one",
            lambda n: math.log10(n) - (n - 1) / n,
        ),
        Misconception(
            "brackets",
            "only 1 is divided by n here: with n = 1 the distance must be 0",
            lambda n: math.log(n) - n - 1 / n,
        ),
        Misconception(
            "sign",
            "the second term is added: for n = 2 that is 1.19, more than log 2 = 0.69, which no choice between two "
            "samples can reach",
            lambda n: math.log(n) + (n - 1) / n,
        ),
    ),
)
