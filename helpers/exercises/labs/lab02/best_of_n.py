"""Exercises of lab 02: best of n, and its KL divergence."""

from __future__ import annotations

import math

import numpy as np
import torch

from ....formulas import best_of_n
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _samples(rng: np.random.Generator) -> list[Arguments]:
    def samples(prompts: int, drawn: int, n: int) -> Arguments:
        scores = normal(rng, prompts, drawn, scale=2)
        scores[0, int(rng.integers(n, drawn)) if n < drawn else 0] += 20  # the best of all is not among the first n
        return {"scores": scores, "n": n}

    below_zero = torch.tensor([[-9.0, -4.0, -2.0, -7.0], [-8.0, -3.0, -5.0, -1.0]])
    random = [samples(5, 8, 3), samples(3, 6, 4), samples(4, 5, 1), samples(6, 4, 4)]
    return [*random, {"scores": below_zero, "n": 3}]


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
            "it looks at all the samples, and not only at the first n: with n = 1 there is nothing to choose",
            (lambda scores, n: scores.argmax(dim=1), lambda scores, n: scores.max(dim=1).values),
        ),
        Misconception(
            "score",
            "those are the highest scores, not where they are: the text to keep is found by its index",
            (
                lambda scores, n: scores[:, :n].max(dim=1).values,
                lambda scores, n: scores[:, :n].max(dim=1, keepdim=True).values,
                lambda scores, n: scores[:, :n].max(),
            ),
        ),
        Misconception(
            "score and index",
            "`max(dim=...)` gives two things, the highest scores and their indices: only the indices are asked for",
            lambda scores, n: tuple(scores[:, :n].max(dim=1)),
        ),
        Misconception(
            "across prompts",
            "it compares the prompts with one another, sample by sample: the best of n is chosen for each prompt, "
            "among its own samples",
            (
                lambda scores, n: scores[:, :n].argmax(dim=0),
                lambda scores, n: scores.argmax(dim=0),
                lambda scores, n: scores.argmax(dim=0)[:n],
                lambda scores, n: scores[:n].argmax(dim=0),
            ),
        ),
        Misconception(
            "first prompts",
            "it keeps the first n *prompts*: prompts are the rows. Keep the first n columns, `scores[:, :n]`",
            lambda scores, n: scores[:n].argmax(dim=1),
        ),
        Misconception(
            "one for all",
            "it finds one winner in the whole table: every prompt needs its own",
            (
                lambda scores, n: scores[:, :n].argmax(),
                lambda scores, n: scores.argmax(),
                lambda scores, n: scores[:, :n].argmax() % n,
                lambda scores, n: scores[:, :n].mean(0).argmax(),
            ),
        ),
        Misconception(
            "worst",
            "that is the sample with the *lowest* score",
            (
                lambda scores, n: scores[:, :n].argmin(dim=1),
                lambda scores, n: scores[:, :n].min(dim=1).values,
                lambda scores, n: scores.argmin(dim=1),
            ),
        ),
        Misconception(
            "last n",
            "it takes the last n samples: take the first n, `scores[:, :n]`",
            (
                lambda scores, n: scores[:, -n:].argmax(dim=1),
                lambda scores, n: scores[:, -n:].argmax(dim=1) + scores.shape[1] - n,
                lambda scores, n: scores[:, n:].argmax(dim=1) if n < scores.shape[1] else scores[:, :n].argmax(dim=1),
            ),
        ),
        Misconception(
            "one sample off",
            "it takes one sample too many or too few: the first n are `scores[:, :n]`, samples 0 to n - 1",
            (
                lambda scores, n: scores[:, : n + 1].argmax(dim=1),
                lambda scores, n: scores[:, : max(n - 1, 1)].argmax(dim=1),
                lambda scores, n: scores[:, : n - 1].argmax(dim=1),
                lambda scores, n: scores[:, 1 : n + 1].argmax(dim=1),
                lambda scores, n: scores[:, 1:n].argmax(dim=1),
                lambda scores, n: scores[:, 1:n].argmax(dim=1) + 1,
            ),
        ),
        Misconception(
            "counted from 1",
            "the samples are counted from 1: an index counts from 0, so that `texts[index]` is the one to keep",
            lambda scores, n: scores[:, :n].argmax(dim=1) + 1,
        ),
        Misconception(
            "n best",
            "those are the indices of several samples for each prompt: only the best one is kept",
            (
                lambda scores, n: scores.topk(n, dim=1).indices,
                lambda scores, n: scores[:, :n].argsort(dim=1, descending=True),
                lambda scores, n: scores[:, :n].argsort(dim=1),
                lambda scores, n: scores.argsort(dim=1, descending=True)[:, :n],
            ),
        ),
        Misconception(
            "n-th best",
            "that is the n-th best sample: n says among how many the best is chosen",
            (
                lambda scores, n: scores.argsort(dim=1, descending=True)[:, n - 1],
                lambda scores, n: scores.argsort(dim=1)[:, n - 1],
            ),
        ),
        Misconception(
            "absolute score",
            "it compares the scores without their sign: a score of -9 is worse than one of 2",
            lambda scores, n: scores[:, :n].abs().argmax(dim=1),
        ),
        Misconception(
            "negative scores",
            "right where a score is above 0, but the best of only negative scores is not found: begin with the first "
            "score (or with -infinity), not with 0",
            (
                lambda scores, n: scores[:, :n].clamp(min=0).argmax(dim=1),
                lambda scores, n: scores[:, :n].argmax(dim=1).where((scores[:, :n] > 0).any(dim=1), -1),
            ),
        ),
        Misconception(
            "a column",
            "the right indices, but in the shape (prompts, 1): one number for each prompt, (prompts,), is asked for",
            lambda scores, n: scores[:, :n].argmax(dim=1, keepdim=True),
        ),
    ),
)


