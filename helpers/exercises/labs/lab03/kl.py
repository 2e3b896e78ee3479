"""Exercises of lab 03: the KL divergence from the reference."""

from __future__ import annotations

import numpy as np
import torch

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import moved_logprobs, token_logprobs


def two_models(rng: np.random.Generator) -> list[Arguments]:
    """Log-probabilities of tokens under policy and reference."""
    cases = []
    for n, length in ((3, 5), (1, 4), (1, 1)):
        logprobs = token_logprobs(rng, n, length)
        cases.append({"logprobs": logprobs, "ref_logprobs": moved_logprobs(rng, logprobs, 0.8)})
    same = token_logprobs(rng, 2, 3)
    # Tokens whose probability is 0 in 32 bits; its logarithm is not infinite.
    far = {"logprobs": torch.tensor([[-200.0, -150.0, -1.0]]), "ref_logprobs": torch.tensor([[-202.0, -149.5, -2.5]])}
    return [*cases, {"logprobs": same, "ref_logprobs": same.clone()}, far]


KL_K1 = Exercise(
    name="kl_k1",
    title="KL from samples, the plain way",
    minutes=3,
    difficulty=1,
    deliver="k1 of each token, in the shape of the inputs; it may be negative.",
    reference=objectives.kl_k1,
    cases=two_models,
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
            (
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).exp(),
                lambda logprobs, ref_logprobs: (ref_logprobs - logprobs).exp(),
            ),
        ),
        Misconception(
            "weighted",
            "it weighs by the probability: the samples come from the policy, so likely tokens count more often already",
            (
                lambda logprobs, ref_logprobs: logprobs.exp() * (logprobs - ref_logprobs),
                lambda logprobs, ref_logprobs: logprobs.exp() * (ref_logprobs - logprobs),
                lambda logprobs, ref_logprobs: ref_logprobs.exp() * (ref_logprobs - logprobs),
                lambda logprobs, ref_logprobs: ref_logprobs.exp() * (logprobs - ref_logprobs),
                lambda logprobs, ref_logprobs: logprobs * (logprobs - ref_logprobs),
            ),
        ),
        Misconception(
            "absolute",
            "a single token's log-ratio may be negative: if you change that, the mean is no longer the KL",
            (
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).abs(),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).clamp(min=0),
            ),
        ),
        Misconception(
            "quotient of logs",
            "it divides logarithms: the logarithm of a quotient is their difference",
            (
                lambda logprobs, ref_logprobs: logprobs / ref_logprobs,
                lambda logprobs, ref_logprobs: ref_logprobs / logprobs,
            ),
        ),
        Misconception(
            "mean",
            "it gives fewer numbers: one for each token is asked for, since every token pays its own penalty",
            (
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).mean(),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).sum(),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).sum(-1),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).mean(-1),
                lambda logprobs, ref_logprobs: (logprobs.exp() * (logprobs - ref_logprobs)).sum(-1),
            ),
        ),
        Misconception(
            "log of log",
            "`logprobs` are logarithms already, and negative: take no logarithm of them, only their difference",
            (
                lambda logprobs, ref_logprobs: (logprobs / ref_logprobs).log(),
                lambda logprobs, ref_logprobs: logprobs.log() - ref_logprobs.log(),
                lambda logprobs, ref_logprobs: (logprobs.log() - ref_logprobs.log()).abs().nan_to_num(),
                lambda logprobs, ref_logprobs: logprobs * (logprobs / ref_logprobs).log(),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).log(),
            ),
        ),
        Misconception(
            "probabilities",
            "it subtracts probabilities: take the difference of their logarithms, which you are given",
            (
                lambda logprobs, ref_logprobs: logprobs.exp() - ref_logprobs.exp(),
                lambda logprobs, ref_logprobs: ref_logprobs.exp() - logprobs.exp(),
            ),
        ),
        Misconception(
            "plus",
            "it adds the two log-probabilities: that is the log of a product. The log of a quotient is a difference",
            lambda logprobs, ref_logprobs: logprobs + ref_logprobs,
        ),
        Misconception(
            "another estimator",
            "that is another estimator, k2 or k3: k1 is the log-ratio alone",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs) ** 2,
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) ** 2,
                lambda logprobs, ref_logprobs: torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs),
            ),
        ),
        Misconception(
            "underflow",
            "it fails where a token is very unlikely: its probability is 0 in 32 bits, and 0 / 0 is NaN. "
            "Subtract the log-probabilities, without exp",
            (
                lambda logprobs, ref_logprobs: (logprobs.exp() / ref_logprobs.exp()).log(),
                lambda logprobs, ref_logprobs: logprobs.exp().log() - ref_logprobs.exp().log(),
                lambda logprobs, ref_logprobs: ((logprobs.exp() + 1e-8) / (ref_logprobs.exp() + 1e-8)).log(),
            ),
        ),
    ),
)


