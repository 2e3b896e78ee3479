"""A multi-armed bandit and REINFORCE in numpy: the smallest reinforcement learning there is.

Each arm is an action with a mean reward that the agent does not know. The policy is a softmax over one logit an arm;
REINFORCE (Williams 1992) changes the logits after every pull. Many independent runs are computed at once, because one
run of a noisy method shows little.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike


def softmax(logits: ArrayLike) -> np.ndarray:
    """The policy: probabilities of the arms, (..., arms), from their logits."""
    logits = np.asarray(logits, dtype=float)
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def logprob_gradient(logits: ArrayLike, arms: ArrayLike) -> np.ndarray:
    """Gradient of log pi(arm) by the logits: one-hot(arm) - pi, (runs, arms) for `logits` (runs, arms), `arms` (runs,).

    The arm's own logit goes up, and all others go down by as much together.
    """
    probabilities = softmax(logits)
    return np.eye(probabilities.shape[-1])[np.asarray(arms)] - probabilities


def expected_reward_gradient(logits: ArrayLike, means: ArrayLike) -> np.ndarray:
    """Exact gradient of the expected reward by the `logits` (arms,): pi * (means - expected reward), (arms,).

    It is what REINFORCE estimates. Only someone who knows the mean rewards `means` (arms,) can compute it.
    """
    probabilities, means = softmax(logits), np.asarray(means, dtype=float)
    return probabilities * (means - (probabilities * means).sum(axis=-1, keepdims=True))


def pull(means: ArrayLike, arms: ArrayLike, rng: np.random.Generator, noise: float = 1.0) -> np.ndarray:
    """A reward for each of `arms`: its mean, and normal noise of that standard deviation."""
    means, arms = np.asarray(means, dtype=float), np.asarray(arms)
    return means[arms] + noise * rng.standard_normal(arms.shape)


def draw_arms(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One arm for each row of `probabilities` (runs, arms): (runs,)."""
    below = rng.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)
    return below.sum(axis=1).clip(max=probabilities.shape[1] - 1)  # a row may sum to a little less than 1


def reinforce_update(
    logits: np.ndarray, arms: np.ndarray, rewards: np.ndarray, baseline: np.ndarray, learning_rate: float
) -> np.ndarray:
    """One step of REINFORCE for each run: logits + learning_rate * (reward - baseline) * grad log pi(arm).

    `logits` and the result: (runs, arms). `arms`, the ones that were pulled, `rewards` and `baseline`: (runs,).
    """
    advantages = rewards - baseline
    return logits + learning_rate * advantages[:, None] * logprob_gradient(logits, arms)


def reinforce(
    means: ArrayLike,
    *,
    learning_rate: float = 0.2,
    steps: int = 200,
    runs: int = 100,
    baseline: bool = True,
    noise: float = 1.0,
    seed: int = 0,
    update: Callable = reinforce_update,
) -> np.ndarray:
    """Train `runs` independent policies, one pull a step: the arms' probabilities (runs, steps + 1, arms).

    Each step is an `update` with the mean of the run's earlier rewards as its baseline (0 before the first), or always
    0 without a `baseline`. The first policy is uniform.
    Raises ValueError for fewer than two arms and for a learning rate, steps or runs that are not positive.
    """
    means = np.asarray(means, dtype=float)
    if means.ndim != 1 or len(means) < 2:
        raise ValueError(f"a bandit needs a list of at least 2 mean rewards, not shape {means.shape}")
    if not (learning_rate > 0 and steps > 0 and runs > 0):
        raise ValueError("learning_rate, steps and runs must be positive")
    rng = np.random.default_rng(seed)
    logits = np.zeros((runs, len(means)))
    mean_reward = np.zeros(runs)
    history = [softmax(logits)]
    for step in range(1, steps + 1):
        arms = draw_arms(history[-1], rng)
        rewards = pull(means, arms, rng, noise)
        expected = mean_reward if baseline else np.zeros(runs)
        logits = update(logits, arms, rewards, expected, learning_rate)
        mean_reward += (rewards - mean_reward) / step
        history.append(softmax(logits))
    return np.stack(history, axis=1)
