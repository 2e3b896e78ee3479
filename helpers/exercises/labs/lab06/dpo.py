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
        {  # a completion of probability exp(-150), which is 0 in float32
            "ref_logprobs": torch.tensor([0.5, 0.5]).log(),
            "rewards": torch.tensor([0.0, 15.0]),
            "beta": 0.1,
        },
    ]


def _tilted(ref_logprobs: Tensor, rewards: Tensor, beta: float) -> Tensor:
    return ref_logprobs.exp() * (rewards / beta).exp()


OPTIMAL_POLICY = Exercise(
    name="optimal_policy",
    title="The policy that DPO aims at",
    minutes=8,
    difficulty=2,
    deliver="The log-probabilities of that policy, (completions,), finite however large reward / beta is.",
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
            (
                lambda ref_logprobs, rewards, beta: (ref_logprobs + beta * rewards).log_softmax(0),
                lambda ref_logprobs, rewards, beta: ref_logprobs + beta * rewards,
                lambda ref_logprobs, rewards, beta: (ref_logprobs + beta * rewards).softmax(0),
            ),
        ),
        Misconception(
            "no Z",
            "Z is missing: the probabilities of all completions must sum to 1",
            (
                lambda ref_logprobs, rewards, beta: ref_logprobs + rewards / beta,
                lambda ref_logprobs, rewards, beta: _tilted(ref_logprobs, rewards, beta),
                lambda ref_logprobs, rewards, beta: _tilted(ref_logprobs, rewards, beta).log(),
            ),
        ),
        Misconception(
            "probabilities",
            "those are probabilities: their logarithm is asked for, as the lab's next cells calculate with it",
            (
                lambda ref_logprobs, rewards, beta: (ref_logprobs + rewards / beta).softmax(0),
                lambda ref_logprobs, rewards, beta: (
                    _tilted(ref_logprobs, rewards, beta) / _tilted(ref_logprobs, rewards, beta).sum()
                ),
            ),
        ),
        Misconception(
            "no reference",
            "the reference is missing: with a beta so large that rewards hardly count, it is what must be left",
            (
                lambda ref_logprobs, rewards, beta: (rewards / beta).log_softmax(0),
                lambda ref_logprobs, rewards, beta: (rewards / beta).softmax(0),
            ),
        ),
        Misconception(
            "sign",
            "the reward is taken off: a completion of higher reward must become likelier than under the reference",
            (
                lambda ref_logprobs, rewards, beta: (ref_logprobs - rewards / beta).log_softmax(0),
                lambda ref_logprobs, rewards, beta: ref_logprobs - rewards / beta,
            ),
        ),
        Misconception(
            "reference as probabilities",
            "the reference's log-probabilities are used as if they were probabilities, or the other way round: "
            "log-probabilities are added, probabilities are multiplied",
            (
                lambda ref_logprobs, rewards, beta: (ref_logprobs * (rewards / beta).exp()).log_softmax(0),
                lambda ref_logprobs, rewards, beta: (ref_logprobs * rewards / beta).log_softmax(0),
                lambda ref_logprobs, rewards, beta: (ref_logprobs.exp() + rewards / beta).log_softmax(0),
                lambda ref_logprobs, rewards, beta: (ref_logprobs.log_softmax(0) * (rewards / beta)).log_softmax(0),
                lambda ref_logprobs, rewards, beta: (
                    ref_logprobs * (rewards / beta).exp() / (ref_logprobs * (rewards / beta).exp()).sum()
                ),
            ),
        ),
        Misconception(
            "Z without the reference",
            "Z leaves the reference out: it is the sum of reference * exp(reward / beta), so that all sums to 1",
            (
                lambda ref_logprobs, rewards, beta: ref_logprobs + (rewards / beta).log_softmax(0),
                lambda ref_logprobs, rewards, beta: ref_logprobs + rewards / beta - (rewards / beta).exp().sum().log(),
            ),
        ),
        Misconception(
            "log of Z forgotten",
            "Z itself is taken off: in the logarithm it is log Z, so that the probabilities sum to 1",
            (
                lambda ref_logprobs, rewards, beta: (
                    ref_logprobs + rewards / beta - _tilted(ref_logprobs, rewards, beta).sum()
                ),
                lambda ref_logprobs, rewards, beta: (
                    (ref_logprobs + rewards / beta) / (ref_logprobs + rewards / beta).sum()
                ),
            ),
        ),
        Misconception(
            "largest taken off",
            "the largest number is taken off and not put back, or taken off instead of log Z: the probabilities do not "
            "sum to 1",
            lambda ref_logprobs, rewards, beta: (ref_logprobs + rewards / beta) - (ref_logprobs + rewards / beta).max(),
        ),
        Misconception(
            "mean taken off",
            "the mean is taken off, not log Z: the probabilities do not sum to 1",
            lambda ref_logprobs, rewards, beta: _centered(ref_logprobs + rewards / beta),
        ),
        Misconception(
            "no beta",
            "beta is missing: it says how many units of reward one nat of KL costs",
            (
                lambda ref_logprobs, rewards, beta: (ref_logprobs + rewards).log_softmax(0),
                lambda ref_logprobs, rewards, beta: (ref_logprobs + rewards).softmax(0),
            ),
        ),
        Misconception(
            "all divided",
            "beta divides the reference too: that is a temperature. Only the reward is divided by it",
            lambda ref_logprobs, rewards, beta: ((ref_logprobs + rewards) / beta).log_softmax(0),
        ),
        Misconception(
            "overflow",
            "right while reward / beta stays small, but exp(100) is infinite in float32, and infinity / infinity is "
            "NaN: stay with logarithms, `log_softmax`",
            (
                lambda ref_logprobs, rewards, beta: (
                    _tilted(ref_logprobs, rewards, beta) / _tilted(ref_logprobs, rewards, beta).sum()
                ).log(),
                lambda ref_logprobs, rewards, beta: (
                    _tilted(ref_logprobs, rewards, beta).log() - _tilted(ref_logprobs, rewards, beta).sum().log()
                ),
            ),
        ),
        Misconception(
            "underflow",
            "right where the log-probabilities are near each other, but softmax gives 0 for an unlikely completion, "
            "and log 0 is minus infinity: `log_softmax` does both at once",
            lambda ref_logprobs, rewards, beta: (ref_logprobs + rewards / beta).softmax(0).log(),
        ),
        Misconception(
            "overflow in Z",
            "right while reward / beta stays small, but exp(100) is infinite in float32, and so is Z: `logsumexp` "
            "takes the largest number off first, and `log_softmax` does all of it",
            lambda ref_logprobs, rewards, beta: (
                ref_logprobs + rewards / beta - _tilted(ref_logprobs, rewards, beta).sum().log()
            ),
        ),
    ),
)


