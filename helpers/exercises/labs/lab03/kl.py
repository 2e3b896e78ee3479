"""Exercises of lab 03: the KL divergence from the reference, and the reward that it is taken from."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import moved_logprobs, normal, real_only, right_padded, token_logprobs


def _two_models(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length in ((3, 5), (1, 4), (1, 1)):
        logprobs = token_logprobs(rng, n, length)
        cases.append({"logprobs": logprobs, "ref_logprobs": moved_logprobs(rng, logprobs, 0.8)})
    same = token_logprobs(rng, 2, 3)
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
        mask = right_padded(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        logprobs = token_logprobs(rng, n, length)
        ref = moved_logprobs(rng, logprobs, 1.0)
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
    return _at_last_token(scores - beta * real_only(logprobs - ref_logprobs, mask).sum(1), mask)


KL_PENALIZED_REWARDS = Exercise(
    name="kl_penalized_rewards",
    title="Score and KL penalty as rewards of tokens",
    minutes=12,
    difficulty=2,
    deliver="(batch, response): -beta * log(policy / reference) at real tokens, plus the score at the last of them.",
    reference=objectives.kl_penalized_rewards,
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
            lambda s, lp, ref, mask, beta: real_only(s.unsqueeze(1) - beta * (lp - ref), mask),
        ),
        Misconception(
            "last column",
            "the score stands in the last column, which is padding in all but the longest responses: nobody gets it",
            lambda s, lp, ref, mask, beta: _at_last_column(s, mask) - beta * real_only(lp - ref, mask),
        ),
        Misconception(
            "sign",
            "the penalty has the wrong sign: the policy would be paid for leaving the reference",
            lambda s, lp, ref, mask, beta: _at_last_token(s, mask) + beta * real_only(lp - ref, mask),
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
            lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - real_only(lp - ref, mask),
        ),
        Misconception(
            "no penalty",
            "the penalty is missing: nothing keeps the policy near the reference",
            lambda s, lp, ref, mask, beta: _at_last_token(s, mask),
        ),
        Misconception(
            "no score",
            "the score is missing: there is nothing to gain",
            lambda s, lp, ref, mask, beta: -beta * real_only(lp - ref, mask),
        ),
    ),
)  # fmt: skip
