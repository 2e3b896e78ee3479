"""Exercises of lab 00: softmax, gradients and REINFORCE on a bandit."""

from __future__ import annotations

import numpy as np

from ....formulas import bandit
from ...exercise import Arguments, Exercise, Misconception


def _policies(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"logits": rng.normal(size=5)},
        {"logits": rng.normal(size=(3, 4))},
        {"logits": np.array([1e4, 1e4 + rng.normal(), -1e4])},
        {"logits": np.array([[0.0, rng.normal()], [-900.0, -900.0 - rng.random()]])},
    ]


def _exp(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits - logits.max(axis=-1, keepdims=True))


SOFTMAX = Exercise(
    name="softmax",
    title="From logits to a policy",
    minutes=6,
    difficulty=1,
    deliver="The probabilities exp(logit) / sum of exp(logits) over the last axis, right for logits of any size.",
    reference=bandit.softmax,
    cases=_policies,
    hints=(
        "Every probability is positive, and those of one policy sum to 1; each row of an array is a policy of its own.",
        "`axis=-1, keepdims=True` keeps the sum's shape ready for the division.",
        "exp(10000) overflows. Subtracting one number from all logits of a row changes nothing in the result: take "
        "the row's maximum.",
    ),
    misconceptions=(
        Misconception(
            "overflow",
            "right for small logits, but exp(10000) is infinite and exp(-900) is 0, and both end as NaN: subtract each "
            "row's maximum first",
            lambda logits: np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True),
        ),
        Misconception(
            "one maximum",
            "it subtracts the maximum of the whole array: where another row's logits are far lower, all of that row "
            "becomes 0 / 0. Take each row's own",
            lambda logits: np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum(axis=-1, keepdims=True),
        ),
        Misconception(
            "whole array",
            "all rows together sum to 1: every row is a policy of its own, so sum over the last axis only",
            lambda logits: np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum(),
        ),
        Misconception(
            "first axis",
            "the columns sum to 1, not the rows: the arms are on the last axis",
            lambda logits: np.exp(logits - logits.max(axis=0)) / np.exp(logits - logits.max(axis=0)).sum(axis=0),
        ),
        Misconception(
            "no exp",
            "it divides the logits themselves by their sum: negative logits would give negative probabilities",
            lambda logits: logits / logits.sum(axis=-1, keepdims=True),
        ),
        Misconception(
            "not normalized",
            "these do not sum to 1: divide each row by its sum",
            np.exp,
        ),
        Misconception(
            "log",
            "these are log-probabilities: take exp of them",
            lambda logits: (
                logits - logits.max(axis=-1, keepdims=True) - np.log(_exp(logits).sum(axis=-1, keepdims=True))
            ),
        ),
    ),
)  # fmt: skip


def _pulls(rng: np.random.Generator) -> list[Arguments]:
    cases = [
        {"logits": rng.normal(size=(runs, arms)), "arms": rng.integers(arms, size=runs)}
        for runs, arms in ((6, 5), (1, 3), (4, 4))
    ]
    sure = {"logits": np.array([[30.0, 0.0, -30.0], [0.0, 40.0, 1.0]]), "arms": np.array([2, 1])}
    return [*cases, sure]


def _one_hot(logits: np.ndarray, arms: np.ndarray) -> np.ndarray:
    return np.eye(logits.shape[-1])[arms]


LOGPROB_GRADIENT = Exercise(
    name="logprob_gradient",
    title="The gradient of a log-probability",
    minutes=8,
    difficulty=2,
    deliver="For each run the gradient of log pi(arm) by all its logits: one-hot(arm) minus pi.",
    reference=bandit.logprob_gradient,
    cases=_pulls,
    hints=(
        "log pi(a) = logit_a - log(sum of exp(logits)). Differentiate both parts by each logit.",
        "The first part gives 1 for the pulled arm and 0 elsewhere; the second gives minus the arm's probability.",
        "`np.eye(k)[arms]` has a row with a 1 at the pulled arm for each run; `softmax(logits)` is pi.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "the sign is turned round: a step along this makes the pulled arm *less* probable",
            lambda logits, arms: bandit.softmax(logits) - _one_hot(logits, arms),
        ),
        Misconception(
            "no pi",
            "only the pulled arm's own logit is in it; the softmax's denominator holds all logits, so pi must be "
            "subtracted",
            _one_hot,
        ),
        Misconception(
            "pulled only",
            "right at the pulled arm, but 0 at the others: when one arm gains, the others lose, by their probabilities",
            lambda logits, arms: _one_hot(logits, arms) * (1 - bandit.softmax(logits)),
        ),
        Misconception(
            "no log",
            "that is the gradient of pi(arm), not of log pi(arm): it is pi(arm) times too small, so rare arms would "
            "hardly learn",
            lambda logits, arms: (
                np.take_along_axis(bandit.softmax(logits), arms[:, None], axis=1)
                * (_one_hot(logits, arms) - bandit.softmax(logits))
            ),
        ),
        Misconception(
            "by probabilities",
            "1 / pi is the derivative by the *probability*; the policy's parameters are the logits",
            lambda logits, arms: _one_hot(logits, arms) / bandit.softmax(logits),
        ),
        Misconception(
            "logits",
            "it subtracts the logits, which are no probabilities: pass them through softmax first",
            lambda logits, arms: _one_hot(logits, arms) - logits,
        ),
    ),
)  # fmt: skip


def _bandits(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"logits": rng.normal(size=5), "means": rng.normal(1, 2, size=5)},
        {"logits": np.zeros(3), "means": rng.normal(1, 2, size=3)},
        {"logits": np.array([8.0, -8.0, 0.0, 1.0]), "means": rng.normal(-1, 2, size=4)},
        {"logits": rng.normal(size=4), "means": np.full(4, rng.normal() + 3)},
    ]


