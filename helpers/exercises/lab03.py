"""Exercises and questions of lab 03, PPO."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .. import lora, objectives, quantisation
from ..quantisation import NF4_LEVELS
from .exercise import Arguments, Exercise, Misconception, normal
from .questions import Choice, Forecast, Guess, Question

NAN = float("nan")

# --- Cases: batches of right-padded responses ---------------------------------


def _mask(rng: np.random.Generator, batch: int, response: int, shortest: int = 1) -> Tensor:
    """True at the real tokens: one response is full, and all others have padding."""
    lengths = rng.integers(shortest, response, size=batch)
    lengths[rng.integers(batch)] = response
    return torch.arange(response) < torch.tensor(lengths).unsqueeze(1)


def _logprobs(rng: np.random.Generator, *shape: int) -> Tensor:
    return -normal(rng, *shape, scale=2).abs()


def _moved(rng: np.random.Generator, logprobs: Tensor, scale: float) -> Tensor:
    """Log-probabilities of the same tokens under another model."""
    return -(logprobs + normal(rng, *logprobs.shape, scale=scale)).abs()


def _real(x: Tensor, mask: Tensor) -> Tensor:
    """`x` at the real tokens, 0 at padding."""
    return x.where(mask, 0.0)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return x[mask].mean()


# --- Means over the real tokens -----------------------------------------------


def _padded_batches(rng: np.random.Generator) -> list[Arguments]:
    cases = [{"x": normal(rng, n, length, scale=2), "mask": _mask(rng, n, length)} for n, length in ((3, 4), (5, 7))]
    mask = _mask(rng, 4, 5)
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
            lambda x, mask: _real(x, mask).mean(),
        ),
        Misconception(
            "per response",
            "it averages each response first: a token of a short response then weighs more than one of a long response",
            lambda x, mask: (_real(x, mask).sum(1) / mask.sum(1)).mean(),
        ),
        Misconception(
            "vector",
            "it gives one mean for each response: one number for the whole batch is asked for",
            lambda x, mask: _real(x, mask).sum(1) / mask.sum(1),
        ),
        Misconception(
            "sum",
            "it is a sum: with longer responses it would grow. Divide by the number of real tokens",
            lambda x, mask: _real(x, mask).sum(),
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
        {"x": 1.5 + normal(rng, n, length, scale=3), "mask": _mask(rng, n, length, shortest=2)}
        for n, length in ((3, 5), (6, 8), (1, 4))
    ]
    mask = _mask(rng, 3, 4, shortest=2)
    return [*cases, {"x": normal(rng, 3, 4).masked_fill(mask, 2.0), "mask": mask}]


def _scaled(x: Tensor, mask: Tensor) -> Tensor:
    return (x - _mean(x, mask)) * torch.rsqrt(x[mask].var() + 1e-8)


def _whitened_rows(x: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([_real(_scaled(row, real), real) for row, real in zip(x, mask, strict=True)])


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
            lambda x, mask: _real((x - x.mean()) * torch.rsqrt(x.var() + 1e-8), mask),
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
            lambda x, mask: _real((x - _mean(x, mask)) / (x[mask].var() + 1e-8), mask),
        ),
        Misconception(
            "not shifted",
            "the mean is still there: if all rewards are positive, even the worst token would be reinforced",
            lambda x, mask: _real(x * torch.rsqrt(x[mask].var() + 1e-8), mask),
        ),
        Misconception(
            "not scaled",
            "only the mean is taken off: the size of a step would still depend on the scale of the rewards",
            lambda x, mask: _real(x - _mean(x, mask), mask),
        ),
        Misconception(
            "biased",
            "the variance divides by n: of a sample it divides by n - 1, as `Tensor.var` does",
            lambda x, mask: _real((x - _mean(x, mask)) * torch.rsqrt(x[mask].var(correction=0) + 1e-8), mask),
        ),
        Misconception(
            "zero variance",
            "equal values have variance 0, and 0 / 0 is NaN: add 1e-8 before you divide",
            lambda x, mask: _real((x - _mean(x, mask)) / x[mask].std(), mask),
        ),
    ),
)


# --- Policy losses ------------------------------------------------------------


def _reinforcing(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length in ((4, 5), (2, 3), (1, 1)):
        mask = _mask(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        cases.append({"logprobs": _logprobs(rng, n, length), "advantages": normal(rng, n, length), "mask": mask})
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
        "Optimisers go downhill, and you want J to rise: there is a minus.",
        "Advantages are plain numbers here, as rewards are: `advantages.detach()`.",
        "Your `masked_mean` does the rest.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "the minus is missing: minimising this makes good answers *rarer*",
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
            lambda logprobs, advantages, mask: -_real(advantages * logprobs, mask).mean(),
        ),
        Misconception(
            "per response",
            "it averages each response first: here all tokens of the batch weigh the same",
            lambda logprobs, advantages, mask: -(_real(advantages * logprobs, mask).sum(1) / mask.sum(1)).mean(),
        ),
        Misconception(
            "sum",
            "it sums over tokens: with twice the samples the gradient would be twice as large. Take the mean",
            lambda logprobs, advantages, mask: -_real(advantages * logprobs, mask).sum(),
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
        mask = _mask(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        logprobs = _logprobs(rng, n, length)
        old = _moved(rng, logprobs, 0.6)
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
            "the minus is missing: minimising this makes good tokens *rarer*",
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
            _clipped_loss(mean=lambda x, mask: _real(x, mask).mean()),
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
        mask = _mask(rng, n, length) if n > 1 else torch.ones(n, length).bool()
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
        rewards, values = _real(rewards, mask), _real(values, mask)
        found = _real(advantages(deltas(rewards, values, gamma, lam), gamma, lam), mask)
        return found, found + values

    return estimate


def _bootstrapped_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float):
    advantages = _summed(_real(rewards + gamma * _next(values) - values, mask), gamma * lam)
    return advantages, _real(advantages + values, mask)


def _leaking_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float):
    advantages = _summed(rewards + gamma * _next(values) - values, gamma * lam)
    return _real(advantages, mask), _real(advantages + values, mask)


def _rewards_to_go(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float):
    return _mistaken_gae()(rewards, values, mask, gamma, lam)[0], _real(_summed(_real(rewards, mask), gamma), mask)


GAE = Exercise(
    name="gae",
    title="Generalised advantage estimation",
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
        mask = _mask(rng, n, length) if n > 1 else torch.ones(n, length).bool()
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


# --- KL -----------------------------------------------------------------------


def _two_models(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length in ((3, 5), (1, 4), (1, 1)):
        logprobs = _logprobs(rng, n, length)
        cases.append({"logprobs": logprobs, "ref_logprobs": _moved(rng, logprobs, 0.8)})
    same = _logprobs(rng, 2, 3)
    return [*cases, {"logprobs": same, "ref_logprobs": same.clone()}]


KL_K1 = Exercise(
    name="kl_k1",
    title="KL from samples, the plain way",
    minutes=3,
    difficulty=1,
    deliver="log(policy / reference) of each token, from the two log-probabilities.",
    reference=objectives.kl_k1,
    cases=_two_models,
    gradients=("logprobs",),
    hints=(
        "KL(policy || reference) is the mean, over samples of the policy, of log(policy / reference).",
        "The logarithm of a quotient is a difference.",
    ),
    misconceptions=(
        Misconception(
            "direction",
            "the sign is the wrong way round: over samples of the policy it averages to *minus* the KL",
            lambda logprobs, ref_logprobs: ref_logprobs - logprobs,
        ),
        Misconception(
            "ratio",
            "that is the ratio itself: take its logarithm, which is 0 where the two agree",
            lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).exp(),
        ),
        Misconception(
            "weighted",
            "it weighs by the probability: the samples come from the policy, so likely tokens count more often already",
            lambda logprobs, ref_logprobs: logprobs.exp() * (logprobs - ref_logprobs),
        ),
        Misconception(
            "absolute",
            "a single token's log-ratio may be negative: with absolute values the mean is no longer the KL",
            lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).abs(),
        ),
        Misconception(
            "quotient of logs",
            "it divides logarithms: the logarithm of a quotient is their difference",
            lambda logprobs, ref_logprobs: logprobs / ref_logprobs,
        ),
        Misconception(
            "mean",
            "it averages: one number for each token is asked for, since every token pays its own penalty",
            lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).mean(),
        ),
    ),
)

KL_K2 = Exercise(
    name="kl_k2",
    title="KL from samples, never negative",
    minutes=3,
    difficulty=1,
    deliver="Half the square of log(policy / reference) of each token.",
    reference=objectives.kl_k2,
    cases=_two_models,
    gradients=("logprobs",),
    hints=(
        "Take the log-ratio as in `kl_k1`, and square it.",
        "Near 0, KL grows as half the square of the log-ratio.",
    ),
    misconceptions=(
        Misconception(
            "no half",
            "the half is missing: this is about twice the KL where the two are close",
            lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) ** 2,
        ),
        Misconception(
            "no square",
            "the square is missing: half a log-ratio is half of k1",
            lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs),
        ),
        Misconception(
            "absolute",
            "it takes the absolute value: the square is asked for, which vanishes faster where the two agree",
            lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs).abs(),
        ),
        Misconception(
            "probabilities",
            "it squares the difference of the probabilities: take that of their logarithms",
            lambda logprobs, ref_logprobs: 0.5 * (logprobs.exp() - ref_logprobs.exp()) ** 2,
        ),
        Misconception(
            "half squared",
            "the half is squared too, which makes it a quarter: square first",
            lambda logprobs, ref_logprobs: (0.5 * (logprobs - ref_logprobs)) ** 2,
        ),
    ),
)

KL_K3 = Exercise(
    name="kl_k3",
    title="KL from samples, unbiased and never negative",
    minutes=6,
    difficulty=2,
    deliver="(r - 1) - log r of each token, with r = reference / policy.",
    reference=objectives.kl_k3,
    cases=_two_models,
    gradients=("logprobs",),
    hints=(
        "log r is the reference's log-probability minus the policy's: the other way round than in `kl_k1`.",
        "r is exp(log r). Averaged over samples of the policy, r - 1 is 0: it only takes noise away.",
    ),
    misconceptions=(
        Misconception(
            "direction",
            "r is upside down: with policy / reference, r - 1 does not average to 0 over samples of the policy, "
            "and the result is no KL(policy || reference)",
            lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).exp() - 1 - (logprobs - ref_logprobs),
        ),
        Misconception(
            "plus log",
            "log r has the wrong sign: k1 is *minus* log r, and r - 1 is added to it",
            lambda logprobs, ref_logprobs: (ref_logprobs - logprobs).exp() - 1 + (ref_logprobs - logprobs),
        ),
        Misconception(
            "no log",
            "the logarithm is missing: r - 1 alone averages to 0, whatever the KL",
            lambda logprobs, ref_logprobs: (ref_logprobs - logprobs).exp() - 1,
        ),
        Misconception(
            "no minus one",
            "the - 1 is missing: where the two agree it must be 0, not 1",
            lambda logprobs, ref_logprobs: (ref_logprobs - logprobs).exp() - (ref_logprobs - logprobs),
        ),
        Misconception(
            "negative",
            "the sign is the wrong way round: k3 is never below 0",
            lambda logprobs, ref_logprobs: (ref_logprobs - logprobs) - torch.expm1(ref_logprobs - logprobs),
        ),
        Misconception(
            "half square",
            "that is k2: k3 is (r - 1) - log r",
            lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs) ** 2,
        ),
    ),
)


def _scored(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length in ((4, 5), (3, 7), (2, 2), (1, 1)):
        mask = _mask(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        logprobs = _logprobs(rng, n, length)
        ref = _moved(rng, logprobs, 1.0)
        arguments = {"scores": normal(rng, n, scale=2), "logprobs": logprobs, "ref_logprobs": ref, "mask": mask}
        cases.append(arguments | {"beta": float(rng.uniform(0.05, 0.5))})
    return cases


def _at_last_token(scores: Tensor, mask: Tensor) -> Tensor:
    places = torch.zeros(mask.shape)
    places[torch.arange(len(scores)), mask.sum(1) - 1] = scores
    return places


def _at_last_column(scores: Tensor, mask: Tensor) -> Tensor:
    places = torch.zeros(mask.shape)
    places[:, -1] = scores
    return places


def _penalty_at_the_end(scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    return _at_last_token(scores - beta * _real(logprobs - ref_logprobs, mask).sum(1), mask)


KL_PENALISED_REWARDS = Exercise(
    name="kl_penalised_rewards",
    title="Score and KL penalty as rewards of tokens",
    minutes=12,
    difficulty=2,
    deliver="(batch, response): -beta * log(policy / reference) at real tokens, plus the score at the last of them.",
    reference=objectives.kl_penalised_rewards,
    cases=_scored,
    hints=(
        "Begin with the penalty of every token, and set it to 0 at padding.",
        "The last real token of a row is at `mask.sum(1) - 1`.",
        "`rewards[torch.arange(len(scores)), mask.sum(1) - 1] += scores` reaches one place in each row.",
    ),
    misconceptions=(
        Misconception(
            "every token",
            "the score is added at every token: a response of 40 tokens would be paid 40 times. Only the last gets it",
            lambda s, lp, ref, mask, beta: _real(s.unsqueeze(1) - beta * (lp - ref), mask),
        ),
        Misconception(
            "last column",
            "the score stands in the last column, which is padding in all but the longest responses: nobody gets it",
            lambda s, lp, ref, mask, beta: _at_last_column(s, mask) - beta * _real(lp - ref, mask),
        ),
        Misconception(
            "sign",
            "the penalty has the wrong sign: the policy would be paid for leaving the reference",
            lambda s, lp, ref, mask, beta: _at_last_token(s, mask) + beta * _real(lp - ref, mask),
        ),
        Misconception(
            "padding",
            "there is a penalty at padding: rewards there must be 0",
            lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * (lp - ref),
        ),
        Misconception(
            "penalty at the end",
            "the whole penalty is at the last token: the sum is right, but the tokens that caused it are not blamed",
            _penalty_at_the_end,
        ),
        Misconception(
            "no beta",
            "beta is missing: the penalty always counts in full",
            lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - _real(lp - ref, mask),
        ),
        Misconception(
            "no penalty",
            "the penalty is missing: nothing keeps the policy near the reference",
            lambda s, lp, ref, mask, beta: _at_last_token(s, mask),
        ),
        Misconception(
            "no score",
            "the score is missing: there is nothing to gain",
            lambda s, lp, ref, mask, beta: -beta * _real(lp - ref, mask),
        ),
    ),
)  # fmt: skip


# --- Four bits ----------------------------------------------------------------


def _weights(rng: np.random.Generator) -> list[Arguments]:
    scales = torch.tensor(rng.uniform(0.02, 3.0, size=(8, 1)), dtype=torch.float32)  # blocks of unlike size
    uneven = (normal(rng, 8, 64) * scales).reshape(4, 128)
    outlier = normal(rng, 2, 64)
    outlier[1, int(rng.integers(64))] = -20.0
    return [
        {"weight": uneven, "block": 64},
        {"weight": outlier, "block": 64},
        {"weight": normal(rng, 3, 64), "block": 32},
        {"weight": normal(rng, 1, 16), "block": 16},
    ]


def _nearest(scaled: Tensor, levels: Tensor = NF4_LEVELS) -> Tensor:
    return (scaled.unsqueeze(-1) - levels).abs().argmin(-1)


def _quantised(
    scale: Callable[[Tensor], Tensor] = lambda blocks: blocks.abs().amax(1),
    code: Callable[[Tensor], Tensor] = _nearest,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """NF4 with the scale of the blocks or the choice of the level exchanged."""

    def quantise(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
        blocks = weight.reshape(-1, block)
        scales = scale(blocks)
        return code(blocks / scales.unsqueeze(1)).reshape(weight.shape), scales

    return quantise


def _quantised_rows(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
    absmax = weight.abs().amax(1)
    return _nearest(weight / absmax.unsqueeze(1)), absmax


QUANTISE_NF4 = Exercise(
    name="quantise_nf4",
    title="Sixteen levels for a weight",
    minutes=12,
    difficulty=2,
    deliver="(codes, absmax): the index 0-15 of the nearest NF4 level, in weight's shape, and each block's absmax.",
    reference=quantisation.quantise_nf4,
    cases=_weights,
    hints=(
        "`weight.reshape(-1, block)` has one block in each row; its absmax is the largest magnitude of the row.",
        "Divide each block by its absmax: now all numbers lie between -1 and 1, as the levels do.",
        "The nearest level: `(scaled.unsqueeze(-1) - NF4_LEVELS).abs().argmin(dim=-1)`. Give back weight's shape.",
    ),
    misconceptions=(
        Misconception(
            "one scale",
            "one absmax for the whole weight: a single outlier then takes the levels from all other blocks",
            _quantised(scale=lambda blocks: blocks.abs().max().expand(len(blocks))),
        ),
        Misconception(
            "rows",
            "it scales each row of the matrix: a block is a run of `block` numbers, whatever the shape",
            _quantised_rows,
        ),
        Misconception(
            "largest",
            "it scales by the largest number, not the largest *magnitude*: a large negative weight falls off the grid",
            _quantised(scale=lambda blocks: blocks.amax(1)),
        ),
        Misconception(
            "uniform",
            "the levels are evenly spaced: those of NF4 lie close together near 0, where most weights are",
            _quantised(code=lambda scaled: _nearest(scaled, torch.linspace(-1, 1, 16))),
        ),
        Misconception(
            "below",
            "it takes the level below, not the nearest: every weight would shrink towards -absmax",
            _quantised(code=lambda scaled: torch.bucketize(scaled, NF4_LEVELS, right=True) - 1),
        ),
        Misconception(
            "no sign",
            "the sign is lost: scale the weight itself, and only its absmax is a magnitude",
            _quantised(code=lambda scaled: _nearest(scaled.abs())),
        ),
        Misconception(
            "levels",
            "those are the levels themselves: four bits hold the *index* of a level, 0 to 15",
            _quantised(code=lambda scaled: NF4_LEVELS[_nearest(scaled)]),
        ),
    ),
)


def _coded(rng: np.random.Generator) -> list[Arguments]:
    def case(shape: tuple[int, ...], blocks: int) -> Arguments:
        absmax = torch.tensor(rng.uniform(0.1, 3.0, size=blocks), dtype=torch.float32)
        return {"codes": torch.tensor(rng.integers(0, 16, size=shape)), "absmax": absmax}

    return [case((4, 128), 8), case((2, 64), 2), case((3, 64), 6), case((1, 64), 1)]


def _times(levels: Tensor, scales: Tensor) -> Tensor:
    """Levels in any shape times one scale for each block."""
    return (levels.reshape(len(scales), -1) * scales.unsqueeze(1)).reshape(levels.shape)


DEQUANTISE_NF4 = Exercise(
    name="dequantise_nf4",
    title="Back from four bits",
    minutes=6,
    difficulty=1,
    deliver="The level of each code times the absmax of its block, in the shape of codes.",
    reference=quantisation.dequantise_nf4,
    cases=_coded,
    hints=(
        "`NF4_LEVELS[codes]` looks all levels up at once.",
        "There are len(absmax) blocks of equal size: reshape to (blocks, numbers), multiply, reshape back.",
    ),
    misconceptions=(
        Misconception(
            "no scale",
            "the scale is missing: levels lie between -1 and 1, so multiply by the block's absmax",
            lambda codes, absmax: NF4_LEVELS[codes],
        ),
        Misconception(
            "one scale",
            "all blocks get the same scale: each has its own absmax",
            lambda codes, absmax: NF4_LEVELS[codes] * absmax.max(),
        ),
        Misconception(
            "uniform",
            "the levels are evenly spaced: look the code up in NF4_LEVELS",
            lambda codes, absmax: _times(torch.linspace(-1, 1, 16)[codes], absmax),
        ),
        Misconception(
            "codes as numbers",
            "it multiplies the codes themselves: a code is the place of a level in NF4_LEVELS",
            lambda codes, absmax: _times(codes.float(), absmax),
        ),
        Misconception(
            "divides",
            "it divides by the absmax: quantising divided, so going back multiplies",
            lambda codes, absmax: _times(NF4_LEVELS[codes], 1 / absmax),
        ),
        Misconception(
            "interleaved",
            "the scales go round number by number: the first block's numbers come first, all with the first scale",
            lambda codes, absmax: NF4_LEVELS[codes] * absmax.repeat(codes.numel() // len(absmax)).reshape(codes.shape),
        ),
    ),
)


# --- LoRA ---------------------------------------------------------------------


def _adapters(rng: np.random.Generator, *shapes: tuple[int, int, int]) -> list[Arguments]:
    return [
        {"weight": normal(rng, outer, inner), "a": normal(rng, rank, inner), "b": normal(rng, outer, rank)}
        | {"alpha": float(rng.choice([3.0, 8.0, 16.0]))}
        for inner, outer, rank in shapes
    ]


def _layers(rng: np.random.Generator) -> list[Arguments]:
    matrices = _adapters(rng, (6, 4, 2), (4, 4, 4), (5, 3, 2))
    cases = [{"x": normal(rng, 2, 3, len(case["weight"][0]))} | case for case in matrices]
    cases[-1]["b"] = torch.zeros_like(cases[-1]["b"])  # as it begins
    return cases


def _adapted(
    scale: Callable[[float, int], float] = lambda alpha, rank: alpha / rank,
    update: Callable[..., Tensor] = lambda x, a, b: x @ a.T @ b.T,
    base: Callable[[Tensor, Tensor], Tensor] = lambda x, weight: x @ weight.T,
) -> Callable[..., Tensor]:
    """LoRA with one part exchanged, and a base weight that trains."""

    def forward(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
        return base(x, weight) + scale(alpha, len(a)) * update(x, a, b)

    return forward


LORA_FORWARD = Exercise(
    name="lora_forward",
    title="A frozen layer with an adapter",
    minutes=8,
    difficulty=2,
    deliver="x W^T + (alpha / rank) x A^T B^T, with no gradient to the base's weight.",
    reference=lora.lora_forward,
    cases=_layers,
    gradients=("x", "weight", "a", "b"),
    hints=(
        "`torch.nn.functional.linear(x, weight)` is x W^T; use it for A and B too, one after the other.",
        "The rank is the number of rows of A.",
        "The base is frozen: `weight.detach()`.",
    ),
    misconceptions=(
        Misconception(
            "alpha",
            "it scales by alpha alone: divide by the rank, so that another rank needs no other learning rate",
            _adapted(scale=lambda alpha, rank: alpha),
        ),
        Misconception(
            "no scale",
            "the scale alpha / rank is missing",
            _adapted(scale=lambda alpha, rank: 1.0),
        ),
        Misconception(
            "inverse scale",
            "the scale is upside down: alpha / rank",
            _adapted(scale=lambda alpha, rank: rank / alpha),
        ),
        Misconception(
            "swapped",
            "A and B are swapped: A comes first and leads from the layer's inputs down to the rank",
            _adapted(update=lambda x, a, b: x @ b.T @ a.T),
        ),
        Misconception(
            "base transposed",
            "the base is x W: a linear layer's weight is (out, in), so it computes x W^T",
            _adapted(base=lambda x, weight: x @ weight),
        ),
        Misconception(
            "update only",
            "the base is missing: an adapter adds to the layer, it does not take its place",
            _adapted(base=lambda x, weight: 0.0),
        ),
        Misconception(
            "base trains",
            "the values are right, but a gradient flows to the base's weight: it is frozen, so detach it",
            _adapted(),
        ),
    ),
)

LORA_MERGE = Exercise(
    name="lora_merge",
    title="One matrix again",
    minutes=4,
    difficulty=1,
    deliver="W + (alpha / rank) B A, in the shape of weight.",
    reference=lora.lora_merge,
    cases=lambda rng: _adapters(rng, (6, 4, 2), (4, 4, 4), (3, 5, 2)),
    hints=(
        "W is (out, in), B is (out, rank), A is (rank, in): one product has W's shape.",
        "The scale is that of the forward pass, alpha / rank.",
    ),
    misconceptions=(
        Misconception(
            "order",
            "the product is A B: only B A has the shape (out, in) of the weight",
            lambda weight, a, b, alpha: weight + alpha / len(a) * (a @ b),
        ),
        Misconception(
            "transposed",
            "the update is transposed: B A already has the shape (out, in) of the weight",
            lambda weight, a, b, alpha: weight + alpha / len(a) * (b @ a).T,
        ),
        Misconception(
            "alpha",
            "it scales by alpha alone: divide by the rank, as the forward pass does",
            lambda weight, a, b, alpha: weight + alpha * (b @ a),
        ),
        Misconception(
            "no scale",
            "the scale alpha / rank is missing: the merged layer would do something else",
            lambda weight, a, b, alpha: weight + b @ a,
        ),
        Misconception(
            "update only",
            "the base is missing: add the update to the weight",
            lambda weight, a, b, alpha: alpha / len(a) * (b @ a),
        ),
        Misconception(
            "minus",
            "it takes the update away: that is how an adapter is *un*merged",
            lambda weight, a, b, alpha: weight - alpha / len(a) * (b @ a),
        ),
    ),
)


# --- Log-probabilities of a response ------------------------------------------


def _sequences(rng: np.random.Generator) -> list[Arguments]:
    def case(batch: int, prompt: int, response: int, vocabulary: int = 6) -> Arguments:
        ids = torch.tensor(rng.integers(0, vocabulary, size=(batch, prompt + response)))
        logits = normal(rng, batch, prompt + response, vocabulary, scale=2)
        return {"logits": logits, "ids": ids, "prompt_length": prompt}

    return [case(3, 4, 5), case(2, 1, 3), case(1, 3, 1), case(1, 2, 2)]


def _picked(scores: Tensor, ids: Tensor) -> Tensor:
    return scores.gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def _logprobs_of(logits: Tensor, ids: Tensor) -> Tensor:
    return _picked(logits.log_softmax(-1), ids)


COMPLETION_LOGPROBS = Exercise(
    name="completion_logprobs",
    title="Log-probabilities of a response",
    minutes=10,
    difficulty=2,
    deliver="The log-probability of each response token, (batch, response), from the logits of prompt and response.",
    reference=objectives.completion_logprobs,
    cases=_sequences,
    gradients=("logits",),
    hints=(
        "The logits at position t are what the model expects at t + 1.",
        "The first response token, at position prompt_length, is predicted by the prompt's last token, one before it.",
        "`log_softmax(dim=-1)`, then `gather` along the vocabulary with the ids as index.",
    ),
    misconceptions=(
        Misconception(
            "no shift",
            "it asks each position for its own token: the logits at position t predict the token at t + 1",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt:], ids[:, prompt:]),
        ),
        Misconception(
            "first token lost",
            "the first response token is missing: the prompt's last token predicts it",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt:-1], ids[:, prompt + 1 :]),
        ),
        Misconception(
            "wrong way",
            "it shifts the wrong way: the logits come from *before* the token that they predict, not after it",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt + 1 :], ids[:, prompt:-1]),
        ),
        Misconception(
            "prompt too",
            "the prompt's tokens are in it: the policy did not choose them",
            lambda logits, ids, prompt: _logprobs_of(logits[:, :-1], ids[:, 1:]),
        ),
        Misconception(
            "raw logits",
            "those are logits: without log_softmax they are no log-probabilities, and only differences mean something",
            lambda logits, ids, prompt: _picked(logits[:, prompt - 1 : -1], ids[:, prompt:]),
        ),
        Misconception(
            "probabilities",
            "those are probabilities: their logarithm is asked for",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).exp(),
        ),
        Misconception(
            "wrong axis",
            "it normalises over positions: at each position the probabilities of the *vocabulary* sum to 1",
            lambda logits, ids, prompt: _picked(logits[:, prompt - 1 : -1].log_softmax(1), ids[:, prompt:]),
        ),
        Misconception(
            "sum",
            "it sums over the response: PPO needs one number for each token",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).sum(1),
        ),
    ),
)


# --- DPO ----------------------------------------------------------------------

COMPLETIONS = ("chosen", "rejected", "ref_chosen", "ref_rejected")


def _preferred(rng: np.random.Generator) -> list[Arguments]:
    def case(batch: int, beta: float) -> Arguments:
        reference = -normal(rng, 2, batch, scale=10).abs() - 5
        policy = reference + normal(rng, 2, batch, scale=3)
        return dict(zip(COMPLETIONS, (*policy, *reference), strict=True)) | {"beta": beta}

    far = [torch.tensor([value]) for value in (-900.0, -100.0, -400.0, -500.0)]
    return [case(4, 0.1), case(3, 0.5), case(1, 0.2), dict(zip(COMPLETIONS, far, strict=True)) | {"beta": 0.5}]


def _of_margin(loss: Callable[[Tensor, float], Tensor]) -> Callable[..., Tensor]:
    """A loss of beta and the gap between the two log-ratios."""
    return lambda chosen, rejected, ref_chosen, ref_rejected, beta: loss(
        (chosen - ref_chosen) - (rejected - ref_rejected), beta
    )


DPO_LOSS = Exercise(
    name="dpo_loss",
    title="Preferences without a reward model",
    minutes=8,
    difficulty=2,
    deliver="The mean of -log sigmoid(beta * (log-ratio chosen - log-ratio rejected)); no gradient to the reference.",
    reference=objectives.dpo_loss,
    cases=_preferred,
    gradients=COMPLETIONS,
    hints=(
        "A log-ratio is the policy's log-probability of a whole completion minus the reference's.",
        "It is lab 02's Bradley-Terry loss, with beta * log-ratio in the place of the score.",
        "Detach both reference values, and use `torch.nn.functional.logsigmoid`.",
    ),
    misconceptions=(
        Misconception(
            "no reference",
            "the reference is missing: whatever completion was likelier from the start would count as preferred",
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: -F.logsigmoid(beta * (chosen - rejected)).mean(),
        ),
        Misconception(
            "sign",
            "chosen and rejected are swapped: this loss falls when the *rejected* completion gets likelier",
            _of_margin(lambda gap, beta: -F.logsigmoid(-beta * gap).mean()),
        ),
        Misconception(
            "no minus",
            "the minus is missing: minimising this makes the chosen completion *less* likely",
            _of_margin(lambda gap, beta: F.logsigmoid(beta * gap).mean()),
        ),
        Misconception(
            "beta outside",
            "beta multiplies the loss: it belongs inside the sigmoid, where it says how far the policy may go",
            _of_margin(lambda gap, beta: -beta * F.logsigmoid(gap).mean()),
        ),
        Misconception(
            "no beta",
            "beta is missing: it says how many units of reward one nat is",
            _of_margin(lambda gap, beta: -F.logsigmoid(gap).mean()),
        ),
        Misconception(
            "no log",
            "that is a probability, not a loss: take minus its logarithm",
            _of_margin(lambda gap, beta: torch.sigmoid(beta * gap).mean()),
        ),
        Misconception(
            "sum",
            "it sums over the batch: with twice the pairs the gradient would be twice as large. Take the mean",
            _of_margin(lambda gap, beta: -F.logsigmoid(beta * gap).sum()),
        ),
        Misconception(
            "overflow",
            "log(sigmoid(x)) is -inf where the policy is far wrong: use logsigmoid",
            _of_margin(lambda gap, beta: -torch.sigmoid(beta * gap).log().mean()),
        ),
        Misconception(
            "reference trains",
            "the value is right, but a gradient flows to the reference: it is fixed. Detach both of its values",
            _of_margin(lambda gap, beta: -F.logsigmoid(beta * gap).mean()),
        ),
    ),
)

EXERCISES = [
    MASKED_MEAN,
    REINFORCE_LOSS,
    CLIPPED_POLICY_LOSS,
    GAE,
    MASKED_WHITEN,
    CLIPPED_VALUE_LOSS,
    KL_K1,
    KL_K2,
    KL_K3,
    KL_PENALISED_REWARDS,
    QUANTISE_NF4,
    DEQUANTISE_NF4,
    LORA_FORWARD,
    LORA_MERGE,
    COMPLETION_LOGPROBS,
    DPO_LOSS,
]

# --- Questions, in the order in which they come -------------------------------

QUESTIONS = [
    Forecast(
        "sampled_average_gradient",
        "sample 1,000 answers, average their rewards: what is the gradient of that average by theta?",
        ("the exact gradient", "a noisy estimate of it", "there is none: the average does not depend on theta"),
    ),
    Question(
        "log_derivative",
        "Why is the gradient of the sampled average not the gradient of J?",
        (
            Choice(
                "Sampling returns fixed indices, through which nothing flows back to theta",
                "How *often* an answer is drawn depends on theta, but an index does not carry that. "
                "The log-derivative trick puts it back.",
                True,
            ),
            Choice(
                "1,000 samples are too few",
                "With any number it is missing, not noisy: the average is a constant for autograd.",
            ),
            Choice(
                "The reward is not differentiable",
                "It need not be. In the exact sum it is a plain number too, and the gradient is there.",
            ),
        ),
    ),
    Guess("samples_to_halve", "how many times more samples halve the error?", 1, 16, 0.5, close=0.75, unit="x"),
    Question(
        "on_policy",
        "You have 10,000 good summaries by people. Can the REINFORCE loss be computed on them instead of on samples?",
        (
            Choice(
                "No: its mean is the gradient of J only over samples of the policy itself",
                "The expectation is over pi_theta. On other texts it trains likelihood weighted by reward: "
                "closer to supervised tuning.",
                True,
            ),
            Choice(
                "Yes, and it is better, since they are good",
                "It can be typed in, but then it no longer estimates the gradient of J: the policy's own mistakes "
                "never occur, so they are never punished.",
            ),
            Choice(
                "Yes, if each has a score",
                "The score is not the problem: the weights of the expectation are, and they are the policy's.",
            ),
        ),
    ),
    Question(
        "clip_negative",
        "A token has advantage -1 and ratio 0.5, the clip is 0.2. What does PPO's loss do?",
        (
            Choice(
                "Nothing: it has become rare enough, and its gradient is 0",
                "The clipped gain, -0.8, is smaller than -0.5, so the minimum takes it, and it is flat.",
                True,
            ),
            Choice(
                "It makes the token rarer still",
                "Without clipping it would. Below 1 - clip a bad token earns no more for getting rarer.",
            ),
            Choice(
                "It makes the token more likely again",
                "That would take a slope the other way. The clip only switches gradients off.",
            ),
        ),
    ),
    Question(
        "value_role",
        "What does the value function do for the policy's gradient?",
        (
            Choice(
                "It takes noise away: a token is judged against what was expected before it",
                "It is a baseline for each place in the text. With lambda below 1 it also stands in for the rest of "
                "the outcome, at the price of some bias.",
                True,
            ),
            Choice(
                "It scores the response in place of the reward model",
                "The score comes from the reward model alone. The value function guesses it, from half a text.",
            ),
            Choice(
                "It keeps the policy near the reference",
                "That is the KL penalty. The value function only guesses the reward that is still to come.",
            ),
        ),
    ),
    Question(
        "no_kl_penalty",
        "You set beta = 0 and train for long. What do you expect?",
        (
            Choice(
                "The reward model's score keeps rising, while the texts get worse in the end",
                "Far from the texts it was trained on its score is a guess, and the policy looks for guesses "
                "that flatter it: overoptimisation, measured in lab 05.",
                True,
            ),
            Choice(
                "The policy stays near the reference by itself, thanks to clipping",
                "Clipping limits the steps on one batch. Over many batches they add up.",
            ),
            Choice(
                "Nothing: the score no longer has any effect",
                "beta weighs the penalty, not the score: without it the score is all there is.",
            ),
        ),
    ),
    Question(
        "prompts_only",
        "The prompt set holds no completions. Why not?",
        (
            Choice(
                "The policy writes them itself, and they change with every update",
                "A rollout is made of the policy's own samples. Stored completions would be those of another policy.",
                True,
            ),
            Choice(
                "They are secret, so that the policy cannot copy them",
                "There is nothing to hide: PPO's loss has no place for a text that the policy did not sample.",
            ),
            Choice(
                "The reward model knows them",
                "It knows no right answer: it scores whatever text it is shown.",
            ),
        ),
    ),
    Question(
        "start_from_sft",
        "Why does PPO start from the SFT policy and not from the base model?",
        (
            Choice(
                "Its samples are already tries at the task, so that some are better than others",
                "PPO only makes likelier what it samples. And as the reference, SFT keeps the text in the region "
                "where the reward model has seen pairs.",
                True,
            ),
            Choice(
                "PPO cannot train a base model",
                "It runs on any model that gives log-probabilities. It would only need far more samples.",
            ),
            Choice(
                "The base has no LoRA adapter",
                "A fresh one can be added in a line: that is how SFT began.",
            ),
        ),
    ),
    Question(
        "lora_unchanged",
        "You train a LoRA adapter and switch it off again. What has changed in the model?",
        (
            Choice(
                "Nothing: the base's weights were never touched",
                "They are frozen, and in 4 bits here. All that was learned is in A and B.",
                True,
            ),
            Choice(
                "The base has moved a little towards the task",
                "No gradient reached it. Only merging would change it, and then it is another matrix.",
            ),
            Choice(
                "The layers that had an adapter have lost precision",
                "Quantising cost precision, before any training. The adapter adds to the layer, it replaces nothing.",
            ),
        ),
    ),
    Forecast(
        "first_rollout_zeros",
        "nothing is trained yet: which columns of a rollout are 0 at every token?",
        ("KL", "KL and value", "KL, value and advantage"),
    ),
    Guess("ppo_kl", "how far will the policy be from the reference at the end?", 0, 10, 0.1, close=0.5, unit=" nats"),
    Forecast(
        "gold_against_proxy",
        "will the gold reward rise as much as the proxy?",
        ("it rises as much or more", "it rises, but less", "it does not rise"),
    ),
    Guess("ppo_gold_gain", "by how much does the gold reward change (its scale is -3 to 3)?", -2, 3, 0.1, close=0.2),
    Guess("ppo_win_rate", "how often does PPO's text beat SFT's, in gold reward?", 0, 100, 1, close=5, unit=" %"),
    Guess("perfect_tldrs", "after PPO, what share of the TL;DRs is perfect?", 0, 100, 1, close=5, unit=" %"),
]
