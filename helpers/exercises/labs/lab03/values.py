"""Exercises of lab 03: generalized advantage estimation and the loss of the value function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal, real_only, right_padded
from .masks import token_mean


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
        found = real_only(advantages(deltas(rewards, values, gamma, lam), gamma, lam), mask)
        return found, found + values

    return estimate


def _bootstrapped_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    advantages = _summed(real_only(rewards + gamma * _next(values) - values, mask), gamma * lam)
    return advantages, real_only(advantages + values, mask)


def _leaking_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    advantages = _summed(rewards + gamma * _next(values) - values, gamma * lam)
    return real_only(advantages, mask), real_only(advantages + values, mask)


def _rewards_to_go(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    return _mistaken_gae()(rewards, values, mask, gamma, lam)[0], real_only(
        _summed(real_only(rewards, mask), gamma), mask
    )


GAE = Exercise(
    name="gae",
    title="Generalized advantage estimation",
    minutes=20,
    difficulty=3,
    deliver="(advantages, returns), each (batch, response) and 0 at padding; returns are advantages + values.",
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
            _mistaken_gae(advantages=lambda deltas, gamma, lam: _summed(deltas, gamma * lam, forwards=True)),
        ),
        Misconception(
            "bootstraps at the end",
            "after the last real token nothing comes: the next value there is 0, not what stands at padding",
            _bootstrapped_gae,
        ),
        Misconception(
            "padding leaks",
            "rewards and values at padding flow back into the real tokens: set them to 0 before you begin",
            _leaking_gae,
        ),
        Misconception(
            "swapped",
            "gamma and lambda are confused: gamma discounts the next value in delta, lambda only mixes the deltas",
            _mistaken_gae(deltas=lambda r, v, gamma, lam: r + lam * _next(v) - v),
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
            "one step",
            "those are the deltas alone, lambda = 0: the advantages of later tokens must be added",
            _mistaken_gae(advantages=lambda deltas, gamma, lam: deltas),
        ),
        Misconception(
            "no baseline",
            "the value V_t is not subtracted: an advantage is *better than guessed*, not the amount itself",
            _mistaken_gae(deltas=lambda r, v, gamma, lam: r + gamma * _next(v)),
        ),
        Misconception(
            "returns without values",
            "the returns are the advantages again: add the values, since the value loss needs a target for them",
            lambda *arguments: (_mistaken_gae()(*arguments)[0],) * 2,
        ),
        Misconception(
            "rewards to go",
            "the returns are sums of rewards, which is right for lambda = 1 only: they are advantages + values",
            _rewards_to_go,
        ),
        Misconception(
            "order",
            "the two are in the wrong order: (advantages, returns)",
            lambda *arguments: _mistaken_gae()(*arguments)[::-1],
        ),
    ),
)


def _two_value_functions(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length, clip in ((4, 6, 0.2), (3, 4, 0.5), (1, 2, 0.1)):
        mask = right_padded(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        old = normal(rng, n, length)
        values = old + normal(rng, n, length, scale=0.5)
        cases.append(
            {"values": values, "old_values": old, "returns": normal(rng, n, length), "mask": mask, "clip": clip}
        )
    return cases


def _clipped_error(
    clipped: Callable[..., Tensor] = lambda new, old, returns, clip: old + (new - old).clamp(-clip, clip),
    combine: Callable[[Tensor, Tensor], Tensor] = torch.maximum,
    mean: Callable[[Tensor, Tensor], Tensor] = token_mean,
    factor: float = 0.5,
) -> Callable[..., Tensor]:
    """PPO's value loss with one part exchanged, and without detaching anything."""

    def loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float) -> Tensor:
        plain_error = (values - returns) ** 2
        clipped_error = (clipped(values, old_values, returns, clip) - returns) ** 2
        return factor * mean(combine(plain_error, clipped_error), mask)

    return loss


CLIPPED_VALUE_LOSS = Exercise(
    name="clipped_value_loss",
    title="The value function's clipped loss",
    minutes=8,
    difficulty=2,
    deliver="Half the mean over real tokens of the larger squared error, clipped or not; a gradient to values only.",
    reference=objectives.clipped_value_loss,
    cases=_two_value_functions,
    gradients=("values", "old_values", "returns"),
    hints=(
        "A clipped value is the old value plus a change that is held between -clip and clip.",
        "Two squared errors against the returns, `torch.maximum` of both, masked mean, times one half.",
        "Old values and returns belong to the rollout: detach both.",
    ),
    misconceptions=(
        Misconception(
            "min",
            "it takes the smaller error: the larger is asked for, so that clipping never makes the loss look better",
            _clipped_error(combine=torch.minimum),
        ),
        Misconception(
            "clip alone",
            "the maximum is missing: a value that went far the wrong way would get no gradient",
            _clipped_error(combine=lambda plain, clipped: clipped),
        ),
        Misconception(
            "no clip",
            "nothing is clipped (a value held near its *return* changes nothing): hold it near the old value",
            _clipped_error(combine=lambda plain, clipped: plain),
        ),
        Misconception(
            "clips the error",
            "it clips the error: the worst guesses get no gradient. The clip limits the *move* from the old value",
            _clipped_error(
                clipped=lambda new, old, returns, clip: returns + (new - returns).clamp(-clip, clip),
                combine=lambda plain, clipped: clipped,
            ),
        ),
        Misconception(
            "around zero",
            "it clips the value itself: clip its *change* since the rollout, values - old_values",
            _clipped_error(clipped=lambda new, old, returns, clip: new.clamp(-clip, clip)),
        ),
        Misconception(
            "no half",
            "the half is missing: it belongs to the definition, and the value coefficient was chosen with it",
            _clipped_error(factor=1.0),
        ),
        Misconception(
            "padding",
            "it averages over padding too: no value is asked for there",
            _clipped_error(mean=lambda x, mask: x.mean()),
        ),
        Misconception(
            "returns train",
            "the value is right, but a gradient flows to old_values or returns: they are fixed targets. Detach both",
            _clipped_error(),
        ),
    ),
)
