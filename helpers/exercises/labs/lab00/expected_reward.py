"""Exercise of lab 00: the exact gradient of the expected reward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....formulas import bandit
from ...exercise import Arguments, Exercise, Misconception


def _bandits(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"logits": rng.normal(size=5), "means": rng.normal(1, 2, size=5)},
        {"logits": np.zeros(3), "means": rng.normal(1, 2, size=3)},
        {"logits": np.array([8.0, -8.0, 0.0, 1.0]), "means": rng.normal(-1, 2, size=4)},
        {"logits": rng.normal(size=4), "means": np.full(4, rng.normal() + 3)},
        {"logits": np.array([1000.0, 999.0, 0.0]), "means": np.array([1.0, 3.0, 2.0])},
    ]


def _expected(logits: np.ndarray, means: np.ndarray) -> float:
    return bandit.softmax(logits) @ means


def _from(make: Callable[[np.ndarray, np.ndarray, float], Any]) -> Callable[..., Any]:
    """A gradient from pi, the means and the expected reward."""

    def wrong(logits: np.ndarray, means: np.ndarray) -> Any:
        pi = bandit.softmax(logits)
        return make(pi, means, float(pi @ means))

    return wrong


def _overflowing(logits: np.ndarray, means: np.ndarray) -> np.ndarray:
    pi = np.exp(logits) / np.exp(logits).sum()
    return pi * (means - pi @ means)


EXPECTED_REWARD_GRADIENT = Exercise(
    name="expected_reward_gradient",
    title="The exact gradient",
    minutes=8,
    difficulty=2,
    deliver="The gradient of the expected reward by the logits of one policy, of any size: one number for each arm.",
    reference=bandit.expected_reward_gradient,
    cases=_bandits,
    hints=(
        "J = sum of pi(a) r(a). The derivative of pi(a) by logit b is pi(a) (1 - pi(a)) for a = b, else -pi(a) pi(b).",
        "Put it in and take pi(b) out of the sum: what is left is r(b) minus a sum that you know.",
        "That sum is the expected reward itself, `pi @ means`.",
    ),
    misconceptions=(
        Misconception(
            "overflow",
            "right for small logits, but exp(1000) is infinite, which ends as NaN: use `softmax` from above, which is "
            "right for large logits too",
            _overflowing,
        ),
        Misconception(
            "no baseline",
            "this raises every arm of positive reward. Raising one logit lowers all other probabilities: subtract the "
            "expected reward from the means",
            _from(lambda pi, means, j: pi * means),
        ),
        Misconception(
            "no pi",
            "the factor pi is missing: an arm that is hardly ever pulled can hardly change the expected reward",
            _from(lambda pi, means, j: means - j),
        ),
        Misconception(
            "plain mean",
            "it subtracts the plain mean of the arms; the expected reward weighs each arm by its probability",
            (
                _from(lambda pi, means, j: pi * (means - means.mean())),
                _from(lambda pi, means, j: means - means.mean()),
            ),
        ),
        Misconception(
            "mean of products",
            "it takes the *mean* of pi times the means as the expected reward: that is their *sum*, pi @ means, for "
            "the probabilities are the weights already",
            _from(lambda pi, means, j: pi * (means - (pi * means).mean())),
        ),
        Misconception(
            "sum of means",
            "it subtracts the plain sum of the means; the expected reward weighs each arm by its probability",
            _from(lambda pi, means, j: pi * (means - means.sum())),
        ),
        Misconception(
            "sign",
            "the sign is turned round: this points to where the expected reward *falls*",
            _from(lambda pi, means, j: pi * (j - means)),
        ),
        Misconception(
            "added",
            "it adds the expected reward to the means: what counts is how far an arm's mean lies *above* it, so "
            "subtract",
            _from(lambda pi, means, j: pi * (means + j)),
        ),
        Misconception(
            "parentheses",
            "pi multiplies the mean only: it must multiply the whole difference, pi * (mean - expected reward)",
            (
                _from(lambda pi, means, j: pi * means - j),
                _from(lambda pi, means, j: means - pi * j),
            ),
        ),
        Misconception(
            "own arm only",
            "it has the factor pi (1 - pi), as if a logit changed its own arm only: raising one logit lowers the "
            "probabilities of all others, whose rewards count too",
            (
                _from(lambda pi, means, j: pi * (1 - pi) * means),
                _from(lambda pi, means, j: pi * (1 - pi) * (means - j)),
            ),
        ),
        Misconception(
            "other weight",
            "the difference is right, but its weight is not pi itself: each arm counts by its probability, once",
            (
                _from(lambda pi, means, j: (1 - pi) * (means - j)),
                _from(lambda pi, means, j: pi**2 * (means - j)),
                _from(lambda pi, means, j: np.log(pi) * (means - j)),
                _from(lambda pi, means, j: (means - j) / pi),
            ),
        ),
        Misconception(
            "best arm",
            "it subtracts the best arm's mean, so that no arm would gain: subtract the expected reward",
            (
                _from(lambda pi, means, j: pi * (means - means.max())),
                _from(lambda pi, means, j: pi * (means - means[pi.argmax()])),
            ),
        ),
        Misconception(
            "second part only",
            "that is one part of it, pi times the expected reward: the arm's own mean is missing",
            (_from(lambda pi, means, j: pi * j), _from(lambda pi, means, j: -pi * j)),
        ),
        Misconception(
            "by probabilities",
            "the means are the derivative by the *probabilities*; the policy's parameters are the logits, which move "
            "all probabilities at once",
            (_from(lambda pi, means, j: means), _from(lambda pi, means, j: means / pi)),
        ),
        Misconception(
            "logits",
            "it uses the logits as if they were probabilities: pass them through softmax first",
            (
                lambda logits, means: logits * (means - logits @ means),
                lambda logits, means: logits * (means - bandit.softmax(logits) @ means),
                lambda logits, means: bandit.softmax(logits) * (means - logits @ means),
            ),
        ),
        Misconception(
            "exp only",
            "it takes exp(logits) as probabilities, but they do not sum to 1: divide by their sum, as `softmax` does",
            lambda logits, means: np.exp(logits) * (means - np.exp(logits) @ means),
        ),
        Misconception(
            "softmax of the means",
            "it passes the means through softmax: the policy is the softmax of the *logits*, the means are the rewards",
            (
                lambda logits, means: bandit.softmax(means) * (means - bandit.softmax(means) @ means),
                lambda logits, means: bandit.softmax(means) * (logits - bandit.softmax(means) @ logits),
            ),
        ),
        Misconception(
            "divided by arms",
            "it divides by the number of arms: pi has weighed them already, so nothing is left to average",
            _from(lambda pi, means, j: pi * (means - j) / len(pi)),
        ),
        Misconception(
            "scaled",
            "it divides by the spread of the means: the gradient keeps the unit of the reward",
            (
                _from(lambda pi, means, j: pi * (means - j) / (means.std() + 1e-8)),
                _from(lambda pi, means, j: pi * (means - means.mean()) / (means.std() + 1e-8)),
            ),
        ),
        Misconception(
            "value",
            "that is the expected reward itself; asked for is its gradient, one number for each logit",
            (_from(lambda pi, means, j: j), _from(lambda pi, means, j: (pi * means).mean())),
        ),
        Misconception(
            "summed",
            "it adds up the gradient over the arms, which always gives 0: return one number for each logit",
            _from(lambda pi, means, j: (pi * (means - j)).sum()),
        ),
        Misconception(
            "jacobian",
            "those are the derivatives of all probabilities by all logits, (arms, arms): weigh them by the means and "
            "add up, which leaves one number for each logit",
            _from(lambda pi, means, j: np.diag(pi) - np.outer(pi, pi)),
        ),
    ),
)  # fmt: skip
