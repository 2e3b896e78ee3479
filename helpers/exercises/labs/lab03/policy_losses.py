"""Exercises of lab 03: the policy losses of REINFORCE and PPO."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import moved_logprobs, normal, real_only, right_padded, token_logprobs
from .masks import token_mean


def _reinforcing(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length in ((4, 5), (2, 3), (1, 1)):
        mask = right_padded(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        cases.append({"logprobs": token_logprobs(rng, n, length), "advantages": normal(rng, n, length), "mask": mask})
    return cases


REINFORCE_LOSS = Exercise(
    name="reinforce_loss",
    title="A loss whose gradient is the policy gradient",
    minutes=6,
    difficulty=1,
    deliver="The mean over the real tokens of -advantage * log-probability, with no gradient to the advantages.",
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
            lambda logprobs, advantages, mask: token_mean(advantages * logprobs, mask),
        ),
        Misconception(
            "padding",
            "it averages over padding too: only real tokens were chosen by the policy",
            lambda logprobs, advantages, mask: -(advantages * logprobs).mean(),
        ),
        Misconception(
            "zeros counted",
            "padding is set to 0 but still counted: divide by the number of real tokens",
            lambda logprobs, advantages, mask: -real_only(advantages * logprobs, mask).mean(),
        ),
        Misconception(
            "per response",
            "it averages each response first: here all tokens of the batch weigh the same",
            lambda logprobs, advantages, mask: -(real_only(advantages * logprobs, mask).sum(1) / mask.sum(1)).mean(),
        ),
        Misconception(
            "sum",
            "it sums over tokens: with twice the samples the gradient would be twice as large. Take the mean",
            lambda logprobs, advantages, mask: -real_only(advantages * logprobs, mask).sum(),
        ),
        Misconception(
            "probability",
            "it takes the probability, not its logarithm: likely answers are sampled more often already, "
            "so they would count twice",
            lambda logprobs, advantages, mask: -token_mean(advantages * logprobs.exp(), mask),
        ),
        Misconception(
            "product of means",
            "the mean of a product is not the product of the means: multiply token by token first",
            lambda logprobs, advantages, mask: -token_mean(advantages, mask) * token_mean(logprobs, mask),
        ),
        Misconception(
            "no gradient",
            "the value is right, but no gradient reaches the log-probabilities: the wrong tensor is detached",
            lambda logprobs, advantages, mask: -token_mean(advantages * logprobs, mask).detach(),
        ),
        Misconception(
            "reward trains",
            "the value is right, but a gradient flows to the advantages: they are given, not learned here. Detach them",
            lambda logprobs, advantages, mask: -token_mean(advantages * logprobs, mask),
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
    return cases


def _clipped_loss(
    ratio_of: Callable[[Tensor, Tensor], Tensor] = lambda new, old: (new - old).exp(),
    combine: Callable[[Tensor, Tensor], Tensor] = torch.minimum,
    mean: Callable[[Tensor, Tensor], Tensor] = token_mean,
) -> Callable[..., Tensor]:
    """PPO's policy loss with one part exchanged, and without detaching anything."""

    def loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float) -> Tensor:
        ratio = ratio_of(logprobs, old_logprobs)
        return -mean(combine(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages), mask)

    return loss


CLIPPED_POLICY_LOSS = Exercise(
    name="clipped_policy_loss",
    title="PPO's clipped loss",
    minutes=12,
    difficulty=2,
    deliver="The mean over the real tokens of -min(ratio * A, clipped ratio * A); a gradient flows to logprobs only.",
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
            lambda *arguments: -_clipped_loss()(*arguments),
        ),
        Misconception(
            "max",
            "it takes the larger of the two gains: the smaller is asked for (the larger of the two *losses*), "
            "so that no token is paid for moving too far",
            _clipped_loss(combine=torch.maximum),
        ),
        Misconception(
            "clip alone",
            "the minimum is missing: a token that went far the *wrong* way would get no gradient and never come back",
            _clipped_loss(combine=lambda plain, clipped: clipped),
        ),
        Misconception(
            "no clip",
            "nothing is clipped: the second pass over a batch can go as far as it likes",
            _clipped_loss(combine=lambda plain, clipped: plain),
        ),
        Misconception(
            "ratio of logs",
            "it divides log-probabilities: the ratio of the probabilities is exp(logprobs - old_logprobs)",
            _clipped_loss(ratio_of=lambda new, old: new / old),
        ),
        Misconception(
            "no exp",
            "the difference of log-probabilities is the *log* of the ratio, 0 where nothing moved: exp is missing",
            _clipped_loss(ratio_of=lambda new, old: new - old),
        ),
        Misconception(
            "upside down",
            "the ratio is upside down: new policy over old policy",
            _clipped_loss(ratio_of=lambda new, old: (old - new).exp()),
        ),
        Misconception(
            "padding",
            "it averages over padding too: only real tokens were chosen by the policy",
            _clipped_loss(mean=lambda x, mask: x.mean()),
        ),
        Misconception(
            "zeros counted",
            "padding is set to 0 but still counted: divide by the number of real tokens",
            _clipped_loss(mean=lambda x, mask: real_only(x, mask).mean()),
        ),
        Misconception(
            "no gradient",
            "the value is right, but no gradient reaches `logprobs`: the wrong tensor is detached",
            lambda *arguments: _clipped_loss()(*arguments).detach(),
        ),
        Misconception(
            "rollout trains",
            "the value is right, but a gradient flows to old_logprobs or advantages: they are data of the rollout. "
            "Detach both",
            _clipped_loss(),
        ),
    ),
)
