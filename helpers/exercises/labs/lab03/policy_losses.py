"""Exercises of lab 03: the policy losses of REINFORCE and PPO."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import moved_logprobs, normal, right_padded, token_logprobs
from .masks import BY_RESPONSE, OVER_PADDING, SUMS, ZEROS_COUNTED, Mean, mean_mistakes, token_mean

WRONG_MEANS = (OVER_PADDING[0], ZEROS_COUNTED[0], BY_RESPONSE[0], SUMS[0])  # that go with other mistakes


def _reinforcing(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length in ((4, 5), (2, 3), (1, 1)):
        mask = right_padded(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        cases.append({"logprobs": token_logprobs(rng, n, length), "advantages": normal(rng, n, length), "mask": mask})
    return cases


def _reinforce(
    mean: Mean = token_mean,
    term: Callable[[Tensor, Tensor], Tensor] = lambda logprobs, advantages: advantages * logprobs,
) -> Callable[..., Tensor]:
    """REINFORCE's loss with one part exchanged, and without detaching anything."""
    return lambda logprobs, advantages, mask: -mean(term(logprobs, advantages), mask)


REINFORCE_LOSS = Exercise(
    name="reinforce_loss",
    title="A loss whose gradient is the policy gradient",
    minutes=6,
    difficulty=1,
    deliver="A scalar tensor: the loss over all real tokens of the batch, with no gradient to the advantages.",
    reference=objectives.reinforce_loss,
    cases=_reinforcing,
    gradients=("logprobs", "advantages"),
    hints=(
        "Optimizers go downhill, and you want J to rise: there is a minus.",
        "Advantages are plain numbers here, as rewards are: `advantages.detach()`.",
        "Your `masked_mean` does the rest.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "the minus is missing: minimizing this makes good answers *rarer*",
            tuple(
                lambda logprobs, advantages, mask, mean=mean: mean(advantages * logprobs, mask)
                for mean in (token_mean, *WRONG_MEANS)
            ),
        ),
        *mean_mistakes(_reinforce),
        Misconception(
            "probability",
            "it takes the probability, not its logarithm: likely answers are sampled more often already, "
            "so they would count twice",
            tuple(
                _reinforce(mean, lambda logprobs, advantages: advantages * logprobs.exp())
                for mean in (token_mean, *WRONG_MEANS)
            ),
        ),
        Misconception(
            "log of log",
            "`logprobs` are log-probabilities already, and negative: their logarithm is NaN. Use them as they are",
            tuple(
                _reinforce(mean, term)
                for mean in (token_mean, lambda x, mask: x.where(mask, 0.0).mean())
                for term in (
                    lambda logprobs, advantages: advantages * logprobs.log(),
                    lambda logprobs, advantages: advantages * (-logprobs).log(),
                    lambda logprobs, advantages: advantages * (logprobs + 1e-8).log(),
                    lambda logprobs, advantages: advantages * logprobs.clamp(min=1e-8).log(),
                )
            ),
        ),
        Misconception(
            "no advantage",
            "the advantage is missing: every token would be made likelier, the bad ones too. "
            "Multiply each log-probability by its advantage",
            tuple(_reinforce(mean, lambda logprobs, advantages: logprobs) for mean in (token_mean, *WRONG_MEANS)),
        ),
        Misconception(
            "no log-probability",
            "the log-probabilities are missing: without them nothing depends on the policy",
            _reinforce(term=lambda logprobs, advantages: advantages),
        ),
        Misconception(
            "plus",
            "it adds the advantage to the log-probability or subtracts it: multiply the two",
            (
                _reinforce(term=lambda logprobs, advantages: logprobs + advantages),
                _reinforce(term=lambda logprobs, advantages: logprobs - advantages),
                _reinforce(term=lambda logprobs, advantages: advantages - logprobs),
            ),
        ),
        Misconception(
            "absolute",
            "the sign of the advantage or of the log-probability is lost: "
            "a negative advantage must make its token rarer",
            (
                _reinforce(term=lambda logprobs, advantages: advantages.abs() * logprobs),
                _reinforce(term=lambda logprobs, advantages: (advantages * logprobs).abs()),
                lambda logprobs, advantages, mask: token_mean((advantages * logprobs).abs(), mask),
                _reinforce(term=lambda logprobs, advantages: advantages.clamp(min=0) * logprobs),
            ),
        ),
        Misconception(
            "product of means",
            "the mean of a product is not the product of the means: multiply token by token first",
            (
                lambda logprobs, advantages, mask: -token_mean(advantages, mask) * token_mean(logprobs, mask),
                lambda logprobs, advantages, mask: token_mean(advantages, mask) * token_mean(logprobs, mask),
                lambda logprobs, advantages, mask: -advantages.mean() * token_mean(logprobs, mask),
                lambda logprobs, advantages, mask: -advantages.mean() * logprobs.mean(),
            ),
        ),
        Misconception(
            "changed advantages",
            "it takes the mean off the advantages or divides them: use them as they come",
            (
                _reinforce(term=lambda logprobs, advantages: (advantages - advantages.mean()) * logprobs),
                lambda logprobs, advantages, mask: (
                    -token_mean((advantages - token_mean(advantages, mask)) * logprobs, mask)
                ),
                lambda logprobs, advantages, mask: (
                    -token_mean(
                        (advantages - advantages[mask].mean()) / (advantages[mask].std() + 1e-8) * logprobs, mask
                    )
                ),
                lambda logprobs, advantages, mask: (
                    -token_mean((advantages - advantages.mean()) / (advantages.std() + 1e-8) * logprobs, mask)
                ),
            ),
        ),
        Misconception(
            "no gradient",
            "the value is right, but no gradient reaches `logprobs`: is it detached, or turned into plain numbers "
            "(.item(), .tolist(), torch.tensor)? Only the advantages are detached",
            (
                lambda logprobs, advantages, mask: -token_mean(advantages * logprobs, mask).detach(),
                lambda logprobs, advantages, mask: -token_mean(advantages * logprobs.detach(), mask),
            ),
        ),
        Misconception(
            "reward trains",
            "the value is right, but a gradient flows to the advantages: they are given, not learned here. Detach them",
            _reinforce(),
        ),
    ),
)