def _centered(x: Tensor) -> Tensor:
    return x - x.mean()


def _tuned(rng: np.random.Generator) -> list[Arguments]:
    def case(completions: int, beta: float) -> Arguments:
        ref_logprobs = -normal(rng, completions, scale=10).abs() - 5
        logprobs = ref_logprobs + normal(rng, completions)
        return {"logprobs": logprobs, "ref_logprobs": ref_logprobs, "beta": beta}

    return [case(4, float(rng.uniform(0.1, 0.5))), case(6, float(rng.uniform(1.5, 3))), case(2, 0.1), case(1, 0.3)]


IMPLICIT_REWARD = Exercise(
    name="implicit_reward",
    title="The reward that a policy stands for",
    minutes=5,
    difficulty=1,
    deliver="The reward of each completion of one prompt, (completions,), with a plain mean of 0.",
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
            (
                lambda logprobs, ref_logprobs, beta: _centered(beta * (ref_logprobs - logprobs)),
                lambda logprobs, ref_logprobs, beta: beta * (ref_logprobs - logprobs),
            ),
        ),
        Misconception(
            "no reference",
            "the reference is missing: a text that was likely from the start would count as rewarded",
            (
                lambda logprobs, ref_logprobs, beta: _centered(beta * logprobs),
                lambda logprobs, ref_logprobs, beta: beta * logprobs,
            ),
        ),
        Misconception(
            "divided",
            "it divides by beta: reward / beta moved the policy, so the way back multiplies",
            (
                lambda logprobs, ref_logprobs, beta: _centered((logprobs - ref_logprobs) / beta),
                lambda logprobs, ref_logprobs, beta: (logprobs - ref_logprobs) / beta,
            ),
        ),
        Misconception(
            "no beta",
            "beta is missing: without it the reward is in nats, and not in its own unit",
            (
                lambda logprobs, ref_logprobs, beta: _centered(logprobs - ref_logprobs),
                lambda logprobs, ref_logprobs, beta: logprobs - ref_logprobs,
            ),
        ),
        Misconception(
            "not centered",
            "the mean is still in it: the constant says nothing, so agree on the one that makes the mean 0",
            lambda logprobs, ref_logprobs, beta: beta * (logprobs - ref_logprobs),
        ),
        Misconception(
            "no log",
            "that is the ratio of the probabilities: the reward is in its logarithm, so take the difference alone",
            (
                lambda logprobs, ref_logprobs, beta: _centered(beta * (logprobs - ref_logprobs).exp()),
                lambda logprobs, ref_logprobs, beta: beta * (logprobs - ref_logprobs).exp(),
                lambda logprobs, ref_logprobs, beta: _centered(beta * (logprobs.exp() / ref_logprobs.exp())),
            ),
        ),
        Misconception(
            "already logarithms",
            "log-probabilities are taken for probabilities: they are logarithms already, so log(policy / reference) is "
            "their difference",
            (
                lambda logprobs, ref_logprobs, beta: _centered(beta * (logprobs / ref_logprobs).log()),
                lambda logprobs, ref_logprobs, beta: _centered(beta * logprobs / ref_logprobs),
                lambda logprobs, ref_logprobs, beta: beta * (logprobs / ref_logprobs).log(),
                lambda logprobs, ref_logprobs, beta: _centered(beta * (logprobs.log() - ref_logprobs.log())),
            ),
        ),
        Misconception(
            "difference of probabilities",
            "that is the difference of the probabilities: the logarithm of a ratio is the difference of the logarithms",
            (
                lambda logprobs, ref_logprobs, beta: _centered(beta * (logprobs.exp() - ref_logprobs.exp())),
                lambda logprobs, ref_logprobs, beta: beta * (logprobs.exp() - ref_logprobs.exp()),
            ),
        ),
        Misconception(
            "weighted by the policy",
            "the mean is weighted by probabilities, or each term is: asked for is the plain mean over the completions",
            (
                lambda logprobs, ref_logprobs, beta: (
                    beta * (logprobs - ref_logprobs) - (logprobs.softmax(0) * beta * (logprobs - ref_logprobs)).sum()
                ),
                lambda logprobs, ref_logprobs, beta: (
                    beta * (logprobs - ref_logprobs) - (logprobs.exp() * beta * (logprobs - ref_logprobs)).sum()
                ),
                lambda logprobs, ref_logprobs, beta: _centered(logprobs.exp() * beta * (logprobs - ref_logprobs)),
            ),
        ),
        Misconception(
            "mean times beta",
            "the mean that is taken off is not that of the same numbers: multiply by beta first, then take off the "
            "mean of the result",
            (
                lambda logprobs, ref_logprobs, beta: (
                    beta * (logprobs - ref_logprobs) - (logprobs - ref_logprobs).mean()
                ),
                lambda logprobs, ref_logprobs, beta: beta * (logprobs - ref_logprobs) - logprobs.mean(),
                lambda logprobs, ref_logprobs, beta: beta * (logprobs - ref_logprobs) - beta * logprobs.mean(),
            ),
        ),
        Misconception(
            "sum taken off",
            "the sum is taken off, not the mean",
            lambda logprobs, ref_logprobs, beta: (
                beta * (logprobs - ref_logprobs) - (beta * (logprobs - ref_logprobs)).sum()
            ),
        ),
        Misconception(
            "another constant",
            "another constant is taken off, the largest, the smallest or log Z: agree on the one that makes the mean 0",
            (
                lambda logprobs, ref_logprobs, beta: (
                    beta * (logprobs - ref_logprobs) - (beta * (logprobs - ref_logprobs)).max()
                ),
                lambda logprobs, ref_logprobs, beta: (
                    beta * (logprobs - ref_logprobs) - (beta * (logprobs - ref_logprobs)).min()
                ),
                lambda logprobs, ref_logprobs, beta: (beta * (logprobs - ref_logprobs)).log_softmax(0),
                lambda logprobs, ref_logprobs, beta: beta * (logprobs - ref_logprobs).log_softmax(0),
                lambda logprobs, ref_logprobs, beta: (
                    beta * (logprobs - ref_logprobs) - (beta * (logprobs - ref_logprobs)).median()
                ),
            ),
        ),
        Misconception(
            "the mean alone",
            "that is the mean over the completions: each completion has a reward of its own",
            (
                lambda logprobs, ref_logprobs, beta: (beta * (logprobs - ref_logprobs)).mean(),
                lambda logprobs, ref_logprobs, beta: (beta * (logprobs - ref_logprobs)).sum(),
            ),
        ),
        Misconception(
            "standardized",
            "it is divided by its standard deviation too: only the mean is taken off, the size is what beta says",
            lambda logprobs, ref_logprobs, beta: (
                _centered(beta * (logprobs - ref_logprobs)) / (beta * (logprobs - ref_logprobs)).std()
            ),
        ),
    ),
)
