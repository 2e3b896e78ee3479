"""Exercise of lab 01: the Bradley-Terry model."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _two_scores(rng: np.random.Generator) -> list[Arguments]:
    batches = [{"score_a": normal(rng, n, scale=2), "score_b": normal(rng, n, scale=2)} for n in (6, 3, 1)]
    high = torch.tensor([150.0, 149.0, 160.0]) + normal(rng, 3)  # exp overflows float32 beyond 88
    apart = {"score_a": torch.tensor([100.0, -60.0, 130.0, 0.5]), "score_b": torch.tensor([0.0, 60.0, 10.0, 0.5])}
    return [*batches, {"score_a": high, "score_b": high - normal(rng, 3)}, apart]


BRADLEY_TERRY_PROBABILITY = Exercise(
    name="bradley_terry_probability",
    title="From two scores to a probability",
    minutes=5,
    difficulty=1,
    deliver="The probability that a is preferred to b, for every entry of two tensors, right for scores of any size.",
    reference=objectives.bradley_terry_probability,
    cases=_two_scores,
    hints=(
        "Only the difference of the two scores counts, and which of the two comes first.",
        "The sigmoid turns any difference into a number between 0 and 1, and 0 into one half.",
        "`torch.sigmoid` works on whole tensors.",
    ),
    misconceptions=(
        Misconception(
            "ratio",
            "a ratio of raw scores: scores may be negative or 0, and adding 10 to both would change it. (It is right "
            "for exp(score), the strengths of the paper of 1952)",
            (
                lambda score_a, score_b: score_a / (score_a + score_b),
                lambda score_a, score_b: score_a.abs() / (score_a.abs() + score_b.abs()),
                lambda score_a, score_b: torch.sigmoid(score_a / score_b),
                lambda score_a, score_b: score_a / score_b,
            ),
        ),
        Misconception(
            "swapped",
            "the sign is turned round: that is the probability that b is preferred. The higher a scores, the likelier "
            "must a win",
            (
                lambda score_a, score_b: torch.sigmoid(score_b - score_a),
                lambda score_a, score_b: 1 / (1 + (score_a - score_b).exp()),
                lambda score_a, score_b: score_b.exp() / (score_a.exp() + score_b.exp()),
            ),
        ),
        Misconception(
            "no sigmoid",
            "that is the difference of the scores, which may be any number: a probability lies between 0 and 1",
            (lambda score_a, score_b: score_a - score_b, lambda score_a, score_b: score_b - score_a),
        ),
        Misconception(
            "certain",
            "the higher score always wins here, with probability 1 or 0: real choices are noisy, and the closer the "
            "scores the nearer to a coin. The sigmoid of the difference is smooth",
            (
                lambda score_a, score_b: (score_a > score_b).float(),
                lambda score_a, score_b: (score_a >= score_b).float(),
                lambda score_a, score_b: ((score_a - score_b).sign() + 1) / 2,
            ),
        ),
        Misconception(
            "cut",
            "the difference is cut to lie between 0 and 1: the sigmoid brings any difference there smoothly",
            (
                lambda score_a, score_b: (score_a - score_b).clamp(0, 1),
                lambda score_a, score_b: ((score_a - score_b + 1) / 2).clamp(0, 1),
                lambda score_a, score_b: (score_a - score_b + 1) / 2,
                lambda score_a, score_b: (score_a - score_b + 0.5).clamp(0, 1),
            ),
        ),
        Misconception(
            "clamped",
            "right for small differences, but it cuts large ones (clamp), so that they all get the same probability: "
            "torch.sigmoid needs no such care",
            tuple(
                lambda score_a, score_b, most=most: torch.sigmoid((score_a - score_b).clamp(-most, most))
                for most in (1.0, 3.0, 5.0)
            ),
        ),
        Misconception(
            "sigmoid of each",
            "it takes the sigmoid of each score and then compares: take the difference first, so that a constant added "
            "to both drops out",
            (
                lambda score_a, score_b: torch.sigmoid(score_a) - torch.sigmoid(score_b),
                lambda score_a, score_b: torch.sigmoid(score_a) / (torch.sigmoid(score_a) + torch.sigmoid(score_b)),
                lambda score_a, score_b: torch.sigmoid(score_a) * (1 - torch.sigmoid(score_b)),
                lambda score_a, score_b: torch.sigmoid(torch.sigmoid(score_a) - torch.sigmoid(score_b)),
            ),
        ),
        Misconception(
            "one score",
            "it uses the score of one text only: what counts is the difference of the two",
            (
                lambda score_a, score_b: torch.sigmoid(score_a),
                lambda score_a, score_b: torch.sigmoid(score_b),
            ),
        ),
        Misconception(
            "sum or product",
            "it adds or multiplies the scores: what counts is their difference, score_a - score_b",
            (
                lambda score_a, score_b: torch.sigmoid(score_a + score_b),
                lambda score_a, score_b: torch.sigmoid(score_a * score_b),
            ),
        ),
        Misconception(
            "size of the difference",
            "it uses the size of the difference without its sign, so no probability is below one half: a may have the "
            "lower score",
            lambda score_a, score_b: torch.sigmoid((score_a - score_b).abs()),
        ),
        Misconception(
            "overflow",
            "right for small scores, but exp(100) is infinite in float32, and infinity / infinity is NaN: take "
            "torch.sigmoid of the difference",
            (
                lambda score_a, score_b: score_a.exp() / (score_a.exp() + score_b.exp()),
                lambda score_a, score_b: (score_a - score_b).exp() / (1 + (score_a - score_b).exp()),
                lambda score_a, score_b: 1 / (1 + score_b.exp() / score_a.exp()),
            ),
        ),
        Misconception(
            "odds",
            "that is the odds, exp of the difference, which may be above 1: a probability is odds / (1 + odds), the "
            "sigmoid of the difference",
            (
                lambda score_a, score_b: (score_a - score_b).exp(),
                lambda score_a, score_b: score_a.exp() / score_b.exp(),
            ),
        ),
        Misconception(
            "log",
            "that is the log of the probability, or the loss: return the probability itself",
            (
                lambda score_a, score_b: F.logsigmoid(score_a - score_b),
                lambda score_a, score_b: torch.sigmoid(score_a - score_b).log(),
                lambda score_a, score_b: -F.logsigmoid(score_a - score_b),
                lambda score_a, score_b: -F.logsigmoid(score_a - score_b).mean(),
            ),
        ),
        Misconception(
            "tanh",
            "that is tanh, which runs from -1 to 1: a probability runs from 0 to 1, and is one half for equal scores",
            (
                lambda score_a, score_b: (score_a - score_b).tanh(),
                lambda score_a, score_b: ((score_a - score_b) / 2).tanh(),
                lambda score_a, score_b: ((score_a - score_b).tanh() + 1) / 2,
                lambda score_a, score_b: 2 * torch.sigmoid(score_a - score_b) - 1,
            ),
        ),
        Misconception(
            "other scale",
            "it takes powers of 10, or Elo's 400: the scores here are log-odds with base e",
            (
                lambda score_a, score_b: 1 / (1 + 10 ** (score_b - score_a)),
                lambda score_a, score_b: 1 / (1 + 10 ** ((score_b - score_a) / 400)),
                lambda score_a, score_b: 1 / (1 + 2 ** (score_b - score_a)),
                lambda score_a, score_b: torch.sigmoid((score_a - score_b) / 400),
                lambda score_a, score_b: torch.sigmoid((score_a - score_b) / 2),
            ),
        ),
        Misconception(
            "normal curve",
            "that is the normal distribution's curve (Thurstone's model): Bradley and Terry's is the sigmoid",
            (
                lambda score_a, score_b: torch.special.ndtr(score_a - score_b),
                lambda score_a, score_b: torch.special.ndtr((score_a - score_b) / 2**0.5),
            ),
        ),
        Misconception(
            "over the batch",
            "the softmax runs over the pairs of the batch: each pair is on its own, a against b",
            (
                lambda score_a, score_b: torch.softmax(score_a - score_b, dim=0),
                lambda score_a, score_b: torch.softmax(score_a, dim=0),
                lambda score_a, score_b: score_a.exp() / (score_a.exp() + score_b.exp()).sum(),
                lambda score_a, score_b: torch.softmax(torch.stack([score_a, score_b]), dim=-1)[0],
            ),
        ),
        Misconception(
            "both",
            "it returns the probabilities of a and of b together: only that of a is asked for",
            (
                lambda score_a, score_b: torch.softmax(torch.stack([score_a, score_b]), dim=0),
                lambda score_a, score_b: torch.softmax(torch.stack([score_a, score_b], dim=-1), dim=-1),
            ),
        ),
        Misconception(
            "averaged",
            "it averages over the pairs: return one probability for each",
            (
                lambda score_a, score_b: torch.sigmoid(score_a - score_b).mean(),
                lambda score_a, score_b: torch.sigmoid((score_a - score_b).mean()),
                lambda score_a, score_b: torch.sigmoid(score_a.mean() - score_b.mean()),
            ),
        ),
        Misconception(
            "rounded",
            "it rounds the probabilities: return them as they are",
            (
                lambda score_a, score_b: (torch.sigmoid(score_a - score_b) * 100).round() / 100,
                lambda score_a, score_b: (torch.sigmoid(score_a - score_b) * 10).round() / 10,
            ),
        ),
    ),
)