KL_K2 = Exercise(
    name="kl_k2",
    title="KL from samples, never negative",
    minutes=3,
    difficulty=1,
    deliver="k2 of each token, in the shape of the inputs; it is never negative.",
    reference=objectives.kl_k2,
    cases=two_models,
    gradients=("logprobs",),
    hints=(
        "Take the log-ratio as in `kl_k1`, and square it.",
        "Near 0, KL grows as half the square of the log-ratio.",
    ),
    misconceptions=(
        Misconception(
            "no half",
            "the half is missing: this is about twice the KL where the two are close",
            (
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) ** 2,
                lambda logprobs, ref_logprobs: 2 * (logprobs - ref_logprobs) ** 2,
            ),
        ),
        Misconception(
            "no square",
            "the square is missing: k2 is half the *square* of the log-ratio",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs),
                lambda logprobs, ref_logprobs: 0.5 * (ref_logprobs - logprobs),
                lambda logprobs, ref_logprobs: logprobs - ref_logprobs,
                lambda logprobs, ref_logprobs: ref_logprobs - logprobs,
            ),
        ),
        Misconception(
            "absolute",
            "it takes the absolute value: the square is asked for, which vanishes faster where the two agree",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs).abs(),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).abs(),
            ),
        ),
        Misconception(
            "probabilities",
            "it squares the difference of the probabilities: take that of their logarithms",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs.exp() - ref_logprobs.exp()) ** 2,
                lambda logprobs, ref_logprobs: (logprobs.exp() - ref_logprobs.exp()) ** 2,
            ),
        ),
        Misconception(
            "half squared",
            "the half is squared too, which makes it a quarter: square first",
            lambda logprobs, ref_logprobs: (0.5 * (logprobs - ref_logprobs)) ** 2,
        ),
        Misconception(
            "ratio",
            "it squares the ratio: take its logarithm first, which is 0 where the two agree",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs).exp() ** 2,
                lambda logprobs, ref_logprobs: 0.5 * (ref_logprobs - logprobs).exp() ** 2,
                lambda logprobs, ref_logprobs: 0.5 * torch.expm1(ref_logprobs - logprobs) ** 2,
                lambda logprobs, ref_logprobs: 0.5 * torch.expm1(logprobs - ref_logprobs) ** 2,
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).exp() ** 2,
            ),
        ),
        Misconception(
            "log of log",
            "`logprobs` are logarithms already, and negative: take no logarithm of them, only their difference",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs / ref_logprobs).log() ** 2,
                lambda logprobs, ref_logprobs: 0.5 * (logprobs.log() - ref_logprobs.log()) ** 2,
                lambda logprobs, ref_logprobs: (logprobs / ref_logprobs).log() ** 2,
            ),
        ),
        Misconception(
            "quotient of logs",
            "it divides logarithms: the logarithm of a quotient is their difference",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs / ref_logprobs) ** 2,
                lambda logprobs, ref_logprobs: (logprobs / ref_logprobs) ** 2,
            ),
        ),
        Misconception(
            "squares apart",
            "it squares each log-probability by itself: take the difference first, then the square",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs**2 - ref_logprobs**2),
                lambda logprobs, ref_logprobs: 0.5 * logprobs**2 - ref_logprobs**2,
                lambda logprobs, ref_logprobs: logprobs**2 - ref_logprobs**2,
                lambda logprobs, ref_logprobs: 0.5 * logprobs - ref_logprobs**2,
                lambda logprobs, ref_logprobs: logprobs - 0.5 * ref_logprobs**2,
            ),
        ),
        Misconception(
            "negative",
            "it is negative: k2 is half a square, which is never below 0",
            (
                lambda logprobs, ref_logprobs: -0.5 * (logprobs - ref_logprobs) ** 2,
                lambda logprobs, ref_logprobs: -((logprobs - ref_logprobs) ** 2),
            ),
        ),
        Misconception(
            "brackets",
            "only a part is squared or halved: take the difference first, in brackets",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs**2),
                lambda logprobs, ref_logprobs: 0.5 * logprobs - ref_logprobs,
                lambda logprobs, ref_logprobs: (0.5 * logprobs - ref_logprobs) ** 2,
                lambda logprobs, ref_logprobs: logprobs - ref_logprobs**2,
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs / 2) ** 2,
            ),
        ),
        Misconception(
            "plus",
            "it adds the two log-probabilities: that is the log of a product. Take their difference",
            lambda logprobs, ref_logprobs: 0.5 * (logprobs + ref_logprobs) ** 2,
        ),
        Misconception(
            "weighted",
            "it weighs by the probability: the samples come from the policy, so likely tokens count more often already",
            (
                lambda logprobs, ref_logprobs: 0.5 * logprobs.exp() * (logprobs - ref_logprobs) ** 2,
                lambda logprobs, ref_logprobs: logprobs.exp() * (logprobs - ref_logprobs) ** 2,
            ),
        ),
        Misconception(
            "root",
            "it takes the root of the square, which is the absolute value again: k2 keeps the square",
            lambda logprobs, ref_logprobs: (0.5 * (logprobs - ref_logprobs) ** 2) ** 0.5,
        ),
        Misconception(
            "power",
            "the exponent is wrong: k2 takes the second power",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs) ** 3,
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) ** 0.5,
            ),
        ),
        Misconception(
            "mean",
            "it gives fewer numbers: one for each token is asked for, since every token pays its own penalty",
            (
                lambda logprobs, ref_logprobs: (0.5 * (logprobs - ref_logprobs) ** 2).mean(),
                lambda logprobs, ref_logprobs: (0.5 * (logprobs - ref_logprobs) ** 2).sum(),
                lambda logprobs, ref_logprobs: (0.5 * (logprobs - ref_logprobs) ** 2).sum(-1),
                lambda logprobs, ref_logprobs: (0.5 * (logprobs - ref_logprobs) ** 2).mean(-1),
                lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs).mean() ** 2,
            ),
        ),
        Misconception(
            "underflow",
            "it fails where a token is very unlikely: its probability is 0 in 32 bits, and 0 / 0 is NaN. "
            "Subtract the log-probabilities, without exp",
            (
                lambda logprobs, ref_logprobs: 0.5 * (logprobs.exp() / ref_logprobs.exp()).log() ** 2,
                lambda logprobs, ref_logprobs: 0.5 * (logprobs.exp().log() - ref_logprobs.exp().log()) ** 2,
            ),
        ),
        Misconception(
            "zero",
            "it is 0 everywhere: in Python 1 // 2 is 0. Half is 0.5 or 1 / 2",
            (
                lambda logprobs, ref_logprobs: torch.zeros_like(logprobs),
                lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) ** 2 // 2,
            ),
        ),
    ),
)
