"""Exercises of lab 04: temperature and nucleus sampling."""

from __future__ import annotations

from collections.abc import Callable

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
        {"logits": normal(rng, 5) + torch.tensor([200.0, 200, 0, -200, 199]), "temperature": 0.8},
    ]


TEMPERATURE_PROBABILITIES = Exercise(
    name="temperature_probabilities",
    title="Temperature",
    minutes=5,
    difficulty=1,
    deliver="Next-token probabilities: the softmax of logits / temperature over the last axis.",
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
            "the logits are multiplied: a high temperature then makes the favorite *more* probable. Divide",
            lambda logits, temperature: (logits * temperature).softmax(-1),
        ),
        Misconception(
            "after softmax",
            "it divides the probabilities, which then no longer sum to 1: divide the logits, before the softmax",
            lambda logits, temperature: logits.softmax(-1) / temperature,
        ),
        Misconception(
            "no effect",
            "the temperature has no effect: dividing all probabilities by it, and by their sum, gives them back. "
            "Divide the logits",
            lambda logits, temperature: logits.softmax(-1),
        ),
        Misconception(
            "not renormalized",
            "the proportions are right, but the sum is not 1",
            lambda logits, temperature: logits.softmax(-1) ** (1 / temperature),
        ),
        Misconception(
            "overflow",
            "right for small logits, but exp(250) is infinite in float32 and ends as NaN: use softmax, which subtracts "
            "the maximum first",
            lambda logits, temperature: (
                (logits / temperature).exp() / (logits / temperature).exp().sum(-1, keepdim=True)
            ),
        ),
        Misconception(
            "first axis",
            "in a batch the columns sum to 1, not the rows: the vocabulary is on the last axis",
            lambda logits, temperature: (logits / temperature).softmax(0),
        ),
    ),
)  # fmt: skip


def _nuclei(rng: np.random.Generator) -> list[Arguments]:
    """Shuffled probabilities and thresholds that fall in the middle of a token."""
    cases = []
    for size, scale, crossing in ((8, 1.0, 3), (30, 2.0, 5), (5, 0.3, 2), (6, 1.0, 0), (7, 1.0, 6)):
        probabilities = normal(rng, size, scale=scale).softmax(0)
        if crossing == 0:  # one token that holds more than p by itself
            probabilities = 0.1 * probabilities
            probabilities[int(rng.integers(1, size))] += 0.9
        held = probabilities.sort(descending=True).values.cumsum(0)
        before = float(held[crossing - 1]) if crossing else 0.0
        cases.append({"probabilities": probabilities, "p": before + 0.6 * (float(held[crossing]) - before)})
    return cases


def _nucleus(probabilities: Tensor, keep: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The tokens that `keep` chooses by their falling probabilities and by how much is held with each, renormalized."""
    ordered, order = probabilities.sort(descending=True)
    kept = torch.zeros_like(probabilities)
    kept[order] = ordered * keep(ordered, ordered.cumsum(0))
    return kept / kept.sum()


def _first(mask: Tensor) -> Tensor:
    return mask | (torch.arange(len(mask)) == 0)


def _least_probable(probabilities: Tensor, p: float) -> Tensor:
    ordered, order = probabilities.sort()
    kept = torch.zeros_like(probabilities)
    kept[order] = ordered * (ordered.cumsum(0) - ordered < p)
    return kept / kept.sum()


def _in_falling_order(probabilities: Tensor, p: float) -> Tensor:
    ordered = probabilities.sort(descending=True).values
    kept = ordered * (ordered.cumsum(0) - ordered < p)
    return kept / kept.sum()


def _as_they_were(probabilities: Tensor, p: float) -> Tensor:
    return probabilities * (_nucleus(probabilities, lambda ordered, held: held - ordered < p) > 0)


TOP_P = Exercise(
    name="top_p",
    title="Nucleus sampling",
    minutes=12,
    difficulty=3,
    deliver="The fewest most probable tokens that hold at least p, scaled to sum 1, each in its place; all others 0.",
    reference=decoding.top_p,
    cases=_nuclei,
    hints=(
        "Sort from most to least probable and sum up as you go. Which is the first token that you no longer need?",
        "A token stays if those before it hold less than p together. So the one that crosses p stays, and the first "
        "one always.",
        "`ordered, order = probabilities.sort(descending=True)`; `kept[order] = ...` writes each back to its place. "
        "Last, divide by the sum.",
    ),
    misconceptions=(
        Misconception(
            "not renormalized",
            "the right tokens stay, but their probabilities no longer sum to 1: divide by what is left",
            _as_they_were,
        ),
        Misconception(
            "crossing",
            "the token that crosses p is cut away, so less than p is held; and where the first token alone holds more, "
            "nothing is left and 0 / 0 is NaN. Keep it",
            lambda probabilities, p: _nucleus(probabilities, lambda _, held: held <= p),
        ),
        Misconception(
            "crossing, not first",
            "the token that crosses p is cut away (unless it is the first): the ones that stay hold less than p",
            lambda probabilities, p: _nucleus(probabilities, lambda _, held: _first(held <= p)),
        ),
        Misconception(
            "nothing left",
            "right but for one case: where the first token alone holds more than p, nothing is left. The first one "
            "always stays",
            lambda probabilities, p: _nucleus(
                probabilities,
                lambda ordered, held: (held - ordered < p) & ~((torch.arange(len(held)) == 0) & (ordered > p)),
            ),
        ),
        Misconception(
            "order",
            "the result is in falling order: its first entry is no longer that of token 0. Put each back in its place",
            _in_falling_order,
        ),
        Misconception(
            "least probable",
            "it keeps the *least* probable tokens: sort with descending=True",
            _least_probable,
        ),
        Misconception(
            "threshold",
            "it compares each token's own probability with p; top-p looks at what the tokens hold together",
            lambda probabilities, p: _nucleus(probabilities, lambda ordered, _: ordered >= p),
        ),
    ),
)
