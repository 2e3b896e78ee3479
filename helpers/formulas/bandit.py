"""A multi-armed bandit and REINFORCE in numpy: the smallest example of reinforcement learning.

Each arm is an action with a mean reward that the agent does not know. The policy is a softmax over one logit per arm;
REINFORCE (Williams 1992) changes the logits after every pull. Many independent runs are computed at once, because one
run of a noisy method shows little.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike


def softmax(logits: ArrayLike) -> np.ndarray:
    """Softmax: the policy's probabilities of the arms, exp(logit) / sum of exp(logits), (..., arms).

    Args:
        logits: (..., arms).
    """
    logits = np.asarray(logits, dtype=float)
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def logprob_gradient(logits: ArrayLike, arms: ArrayLike) -> np.ndarray:
    """Gradient of log pi(arm) with respect to the logits: one-hot(arm) - pi, (runs, arms).

    The arm's own logit goes up, and all others together go down by as much.

    Args:
        logits: (runs, arms).
        arms: (runs,), the arms that were pulled.
    """
    probabilities = softmax(logits)
    return np.eye(probabilities.shape[-1])[np.asarray(arms)] - probabilities


def expected_reward_gradient(logits: ArrayLike, means: ArrayLike) -> np.ndarray:
    """Policy gradient: the exact gradient of the expected reward, pi * (means - expected reward), (arms,).

    REINFORCE estimates it. Only who knows the mean rewards can compute it.

    Args:
        logits: (arms,).
        means: (arms,), the mean rewards.
    """
    probabilities, means = softmax(logits), np.asarray(means, dtype=float)
    return probabilities * (means - (probabilities * means).sum(axis=-1, keepdims=True))


def pull(means: ArrayLike, arms: ArrayLike, rng: np.random.Generator, noise: float = 1.0) -> np.ndarray:
    """The rewards of pulled arms: each arm's mean plus normal noise, in the shape of `arms`.

    Args:
        means: (arms,), the mean rewards.
        arms: The arms that are pulled.
        rng: Draws the noise.
        noise: Its standard deviation.
    """
    means, arms = np.asarray(means, dtype=float), np.asarray(arms)
    return means[arms] + noise * rng.standard_normal(arms.shape)


def draw_arms(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sample one arm per run from the policies' probabilities (runs, arms): (runs,)."""
    below = rng.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)
    return below.sum(axis=1).clip(max=probabilities.shape[1] - 1)  # a row may sum to a little less than 1


def reinforce_update(
    logits: np.ndarray, arms: np.ndarray, rewards: np.ndarray, baseline: np.ndarray, learning_rate: float
) -> np.ndarray:
    """REINFORCE update: logits + learning_rate * (reward - baseline) * gradient of log pi(arm), (runs, arms).

    (Williams 1992.)

    Args:
        logits: (runs, arms).
        arms: (runs,), the arms that were pulled.
        rewards: (runs,).
        baseline: (runs,).
        learning_rate: Of the step.
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
    update: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], np.ndarray] = reinforce_update,
) -> np.ndarray:
    """REINFORCE on a bandit: `runs` independent policies, one pull per step, starting from the uniform policy.

    Args:
        means: (arms,), the mean rewards; at least two.
        learning_rate: Of each step.
        steps: Pulls per run.
        runs: Independent policies.
        baseline: Whether the mean of a run's earlier rewards (0 before the first) is its baseline; else it is 0.
        noise: Standard deviation of the rewards.
        seed: Of arms and rewards.
        update: One step; it gets logits, arms, rewards, baseline and learning rate, as `reinforce_update`.

    Returns:
        Probabilities of the arms, (runs, steps + 1, arms).

    Raises:
        ValueError: For fewer than two arms, and for a learning rate, steps or runs that are not positive.
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
