"""Exercises of lab 03: the losses of PPO, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...formulas import objectives
from ..exercise import Arguments, Exercise, Misconception
from ..inputs import moved_logprobs, normal, real_only, right_padded, token_logprobs

NAN = float("nan")

# --- Means over the real tokens -----------------------------------------------


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return x[mask].mean()


def _padded_batches(rng: np.random.Generator) -> list[Arguments]:
    cases = [
        {"x": normal(rng, n, length, scale=2), "mask": right_padded(rng, n, length)} for n, length in ((3, 4), (5, 7))
    ]
    mask = right_padded(rng, 4, 5)
    spoilt = {"x": normal(rng, 4, 5).masked_fill(~mask, NAN), "mask": mask}
    return [*cases, {"x": normal(rng, 1, 3), "mask": torch.ones(1, 3).bool()}, spoilt]


MASKED_MEAN = Exercise(
    name="masked_mean",
    title="A mean that leaves padding out",
    minutes=4,
    difficulty=1,
    deliver="The mean of x over the tokens where mask is true, a scalar, whatever stands at padding.",
    reference=objectives.masked_mean,
    cases=_padded_batches,
    gradients=("x",),
    hints=(
        "A sum over the real tokens, divided by how many there are: all tokens of the batch weigh the same.",
        "`x[mask]` are the real tokens; so is `x.where(mask, 0.0)`, with zeros in the other places.",
    ),
    misconceptions=(
        Misconception(
            "padding",
            "it is the mean over padding too: what stands there means nothing, and changes with the longest response",
            lambda x, mask: x.mean(),
        ),
        Misconception(
            "zeros counted",
            "padding is set to 0 but still counted: divide by the number of real tokens, not by all places",
            lambda x, mask: real_only(x, mask).mean(),
        ),
        Misconception(
            "per response",
            "it averages each response first: a token of a short response then weighs more than one of a long response",
            lambda x, mask: (real_only(x, mask).sum(1) / mask.sum(1)).mean(),
        ),
        Misconception(
            "vector",
            "it gives one mean for each response: one number for the whole batch is asked for",
            lambda x, mask: real_only(x, mask).sum(1) / mask.sum(1),
        ),
        Misconception(
            "sum",
            "it is a sum: with longer responses it would grow. Divide by the number of real tokens",
            lambda x, mask: real_only(x, mask).sum(),
        ),
        Misconception(
            "nan",
            "a NaN at padding comes through, since NaN * 0 is NaN: select with `x[mask]` or `torch.where`",
            lambda x, mask: (x * mask).sum() / mask.sum(),
        ),
    ),
)


def _whitening(rng: np.random.Generator) -> list[Arguments]:
    cases = [
        {"x": 1.5 + normal(rng, n, length, scale=3), "mask": right_padded(rng, n, length, shortest=2)}
        for n, length in ((3, 5), (6, 8), (1, 4))
    ]
    mask = right_padded(rng, 3, 4, shortest=2)
    return [*cases, {"x": normal(rng, 3, 4).masked_fill(mask, 2.0), "mask": mask}]


def _scaled(x: Tensor, mask: Tensor) -> Tensor:
    return (x - _mean(x, mask)) * torch.rsqrt(x[mask].var() + 1e-8)


def _whitened_rows(x: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([real_only(_scaled(row, real), real) for row, real in zip(x, mask, strict=True)])


MASKED_WHITEN = Exercise(
    name="masked_whiten",
    title="Whiten the advantages",
    minutes=6,
    difficulty=2,
    deliver="x scaled to mean 0 and variance 1 (of n - 1) over the batch's real tokens, and 0 at padding.",
    reference=objectives.masked_whiten,
    cases=_whitening,
    hints=(
        "One mean and one variance for all real tokens of the batch, not one for each response.",
        "`x[mask].var()` divides by n - 1. Subtract the mean, divide by the root of the variance, set padding to 0.",
        "If all values are equal, the variance is 0: add 1e-8 to it before you divide.",
    ),
    misconceptions=(
        Misconception(
            "padding",
            "mean and variance are taken over padding too: use the real tokens only",
            lambda x, mask: real_only((x - x.mean()) * torch.rsqrt(x.var() + 1e-8), mask),
        ),
        Misconception(
            "per response",
            "every response is whitened by itself: then a good response has no better advantages than a bad one",
            _whitened_rows,
        ),
        Misconception(
            "padding kept",
            "right at the real tokens, but padding must become 0",
            _scaled,
        ),
        Misconception(
            "variance",
            "it divides by the variance: divide by its square root, the standard deviation",
            lambda x, mask: real_only((x - _mean(x, mask)) / (x[mask].var() + 1e-8), mask),
        ),
        Misconception(
            "not shifted",
            "the mean is still there: if all rewards are positive, even the worst token would be reinforced",
            lambda x, mask: real_only(x * torch.rsqrt(x[mask].var() + 1e-8), mask),
        ),
        Misconception(
            "not scaled",
            "only the mean is taken off: the size of a step would still depend on the scale of the rewards",
            lambda x, mask: real_only(x - _mean(x, mask), mask),
        ),
        Misconception(
            "biased",
            "the variance divides by n: of a sample it divides by n - 1, as `Tensor.var` does",
            lambda x, mask: real_only((x - _mean(x, mask)) * torch.rsqrt(x[mask].var(correction=0) + 1e-8), mask),
        ),
        Misconception(
            "zero variance",
            "equal values have variance 0, and 0 / 0 is NaN: add 1e-8 before you divide",
            lambda x, mask: real_only((x - _mean(x, mask)) / x[mask].std(), mask),
        ),
    ),
)


# --- Policy losses ------------------------------------------------------------


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
            lambda logprobs, advantages, mask: _mean(advantages * logprobs, mask),
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
            lambda logprobs, advantages, mask: -_mean(advantages * logprobs.exp(), mask),
        ),
        Misconception(
            "product of means",
            "the mean of a product is not the product of the means: multiply token by token first",
            lambda logprobs, advantages, mask: -_mean(advantages, mask) * _mean(logprobs, mask),
        ),
        Misconception(
            "no gradient",
            "the value is right, but no gradient reaches the log-probabilities: the wrong tensor is detached",
            lambda logprobs, advantages, mask: -_mean(advantages * logprobs, mask).detach(),
        ),
        Misconception(
            "reward trains",
            "the value is right, but a gradient flows to the advantages: they are given, not learned here. Detach them",
            lambda logprobs, advantages, mask: -_mean(advantages * logprobs, mask),
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
    mean: Callable[[Tensor, Tensor], Tensor] = _mean,
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


# --- The value function -------------------------------------------------------


def _guesses(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length, gamma, lam in ((4, 5, 0.9, 0.7), (2, 6, 1.0, 0.95), (3, 4, 0.8, 1.0), (1, 1, 0.9, 0.5)):
        mask = right_padded(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        cases.append({"rewards": normal(rng, n, length), "values": normal(rng, n, length), "mask": mask})
        cases[-1] |= {"gamma": gamma, "lam": lam}
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


def _bootstrapped_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float):
    advantages = _summed(real_only(rewards + gamma * _next(values) - values, mask), gamma * lam)
    return advantages, real_only(advantages + values, mask)


def _leaking_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float):
    advantages = _summed(rewards + gamma * _next(values) - values, gamma * lam)
    return real_only(advantages, mask), real_only(advantages + values, mask)


def _rewards_to_go(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float):
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
    mean: Callable[[Tensor, Tensor], Tensor] = _mean,
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