def _expected(logits: np.ndarray, means: np.ndarray) -> float:
    return bandit.softmax(logits) @ means


EXPECTED_REWARD_GRADIENT = Exercise(
    name="expected_reward_gradient",
    title="The exact gradient",
    minutes=8,
    difficulty=2,
    deliver="The gradient of the expected reward by the logits: pi times how far each arm's mean is above it.",
    reference=bandit.expected_reward_gradient,
    cases=_bandits,
    hints=(
        "J = sum of pi(a) r(a). The derivative of pi(a) by logit b is pi(a) (1 - pi(a)) for a = b, else -pi(a) pi(b).",
        "Put it in and take pi(b) out of the sum: what is left is r(b) minus a sum that you know.",
        "That sum is the expected reward itself, `pi @ means`.",
    ),
    misconceptions=(
        Misconception(
            "no baseline",
            "this raises every arm of positive reward. Raising one logit lowers all other probabilities: subtract the "
            "expected reward from the means",
            lambda logits, means: bandit.softmax(logits) * means,
        ),
        Misconception(
            "no pi",
            "the factor pi is missing: an arm that is hardly ever pulled can hardly change the expected reward",
            lambda logits, means: means - _expected(logits, means),
        ),
        Misconception(
            "plain mean",
            "it subtracts the plain mean of the arms; the expected reward weighs each arm by its probability",
            lambda logits, means: bandit.softmax(logits) * (means - means.mean()),
        ),
        Misconception(
            "sign",
            "the sign is turned round: this points to where the expected reward *falls*",
            lambda logits, means: bandit.softmax(logits) * (_expected(logits, means) - means),
        ),
        Misconception(
            "logits",
            "it uses the logits as if they were probabilities: pass them through softmax first",
            lambda logits, means: logits * (means - logits @ means),
        ),
        Misconception(
            "value",
            "that is the expected reward itself; asked for is its gradient, one number for each logit",
            _expected,
        ),
    ),
)


def _steps(rng: np.random.Generator) -> list[Arguments]:
    return [
        {
            "logits": rng.normal(size=(runs, arms)),
            "arms": rng.integers(arms, size=runs),
            "rewards": rng.normal(2, 1, size=runs),
            "baseline": baseline * rng.normal(1, 1, size=runs),
            "learning_rate": float(rng.uniform(0.05, 0.5)),
        }
        for runs, arms, baseline in ((6, 5, 1.0), (3, 4, 0.0), (4, 4, 1.0), (1, 2, 1.0))
    ]


def _step(logits: np.ndarray, arms: np.ndarray, advantages: np.ndarray, rate: float) -> np.ndarray:
    return logits + rate * advantages[:, None] * bandit.logprob_gradient(logits, arms)


REINFORCE_UPDATE = Exercise(
    name="reinforce_update",
    title="One step of REINFORCE",
    minutes=10,
    difficulty=2,
    deliver="The new logits of every run: each moved along its own gradient, times reward minus baseline.",
    reference=bandit.reinforce_update,
    cases=_steps,
    hints=(
        "Each run is on its own: its logits, the arm that it pulled, its reward, its baseline.",
        "The step is learning_rate times (reward - baseline) times the gradient that you wrote, *up* the hill.",
        "`(rewards - baseline)[:, None]` makes a column, one number for each run, that multiplies its whole row.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "it walks down the hill: arms that paid well become less probable. Add the step",
            lambda logits, arms, rewards, baseline, learning_rate: _step(
                logits, arms, rewards - baseline, -learning_rate
            ),
        ),
        Misconception(
            "no baseline",
            "the baseline is not used: where all rewards are positive, every pulled arm then gains, good or bad",
            lambda logits, arms, rewards, baseline, learning_rate: _step(logits, arms, rewards, learning_rate),
        ),
        Misconception(
            "baseline added",
            "it adds the baseline to the reward; what counts is how far the reward lies *above* the baseline",
            lambda logits, arms, rewards, baseline, learning_rate: _step(
                logits, arms, rewards + baseline, learning_rate
            ),
        ),
        Misconception(
            "broadcast",
            "the advantages (runs,) meet the gradients (runs, arms) along the arms: make them a column with [:, None]",
            lambda logits, arms, rewards, baseline, learning_rate: (
                logits + learning_rate * (rewards - baseline) * bandit.logprob_gradient(logits, arms)
            ),
        ),
        Misconception(
            "averaged",
            "it averages over the runs and moves all of them alike: each run is a policy of its own",
            lambda logits, arms, rewards, baseline, learning_rate: (
                logits
                + learning_rate
                * ((rewards - baseline)[:, None] * bandit.logprob_gradient(logits, arms)).mean(axis=0)
            ),
        ),
        Misconception(
            "pulled only",
            "only the pulled arm's logit gets reward minus baseline: multiply by the gradient of its log-probability, "
            "which is small for an arm that is almost sure and reaches the other arms too",
            lambda logits, arms, rewards, baseline, learning_rate: (
                logits + learning_rate * (rewards - baseline)[:, None] * _one_hot(logits, arms)
            ),
        ),
        Misconception(
            "no learning rate",
            "the learning rate is missing: the step is taken whole",
            lambda logits, arms, rewards, baseline, learning_rate: _step(logits, arms, rewards - baseline, 1.0),
        ),
        Misconception(
            "step alone",
            "that is the step; return the logits after it",
            lambda logits, arms, rewards, baseline, learning_rate: (
                _step(logits, arms, rewards - baseline, learning_rate) - logits
            ),
        ),
    ),
)  # fmt: skip