BEST_OF_N_KL = Exercise(
    name="best_of_n_kl",
    title="How far from the model is its best?",
    minutes=5,
    difficulty=1,
    deliver="A number of nats, 0 for n = 1: at most so far is the best of n samples from the model that drew them.",
    reference=best_of_n.best_of_n_kl,
    cases=lambda rng: [
        {"n": int(n)} for n in (1, rng.integers(3, 6), rng.integers(6, 30), rng.integers(100, 5000), 2, 256)
    ],
    hints=(
        "With n = 1 nothing is chosen, so the distance must be 0.",
        "Nats take the natural logarithm: `math.log`.",
        "Mind the brackets: the whole of n - 1 is divided by n.",
    ),
    misconceptions=(
        Misconception(
            "log only",
            "the second term is missing: log n alone "
            "would hold if the best of n always came from the best 1/n of all texts; often it does not, "
            "and the last term takes that back. (With `//` that term is always 0: divide with `/`.)",
            lambda n: math.log(n),
        ),
        Misconception(
            "base 2",
            "that is in bits, wholly or partly: a KL penalty is in nats, so take the natural logarithm",
            (
                lambda n: math.log2(n) - (n - 1) / n,
                lambda n: math.log2(n),
                lambda n: (math.log(n) - (n - 1) / n) / math.log(2),
            ),
        ),
        Misconception(
            "base 10",
            "it takes the logarithm to base 10: nats take the natural one",
            (
                lambda n: math.log10(n) - (n - 1) / n,
                lambda n: math.log10(n),
                lambda n: (math.log(n) - (n - 1) / n) / math.log(10),
            ),
        ),
        Misconception(
            "brackets",
            "the brackets are elsewhere than in the formula: the whole of n - 1, and nothing else, is divided by n. "
            "With n = 1 the distance must be 0",
            (
                lambda n: math.log(n) - n - 1 / n,
                lambda n: math.log(n) - n - 1,
                lambda n: math.log(n) - (n - 1 / n),
                lambda n: (math.log(n) - (n - 1)) / n,
                lambda n: (math.log(n) - n - 1) / n,
                lambda n: (math.log(n) - n + 1) / n,
            ),
        ),
        Misconception(
            "sign",
            "the second term is added: for n = 2 that is 1.19, more than log 2 = 0.69, which no choice between two "
            "samples can reach",
            lambda n: math.log(n) + (n - 1) / n,
        ),
        Misconception(
            "turned round",
            "the two terms are exchanged: a KL divergence is never negative",
            lambda n: (n - 1) / n - math.log(n),
        ),
        Misconception(
            "n + 1",
            "the second term has n + 1 above the line: it is n - 1, so that n = 1 gives 0",
            (lambda n: math.log(n) - (n + 1) / n, lambda n: math.log(n) - 1 - 1 / n),
        ),
        Misconception(
            "other fraction",
            "the second term is another fraction: it is (n - 1) / n, the share of the samples that are not kept",
            (
                lambda n: math.log(n) - 1 / n,
                lambda n: math.log(n) - n / (n - 1),
                lambda n: math.log(n) - (n - 1),
                lambda n: math.log(n) - 1,
                lambda n: math.log(n) - (n - 1) / (n + 1),
                lambda n: math.log(n) - n / (n + 1),
                lambda n: math.log(n) - (n - 1) / 2,
                lambda n: math.log(n) - (n - 1) * n,
            ),
        ),
        Misconception(
            "fraction only",
            "the logarithm of n is missing",
            (lambda n: (n - 1) / n, lambda n: -(n - 1) / n),
        ),
        Misconception(
            "other logarithm",
            "it takes the logarithm of another number than n",
            (
                lambda n: math.log(n + 1) - (n - 1) / n,
                lambda n: math.log(n - 1) - (n - 1) / n,
                lambda n: math.log((n - 1) / n),
                lambda n: -math.log((n - 1) / n),
                lambda n: math.log(n - (n - 1) / n),
                lambda n: math.log(1 / n) - (n - 1) / n,
            ),
        ),
        Misconception(
            "multiplied",
            "the two terms are multiplied: subtract the second",
            (lambda n: math.log(n) * (n - 1) / n, lambda n: n * math.log(n) - (n - 1)),
        ),
        Misconception(
            "scaled",
            "n stands before the logarithm: it is the logarithm of n by itself",
            (
                lambda n: n * math.log(n) - (n - 1) / n,
                lambda n: math.log(n) / n,
            ),
        ),
        Misconception(
            "rounded",
            "it rounds: a distance in nats is no whole number, so leave the decimals",
            (
                lambda n: round(math.log(n) - (n - 1) / n),
                lambda n: round(math.log(n) - (n - 1) / n, 1),
                lambda n: round(math.log(n) - (n - 1) / n, 2),
                lambda n: int(math.log(n) - (n - 1) / n),
            ),
        ),
    ),
)
