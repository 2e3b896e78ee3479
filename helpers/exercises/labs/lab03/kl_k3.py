"""Exercise of lab 03: the third estimator of the KL divergence."""

from __future__ import annotations

import torch

from ....formulas import objectives
from ...exercise import Exercise, Misconception
from .kl import two_models

KL_K3 = Exercise(
    name="kl_k3",
    title="KL from samples, unbiased and never negative",
    minutes=6,
    difficulty=2,
    deliver="k3 of each token, in the shape of the inputs; it is never negative.",
    reference=objectives.kl_k3,
    cases=two_models,
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
            (
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).exp() - 1 - (logprobs - ref_logprobs),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).exp() - 1 + (logprobs - ref_logprobs),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).exp() - (logprobs - ref_logprobs),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).exp() - 1,
            ),
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
            (
                lambda logprobs, ref_logprobs: (ref_logprobs - logprobs).exp() - (ref_logprobs - logprobs),
                lambda logprobs, ref_logprobs: (ref_logprobs - logprobs).exp() + (ref_logprobs - logprobs),
            ),
        ),
        Misconception(
            "negative",
            "the sign is the wrong way round: k3 is never below 0",
            (
                lambda logprobs, ref_logprobs: (ref_logprobs - logprobs) - torch.expm1(ref_logprobs - logprobs),
                lambda logprobs, ref_logprobs: (ref_logprobs - logprobs) - torch.exp(ref_logprobs - logprobs) - 1,
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) - torch.expm1(logprobs - ref_logprobs),
            ),
        ),
        Misconception(
            "half square",
            "that is k2: k3 adds r - 1 to k1",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs) ** 2,
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) ** 2,
            ),
        ),
        Misconception(
            "one estimator",
            "that is k1, the log-ratio: r - 1 is missing, which takes noise away",
            (
                lambda logprobs, ref_logprobs: logprobs - ref_logprobs,
                lambda logprobs, ref_logprobs: ref_logprobs - logprobs,
            ),
        ),
        Misconception(
            "plus one",
            "it adds 1: subtract it, so that the result is 0 where the two agree",
            lambda logprobs, ref_logprobs: (ref_logprobs - logprobs).exp() + 1 - (ref_logprobs - logprobs),
        ),
        Misconception(
            "brackets",
            "the 1 is inside the exponential: take r first, then subtract 1",
            (lambda logprobs, ref_logprobs: (ref_logprobs - logprobs - 1).exp() - (ref_logprobs - logprobs),),
        ),
        Misconception(
            "product",
            "it multiplies by log r: subtract it",
            (
                lambda logprobs, ref_logprobs: torch.expm1(ref_logprobs - logprobs) * (ref_logprobs - logprobs),
                lambda logprobs, ref_logprobs: (
                    torch.expm1(ref_logprobs - logprobs)
                    - torch.exp(ref_logprobs - logprobs) * (ref_logprobs - logprobs)
                ),
                lambda logprobs, ref_logprobs: torch.exp(ref_logprobs - logprobs) * (ref_logprobs - logprobs),
            ),
        ),
        Misconception(
            "quotient of logs",
            "r is made from log-probabilities: as a ratio of *probabilities* it is exp(ref_logprobs - logprobs)",
            (
                lambda logprobs, ref_logprobs: ref_logprobs / logprobs - 1 - (ref_logprobs / logprobs).log(),
                lambda logprobs, ref_logprobs: ref_logprobs / logprobs - 1 - (ref_logprobs - logprobs),
                lambda logprobs, ref_logprobs: logprobs / ref_logprobs - 1 - (logprobs / ref_logprobs).log(),
            ),
        ),
        Misconception(
            "no exp",
            "exp is missing: the difference of log-probabilities is log r, and r is its exponential",
            (
                lambda logprobs, ref_logprobs: (ref_logprobs - logprobs) - 1 - (ref_logprobs - logprobs),
                lambda logprobs, ref_logprobs: (ref_logprobs - logprobs) - 1 - (ref_logprobs - logprobs).log(),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) - 1 - (logprobs - ref_logprobs).log(),
                lambda logprobs, ref_logprobs: (ref_logprobs - logprobs) - 1 - (logprobs - ref_logprobs),
            ),
        ),
        Misconception(
            "log of log",
            "log r is taken twice: ref_logprobs - logprobs is log r already",
            (
                lambda logprobs, ref_logprobs: torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs).log(),
                lambda logprobs, ref_logprobs: (
                    torch.expm1(ref_logprobs - logprobs) - (ref_logprobs.log() - logprobs.log())
                ),
                lambda logprobs, ref_logprobs: torch.expm1(ref_logprobs - logprobs) - (ref_logprobs / logprobs).log(),
            ),
        ),
        Misconception(
            "absolute",
            "it takes an absolute value or cuts at 0: k3 is never negative by itself",
            (
                lambda logprobs, ref_logprobs: torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs).abs(),
                lambda logprobs, ref_logprobs: torch.expm1(ref_logprobs - logprobs).abs() - (ref_logprobs - logprobs),
            ),
        ),
        Misconception(
            "half",
            "it is halved: k3 has no half, k2 has",
            lambda logprobs, ref_logprobs: 0.5 * (torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs)),
        ),
        Misconception(
            "weighted",
            "it weighs by the probability: the samples come from the policy, so likely tokens count more often already",
            lambda logprobs, ref_logprobs: (
                logprobs.exp() * (torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs))
            ),
        ),
        Misconception(
            "mean",
            "it gives fewer numbers: one for each token is asked for, since every token pays its own penalty",
            (
                lambda logprobs, ref_logprobs: (
                    torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs)
                ).mean(),
                lambda logprobs, ref_logprobs: (torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs)).sum(),
                lambda logprobs, ref_logprobs: (torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs)).sum(
                    -1
                ),
                lambda logprobs, ref_logprobs: (torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs)).mean(
                    -1
                ),
            ),
        ),
        Misconception(
            "underflow",
            "it fails where a token is very unlikely: its probability is 0 in 32 bits, and 0 / 0 is NaN. "
            "log r is a difference, and r the exponential of that",
            (
                lambda logprobs, ref_logprobs: (
                    ref_logprobs.exp() / logprobs.exp() - 1 - (ref_logprobs.exp() / logprobs.exp()).log()
                ),
                lambda logprobs, ref_logprobs: ref_logprobs.exp() / logprobs.exp() - 1 - (ref_logprobs - logprobs),
            ),
        ),
    ),
)
