"""Exercise of lab 04: nucleus sampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ....formulas import decoding
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


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
    exact = torch.tensor([0.125, 0.5, 0.0625, 0.25, 0.0625])  # whose sums are exact in float32
    return [*cases, *({"probabilities": exact, "p": p} for p in (0.75, 0.5, 0.875, 1.0, 0.4))]


def _kept(probabilities: Tensor, keep: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The tokens that `keep` chooses, with their probabilities as they are."""
    ordered, order = probabilities.sort(descending=True)
    kept = torch.zeros_like(probabilities)
    kept[order] = ordered * keep(ordered, ordered.cumsum(0))
    return kept


def _whole_if_empty(probabilities: Tensor, keep: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    kept = _kept(probabilities, keep)
    return kept / kept.sum() if kept.any() else kept


def _scaled(kept: Tensor) -> Tensor:
    return kept / kept.sum()


def _one_more(mask: Tensor) -> Tensor:
    return mask | torch.cat([torch.tensor([True]), mask[:-1]])


def _result(probabilities: Tensor, p: float) -> Tensor:
    return _nucleus(probabilities, lambda ordered, held: held - ordered < p)


def _mass(probabilities: Tensor, p: float) -> Tensor:
    return _as_they_were(probabilities, p).sum()


def _by_place(probabilities: Tensor, p: float) -> Tensor:
    order = probabilities.argsort(descending=True)
    places = torch.zeros_like(probabilities)
    places[order.argsort()] = _in_falling_order(probabilities, p)
    return places


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
            (_as_they_were, lambda probabilities, p: _as_they_were(probabilities, p) / p),
        ),
        Misconception(
            "crossing",
            "the token that crosses p is cut away, so less than p is held; and where the first token alone holds more, "
            "nothing is left and 0 / 0 is NaN. Keep it",
            (
                lambda probabilities, p: _nucleus(probabilities, lambda _, held: held <= p),
                lambda probabilities, p: _nucleus(probabilities, lambda _, held: held < p),
                lambda probabilities, p: _kept(probabilities, lambda _, held: held <= p),
                lambda probabilities, p: _kept(probabilities, lambda _, held: held < p),
            ),
        ),
        Misconception(
            "crossing, not first",
            "the token that crosses p is cut away (unless it is the first): the ones that stay hold less than p",
            (
                lambda probabilities, p: _nucleus(probabilities, lambda _, held: _first(held <= p)),
                lambda probabilities, p: _nucleus(probabilities, lambda _, held: _first(held < p)),
                lambda probabilities, p: _kept(probabilities, lambda _, held: _first(held <= p)),
                lambda probabilities, p: _whole_if_empty(probabilities, lambda _, held: held <= p),
                lambda probabilities, p: _whole_if_empty(probabilities, lambda _, held: held < p),
            ),
        ),
        Misconception(
            "nothing left",
            "right but for one case: where the first token alone holds more than p, nothing is left. The first one "
            "always stays",
            tuple(
                lambda probabilities, p, equal=equal: _nucleus(
                    probabilities,
                    lambda ordered, held: (
                        (held - ordered < p)
                        & ~((torch.arange(len(held)) == 0) & ((ordered >= p) if equal else (ordered > p)))
                    ),
                )
                for equal in (False, True)
            ),
        ),
        Misconception(
            "exact p",
            "right but for one case: where the tokens hold exactly p, it takes one more. They are enough then: a token "
            "stays only if those before it hold *less* than p",
            lambda probabilities, p: _nucleus(probabilities, lambda ordered, held: held - ordered <= p),
        ),
        Misconception(
            "one too many",
            "it keeps one token too many, the one after the token that crosses p: stop as soon as p is held",
            (
                lambda probabilities, p: _nucleus(probabilities, lambda ordered, held: _one_more(held - ordered < p)),
                lambda probabilities, p: _nucleus(probabilities, lambda ordered, held: _one_more(held - ordered <= p)),
            ),
        ),
        Misconception(
            "order",
            "the result is in falling order: its first entry is no longer that of token 0. Put each back in its place",
            (
                _in_falling_order,
                lambda probabilities, p: _in_falling_order(probabilities, p)[_in_falling_order(probabilities, p) > 0],
                lambda probabilities, p: _in_falling_order(probabilities, p) * _mass(probabilities, p),
            ),
        ),
        Misconception(
            "wrong way back",
            "the probabilities are put back into wrong places: `result[order]` reads them in sorted order once more. "
            "To write each to its place, `result[order] = sorted`",
            (
                lambda probabilities, p: _in_falling_order(probabilities, p)[probabilities.argsort(descending=True)],
                lambda probabilities, p: _by_place(probabilities, p),
            ),
        ),
        Misconception(
            "kept only",
            "it gives the tokens that stay alone: the result has the length of the vocabulary, with 0 for all others",
            (
                lambda probabilities, p: _result(probabilities, p)[_result(probabilities, p) > 0],
                lambda probabilities, p: _as_they_were(probabilities, p)[_result(probabilities, p) > 0],
            ),
        ),
        Misconception(
            "mask or places",
            "it gives which tokens stay, not their probabilities: scale the probabilities of these to sum 1",
            (
                lambda probabilities, p: _result(probabilities, p) > 0,
                lambda probabilities, p: (_result(probabilities, p) > 0) / (_result(probabilities, p) > 0).sum(),
                lambda probabilities, p: probabilities.argsort(descending=True)[
                    : (_result(probabilities, p) > 0).sum()
                ],
            ),
        ),
        Misconception(
            "softmax again",
            "it takes a softmax of probabilities, which evens them out: divide by their sum, so that the proportions "
            "stay",
            (
                lambda probabilities, p: _as_they_were(probabilities, p).softmax(0),
                lambda probabilities, p: (
                    _as_they_were(probabilities, p).masked_fill(_result(probabilities, p) == 0, -torch.inf).softmax(0)
                ),
            ),
        ),
        Misconception(
            "-infinity",
            "the tokens that are dropped get -infinity, as logits would: these are probabilities, so 0",
            (
                lambda probabilities, p: _result(probabilities, p).masked_fill(
                    _result(probabilities, p) == 0, -torch.inf
                ),
                lambda probabilities, p: probabilities.masked_fill(_result(probabilities, p) == 0, -torch.inf),
            ),
        ),
        Misconception(
            "log-probabilities",
            "those are logarithms: these are probabilities, so that the tokens that stay sum to 1",
            lambda probabilities, p: _result(probabilities, p).log(),
        ),
        Misconception(
            "least probable",
            "it keeps the *least* probable tokens: sort with descending=True",
            (
                _least_probable,
                lambda probabilities, p: _nucleus(-probabilities, lambda ordered, held: -held <= p).abs(),
                lambda probabilities, p: _nucleus(-probabilities, lambda ordered, held: -held < p).abs(),
            ),
        ),
        Misconception(
            "tail",
            "it keeps the tokens that should be dropped, and drops those that should stay: the comparison with p is "
            "the wrong way round",
            (
                lambda probabilities, p: _nucleus(probabilities, lambda ordered, held: held - ordered >= p),
                lambda probabilities, p: _nucleus(probabilities, lambda ordered, held: held > p),
                lambda probabilities, p: _nucleus(probabilities, lambda ordered, held: held >= p),
            ),
        ),
        Misconception(
            "not sorted",
            "it sums up in the order of the vocabulary: sort from most to least probable first",
            (
                lambda probabilities, p: _scaled(probabilities * (probabilities.cumsum(0) - probabilities < p)),
                lambda probabilities, p: _scaled(probabilities * (probabilities.cumsum(0) <= p)),
                lambda probabilities, p: _scaled(probabilities * (probabilities.cumsum(0) < p)),
                lambda probabilities, p: _scaled(probabilities * _first(probabilities.cumsum(0) <= p)),
                lambda probabilities, p: _scaled(probabilities * _first(probabilities.cumsum(0) < p)),
                lambda probabilities, p: probabilities * (probabilities.cumsum(0) <= p),
            ),
        ),
        Misconception(
            "mask in sorted order",
            "the tokens are chosen in sorted order, but the choice is applied in the order of the vocabulary: put it "
            "back in its place first",
            (
                lambda probabilities, p: _scaled(probabilities * (_in_falling_order(probabilities, p) > 0)),
                lambda probabilities, p: probabilities * (_in_falling_order(probabilities, p) > 0),
            ),
        ),
        Misconception(
            "threshold",
            "it compares each token's own probability with p; top-p looks at what the tokens hold together",
            (
                lambda probabilities, p: _scaled(probabilities * (probabilities >= p)),
                lambda probabilities, p: _scaled(probabilities * (probabilities >= 1 - p)),
                lambda probabilities, p: _scaled(probabilities * (probabilities <= p)),
                lambda probabilities, p: _scaled(probabilities * (probabilities >= p * probabilities.max())),
                lambda probabilities, p: _scaled(probabilities * (probabilities >= (1 - p) * probabilities.max())),
                lambda probabilities, p: probabilities * (probabilities >= p),
            ),
        ),
        Misconception(
            "share of tokens",
            "it keeps a share p of the *number* of tokens: top-p looks at how much probability they hold together",
            tuple(
                lambda probabilities, p, extra=extra: _nucleus(
                    probabilities, lambda ordered, _: torch.arange(len(ordered)) < max(1, int(p * len(ordered)) + extra)
                )
                for extra in (0, 1)
            ),
        ),
        Misconception(
            "all tokens",
            "no token is dropped: the tokens after the one that crosses p get 0",
            lambda probabilities, p: probabilities,
        ),
        Misconception(
            "first only",
            "only the most probable token stays: go on until p is held",
            lambda probabilities, p: _nucleus(probabilities, lambda ordered, _: torch.arange(len(ordered)) == 0),
        ),
    ),
)
