"""Exercise of lab 04: temperature."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ....formulas import decoding
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _logits_at_temperatures(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"logits": normal(rng, 8, scale=2), "temperature": float(rng.uniform(0.3, 0.7))},
        {"logits": normal(rng, 3, 6, scale=2), "temperature": float(rng.uniform(1.4, 2.5))},
        {"logits": normal(rng, 4, 4, scale=2), "temperature": 0.7},  # as many rows as tokens
        {"logits": torch.tensor([2.0, -1.0, 0.5, 3.0]), "temperature": 0.05},
        {"logits": normal(rng, 5) + torch.tensor([200.0, 200, 0, -200, 199]), "temperature": 0.8},
    ]


def _exponentials(scaled: Tensor, axis: int = -1) -> Tensor:
    return scaled.exp() / scaled.exp().sum(axis, keepdim=True)


def _powers_of_exponentials(logits: Tensor, temperature: float) -> Tensor:
    powers = logits.exp() ** (1 / temperature)
    return powers / powers.sum(-1, keepdim=True)


def _shifted(scaled: Tensor) -> Tensor:
    return scaled - scaled.max()


TEMPERATURE_PROBABILITIES = Exercise(
    name="temperature_probabilities",
    title="Temperature",
    minutes=5,
    difficulty=1,
    deliver="Next-token probabilities, in the shape of the logits: along the last axis they sum to 1, however large "
    "the logits are.",
    reference=decoding.temperature_probabilities,
    cases=_logits_at_temperatures,
    hints=(
        "A temperature near 0 must leave the most probable token alone. Do you divide or multiply the logits?",
        "Divide first, then softmax: dividing probabilities cannot change their proportions.",
        "`tensor.softmax(dim=-1)` takes care of the sum and of large logits.",
    ),
    misconceptions=(
        Misconception(
            "multiplied",
            "the logits are multiplied (or the probabilities raised to the power T): a high temperature then makes "
            "the favorite *more* probable. Divide",
            (
                lambda logits, temperature: (logits * temperature).softmax(-1),
                lambda logits, temperature: _exponentials(logits * temperature),
            ),
        ),
        Misconception(
            "after softmax",
            "it divides the probabilities, which then no longer sum to 1: divide the logits, before the softmax",
            (
                lambda logits, temperature: logits.softmax(-1) / temperature,
                lambda logits, temperature: logits.softmax(-1) * temperature,
            ),
        ),
        Misconception(
            "no effect",
            "the temperature has no effect: dividing all probabilities by it, and by their sum, gives them back. "
            "(Taken off all logits it cancels, too.) Divide the logits",
            (
                lambda logits, temperature: logits.softmax(-1),
                lambda logits, temperature: _exponentials(logits),
                lambda logits, temperature: _exponentials(logits - temperature),
            ),
        ),
        Misconception(
            "not renormalized",
            "the proportions are right, but the sum is not 1",
            (
                lambda logits, temperature: logits.softmax(-1) ** (1 / temperature),
                lambda logits, temperature: (logits / temperature).exp(),
            ),
        ),
        Misconception(
            "power, not renormalized",
            "the probabilities are raised to the power T and do not sum to 1: divide the logits by the temperature, "
            "then take the softmax",
            lambda logits, temperature: logits.softmax(-1) ** temperature,
        ),
        Misconception(
            "no softmax",
            "those are divided logits, not probabilities: the softmax is missing",
            (lambda logits, temperature: logits / temperature, lambda logits, temperature: logits * temperature),
        ),
        Misconception(
            "log-probabilities",
            "those are log-probabilities, which are negative: take softmax, not log_softmax (or `exp` of it)",
            (
                lambda logits, temperature: (logits / temperature).log_softmax(-1),
                lambda logits, temperature: logits.log_softmax(-1) / temperature,
                lambda logits, temperature: (logits / temperature).softmax(-1).log(),
                lambda logits, temperature: (logits / temperature).log_softmax(0),
            ),
        ),
        Misconception(
            "softmax twice",
            "it takes the softmax twice: the probabilities come out almost equal. Divide the logits, then one softmax",
            (
                lambda logits, temperature: (logits.softmax(-1) / temperature).softmax(-1),
                lambda logits, temperature: (logits / temperature).softmax(-1).softmax(-1),
            ),
        ),
        Misconception(
            "overflow",
            "right for small logits, but exp(250) is infinite in float32 and ends as NaN: use softmax, which subtracts "
            "the maximum first",
            (
                lambda logits, temperature: _exponentials(logits / temperature),
                lambda logits, temperature: _powers_of_exponentials(logits, temperature),
            ),
        ),
        Misconception(
            "first axis",
            "in a batch the columns sum to 1, not the rows: the vocabulary is on the last axis",
            (
                lambda logits, temperature: (logits / temperature).softmax(0),
                lambda logits, temperature: _exponentials(logits / temperature, 0),
                lambda logits, temperature: (logits * temperature).softmax(0),
            ),
        ),
        Misconception(
            "one sum for all",
            "in a batch *all* numbers together sum to 1: every row is a distribution of its own, so sum over the last "
            "axis (`dim=-1, keepdim=True`)",
            (
                lambda logits, temperature: (logits / temperature).flatten().softmax(0).reshape(logits.shape),
                lambda logits, temperature: (logits / temperature).exp() / (logits / temperature).exp().sum(),
            ),
        ),
        Misconception(
            "sum along the wrong axis",
            "in a batch each row is divided by the sum of another one: keep the summed axis (`keepdim=True`), so that "
            "every row meets its own sum",
            (
                lambda logits, temperature: (logits / temperature).exp() / (logits / temperature).exp().sum(-1),
                lambda logits, temperature: (
                    _shifted(logits / temperature).exp() / _shifted(logits / temperature).exp().sum(-1)
                ),
            ),
        ),
        Misconception(
            "sign",
            "the sign is lost: the token with the *lowest* logit comes out as the most probable one",
            lambda logits, temperature: (-logits / temperature).softmax(-1),
        ),
        Misconception(
            "squared temperature",
            "the temperature is squared, or its root is taken: divide by the temperature itself",
            (
                lambda logits, temperature: (logits / temperature**2).softmax(-1),
                lambda logits, temperature: (logits / temperature**0.5).softmax(-1),
            ),
        ),
        Misconception(
            "other base",
            "it takes powers of another number than e: the softmax takes `exp`",
            (
                lambda logits, temperature: (logits / temperature * math.log(2)).softmax(-1),
                lambda logits, temperature: (logits / temperature * math.log(10)).softmax(-1),
            ),
        ),
        Misconception(
            "sigmoid",
            "a sigmoid looks at each token by itself, and the sum is not 1: take the softmax",
            lambda logits, temperature: (logits / temperature).sigmoid(),
        ),
        Misconception(
            "divided by their sum",
            "it divides the logits by their sum, without `exp`: logits may be negative, and a probability may not",
            lambda logits, temperature: (logits / temperature) / (logits / temperature).sum(-1, keepdim=True),
        ),
        Misconception(
            "favorite only",
            "only the most probable token is left: that is the limit for temperature 0",
            lambda logits, temperature: torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float(),
        ),
    ),
)