def _two_policies(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length, clip in ((4, 6, 0.2), (3, 4, 0.1), (1, 2, 0.3)):
        mask = right_padded(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        logprobs = token_logprobs(rng, n, length)
        old = moved_logprobs(rng, logprobs, 0.6)
        arguments = {"logprobs": logprobs, "old_logprobs": old, "advantages": normal(rng, n, length), "mask": mask}
        cases.append(arguments | {"clip": clip})
    # Mean gains: plain below clipped, and clipped below plain. The smaller of each token is below both.
    return [
        *cases,
        _moved([2.0, 1.5, 1.05], [-1.0, 1.0, 0.5], 0.2),
        _moved([2.0, 0.5, 0.5, 0.97, 0.05], [2.0, 1.0, -1.0, -0.3, -1.0], 0.1),
    ]


def _moved(ratios: list[float], advantages: list[float], clip: float) -> Arguments:
    """One response whose tokens have these ratios, and a token of padding."""
    old = torch.full((1, len(ratios) + 1), -1.5)
    new = old + torch.tensor([[*map(math.log, ratios), 0.25]])
    mask = torch.tensor([[True] * len(ratios) + [False]])
    given = {"logprobs": new, "old_logprobs": old, "advantages": torch.tensor([[*advantages, 3.0]])}
    return given | {"mask": mask, "clip": clip}


def _clipped_loss(
    ratio_of: Callable[[Tensor, Tensor], Tensor] = lambda new, old: (new - old).exp(),
    combine: Callable[[Tensor, Tensor], Tensor] = torch.minimum,
    mean: Mean = token_mean,
    clipped: Callable[[Tensor, float], Tensor] = lambda ratio, clip: ratio.clamp(1 - clip, 1 + clip),
    clip_of: Callable[[float], float] = lambda clip: clip,
    sign: float = -1,
) -> Callable[..., Tensor]:
    """PPO's policy loss with one part exchanged, and without detaching anything."""

    def loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float) -> Tensor:
        ratio = ratio_of(logprobs, old_logprobs)
        return sign * mean(combine(ratio * advantages, clipped(ratio, clip_of(clip)) * advantages), mask)

    return loss


def _of_gains(gain: Callable[[Tensor, Tensor, float], Tensor], mean: Mean = token_mean) -> Callable[..., Tensor]:
    """A loss of ratio, advantage and clip, token by token."""

    def loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float) -> Tensor:
        return -mean(gain((logprobs - old_logprobs).exp(), advantages, clip), mask)

    return loss


def _held(ratio: Tensor, clip: float) -> Tensor:
    return ratio.clamp(1 - clip, 1 + clip)


def _of_means(
    choose: Callable[[Tensor, Tensor], Tensor], sign: float, mean: Mean = token_mean
) -> Callable[..., Tensor]:
    def loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float) -> Tensor:
        ratio = (logprobs - old_logprobs).exp()
        return sign * choose(mean(ratio * advantages, mask), mean(_held(ratio, clip) * advantages, mask))

    return loss


