"""Exercises of lab 06: the policy that DPO aims at, and the reward that a policy implies."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _rewarded(rng: np.random.Generator) -> list[Arguments]:
    def case(completions: int, beta: float) -> Arguments:
        ref_logprobs = normal(rng, completions).log_softmax(0)
        return {"ref_logprobs": ref_logprobs, "rewards": normal(rng, completions), "beta": beta}

    large = torch.tensor(rng.uniform(10, 12, size=4), dtype=torch.float32)  # exp(100) is infinite in float32
    return [
        case(5, float(rng.uniform(0.3, 0.6))),
        case(3, float(rng.uniform(1.5, 3))),
        case(4, 0.1) | {"rewards": large},
    ]


def _tilted(ref_logprobs: Tensor, rewards: Tensor, beta: float) -> Tensor:
    return ref_logprobs.exp() * (rewards / beta).exp()


OPTIMAL_POLICY = Exercise(
    name="optimal_policy",
    title="The policy that DPO aims at",
    minutes=8,
    difficulty=2,
    deliver="The logarithm of reference * exp(reward / beta) / Z, (completions,), however large reward / beta is.",
    reference=objectives.optimal_policy,
    cases=_rewarded,
    hints=(
        "The logarithm turns the product into a sum: log reference + reward / beta - log Z.",
        "Z makes the probabilities of all completions sum to 1. Which function of torch does that to any numbers?",
        "`log_softmax(dim=0)`: it takes the largest number off first, so that no exponential overflows.",
    ),
    misconceptions=(
        Misconception(
            "multiplied",
            "beta multiplies the reward: then a large beta, a *dear* KL, would lead the policy away. Divide by it",
            lambda ref_logprobs, rewards, beta: (ref_logprobs + beta * rewards).log_softmax(0),
        ),
        Misconception(
            "no Z",
            "Z is missing: the probabilities of all completions must sum to 1",
            lambda ref_logprobs, rewards, beta: ref_logprobs + rewards / beta,
        ),
        Misconception(
            "probabilities",
            "those are probabilities: their logarithm is asked for, as the lab's next cells calculate with it",
            lambda ref_logprobs, rewards, beta: (ref_logprobs + rewards / beta).softmax(0),
        ),
        Misconception(
            "no reference",
            "the reference is missing: with a beta so large that rewards hardly count, it is what must be left",
            lambda ref_logprobs, rewards, beta: (rewards / beta).log_softmax(0),
        ),
        Misconception(
            "no beta",
            "beta is missing: it says how many units of reward one nat of KL costs",
            lambda ref_logprobs, rewards, beta: (ref_logprobs + rewards).log_softmax(0),
        ),
        Misconception(
            "all divided",
            "beta divides the reference too: that is a temperature. Only the reward is divided by it",
            lambda ref_logprobs, rewards, beta: ((ref_logprobs + rewards) / beta).log_softmax(0),
        ),
        Misconception(
            "overflow",
            "right where reward / beta is small, but exp(100) is infinite in float32, and infinity / infinity is NaN: "
            "stay with logarithms, `log_softmax`",
            lambda ref_logprobs, rewards, beta: (
                _tilted(ref_logprobs, rewards, beta) / _tilted(ref_logprobs, rewards, beta).sum()
            ).log(),
        ),
        Misconception(
            "overflow in Z",
            "right where reward / beta is small, but exp(100) is infinite in float32, and so is Z: `logsumexp` takes "
            "the largest number off first, and `log_softmax` does all of it",
            lambda ref_logprobs, rewards, beta: (
                ref_logprobs + rewards / beta - _tilted(ref_logprobs, rewards, beta).sum().log()
            ),
        ),
    ),
)


def _tuned(rng: np.random.Generator) -> list[Arguments]:
    def case(completions: int, beta: float) -> Arguments:
        ref_logprobs = -normal(rng, completions, scale=10).abs() - 5
        logprobs = ref_logprobs + normal(rng, completions)
        return {"logprobs": logprobs, "ref_logprobs": ref_logprobs, "beta": beta}

    return [case(4, float(rng.uniform(0.1, 0.5))), case(6, float(rng.uniform(1.5, 3))), case(2, 0.1), case(1, 0.3)]


def _centered(x: Tensor) -> Tensor:
    return x - x.mean()


IMPLICIT_REWARD = Exercise(
    name="implicit_reward",
    title="The reward that a policy stands for",
    minutes=5,
    difficulty=1,
    deliver="beta * log(policy / reference) of each completion of one prompt, minus the mean of that: (completions,).",
    reference=objectives.implicit_reward,
    cases=_tuned,
    hints=(
        "Solve policy = reference * exp(reward / beta) / Z for the reward, and let Z be.",
        "You are given log-probabilities: the logarithm of a ratio is a difference.",
        "Z is the same for all completions of the prompt, so the reward is known up to a constant: take off the mean.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "it is the reference minus the policy: what the policy made likelier must have the higher reward",
            lambda logprobs, ref_logprobs, beta: _centered(beta * (ref_logprobs - logprobs)),
        ),
        Misconception(
            "no reference",
            "the reference is missing: a text that was likely from the start would count as rewarded",
            lambda logprobs, ref_logprobs, beta: _centered(beta * logprobs),
        ),
        Misconception(
            "divided",
            "it divides by beta: reward / beta moved the policy, so the way back multiplies",
            lambda logprobs, ref_logprobs, beta: _centered((logprobs - ref_logprobs) / beta),
        ),
        Misconception(
            "no beta",
            "beta is missing: without it the reward is in nats, and not in its own unit",
            lambda logprobs, ref_logprobs, beta: _centered(logprobs - ref_logprobs),
        ),
        Misconception(
            "not centered",
            "the mean is still in it: the constant says nothing, so agree on the one that makes the mean 0",
            lambda logprobs, ref_logprobs, beta: beta * (logprobs - ref_logprobs),
        ),
        Misconception(
            "no log",
            "that is the ratio of the probabilities: the reward is in its logarithm, so take the difference alone",
            lambda logprobs, ref_logprobs, beta: _centered(beta * (logprobs - ref_logprobs).exp()),
        ),
    ),
)
