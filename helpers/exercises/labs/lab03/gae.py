"""Exercises of lab 03: generalized advantage estimation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal, real_only, right_padded


def _guesses(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length, gamma, lam in ((4, 5, 0.9, 0.7), (2, 6, 1.0, 0.95), (3, 4, 0.8, 1.0), (1, 1, 0.9, 0.5)):
        mask = right_padded(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        batch = {"rewards": normal(rng, n, length), "values": normal(rng, n, length), "mask": mask}
        cases.append(batch | {"gamma": gamma, "lam": lam})
    return cases


def _next(values: Tensor) -> Tensor:
    """The value one token later, 0 after the last column."""
    return F.pad(values[:, 1:], (0, 1))


def _summed(deltas: Tensor, factor: float, forwards: bool = False) -> Tensor:
    """A_t = delta_t + factor * A_{t+1}, or A_{t-1}: (batch, response)."""
    columns = deltas.unbind(1) if forwards else deltas.flip(1).unbind(1)
    sums = [columns[0]]
    for column in columns[1:]:
        sums.append(column + factor * sums[-1])
    result = torch.stack(sums, 1)
    return result if forwards else result.flip(1)


def _mistaken_gae(
    deltas: Callable[..., Tensor] = lambda r, v, gamma, lam: r + gamma * _next(v) - v,
    advantages: Callable[..., Tensor] = lambda deltas, gamma, lam: _summed(deltas, gamma * lam),
) -> Callable[..., tuple[Tensor, Tensor]]:
    """GAE with one of its two lines exchanged."""

    def estimate(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
        rewards, values = real_only(rewards, mask), real_only(values, mask)
        found = real_only(advantages(real_only(deltas(rewards, values, gamma, lam), mask), gamma, lam), mask)
        return found, found + values

    return estimate


def _bootstrapped_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    advantages = _summed(real_only(rewards + gamma * _next(values) - values, mask), gamma * lam)
    return advantages, real_only(advantages + values, mask)


def _leaking_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    advantages = _summed(rewards + gamma * _next(values) - values, gamma * lam)
    return real_only(advantages, mask), real_only(advantages + values, mask)


def _unmasked_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    return _mistaken_gae()(rewards, values, torch.ones_like(mask), gamma, lam)


def _unpadded_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    advantages, returns = _mistaken_gae()(rewards, values, mask, gamma, lam)
    return advantages.where(mask, rewards - values), returns.where(mask, rewards)


def _repeating_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    rewards, values = real_only(rewards, mask), real_only(values, mask)
    following = torch.where(F.pad(mask[:, 1:], (0, 1)), _next(values), values)  # the last one again
    advantages = real_only(_summed(real_only(rewards + gamma * following - values, mask), gamma * lam), mask)
    return advantages, advantages + values


def _rewards_to_go(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    return _mistaken_gae()(rewards, values, mask, gamma, lam)[0], real_only(
        _summed(real_only(rewards, mask), gamma), mask
    )


GAE = Exercise(
    name="gae",
    title="Generalized advantage estimation",
    minutes=20,
    difficulty=3,
    deliver="(advantages, returns), each (batch, response) and 0 at padding.",
    reference=objectives.gae,
    cases=_guesses,
    hints=(
        "Set rewards and values to 0 at padding first: then the value after the last real token is 0 by itself.",
        "delta_t needs the value one token later: shift the values by one column and fill with 0.",
        "A_t needs A_{t+1}: go through the columns from the last to the first and carry one advantage for each row.",
    ),
    misconceptions=(
        Misconception(
            "forwards",
            "it sums from the first token on: a token is credited with what comes *after* it, so go from the end",
            (
                _mistaken_gae(advantages=lambda deltas, gamma, lam: _summed(deltas, gamma * lam, forwards=True)),
                _mistaken_gae(advantages=lambda deltas, gamma, lam: _summed(deltas, gamma * lam).flip(1)),
            ),
        ),
        Misconception(
            "bootstraps at the end",
            "after the last real token nothing comes: the next value there is 0, not what stands at padding",
            _bootstrapped_gae,
        ),
        Misconception(
            "last value again",
            "after the last token nothing comes: the next value there is 0, not a value from elsewhere in the row",
            (
                _repeating_gae,
                _mistaken_gae(lambda r, v, gamma, lam: r + gamma * torch.cat([v[:, 1:], v[:, -1:]], 1) - v),
                _mistaken_gae(lambda r, v, gamma, lam: r + gamma * v.roll(-1, 1) - v),
            ),
        ),
        Misconception(
            "padding leaks",
            "rewards and values at padding flow back into the real tokens: set them to 0 before you begin",
            (_leaking_gae, _unmasked_gae),
        ),
        Misconception(
            "padding kept",
            "right at the real tokens, but padding must become 0, in the advantages and in the returns",
            (
                lambda r, v, mask, gamma, lam: (
                    _mistaken_gae()(r, v, mask, gamma, lam)[0],
                    _mistaken_gae()(r, v, mask, gamma, lam)[0] + v,
                ),
                _unpadded_gae,
            ),
        ),
        Misconception(
            "swapped",
            "gamma and lambda are confused: gamma discounts the next value in delta, lambda only mixes the deltas",
            (
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r + lam * _next(v) - v),
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r + gamma * lam * _next(v) - v),
            ),
        ),
        Misconception(
            "previous value",
            "delta uses the value one token *earlier*: it needs V of the token after it",
            _mistaken_gae(deltas=lambda r, v, gamma, lam: r + gamma * F.pad(v[:, :-1], (1, 0)) - v),
        ),
        Misconception(
            "no next value",
            "the next value is missing in delta: delta_t = r_t + gamma * V_{t+1} - V_t compares two guesses",
            (
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r - v),
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r + gamma * v - v),
            ),
        ),
        Misconception(
            "sign",
            "delta has a sign the wrong way round: what came, reward and next value, minus what was guessed",
            (
                _mistaken_gae(deltas=lambda r, v, gamma, lam: v - r - gamma * _next(v)),
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r + v - gamma * _next(v)),
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r + gamma * _next(v) + v),
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r - gamma * _next(v) - v),
            ),
        ),
        Misconception(
            "no lambda",
            "lambda is missing: A_t adds gamma * lambda times the next advantage",
            _mistaken_gae(advantages=lambda deltas, gamma, lam: _summed(deltas, gamma)),
        ),
        Misconception(
            "no gamma",
            "gamma is missing in the sum: A_t adds gamma * lambda times the next advantage",
            _mistaken_gae(advantages=lambda deltas, gamma, lam: _summed(deltas, lam)),
        ),
        Misconception(
            "no gamma in delta",
            "gamma is missing in delta: the next value counts gamma times",
            (
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r + _next(v) - v),
                _mistaken_gae(
                    lambda r, v, gamma, lam: r + _next(v) - v, lambda deltas, gamma, lam: _summed(deltas, lam)
                ),
            ),
        ),
        Misconception(
            "no factor",
            "gamma and lambda are missing in the sum: A_t adds gamma * lambda times the next advantage",
            _mistaken_gae(advantages=lambda deltas, gamma, lam: _summed(deltas, 1.0)),
        ),
        Misconception(
            "fixed",
            "gamma or lambda is a fixed number: use the arguments, which are not always 1 and 0.95",
            (
                lambda r, v, mask, gamma, lam: _mistaken_gae()(r, v, mask, gamma, 0.95),
                lambda r, v, mask, gamma, lam: _mistaken_gae()(r, v, mask, 1.0, 0.95),
                lambda r, v, mask, gamma, lam: _mistaken_gae()(r, v, mask, 0.99, 0.95),
            ),
        ),
        Misconception(
            "one step",
            "those are the deltas alone, lambda = 0: the advantages of later tokens must be added",
            _mistaken_gae(advantages=lambda deltas, gamma, lam: deltas),
        ),
        Misconception(
            "two steps",
            "only the next *delta* is added: add the next *advantage*, which carries all later deltas",
            _mistaken_gae(advantages=lambda deltas, gamma, lam: deltas + gamma * lam * _next(deltas)),
        ),
        Misconception(
            "token left out",
            "the loop leaves out the first or the last column: go from the last one, length - 1, down to 0",
            (
                _mistaken_gae(advantages=lambda deltas, gamma, lam: F.pad(_summed(deltas, gamma * lam)[:, 1:], (1, 0))),
                _mistaken_gae(
                    advantages=lambda deltas, gamma, lam: _summed(F.pad(deltas[:, :-1], (0, 1)), gamma * lam)
                ),
            ),
        ),
        Misconception(
            "no baseline",
            "the value V_t is not subtracted: an advantage is *better than guessed*, not the amount itself",
            (
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r + gamma * _next(v)),
                _mistaken_gae(deltas=lambda r, v, gamma, lam: r),
            ),
        ),
        Misconception(
            "advantages alone",
            "the returns are missing: give back two tensors, (advantages, returns)",
            lambda *arguments: _mistaken_gae()(*arguments)[0],
        ),
        Misconception(
            "returns without values",
            "the returns are the advantages again: add the values, since the value loss needs a target for them",
            lambda *arguments: (_mistaken_gae()(*arguments)[0],) * 2,
        ),
        Misconception(
            "returns with minus",
            "the returns subtract the values: add them to the advantages, which are measured from the values",
            lambda r, v, mask, gamma, lam: (
                _mistaken_gae()(r, v, mask, gamma, lam)[0],
                _mistaken_gae()(r, v, mask, gamma, lam)[0] - real_only(v, mask),
            ),
        ),
        Misconception(
            "returns with rewards",
            "the returns add the rewards: they are advantages + *values*",
            lambda r, v, mask, gamma, lam: (
                _mistaken_gae()(r, v, mask, gamma, lam)[0],
                _mistaken_gae()(r, v, mask, gamma, lam)[0] + real_only(r, mask),
            ),
        ),
        Misconception(
            "rewards to go",
            "the returns are sums of rewards, which is right for lambda = 1 only: they are advantages + values",
            (
                _rewards_to_go,
                lambda r, v, mask, gamma, lam: (
                    _mistaken_gae()(r, v, mask, gamma, lam)[0],
                    _summed(real_only(r, mask), 1.0) * mask,
                ),
            ),
        ),
        Misconception(
            "one-step returns",
            "the returns look one token ahead only: they are advantages + values",
            lambda r, v, mask, gamma, lam: (
                _mistaken_gae()(r, v, mask, gamma, lam)[0],
                real_only(r, mask) + gamma * _next(real_only(v, mask)),
            ),
        ),
        Misconception(
            "order",
            "the two are in the wrong order: (advantages, returns)",
            lambda *arguments: _mistaken_gae()(*arguments)[::-1],
        ),
    ),
)