def _clipped_at(fixed: float) -> Callable[..., Tensor]:
    return _clipped_loss(clip_of=lambda clip: fixed)


def _without_advantage(combine: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return _of_gains(lambda ratio, a, clip: combine(ratio, _held(ratio, clip)))


_DIRECTIONS = (lambda plain, clipped: plain, lambda plain, clipped: clipped, torch.minimum, torch.maximum)

CLIPPED_POLICY_LOSS = Exercise(
    name="clipped_policy_loss",
    title="PPO's clipped loss",
    minutes=12,
    difficulty=2,
    deliver="A scalar tensor: the loss over all real tokens of the batch; a gradient flows to logprobs only.",
    reference=objectives.clipped_policy_loss,
    cases=_two_policies,
    gradients=("logprobs", "old_logprobs", "advantages"),
    hints=(
        "A ratio of probabilities is the exponential of a difference of log-probabilities.",
        "`ratio.clamp(1 - clip, 1 + clip)`, then `torch.minimum` of the two gains, then minus the masked mean.",
        "Old log-probabilities and advantages belong to the rollout: detach both.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "the minus is missing: minimizing this makes good tokens *rarer*",
            tuple(
                _clipped_loss(combine=combine, mean=mean, sign=1)
                for mean in (token_mean, *WRONG_MEANS)
                for combine in (torch.minimum, torch.maximum)
            ),
        ),
        Misconception(
            "max",
            "it takes the larger of the two gains: the smaller is asked for (the larger of the two *losses*), "
            "so that no token is paid for moving too far",
            tuple(_clipped_loss(combine=torch.maximum, mean=mean) for mean in (token_mean, *WRONG_MEANS)),
        ),
        Misconception(
            "clip alone",
            "the minimum is missing: a token that went far the *wrong* way would get no gradient and never come back",
            tuple(
                _clipped_loss(combine=lambda plain, clipped: clipped, mean=mean) for mean in (token_mean, *WRONG_MEANS)
            ),
        ),
        Misconception(
            "no clip",
            "nothing is clipped: the second pass over a batch can go as far as it likes",
            tuple(
                _clipped_loss(combine=lambda plain, clipped: plain, mean=mean) for mean in (token_mean, *WRONG_MEANS)
            ),
        ),
        Misconception(
            "means first",
            "it chooses between two means: take the smaller gain of *each token*, then the mean",
            (
                _of_means(torch.minimum, -1),
                _of_means(torch.maximum, -1),
                _of_means(torch.minimum, 1),
                *(_of_means(torch.minimum, -1, mean) for mean in WRONG_MEANS),
            ),
        ),
        Misconception(
            "min of ratios",
            "it takes the smaller of the two *ratios*: multiply each by the advantage first. "
            "Where that is negative, the smaller gain comes from the larger ratio",
            (
                _of_gains(lambda ratio, a, clip: torch.minimum(ratio, _held(ratio, clip)) * a),
                _of_gains(lambda ratio, a, clip: torch.maximum(ratio, _held(ratio, clip)) * a),
            ),
        ),
        Misconception(
            "one side",
            "it clips on one side only: hold the ratio between 1 - clip and 1 + clip",
            tuple(
                _clipped_loss(clipped=clipped)
                for clipped in (
                    lambda ratio, clip: ratio.clamp(max=1 + clip),
                    lambda ratio, clip: ratio.clamp(min=1 - clip),
                )
            ),
        ),
        Misconception(
            "range",
            "the range of the clip is wrong: a ratio is 1 where nothing moved, so hold it from 1 - clip to 1 + clip",
            tuple(
                _clipped_loss(clipped=clipped, combine=combine)
                for clipped in (
                    lambda ratio, clip: ratio.clamp(-clip, clip),
                    lambda ratio, clip: ratio.clamp(0, clip),
                    lambda ratio, clip: ratio.clamp(clip, 1 + clip),
                    lambda ratio, clip: ratio.clamp(1 - clip / 2, 1 + clip / 2),
                    lambda ratio, clip: ratio.clamp(1 / (1 + clip), 1 + clip),
                    lambda ratio, clip: ratio.clamp(1, 1 + clip),
                    lambda ratio, clip: ratio.clamp(1 - clip, 1),
                )
                for combine in _DIRECTIONS[1:3]
            ),
        ),
        Misconception(
            "clips the log",
            "it clips the *log* of the ratio: take exp first, then hold the ratio between 1 - clip and 1 + clip",
            tuple(
                _clipped_loss(clipped=clipped, combine=combine)
                for clipped in (
                    lambda ratio, clip: ratio.log().clamp(-clip, clip).exp(),
                    lambda ratio, clip: ratio.log().clamp(1 - clip, 1 + clip).exp(),
                )
                for combine in _DIRECTIONS[1:3]
            ),
        ),
        Misconception(
            "clips the gain",
            "it clips the gain or the advantage: clip the *ratio*, and then multiply it by the advantage",
            (
                _of_gains(lambda ratio, a, clip: torch.minimum(ratio * a, (ratio * a).clamp(1 - clip, 1 + clip))),
                _of_gains(lambda ratio, a, clip: (ratio * a).clamp(1 - clip, 1 + clip)),
                _of_gains(lambda ratio, a, clip: torch.minimum(ratio * a, (ratio * a).clamp(-clip, clip))),
                _of_gains(lambda ratio, a, clip: torch.minimum(ratio * a, ratio * a.clamp(1 - clip, 1 + clip))),
                _of_gains(lambda ratio, a, clip: torch.minimum(ratio * a, ratio * a.clamp(-clip, clip))),
            ),
        ),
        Misconception(
            "clip fixed",
            "it clips at a fixed number: use the argument `clip`, which is not always 0.2",
            tuple(map(_clipped_at, (0.2, 0.1, 0.3))),
        ),
        Misconception(
            "one without advantage",
            "the clipped ratio is not multiplied by the advantage: both gains are a ratio times A",
            (
                _of_gains(lambda ratio, a, clip: torch.minimum(ratio * a, _held(ratio, clip))),
                _of_gains(lambda ratio, a, clip: torch.minimum(ratio, _held(ratio, clip) * a)),
            ),
        ),
        Misconception(
            "no advantage",
            "the advantage is missing: it says which tokens become likelier and which rarer",
            tuple(map(_without_advantage, _DIRECTIONS)),
        ),
        Misconception(
            "ratio of logs",
            "it divides log-probabilities: the ratio of the probabilities is exp(logprobs - old_logprobs)",
            tuple(_clipped_loss(ratio_of=lambda new, old: new / old, combine=combine) for combine in _DIRECTIONS),
        ),
        Misconception(
            "no exp",
            "the difference of log-probabilities is the *log* of the ratio, 0 where nothing moved: exp is missing",
            (
                *(_clipped_loss(ratio_of=lambda new, old: new - old, combine=combine) for combine in _DIRECTIONS),
                _clipped_loss(ratio_of=lambda new, old: new - old, clipped=lambda d, clip: d.clamp(-clip, clip)),
            ),
        ),
        Misconception(
            "other ratio",
            "that is no ratio of the two policies: take exp(logprobs - old_logprobs), "
            "which is 1 where the policy has not moved",
            tuple(
                _clipped_loss(ratio_of=ratio_of, combine=combine)
                for combine in _DIRECTIONS[::2]
                for ratio_of in (
                    lambda new, old: new.exp(),
                    lambda new, old: new,
                    lambda new, old: new.exp() - old.exp(),
                    lambda new, old: new.exp() / old,
                    lambda new, old: new.log() - old.log(),
                    lambda new, old: (new.log() - old.log()).exp(),
                    lambda new, old: (new + old).exp(),
                )
            ),
        ),
        Misconception(
            "upside down",
            "the ratio is upside down: new policy over old policy",
            tuple(_clipped_loss(ratio_of=lambda new, old: (old - new).exp(), combine=c) for c in _DIRECTIONS),
        ),
        *mean_mistakes(lambda mean: _clipped_loss(mean=mean)),
        Misconception(
            "no gradient",
            "the value is right, but no gradient reaches `logprobs`: is it detached, or turned into plain numbers "
            "(.item(), .tolist(), torch.tensor)? Only old_logprobs and advantages are detached",
            (
                lambda *given: _clipped_loss()(*given).detach(),
                lambda logprobs, *rest: _clipped_loss()(logprobs.detach(), *rest),
                lambda new, old, a, *rest: _clipped_loss()(new.detach(), old.detach(), a, *rest),
                lambda new, old, a, *rest: _clipped_loss()(new.detach(), old, a.detach(), *rest),
            ),
        ),
        Misconception(
            "rollout trains",
            "the value is right, but a gradient flows to old_logprobs or advantages: they are data of the rollout. "
            "Detach both",
            (
                _clipped_loss(),
                lambda new, old, a, *rest: _clipped_loss()(new, old.detach(), a, *rest),
                lambda new, old, a, *rest: _clipped_loss()(new, old, a.detach(), *rest),
            ),
        ),
    ),
)
